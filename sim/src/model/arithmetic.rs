//! The numbers: how an accumulator becomes an output byte. Kept apart from the machine, because
//! it is what must equal the frameworks' kernels bit for bit.
//!
//! ```text
//!  accumulator --(+ bias, wraps)--> x --(scale: m, s, rounding)--> --(+ zero point)--(clamp)--> i8
//!     i32                          i32           i64                  i64                i8
//!
//!  p --(+ F.bias)--(* 2^20)--(scale F)--+
//!                                       (+)--(+ T.bias)--(scale T)--(+ zero point)--(clamp)--> i8
//!  q --(+ S.bias)--(* 2^20)--(scale S)--+
//! ```

use systole_regs::image::Parameter;
use systole_regs::instructions::rounding;

/// How one instruction turns sums into outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantization {
    /// One of `systole_regs::instructions::rounding`.
    pub rounding: u8,
    /// Zero point of the output.
    pub zero_point: i8,
    /// Least output value.
    pub minimum: i8,
    /// Greatest output value, at least `minimum`.
    pub maximum: i8,
}

impl Requantization {
    /// The output for the sum `accumulator` of a channel with these parameters.
    pub fn apply(&self, accumulator: i32, parameter: &Parameter) -> i8 {
        let sum = accumulator.wrapping_add(parameter.bias);
        let scaled = if self.rounding == rounding::DOUBLE {
            i64::from(scale_double(sum, parameter.multiplier, parameter.shift))
        } else {
            scale_single(sum, parameter.multiplier, parameter.shift)
        };
        let output = (scaled + i64::from(self.zero_point))
            .clamp(i64::from(self.minimum), i64::from(self.maximum));
        // The clamp's bounds are bytes, so nothing is cut off.
        output as i8
    }
}

/// How one instruction adds a second tensor to its requantized results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residual {
    /// Scales the result, F.
    pub first: Parameter,
    /// Scales the byte of the second tensor, S.
    pub second: Parameter,
    /// Scales the sum, T.
    pub total: Parameter,
    /// Zero point of the output.
    pub zero_point: i8,
    /// Least output value.
    pub minimum: i8,
    /// Greatest output value, at least `minimum`.
    pub maximum: i8,
}

impl Residual {
    /// The output for the requantized result and the byte of the second tensor.
    pub fn apply(&self, result: i8, second: i8) -> i8 {
        // Each half is at most 2^28 in magnitude.
        let sum = half(&self.first, result) + half(&self.second, second);
        let requantization = Requantization {
            rounding: rounding::DOUBLE,
            zero_point: self.zero_point,
            minimum: self.minimum,
            maximum: self.maximum,
        };
        requantization.apply(sum, &self.total)
    }
}

/// One operand of an addition: `(value + bias) * 2^20`, scaled down. The sum has 9 bits.
fn half(parameter: &Parameter, value: i8) -> i32 {
    let sum = i32::from(value).wrapping_add(parameter.bias);
    let nine_bits = sum << 23 >> 23;
    scale_double(
        nine_bits << 20,
        parameter.multiplier,
        parameter.shift.min(0),
    )
}

/// Shifts that the hardware can do; a shift beyond is taken as the nearest of these.
pub const SHIFT_MINIMUM: i8 = -31;
/// See [`SHIFT_MINIMUM`].
pub const SHIFT_MAXIMUM: i8 = 30;

/// `(x * m + 2^(30 - s)) >> (31 - s)`, exact: the largest magnitude is 2^62 + 2^61.
pub fn scale_single(x: i32, multiplier: i32, shift: i8) -> i64 {
    let right = 31 - i32::from(shift.clamp(SHIFT_MINIMUM, SHIFT_MAXIMUM));
    (i64::from(x) * i64::from(multiplier) + (1_i64 << (right - 1))) >> right
}

/// gemmlowp's two roundings: the doubling high multiply of `x << max(s, 0)` (which wraps), then
/// the division by `2^max(-s, 0)`.
pub fn scale_double(x: i32, multiplier: i32, shift: i8) -> i32 {
    let shift = i32::from(shift.clamp(SHIFT_MINIMUM, SHIFT_MAXIMUM));
    let left = x.wrapping_shl(shift.max(0) as u32);
    divide_by_power_of_two(
        doubling_high_multiply(left, multiplier),
        (-shift).max(0) as u32,
    )
}

