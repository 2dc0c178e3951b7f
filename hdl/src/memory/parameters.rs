//! Parameter memory: bias, multiplier and shift of `Q` output channels a cycle.
//!
//! An entry is 16 bytes in host memory and 72 bits on the chip, which two block RAMs hold exactly.
//! Entry e is in bank e mod Q, so that the Q channels that are requantized together are read
//! together. Entries come in two beats, the first half before the second, and are written with the
//! second. Models are loaded between runs, so nobody uses what is read of an entry that is written.

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice};

/// Bits of an entry: bias, multiplier and shift.
pub const ENTRY_BITS: usize = 72;

/// Bits of an entry in each of two memories: a word of a block RAM.
const HALF_BITS: usize = ENTRY_BITS / 2;

/// Memory with `Q` banks; a group of Q entries has `QP` = Q x 72 bits.
#[derive(LogicBlock, Default)]
pub struct ParameterMemory<const Q: usize, const QP: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes a beat of 8 bytes, half an entry.
    pub write_valid: Signal<In, Bit>,
    /// Beat to write: twice the entry, plus one for its second half.
    pub write_beat: Signal<In, Bits<32>>,
    /// What is written.
    pub write_data: Signal<In, Bits<64>>,
    /// First entry to read, a multiple of Q.
    pub read_entry: Signal<In, Bits<32>>,
    /// The Q entries addressed two cycles ago; entry k from bit 72 k on: bias, multiplier, shift.
    pub entries: Signal<Out, Bits<QP>>,
    _memory: Vec<[u64; 2]>,
    _first_half: u64,
    _fetched: Bits<QP>,
}

impl<const Q: usize, const QP: usize> ParameterMemory<Q, QP> {
    /// A memory of this many entries, a multiple of Q.
    pub fn new(entries: usize) -> Self {
        assert!(QP == Q * ENTRY_BITS && Q.is_power_of_two() && entries.is_multiple_of(Q));
        Self {
            _memory: vec![[0; 2]; entries],
            ..Default::default()
        }
    }
}

impl<const Q: usize, const QP: usize> Logic for ParameterMemory<Q, QP> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let entries = self._memory.len();
            self.entries.next = self._fetched;
            let first = self.read_entry.val().index() / Q * Q;
            self._fetched = concatenate(
                8,
                (0..Q).flat_map(|lane| {
                    let [low, high] = self._memory[(first + lane) % entries];
                    (0..8)
                        .map(move |byte| low >> (8 * byte) & 0xff)
                        .chain([high & 0xff])
                }),
            );
            if self.write_valid.val() {
                let beat = self.write_beat.val().index();
                let data = slice(self.write_data.val(), 0, 64);
                if beat.is_multiple_of(2) {
                    self._first_half = data;
                } else {
                    self._memory[beat / 2 % entries] = [self._first_half, data & 0xff];
                }
            }
        }
    }

    fn connect(&mut self) {
        self.entries.connect();
    }

    fn hdl(&self) -> Verilog {
        let rows = self._memory.len() / Q;
        let lane_bits = Q.trailing_zeros() as usize;
        let top = index_bits(rows) - 1;
        let mut memories = String::new();
        for lane in 0..Q {
            let chosen = if lane_bits == 0 {
                String::new()
            } else {
                format!(" && write_beat[{lane_bits}:1] == {lane_bits}'d{lane}")
            };
            for half in 0..2 {
                memories += &format!(
                    "\
systole_block_ram #(.WIDTH({HALF_BITS}), .DEPTH({rows}), .ADDRESS({address})) memory{lane}_{half} (
   .clock(clock), .write_valid(write_valid && write_beat[0]{chosen}),
   .write_address(write_beat[{write_top}:{write_low}]), .write_data(written[{from}+:{HALF_BITS}]),
   .read_address(read_entry[{read_top}:{lane_bits}]), .data(read[{to}+:{HALF_BITS}])
);
",
                    address = top + 1,
                    write_top = lane_bits + 1 + top,
                    write_low = lane_bits + 1,
                    read_top = lane_bits + top,
                    from = half * HALF_BITS,
                    to = lane * ENTRY_BITS + half * HALF_BITS,
                );
            }
        }
        Verilog::Custom(format!(
            "\
reg [63:0] first_half;
wire [{ENTRY_BITS}-1:0] written = {{write_data[7:0], first_half}};
wire [{QP}-1:0] read;
{memories}
initial first_half = 64'd0;

always @(*) entries = read;

always @(posedge clock) begin
   if (write_valid && !write_beat[0]) first_half <= write_data;
end
"
        ))
    }
}
