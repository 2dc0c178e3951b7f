//! The link's buffer, one block RAM: what has come from the host, and what goes there, until it
//! has been acknowledged.

use rust_hdl::prelude::*;

/// Bytes of the buffer.
pub const BYTES: usize = 2048;

/// Memory of bytes with one write and one read port.
#[derive(LogicBlock)]
pub struct Buffer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes `write_byte` at `write_address`.
    pub write_valid: Signal<In, Bit>,
    /// Where it is written.
    pub write_address: Signal<In, Bits<11>>,
    /// What is written.
    pub write_byte: Signal<In, Bits<8>>,
    /// Byte to read.
    pub read_address: Signal<In, Bits<11>>,
    /// The byte addressed two cycles ago.
    pub read_byte: Signal<Out, Bits<8>>,
    _memory: Vec<Bits<8>>,
    _fetched: Bits<8>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            write_valid: Default::default(),
            write_address: Default::default(),
            write_byte: Default::default(),
            read_address: Default::default(),
            read_byte: Default::default(),
            _memory: vec![Bits::default(); BYTES],
            _fetched: Bits::default(),
        }
    }
}

impl Logic for Buffer {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.read_byte.next = self._fetched;
            self._fetched = self._memory[self.read_address.val().index()];
            if self.write_valid.val() {
                self._memory[self.write_address.val().index()] = self.write_byte.val();
            }
        }
    }

    fn connect(&mut self) {
        self.read_byte.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "\
// Frames are read when they are whole: what is read of a byte that is written isn't used.
(* no_rw_check *)
reg [7:0] memory [0:{last}];
reg [7:0] fetched;

always @(posedge clock) begin
   fetched <= memory[read_address];
   read_byte <= fetched;
   if (write_valid) memory[write_address] <= write_byte;
end
",
            last = BYTES - 1
        ))
    }
}
