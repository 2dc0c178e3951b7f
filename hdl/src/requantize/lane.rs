//! One requantization lane: bias, scale with either of TFLite's roundings, zero point, clamp.
//!
//! Both roundings are specified in `systole_regs::instructions::rounding`; they come from
//! gemmlowp (`fixedpoint.h`) and TFLite (`kernels/internal/common.h`). A result leaves the lane
//! [`LATENCY`] cycles after its sum has entered:
//!
//! ```text
//!  sum + bias -> left shift -> x multiplier -> round up by 31 -> shift right, keep 10 bits
//!     0, 1          2, 3          4 - 10             11                  12 - 14
//!                                            -> second rounding -> + zero point -> clamp
//!                                                     15                16          17
//! ```
//!
//! Every stage is short enough for 200 MHz in an ECP5. Two facts keep the lane small:
//!
//! - The result is clamped to 8 bits after a zero point of 8 bits is added, so 10 bits of the
//!   scaled sum are enough, if it is known whether the others only repeat its sign.
//! - gemmlowp's doubling high multiply rounds to nearest with ties upwards for both signs:
//!   dividing `product + (1 - 2^30)` towards zero by 2^31 is what `(product + 2^30) >> 31` gives for
//!   negative products. Where it saturates, so does the clamp.
//!
//! The product of 32 x 32 bits takes three multiplications of at most 18 x 18 bits (Karatsuba).

use std::collections::VecDeque;

use rust_hdl::prelude::*;

use crate::bits::{from_signed, slice, to_signed};
use crate::delay::delayed;

/// Cycles from the entry of a sum to its result.
pub const LATENCY: usize = 18;

/// Cycles after which the simulation adds the zero point; those of the clamp follow.
const ROUNDED: usize = LATENCY - 2;

/// Requantizes one sum a cycle.
#[derive(LogicBlock, Default)]
pub struct Lane {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Accumulated sum, signed.
    pub sum: Signal<In, Bits<32>>,
    /// Bias (bits 31:0), multiplier (63:32) and shift (71:64) of the output channel, all signed.
    pub channel: Signal<In, Bits<72>>,
    /// The sum belongs to the second pass, which always rounds twice.
    pub second: Signal<In, Bits<1>>,
    /// Two roundings instead of one. Constant while results are in flight, as what follows.
    pub double_rounding: Signal<In, Bit>,
    /// Zero point of the output, signed.
    pub zero_point: Signal<In, Bits<8>>,
    /// Least result, signed.
    pub minimum: Signal<In, Bits<8>>,
    /// Greatest result, signed.
    pub maximum: Signal<In, Bits<8>>,
    /// Zero point of the second pass, signed.
    pub second_zero_point: Signal<In, Bits<8>>,
    /// Least result of the second pass, signed.
    pub second_minimum: Signal<In, Bits<8>>,
    /// Greatest result of the second pass, signed.
    pub second_maximum: Signal<In, Bits<8>>,
    /// Result, signed.
    pub result: Signal<Out, Bits<8>>,
    _rounded: VecDeque<(i64, bool)>,
    _moved: (i64, bool),
    _clamped: i64,
}

/// gemmlowp's `SaturatingRoundingDoublingHighMul`, from the product: rounds to nearest, ties
/// away from zero, by a division that truncates.
fn doubling_high(product: i64) -> i64 {
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    (product.wrapping_add(nudge) / (1 << 31)).min(i64::from(i32::MAX))
}

/// gemmlowp's `RoundingDivideByPOT`.
pub(super) fn divide_by_power(value: i64, exponent: u32) -> i64 {
    let mask = (1_i64 << exponent).wrapping_sub(1);
    let threshold = (mask >> 1).wrapping_add(i64::from(value < 0));
    (value >> exponent).wrapping_add(i64::from(value & mask > threshold))
}

/// Adds a half and shifts right; shifts are at least 1.
fn round_shift(value: i64, right: u32) -> i64 {
    let sum = i128::from(value) + (1_i128 << (right - 1));
    (sum >> right) as i64
}

/// The scaled sum of a channel (bias, multiplier, shift), before the zero point.
fn scale(sum: i32, channel: Bits<72>, double: bool) -> i64 {
    let shift = i32::from(slice(channel, 64, 8) as i8).clamp(-31, 30);
    let biased = sum.wrapping_add(slice(channel, 0, 32) as i32);
    let multiplier = i64::from(slice(channel, 32, 32) as i32);
    if double {
        let shifted = i64::from(biased << shift.max(0));
        divide_by_power(
            doubling_high(shifted * multiplier),
            (-shift).max(0).unsigned_abs(),
        )
    } else {
        round_shift(i64::from(biased) * multiplier, (31 - shift).unsigned_abs())
    }
}

