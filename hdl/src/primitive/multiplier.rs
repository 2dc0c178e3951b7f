//! Multipliers as leaves: the primitives with ports that RustHDL knows.

use rust_hdl::prelude::*;

use crate::bits::{from_signed, to_signed};

/// The registers of a multiplication: what was multiplied one, two and three cycles ago.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pipeline([i64; super::LATENCY - 1]);

impl Pipeline {
    /// Takes a product of operands, gives the one that leaves.
    pub fn step(&mut self, product: i64) -> i64 {
        let leaving = self.0[1];
        self.0 = [product, self.0[0]];
        leaving
    }
}

/// Signed product of `A` x `B` bits, up to 18 each, in `P` = A + B, from a DSP.
#[derive(LogicBlock, Default)]
pub struct Multiplier<const A: usize, const B: usize, const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// First operand, signed.
    pub a: Signal<In, Bits<A>>,
    /// Second operand, signed.
    pub b: Signal<In, Bits<B>>,
    /// Product of the operands of [`super::LATENCY`] cycles ago.
    pub product: Signal<Out, Bits<P>>,
    _pipeline: Pipeline,
}

impl<const A: usize, const B: usize, const P: usize> Logic for Multiplier<A, B, P> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let product = to_signed(self.a.val()) * to_signed(self.b.val());
            self.product.next = from_signed(self._pipeline.step(product));
        }
    }

    fn connect(&mut self) {
        self.product.connect();
    }

    fn hdl(&self) -> Verilog {
        assert!(P == A + B && A <= 18 && B <= 18, "a DSP takes 18 bits");
        Verilog::Custom(format!(
            "\
wire signed [{P}-1:0] multiplied;
systole_multiply #(.A({A}), .B({B})) multiplier (.clock(clock), .a(a), .b(b), .product(multiplied));
always @(*) product = multiplied;
"
        ))
    }
}

/// Signed product of `N` x `N` bits, 8 or 9, in `P` = 2 N, from LUTs.
#[derive(LogicBlock, Default)]
pub struct LutMultiplier<const N: usize, const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// First operand, signed.
    pub a: Signal<In, Bits<N>>,
    /// Second operand, signed.
    pub b: Signal<In, Bits<N>>,
    /// Product of the operands of [`super::LATENCY`] cycles ago.
    pub product: Signal<Out, Bits<P>>,
    _pipeline: Pipeline,
}

impl<const N: usize, const P: usize> Logic for LutMultiplier<N, P> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let product = to_signed(self.a.val()) * to_signed(self.b.val());
            self.product.next = from_signed(self._pipeline.step(product));
        }
    }

    fn connect(&mut self) {
        self.product.connect();
    }

    fn hdl(&self) -> Verilog {
        assert!(P == 2 * N && (N == 8 || N == 9), "there are two sizes");
        Verilog::Custom(format!(
            "\
wire signed [{P}-1:0] multiplied;
systole_multiply_lut_{N}x{N} multiplier (.clock(clock), .a(a), .b(b), .product(multiplied));
always @(*) product = multiplied;
"
        ))
    }
}
