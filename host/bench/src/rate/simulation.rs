//! A device under load, from the simulated times of its batches alone.
//!
//! ```text
//!  arrivals  --> queue --> batch: all that waits, up to the largest batch size that was simulated
//!                            |
//!                            +--> takes the time of that size; between two sizes, a line through both
//! ```
//!
//! One batch is computed at a time. A real device would write the next batch's rows meanwhile, so
//! the link's part of the time is counted where it might be hidden.

use std::time::Duration;

use super::Served;

/// Simulated times of batches by their size; at least one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BatchTimes {
    /// Rising sizes, with microseconds.
    points: Vec<(usize, f64)>,
}

impl BatchTimes {
    /// From sizes and microseconds in any order; `None` if there are none.
    pub(crate) fn new(mut points: Vec<(usize, f64)>) -> Option<BatchTimes> {
        points.sort_by_key(|&(size, _)| size);
        points.dedup_by_key(|&mut (size, _)| size);
        (!points.is_empty()).then_some(BatchTimes { points })
    }

    /// Rows of a batch, at most.
    pub(crate) fn largest(&self) -> usize {
        self.points.last().map_or(1, |&(size, _)| size)
    }

    /// Time of a batch. One that is smaller than any that was simulated takes as long as the smallest.
    pub(crate) fn of(&self, rows: usize) -> Duration {
        let above = self.points.partition_point(|&(size, _)| size < rows);
        let above = above.min(self.points.len() - 1);
        let (high, slow) = self.points[above];
        let microseconds = match above.checked_sub(1).map(|below| self.points[below]) {
            Some((low, quick)) if rows < high => {
                let part = (rows - low) as f64 / (high - low) as f64;
                quick + (slow - quick) * part
            }
            _ => slow,
        };
        Duration::from_secs_f64(microseconds / 1e6)
    }

    /// Serves arrivals, and gives up when one has waited for longer than `bound`.
    pub(crate) fn serve(&self, arrivals: &[Duration], bound: Duration) -> Served {
        let mut served = Served::default();
        let mut next = 0;
        while let Some(&first) = arrivals.get(next) {
            let begin = served.elapsed.max(first);
            if begin - first > bound {
                served.dropped = arrivals.len() - next;
                break;
            }
            let waiting = arrivals[next..].partition_point(|&arrival| arrival <= begin);
            let rows = waiting.min(self.largest());
            served.elapsed = begin + self.of(rows);
            let batch = &arrivals[next..next + rows];
            let latencies = batch.iter().map(|&arrival| served.elapsed - arrival);
            served.latencies.extend(latencies);
            next += rows;
        }
        served
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrivals;
    use super::*;

    fn times(points: &[(usize, f64)]) -> BatchTimes {
        BatchTimes::new(points.to_vec()).expect("there are points")
    }

    fn microseconds(times: &[u64]) -> Vec<Duration> {
        let times = times.iter();
        times.map(|&time| Duration::from_micros(time)).collect()
    }

    #[test]
    fn times_between_two_sizes_lie_on_a_line() {
        let times = times(&[(16, 40.0), (4, 10.0)]);
        assert_eq!(times.largest(), 16);
        for (rows, expected) in [(1, 10), (4, 10), (8, 20), (16, 40)] {
            assert_eq!(times.of(rows), Duration::from_micros(expected), "{rows}");
        }
        assert_eq!(BatchTimes::new(Vec::new()), None);
    }

    #[test]
    fn one_row_at_a_time_is_a_queue() {
        let times = times(&[(1, 25.0)]);
        let served = times.serve(&microseconds(&[0, 10, 20, 100]), Duration::MAX);
        assert_eq!(served.latencies, microseconds(&[25, 40, 55, 25]));
        assert_eq!(served.elapsed, Duration::from_micros(125));
        assert_eq!(served.dropped, 0);
    }

    #[test]
    fn batches_form_from_what_waits() {
        // 20 us for one row, 30 for two; never more than two.
        let times = times(&[(1, 20.0), (2, 30.0)]);
        // 0: alone until 20. 5, 6: together until 50. 7: alone until 70. 70: arrives as it ends.
        let served = times.serve(&microseconds(&[0, 5, 6, 7, 70]), Duration::MAX);
        assert_eq!(served.latencies, microseconds(&[20, 45, 44, 63, 20]));
        assert_eq!(served.elapsed, Duration::from_micros(90));
    }

    #[test]
    fn a_device_that_falls_behind_gives_up() {
        let times = times(&[(1, 100.0)]);
        let served = times.serve(&microseconds(&[0; 10]), Duration::from_micros(250));
        // They begin after 0, 100, 200 us; the fourth would after 300.
        assert_eq!((served.latencies.len(), served.dropped), (3, 7));
    }

    #[test]
    fn nobody_arrives_and_nothing_happens() {
        assert_eq!(
            times(&[(1, 1.0)]).serve(&[], Duration::MAX),
            Served::default()
        );
    }

    /// The queue that textbooks call M/D/1: a request waits for `load / (2 (1 - load))` computations
    /// on average.
    #[test]
    fn random_arrivals_wait_as_long_as_theory_says() {
        let computing = 100e-6;
        for load in [0.2, 0.5, 0.8] {
            let arrivals = arrivals(load / computing, Duration::from_secs(40), 11);
            let served = times(&[(1, computing * 1e6)]).serve(&arrivals, Duration::MAX);
            let sum: f64 = served.latencies.iter().map(Duration::as_secs_f64).sum();
            let waited = sum / served.latencies.len() as f64 / computing - 1.0;
            let expected = load / (2.0 * (1.0 - load));
            assert!(
                (waited / expected - 1.0).abs() < 0.03,
                "at a load of {load}: {waited} instead of {expected}"
            );
        }
    }
}
