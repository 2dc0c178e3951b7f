//! Latency at a given rate: requests of one row arrive by themselves, whether or not the last one has
//! been answered.
//!
//! ```text
//!  arrivals    |  |     | |||      |   |        fixed beforehand: Poisson, the same for everybody
//!              v  v     v vvv      v   v
//!  computing   [--][--] [--][--][--][--]
//!                            <------->          latency: from the moment that was fixed to the answer
//! ```
//!
//! A contender that falls behind makes its requests late, not rare, so what waits is in the figures
//! (no coordinated omission). A rate is held if answers keep up with arrivals; where they don't,
//! latencies would grow for as long as one measures, so there is no figure but the rate reached.

mod arrivals;
mod load;
mod serving;
mod simulation;
mod verdict;

use std::time::Duration;

pub(crate) use arrivals::arrivals;
pub(crate) use load::{one_at_a_time, wait_until};
pub(crate) use serving::Serving;
pub(crate) use simulation::BatchTimes;
pub(crate) use verdict::judge;

/// What became of the requests of one turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Served {
    /// Latency of each request that was answered.
    pub latencies: Vec<Duration>,
    /// From the beginning of the turn to the last answer.
    pub elapsed: Duration,
    /// Requests that were not answered: refused, or given up.
    pub dropped: usize,
}
