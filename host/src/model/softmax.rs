//! Softmax of int8 values: TFLite's reference kernel in fixed point to the bit, and ONNX's in
//! floats.
//!
//! ```text
//!  x - maximum --scale--> Q5.26 --exp--> Q0.31 --+--> sum in Q12.19 --reciprocal--+
//!                                                +-------------- x ---------------+--> / 2^n --> int8
//! ```
//!
//! The fixed-point functions are gemmlowp's (`fixedpoint.h`: `exp_on_negative_values`,
//! `one_over_one_plus_x_for_x_in_0_1`), with its constants.

use super::scale::fixed_point;
use super::{Softmax, Tensor};

/// Integer bits of a scaled difference.
const DIFFERENCE_BITS: u32 = 5;
/// Integer bits of the sum of exponentials.
const SUM_BITS: u32 = 12;

impl Softmax {
    /// TFLite's parameters for an input of this scale: `PreprocessSoftmaxScaling` and
    /// `CalculateInputRadius`. `None` if the scale is too small for its fixed point.
    pub fn fixed(input_scale: f64, beta: f64) -> Option<Softmax> {
        let unit = f64::from(1_u32 << (31 - DIFFERENCE_BITS));
        let real = (beta * input_scale * unit).min((1_u64 << 31) as f64 - 1.0);
        if real.is_nan() || real <= 0.0 {
            return None;
        }
        let (multiplier, exponent) = fixed_point(real);
        let left_shift = u8::try_from(exponent).ok().filter(|&shift| shift <= 31)?;
        let most = f64::from((1_u32 << DIFFERENCE_BITS) - 1) * unit / (1_u64 << left_shift) as f64;
        Some(Softmax::Fixed {
            multiplier,
            left_shift,
            difference_minimum: -(most.floor() as i32),
        })
    }

    /// Output values for the values of one row, or of several.
    pub(crate) fn apply(self, values: &[i8], input: &Tensor, output: &Tensor) -> Vec<i8> {
        let channels = input.shape.last().copied().unwrap_or(1).max(1);
        let mut outputs = Vec::with_capacity(values.len());
        for row in values.chunks(channels) {
            match self {
                Softmax::Fixed {
                    multiplier,
                    left_shift,
                    difference_minimum,
                } => {
                    let exponential = |difference: i32| {
                        (difference >= difference_minimum).then(|| {
                            let shifted = difference.wrapping_shl(left_shift.into());
                            exponential(high_multiply(shifted, multiplier))
                        })
                    };
                    fixed(row, exponential, &mut outputs);
                }
                Softmax::Float => float(row, input, output, &mut outputs),
            }
        }
        outputs
    }
}

/// One softmax: `exponential` gives exp of a difference in Q0.31, `None` for practically zero.
fn fixed(row: &[i8], exponential: impl Fn(i32) -> Option<i32>, outputs: &mut Vec<i8>) {
    /// Fractional bits of an output.
    const OUTPUT_BITS: i32 = 8;
    let maximum = row.iter().copied().max().map_or(0, i32::from);
    let exponentials = row
        .iter()
        .map(|&value| exponential(i32::from(value) - maximum));
    let sum = exponentials.clone().flatten().fold(0_i32, |sum, value| {
        sum.wrapping_add(round_shift(value, SUM_BITS))
    });
    let (reciprocal, bits_over_unit) = reciprocal(sum);
    outputs.extend(exponentials.map(|value| {
        let Some(value) = value else {
            return i8::MIN;
        };
        let shift = bits_over_unit + 31 - OUTPUT_BITS;
        let product = high_multiply(reciprocal, value);
        let steps = round_shift(product, shift.clamp(0, 31) as u32);
        (steps + i32::from(i8::MIN)).clamp(i8::MIN.into(), i8::MAX.into()) as i8
    }));
}

/// Softmax of the real numbers, quantized as QuantizeLinear does.
fn float(row: &[i8], input: &Tensor, output: &Tensor, outputs: &mut Vec<i8>) {
    let scale = input.scale as f32;
    let maximum = row.iter().copied().max().map_or(0, i32::from);
    let exponentials: Vec<f32> = row
        .iter()
        .map(|&value| ((i32::from(value) - maximum) as f32 * scale).exp())
        .collect();
    let sum: f32 = exponentials.iter().sum();
    outputs.extend(exponentials.iter().map(|value| {
        let steps = (value / sum / output.scale as f32).round_ties_even();
        (steps + f32::from(output.zero_point)).clamp(-128.0, 127.0) as i8
    }));
}

/// gemmlowp's `SaturatingRoundingDoublingHighMul`: the product of two fractions in Q0.31.
fn high_multiply(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)) as i32
}

/// gemmlowp's `RoundingDivideByPOT`: to nearest, ties away from zero. `shift` is 0 to 31.
fn round_shift(value: i32, shift: u32) -> i32 {
    let mask = ((1_i64 << shift) - 1) as i32;
    let threshold = (mask >> 1) + i32::from(value < 0);
    (value >> shift) + i32::from(value & mask > threshold)
}

