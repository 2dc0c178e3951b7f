//! Fixed-point scaling, exactly as the device does it.
//!
//! ```text
//!  accumulator (i32) --scale, round--> i64 --+ zero point, clamp--> i8
//! ```

use super::{Rounding, Scale};

impl Scale {
    /// The nearest scale to a real number, as TFLite's `QuantizeMultiplier` finds it: the fraction
    /// in 31 bits, ties rounded away from zero. Numbers below 2^-32 become zero.
    ///
    /// `None` if the number is not finite, not positive, or 2^30 and above.
    pub fn from_real(real: f64) -> Option<Scale> {
        if !real.is_finite() || real <= 0.0 {
            return None;
        }
        let (multiplier, exponent) = fixed_point(real);
        if exponent > 30 {
            return None;
        }
        if exponent < -31 {
            return Some(Scale {
                multiplier: 0,
                shift: 0,
            });
        }
        let shift = i8::try_from(exponent).expect("between -31 and 30");
        Some(Scale { multiplier, shift })
    }

    /// The scale divided by a number of values, as TFLite's `MEAN` does: the multiplier is
    /// truncated, and may lose its highest bit. `None` for zero values or too many.
    pub fn divided(self, count: usize) -> Option<Scale> {
        let log = count.checked_ilog2().filter(|&log| log < 31)?;
        let shift = (log as i32).min(31 + i32::from(self.shift));
        let multiplier = (i64::from(self.multiplier) << shift) / count as i64;
        Some(Scale {
            multiplier: i32::try_from(multiplier).ok()?,
            shift: i8::try_from(i32::from(self.shift) - shift).ok()?,
        })
    }

    /// The real number that it stands for.
    pub fn real(self) -> f64 {
        f64::from(self.multiplier) * (f64::from(self.shift) - 31.0).exp2()
    }

    /// Whether multiplier and shift are in the ranges that the device takes.
    pub fn is_valid(self) -> bool {
        self.multiplier >= 0 && (-31..=30).contains(&self.shift)
    }

    /// Scales an accumulator and rounds it to an integer.
    ///
    /// The scale must be valid ([`Scale::is_valid`]).
    #[inline]
    pub fn apply(self, accumulator: i32, rounding: Rounding) -> i64 {
        match rounding {
            Rounding::Single => self.round_once(accumulator),
            Rounding::Double => i64::from(self.round_twice(accumulator)),
        }
    }

    /// `(x * m + 2^(30 - s)) >> (31 - s)`. |x * m| <= 2^62 and the rounding term is at most 2^61:
    /// 64 bits hold the sum.
    #[inline]
    fn round_once(self, accumulator: i32) -> i64 {
        let shift = 31 - i32::from(self.shift);
        let product = i64::from(accumulator) * i64::from(self.multiplier);
        (product + (1_i64 << (shift - 1))) >> shift
    }

    /// gemmlowp: `SaturatingRoundingDoublingHighMul`, then `RoundingDivideByPOT`.
    #[inline]
    fn round_twice(self, accumulator: i32) -> i32 {
        let left = self.shift.max(0) as u32;
        let right = (-i32::from(self.shift)).max(0) as u32;
        let high = Self::double_high(accumulator.wrapping_shl(left), self.multiplier);
        Self::divide_by_power(high, right)
    }

    /// gemmlowp's `SaturatingRoundingDoublingHighMul`, whose truncating division after a nudge that
    /// depends on the sign is a rounding to nearest, ties upwards. The only product that would
    /// saturate has both factors i32::MIN; multipliers are positive.
    #[inline(always)]
    pub(crate) fn double_high(value: i32, multiplier: i32) -> i32 {
        let product = i64::from(value) * i64::from(multiplier);
        ((product + (1 << 30)) >> 31) as i32
    }

    /// gemmlowp's `RoundingDivideByPOT`: by `2^power`, to nearest, ties away from zero.
    #[inline(always)]
    pub(crate) fn divide_by_power(value: i32, power: u32) -> i32 {
        let mask = ((1_u32 << power) - 1) as i32;
        let remainder = value & mask;
        let threshold = (mask >> 1) + i32::from(value < 0);
        (value >> power) + i32::from(remainder > threshold)
    }
}

/// The nearest `multiplier * 2^(exponent - 31)` to a positive finite number, with all 31 bits of
/// the multiplier in use.
pub(super) fn fixed_point(real: f64) -> (i32, i32) {
    let (fraction, exponent) = split(real);
    let multiplier = (fraction * (1_i64 << 31) as f64).round() as i64;
    match i32::try_from(multiplier) {
        Ok(multiplier) => (multiplier, exponent),
        // Rounded up to one.
        Err(_) => (1 << 30, exponent + 1),
    }
}

