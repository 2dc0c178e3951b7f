//! Weight memory: a whole tile of R x C weights a cycle.
//!
//! One bank for each row of the array, C bytes wide. Both banks of a pair of rows read the same
//! tile; a bank passes its read address to the next pair's with a cycle's delay, and along its own
//! groups of columns, too, so weights come as the array's skew wants them, without a register for
//! each.
//!
//! ```text
//!  read_tile -+-> [banks 0, 1: group 0] -1 cycle-> [group 1] ...  weights of rows 0 and 1
//!             | 1 cycle
//!             +-> [banks 2, 3: group 0] -1 cycle-> [group 1] ...  weights of rows 2 and 3
//!             ...
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
    /// The same, for the next pair's bank, a cycle later.
    pub next_tile: Signal<Out, Bits<16>>,
    /// Weights of this row in the tile addressed 2 + g cycles ago, for group g of columns.
    pub weights: Signal<Out, Bits<CW>>,
    _row: usize,
    _group_bits: usize,
    _memory: Vec<Bits<CW>>,
    _read: Vec<usize>,
    _fetched: Bits<CW>,
}

/// Part of a bank's words that is written by one beat and read by one group of columns: a memory.
struct Piece {
    /// Number of the beat in the tile.
    beat: usize,
    /// Lowest bit in the beat.
    from: usize,
    /// Lowest bit in the bank's word.
    to: usize,
    /// Bits.
    width: usize,
}

fn pieces(row: usize, row_bits: usize, group_bits: usize) -> Vec<Piece> {
    let width = group_bits.min(64);
    (0..row_bits / width)
        .map(|part| {
            let bit = row * row_bits + part * width;
            Piece {
                beat: bit / 64,
                from: bit % 64,
                to: part * width,
                width,
            }
        })
        .collect()
}

impl<const CW: usize> WeightBank<CW> {
    /// The bank of row `row`, with room for `tiles` tiles, for groups of so many columns.
    pub fn new(row: usize, tiles: usize, group_columns: usize) -> Self {
        let group_bits = group_columns * 8;
        assert!(
            group_bits.is_multiple_of(64) || 64_usize.is_multiple_of(group_bits),
            "a group divides or is a multiple of 8"
        );
        assert!(CW.is_multiple_of(group_bits));
        Self {
            _row: row,
            _group_bits: group_bits,
            _memory: vec![Bits::default(); tiles],
            _read: vec![0; CW / group_bits],
            ..Default::default()
        }
    }
}

impl<const CW: usize> Logic for WeightBank<CW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let tiles = self._memory.len();
            self.weights.next = self._fetched;
            self._read.rotate_right(1);
            self._read[0] = self.read_tile.val().index() % tiles;
            let group_bits = self._group_bits;
            let bytes = (0..CW / 8).map(|byte| {
                let tile = self._read[byte * 8 / group_bits];
                slice(self._memory[tile], byte * 8, 8)
            });
            self._fetched = concatenate(8, bytes);
            self.next_tile.next = self.read_tile.val();
            if self.write_valid.val() {
                let word = &mut self._memory[self.write_tile.val().index() % tiles];
                let mut bytes: Vec<u64> =
                    (0..CW / 8).map(|byte| slice(*word, byte * 8, 8)).collect();
                for piece in pieces(self._row, CW, group_bits) {
                    if self.write_beat.val().index() == piece.beat {
                        for byte in 0..piece.width / 8 {
                            bytes[piece.to / 8 + byte] =
                                slice(self.write_data.val(), piece.from + byte * 8, 8);
                        }
                    }
                }
                *word = concatenate(8, bytes);
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
        let read = |group: usize| match group {
            0 => "read_tile".to_owned(),
            1 => "next_tile".to_owned(),
            _ => format!("read{group}"),
        };
        let mut memories = String::new();
        let mut data = Vec::new();
        for (part, piece) in pieces(self._row, CW, self._group_bits).iter().enumerate() {
            let Piece {
                beat, from, width, ..
            } = piece;
            memories += &format!(
                "\
wire [{last}:0] data{part};
systole_block_ram #(.WIDTH({width}), .DEPTH({tiles}), .ADDRESS({address})) memory{part} (
   .clock(clock), .write_valid(write_valid && write_beat == 16'd{beat}),
   .write_address(write_tile[{top}:0]), .write_data(write_data[{from}+:{width}]),
   .read_address({tile}[{top}:0]), .data(data{part})
);
",
                last = width - 1,
                address = top + 1,
                tile = read(piece.to / self._group_bits),
            );
            data.push(format!("data{part}"));
        }
        let mut declare = String::new();
        let mut clocked = String::new();
        for group in 2..self._read.len() {
            declare += &format!("reg [15:0] {};\n", read(group));
            clocked += &format!("   {} <= {};\n", read(group), read(group - 1));
        }
        data.reverse();
        Verilog::Custom(format!(
            "\
{declare}{memories}
always @(*) weights = {{{data}}};

always @(posedge clock) begin
   next_tile <= read_tile;
{clocked}end
",
            data = data.join(", ")
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
    /// For each row r, its weights in the tile addressed 2 + r/2 + g cycles ago, for group g of
    /// columns.
    pub weights: [Signal<Out, Bits<CW>>; R],
    bank: [WeightBank<CW>; R],
}

impl<const R: usize, const CW: usize> WeightMemory<R, CW> {
    /// A memory of this many tiles, for groups of so many columns.
    pub fn new(tiles: usize, group_columns: usize) -> Self {
        Self {
            clock: Signal::default(),
            write_valid: Signal::default(),
            write_tile: Signal::default(),
            write_beat: Signal::default(),
            write_data: Signal::default(),
            read_tile: Signal::default(),
            weights: std::array::from_fn(|_| Signal::default()),
            bank: std::array::from_fn(|row| WeightBank::new(row, tiles, group_columns)),
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
        for i in 0..2 {
            self.bank[i].read_tile.next = self.read_tile.val();
        }
        for i in 2..R {
            self.bank[i].read_tile.next = self.bank[i - 2].next_tile.val();
        }
    }
}
