//! Scratchpad: activations, byte-addressed, in banks of a byte.
//!
//! Byte `a` lies in bank `a mod N`, word `a / N`. The window port reads R consecutive lanes for the
//! array, in which up to four boundaries may jump ahead by a whole number of words: then the lanes
//! still lie in different banks, so a tile that spans rows of a window is read in one cycle. Lanes
//! outside the image are replaced. The access port reads or writes up to W consecutive bytes, for
//! requantization, residual operands and DMA; who may use it is decided outside.
//!
//! ```text
//!  window address, boundaries --> row, word of each bank --> [ N banks ] --> rotate, pad --> vector
//!                                                                 |
//!  access address, bytes, data --> word of each bank, rotate ---->+--> rotate --> W bytes
//! ```
//!
//! Block RAMs answer late in their cycle, so their output registers come before anything is chosen,
//! and vectors are rotated in two stages: by multiples of four lanes, then by single ones.
//!
//! What a port reads of a byte that is written in the same cycle is anything on a device
//! (`systole_dual_port_ram`; this simulation gives what was there before), and nobody uses it:
//!
//! - The access port reads or writes. Residual operands are read in other cycles than results are
//!   written ([`crate::requantize::drain`]), and DMA waits while it has no turn.
//! - What the window port reads for an instruction was written before it began: the loads that its
//!   limits name have ended, and so has the computation before it, its last write carried out. What
//!   is written meanwhile isn't read: limits keep loads from what a computation still reads, and
//!   results may replace nothing but a residual's operands, which the access port reads.
//! - Lanes outside the window or the image read whatever is there, and are replaced; results of
//!   lanes beyond the channels aren't written. Banks are of a byte, so a write touches no other one.

use std::collections::VecDeque;

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice, to_signed};
use crate::delay::delayed;

/// Cycles from a window's address to its vector.
pub const WINDOW_LATENCY: usize = 6;

/// Cycles from the address of an access to the bytes read.
pub const ACCESS_LATENCY: usize = 7;

/// Cycles from the address of an access to the memory, where what it writes replaces what was.
pub const WRITE_LATENCY: usize = 4;

/// Bits of an address in the largest scratchpad.
pub const ADDRESS_BITS: usize = 20;

/// Cycles from a window's address to the words of the banks.
const WORD_LATENCY: usize = 2;

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

/// Where a lane's byte lies, and what replaces it outside the image.
#[derive(Clone, Copy)]
struct Lane {
    address: usize,
    pad: Option<u8>,
}

/// An access: what is written replaces the first bytes at the address.
#[derive(Clone)]
struct Request {
    address: usize,
    written: Vec<u8>,
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
    _windows: VecDeque<Vec<Lane>>,
    _vectors: VecDeque<Vec<u8>>,
    _requests: VecDeque<Request>,
    _reads: VecDeque<Vec<u8>>,
}

