//! One requantization lane: bias, scale with either of TFLite's roundings, zero point, clamp.
//!
//! Both roundings are specified in `systole_regs::instructions::rounding`; they come from
//! gemmlowp (`fixedpoint.h`) and TFLite (`kernels/internal/common.h`). A result leaves the lane
//! [`LATENCY`] cycles after its sum has entered:
//!
//! ```text
//!  sum + bias -> left shift -> x multiplier -> . -> first rounding -> second -> + zero point, clamp
//! ```

use rust_hdl::prelude::*;

use crate::bits::{from_signed, slice, to_signed};

/// Cycles from the entry of a sum to its result.
pub const LATENCY: usize = 7;

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
    _second: [bool; 6],
    _biased: Biased,
    _shifted: Shifted,
    _product: [Product; 2],
    _rounded: Product,
    _scaled: i64,
}

/// The sum with its bias, and how far to shift: left before the product, right after it.
#[derive(Clone, Copy, Default)]
struct Biased {
    sum: i32,
    multiplier: i32,
    left: u32,
    right: u32,
}

/// The same after the left shift.
#[derive(Clone, Copy, Default)]
struct Shifted {
    sum: i32,
    multiplier: i32,
    right: u32,
}

/// A 64-bit value that is still to be shifted right.
#[derive(Clone, Copy, Default)]
struct Product {
    value: i64,
    right: u32,
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

/// Adds a half and shifts right. A shift of zero only passes through an idle pipeline.
fn round_shift(value: i64, right: u32) -> i64 {
    value.wrapping_add(1_i64 << (right.wrapping_sub(1) & 63)) >> right
}

impl Logic for Lane {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let double = |second: bool| second || self.double_rounding.val();
            let [_, _, _, multiplied, rounded, scaled] = self._second;
            let (zero_point, minimum, maximum) = if scaled {
                (
                    self.second_zero_point.val(),
                    self.second_minimum.val(),
                    self.second_maximum.val(),
                )
            } else {
                (
                    self.zero_point.val(),
                    self.minimum.val(),
                    self.maximum.val(),
                )
            };
            let moved = self._scaled.wrapping_add(to_signed(zero_point));
            let (minimum, maximum) = (to_signed(minimum), to_signed(maximum));
            self.result.next = from_signed(moved.min(maximum).max(minimum));

            let Product { value, right } = self._rounded;
            self._scaled = if double(rounded) {
                divide_by_power(value, right)
            } else {
                value
            };
            let Product { value, right } = self._product[1];
            self._rounded.value = if double(multiplied) {
                doubling_high(value)
            } else {
                round_shift(value, right)
            };
            self._rounded.right = right;
            self._product[1] = self._product[0];
            let Shifted {
                sum,
                multiplier,
                right,
            } = self._shifted;
            self._product[0] = Product {
                value: i64::from(sum) * i64::from(multiplier),
                right,
            };
            let Biased {
                sum,
                multiplier,
                left,
                right,
            } = self._biased;
            self._shifted = Shifted {
                sum: sum << left,
                multiplier,
                right,
            };

            let second = self.second.val().get_bit(0);
            let double = double(second);
            self._second.rotate_right(1);
            self._second[0] = second;
            let channel = self.channel.val();
            let shift = i32::from(slice(channel, 64, 8) as i8).clamp(-31, 30);
            let sum = to_signed(self.sum.val()) as i32;
            self._biased = Biased {
                sum: sum.wrapping_add(slice(channel, 0, 32) as i32),
                multiplier: slice(channel, 32, 32) as i32,
                left: if double {
                    shift.max(0).unsigned_abs()
                } else {
                    0
                },
                right: if double { (-shift).max(0) } else { 31 - shift }.unsigned_abs(),
            };
        }
    }

    fn connect(&mut self) {
        self.result.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(
            // An unsigned operand would turn `>>>` into a logical shift: all terms are signed.
            "\
reg signed [31:0] biased;
reg signed [31:0] multiplier1, multiplier2;
reg [4:0] left1;
reg [5:0] right1, right2, right3, right4, right5;
reg signed [31:0] shifted;
reg signed [63:0] product3, product4;
reg signed [63:0] scaled5, scaled6;
wire signed [7:0] shift = channel[71:64];
wire signed [63:0] nudge = product4[63] ? -64'sd1073741823 : 64'sd1073741824;
wire signed [63:0] nudged = product4 + nudge;
wire signed [63:0] toward_zero = nudged[63] ? nudged + 64'sd2147483647 : nudged;
wire signed [63:0] high = toward_zero >>> 31;
wire signed [63:0] half = 64'sd1 <<< (right4 - 6'd1);
wire signed [63:0] once = (product4 + half) >>> right4;
wire signed [63:0] mask = (64'sd1 <<< right5) - 64'sd1;
wire signed [63:0] threshold = (mask >>> 1) + $signed({63'd0, scaled5[63]});
wire signed [63:0] twice = (scaled5 >>> right5) + $signed({63'd0, (scaled5 & mask) > threshold});
reg second1, second2, second3, second4, second5, second6;
wire double0 = second | double_rounding;
wire double4 = second4 | double_rounding;
wire double5 = second5 | double_rounding;
wire [7:0] zero6 = second6 ? second_zero_point : zero_point;
wire [7:0] minimum6 = second6 ? second_minimum : minimum;
wire [7:0] maximum6 = second6 ? second_maximum : maximum;
wire signed [63:0] moved = scaled6 + {{56{zero6[7]}}, zero6};
wire signed [63:0] lower = {{56{minimum6[7]}}, minimum6};
wire signed [63:0] upper = {{56{maximum6[7]}}, maximum6};

always @(posedge clock) begin
   biased <= sum + channel[31:0];
   multiplier1 <= channel[63:32];
   second1 <= second;
   second2 <= second1;
   second3 <= second2;
   second4 <= second3;
   second5 <= second4;
   second6 <= second5;
   left1 <= (!double0 || shift < 8'sd0) ? 5'd0 : (shift > 8'sd30) ? 5'd30 : shift[4:0];
   // One rounding: 31 - shift. Two: how far the second one shifts right.
   right1 <= double0
      ? ((shift >= 8'sd0) ? 6'd0 : (shift < -8'sd31) ? 6'd31 : 6'd0 - shift[5:0])
      : ((shift > 8'sd30) ? 6'd1 : (shift < -8'sd31) ? 6'd62 : 6'd31 - shift[5:0]);
   shifted <= biased <<< left1;
   multiplier2 <= multiplier1;
   right2 <= right1;
   product3 <= shifted * multiplier2;
   right3 <= right2;
   product4 <= product3;
   right4 <= right3;
   scaled5 <= double4 ? ((high == 64'sd2147483648) ? 64'sd2147483647 : high) : once;
   right5 <= right4;
   scaled6 <= double5 ? twice : scaled5;
   result <= (moved > upper) ? maximum6 : (moved < lower) ? minimum6 : moved[7:0];
end
"
            .into(),
        )
    }
}
