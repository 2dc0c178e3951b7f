//! One requantization lane: bias, scale with either of TFLite's roundings, zero point, clamp.
//!
//! Both roundings are specified in `systole_regs::instructions::rounding`; they come from
//! gemmlowp (`fixedpoint.h`) and TFLite (`kernels/internal/common.h`). A result leaves the lane
//! [`LATENCY`] cycles after its sum has entered:
//!
//! ```text
//!  sum + bias -> left shift -> x multiplier -> . -> first rounding -> second -> + zero point, clamp
//! ```

use std::collections::VecDeque;

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
    /// Two roundings instead of one. Constant while results are in flight, as what follows.
    pub double_rounding: Signal<In, Bit>,
    /// Zero point of the output, signed.
    pub zero_point: Signal<In, Bits<8>>,
    /// Least result, signed.
    pub minimum: Signal<In, Bits<8>>,
    /// Greatest result, signed.
    pub maximum: Signal<In, Bits<8>>,
    /// Result, signed.
    pub result: Signal<Out, Bits<8>>,
    _pipeline: VecDeque<i8>,
}

/// What a lane computes. Written for clarity; the Verilog below is what synthesis sees, and a
/// test ties the two together.
fn requantize(
    sum: i32,
    (bias, multiplier, shift): (i32, i32, i8),
    double: bool,
    zero_point: i8,
    (minimum, maximum): (i8, i8),
) -> i8 {
    let shift = i32::from(shift.clamp(-31, 30));
    let sum = sum.wrapping_add(bias);
    let scaled = if double {
        let (left, right) = (shift.max(0), (-shift).max(0));
        let product = i64::from(sum.wrapping_shl(left as u32)) * i64::from(multiplier);
        let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = ((product + nudge) / (1 << 31)).min(i64::from(i32::MAX));
        let mask = (1_i64 << right) - 1;
        let threshold = (mask >> 1) + i64::from(high < 0);
        (high >> right) + i64::from(high & mask > threshold)
    } else {
        let right = 31 - shift;
        (i64::from(sum) * i64::from(multiplier) + (1 << (right - 1))) >> right
    };
    (scaled + i64::from(zero_point)).min(i64::from(maximum)).max(i64::from(minimum)) as i8
}

impl Logic for Lane {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let parameter = self.channel.val();
            let result = requantize(
                to_signed(self.sum.val()) as i32,
                (
                    slice(parameter, 0, 32) as i32,
                    slice(parameter, 32, 32) as i32,
                    slice(parameter, 64, 8) as i8,
                ),
                self.double_rounding.val(),
                to_signed(self.zero_point.val()) as i8,
                (to_signed(self.minimum.val()) as i8, to_signed(self.maximum.val()) as i8),
            );
            self._pipeline.push_back(result);
            if self._pipeline.len() >= LATENCY
                && let Some(oldest) = self._pipeline.pop_front()
            {
                self.result.next = from_signed(i64::from(oldest));
            }
        }
    }

    fn connect(&mut self) {
        self.result.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(
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
wire signed [63:0] threshold = (mask >>> 1) + {63'd0, scaled5[63]};
wire signed [63:0] twice = (scaled5 >>> right5) + {63'd0, (scaled5 & mask) > threshold};
wire signed [63:0] moved = scaled6 + {{56{zero_point[7]}}, zero_point};
wire signed [63:0] lower = {{56{minimum[7]}}, minimum};
wire signed [63:0] upper = {{56{maximum[7]}}, maximum};

always @(posedge clock) begin
   biased <= sum + channel[31:0];
   multiplier1 <= channel[63:32];
   left1 <= (!double_rounding || shift < 8'sd0) ? 5'd0 : (shift > 8'sd30) ? 5'd30 : shift[4:0];
   // One rounding: 31 - shift. Two: how far the second one shifts right.
   right1 <= double_rounding
      ? ((shift >= 8'sd0) ? 6'd0 : (shift < -8'sd31) ? 6'd31 : 6'd0 - shift[5:0])
      : ((shift > 8'sd30) ? 6'd1 : (shift < -8'sd31) ? 6'd62 : 6'd31 - shift[5:0]);
   shifted <= biased <<< left1;
   multiplier2 <= multiplier1;
   right2 <= right1;
   product3 <= shifted * multiplier2;
   right3 <= right2;
   product4 <= product3;
   right4 <= right3;
   scaled5 <= double_rounding ? ((high == 64'sd2147483648) ? 64'sd2147483647 : high) : once;
   right5 <= right4;
   scaled6 <= double_rounding ? twice : scaled5;
   result <= (moved > upper) ? maximum : (moved < lower) ? minimum : moved[7:0];
end
"
            .into(),
        )
    }
}
