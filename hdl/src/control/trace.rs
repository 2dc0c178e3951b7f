//! Trace: a record of each instruction's cycles, written to host memory while the run goes on.
//!
//! ```text
//!  starts, busy flags --> a record under way for each unit --finished--> FIFO --> write engine
//! ```
//!
//! Records are written when the write engine has nothing else to do, so they cost next to nothing;
//! no instruction begins while the FIFO is nearly full, so none is lost. What the units do is looked
//! at a cycle later, as the counters do: it comes from all over the chip.

use rust_hdl::prelude::*;

use crate::bits::slice;
use crate::fixed::Fixed;

/// Units that are traced: computation, DMA reads, DMA writes.
pub const UNITS: usize = 3;

/// Records that the FIFO holds.
const DEPTH: usize = 8;

/// FIFO of records of four words; the head is visible a word at a time.
#[derive(LogicBlock, Default)]
pub struct RecordFifo {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Empties it.
    pub reset: Signal<In, Bit>,
    /// Takes in a record.
    pub push: Signal<In, Bit>,
    /// Its words.
    pub words: [Signal<In, Bits<64>>; 4],
    /// Removes the head.
    pub pop: Signal<In, Bit>,
    /// There is a head.
    pub valid: Signal<Out, Bit>,
    /// There is room for as many records as can come at once, and as many more.
    pub room: Signal<Out, Bit>,
    /// Word of the head to show.
    pub select: Signal<In, Bits<2>>,
    /// The word, a cycle later.
    pub word: Signal<Out, Bits<64>>,
    _records: [[u64; 4]; DEPTH],
    _head: usize,
    _tail: usize,
}

impl Logic for RecordFifo {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.word.next = self._records[self._head % DEPTH][self.select.val().index()].into();
            if self.push.val() {
                self._records[self._tail % DEPTH] =
                    std::array::from_fn(|index| slice(self.words[index].val(), 0, 64));
                self._tail += 1;
            }
            if self.pop.val() {
                self._head += 1;
            }
            if self.reset.val() {
                self._head = 0;
                self._tail = 0;
            }
        }
        let level = self._tail.wrapping_sub(self._head) % (2 * DEPTH);
        self.valid.next = level != 0;
        self.room.next = level < DEPTH - 2 * UNITS + 1;
    }

    fn connect(&mut self) {
        self.valid.connect();
        self.room.connect();
        self.word.connect();
    }

    fn hdl(&self) -> Verilog {
        let bits = DEPTH.trailing_zeros();
        Verilog::Custom(format!(
            "\
// A record is read after it has been written.
(* ram_style = \"distributed\", no_rw_check *)
reg [255:0] records [0:{last}];
reg [{bits}:0] head;
reg [{bits}:0] tail;
wire [{bits}:0] level = tail - head;
wire [255:0] front = records[head[{top}:0]];
// Each word has a register that is zero unless it is shown: an OR joins them.
reg [63:0] word0, word1, word2, word3;

initial begin
   head = {width}'d0;
   tail = {width}'d0;
end

always @(*) begin
   valid = level != {width}'d0;
   room = level < {width}'d{most};
   word = word0 | word1 | word2 | word3;
end

always @(posedge clock) begin
   word0 <= select == 2'd0 ? front[63:0] : 64'd0;
   word1 <= select == 2'd1 ? front[127:64] : 64'd0;
   word2 <= select == 2'd2 ? front[191:128] : 64'd0;
   word3 <= select == 2'd3 ? front[255:192] : 64'd0;
   if (push) begin
      records[tail[{top}:0]] <= {{words$3, words$2, words$1, words$0}};
      tail <= tail + {width}'d1;
   end
   if (pop) head <= head + {width}'d1;
   if (reset) begin
      head <= {width}'d0;
      tail <= {width}'d0;
   end
end
",
            last = DEPTH - 1,
            top = bits - 1,
            width = bits + 1,
            most = DEPTH - 2 * UNITS + 1,
        ))
    }
}