impl Logic for Lane {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let (moved, second) = self._moved;
            let (minimum, maximum) = if second {
                (self.second_minimum.val(), self.second_maximum.val())
            } else {
                (self.minimum.val(), self.maximum.val())
            };
            let (minimum, maximum) = (to_signed(minimum), to_signed(maximum));
            self.result.next = from_signed(self._clamped);
            self._clamped = moved.min(maximum).max(minimum);

            let second = self.second.val().get_bit(0);
            let double = second || self.double_rounding.val();
            let sum = to_signed(self.sum.val()) as i32;
            let rounded = (scale(sum, self.channel.val(), double), second);
            let (rounded, second) = delayed(&mut self._rounded, ROUNDED - 1, (0, false), rounded);
            let zero_point = if second {
                self.second_zero_point.val()
            } else {
                self.zero_point.val()
            };
            self._moved = (rounded + to_signed(zero_point), second);
        }
    }

    fn connect(&mut self) {
        self.result.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "{DECLARATIONS}\nalways @(posedge clock) begin\n{STAGES}end\n"
        ))
    }
}

/// Registers are numbered by the stage that reads them. An unsigned operand would turn `>>>` into
/// a logical shift: all its terms are signed.
const DECLARATIONS: &str = "\
// Stage 0 takes the inputs in, stage 1 adds the bias.
reg signed [31:0] sum1, biased2;
reg [71:0] channel1;
reg signed [31:0] multiplier2, multiplier3, multiplier4;
reg [17:1] second_at;
reg [14:1] double_at;
wire signed [7:0] shift1 = $signed(channel1[71:64]);
wire over1 = shift1 > 8'sd30;
wire under1 = shift1 < -8'sd31;

// Shifts: left before the product, and how many bits below the rounding bit are dropped after.
reg [4:0] left2;
reg left3;
reg [5:0] drop2, drop3, drop4, drop5, drop6, drop7, drop8, drop9, drop10, drop11;
reg signed [31:0] shifted3, shifted4;