/// Splits a positive finite number into a fraction in [0.5, 1) and a power of two, as C's `frexp`.
fn split(real: f64) -> (f64, i32) {
    const FRACTION_BITS: u32 = 52;
    const BIAS: i32 = 1022;
    let bits = real.to_bits();
    let exponent = (bits >> FRACTION_BITS) as i32;
    if exponent == 0 {
        // Subnormal: scale into the normal range first.
        let (fraction, exponent) = split(real * 64.0_f64.exp2());
        return (fraction, exponent - 64);
    }
    let fraction =
        f64::from_bits((bits & ((1 << FRACTION_BITS) - 1)) | ((BIAS as u64) << FRACTION_BITS));
    (fraction, exponent - BIAS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// floor((x * m * 2^s / 2^31) + 1/2), in 128 bits.
    fn single_reference(x: i32, scale: Scale) -> i128 {
        let numerator = i128::from(x) * i128::from(scale.multiplier) * 2;
        let denominator = 1_i128 << (32 - i32::from(scale.shift));
        (numerator + denominator / 2).div_euclid(denominator)
    }

    /// Both roundings to nearest, ties away from zero in the second, written with division.
    fn double_reference(x: i32, scale: Scale) -> i128 {
        let left = scale.shift.max(0) as u32;
        let right = (-i32::from(scale.shift)).max(0) as u32;
        let x = i128::from(x.wrapping_shl(left));
        let product = x * i128::from(scale.multiplier);
        // Nearest to product / 2^31; ties upwards, as the truncating division after the nudge gives.
        let high = (product + (1 << 30)).div_euclid(1 << 31);
        let unit = 1_i128 << right;
        let magnitude = (high.abs() + unit / 2) / unit;
        if high < 0 { -magnitude } else { magnitude }
    }

    fn any_scale() -> impl Strategy<Value = Scale> {
        let multiplier = prop_oneof![
            0..=i32::MAX,
            Just(0),
            Just(1 << 30),
            Just(i32::MAX),
            Just(1)
        ];
        (multiplier, -31_i8..=30).prop_map(|(multiplier, shift)| Scale { multiplier, shift })
    }

    fn any_accumulator() -> impl Strategy<Value = i32> {
        prop_oneof![
            any::<i32>(),
            -4096..4096_i32,
            Just(i32::MIN),
            Just(i32::MAX),
            Just(i32::MIN + 1),
            (0..31_u32).prop_map(|bit| -(1_i32 << bit)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn single_rounding_is_exact(x in any_accumulator(), scale in any_scale()) {
            prop_assert_eq!(
                i128::from(scale.apply(x, Rounding::Single)),
                single_reference(x, scale)
            );
        }

        #[test]
        fn double_rounding_is_exact(x in any_accumulator(), scale in any_scale()) {
            prop_assert_eq!(
                i128::from(scale.apply(x, Rounding::Double)),
                double_reference(x, scale)
            );
        }

        #[test]
        fn a_real_number_becomes_the_nearest_scale(real in 1e-9_f64..1e9) {
            let scale = Scale::from_real(real).expect("in range");
            prop_assert!(scale.is_valid());
            prop_assert!((1 << 30..=i32::MAX).contains(&scale.multiplier));
            prop_assert!((scale.real() / real - 1.0).abs() <= 2_f64.powi(-31));
        }
    }

    #[test]
    fn the_two_roundings_differ_at_ties_and_next_to_them() {
        // A tie: upwards once, away from zero twice.
        let quarter = Scale {
            multiplier: 1 << 30,
            shift: -1,
        };
        assert_eq!(quarter.apply(-2, Rounding::Single), 0);
        assert_eq!(quarter.apply(-2, Rounding::Double), -1);
        // 46 * 0.2499999 = 11.499995: below the tie once; twice, the first rounding makes it 46 / 4.
        let below = Scale {
            multiplier: (0.999_999_6 * (1_u64 << 31) as f64) as i32,
            shift: -2,
        };
        assert_eq!(below.apply(46, Rounding::Single), 11);
        assert_eq!(below.apply(46, Rounding::Double), 12);
    }

    #[test]
    fn numbers_without_a_scale_are_refused() {
        for real in [0.0, -1.0, f64::NAN, f64::INFINITY, 2_f64.powi(30)] {
            assert_eq!(Scale::from_real(real), None, "{real}");
        }
        assert_eq!(
            Scale::from_real(1e-300),
            Some(Scale {
                multiplier: 0,
                shift: 0
            })
        );
        assert_eq!(
            Scale::from_real(5e-324),
            Some(Scale {
                multiplier: 0,
                shift: 0
            })
        );
        assert_eq!(
            Scale::from_real(1.0),
            Some(Scale {
                multiplier: 1 << 30,
                shift: 1
            })
        );
        assert_eq!(
            Scale::from_real(1.0 - 2_f64.powi(-40)),
            Some(Scale {
                multiplier: 1 << 30,
                shift: 1
            })
        );
    }
}