/// What the writing of records is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum TraceState {
    /// Waits for a record and for the write engine.
    Idle,
    /// The write engine takes notice.
    Started,
    /// The record is being written.
    Writing,
    /// It has been counted; whether there is room for another is compared.
    Counted,
}

/// The trace.
#[derive(LogicBlock, Default)]
pub struct Trace {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything.
    pub reset: Signal<In, Bit>,
    /// The run is traced.
    pub enable: Signal<In, Bit>,
    /// A run begins.
    pub begins: Signal<In, Bit>,
    /// Host address of the first record.
    pub base: Signal<In, Bits<64>>,
    /// Records that there is room for.
    pub limit: Signal<In, Bits<32>>,
    /// Cycles of the command so far.
    pub cycle: Signal<In, Bits<32>>,
    /// A pass ends.
    pub group_done: Signal<In, Bit>,
    /// Number of the instruction that is dispatched.
    pub instruction: Signal<In, Bits<16>>,
    /// Its opcode.
    pub opcode: Signal<In, Bits<8>>,
    /// A unit begins it.
    pub start: [Signal<In, Bit>; UNITS],
    /// A unit is busy.
    pub busy: [Signal<In, Bit>; UNITS],
    /// A computation reads a vector.
    pub vector: Signal<In, Bit>,
    /// It waits for accumulators.
    pub stalled: Signal<In, Bit>,
    /// It prepares.
    pub preparing: Signal<In, Bit>,
    /// Instructions may begin.
    pub room: Signal<Out, Bit>,
    /// Nothing is left to write.
    pub idle: Signal<Out, Bit>,
    /// Writing a record failed.
    pub failed: Signal<Out, Bit>,
    /// The write engine is free for a record.
    pub write_ready: Signal<In, Bit>,
    /// Writes the record at the head of the FIFO.
    pub write_start: Signal<Out, Bit>,
    /// Where.
    pub write_address: Signal<Out, Bits<64>>,
    /// The write engine is busy.
    pub write_busy: Signal<In, Bit>,
    /// It has met an error.
    pub write_failed: Signal<In, Bit>,
    /// Word of the record to show.
    pub select: Signal<In, Bits<2>>,
    /// The word, a cycle later.
    pub word: Signal<Out, Bits<64>>,
    record_bytes: Fixed<Bits<64>>,
    fifo: RecordFifo,
    state: DFF<TraceState>,
    written: DFF<Bits<32>>,
    next_address: DFF<Bits<64>>,
    error: DFF<Bit>,
    group: DFF<Bits<32>>,
    active: [DFF<Bit>; UNITS],
    fresh: [DFF<Bit>; UNITS],
    finished: [DFF<Bit>; UNITS],
    identity: [DFF<Bits<64>>; UNITS],
    began: [DFF<Bits<32>>; UNITS],
    held_identity: [DFF<Bits<64>>; UNITS],
    held_began: [DFF<Bits<32>>; UNITS],
    held_ended: [DFF<Bits<32>>; UNITS],
    over: DFF<Bit>,
    has_record: DFF<Bit>,
    starting: DFF<Bits<64>>,
    starts: [DFF<Bit>; UNITS],
    works: [DFF<Bit>; UNITS],
    in_vector: DFF<Bit>,
    in_stall: DFF<Bit>,
    in_prepare: DFF<Bit>,
    held_work: DFF<Bits<64>>,
    held_rest: DFF<Bits<64>>,
    vectors: DFF<Bits<32>>,
    stall_requantize: DFF<Bits<32>>,
    stall_prepare: DFF<Bits<32>>,
    stall_drain: DFF<Bits<32>>,
    waiting: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    chosen_began: Signal<Local, Bits<32>>,
    chosen_ended: Signal<Local, Bits<32>>,
}

