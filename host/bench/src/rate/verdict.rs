//! Whether a rate was held.

use std::time::Duration;

use super::Served;

/// Part of the arrivals' rate that answers must reach. What is below is no chance: with turns of some
/// hundred requests, a queue that is stable ends a turn within a few of them.
const KEEPS_UP: f64 = 0.95;

/// What the turns at one rate say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// Whether answers kept up with arrivals.
    pub(crate) held: bool,
    /// Answers a second.
    pub(crate) reached: f64,
}

/// Judges turns of the same length. The time after it, in which a contender works off what has piled
/// up, counts too, so one that piles up requests reaches less than what arrives. The least latency,
/// about what one request takes, does not: somebody always arrives last.
pub(crate) fn judge(turns: &[Served], length: Duration) -> Verdict {
    let answered: usize = turns.iter().map(|turn| turn.latencies.len()).sum();
    let dropped: usize = turns.iter().map(|turn| turn.dropped).sum();
    let elapsed: Duration = turns.iter().map(|turn| time_of(turn).max(length)).sum();
    let per_second = |requests: usize, time: Duration| {
        let seconds = time.as_secs_f64();
        if seconds > 0.0 {
            requests as f64 / seconds
        } else {
            0.0
        }
    };
    let reached = per_second(answered, elapsed);
    let arrived = per_second(answered + dropped, length * turns.len() as u32);
    Verdict {
        held: dropped == 0 && reached >= KEEPS_UP * arrived,
        reached,
    }
}

fn time_of(turn: &Served) -> Duration {
    let one = turn.latencies.iter().min().copied().unwrap_or_default();
    turn.elapsed.saturating_sub(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn turn(answered: usize, elapsed: f64, dropped: usize) -> Served {
        Served {
            latencies: vec![Duration::ZERO; answered],
            elapsed: Duration::from_secs_f64(elapsed),
            dropped,
        }
    }

    #[test]
    fn answers_that_keep_up_hold_the_rate() {
        let verdict = judge(&[turn(90, 0.9, 0), turn(110, 1.02, 0)], SECOND);
        assert!(verdict.held);
        assert!((verdict.reached - 200.0 / 2.02).abs() < 1e-9);
    }

    #[test]
    fn a_pile_that_is_worked_off_later_is_not_held() {
        let verdict = judge(&[turn(100, 1.25, 0)], SECOND);
        assert_eq!(
            verdict,
            Verdict {
                held: false,
                reached: 80.0
            }
        );
    }

    #[test]
    fn whoever_arrives_last_has_time_to_be_computed() {
        let latencies = vec![Duration::from_millis(250); 3];
        let elapsed = Duration::from_millis(1240);
        let slow = Served {
            latencies,
            elapsed,
            dropped: 0,
        };
        assert!(judge(&[slow], SECOND).held);
    }

    #[test]
    fn one_dropped_request_is_one_too_many() {
        assert!(!judge(&[turn(100, 1.0, 1)], SECOND).held);
    }

    #[test]
    fn a_rate_at_which_nothing_arrived_is_held() {
        assert_eq!(
            judge(&[turn(0, 0.0, 0)], SECOND),
            Verdict {
                held: true,
                reached: 0.0
            }
        );
        assert!(judge(&[], SECOND).held);
    }
}
