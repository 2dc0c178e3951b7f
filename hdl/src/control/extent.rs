//! Bounds arithmetic: the end of a strided region, and whether it lies within a limit.
//!
//! `finish = base + (count - 1) * stride + tiles * unit`, exact in 64 bits; in a chain the base is
//! the end before. Every instruction is checked with it before it runs, so no address is generated
//! that could lie outside; a run's host addresses are advanced with it as well.

use rust_hdl::prelude::*;

use crate::bits::from_unsigned;

/// Cycles from the operands to `finish` and `fits`.
pub const LATENCY: usize = 3;

/// The arithmetic, pipelined.
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
    /// Whether it is within the limit, after [`LATENCY`] cycles.
    pub fits: Signal<Out, Bit>,
    _operands: [u64; 6],
    _products: [u64; 4],
    _chain: [bool; 2],
    _end: u64,
}

impl Logic for Extent {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let [before, length, base, limit] = self._products;
            let base = if self._chain[1] { self._end } else { base };
            let end = base.wrapping_add(before).wrapping_add(length);
            self._end = end;
            self._chain = [self.chain.val(), self._chain[0]];
            self.finish.next = from_unsigned(end);
            self.fits.next = end <= limit;
            let [base, count, stride, tiles, unit, limit] = self._operands;
            self._products = [
                count.wrapping_sub(1) % 65536 * stride,
                tiles * unit,
                base,
                limit,
            ];
            self._operands = [
                self.base.val().to_u64(),
                self.count.val().to_u64(),
                self.stride.val().to_u64(),
                self.tiles.val().to_u64(),
                self.unit.val().to_u64(),
                self.limit.val().to_u64(),
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
reg [31:0] base1, base2, stride1, tiles1, limit1, limit2;
reg [15:0] count1, unit1;
reg chain1, chain2;
reg [63:0] before2, length2;
wire [63:0] sum = (chain2 ? finish : {32'd0, base2}) + before2 + length2;

always @(posedge clock) begin
   chain1 <= chain;
   chain2 <= chain1;
   base1 <= base;
   count1 <= count - 16'd1;
   stride1 <= stride;
   tiles1 <= tiles;
   unit1 <= unit;
   limit1 <= limit;
   before2 <= {48'd0, count1} * {32'd0, stride1};
   length2 <= {32'd0, tiles1} * {48'd0, unit1};
   base2 <= base1;
   limit2 <= limit1;
   finish <= sum;
   fits <= sum <= {32'd0, limit2};
end
"
            .into(),
        )
    }
}
