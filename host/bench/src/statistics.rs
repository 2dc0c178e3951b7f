//! From the times of single calls to the figures of the report.

use std::time::Duration;

use crate::report::Timing;

/// Parts of a distribution that the report keeps: 0, 1, 2, ... 100 of 100.
const PERCENTS: usize = 100;

/// Percentiles of all calls, and the medians of the rounds; zeros if there was no call.
pub(crate) fn summarize(rounds: &[Vec<Duration>]) -> Timing {
    let round_medians: Vec<f64> = rounds
        .iter()
        .filter(|round| !round.is_empty())
        .map(|round| quantile(&sorted(round.iter().map(microseconds)), 0.5))
        .collect();
    let calls = sorted(rounds.iter().flatten().map(microseconds));
    Timing {
        median_us: quantile(&sorted(round_medians.iter().copied()), 0.5),
        minimum_us: quantile(&calls, 0.0),
        p10_us: quantile(&calls, 0.1),
        p90_us: quantile(&calls, 0.9),
        p99_us: quantile(&calls, 0.99),
        maximum_us: quantile(&calls, 1.0),
        calls: calls.len(),
        round_medians_us: round_medians,
        percentiles_us: (0..=PERCENTS)
            .map(|percent| quantile(&calls, percent as f64 / PERCENTS as f64))
            .collect(),
    }
}

pub(crate) fn microseconds(duration: &Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A quantile of sorted values, interpolated; 0 if there are none.
fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let position = quantile * last as f64;
    let (below, above) = (position.floor(), position.ceil());
    let fraction = position - below;
    sorted[below as usize] * (1.0 - fraction) + sorted[above as usize] * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_rounds() {
        let round = |times: &[u64]| {
            times
                .iter()
                .map(|&time| Duration::from_micros(time))
                .collect()
        };
        let timing = summarize(&[round(&[1, 2, 3]), round(&[10, 20]), round(&[4]), round(&[])]);
        assert_eq!(timing.round_medians_us, [2.0, 15.0, 4.0]);
        assert_eq!(timing.median_us, 4.0);
        assert_eq!((timing.minimum_us, timing.maximum_us), (1.0, 20.0));
        assert_eq!(timing.calls, 6);
        assert_eq!(timing.percentiles_us.len(), 101);
        assert_eq!(timing.percentiles_us[0], 1.0);
        assert_eq!(timing.percentiles_us[100], 20.0);
    }

    #[test]
    fn no_call_is_no_panic() {
        let timing = summarize(&[Vec::new()]);
        assert_eq!(
            (timing.calls, timing.median_us, timing.p99_us),
            (0, 0.0, 0.0)
        );
    }
}
