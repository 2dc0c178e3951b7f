//! When requests arrive: as if from many people who know nothing of each other.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Arrivals of a Poisson process within `length`, as times from its beginning; `rate` is in arrivals a
/// second. A seed gives the same times on every machine, and the same pattern at every rate.
pub(crate) fn arrivals(rate: f64, length: Duration, seed: u64) -> Vec<Duration> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let end = length.as_secs_f64();
    let mut now = 0.0;
    std::iter::from_fn(|| {
        // From [0, 1), so the logarithm is that of a positive number.
        now -= (1.0 - random.random::<f64>()).ln() / rate;
        (now < end).then(|| Duration::from_secs_f64(now))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_arrivals_and_another_one_others() {
        let length = Duration::from_secs(1);
        assert_eq!(arrivals(100.0, length, 1), arrivals(100.0, length, 1));
        assert_ne!(arrivals(100.0, length, 1), arrivals(100.0, length, 2));
        // At another rate it is the same pattern, stretched.
        let (slow, quick) = (arrivals(10.0, length, 1), arrivals(20.0, length, 1));
        for (slow, quick) in slow.iter().zip(&quick) {
            assert!(slow.abs_diff(*quick * 2) < Duration::from_nanos(4));
        }
    }

    #[test]
    fn gaps_are_exponential() {
        let rate = 1000.0;
        let times = arrivals(rate, Duration::from_secs(100), 7);
        assert!(times.is_sorted());
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_secs_f64() * rate)
            .collect();
        let count = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }
}