/// `SaturatingRoundingDoublingHighMul`: the high half of `2 * a * b`, ties towards plus infinity;
/// the one case that overflows, both at the minimum, saturates.
fn doubling_high_multiply(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    // Division truncates, as in gemmlowp. The quotient fits 32 bits but in the case above.
    ((product + nudge) / (1_i64 << 31)) as i32
}

/// `RoundingDivideByPOT`: `x / 2^exponent`, ties away from zero; exponent 0 to 31.
fn divide_by_power_of_two(x: i32, exponent: u32) -> i32 {
    let mask = ((1_i64 << exponent) - 1) as i32;
    let remainder = x & mask;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent) + i32::from(remainder > threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The nearest integer to `numerator / denominator`, ties towards plus infinity.
    fn round_half_up(numerator: i128, denominator: i128) -> i128 {
        (2 * numerator + denominator).div_euclid(2 * denominator)
    }

    /// The nearest integer to `numerator / denominator`, ties away from zero.
    fn round_half_away(numerator: i128, denominator: i128) -> i128 {
        let magnitude = (2 * numerator.abs() + denominator) / (2 * denominator);
        numerator.signum() * magnitude
    }

    fn exact_single(x: i32, m: i32, s: i8) -> i128 {
        let product = i128::from(x) * i128::from(m);
        round_half_up(product, 1_i128 << (31 - i32::from(s)))
    }

    fn exact_double(x: i32, m: i32, s: i8) -> i128 {
        let s = i32::from(s);
        // Multiplication by a power of two modulo 2^32, as a signed remainder.
        let wide = i128::from(x) << s.max(0);
        let wrapped = (wide + (1 << 31)).rem_euclid(1 << 32) - (1 << 31);
        let high = round_half_up(wrapped * i128::from(m), 1 << 31).min(i128::from(i32::MAX));
        round_half_away(high, 1_i128 << (-s).max(0))
    }

    const CORNERS: [i32; 17] = [
        i32::MIN,
        i32::MIN + 1,
        -(1 << 30) - 1,
        -(1 << 30),
        -(1 << 30) + 1,
        -65536,
        -3,
        -2,
        -1,
        0,
        1,
        2,
        3,
        1 << 30,
        (1 << 30) + 1,
        i32::MAX - 1,
        i32::MAX,
    ];

    #[test]
    fn every_shift_on_every_corner_equals_the_rational_result() {
        for s in SHIFT_MINIMUM..=SHIFT_MAXIMUM {
            for x in CORNERS {
                for m in CORNERS {
                    let single = i128::from(scale_single(x, m, s));
                    assert_eq!(single, exact_single(x, m, s), "single x={x} m={m} s={s}");
                    let double = i128::from(scale_double(x, m, s));
                    assert_eq!(double, exact_double(x, m, s), "double x={x} m={m} s={s}");
                }
            }
        }
    }

    #[test]
    fn ties_go_where_each_rounding_says() {
        // 0.5 * 2^0: multiplier 2^30, shift 0 halves.
        assert_eq!(scale_single(-1, 1 << 30, 0), 0);
        assert_eq!(scale_single(-3, 1 << 30, 0), -1);
        assert_eq!(scale_single(1, 1 << 30, 0), 1);
        // 5 / 4 = 1.25: one rounding gives 1; two go by 2.5 to 3, and by 1.5 to 2.
        assert_eq!(scale_single(5, 1 << 30, -1), 1);
        assert_eq!(scale_double(5, 1 << 30, -1), 2);
        // Away from zero in the division.
        assert_eq!(divide_by_power_of_two(-2, 2), -1);
        assert_eq!(divide_by_power_of_two(2, 2), 1);
    }

    #[test]
    fn the_only_overflow_of_the_high_multiply_saturates() {
        assert_eq!(scale_double(i32::MIN, i32::MIN, 0), i32::MAX);
    }

    #[test]
    fn shifts_beyond_the_hardware_count_as_the_nearest() {
        for shift in [i8::MIN, -32] {
            assert_eq!(
                scale_single(-77, i32::MAX, shift),
                scale_single(-77, i32::MAX, -31)
            );
            assert_eq!(
                scale_double(i32::MIN, i32::MAX, shift),
                scale_double(i32::MIN, i32::MAX, -31)
            );
        }
        for shift in [31, i8::MAX] {
            assert_eq!(
                scale_single(-77, i32::MAX, shift),
                scale_single(-77, i32::MAX, 30)
            );
            assert_eq!(
                scale_double(-77, i32::MAX, shift),
                scale_double(-77, i32::MAX, 30)
            );
        }
    }

    #[test]
    fn zero_point_and_clamp_work_in_wide_arithmetic() {
        let parameter = Parameter {
            bias: 1,
            multiplier: i32::MAX,
            shift: 30,
            ..Default::default()
        };
        let mut requantization = Requantization {
            rounding: rounding::SINGLE,
            zero_point: 127,
            minimum: -128,
            maximum: 127,
        };
        assert_eq!(requantization.apply(i32::MAX - 1, &parameter), 127);
        // The bias wraps: the greatest sum becomes the least.
        assert_eq!(requantization.apply(i32::MAX, &parameter), -128);
        requantization.minimum = 5;
        requantization.maximum = 5;
        assert_eq!(requantization.apply(0, &parameter), 5);
    }

    /// TFLite's `AddElementwise` for int8 (kernels/internal/reference/add.h) with a left shift of
    /// 20: `MultiplyByQuantizedMultiplierSmallerThanOneExp` of each operand, the sum, and the same
    /// of the sum.
    fn add_elementwise(operands: [(i8, i32, i32, i8); 2], output: (i32, i8, i8)) -> i8 {
        let sum: i128 = operands
            .into_iter()
            .map(|(value, offset, multiplier, shift)| {
                let shifted = (i32::from(value) + offset) << 20;
                exact_double(shifted, multiplier, shift)
            })
            .sum();
        let (multiplier, shift, offset) = output;
        let raw = exact_double(sum as i32, multiplier, shift) + i128::from(offset);
        raw.clamp(-128, 127) as i8
    }

    fn operand(bias: i32, multiplier: i32, shift: i8) -> Parameter {
        Parameter {
            bias,
            multiplier,
            shift,
            ..Default::default()
        }
    }

    #[test]
    fn residual_sums_take_nine_bits_and_shift_right_only() {
        let residual = Residual {
            first: operand(255, i32::MAX, 5),
            second: operand(0, 0, 0),
            total: operand(0, i32::MAX, -20),
            zero_point: 0,
            minimum: -128,
            maximum: 127,
        };
        // 1 + 255 is -256 in nine bits.
        assert_eq!(residual.apply(1, 0), -128);
        assert_eq!(residual.apply(-128, 0), 127);
        assert_eq!(residual.apply(-100, 0), 127);
        let total = operand(3 << 20, i32::MAX, -20);
        let residual = Residual {
            total,
            first: operand(-7, i32::MAX, 1),
            ..residual
        };
        assert_eq!(residual.apply(9, 0), 5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn residual_sums_equal_the_addition_of_tflite(
            values: (i8, i8),
            offsets in (-127_i32..=128, -127_i32..=128),
            multipliers in (1_i32 << 30..=i32::MAX, 1_i32 << 30..=i32::MAX, 1_i32 << 30..=i32::MAX),
            shifts in (-8_i8..=0, -8_i8..=0, -21_i8..=-12),
            zero_point: i8,
        ) {
            let residual = Residual {
                first: operand(offsets.0, multipliers.0, shifts.0),
                second: operand(offsets.1, multipliers.1, shifts.1),
                total: operand(0, multipliers.2, shifts.2),
                zero_point,
                minimum: -128,
                maximum: 127,
            };
            let expected = add_elementwise(
                [
                    (values.0, offsets.0, multipliers.0, shifts.0),
                    (values.1, offsets.1, multipliers.1, shifts.1),
                ],
                (multipliers.2, shifts.2, zero_point),
            );
            prop_assert_eq!(residual.apply(values.0, values.1), expected);
        }

        #[test]
        fn single_equals_the_rational_result(x: i32, m: i32, s in SHIFT_MINIMUM..=SHIFT_MAXIMUM) {
            prop_assert_eq!(i128::from(scale_single(x, m, s)), exact_single(x, m, s));
        }

        #[test]
        fn double_equals_the_rational_result(x: i32, m: i32, s in SHIFT_MINIMUM..=SHIFT_MAXIMUM) {
            prop_assert_eq!(i128::from(scale_double(x, m, s)), exact_double(x, m, s));
        }

        #[test]
        fn small_sums_equal_the_rational_result(x in -70_000_i32..70_000, m: i32, s in -20_i8..8) {
            prop_assert_eq!(i128::from(scale_single(x, m, s)), exact_single(x, m, s));
            prop_assert_eq!(i128::from(scale_double(x, m, s)), exact_double(x, m, s));
        }
    }
}