impl Trace {
    /// A trace of nothing.
    pub fn new() -> Self {
        Self {
            record_bytes: Fixed::new(
                (size_of::<systole_regs::entries::TraceRecord>() as u64).into(),
            ),
            ..Default::default()
        }
    }
}

impl Logic for Trace {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            written,
            next_address,
            error,
            group,
            vectors,
            stall_requantize,
            stall_prepare,
            stall_drain,
            held_work,
            held_rest,
            over,
            has_record,
            starting,
            in_vector,
            in_stall,
            in_prepare
        );
        clock!(self, clock, fifo);
        for i in 0..UNITS {
            self.starts[i].clock.next = self.clock.val();
            self.starts[i].d.next = self.start[i].val();
            self.works[i].clock.next = self.clock.val();
            self.works[i].d.next = self.busy[i].val();
            self.active[i].clock.next = self.clock.val();
            self.active[i].d.next = self.active[i].q.val();
            self.fresh[i].clock.next = self.clock.val();
            self.fresh[i].d.next = false;
            self.finished[i].clock.next = self.clock.val();
            self.finished[i].d.next = self.finished[i].q.val();
            self.identity[i].clock.next = self.clock.val();
            self.identity[i].d.next = self.identity[i].q.val();
            self.began[i].clock.next = self.clock.val();
            self.began[i].d.next = self.began[i].q.val();
            self.held_identity[i].clock.next = self.clock.val();
            self.held_identity[i].d.next = self.held_identity[i].q.val();
            self.held_began[i].clock.next = self.clock.val();
            self.held_began[i].d.next = self.held_began[i].q.val();
            self.held_ended[i].clock.next = self.clock.val();
            self.held_ended[i].d.next = self.held_ended[i].q.val();
        }
        self.fifo.reset.next = self.reset.val() || self.begins.val();
        self.fifo.pop.next = false;
        self.fifo.select.next = self.select.val();
        self.word.next = self.fifo.word.val();
        self.room.next = !self.enable.val() || self.fifo.room.val();
        self.failed.next = self.error.q.val();
        self.write_start.next = false;
        self.write_address.next = self.next_address.q.val();

        // What each unit works on.
        self.in_vector.d.next = self.vector.val();
        self.in_stall.d.next = self.stalled.val();
        self.in_prepare.d.next = self.preparing.val();
        self.starting.d.next = bit_cast::<64, 32>(self.group.q.val())
            | (bit_cast::<64, 16>(self.instruction.val()) << bits::<6>(32))
            | (bit_cast::<64, 8>(self.opcode.val()) << bits::<6>(48));
        if self.group_done.val() {
            self.group.d.next = self.group.q.val() + bits::<32>(1);
        }
        if self.in_vector.q.val() {
            self.vectors.d.next = self.vectors.q.val() + bits::<32>(1);
        } else if self.in_stall.q.val() {
            self.stall_requantize.d.next = self.stall_requantize.q.val() + bits::<32>(1);
        } else if self.in_prepare.q.val() {
            self.stall_prepare.d.next = self.stall_prepare.q.val() + bits::<32>(1);
        } else {
            for i in 0..1 {
                if self.active[i].q.val() {
                    self.stall_drain.d.next = self.stall_drain.q.val() + bits::<32>(1);
                }
            }
        }
        for i in 0..UNITS {
            if self.active[i].q.val() && !self.fresh[i].q.val() && !self.works[i].q.val() {
                self.active[i].d.next = false;
                self.finished[i].d.next = self.enable.val();
                self.held_identity[i].d.next = self.identity[i].q.val();
                self.held_began[i].d.next = self.began[i].q.val();
                self.held_ended[i].d.next = self.cycle.val();
            }
            if self.starts[i].q.val() {
                self.active[i].d.next = true;
                self.fresh[i].d.next = true;
                self.identity[i].d.next = self.starting.q.val();
                self.began[i].d.next = self.cycle.val();
            }
        }
        for i in 0..1 {
            if self.active[i].q.val() && !self.fresh[i].q.val() && !self.works[i].q.val() {
                self.held_work.d.next = bit_cast::<64, 32>(self.vectors.q.val())
                    | (bit_cast::<64, 32>(self.stall_requantize.q.val()) << bits::<6>(32));
                self.held_rest.d.next = bit_cast::<64, 32>(self.stall_prepare.q.val())
                    | (bit_cast::<64, 32>(self.stall_drain.q.val()) << bits::<6>(32));
            }
            if self.starts[i].q.val() {
                self.vectors.d.next = bits::<32>(0);
                self.stall_requantize.d.next = bits::<32>(0);
                self.stall_prepare.d.next = bits::<32>(0);
                self.stall_drain.d.next = bits::<32>(0);
            }
        }

        // One finished record a cycle goes to the FIFO, that of computation first.
        self.waiting.next = false;
        for i in 0..UNITS {
            self.waiting.next =
                self.waiting.val() || self.finished[i].q.val() || self.active[i].q.val();
        }
        for i in 0..4 {
            self.fifo.words[i].next = bits::<64>(0);
        }
        self.taken.next = false;
        self.chosen_began.next = bits::<32>(0);
        self.chosen_ended.next = bits::<32>(0);
        for i in 0..1 {
            if self.finished[i].q.val() {
                self.fifo.words[2].next = self.held_work.q.val();
                self.fifo.words[3].next = self.held_rest.q.val();
            }
        }
        for i in 0..UNITS {
            if self.finished[i].q.val() && !self.taken.val() {
                self.taken.next = true;
                self.finished[i].d.next = false;
                self.fifo.words[0].next = self.held_identity[i].q.val();
                self.chosen_began.next = self.held_began[i].q.val();
                self.chosen_ended.next = self.held_ended[i].q.val();
            }
        }
        self.fifo.words[1].next = bit_cast::<64, 32>(self.chosen_began.val())
            | (bit_cast::<64, 32>(self.chosen_ended.val()) << bits::<6>(32));
        self.fifo.push.next = self.taken.val();

        // From the FIFO to host memory. `over` follows `written` in `Counted`.
        self.over.d.next = (self.written.q.val() >= self.limit.val()) || self.error.q.val();
        self.idle.next = !self.enable.val()
            || (!self.waiting.val()
                && !self.fifo.valid.val()
                && (self.state.q.val() == TraceState::Idle));
        // A cycle late; `Counted` is over by then.
        self.has_record.d.next = self.fifo.valid.val();
        match self.state.q.val() {
            TraceState::Idle => {
                if self.over.q.val() {
                    self.fifo.pop.next = self.fifo.valid.val();
                } else if self.has_record.q.val() && self.write_ready.val() {
                    self.write_start.next = true;
                    self.state.d.next = TraceState::Started;
                }
            }
            TraceState::Started => {
                self.state.d.next = TraceState::Writing;
            }
            TraceState::Writing => {
                if !self.write_busy.val() {
                    self.fifo.pop.next = true;
                    self.written.d.next = self.written.q.val() + bits::<32>(1);
                    self.next_address.d.next = self.next_address.q.val() + self.record_bytes.val();
                    if self.write_failed.val() {
                        self.error.d.next = true;
                    }
                    self.state.d.next = TraceState::Counted;
                }
            }
            TraceState::Counted => {
                self.state.d.next = TraceState::Idle;
            }
            _ => {
                self.state.d.next = TraceState::Idle;
            }
        }

        if self.begins.val() || self.reset.val() {
            self.has_record.d.next = false;
            self.state.d.next = TraceState::Idle;
            self.written.d.next = bits::<32>(0);
            self.next_address.d.next = self.base.val();
            self.error.d.next = false;
            self.group.d.next = bits::<32>(0);
            for i in 0..UNITS {
                self.active[i].d.next = false;
                self.finished[i].d.next = false;
            }
        }
    }
}
