//! Weight memory: a whole tile of R x C weights a cycle.
//!
//! A bank for each pair of rows of the array, C bytes wide for each row. A bank passes its read
//! address to the next one with a cycle's delay, and along its own groups of columns, too, so
//! weights come as the array's skew wants them, without a register for each.
//!
//! ```text
//!  read_tile -+-> [bank of rows 0, 1: group 0] -1 cycle-> [group 1] ...  weights of rows 0 and 1
//!             | 1 cycle
//!             +-> [bank of rows 2, 3: group 0] -1 cycle-> [group 1] ...  weights of rows 2 and 3
//!             ...
//! ```
//!
//! Beats that are written travel from bank to bank in the same way, and so never fall behind what is
//! read after them.

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice};

/// Bits of a beat.
const BEAT: usize = 64;

/// The bank of two rows: C x 8 = `CW` bits for each.
#[derive(LogicBlock, Default)]
pub struct WeightBank<const CW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes a beat of 8 bytes: part of a row, or several rows at once where rows are short. The
    /// beats of a tile come in their order.
    pub write_valid: Signal<In, Bit>,
    /// Tile to write.
    pub write_tile: Signal<In, Bits<16>>,
    /// Number of the beat in the tile.
    pub write_beat: Signal<In, Bits<16>>,
    /// What is written.
    pub write_data: Signal<In, Bits<64>>,
    /// The same beat, for the next bank, a cycle later.
    pub next_write_valid: Signal<Out, Bit>,
    /// Its tile.
    pub next_write_tile: Signal<Out, Bits<16>>,
    /// Its number.
    pub next_write_beat: Signal<Out, Bits<16>>,
    /// It.
    pub next_write_data: Signal<Out, Bits<64>>,
    /// Tile to read.
    pub read_tile: Signal<In, Bits<16>>,
    /// The same, for the next bank, a cycle later.
    pub next_tile: Signal<Out, Bits<16>>,
    /// Weights of the even row in the tile addressed 2 + g cycles ago, for group g of columns.
    pub even_weights: Signal<Out, Bits<CW>>,
    /// Those of the odd row.
    pub odd_weights: Signal<Out, Bits<CW>>,
    _pair: usize,
    _group_bits: usize,
    _memory: Vec<[Bits<CW>; 2]>,
    _arrived: Option<(usize, usize, u64)>,
    _waiting: u64,
    _read: Vec<usize>,
    _fetched: [Bits<CW>; 2],
}

/// Part of a bank's words that is written at once and read by one group of columns: a memory.
#[derive(Clone, Copy)]
struct Piece {
    /// Number of the beat in the tile; of the second one, where two are written together.
    beat: usize,
    /// Lowest bit in the beat.
    from: usize,
    /// Row of the pair, of its first bits.
    row: usize,
    /// Lowest bit in that row.
    to: usize,
    /// Bits of each row.
    width: usize,
    /// It holds both rows, a beat each: the first beat waits for the second. Two beats fill blocks of
    /// 9 bits better than one.
    is_double: bool,
}

/// The pieces of a pair of rows.
fn pieces(pair: usize, row_bits: usize, group_bits: usize) -> Vec<Piece> {
    if row_bits == BEAT && group_bits == BEAT {
        return vec![Piece {
            beat: 2 * pair + 1,
            from: 0,
            row: 0,
            to: 0,
            width: BEAT,
            is_double: true,
        }];
    }
    let width = group_bits.min(BEAT);
    (0..2 * row_bits / width)
        .map(|part| {
            let (row, to) = (part * width / row_bits, part * width % row_bits);
            let bit = (2 * pair + row) * row_bits + to;
            Piece {
                beat: bit / BEAT,
                from: bit % BEAT,
                row,
                to,
                width,
                is_double: false,
            }
        })
        .collect()
}

impl<const CW: usize> WeightBank<CW> {
    /// The bank of rows 2 `pair` and 2 `pair` + 1, with room for `tiles` tiles, for groups of so many
    /// columns.
    pub fn new(pair: usize, tiles: usize, group_columns: usize) -> Self {
        let group_bits = group_columns * 8;
        assert!(
            group_bits.is_multiple_of(BEAT) || BEAT.is_multiple_of(group_bits),
            "a group divides or is a multiple of 8"
        );
        assert!(CW.is_multiple_of(group_bits));
        Self {
            _pair: pair,
            _group_bits: group_bits,
            _memory: vec![Default::default(); tiles],
            _read: vec![0; CW / group_bits],
            ..Default::default()
        }
    }

    /// Writes a beat into a tile.
    fn write(&mut self, tile: usize, beat: usize, data: u64) {
        for piece in pieces(self._pair, CW, self._group_bits) {
            let mut put = |row: usize, value: u64| {
                let word = &mut self._memory[tile][row];
                let bytes = (0..CW / 8).map(|byte| {
                    let inside = (byte * 8).wrapping_sub(piece.to);
                    if inside < piece.width {
                        value >> (piece.from + inside) & 0xff
                    } else {
                        slice(*word, byte * 8, 8)
                    }
                });
                *word = concatenate(8, bytes.collect::<Vec<_>>());
            };
            if !piece.is_double && beat == piece.beat {
                put(piece.row, data);
            } else if piece.is_double && beat == piece.beat {
                put(0, self._waiting);
                put(1, data);
            } else if piece.is_double && beat + 1 == piece.beat {
                self._waiting = data;
            }
        }
    }
}

