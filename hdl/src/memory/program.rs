//! Program memory: 64-bit words, eight to an instruction, for all slots together.

use rust_hdl::prelude::*;

use crate::bits::index_bits;

/// Memory of 64-bit words with one write and one read port.
#[derive(LogicBlock, Default)]
pub struct ProgramMemory {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes `write_data` at `write_word`.
    pub write_valid: Signal<In, Bit>,
    /// Word to write.
    pub write_word: Signal<In, Bits<32>>,
    /// What is written.
    pub write_data: Signal<In, Bits<64>>,
    /// Word to read.
    pub read_word: Signal<In, Bits<32>>,
    /// The word addressed two cycles ago.
    pub read_data: Signal<Out, Bits<64>>,
    _memory: Vec<Bits<64>>,
    _fetched: Bits<64>,
}

impl ProgramMemory {
    /// A memory of this many words.
    pub fn new(words: usize) -> Self {
        Self {
            _memory: vec![Bits::default(); words],
            ..Default::default()
        }
    }
}

impl Logic for ProgramMemory {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.read_data.next = self._fetched;
            let words = self._memory.len();
            self._fetched = self._memory[self.read_word.val().index() % words];
            if self.write_valid.val() {
                self._memory[self.write_word.val().index() % words] = self.write_data.val();
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let words = self._memory.len();
        let top = index_bits(words) - 1;
        Verilog::Custom(format!(
            "\
// Models are loaded between runs: what is read of a word that is written isn't used.
(* no_rw_check *)
reg [63:0] memory [0:{last}];
reg [63:0] fetched;

always @(posedge clock) begin
   fetched <= memory[read_word[{top}:0]];
   read_data <= fetched;
   if (write_valid) memory[write_word[{top}:0]] <= write_data;
end
",
            last = words - 1
        ))
    }
}
