//! The processing element: two activations, their weights for two columns, one step of the partial
//! sums of both.
//!
//! ```text
//!                 left, right_sum_in
//!  plain                 |          inner product          |
//!  x0 --*-- w0           |          x0 + w1 --+            |
//!       +----> + ------> +                    * ---------> +      in the left column
//!  x1 --*-- w1           |          x1 + w0 --+            |      and in the right one
//!                        |                                 |
//!                   left, right_sum                   left, right_sum
//! ```
//!
//! The inner product of Winograd (1968) takes one multiplication for two:
//! (x0 + w1)(x1 + w0) = x0 w0 + x1 w1 + x0 x1 + w0 w1. The third term is the same in all columns, so
//! one more column, of [`Element::Correction`], computes it and is subtracted below. The last one
//! depends on weights alone; it leaves the array, and the compiler takes it from the bias.
//!
//! Both columns may share a DSP, which multiplies for one and then for the other within a cycle, at
//! double the clock ([`Multiply::SharedDsp`]). All else runs at the clock.
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
    /// One DSP for both columns, in turns.
    SharedDsp,
    /// Carry chains.
    Lut,
}

/// What an element adds to the partial sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Element {
    /// x0 w0 + x1 w1, by two DSPs with all their registers.
    #[default]
    Plain,
    /// (x0 + w1)(x1 + w0).
    InnerProduct(Multiply),
    /// x0 x1 in the left column, nothing in the right one.
    Correction(Multiply),
    /// Nothing: wires.
    Absent,
}

impl Element {
    /// Cycles from activations to the partial sum with them.
    pub const fn latency(self) -> usize {
        match self {
            // Multiplications and the sum of a pair, or factors and a multiplication.
            Self::Plain | Self::InnerProduct(Multiply::Dsp | Multiply::Lut) => {
                2 + primitive::LATENCY
            }
            Self::InnerProduct(Multiply::SharedDsp) => 1 + primitive::INNER_PRODUCTS_LATENCY,
            Self::Correction(_) => 1 + primitive::LATENCY,
            Self::Absent => 0,
        }
    }
}

/// The latest partial sum of all kinds.
const LONGEST: usize = Element::Plain.latency();

/// An element for two rows and two columns, with partial sums of `P` bits.
#[derive(LogicBlock, Default)]
pub struct PairElement<const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Twice as fast, rising with it; for [`Multiply::SharedDsp`] as ECP5 has it, and nothing else.
    pub double_clock: Signal<In, Clock>,
    /// Activations x0 (bits 7:0) and x1 (15:8), signed.
    pub activations: Signal<In, Bits<16>>,
    /// Weights w0 of the left column (7:0) and of the right one (15:8), signed, with their
    /// activations.
    pub even_weights: Signal<In, Bits<16>>,
    /// Weights w1.
    pub odd_weights: Signal<In, Bits<16>>,
    /// Partial sum of the element above, a cycle before it is wanted in `left_sum`.
    pub left_sum_in: Signal<In, Bits<P>>,
    /// The right column's.
    pub right_sum_in: Signal<In, Bits<P>>,
    /// Partial sum with what this element adds, [`Element::latency`] cycles after the activations.
    pub left_sum: Signal<Out, Bits<P>>,
    /// The right column's.
    pub right_sum: Signal<Out, Bits<P>>,
    _kind: Element,
    _columns: [Column; 2],
}

/// What one column of an element has multiplied, the latest first.
#[derive(Clone, Copy, Default)]
struct Column([i64; LONGEST]);

impl Column {
    /// A clock's edge; returns what is added to the partial sum.
    fn step(&mut self, kind: Element, [x0, x1]: [i64; 2], [w0, w1]: [i64; 2]) -> i64 {
        self.0.rotate_right(1);
        self.0[0] = match kind {
            Element::Plain => x0 * w0 + x1 * w1,
            Element::InnerProduct(_) => (x0 + w1) * (x1 + w0),
            Element::Correction(_) => x0 * x1,
            Element::Absent => 0,
        };
        self.0[kind.latency().saturating_sub(1)]
    }
}

/// The sides of an element and the lowest bit of their weights.
const SIDES: [(&str, usize); 2] = [("left", 0), ("right", 8)];

impl<const P: usize> PairElement<P> {
    /// An element of a kind.
    pub fn new(kind: Element) -> Self {
        assert!(P >= 18, "a partial sum holds a product");
        Self {
            _kind: kind,
            ..Default::default()
        }
    }

    /// Whether a side is wires alone.
    fn is_absent(&self, side: usize) -> bool {
        match self._kind {
            Element::Absent => true,
            Element::Correction(_) => side == 1,
            Element::Plain | Element::InnerProduct(_) => false,
        }
    }

