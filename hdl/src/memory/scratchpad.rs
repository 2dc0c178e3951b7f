//! Scratchpad: activations, byte-addressed, in banks of a byte.
//!
//! Byte `a` lies in bank `a mod N`, word `a / N`. The window port reads R consecutive lanes for the
//! array, in which up to four boundaries may jump ahead by a whole number of words: then the lanes
//! still lie in different banks, so a tile that spans rows of a window is read in one cycle. Lanes
//! outside the image are replaced. The access port reads or writes up to W consecutive bytes, for
//! requantization, residual operands and DMA; who may use it is decided outside.
//!
//! ```text
//!  window address, boundaries --> word of each bank --> [ N banks ] --> rotate --> pad --> vector
//!                                                            |
//!  access address, bytes, data --> rotate ------------------>+--> rotate --> W bytes
//! ```

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice, to_signed};

/// Cycles from a window's address to its vector.
pub const WINDOW_LATENCY: usize = 4;

/// Cycles from the address of an access to the bytes read.
pub const ACCESS_LATENCY: usize = 3;

/// Boundaries of window rows in a vector.
pub const BOUNDARIES: usize = 4;

/// Bits of a lane number or boundary: 63 is beyond every lane.
pub const LANE_BITS: usize = 6;

/// Where the lanes of a vector lie, and which of them are in the image.
#[derive(Clone, Copy)]
struct Shape {
    boundaries: [usize; BOUNDARIES],
    from: [usize; BOUNDARIES + 1],
    to: [usize; BOUNDARIES + 1],
}

impl Shape {
    /// Window row of a lane, counted from that of lane 0.
    fn row(&self, lane: usize) -> usize {
        self.boundaries
            .iter()
            .filter(|&&boundary| lane >= boundary)
            .count()
    }

    fn inside(&self, lane: usize) -> bool {
        let row = self.row(lane);
        (self.from[row]..self.to[row]).contains(&lane)
    }
}

/// Scratchpad for vectors of `RW` = R x 8 bits and accesses of `WW` = W x 8 bits.
#[derive(LogicBlock, Default)]
pub struct Scratchpad<const RW: usize, const WW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Byte address of lane 0.
    pub window_address: Signal<In, Bits<32>>,
    /// First lane of each of the next window rows, 6 bits each.
    pub window_boundaries: Signal<In, Bits<24>>,
    /// Words to skip at each boundary, signed.
    pub window_skip: Signal<In, Bits<16>>,
    /// For each window row, its first lane in the image, 6 bits each.
    pub window_from: Signal<In, Bits<30>>,
    /// For each window row, the lane after its last in the image.
    pub window_to: Signal<In, Bits<30>>,
    /// Value of the other lanes.
    pub window_pad: Signal<In, Bits<8>>,
    /// The lanes, [`WINDOW_LATENCY`] cycles later.
    pub vector: Signal<Out, Bits<RW>>,
    /// Byte address of an access.
    pub access_address: Signal<In, Bits<32>>,
    /// It writes.
    pub access_write: Signal<In, Bit>,
    /// Bytes that it writes.
    pub access_bytes: Signal<In, Bits<8>>,
    /// What it writes.
    pub access_data: Signal<In, Bits<WW>>,
    /// The bytes at the address of [`ACCESS_LATENCY`] cycles ago.
    pub access_read: Signal<Out, Bits<WW>>,
    _memory: Vec<u8>,
    _vectors: [Vec<u8>; 2],
    _request: Option<(usize, usize, Vec<u8>)>,
    _reads: Vec<u8>,
    _window: Option<(Vec<usize>, Vec<Option<u8>>)>,
}

impl<const RW: usize, const WW: usize> Scratchpad<RW, WW> {
    /// A scratchpad of this many bytes, a power of two.
    pub fn new(bytes: usize) -> Self {
        assert!(bytes.is_power_of_two() && RW.is_power_of_two() && WW.is_power_of_two());
        assert!(WW >= 64 && WW / 8 <= Self::BANKS);
        Self {
            _memory: vec![0; bytes],
            _vectors: std::array::from_fn(|_| vec![0; RW / 8]),
            _reads: vec![0; WW / 8],
            ..Default::default()
        }
    }

    const LANES: usize = RW / 8;
    const BANKS: usize = if RW > 64 { RW / 8 } else { 8 };

