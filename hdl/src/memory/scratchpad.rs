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
        // A bit for each bank, or lane, from the number `from` on. Comparing each of them would take
        // a carry chain each time.
        let upward = |from: &str| format!("{{{banks}{{1'b1}}}} << {from}");
        // One bit for each boundary that a bank's lane, or a lane, has reached.
        let reached = |name: &str, at: usize| {
            (0..BOUNDARIES)
                .rev()
                .map(|index| format!("{name}{index}[{at}]"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut declare = String::new();
        let mut memories = String::new();
        let mut clocked = String::new();
        for index in 0..BOUNDARIES {
            // Where the row after the boundary begins, counted from bank 0 of the first word. Banks
            // below the first lane's serve the lanes after the last bank's.
            declare += &format!(
                "\
wire [{LANE_BITS}:0] begin{index} = {{{pad}'d0, first}} + {{1'b0, window_boundaries[{at}+:{LANE_BITS}]}};
wire [{banks}-1:0] upward{index} = {from_begin};
wire [{banks}-1:0] reached{index} = begin{index}[{LANE_BITS}:{low}] == 0 ? upward{index} | below_first
   : begin{index}[{LANE_BITS}:{low}] == 1 ? upward{index} & below_first : {banks}'d0;
wire [{banks}-1:0] lane_reached{index} = {from_boundary};
",
                pad = LANE_BITS + 1 - low,
                at = index * LANE_BITS,
                from_begin = upward(&format!("begin{index}[{low}-1:0]")),
                from_boundary = upward(&format!("boundaries1[{}+:{LANE_BITS}]", index * LANE_BITS)),
            );
        }
        for row in 0..=BOUNDARIES {
            let at = row * LANE_BITS;
            declare += &format!(
                "wire [{banks}-1:0] in_row{row} = ({from}) & ~({to});\n",
                from = upward(&format!("from1[{at}+:{LANE_BITS}]")),
                to = upward(&format!("to1[{at}+:{LANE_BITS}]")),
            );
        }
        for bank in 0..banks {
            // The boundaries before the lane that this bank serves, and its word: that of an even
            // row, and what an odd row is further. The lowest bit makes a carry of the next word's.
            declare += &format!(
                "\
reg [{boundaries}-1:0] row1_{bank};
reg next1_{bank}, access_enable3_{bank};
reg [{word_bits}-1:0] window_word2_{bank}, access_word2_{bank}, access_word3_{bank};
wire [{word_bits}-1:0] even1_{bank} = row1_{bank}[3] ? fourth1 : row1_{bank}[1] ? second1 : window_word1;
wire odd1_{bank} = row1_{bank}[0] & ~row1_{bank}[1] | row1_{bank}[2] & ~row1_{bank}[3];
wire [{word_bits}:0] word1_{bank};
systole_choose_add #(.WIDTH({word_bits} + 1)) word{bank} (
   .choose(odd1_{bank}), .chosen({{once1, next1_{bank}}}), .other({{{word_bits}'d0, next1_{bank}}}),
   .term({{even1_{bank}, 1'b1}}), .sum(word1_{bank})
);
",
                boundaries = BOUNDARIES,
            );
            memories += &format!(
                "\
systole_dual_port_ram #(.WIDTH(8), .DEPTH({words}), .ADDRESS({word_bits})) bank{bank} (
   .clock(clock), .a_write(access_enable3_{bank}), .a_address(access_word3_{bank}),
   .a_write_data(written3[{data_at}+:8]), .a_data(accessed5[{at}+:8]),
   .b_address(window_word2_{bank}), .b_data(fetched4[{at}+:8])
);
",
                at = bank * 8,
                data_at = bank % (WW / 8) * 8,
            );
            clocked += &format!(
                "   row1_{bank} <= {{{reached}}};\n   \
                 next1_{bank} <= below_first[{bank}];\n   \
                 window_word2_{bank} <= word1_{bank}[{word_bits}:1];\n   \
                 access_word2_{bank} <= access_upward1[{bank}] ? access_address1[{top}:{low}] : access_next1;\n   \
                 access_word3_{bank} <= access_word2_{bank};\n   \
                 access_enable3_{bank} <= access_write2 & enables2[{bank}];\n",
                reached = reached("reached", bank),
            );
        }
        for lane in 0..lanes {
            // Whether the lane would be in the image, for each row that it may belong to.
            let in_rows = (0..=BOUNDARIES)
                .rev()
                .map(|row| format!("in_row{row}[{lane}]"))
                .collect::<Vec<_>>()
                .join(", ");
            // Of the row that has as many boundaries before it.
            let is_inside = (0..BOUNDARIES)
                .rev()
                .map(|row| format!("lane_row2_{lane}[{row}] ? in_rows2_{lane}[{}] : ", row + 1))
                .collect::<String>()
                + &format!("in_rows2_{lane}[0]");
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
                reached = reached("lane_reached", lane),
                at = lane * 8,
            );
        }
        // Banks that are an access apart have the same byte of what is written, and at most one of
        // them has a byte that is read.
        let groups = banks / (WW / 8);
        let turn = (WW / 8).trailing_zeros() as usize;
        for byte in 0..WW / 8 {
            let at = byte * 8;
            if groups == 1 {
                clocked += &format!("   accessed6[{at}+:8] <= accessed5[{at}+:8];\n");
                continue;
            }
            let group_bits = low - turn;
            declare += &format!("reg [{group_bits}-1:0] group5_{byte};\n");
            clocked += &format!(
                "   group5_{byte} <= access_offset4[{low}-1:{turn}] + access_below4[{byte}];\n   \
                 accessed6[{at}+:8] <= accessed5[{{group5_{byte}, {turn}'d{byte}, 3'd0}}+:8];\n",
            );
        }
        if groups > 1 {
            declare += &format!(
                "wire [{span}-1:0] access_below4 = ~({{{span}{{1'b1}}}} << access_offset4[{turn}-1:0]);\n",
                span = WW / 8
            );
        }
        // Rotations are by multiples of four lanes, and then by the rest.
        let fine = |offset: &str| format!("{{{offset}[1:0], 3'd0}}");
        Verilog::Custom(format!(
            "\
wire [{word_bits}-1:0] once = {skip_bits};
wire [{low}-1:0] first = window_address[{low}-1:0];
wire [{banks}-1:0] below_first = ~({from_first});
reg [{word_bits}-1:0] window_word1, once1, second1, fourth1;
reg [31:0] access_address1;
wire [{banks}-1:0] access_upward1 = {from_access};
wire [{word_bits}-1:0] access_next1 = access_address1[{top}:{low}] + {word_bits}'d1;
reg [{low}-1:0] offset1, offset2, offset3, offset4, offset5;
reg [{boundary_top}:0] boundaries1;
reg [{span_top}:0] from1, to1;
reg [7:0] pad1, pad2, pad3, pad4, pad5;
reg [{lanes}-1:0] inside3, inside4, inside5;
wire [{wide}-1:0] fetched4;
reg [{wide}-1:0] rotated5;
wire [{double}-1:0] turned4 = {{fetched4, fetched4}} >> {{offset4[{low}-1:2], 5'd0}};
wire [{double}-1:0] turned5 = {{rotated5, rotated5}} >> {window_fine};

reg access_write1, access_write2;
reg [7:0] access_bytes1;
reg [{WW}-1:0] access_data1;
reg [{low}-1:0] access_offset2, access_offset3, access_offset4, access_offset5, access_offset6;
reg [{low}:0] access_end2;
wire [{banks}-1:0] below_offset2 = ~({from_offset});
wire [{banks}-1:0] upward_end2 = {from_end};
wire [{banks}-1:0] enables2 = access_end2[{low}] ? ~(upward_end2 & below_offset2) : ~(upward_end2 | below_offset2);
reg [{WW}-1:0] turned2, written3, accessed6;
wire [{WW2}-1:0] data_turned1 = {{access_data1, access_data1}} << {{access_address1[{turn}-1:2], 5'd0}};
wire [{WW2}-1:0] data_turned2 = {{turned2, turned2}} << {write_fine};
wire [{wide}-1:0] accessed5;
wire [{WW2}-1:0] accessed_turned6 = {{accessed6, accessed6}} >> {{access_offset6[{turn}-1:0], 3'd0}};
{declare}
{memories}
always @(posedge clock) begin
   window_word1 <= window_address[{top}:{low}];
   once1 <= once;
   second1 <= window_address[{top}:{low}] + {{once[{word_bits}-2:0], 1'd0}};
   fourth1 <= window_address[{top}:{low}] + {{once[{word_bits}-3:0], 2'd0}};
   offset1 <= first;
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
   access_end2 <= {{1'b0, access_address1[{low}-1:0]}} + access_bytes1[{low}:0];
   turned2 <= data_turned1[{WW2}-1:{WW}];
   written3 <= data_turned2[{WW2}-1:{WW}];
   access_read <= accessed_turned6[{WW}-1:0];
{clocked}end
",
            from_first = upward("first"),
            from_access = upward(&format!("access_address1[{low}-1:0]")),
            skip_bits = if word_bits <= 16 {
                format!("window_skip[{}:0]", word_bits - 1)
            } else {
                format!("{{{{{}{{window_skip[15]}}}}, window_skip}}", word_bits - 16)
            },
            boundary_top = BOUNDARIES * LANE_BITS - 1,
            span_top = (BOUNDARIES + 1) * LANE_BITS - 1,
            double = wide * 2,
            WW2 = WW * 2,
            from_offset = upward("access_offset2"),
            from_end = upward(&format!("access_end2[{low}-1:0]")),
            window_fine = fine("offset5"),
            write_fine = fine("access_offset2"),
        ))
    }
}
