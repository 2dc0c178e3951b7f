//! Measuring: rounds in which contenders take turns.
//!
//! ```text
//!  round 1:  A A A A ... | B B B ... | C C C C C ...     each for the plan's time of a round
//!  round 2:  A A A ...   | B B B ... | C C C C ...
//!  ...                                                   median of each round, median of those
//! ```

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use crate::report::Timing;

/// Why a contender can't compute.
pub type ContenderError = Box<dyn Error + Send + Sync>;

/// Something that computes batches and is measured while it does.
pub trait Contender {
    /// Name in the report, the same each time.
    fn name(&self) -> &str;

    /// Gets a batch ready, so that only the computing is measured: int8 rows as they are inside
    /// the network.
    ///
    /// # Errors
    /// Why this contender can't take the batch.
    fn prepare(&mut self, rows: &[i8], count: usize) -> Result<(), ContenderError>;

    /// Computes the batch that was prepared. This is what is measured.
    ///
    /// # Errors
    /// Why the batch was not computed.
    fn compute(&mut self) -> Result<(), ContenderError>;

    /// The output of the last batch, as int8 rows inside the network.
    ///
    /// # Errors
    /// Why there is none.
    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError>;
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Rounds in which every contender has a turn; 0 means 1.
    pub rounds: usize,
    /// Time of one turn. The call that exceeds it is the last one.
    pub turn: Duration,
}

/// Calls before the first round, which fill caches and let clocks rise.
const WARM_UP_CALLS: usize = 3;

/// Pause before each turn: threads that spin a while after their work, as ONNX Runtime's do,
/// must not take time from the next contender.
const SETTLE: Duration = Duration::from_millis(5);

/// What measuring one contender gave.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) result: Result<Measurement, ContenderError>,
}

/// Timing and output of one contender for one batch size.
pub(crate) struct Measurement {
    pub(crate) timing: Timing,
    pub(crate) outputs: Vec<i8>,
}

/// Measures all contenders on the same batch. One that fails doesn't keep the others.
pub(crate) fn measure(
    contenders: &mut [Box<dyn Contender>],
    rows: &[i8],
    count: usize,
    plan: Plan,
    mut progress: impl FnMut(),
) -> Vec<Measured> {
    let mut turns: Vec<Result<Vec<Vec<Duration>>, ContenderError>> = contenders
        .iter_mut()
        .map(|contender| warm_up(contender.as_mut(), rows, count).map(|()| Vec::new()))
        .collect();
    for _ in 0..plan.rounds.max(1) {
        for (contender, rounds) in contenders.iter_mut().zip(&mut turns) {
            if let Ok(collected) = rounds {
                thread::sleep(SETTLE);
                match turn(contender.as_mut(), plan.turn) {
                    Ok(calls) => collected.push(calls),
                    Err(error) => *rounds = Err(error),
                }
            }
        }
        progress();
    }
    contenders
        .iter_mut()
        .zip(turns)
        .map(|(contender, rounds)| Measured {
            name: contender.name().to_owned(),
            result: rounds.and_then(|rounds| {
                Ok(Measurement {
                    timing: summarize(&rounds),
                    outputs: contender.outputs()?,
                })
            }),
        })
        .collect()
}

fn warm_up(contender: &mut dyn Contender, rows: &[i8], count: usize) -> Result<(), ContenderError> {
    contender.prepare(rows, count)?;
    for _ in 0..WARM_UP_CALLS {
        contender.compute()?;
    }
    Ok(())
}

/// Times of the calls of one turn, at least one.
fn turn(contender: &mut dyn Contender, limit: Duration) -> Result<Vec<Duration>, ContenderError> {
    let mut calls = Vec::new();
    let begin = Instant::now();
    let mut last = begin;
    loop {
        contender.compute()?;
        let now = Instant::now();
        calls.push(now - last);
        last = now;
        if now - begin >= limit {
            return Ok(calls);
        }
    }
}

/// Percentiles of all calls, and the medians of the rounds. There is at least one call.
fn summarize(rounds: &[Vec<Duration>]) -> Timing {
    let microseconds = |duration: &Duration| duration.as_secs_f64() * 1e6;
    let sorted = |calls: &mut dyn Iterator<Item = f64>| {
        let mut values: Vec<f64> = calls.collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let round_medians: Vec<f64> = rounds
        .iter()
        .map(|round| quantile(&sorted(&mut round.iter().map(microseconds)), 0.5))
        .collect();
    let calls = sorted(&mut rounds.iter().flatten().map(microseconds));
    Timing {
        median_us: quantile(&sorted(&mut round_medians.iter().copied()), 0.5),
        minimum_us: quantile(&calls, 0.0),
        p10_us: quantile(&calls, 0.1),
        p90_us: quantile(&calls, 0.9),
        p99_us: quantile(&calls, 0.99),
        maximum_us: quantile(&calls, 1.0),
        calls: calls.len(),
        round_medians_us: round_medians,
    }
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

    /// Sleeps for as long as it is told, and fails at a given call.
    struct Sleeper {
        name: &'static str,
        sleep: Duration,
        fails_at: usize,
        calls: usize,
    }

    impl Contender for Sleeper {
        fn name(&self) -> &str {
            self.name
        }

        fn prepare(&mut self, _: &[i8], _: usize) -> Result<(), ContenderError> {
            Ok(())
        }

        fn compute(&mut self) -> Result<(), ContenderError> {
            self.calls += 1;
            if self.calls == self.fails_at {
                return Err("it is tired".into());
            }
            thread::sleep(self.sleep);
            Ok(())
        }

        fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
            Ok(vec![7])
        }
    }

    fn sleeper(name: &'static str, milliseconds: u64, fails_at: usize) -> Box<dyn Contender> {
        Box::new(Sleeper {
            name,
            sleep: Duration::from_millis(milliseconds),
            fails_at,
            calls: 0,
        })
    }

    #[test]
    fn every_contender_gets_its_rounds_and_one_that_fails_is_left_out() {
        let mut contenders = [
            sleeper("quick", 1, 0),
            sleeper("tired", 1, 5),
            sleeper("slow", 4, 0),
            sleeper("dead", 0, 1),
        ];
        let plan = Plan {
            rounds: 3,
            turn: Duration::from_millis(10),
        };
        let mut rounds = 0;
        let measured = measure(&mut contenders, &[], 1, plan, || rounds += 1);
        assert_eq!(rounds, 3);
        let names: Vec<_> = measured.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["quick", "tired", "slow", "dead"]);
        let timing = |index: usize| &measured[index].result.as_ref().expect("it works").timing;
        assert!(timing(0).median_us >= 1000.0);
        assert!(timing(2).median_us >= 4000.0);
        assert_eq!(timing(0).round_medians_us.len(), 3);
        assert!(timing(2).calls >= 3);
        for index in [1, 3] {
            let error = measured[index].result.as_ref().err().expect("it fails");
            assert_eq!(error.to_string(), "it is tired");
        }
    }

    #[test]
    fn the_median_is_that_of_the_rounds() {
        let round = |times: &[u64]| {
            times
                .iter()
                .map(|&time| Duration::from_micros(time))
                .collect()
        };
        let timing = summarize(&[round(&[1, 2, 3]), round(&[10, 20]), round(&[4])]);
        assert_eq!(timing.round_medians_us, [2.0, 15.0, 4.0]);
        assert_eq!(timing.median_us, 4.0);
        assert_eq!((timing.minimum_us, timing.maximum_us), (1.0, 20.0));
        assert_eq!(timing.calls, 6);
    }
}
