//! The clock: dividers of the ECP5's PLL that make the design's frequency from the board's.
//!
//! ```text
//!  clock_pin -> / input -> phase detector -> VCO -+-> / feedback output -> / feedback -> (detector)
//!                                                 +-> / output -> clock
//!                                                 +-> / half of it -> double clock
//! ```
//!
//! The loop settles where both sides of the phase detector are equal:
//! VCO = pin / input x feedback x feedback output. The feedback has an output divider of its own,
//! so that the VCO's multiple need not contain the divider of the design's clock.

use serde::{Deserialize, Serialize};

/// Least and greatest frequency of the VCO in kHz (ECP5 and ECP5-5G Family Data Sheet
/// FPGA-DS-02012, sysCLOCK PLL timing, as all limits here).
pub const VCO_KHZ: (u64, u64) = (400_000, 800_000);
/// Least and greatest frequency of the phase detector in kHz.
pub const DETECTOR_KHZ: (u64, u64) = (10_000, 400_000);
/// Least and greatest frequency of the input in kHz.
pub const INPUT_KHZ: (u64, u64) = (8_000, 400_000);
/// Least and greatest frequency of an output in kHz.
pub const OUTPUT_KHZ: (u64, u64) = (3_125, 400_000);
/// Greatest input, output and feedback divider.
pub const DIVIDERS: (u64, u64, u64) = (128, 128, 80);

/// A VCO in the middle of its range, for the choice between settings that make the same clock.
const VCO_BEST_KHZ: u64 = 600_000;

/// Settings of the PLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pll {
    /// Frequency that enters, in kHz.
    pub input_khz: u64,
    /// Divider of the input.
    pub input: u64,
    /// Divider of the feedback.
    pub feedback: u64,
    /// Divider of the output that feeds back.
    pub feedback_output: u64,
    /// Divider of the design's clock.
    pub output: u64,
    /// A second clock is made, twice as fast and in phase: the divider is even.
    pub doubles: bool,
}

/// Why no PLL setting makes a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the PLL makes no clock of at most {wanted_khz} kHz from {input_khz} kHz: it takes {} to {} kHz and gives {} to {} kHz",
    INPUT_KHZ.0,
    INPUT_KHZ.1,
    OUTPUT_KHZ.0,
    OUTPUT_KHZ.1
)]
pub struct NoClock {
    /// Frequency that enters, in kHz.
    pub input_khz: u64,
    /// Frequency that was asked for, in kHz.
    pub wanted_khz: u64,
}

impl Pll {
    /// Settings for `wanted_khz`, or for the nearest frequency below it that the PLL makes, with
    /// double of it if the design `doubles`.
    ///
    /// # Errors
    /// If input or output is out of the PLL's range.
    pub fn solve(input_khz: u64, wanted_khz: u64, doubles: bool) -> Result<Pll, NoClock> {
        let refused = NoClock {
            input_khz,
            wanted_khz,
        };
        let least_divider = 1 + u64::from(doubles);
        let wanted = wanted_khz.min(OUTPUT_KHZ.1 / least_divider);
        if !within(input_khz, INPUT_KHZ) {
            return Err(refused);
        }
        (1..=DIVIDERS.0)
            // Compared times the divider: quotients are rounded only where they are shown.
            .filter(|input| {
                input_khz >= DETECTOR_KHZ.0 * input && input_khz <= DETECTOR_KHZ.1 * input
            })
            .flat_map(|input| {
                let least = (VCO_KHZ.0 * input).div_ceil(input_khz);
                let most = VCO_KHZ.1 * input / input_khz;
                (least..=most).filter_map(move |multiple| {
                    let output = (input_khz * multiple)
                        .div_ceil(input * wanted)
                        .next_multiple_of(least_divider);
                    Pll::with(input_khz, input, multiple, output, doubles)
                })
            })
            .filter(|pll| pll.is_valid())
            .min_by(|a, b| b.above(a).then(a.preference().cmp(&b.preference())))
            .ok_or(refused)
    }

    /// Splits the VCO's multiple between both dividers of the feedback.
    fn with(input_khz: u64, input: u64, multiple: u64, output: u64, doubles: bool) -> Option<Pll> {
        let pll = |feedback_output: u64| Pll {
            input_khz,
            input,
            feedback: multiple / feedback_output,
            feedback_output,
            output,
            doubles,
        };
        // One output does where it can; else the feedback is as slow as can be.
        [output]
            .into_iter()
            .chain((1..=DIVIDERS.1).rev())
            .filter(|divider| *divider > 0 && multiple.is_multiple_of(*divider))
            .map(pll)
            .find(Pll::is_valid)
    }