// The product from that of the high halves, of the low halves, and of both halves' sums.
wire signed [16:0] low4 = {1'b0, shifted4[15:0]};
wire signed [16:0] low_multiplier4 = {1'b0, multiplier4[15:0]};
wire signed [15:0] high4 = shifted4[31:16];
wire signed [15:0] high_multiplier4 = multiplier4[31:16];
wire signed [17:0] both4 = $signed({low4[16], low4}) + $signed({{2{high4[15]}}, high4});
wire signed [17:0] both_multiplier4 = $signed({low_multiplier4[16], low_multiplier4}) + $signed({{2{high_multiplier4[15]}}, high_multiplier4});
wire signed [33:0] low_product7;
wire signed [31:0] high_product7;
wire signed [35:0] both_product7;
systole_multiply #(.A(17), .B(17)) low (.clock(clock), .a(low4), .b(low_multiplier4), .product(low_product7));
systole_multiply #(.A(16), .B(16)) high (.clock(clock), .a(high4), .b(high_multiplier4), .product(high_product7));
systole_multiply #(.A(18), .B(18)) both (.clock(clock), .a(both4), .b(both_multiplier4), .product(both_product7));
reg signed [35:0] without_low8;
reg signed [31:0] high_product8;
reg [31:0] low_product8, low_product9;
reg signed [31:0] high_product9;
reg signed [35:0] middle9;
reg signed [63:0] product10;

// The first of two roundings.
wire signed [32:0] high10 = $signed(product10[63:31]) + $signed({32'd0, product10[30]});
reg signed [63:0] value11;

// Shift right by 0 to 61 bits; what is left are the rounding bit and 10 bits of the result. Bits
// above must repeat the sign, or the result is out of range; bits below decide ties.
wire negative11 = value11[63];
wire [63:26] odd11 = value11[63:26] ^ {38{negative11}};
wire odd_low11 = |odd11[41:26];
wire odd_middle11 = |odd11[57:42];
wire odd_high11 = |odd11[63:58];
reg [25:0] value12;
reg [3:0] drop12;
reg negative12, out12, sticky12;
wire [25:14] odd12 = value12[25:14] ^ {12{negative12}};
reg [13:0] value13;
reg [1:0] drop13;
reg negative13, out13, sticky13;
wire [13:11] odd13 = value13[13:11] ^ {3{negative13}};
reg [10:0] value14;
reg negative14, out14, sticky14;
wire up14 = value14[0] & (~double_at[14] | ~negative14 | sticky14);
reg signed [10:0] rounded15;
reg negative15, out15;
wire [7:0] zero15 = second_at[15] ? second_zero_point : zero_point;
wire signed [10:0] limited15 = !out15 ? rounded15 : negative15 ? -11'sd512 : 11'sd511;
reg signed [10:0] moved16;
wire [7:0] minimum16 = second_at[16] ? second_minimum : minimum;
wire [7:0] maximum16 = second_at[16] ? second_maximum : maximum;
reg above17, below17;
reg [7:0] moved17, minimum17, maximum17;
";

/// What each stage computes.
const STAGES: &str = "\
   second_at <= {second_at[16:1], second};
   double_at <= {double_at[13:1], second | double_rounding};
   sum1 <= sum;
   channel1 <= channel;

   biased2 <= sum1 + channel1[31:0];
   multiplier2 <= channel1[63:32];
   left2 <= (!double_at[1] || shift1 < 8'sd0) ? 5'd0 : over1 ? 5'd30 : shift1[4:0];
   // One rounding: 31 - shift, without the rounding bit. Two: 31 and how far the second shifts.
   drop2 <= double_at[1]
      ? ((shift1 >= 8'sd0) ? 6'd30 : under1 ? 6'd61 : 6'd30 - shift1[5:0])
      : (over1 ? 6'd0 : under1 ? 6'd61 : 6'd30 - shift1[5:0]);

   shifted3 <= biased2 <<< left2[3:0];
   left3 <= left2[4];
   multiplier3 <= multiplier2;
   shifted4 <= left3 ? {shifted3[15:0], 16'd0} : shifted3;
   multiplier4 <= multiplier3;

   without_low8 <= both_product7 - $signed({4'd0, low_product7[31:0]});
   low_product8 <= low_product7[31:0];
   high_product8 <= high_product7;
   middle9 <= without_low8 - $signed({{4{high_product8[31]}}, high_product8});
   low_product9 <= low_product8;
   high_product9 <= high_product8;
   product10 <= $signed({high_product9, low_product9}) + $signed({{12{middle9[35]}}, middle9, 16'd0});
   drop3 <= drop2;
   drop4 <= drop3;
   drop5 <= drop4;
   drop6 <= drop5;
   drop7 <= drop6;
   drop8 <= drop7;
   drop9 <= drop8;
   drop10 <= drop9;

   value11 <= double_at[10] ? {high10, 31'd0} : product10;
   drop11 <= drop10;

   case (drop11[5:4])
      2'd0: value12 <= value11[25:0];
      2'd1: value12 <= value11[41:16];
      2'd2: value12 <= value11[57:32];
      2'd3: value12 <= {{10{negative11}}, value11[63:48]};
   endcase
   out12 <= odd_high11 & (drop11[5:4] != 2'd3) | odd_middle11 & ~drop11[5] | odd_low11 & (drop11[5:4] == 2'd0);
   sticky12 <= value11[31] & drop11[5] | (|value11[47:32]) & (drop11[5:4] == 2'd3);
   drop12 <= drop11[3:0];
   negative12 <= negative11;

   case (drop12[3:2])
      2'd0: value13 <= value12[13:0];
      2'd1: value13 <= value12[17:4];
      2'd2: value13 <= value12[21:8];
      2'd3: value13 <= value12[25:12];
   endcase
   out13 <= out12 | (|odd12[25:22]) & (drop12[3:2] != 2'd3) | (|odd12[21:18]) & ~drop12[3] | (|odd12[17:14]) & (drop12[3:2] == 2'd0);
   sticky13 <= sticky12 | (|value12[3:0]) & (drop12[3:2] != 2'd0) | (|value12[7:4]) & drop12[3] | (|value12[11:8]) & (drop12[3:2] == 2'd3);
   drop13 <= drop12[1:0];
   negative13 <= negative12;

   case (drop13)
      2'd0: value14 <= value13[10:0];
      2'd1: value14 <= value13[11:1];
      2'd2: value14 <= value13[12:2];
      2'd3: value14 <= value13[13:3];
   endcase
   // The topmost of the kept bits is a sign, too.
   out14 <= out13 | odd13[13] & (drop13 != 2'd3) | odd13[12] & ~drop13[1] | odd13[11] & (drop13 == 2'd0)
      | ((drop13 == 2'd0) ? value13[10] : (drop13 == 2'd1) ? value13[11] : (drop13 == 2'd2) ? value13[12] : value13[13]) ^ negative13;
   sticky14 <= sticky13 | value13[0] & (drop13 != 2'd0) | value13[1] & drop13[1] | value13[2] & (drop13 == 2'd3);
   negative14 <= negative13;

   rounded15 <= $signed({value14[10], value14[10:1]}) + $signed({10'd0, up14});
   out15 <= out14;
   negative15 <= negative14;

   moved16 <= limited15 + $signed({{3{zero15[7]}}, zero15});

   above17 <= moved16 > $signed({{3{maximum16[7]}}, maximum16});
   below17 <= moved16 < $signed({{3{minimum16[7]}}, minimum16});
   moved17 <= moved16[7:0];
   minimum17 <= minimum16;
   maximum17 <= maximum16;
   result <= above17 ? maximum17 : below17 ? minimum17 : moved17;
";