impl<const CW: usize> Logic for WeightBank<CW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let tiles = self._memory.len();
            let [even, odd] = self._fetched;
            self.even_weights.next = even;
            self.odd_weights.next = odd;
            self._read.rotate_right(1);
            self._read[0] = self.read_tile.val().index() % tiles;
            let group_bits = self._group_bits;
            self._fetched = std::array::from_fn(|row| {
                let bytes = (0..CW / 8).map(|byte| {
                    let tile = self._read[byte * 8 / group_bits];
                    slice(self._memory[tile][row], byte * 8, 8)
                });
                concatenate(8, bytes)
            });
            self.next_tile.next = self.read_tile.val();
            self.next_write_valid.next = self.write_valid.val();
            self.next_write_tile.next = self.write_tile.val();
            self.next_write_beat.next = self.write_beat.val();
            self.next_write_data.next = self.write_data.val();
            if let Some((tile, beat, data)) = self._arrived.take() {
                self.write(tile, beat, data);
            }
            self._arrived = self.write_valid.val().then(|| {
                (
                    self.write_tile.val().index() % tiles,
                    self.write_beat.val().index(),
                    slice(self.write_data.val(), 0, BEAT),
                )
            });
        }
    }

    fn connect(&mut self) {
        self.next_tile.connect();
        self.next_write_valid.connect();
        self.next_write_tile.connect();
        self.next_write_beat.connect();
        self.next_write_data.connect();
        self.even_weights.connect();
        self.odd_weights.connect();
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
        let mut declare = String::new();
        let mut clocked = String::new();
        let mut rows = [const { Vec::new() }; 2];
        for (part, piece) in pieces(self._pair, CW, self._group_bits).iter().enumerate() {
            let mut written = format!("next_write_data[{}+:{}]", piece.from, piece.width);
            let mut width = piece.width;
            if piece.is_double {
                declare += "reg is_first;\nreg [63:0] waiting;\n";
                clocked += &format!(
                    "   is_first <= write_valid && write_beat == 16'd{};\n   if (is_first) waiting <= next_write_data;\n",
                    piece.beat - 1
                );
                written = "{next_write_data, waiting}".to_owned();
                width *= 2;
            }
            declare += &format!("reg writes{part};\n");
            clocked += &format!(
                "   writes{part} <= write_valid && write_beat == 16'd{};\n",
                piece.beat
            );
            memories += &format!(
                "\
wire [{last}:0] data{part};
systole_block_ram #(.WIDTH({width}), .DEPTH({tiles}), .ADDRESS({address})) memory{part} (
   .clock(clock), .write_valid(writes{part}),
   .write_address(next_write_tile[{top}:0]), .write_data({written}),
   .read_address({tile}[{top}:0]), .data(data{part})
);
",
                last = width - 1,
                address = top + 1,
                tile = read(piece.to / self._group_bits),
            );
            rows[piece.row].push(format!("data{part}[{}:0]", piece.width - 1));
            if piece.is_double {
                rows[1].push(format!("data{part}[{}:{}]", width - 1, piece.width));
            }
        }
        for group in 2..self._read.len() {
            declare += &format!("reg [15:0] {};\n", read(group));
            clocked += &format!("   {} <= {};\n", read(group), read(group - 1));
        }
        let [even, odd] = rows.map(|mut parts| {
            parts.reverse();
            parts.join(", ")
        });
        Verilog::Custom(format!(
            "\
{declare}{memories}
always @(*) even_weights = {{{even}}};
always @(*) odd_weights = {{{odd}}};

always @(posedge clock) begin
   next_tile <= read_tile;
   next_write_valid <= write_valid;
   next_write_tile <= write_tile;
   next_write_beat <= write_beat;
   next_write_data <= write_data;
{clocked}end
"
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
    bank: Vec<WeightBank<CW>>,
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
            bank: (0..R / 2)
                .map(|pair| WeightBank::new(pair, tiles, group_columns))
                .collect(),
        }
    }
}

impl<const R: usize, const CW: usize> Logic for WeightMemory<R, CW> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..(R / 2) {
            self.bank[i].clock.next = self.clock.val();
            self.weights[i * 2].next = self.bank[i].even_weights.val();
            self.weights[i * 2 + 1].next = self.bank[i].odd_weights.val();
        }
        self.bank[0].write_valid.next = self.write_valid.val();
        self.bank[0].write_tile.next = self.write_tile.val();
        self.bank[0].write_beat.next = self.write_beat.val();
        self.bank[0].write_data.next = self.write_data.val();
        self.bank[0].read_tile.next = self.read_tile.val();
        for i in 1..(R / 2) {
            self.bank[i].write_valid.next = self.bank[i - 1].next_write_valid.val();
            self.bank[i].write_tile.next = self.bank[i - 1].next_write_tile.val();
            self.bank[i].write_beat.next = self.bank[i - 1].next_write_beat.val();
            self.bank[i].write_data.next = self.bank[i - 1].next_write_data.val();
            self.bank[i].read_tile.next = self.bank[i - 1].next_tile.val();
        }
    }
}
