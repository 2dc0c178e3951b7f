//! Bounds arithmetic: the end of a strided region, and whether it lies within a limit.
//!
//! `finish = base + (count - 1) * stride + tiles * unit`, exact in 64 bits; in a chain the base is
//! the end before. Every instruction is checked with it before it runs, so no address is generated
//! that could lie outside; a run's host addresses are advanced with it as well.

use rust_hdl::prelude::*;

use crate::bits::from_unsigned;

/// Cycles from the operands to `finish`.
pub const LATENCY: usize = 5;

/// Cycles from the operands to `fits`.
pub const FITS_LATENCY: usize = LATENCY + 1;

/// The arithmetic, pipelined: factors, products of their halves, products, their sum, the end.
/// Only the last addition takes in the end before, so regions in a chain can follow each other.
#[derive(LogicBlock, Default)]
pub struct Extent {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The region goes on where the one of the cycle before ended, instead of at `base`.
    pub chain: Signal<In, Bit>,
    /// Start of the region.
    pub base: Signal<In, Bits<32>>,
    /// Number of pieces, at least 1.
    pub count: Signal<In, Bits<16>>,
    /// Distance between pieces.
    pub stride: Signal<In, Bits<32>>,
    /// Length of a piece in units.
    pub tiles: Signal<In, Bits<32>>,
    /// Size of a unit.
    pub unit: Signal<In, Bits<16>>,
    /// Greatest end that is inside.
    pub limit: Signal<In, Bits<32>>,
    /// End of the region, after [`LATENCY`] cycles.
    pub finish: Signal<Out, Bits<64>>,
    /// Whether it is within the limit, after [`FITS_LATENCY`] cycles.
    pub fits: Signal<Out, Bit>,
    _factors: [u64; 4],
    _lengths: [u64; 3],
    _line: [(bool, u64, u64); 5],
    _end: u64,
}

impl Logic for Extent {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            // From the last stage to the first, each takes what the one before it had.
            self.fits.next = self._end <= self._line[4].2;
            let (chain, base, _) = self._line[3];
            let base = if chain { self._end } else { base };
            self._end = base.wrapping_add(self._lengths[2]);
            self.finish.next = from_unsigned(self._end);
            let [count, stride, tiles, unit] = self._factors;
            let length = (count.wrapping_sub(1) % 65536 * stride).wrapping_add(tiles * unit);
            self._lengths = [length, self._lengths[0], self._lengths[1]];
            let [first, second, third, fourth, _] = self._line;
            self._line = [
                (
                    self.chain.val(),
                    self.base.val().to_u64(),
                    self.limit.val().to_u64(),
                ),
                first,
                second,
                third,
                fourth,
            ];
            self._factors = [
                self.count.val().to_u64(),
                self.stride.val().to_u64(),
                self.tiles.val().to_u64(),
                self.unit.val().to_u64(),
            ];
        }
    }

    fn connect(&mut self) {
        self.finish.connect();
        self.fits.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(
            "\
reg [31:0] base1, base2, base3, base4, stride1, tiles1;
reg [31:0] limit1, limit2, limit3, limit4, limit5;
reg [15:0] count1, unit1;
reg chain1, chain2, chain3, chain4;
reg [31:0] before_low2, before_high2, length_low2, length_high2;
reg [47:0] before3, length3;
reg [48:0] both4;

always @(posedge clock) begin
   chain1 <= chain;
   base1 <= base;
   limit1 <= limit;
   count1 <= count - 16'd1;
   stride1 <= stride;
   tiles1 <= tiles;
   unit1 <= unit;

   chain2 <= chain1;
   base2 <= base1;
   limit2 <= limit1;
   before_low2 <= {16'd0, count1} * {16'd0, stride1[15:0]};
   before_high2 <= {16'd0, count1} * {16'd0, stride1[31:16]};
   length_low2 <= {16'd0, unit1} * {16'd0, tiles1[15:0]};
   length_high2 <= {16'd0, unit1} * {16'd0, tiles1[31:16]};

   chain3 <= chain2;
   base3 <= base2;
   limit3 <= limit2;
   before3 <= {16'd0, before_low2} + {before_high2, 16'd0};
   length3 <= {16'd0, length_low2} + {length_high2, 16'd0};

   chain4 <= chain3;
   base4 <= base3;
   limit4 <= limit3;
   both4 <= {1'd0, before3} + {1'd0, length3};

   limit5 <= limit4;
   finish <= (chain4 ? finish : {32'd0, base4}) + {15'd0, both4};

   fits <= finish <= {32'd0, limit5};
end
"
            .into(),
        )
    }
}
