//! A small FIFO of write beats, between the scratchpad's fixed latency and the bus's
//! back-pressure. The word at its head is visible without asking for it.

use rust_hdl::prelude::*;

/// Beats that it holds.
pub const DEPTH: usize = 16;

/// FIFO of data, byte strobes and the burst's last flag.
#[derive(LogicBlock, Default)]
pub struct BeatFifo {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Empties it.
    pub reset: Signal<In, Bit>,
    /// Takes in a beat. The caller sees to it that there is room.
    pub push: Signal<In, Bits<1>>,
    /// Its data.
    pub push_data: Signal<In, Bits<64>>,
    /// Its byte strobes.
    pub push_strobe: Signal<In, Bits<8>>,
    /// It ends a burst.
    pub push_last: Signal<In, Bits<1>>,
    /// Removes the head.
    pub pop: Signal<In, Bit>,
    /// There is a head.
    pub valid: Signal<Out, Bit>,
    /// Data of the head.
    pub data: Signal<Out, Bits<64>>,
    /// Byte strobes of the head.
    pub strobe: Signal<Out, Bits<8>>,
    /// The head ends a burst.
    pub last: Signal<Out, Bit>,
    _beats: [(Bits<64>, Bits<8>, bool); DEPTH],
    _head: usize,
    _tail: usize,
}

impl Logic for BeatFifo {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if self.pop.val() {
                self._head += 1;
            }
            if self.push.val().get_bit(0) {
                self._beats[self._tail % DEPTH] = (
                    self.push_data.val(),
                    self.push_strobe.val(),
                    self.push_last.val().get_bit(0),
                );
                self._tail += 1;
            }
            if self.reset.val() {
                self._head = 0;
                self._tail = 0;
            }
        }
        self.valid.next = self._head != self._tail;
        let (data, strobe, last) = self._beats[self._head % DEPTH];
        self.data.next = data;
        self.strobe.next = strobe;
        self.last.next = last;
    }

    fn connect(&mut self) {
        self.valid.connect();
        self.data.connect();
        self.strobe.connect();
        self.last.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "\
reg [72:0] beats [0:{last_index}];
reg [{bits}:0] head;
reg [{bits}:0] tail;
wire [72:0] front = beats[head[{top}:0]];

initial begin
   head = {width}'d0;
   tail = {width}'d0;
end

always @(*) begin
   valid = head != tail;
   data = front[63:0];
   strobe = front[71:64];
   last = front[72];
end

always @(posedge clock) begin
   if (pop) head <= head + {width}'d1;
   if (push) begin
      beats[tail[{top}:0]] <= {{push_last, push_strobe, push_data}};
      tail <= tail + {width}'d1;
   end
   if (reset) begin
      head <= {width}'d0;
      tail <= {width}'d0;
   end
end
",
            last_index = DEPTH - 1,
            bits = DEPTH.trailing_zeros(),
            top = DEPTH.trailing_zeros() - 1,
            width = DEPTH.trailing_zeros() + 1,
        ))
    }
}