/// gemmlowp's `SaturatingRoundingMultiplyByPOT` with a positive exponent.
fn saturating_shift(value: i32, shift: u32) -> i32 {
    (i64::from(value) << shift).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// exp of a negative number or zero in Q5.26, in Q0.31.
fn exponential(value: i32) -> i32 {
    /// 1/4 in Q5.26.
    const QUARTER: i32 = 1 << 24;
    /// exp(-2^k) for k from -2 to 4, in Q0.31.
    const FACTORS: [i32; 7] = [
        1_672_461_947,
        1_302_514_674,
        790_015_084,
        290_630_308,
        39_332_535,
        720_401,
        242,
    ];
    if value == 0 {
        return i32::MAX;
    }
    // -1/4 plus what is left modulo 1/4; the rest is a sum of powers of two.
    let part = (value & (QUARTER - 1)) - QUARTER;
    let remainder = part.wrapping_sub(value);
    let result = exponential_of_part(saturating_shift(part, DIFFERENCE_BITS));
    FACTORS
        .iter()
        .enumerate()
        .filter(|(bit, _)| remainder & (QUARTER << bit) != 0)
        .fold(result, |result, (_, &factor)| high_multiply(result, factor))
}

/// exp of a number from -1/4 to 0 in Q0.31: a Taylor series around -1/8.
fn exponential_of_part(value: i32) -> i32 {
    /// exp(-1/8).
    const CONSTANT: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = value + (1 << 28);
    let x2 = high_multiply(x, x);
    let x3 = high_multiply(x2, x);
    let x4 = high_multiply(x2, x2);
    let cubic = high_multiply(round_shift(x4, 2) + x3, THIRD);
    let series = x + round_shift(cubic + x2, 1);
    CONSTANT + high_multiply(CONSTANT, series)
}

/// TFLite's `GetReciprocal` of a positive number in Q12.19: a fraction in Q0.31, and how many bits
/// it must be shifted right by.
fn reciprocal(sum: i32) -> (i32, i32) {
    let headroom = sum.leading_zeros();
    let bits_over_unit = SUM_BITS as i32 - headroom as i32;
    let fraction = (sum as u32).wrapping_shl(headroom).wrapping_sub(1 << 31) as i32;
    (one_over_one_plus(fraction), bits_over_unit)
}

/// 1 / (1 + x) for x from 0 to 1 in Q0.31: three steps of Newton's method in Q2.29.
fn one_over_one_plus(x: i32) -> i32 {
    /// 48/17 and -32/17 in Q2.29.
    const CONSTANT: i32 = 1_515_870_810;
    const FACTOR: i32 = -1_010_580_540;
    const ONE: i32 = 1 << 29;
    // Rounded to nearest, away from zero; both are positive.
    let half_denominator = ((i64::from(x) + i64::from(i32::MAX) + 1) / 2) as i32;
    let mut estimate = CONSTANT.wrapping_add(high_multiply(half_denominator, FACTOR));
    for _ in 0..3 {
        let product = high_multiply(half_denominator, estimate);
        let error = ONE.wrapping_sub(product);
        estimate = estimate.wrapping_add(saturating_shift(high_multiply(estimate, error), 2));
    }
    saturating_shift(estimate, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tensor(channels: usize, scale: f64, zero_point: i8) -> Tensor {
        Tensor {
            name: "t".into(),
            shape: vec![channels],
            zero_point,
            scale,
        }
    }

    #[test]
    fn exponentials_are_near_the_real_ones() {
        for steps in 0..2000 {
            let real = f64::from(steps) / 100.0;
            let raw = -(real * f64::from(1 << 26)).round() as i32;
            let computed = f64::from(exponential(raw)) / (1_u64 << 31) as f64;
            assert!(
                (computed - (-real).exp()).abs() < 1e-6,
                "{real}: {computed}"
            );
        }
    }

    #[test]
    fn reciprocals_are_near_the_real_ones() {
        for step in 0..1000 {
            let x = f64::from(step) / 1000.0;
            let raw = (x * (1_u64 << 31) as f64) as i32;
            let computed = f64::from(one_over_one_plus(raw)) / (1_u64 << 31) as f64;
            assert!((computed - 1.0 / (1.0 + x)).abs() < 1e-6, "{x}: {computed}");
        }
    }

    proptest! {
        #[test]
        fn a_larger_input_never_gives_a_smaller_output(
            row in proptest::collection::vec(any::<i8>(), 1..40),
            scale in 0.0005_f64..4.0,
        ) {
            let input = tensor(row.len(), scale, 3);
            let output = tensor(row.len(), 1.0 / 256.0, -128);
            let fixed = Softmax::fixed(scale, 1.0).expect("in range");
            let results = [fixed, Softmax::Float].map(|softmax| softmax.apply(&row, &input, &output));
            for outputs in &results {
                for (a, x) in outputs.iter().zip(&row) {
                    for (b, y) in outputs.iter().zip(&row) {
                        prop_assert!(x < y || a >= b, "{x} -> {a}, {y} -> {b}");
                    }
                }
            }
            let [fixed, float] = results;
            for (a, b) in fixed.iter().zip(&float) {
                prop_assert!((i32::from(*a) - i32::from(*b)).abs() <= 1, "{a} and {b}");
            }
        }
    }
}
