//! Operands of a residual sum: the requantized result and the byte that it is added to, each
//! scaled, then added. It is TFLite's int8 ADD (`kernels/internal/reference/add.h`), whose inputs
//! are shifted left by 20 bits before they are scaled with gemmlowp's two roundings.
//!
//! ```text
//!  result --+
//!           +--(+ bias)--> 9 bits x multiplier --> round --> divide --+--> one, then the other --> sum
//!  other  --+
//! ```
//!
//! Groups with a residual come in every other cycle, and the second operand a cycle after the
//! first: one multiplier scales both, one after the other. It is built of LUTs; the DSPs belong to
//! the array.

use std::collections::VecDeque;

use rust_hdl::prelude::*;

use super::lane::divide_by_power;
use crate::bits::{from_signed, slice, to_signed};
use crate::delay::delayed;

/// Cycles from the second operand, which comes a cycle after the first, to the sum.
pub const LATENCY: usize = 10;

/// Cycles that a scaled operand waits for in the simulation.
const SCALED: usize = LATENCY - 2;

/// Bits that an operand is shifted left by before it is scaled.
const HEADROOM: u32 = 20;

/// Scales and adds a pair of operands every other cycle.
#[derive(LogicBlock, Default)]
pub struct OperandSum {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The first operand comes; the second follows.
    pub returning: Signal<In, Bits<1>>,
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
    _operand: i64,
    _returning: bool,
    _scaled: VecDeque<i64>,
    _previous: i64,
}

/// The low 9 bits as a signed number.
fn nine(value: i64) -> i64 {
    value << 55 >> 55
}

/// An operand with its bias, scaled.
fn scale(operand: i64, entry: Bits<72>) -> i64 {
    let biased = nine(operand + slice(entry, 0, 9) as i64);
    let multiplier = i64::from(slice(entry, 32, 32) as u32 as i32);
    // The doubling high multiply of an operand shifted left by the headroom: a product is rounded
    // to nearest, ties upwards.
    let dropped = 31 - HEADROOM;
    let high = (biased * multiplier + (1 << (dropped - 1))) >> dropped;
    let shift = i32::from(slice(entry, 64, 8) as i8).clamp(-31, 0);
    divide_by_power(high, shift.unsigned_abs())
}

impl Logic for OperandSum {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let entry = if self._returning {
                self.first_entry.val()
            } else {
                self.other_entry.val()
            };
            let scaled = delayed(&mut self._scaled, SCALED, 0, scale(self._operand, entry));
            self.sum.next = from_signed(scaled + self._previous);
            self._previous = scaled;
            self._returning = self.returning.val().get_bit(0);
            self._operand = to_signed(if self._returning {
                self.first.val()
            } else {
                self.other.val()
            });
        }
    }

    fn connect(&mut self) {
        self.sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "{DECLARATIONS}\nalways @(posedge clock) begin\n{STAGES}end\n"
        ))
    }
}

/// Registers are numbered by the stage that reads them.
const DECLARATIONS: &str = "\
reg signed [7:0] operand1;
reg returning1;
wire [71:0] entry1 = returning1 ? first_entry : other_entry;
wire signed [7:0] shift1 = entry1[71:64];

// The product of the multiplier with all bits of the operand but its sign, which is negative: what
// it subtracts takes the half of the rounding with it.
reg [8:0] biased2;
reg signed [31:0] multiplier2;
wire signed [39:0] product5;
systole_multiply_lut_32x8 multiplier (.clock(clock), .a(multiplier2), .b(biased2[7:0]), .product(product5));
reg signed [31:0] top3;
reg signed [41:0] half4, half5;
wire signed [41:0] nudged5 = $signed({{2{product5[39]}}, product5}) + half5;

// Division with the rounding bit kept; bits below it decide ties of negative numbers.
reg [4:0] right2, right3, right4, right5, right6;
reg [2:0] right7;
reg signed [31:0] high6;
wire signed [32:0] whole6 = {high6, 1'b0};
reg signed [32:0] value7, value8;
reg sticky7, sticky8;
wire signed [32:0] part7 = value7 >>> right7;
reg signed [31:0] scaled9, previous9;
";

/// What each stage computes.
const STAGES: &str = "\
   operand1 <= returning ? first : other;
   returning1 <= returning;

   biased2 <= {operand1[7], operand1} + entry1[8:0];
   multiplier2 <= entry1[63:32];
   right2 <= (shift1 >= 8'sd0) ? 5'd0 : (shift1 < -8'sd31) ? 5'd31 : 5'd0 - shift1[4:0];

   top3 <= biased2[8] ? multiplier2 : 32'sd0;
   right3 <= right2;
   half4 <= 42'sd1024 - $signed({{2{top3[31]}}, top3, 8'd0});
   right4 <= right3;
   half5 <= half4;
   right5 <= right4;
   high6 <= $signed({nudged5[41], nudged5[41:11]});
   right6 <= right5;

   case (right6[4:3])
      2'd0: value7 <= whole6;
      2'd1: value7 <= whole6 >>> 8;
      2'd2: value7 <= whole6 >>> 16;
      2'd3: value7 <= whole6 >>> 24;
   endcase
   sticky7 <= (|whole6[7:0]) & (right6[4:3] != 2'd0) | (|whole6[15:8]) & right6[4] | (|whole6[23:16]) & (right6[4:3] == 2'd3);
   right7 <= right6[2:0];
   value8 <= part7;
   sticky8 <= sticky7 | (|(value7[6:0] & ~(7'h7f << right7)));
   scaled9 <= $signed(value8[32:1]) + $signed({31'd0, value8[0] & (~value8[32] | sticky8)});
   previous9 <= scaled9;
   sum <= scaled9 + previous9;
";
