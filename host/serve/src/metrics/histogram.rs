//! Histograms of times that many threads add to without a lock, and that can be read back.
//!
//! There are ten buckets to each power of ten, so that percentiles of a few seconds can be told from the
//! difference of two readings; Prometheus gets every third or so of the bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of a power of ten's buckets, times 10.
const STEPS: [u64; 10] = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];

/// Powers of ten, from a microsecond.
const DECADES: usize = 7;

/// Buckets with a bound; one more has what is above ten seconds.
const BOUNDED: usize = STEPS.len() * DECADES + 1;

/// Upper bounds in nanoseconds: a microsecond to ten seconds.
const BOUNDS: [u64; BOUNDED] = bounds();

const fn bounds() -> [u64; BOUNDED] {
    let mut bounds = [0; BOUNDED];
    let mut index = 0;
    let mut unit = 100;
    while index < BOUNDED {
        bounds[index] = STEPS[index % STEPS.len()] * unit;
        index += 1;
        if index.is_multiple_of(STEPS.len()) {
            unit *= 10;
        }
    }
    bounds
}

/// Whether Prometheus is told of a bound: 1, 2 and 5 of each power of ten.
fn is_told(bound: u64) -> bool {
    let mut first = bound;
    while first >= 10 && first.is_multiple_of(10) {
        first /= 10;
    }
    matches!(first, 1 | 2 | 5)
}

/// A histogram of times. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    buckets: [AtomicU64; BOUNDED + 1],
    nanoseconds: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram(Arc::new(Counters {
            buckets: [const { AtomicU64::new(0) }; BOUNDED + 1],
            nanoseconds: AtomicU64::new(0),
        }))
    }
}

impl Histogram {
    /// Counts a time.
    pub fn observe(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < time);
        self.0.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // 584 years fit.
        self.0.nanoseconds.fetch_add(time, Ordering::Relaxed);
    }

    /// What it has now.
    pub fn read(&self) -> Snapshot {
        Snapshot {
            buckets: std::array::from_fn(|index| self.0.buckets[index].load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

/// A histogram at one moment, or what was added between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    buckets: [u64; BOUNDED + 1],
    sum: Duration,
}

impl Snapshot {
    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of the times.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// What was added since `before`.
    pub fn since(&self, before: &Snapshot) -> Snapshot {
        Snapshot {
            buckets: std::array::from_fn(|index| {
                self.buckets[index].saturating_sub(before.buckets[index])
            }),
            sum: self.sum.saturating_sub(before.sum),
        }
    }

    /// The time that a part of all times (0 to 1) does not exceed, as if those of a bucket were spread
    /// evenly over it; `None` if there are none. Times above ten seconds count as ten.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = part * count as f64;
        let mut below = 0.0;
        for (index, &here) in self.buckets.iter().enumerate() {
            let here = here as f64;
            if here > 0.0 && below + here >= wanted {
                let low = index.checked_sub(1).map_or(0, |index| BOUNDS[index]) as f64;
                let high = BOUNDS.get(index).map_or(low, |&bound| bound as f64);
                let inside = ((wanted - below) / here).clamp(0.0, 1.0);
                return Some(Duration::from_nanos((low + (high - low) * inside) as u64));
            }
            below += here;
        }
        None
    }

    /// The buckets for Prometheus: bounds in seconds, and what is in each alone.
    pub(super) fn told(&self) -> Vec<(f64, u64)> {
        let mut told = Vec::new();
        let mut count = 0;
        for (&bound, &here) in BOUNDS.iter().zip(&self.buckets) {
            count += here;
            if is_told(bound) {
                told.push((bound as f64 / 1e9, std::mem::take(&mut count)));
            }
        }
        told.push((f64::INFINITY, self.buckets[BOUNDED]));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_from_a_microsecond_to_ten_seconds() {
        assert!(BOUNDS.is_sorted());
        assert_eq!((BOUNDS[0], BOUNDS[1]), (1_000, 1_200));
        assert_eq!(BOUNDS[BOUNDED - 1], 10_000_000_000);
    }

    #[test]
    fn prometheus_is_told_every_time_once() {
        let histogram = Histogram::default();
        for time in [0, 1_000, 1_001, 4_999_999, 20_000_000_000] {
            histogram.observe(Duration::from_nanos(time));
        }
        let told = histogram.read().told();
        let bounds: Vec<f64> = told.iter().map(|&(bound, _)| bound).collect();
        assert_eq!(bounds.len(), 3 * DECADES + 2);
        assert_eq!(bounds[..4], [1e-6, 2e-6, 5e-6, 1e-5]);
        let at = |wanted: f64| told.iter().find(|(bound, _)| *bound == wanted).map(|b| b.1);
        assert_eq!(at(1e-6), Some(2), "a bound belongs to its bucket");
        assert_eq!(at(2e-6), Some(1));
        assert_eq!(at(5e-3), Some(1));
        assert_eq!(at(f64::INFINITY), Some(1));
        assert_eq!(told.iter().map(|&(_, count)| count).sum::<u64>(), 5);
    }

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read().quantile(0.5), None);
        let before = histogram.read();
        for micros in 1..=10_000 {
            histogram.observe(Duration::from_micros(micros));
        }
        let added = histogram.read().since(&before);
        assert_eq!(added.count(), 10_000);
        assert_eq!(added.sum(), Duration::from_micros(50_005_000));
        for part in [0.01, 0.1, 0.5, 0.9, 0.99] {
            let found = added.quantile(part).expect("there are some").as_secs_f64();
            let truth = part * 0.01;
            assert!((found / truth - 1.0).abs() < 0.02, "{part}: {found}");
        }
    }
}
