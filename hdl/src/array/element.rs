//! The processing element: two activations, two weights, one step of a partial sum.
//!
//! ```text
//!                  partial_sum_in
//!  plain                 |          inner product          |
//!  x0 --*-- w0           |          x0 + w1 --+            |
//!       +----> + ------> +                    * ---------> +
//!  x1 --*-- w1           |          x1 + w0 --+            |
//!                   partial_sum                       partial_sum
//! ```
//!
//! The inner product of Winograd (1968) takes one multiplication for two:
//! (x0 + w1)(x1 + w0) = x0 w0 + x1 w1 + x0 x1 + w0 w1. The third term is the same in all columns, so
//! one more column, of [`Element::Correction`], computes it and is subtracted below. The last one
//! depends on weights alone; it leaves the array, and the compiler takes it from the bias.
//!
//! The element is replaceable: one structure of the array serves all kinds.

use rust_hdl::prelude::*;

use crate::bits::{from_signed, slice, to_signed};
use crate::primitive;

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiply {
    /// A DSP with all its registers.
    Dsp,
    /// Carry chains.
    Lut,
}

/// What an element adds to the partial sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Element {
    /// x0 w0 + x1 w1, by two DSPs with all their registers.
    #[default]
    Plain,
    /// (x0 + w1)(x1 + w0).
    InnerProduct(Multiply),
    /// x0 x1.
    Correction(Multiply),
    /// Nothing: a wire.
    Absent,
}

impl Element {
    /// Cycles from activations to the sum with them: sums of operands and a multiplication, or
    /// multiplications and their sum, then the partial sum.
    pub const LATENCY: usize = 2 + primitive::LATENCY;
}

/// An element for two rows, with a partial sum of `P` bits.
#[derive(LogicBlock, Default)]
pub struct PairElement<const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Activations x0 (bits 7:0) and x1 (15:8), signed.
    pub activations: Signal<In, Bits<16>>,
    /// Weight w0, signed, with its activations.
    pub even_weight: Signal<In, Bits<8>>,
    /// Weight w1, signed, with its activations.
    pub odd_weight: Signal<In, Bits<8>>,
    /// Partial sum of the element above, a cycle before it is wanted in `partial_sum`.
    pub partial_sum_in: Signal<In, Bits<P>>,
    /// Partial sum with what this element adds, [`Element::LATENCY`] cycles after the activations.
    pub partial_sum: Signal<Out, Bits<P>>,
    _kind: Element,
    _factors: [i64; 2],
    _pipeline: [i64; primitive::LATENCY],
    _pair: i64,
}

impl<const P: usize> PairElement<P> {
    /// An element of a kind.
    pub fn new(kind: Element) -> Self {
        assert!(P >= 18, "a partial sum holds a product");
        Self {
            _kind: kind,
            ..Default::default()
        }
    }

    fn step(&mut self) {
        let added = match self._kind {
            Element::Plain => self._pair,
            Element::InnerProduct(_) | Element::Correction(_) => {
                self._pipeline[primitive::LATENCY - 1]
            }
            Element::Absent => 0,
        };
        self.partial_sum.next = from_signed(to_signed(self.partial_sum_in.val()) + added);
        self._pair = self._pipeline[primitive::LATENCY - 1];
        let activations = self.activations.val();
        let [x0, x1] = [0, 8].map(|from| i64::from(slice(activations, from, 8) as i8));
        let w0 = to_signed(self.even_weight.val());
        let w1 = to_signed(self.odd_weight.val());
        let product = match self._kind {
            Element::Plain => x0 * w0 + x1 * w1,
            _ => self._factors[0] * self._factors[1],
        };
        self._pipeline.rotate_right(1);
        self._pipeline[0] = product;
        self._factors = match self._kind {
            Element::InnerProduct(_) => [x0 + w1, x1 + w0],
            _ => [x0, x1],
        };
    }