    fn step(&mut self) {
        let half = |pair: Bits<16>, from| i64::from(slice(pair, from, 8) as i8);
        let activations = [0, 8].map(|from| half(self.activations.val(), from));
        let weights = SIDES.map(|(_, from)| {
            [self.even_weights.val(), self.odd_weights.val()].map(|row| half(row, from))
        });
        let [left, right] = [0, 1].map(|side| {
            if self.is_absent(side) {
                return 0;
            }
            self._columns[side].step(self._kind, activations, weights[side])
        });
        if !self.is_absent(0) {
            self.left_sum.next = from_signed(to_signed(self.left_sum_in.val()) + left);
        }
        if !self.is_absent(1) {
            self.right_sum.next = from_signed(to_signed(self.right_sum_in.val()) + right);
        }
    }

    fn plain((side, from): (&str, usize)) -> String {
        format!(
            "\
wire signed [15:0] {side}_even_product, {side}_odd_product;
systole_multiply #(.A(8), .B(8)) {side}_even (.clock(clock), .a(activations[7:0]), .b(even_weights[{from}+:8]), .product({side}_even_product));
systole_multiply #(.A(8), .B(8)) {side}_odd (.clock(clock), .a(activations[15:8]), .b(odd_weights[{from}+:8]), .product({side}_odd_product));
reg signed [16:0] {side}_pair;

always @(posedge clock) begin
   {side}_pair <= {{{side}_even_product[15], {side}_even_product}} + {{{side}_odd_product[15], {side}_odd_product}};
   {side}_sum <= {side}_sum_in + {{{{{extension}{{{side}_pair[16]}}}}, {side}_pair}};
end
",
            extension = P - 17
        )
    }

    fn inner_product(multiply: Multiply) -> String {
        let mut text = "\
wire signed [7:0] x0 = $signed(activations[7:0]);
wire signed [7:0] x1 = $signed(activations[15:8]);
"
        .to_owned();
        for (side, from) in SIDES {
            text += &format!(
                "\
wire signed [7:0] {side}_w0 = $signed(even_weights[{from}+:8]);
wire signed [7:0] {side}_w1 = $signed(odd_weights[{from}+:8]);
wire signed [17:0] {side}_product;

always @(posedge clock) begin
   {side}_sum <= {side}_sum_in + {{{{{extension}{{{side}_product[17]}}}}, {side}_product}};
end
",
                extension = P - 18
            );
        }
        text + &match multiply {
            Multiply::SharedDsp => "\
systole_inner_products multiplier (
   .clock(clock), .double_clock(double_clock), .x0(x0), .x1(x1),
   .left_w0(left_w0), .left_w1(left_w1), .left_product(left_product),
   .right_w0(right_w0), .right_w1(right_w1), .right_product(right_product)
);
"
            .to_owned(),
            Multiply::Dsp => multipliers("systole_multiply #(.A(9), .B(9))"),
            Multiply::Lut => multipliers("systole_multiply_lut_9x9"),
        }
    }

    fn correction(multiply: Multiply) -> String {
        let primitive = match multiply {
            Multiply::Dsp | Multiply::SharedDsp => "systole_multiply #(.A(8), .B(8))",
            Multiply::Lut => "systole_multiply_lut_8x8",
        };
        format!(
            "\
wire signed [15:0] product;
{primitive} multiplier (.clock(clock), .a(activations[7:0]), .b(activations[15:8]), .product(product));

always @(posedge clock) begin
   left_sum <= left_sum_in + {{{{{extension}{{product[15]}}}}, product}};
end
always @(*) right_sum = right_sum_in;
",
            extension = P - 16
        )
    }
}

/// Factors and a multiplier of its own for each side.
fn multipliers(primitive: &str) -> String {
    SIDES
        .map(|(side, _)| {
            format!(
                "\
reg signed [8:0] {side}_even_factor, {side}_odd_factor;
{primitive} {side}_multiplier (.clock(clock), .a({side}_even_factor), .b({side}_odd_factor), .product({side}_product));

always @(posedge clock) begin
   {side}_even_factor <= {{x0[7], x0}} + {{{side}_w1[7], {side}_w1}};
   {side}_odd_factor <= {{x1[7], x1}} + {{{side}_w0[7], {side}_w0}};
end
"
            )
        })
        .concat()
}

impl<const P: usize> Logic for PairElement<P> {
    fn update(&mut self) {
        if self.is_absent(0) {
            self.left_sum.next = self.left_sum_in.val();
        }
        if self.is_absent(1) {
            self.right_sum.next = self.right_sum_in.val();
        }
        if self.clock.pos_edge() {
            self.step();
        }
    }

    fn connect(&mut self) {
        self.left_sum.connect();
        self.right_sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(match self._kind {
            Element::Plain => SIDES.map(Self::plain).concat(),
            Element::InnerProduct(multiply) => Self::inner_product(multiply),
            Element::Correction(multiply) => Self::correction(multiply),
            Element::Absent => "\
always @(*) left_sum = left_sum_in;
always @(*) right_sum = right_sum_in;
"
            .into(),
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