    /// Whether all is within the data sheet's limits.
    pub fn is_valid(&self) -> bool {
        let divided = |value: u64, divider: u64, (least, most): (u64, u64)| {
            divider > 0 && value >= least * divider && value <= most * divider
        };
        let vco = self.input_khz * self.feedback * self.feedback_output;
        within(self.input_khz, INPUT_KHZ)
            && (1..=DIVIDERS.0).contains(&self.input)
            && (1..=DIVIDERS.1).contains(&self.output)
            && (1..=DIVIDERS.1).contains(&self.feedback_output)
            && (1..=DIVIDERS.2).contains(&self.feedback)
            && divided(self.input_khz, self.input, DETECTOR_KHZ)
            && divided(vco, self.input, VCO_KHZ)
            && divided(vco, self.input * self.output, OUTPUT_KHZ)
            && (!self.doubles
                || self.output.is_multiple_of(2)
                    && divided(vco, self.input * self.output / 2, OUTPUT_KHZ))
            && divided(vco, self.input * self.feedback_output, OUTPUT_KHZ)
    }

    /// Frequency of the design's clock in kHz.
    pub fn output_khz(&self) -> f64 {
        self.numerator() as f64 / self.denominator() as f64
    }

    /// Frequency of the VCO in kHz, rounded down.
    pub fn vco_khz(&self) -> u64 {
        self.numerator() / self.input
    }

    /// Whether the clock is exactly this.
    pub fn is_exactly(&self, khz: u64) -> bool {
        self.numerator() == khz * self.denominator()
    }

    /// Whether one output makes both the clock and the feedback.
    pub fn is_single(&self) -> bool {
        self.output == self.feedback_output
    }

    fn numerator(&self) -> u64 {
        self.input_khz * self.feedback * self.feedback_output
    }

    fn denominator(&self) -> u64 {
        self.input * self.output
    }

    /// Compares clocks, exactly.
    fn above(&self, other: &Pll) -> std::cmp::Ordering {
        (self.numerator() * other.denominator()).cmp(&(other.numerator() * self.denominator()))
    }

    /// Fast phase detector, one output, VCO in the middle: less jitter, simpler.
    fn preference(&self) -> (u64, bool, u64) {
        (
            self.input,
            !self.is_single(),
            self.vco_khz().abs_diff(VCO_BEST_KHZ),
        )
    }
}

fn within(value: u64, (least, most): (u64, u64)) -> bool {
    (least..=most).contains(&value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn boards_reach_the_clocks_of_configurations_exactly() {
        for board in [12_000, 25_000] {
            for wanted in [50_000, 100_000, 150_000, 200_000] {
                let pll = Pll::solve(board, wanted, false).expect("the PLL makes it");
                assert!(pll.is_exactly(wanted), "{board} to {wanted}: {pll:?}");
            }
            // 400 MHz would be the limit of a double clock, and no multiple of 12.
            for wanted in [50_000, 100_000, 150_000] {
                let pll = Pll::solve(board, wanted, true).expect("the PLL makes it");
                assert!(pll.is_exactly(wanted), "{board} to {wanted}: {pll:?}");
            }
        }
    }

    #[test]
    fn what_the_pll_cannot_make_is_refused() {
        assert!(Pll::solve(5_000, 100_000, false).is_err());
        assert!(Pll::solve(500_000, 100_000, false).is_err());
        let error = Pll::solve(12_000, 3_000, false).expect_err("too slow");
        assert!(error.to_string().contains("3125"), "{error}");
    }

    /// The best clock by trying everything.
    fn best_khz(input_khz: u64, wanted_khz: u64, doubles: bool) -> Option<f64> {
        let mut best: Option<f64> = None;
        for input in 1..=input_khz / DETECTOR_KHZ.0 {
            for feedback in 1..=DIVIDERS.2 {
                for feedback_output in 1..=DIVIDERS.1 {
                    for output in 1..=DIVIDERS.1 {
                        let pll = Pll {
                            input_khz,
                            input,
                            feedback,
                            feedback_output,
                            output,
                            doubles,
                        };
                        let khz = pll.output_khz();
                        if pll.is_valid()
                            && pll.numerator() <= wanted_khz * pll.denominator()
                            && best.is_none_or(|best| khz > best)
                        {
                            best = Some(khz);
                        }
                    }
                }
            }
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn settings_are_within_the_limits_and_not_above(
            input in INPUT_KHZ.0..=200_000_u64,
            wanted in 10_000..=OUTPUT_KHZ.1,
            doubles: bool,
        ) {
            // Below 10 MHz the phase detector has no valid input.
            if let Ok(pll) = Pll::solve(input, wanted, doubles) {
                prop_assert!(pll.is_valid(), "{pll:?}");
                prop_assert!(pll.output_khz() <= wanted as f64, "{pll:?}");
            } else {
                prop_assert!(input < DETECTOR_KHZ.0);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

        #[test]
        fn no_setting_is_nearer(
            input in 10_000..=30_000_u64,
            wanted in OUTPUT_KHZ.0..=OUTPUT_KHZ.1,
            doubles: bool,
        ) {
            let found = Pll::solve(input, wanted, doubles).ok().map(|pll| pll.output_khz());
            prop_assert_eq!(found, best_khz(input, wanted, doubles));
        }
    }
}
