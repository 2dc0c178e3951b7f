//! Requests for somebody who computes one at a time, on the thread that also waits for them.

use std::thread;
use std::time::{Duration, Instant};

use super::Served;
use crate::measure::ContenderError;

/// A thread that sleeps may wake up this much too late; so the rest of a wait is spent awake.
const AWAKE: Duration = Duration::from_micros(200);

/// Waits until a moment, and returns within a microsecond of it.
pub(crate) fn wait_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if let Some(sleep) = left.checked_sub(AWAKE) {
        thread::sleep(sleep);
    }
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

/// Computes for each arrival in order, and gives up at one that waits for longer than `bound`.
pub(crate) fn one_at_a_time(
    arrivals: &[Duration],
    bound: Duration,
    mut compute: impl FnMut() -> Result<(), ContenderError>,
) -> Result<Served, ContenderError> {
    let mut served = Served::default();
    let begin = Instant::now();
    for (index, &arrival) in arrivals.iter().enumerate() {
        wait_until(begin + arrival);
        if begin.elapsed() - arrival > bound {
            served.dropped = arrivals.len() - index;
            break;
        }
        compute()?;
        served.elapsed = begin.elapsed();
        served.latencies.push(served.elapsed - arrival);
    }
    Ok(served)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_time_that_a_request_waits_for_others_is_in_its_latency() {
        let arrivals = [Duration::ZERO; 3];
        let served = one_at_a_time(&arrivals, Duration::MAX, || {
            thread::sleep(4 * MILLISECOND);
            Ok(())
        })
        .expect("it computes");
        assert_eq!(served.dropped, 0);
        for (latency, least) in served.latencies.iter().zip([4, 8, 12]) {
            assert!(*latency >= least * MILLISECOND, "{served:?}");
        }
        assert_eq!(served.elapsed, served.latencies[2]);
    }

    #[test]
    fn a_request_does_not_begin_before_it_arrives() {
        let served =
            one_at_a_time(&[9 * MILLISECOND], Duration::MAX, || Ok(())).expect("it computes");
        assert!(served.elapsed >= 9 * MILLISECOND);
    }

    #[test]
    fn it_gives_up_when_a_request_is_too_late() {
        let arrivals = [Duration::ZERO; 5];
        let served = one_at_a_time(&arrivals, 6 * MILLISECOND, || {
            thread::sleep(4 * MILLISECOND);
            Ok(())
        })
        .expect("it computes");
        // The third one would begin after 8 ms.
        assert!(served.latencies.len() <= 2, "{served:?}");
        assert_eq!(served.latencies.len() + served.dropped, 5);
    }

    #[test]
    fn an_error_ends_it() {
        let error = one_at_a_time(&[Duration::ZERO], Duration::MAX, || Err("tired".into()));
        assert_eq!(error.expect_err("it fails").to_string(), "tired");
    }
}