    fn shape(&self) -> Shape {
        let part = |bits: u64, index: usize| (bits >> (LANE_BITS * index) & 63) as usize;
        let boundaries = slice(self.window_boundaries.val(), 0, 24);
        let (from, to) = (
            slice(self.window_from.val(), 0, 30),
            slice(self.window_to.val(), 0, 30),
        );
        Shape {
            boundaries: std::array::from_fn(|index| part(boundaries, index)),
            from: std::array::from_fn(|index| part(from, index)),
            to: std::array::from_fn(|index| part(to, index)),
        }
    }

    /// Addresses of all lanes, and what replaces those outside the image.
    fn lanes(&self) -> (Vec<usize>, Vec<Option<u8>>) {
        let shape = self.shape();
        let skip = to_signed(self.window_skip.val()) * Self::BANKS as i64;
        let first = slice(self.window_address.val(), 0, 32) as i64;
        let size = self._memory.len() as i64;
        (0..Self::LANES)
            .map(|lane| {
                let address = first + lane as i64 + skip * shape.row(lane) as i64;
                let pad = (!shape.inside(lane)).then(|| slice(self.window_pad.val(), 0, 8) as u8);
                (address.rem_euclid(size) as usize, pad)
            })
            .unzip()
    }
}

impl<const RW: usize, const WW: usize> Logic for Scratchpad<RW, WW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let size = self._memory.len();
            // Stages of the window port: address, fetch, rotate, replace.
            self.vector.next = concatenate(8, self._vectors[1].iter().map(|&byte| byte.into()));
            self._vectors[1] = self._vectors[0].clone();
            if let Some((addresses, pads)) = self._window.take() {
                self._vectors[0] = addresses
                    .iter()
                    .zip(&pads)
                    .map(|(&address, pad)| pad.unwrap_or(self._memory[address]))
                    .collect();
            }
            // Stages of the access port: address, access, rotate.
            self.access_read.next = concatenate(8, self._reads.iter().map(|&byte| byte.into()));
            if let Some((address, bytes, data)) = self._request.take() {
                let whole = WW / 8;
                self._reads = (0..whole)
                    .map(|byte| self._memory[(address + byte) % size])
                    .collect();
                for (byte, &value) in data.iter().enumerate().take(bytes.min(whole)) {
                    self._memory[(address + byte) % size] = value;
                }
            }
            self._window = Some(self.lanes());
            let bytes = if self.access_write.val() {
                self.access_bytes.val().index()
            } else {
                0
            };
            let data = self.access_data.val();
            self._request = Some((
                slice(self.access_address.val(), 0, 32) as usize % size,
                bytes,
                (0..WW / 8)
                    .map(|byte| slice(data, byte * 8, 8) as u8)
                    .collect(),
            ));
        }
    }

    fn connect(&mut self) {
        self.vector.connect();
        self.access_read.connect();
    }

    fn hdl(&self) -> Verilog {
        let banks = Self::BANKS;
        let lanes = Self::LANES;
        let words = self._memory.len() / banks;
        let low = banks.trailing_zeros() as usize;
        let word_bits = index_bits(words);
        let top = low + word_bits - 1;
        let wide = banks * 8;
        let row_of = |lane: &str, boundaries: &str| {
            (0..BOUNDARIES)
                .map(|index| {
                    format!(
                        "{{2'd0, {lane} >= {boundaries}[{}+:{LANE_BITS}]}}",
                        index * LANE_BITS
                    )
                })
                .collect::<Vec<_>>()
                .join(" + ")
        };
        let mut declare = String::new();
        let mut clocked = String::new();
        for bank in 0..banks {
            // The lane that this bank serves, and that lane's window row.
            declare += &format!(
                "\
reg [7:0] bank{bank} [0:{last}];
reg [{word_bits}-1:0] window_word{bank}, access_word{bank};
reg access_enable{bank};
wire [{low}-1:0] lane{bank} = {low}'d{bank} - window_address[{low}-1:0];
wire [2:0] row{bank} = {row};
",
                last = words - 1,
                row = row_of(
                    &format!("{{{}'d0, lane{bank}}}", LANE_BITS - low),
                    "window_boundaries"
                ),
            );
            // Bytes below the first lane's bank are in the next word; the last bank has none above.
            let next = |name: &str| {
                if bank == banks - 1 {
                    "1'b0".to_owned()
                } else {
                    format!("{low}'d{bank} < {name}[{low}-1:0]")
                }
            };
            clocked += &format!(
                "   window_word{bank} <= window_address[{top}:{low}] + {{{pad}'d0, {window_next}}} + skips[row{bank} * {word_bits} +: {word_bits}];\n   \
                 access_word{bank} <= access_address[{top}:{low}] + {{{pad}'d0, {access_next}}};\n   \
                 access_enable{bank} <= access_write & enables[{bank}];\n   \
                 fetched[{at}+:8] <= bank{bank}[window_word{bank}];\n   \
                 accessed[{at}+:8] <= bank{bank}[access_word{bank}];\n   \
                 if (access_enable{bank}) bank{bank}[access_word{bank}] <= written[{at}+:8];\n",
                pad = word_bits - 1,
                window_next = next("window_address"),
                access_next = next("access_address"),
                at = bank * 8,
            );
        }
        let mut inside = String::new();
        let mut replace = String::new();
        for lane in 0..lanes {
            inside += &format!(
                "wire [2:0] lane_row{lane} = {row};\n",
                row = row_of(&format!("{LANE_BITS}'d{lane}"), "boundaries1")
            );
            replace += &format!(
                "   inside2[{lane}] <= {LANE_BITS}'d{lane} >= from1[lane_row{lane} * {LANE_BITS} +: {LANE_BITS}] && {LANE_BITS}'d{lane} < to1[lane_row{lane} * {LANE_BITS} +: {LANE_BITS}];\n   \
                 vector[{at}+:8] <= inside3[{lane}] ? rotated[{at}+:8] : pad3;\n",
                at = lane * 8
            );
        }
        Verilog::Custom(format!(
            "\
wire [{word_bits}-1:0] once = {skip_bits};
wire [{word_bits}-1:0] twice = once + once;
wire [{word_bits}-1:0] thrice = twice + once;
wire [{word_bits}-1:0] fourfold = twice + twice;
wire [5*{word_bits}-1:0] skips = {{fourfold, thrice, twice, once, {word_bits}'d0}};
{declare}reg [{wide}-1:0] fetched, accessed, written;
reg [{low}-1:0] offset1, offset2, access_offset1, access_offset2;
reg [{boundary_top}:0] boundaries1;
reg [{span_top}:0] from1, to1;
reg [7:0] pad1, pad2, pad3;
reg [{lanes}-1:0] inside2, inside3;
reg [{RW}-1:0] rotated;
wire [{double}-1:0] turned = {{fetched, fetched}} >> {{offset2, 3'd0}};
wire [{double}-1:0] access_turned = {{accessed, accessed}} >> {{access_offset2, 3'd0}};
wire [{wide}-1:0] spread = {spread};
wire [{double}-1:0] written_turned = {{spread, spread}} << {{access_address[{low}-1:0], 3'd0}};
wire [{banks}-1:0] mask = ~({{{banks}{{1'b1}}}} << access_bytes);
wire [{masks}-1:0] mask_turned = {{mask, mask}} << access_address[{low}-1:0];
wire [{banks}-1:0] enables = mask_turned[{masks}-1:{banks}];
{inside}
always @(posedge clock) begin
{clocked}   written <= written_turned[{double}-1:{wide}];
   offset1 <= window_address[{low}-1:0];
   offset2 <= offset1;
   boundaries1 <= window_boundaries;
   from1 <= window_from;
   to1 <= window_to;
   pad1 <= window_pad;
   pad2 <= pad1;
   pad3 <= pad2;
   inside3 <= inside2;
   rotated <= turned[{RW}-1:0];
   access_offset1 <= access_address[{low}-1:0];
   access_offset2 <= access_offset1;
   access_read <= access_turned[{WW}-1:0];
{replace}end
",
            skip_bits = if word_bits <= 16 {
                format!("window_skip[{}:0]", word_bits - 1)
            } else {
                format!("{{{{{}{{window_skip[15]}}}}, window_skip}}", word_bits - 16)
            },
            boundary_top = BOUNDARIES * LANE_BITS - 1,
            span_top = (BOUNDARIES + 1) * LANE_BITS - 1,
            double = wide * 2,
            masks = banks * 2,
            spread = if WW == wide {
                "access_data".to_owned()
            } else {
                format!("{{{}'d0, access_data}}", wide - WW)
            },
        ))
    }
}
