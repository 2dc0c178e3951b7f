//! Operands of a residual sum: the requantized result and the byte that it is added to, each
//! scaled, then added. It is TFLite's int8 ADD (`kernels/internal/reference/add.h`), whose inputs
//! are shifted left by 20 bits before they are scaled with gemmlowp's two roundings.
//!
//! ```text
//!  result --(+ bias)--> 9 bits x multiplier --> round --> divide --+
//!                                                                  +--> sum
//!  other  --(+ bias)--> 9 bits x multiplier --> round --> divide --+
//! ```

use rust_hdl::prelude::*;

use super::lane::divide_by_power;
use crate::bits::{from_signed, slice, to_signed};

/// Cycles from the second operand, which comes a cycle after the first, to the sum.
pub const LATENCY: usize = 5;

/// Bits that an operand is shifted left by before it is scaled.
const HEADROOM: u32 = 20;

/// Scales and adds one pair of operands a cycle.
#[derive(LogicBlock, Default)]
pub struct OperandSum {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// First operand, signed.
    pub first: Signal<In, Bits<8>>,
    /// Second operand, signed, a cycle later.
    pub other: Signal<In, Bits<8>>,
    /// Parameter entry of the first, as in [`super::lane::Lane`]. Constant while sums are in
    /// flight, as the other.
    pub first_entry: Signal<In, Bits<72>>,
    /// Parameter entry of the second.
    pub other_entry: Signal<In, Bits<72>>,
    /// The sum, signed, [`LATENCY`] cycles later.
    pub sum: Signal<Out, Bits<32>>,
    _first: i64,
    _biased: [i64; 2],
    _products: [i64; 2],
    _high: [i64; 2],
    _scaled: [i64; 2],
}

/// The low 9 bits as a signed number.
fn nine(value: i64) -> i64 {
    value << 55 >> 55
}

impl Logic for OperandSum {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let entries = [self.first_entry.val(), self.other_entry.val()];
            let operands = [self._first, to_signed(self.other.val())];
            self._first = to_signed(self.first.val());
            self.sum.next = from_signed(self._scaled[0] + self._scaled[1]);
            for index in 0..2 {
                let shift = i32::from(slice(entries[index], 64, 8) as i8).clamp(-31, 0);
                self._scaled[index] = divide_by_power(self._high[index], shift.unsigned_abs());
                // The doubling high multiply of an operand shifted left by the headroom: a
                // product is rounded to nearest, ties upwards.
                let dropped = 31 - HEADROOM;
                self._high[index] = (self._products[index] + (1 << (dropped - 1))) >> dropped;
                let multiplier = i64::from(slice(entries[index], 32, 32) as u32 as i32);
                self._products[index] = self._biased[index] * multiplier;
                let bias = slice(entries[index], 0, 9) as i64;
                self._biased[index] = nine(operands[index] + bias);
            }
        }
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut declare = String::new();
        let mut clocked = String::new();
        for name in ["first", "other"] {
            // Sums of shifted multipliers: the DSPs belong to the array.
            let terms: Vec<_> = (0..9)
                .map(|bit| {
                    let sign = if bit == 8 { "-" } else { "+" };
                    format!("{sign} ({name}_biased[{bit}] ? ({name}_wide <<< {bit}) : 42'sd0)")
                })
                .collect();
            declare += &format!(
                "\
reg signed [8:0] {name}_biased;
reg signed [41:0] {name}_product;
reg signed [31:0] {name}_high;
wire signed [41:0] {name}_wide = {{{{10{{{name}_entry[63]}}}}, {name}_entry[63:32]}};
wire signed [41:0] {name}_multiplied = 42'sd0 {terms};
wire signed [41:0] {name}_nudged = {name}_product + 42'sd{half};
wire signed [7:0] {name}_shift = {name}_entry[71:64];
wire [4:0] {name}_right = ({name}_shift >= 8'sd0) ? 5'd0 : ({name}_shift < -8'sd31) ? 5'd31 : 5'd0 - {name}_shift[4:0];
wire signed [32:0] {name}_mask = (33'sd1 <<< {name}_right) - 33'sd1;
wire signed [32:0] {name}_extended = {{{name}_high[31], {name}_high}};
wire signed [32:0] {name}_threshold = ({name}_mask >>> 1) + $signed({{32'd0, {name}_high[31]}});
reg signed [32:0] {name}_scaled;
wire signed [32:0] {name}_divided = ({name}_extended >>> {name}_right) + $signed({{32'd0, ({name}_extended & {name}_mask) > {name}_threshold}});
",
                terms = terms.join(" "),
                half = 1 << (30 - HEADROOM),
            );
            clocked += &format!(
                "   {name}_biased <= {{{operand}[7], {operand}}} + {name}_entry[8:0];\n   {name}_scaled <= {name}_divided;\n   {name}_product <= {name}_multiplied;\n   {name}_high <= {{{name}_nudged[41], {name}_nudged[41:{}]}};\n",
                31 - HEADROOM,
                operand = if name == "first" { "held" } else { name },
            );
        }
        Verilog::Custom(format!(
            "\
reg [7:0] held;
{declare}wire signed [32:0] both = first_scaled + other_scaled;

always @(posedge clock) begin
   held <= first;
{clocked}   sum <= both[31:0];
end
"
        ))
    }
}