impl<const RW: usize, const WW: usize> Scratchpad<RW, WW> {
    /// A scratchpad of this many bytes, a power of two.
    pub fn new(bytes: usize) -> Self {
        assert!(bytes.is_power_of_two() && RW.is_power_of_two() && WW.is_power_of_two());
        assert!(WW >= 64 && WW / 8 <= Self::BANKS && bytes <= 1 << ADDRESS_BITS);
        Self {
            _memory: vec![0; bytes],
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

    /// All lanes.
    fn lanes(&self) -> Vec<Lane> {
        let shape = self.shape();
        let skip = to_signed(self.window_skip.val()) * Self::BANKS as i64;
        let first = slice(self.window_address.val(), 0, 32) as i64;
        let size = self._memory.len() as i64;
        (0..Self::LANES)
            .map(|lane| {
                let address = first + lane as i64 + skip * shape.row(lane) as i64;
                Lane {
                    address: address.rem_euclid(size) as usize,
                    pad: (!shape.inside(lane)).then(|| slice(self.window_pad.val(), 0, 8) as u8),
                }
            })
            .collect()
    }

    /// The access.
    fn request(&self) -> Request {
        let bytes = if self.access_write.val() {
            self.access_bytes.val().index().min(WW / 8)
        } else {
            0
        };
        let data = self.access_data.val();
        Request {
            address: slice(self.access_address.val(), 0, 32) as usize % self._memory.len(),
            written: (0..bytes)
                .map(|byte| slice(data, byte * 8, 8) as u8)
                .collect(),
        }
    }
}

impl<const RW: usize, const WW: usize> Logic for Scratchpad<RW, WW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let size = self._memory.len();
            // Both ports read before a write of the same cycle.
            let nowhere = vec![
                Lane {
                    address: 0,
                    pad: Some(0)
                };
                Self::LANES
            ];
            let lanes = self.lanes();
            let vector = delayed(&mut self._windows, WORD_LATENCY, nowhere, lanes)
                .iter()
                .map(|lane| lane.pad.unwrap_or(self._memory[lane.address]))
                .collect();
            let nothing = Request {
                address: 0,
                written: Vec::new(),
            };
            let request = self.request();
            let Request { address, written } =
                delayed(&mut self._requests, WRITE_LATENCY - 1, nothing, request);
            let read = (0..WW / 8)
                .map(|byte| self._memory[(address + byte) % size])
                .collect();
            for (byte, &value) in written.iter().enumerate() {
                self._memory[(address + byte) % size] = value;
            }
            let vector = delayed(
                &mut self._vectors,
                WINDOW_LATENCY - WORD_LATENCY - 1,
                vec![0; Self::LANES],
                vector,
            );
            let read = delayed(
                &mut self._reads,
                ACCESS_LATENCY - WRITE_LATENCY,
                vec![0; WW / 8],
                read,
            );
            self.vector.next = concatenate(8, vector.into_iter().map(u64::from));
            self.access_read.next = concatenate(8, read.into_iter().map(u64::from));
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
        // One bit for each boundary that a lane has reached.
        let reached = |lane: &str, boundaries: &str| {
            (0..BOUNDARIES)
                .rev()
                .map(|index| format!("{lane} >= {boundaries}[{}+:{LANE_BITS}]", index * LANE_BITS))
                .collect::<Vec<_>>()
                .join(", ")
        };
        // What belongs to the row that has as many boundaries before it.
        let of_row = |rows: &str, values: [String; BOUNDARIES + 1]| {
            let [none, one, two, three, four] = values;
            format!(
                "{rows}[3] ? {four} : {rows}[2] ? {three} : {rows}[1] ? {two} : {rows}[0] ? {one} : {none}"
            )
        };
        let mut declare = String::new();
        let mut memories = String::new();
        let mut clocked = String::new();
        for bank in 0..banks {
            // Bytes below the first lane's bank are in the next word; the last bank has none above.
            let next = |name: &str| {
                if bank == banks - 1 {
                    "1'b0".to_owned()
                } else {
                    format!("{low}'d{bank} < {name}[{low}-1:0]")
                }
            };
            let skip = of_row(
                &format!("row1_{bank}"),
                [
                    format!("{word_bits}'d0"),
                    "once1".to_owned(),
                    "twice1".to_owned(),
                    "thrice1".to_owned(),
                    "fourfold1".to_owned(),
                ],
            );
            // The lane that this bank serves, the boundaries before it, and its word.
            declare += &format!(
                "\
wire [{low}-1:0] lane{bank} = {low}'d{bank} - window_address[{low}-1:0];
reg [{boundaries}-1:0] row1_{bank};
wire [{word_bits}-1:0] skip1_{bank} = {skip};
reg next1_{bank}, access_enable3_{bank};
reg [{word_bits}-1:0] window_word2_{bank}, access_word2_{bank}, access_word3_{bank};
",
                boundaries = BOUNDARIES,
            );
            memories += &format!(
                "\
systole_dual_port_ram #(.WIDTH(8), .DEPTH({words}), .ADDRESS({word_bits})) bank{bank} (
   .clock(clock), .a_write(access_enable3_{bank}), .a_address(access_word3_{bank}),
   .a_write_data(written3[{at}+:8]), .a_data(accessed5[{at}+:8]),
   .b_address(window_word2_{bank}), .b_data(fetched4[{at}+:8])
);
",
                at = bank * 8,
            );
            clocked += &format!(
                "   row1_{bank} <= {{{reached}}};\n   \
                 next1_{bank} <= {window_next};\n   \
                 window_word2_{bank} <= window_word1 + skip1_{bank} + {{{pad}'d0, next1_{bank}}};\n   \
                 access_word2_{bank} <= access_address1[{top}:{low}] + {{{pad}'d0, {access_next}}};\n   \
                 access_word3_{bank} <= access_word2_{bank};\n   \
                 access_enable3_{bank} <= access_write2 & enables2[{bank}];\n",
                reached = reached(
                    &format!("{{{}'d0, lane{bank}}}", LANE_BITS - low),
                    "window_boundaries"
                ),
                pad = word_bits - 1,
                window_next = next("window_address"),
                access_next = next("access_address1"),
            );
        }
        for lane in 0..lanes {
            // Whether the lane would be in the image, for each row that it may belong to.
            let in_rows = (0..=BOUNDARIES)
                .rev()
                .map(|row| {
                    let at = row * LANE_BITS;
                    format!(
                        "{LANE_BITS}'d{lane} >= from1[{at}+:{LANE_BITS}] && {LANE_BITS}'d{lane} < to1[{at}+:{LANE_BITS}]"
                    )
                })
                .collect::<Vec<_>>()
                .join(", ");
            let is_inside = of_row(
                &format!("lane_row2_{lane}"),
                std::array::from_fn(|row| format!("in_rows2_{lane}[{row}]")),
            );
            declare += &format!(
                "\
reg [{boundaries}-1:0] lane_row2_{lane};
reg [{boundaries}:0] in_rows2_{lane};
",
                boundaries = BOUNDARIES,
            );
            clocked += &format!(
                "   lane_row2_{lane} <= {{{reached}}};\n   \
                 in_rows2_{lane} <= {{{in_rows}}};\n   \
                 inside3[{lane}] <= {is_inside};\n   \
                 vector[{at}+:8] <= inside5[{lane}] ? turned5[{at}+:8] : pad5;\n",
                reached = reached(&format!("{LANE_BITS}'d{lane}"), "boundaries1"),
                at = lane * 8,
            );
        }
        // Rotations by multiples of four lanes, and by the rest.
        let coarse = |offset: &str| format!("{{{offset}[{low}-1:2], 5'd0}}");
        let fine = |offset: &str| format!("{{{offset}[1:0], 3'd0}}");
        Verilog::Custom(format!(
            "\
wire [{word_bits}-1:0] once = {skip_bits};
reg [{word_bits}-1:0] window_word1, once1, twice1, thrice1, fourfold1;
{declare}
reg [{low}-1:0] offset1, offset2, offset3, offset4, offset5;
reg [{boundary_top}:0] boundaries1;
reg [{span_top}:0] from1, to1;
reg [7:0] pad1, pad2, pad3, pad4, pad5;
reg [{lanes}-1:0] inside3, inside4, inside5;
wire [{wide}-1:0] fetched4;
reg [{wide}-1:0] rotated5;
wire [{double}-1:0] turned4 = {{fetched4, fetched4}} >> {window_coarse};
wire [{double}-1:0] turned5 = {{rotated5, rotated5}} >> {window_fine};

reg [31:0] access_address1;
reg access_write1, access_write2;
reg [7:0] access_bytes1;
reg [{WW}-1:0] access_data1;
reg [{low}-1:0] access_offset2, access_offset3, access_offset4, access_offset5, access_offset6;
wire [{wide}-1:0] spread1 = {spread};
wire [{double}-1:0] spread_turned1 = {{spread1, spread1}} << {write_coarse};
reg [{wide}-1:0] spread2, written3, accessed6;
wire [{wide}-1:0] accessed5;
wire [{double}-1:0] spread_turned2 = {{spread2, spread2}} << {write_fine};
reg [{banks}-1:0] mask2;
wire [{masks}-1:0] mask_turned2 = {{mask2, mask2}} << access_offset2;
wire [{banks}-1:0] enables2 = mask_turned2[{masks}-1:{banks}];
wire [{double}-1:0] accessed_turned5 = {{accessed5, accessed5}} >> {access_coarse};
wire [{double}-1:0] accessed_turned6 = {{accessed6, accessed6}} >> {access_fine};

{memories}
always @(posedge clock) begin
   window_word1 <= window_address[{top}:{low}];
   once1 <= once;
   twice1 <= once + once;
   thrice1 <= once + once + once;
   fourfold1 <= {{once[{word_bits}-3:0], 2'd0}};
   offset1 <= window_address[{low}-1:0];
   offset2 <= offset1;
   offset3 <= offset2;
   offset4 <= offset3;
   offset5 <= offset4;
   boundaries1 <= window_boundaries;
   from1 <= window_from;
   to1 <= window_to;
   pad1 <= window_pad;
   pad2 <= pad1;
   pad3 <= pad2;
   pad4 <= pad3;
   pad5 <= pad4;
   inside4 <= inside3;
   inside5 <= inside4;
   rotated5 <= turned4[{wide}-1:0];

   access_address1 <= access_address;
   access_write1 <= access_write;
   access_write2 <= access_write1;
   access_bytes1 <= access_bytes;
   access_data1 <= access_data;
   access_offset2 <= access_address1[{low}-1:0];
   access_offset3 <= access_offset2;
   access_offset4 <= access_offset3;
   access_offset5 <= access_offset4;
   access_offset6 <= access_offset5;
   mask2 <= ~({{{banks}{{1'b1}}}} << access_bytes1);
   spread2 <= spread_turned1[{double}-1:{wide}];
   written3 <= spread_turned2[{double}-1:{wide}];
   accessed6 <= accessed_turned5[{wide}-1:0];
   access_read <= accessed_turned6[{WW}-1:0];
{clocked}end
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
            window_coarse = coarse("offset4"),
            window_fine = fine("offset5"),
            write_coarse = coarse("access_address1"),
            write_fine = fine("access_offset2"),
            access_coarse = coarse("access_offset5"),
            access_fine = fine("access_offset6"),
            spread = if WW == wide {
                "access_data1".to_owned()
            } else {
                format!("{{{}'d0, access_data1}}", wide - WW)
            },
        ))
    }
}
