//! Weight memory: a whole tile of R x C weights a cycle.
//!
//! One bank for each row of the array, C bytes wide. A bank passes its read address to the next
//! with a cycle's delay, so the weights of row r come r cycles after those of row 0, as the
//! array's skew wants them, without a register for each weight.
//!
//! ```text
//!  read_tile -> [bank 0] -> weights of row 0
//!                  | 1 cycle
//!               [bank 1] -> weights of row 1
//!                  | 1 cycle
//!                 ...
//! ```

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice};

/// The bank of one row: C x 8 = `CW` bits wide.
#[derive(LogicBlock, Default)]
pub struct WeightBank<const CW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes a beat of 8 bytes: part of this row, or several rows at once where rows are short.
    pub write_valid: Signal<In, Bit>,
    /// Tile to write.
    pub write_tile: Signal<In, Bits<16>>,
    /// Number of the beat in the tile.
    pub write_beat: Signal<In, Bits<16>>,
    /// What is written.
    pub write_data: Signal<In, Bits<64>>,
    /// Tile to read.
    pub read_tile: Signal<In, Bits<16>>,
    /// The same, for the next bank, a cycle later.
    pub next_tile: Signal<Out, Bits<16>>,
    /// Weights of this row in the tile addressed two cycles ago.
    pub weights: Signal<Out, Bits<CW>>,
    _row: usize,
    _memory: Vec<Bits<CW>>,
    _fetched: Bits<CW>,
}

/// Where a bank's bytes lie in the beats of a tile: for each beat that touches the bank, the
/// beat's number, the lowest bit in the beat, the lowest bit in the bank's word, the width.
fn pieces(row: usize, row_bits: usize) -> Vec<(usize, usize, usize, usize)> {
    let start = row * row_bits;
    if row_bits >= 64 {
        (0..row_bits / 64)
            .map(|part| (start / 64 + part, 0, part * 64, 64))
            .collect()
    } else {
        vec![(start / 64, start % 64, 0, row_bits)]
    }
}

impl<const CW: usize> WeightBank<CW> {
    /// The bank of row `row`, with room for `tiles` tiles.
    pub fn new(row: usize, tiles: usize) -> Self {
        assert!(
            CW.is_multiple_of(64) || 64_usize.is_multiple_of(CW),
            "C divides or is a multiple of 8"
        );
        Self {
            _row: row,
            _memory: vec![Bits::default(); tiles],
            ..Default::default()
        }
    }
}

impl<const CW: usize> Logic for WeightBank<CW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let tiles = self._memory.len();
            self.weights.next = self._fetched;
            self._fetched = self._memory[self.read_tile.val().index() % tiles];
            self.next_tile.next = self.read_tile.val();
            if self.write_valid.val() {
                let word = &mut self._memory[self.write_tile.val().index() % tiles];
                for (beat, from, to, width) in pieces(self._row, CW) {
                    if self.write_beat.val().index() == beat {
                        let mut bytes: Vec<u64> =
                            (0..CW / 8).map(|byte| slice(*word, byte * 8, 8)).collect();
                        for byte in 0..width / 8 {
                            bytes[to / 8 + byte] = slice(self.write_data.val(), from + byte * 8, 8);
                        }
                        *word = concatenate(8, bytes);
                    }
                }
            }
        }
    }

    fn connect(&mut self) {
        self.next_tile.connect();
        self.weights.connect();
    }

    fn hdl(&self) -> Verilog {
        let tiles = self._memory.len();
        let top = index_bits(tiles) - 1;
        let mut declare = String::new();
        let mut clocked = String::new();
        let mut fetch = Vec::new();
        for (part, (beat, from, _, width)) in pieces(self._row, CW).into_iter().enumerate() {
            declare += &format!("reg [{}:0] memory{part} [0:{}];\n", width - 1, tiles - 1);
            clocked += &format!(
                "   if (write_valid && write_beat == 16'd{beat}) memory{part}[write_tile[{top}:0]] <= write_data[{from}+:{width}];\n"
            );
            fetch.push(format!("memory{part}[read_tile[{top}:0]]"));
        }
        fetch.reverse();
        Verilog::Custom(format!(
            "\
{declare}reg [{CW}-1:0] fetched;

always @(posedge clock) begin
   fetched <= {{{fetch}}};
   weights <= fetched;
   next_tile <= read_tile;
{clocked}end
",
            fetch = fetch.join(", ")
        ))
    }
}

/// The banks of all `R` rows.
#[derive(LogicBlock)]
pub struct WeightMemory<const R: usize, const CW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes a beat.
    pub write_valid: Signal<In, Bit>,
    /// Tile to write.
    pub write_tile: Signal<In, Bits<16>>,
    /// Number of the beat in the tile.
    pub write_beat: Signal<In, Bits<16>>,
    /// What is written.
    pub write_data: Signal<In, Bits<64>>,
    /// Tile to read.
    pub read_tile: Signal<In, Bits<16>>,
    /// For each row r, its weights in the tile addressed 2 + r cycles ago.
    pub weights: [Signal<Out, Bits<CW>>; R],
    bank: [WeightBank<CW>; R],
}

impl<const R: usize, const CW: usize> WeightMemory<R, CW> {
    /// A memory of this many tiles.
    pub fn new(tiles: usize) -> Self {
        Self {
            clock: Signal::default(),
            write_valid: Signal::default(),
            write_tile: Signal::default(),
            write_beat: Signal::default(),
            write_data: Signal::default(),
            read_tile: Signal::default(),
            weights: std::array::from_fn(|_| Signal::default()),
            bank: std::array::from_fn(|row| WeightBank::new(row, tiles)),
        }
    }
}

impl<const R: usize, const CW: usize> Logic for WeightMemory<R, CW> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..R {
            self.bank[i].clock.next = self.clock.val();
            self.bank[i].write_valid.next = self.write_valid.val();
            self.bank[i].write_tile.next = self.write_tile.val();
            self.bank[i].write_beat.next = self.write_beat.val();
            self.bank[i].write_data.next = self.write_data.val();
            self.weights[i].next = self.bank[i].weights.val();
        }
        self.bank[0].read_tile.next = self.read_tile.val();
        for i in 1..R {
            self.bank[i].read_tile.next = self.bank[i - 1].next_tile.val();
        }
    }
}