    fn plain(&self) -> String {
        format!(
            "\
wire signed [15:0] even_product, odd_product;
systole_multiply #(.A(8), .B(8)) even (.clock(clock), .a(activations[7:0]), .b(even_weight), .product(even_product));
systole_multiply #(.A(8), .B(8)) odd (.clock(clock), .a(activations[15:8]), .b(odd_weight), .product(odd_product));
reg signed [16:0] pair;

always @(posedge clock) begin
   pair <= {{even_product[15], even_product}} + {{odd_product[15], odd_product}};
   partial_sum <= partial_sum_in + {{{{{extension}{{pair[16]}}}}, pair}};
end
",
            extension = P - 17
        )
    }

    fn inner_product(&self, multiply: Multiply) -> String {
        let primitive = match multiply {
            Multiply::Dsp => "systole_multiply #(.A(9), .B(9))",
            Multiply::Lut => "systole_multiply_lut_9x9",
        };
        format!(
            "\
wire signed [7:0] x0 = $signed(activations[7:0]);
wire signed [7:0] x1 = $signed(activations[15:8]);
wire signed [7:0] w0 = $signed(even_weight);
wire signed [7:0] w1 = $signed(odd_weight);
reg signed [8:0] even_factor, odd_factor;
wire signed [17:0] product;
{primitive} multiplier (.clock(clock), .a(even_factor), .b(odd_factor), .product(product));

always @(posedge clock) begin
   even_factor <= {{x0[7], x0}} + {{w1[7], w1}};
   odd_factor <= {{x1[7], x1}} + {{w0[7], w0}};
   partial_sum <= partial_sum_in + {{{{{extension}{{product[17]}}}}, product}};
end
",
            extension = P - 18
        )
    }

    fn correction(&self, multiply: Multiply) -> String {
        let primitive = match multiply {
            Multiply::Dsp => "systole_multiply #(.A(8), .B(8))",
            Multiply::Lut => "systole_multiply_lut_8x8",
        };
        format!(
            "\
reg signed [7:0] even_factor, odd_factor;
wire signed [15:0] product;
{primitive} multiplier (.clock(clock), .a(even_factor), .b(odd_factor), .product(product));

always @(posedge clock) begin
   even_factor <= activations[7:0];
   odd_factor <= activations[15:8];
   partial_sum <= partial_sum_in + {{{{{extension}{{product[15]}}}}, product}};
end
",
            extension = P - 16
        )
    }
}

impl<const P: usize> Logic for PairElement<P> {
    fn update(&mut self) {
        if self._kind == Element::Absent {
            self.partial_sum.next = self.partial_sum_in.val();
        } else if self.clock.pos_edge() {
            self.step();
        }
    }

    fn connect(&mut self) {
        self.partial_sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(match self._kind {
            Element::Plain => self.plain(),
            Element::InnerProduct(multiply) => self.inner_product(multiply),
            Element::Correction(multiply) => self.correction(multiply),
            Element::Absent => "always @(*) partial_sum = partial_sum_in;\n".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    /// All choices of one of two values for each operand.
    fn choices(values: [i64; 2]) -> impl Iterator<Item = [i64; 4]> {
        (0..16)
            .map(move |choice: usize| std::array::from_fn(|operand| values[choice >> operand & 1]))
    }

    fn product([x0, x1, w0, w1]: [i64; 4]) -> i64 {
        (x0 + w1) * (x1 + w0)
    }

    /// Both sides are linear in each operand when the others are fixed. So is their difference,
    /// which is zero everywhere if it is at two values of each.
    #[test]
    fn an_inner_product_is_two_products_and_two_terms_for_all_operands() {
        for operands in choices([0, 1]).chain(choices([-128, 127])) {
            let [x0, x1, w0, w1] = operands;
            assert_eq!(
                product(operands),
                x0 * w0 + x1 * w1 + x0 * x1 + w0 * w1,
                "{operands:?}"
            );
        }
    }

    /// For the same reason extremes are at the ends of operands.
    #[test]
    fn widths_hold_every_product_and_every_sum() {
        let fits = |value: i64, bits: u32| (-(1 << (bits - 1))..1 << (bits - 1)).contains(&value);
        for operands in choices([-128, 127]) {
            let [x0, x1, _, w1] = operands;
            assert!(fits(x0 + w1, 9) && fits(product(operands), 18));
            // What leaves 32 rows, of 16 + 5 bits.
            assert!(fits(16 * (product(operands) - x0 * x1), 21));
        }
    }
}
