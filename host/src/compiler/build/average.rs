//! Averages as sums that are scaled: the multiplier that rounds as a division does.
//!
//! ```text
//!  TFLite: (sum +- count / 2) / count       half away from zero
//!  device: (sum * m + 2^(30 - s)) >> (31 - s)   with m = floor(2^(31 - s) / count) + 1
//! ```
//!
//! The multiplier is a little too large, so a positive half is rounded up, as any half is, and a
//! negative half lies a little below and is rounded down: away from zero.

use systole_regs::image::Parameter;

/// Greatest number of values that are averaged: up to here no sum comes near the next half.
pub(in super::super) const COUNT_MAX: usize = 1 << 16;

/// The parameter that divides sums of `count` bytes, 1 to [`COUNT_MAX`], by their number, with a
/// single rounding.
pub(in super::super) fn divide_by(count: usize) -> Parameter {
    // The largest shift with a multiplier below 2^31.
    let mut shift = 1;
    let multiplier = |shift: i32| (1_i64 << (31 - shift)) / count as i64 + 1;
    while multiplier(shift - 1) <= i32::MAX.into() {
        shift -= 1;
    }
    Parameter {
        bias: 0,
        multiplier: multiplier(shift) as i32,
        shift: shift as i8,
        reserved: [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the instruction set defines a single rounding.
    fn scale(sum: i64, parameter: &Parameter) -> i64 {
        let shift = 31 - i64::from(parameter.shift);
        (sum * i64::from(parameter.multiplier) + (1 << (shift - 1))) >> shift
    }

    fn reference(sum: i64, count: i64) -> i64 {
        if sum > 0 {
            (sum + count / 2) / count
        } else {
            (sum - count / 2) / count
        }
    }

    #[test]
    fn every_sum_is_rounded_as_a_division_rounds() {
        for count in (1..=256).chain([49 * 40, 4096, 9216, COUNT_MAX - 1, COUNT_MAX]) {
            let parameter = divide_by(count);
            assert!((-31..=30).contains(&parameter.shift));
            let count = count as i64;
            for sum in -128 * count..=127 * count {
                assert_eq!(
                    scale(sum, &parameter),
                    reference(sum, count),
                    "{sum} / {count}"
                );
            }
        }
    }
}
