//! Measuring: rounds in which contenders take turns.
//!
//! ```text
//!  round 1:  A A A A ... | B B B ... | C C C C C ...     each for the plan's time of a round
//!  round 2:  A A A ...   | B B B ... | C C C C ...
//!  ...                                                   median of each round, median of those
//! ```
//!
//! A turn is as many calls one after the other as fit, or as many requests as arrive meanwhile
//! ([`Contender::serve`]). The counters of energy are read around each.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use crate::energy::{Account, Meter};
use crate::rate::{self, Served};
use crate::report::{Energy, Timing};
use crate::statistics::summarize;

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

    /// Computes the batch again and again until `limit` has passed, once at least. Whoever computes
    /// in another process counts there, so that the way to it is not measured.
    ///
    /// # Errors
    /// Why a batch was not computed.
    fn turn(&mut self, limit: Duration) -> Result<Vec<Duration>, ContenderError> {
        let mut calls = Vec::new();
        let begin = Instant::now();
        let mut last = begin;
        loop {
            self.compute()?;
            let now = Instant::now();
            calls.push(now - last);
            last = now;
            if now - begin >= limit {
                return Ok(calls);
            }
        }
    }

    /// Computes the prepared batch once for each of these arrivals (times from the beginning), one
    /// after the other in their order. Gives up when one is later than `bound`.
    ///
    /// # Errors
    /// Why a request was not computed.
    fn serve(&mut self, arrivals: &[Duration], bound: Duration) -> Result<Served, ContenderError> {
        rate::one_at_a_time(arrivals, bound, || self.compute())
    }

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
pub(crate) struct Measured<T> {
    pub(crate) name: String,
    pub(crate) result: Result<T, ContenderError>,
}

/// Times and output of one contender for one batch size.
pub(crate) struct Batches {
    pub(crate) timing: Timing,
    pub(crate) energy: Option<Energy>,
    /// The calls of each round.
    pub(crate) rounds: Vec<Vec<Duration>>,
    pub(crate) outputs: Vec<i8>,
}

/// Measures all contenders on the same batch. One that fails doesn't keep the others.
pub(crate) fn measure(
    contenders: &mut [Box<dyn Contender>],
    rows: &[i8],
    count: usize,
    plan: Plan,
    meter: Option<&Meter>,
    progress: impl FnMut(),
) -> Vec<Measured<Batches>> {
    let turn = |contender: &mut dyn Contender, _| contender.turn(plan.turn);
    take_turns(contenders, rows, count, plan.rounds, meter, turn, progress)
        .into_iter()
        .zip(contenders)
        .map(|(one, contender)| Measured {
            name: one.name,
            result: one.result.and_then(|Turns { rounds, account }| {
                let calls: usize = rounds.iter().map(Vec::len).sum();
                Ok(Batches {
                    timing: summarize(&rounds),
                    energy: account.energy(calls * count),
                    rounds,
                    outputs: contender.outputs()?,
                })
            }),
        })
        .collect()
}

/// What the turns of one contender gave, and what they used.
pub(crate) struct Turns<'m, T> {
    pub(crate) rounds: Vec<T>,
    pub(crate) account: Account<'m>,
}

/// Prepares all contenders, and lets each have its turn in every round.
pub(crate) fn take_turns<'m, T>(
    contenders: &mut [Box<dyn Contender>],
    rows: &[i8],
    count: usize,
    rounds: usize,
    meter: Option<&'m Meter>,
    mut turn: impl FnMut(&mut dyn Contender, usize) -> Result<T, ContenderError>,
    mut progress: impl FnMut(),
) -> Vec<Measured<Turns<'m, T>>> {
    let mut all: Vec<Measured<Turns<'m, T>>> = contenders
        .iter_mut()
        .map(|contender| Measured {
            name: contender.name().to_owned(),
            result: warm_up(contender.as_mut(), rows, count).map(|()| Turns {
                rounds: Vec::new(),
                account: Account::new(meter),
            }),
        })
        .collect();
    for round in 0..rounds.max(1) {
        for (contender, one) in contenders.iter_mut().zip(&mut all) {
            let Ok(turns) = &mut one.result else { continue };
            thread::sleep(SETTLE);
            let work = || turn(contender.as_mut(), round);
            match turns.account.around(work) {
                Ok(result) => turns.rounds.push(result),
                Err(error) => one.result = Err(error),
            }
        }
        progress();
    }
    all
}

fn warm_up(contender: &mut dyn Contender, rows: &[i8], count: usize) -> Result<(), ContenderError> {
    contender.prepare(rows, count)?;
    for _ in 0..WARM_UP_CALLS {
        contender.compute()?;
    }
    Ok(())
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
        let measured = measure(&mut contenders, &[], 1, plan, None, || rounds += 1);
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
}
