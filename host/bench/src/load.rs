//! The figures at given rates: which rates, everybody's turns at each, and the devices' queues.

use std::time::Duration;

use indicatif::ProgressBar;

use crate::command::Arguments;
use crate::energy::Meter;
use crate::measure::{Contender, Plan, measure, take_turns};
use crate::rate::{BatchTimes, Served, arrivals, judge};
use crate::report::{Energy, Kind, RateFigure, Report};
use crate::statistics::summarize;

/// A rate has a turn in every so many-th round, since its turns are longer.
const ROUNDS_EACH: usize = 3;

/// Parts of what the slowest computes in a second, where no rates are given.
const PARTS_OF_SLOWEST: [f64; 3] = [0.2, 0.5, 0.8];
/// Part of what the fastest does.
const PART_OF_FASTEST: f64 = 0.5;

/// Rounds at each rate, and the time of a turn.
pub(crate) fn plan(arguments: &Arguments) -> Plan {
    Plan {
        rounds: usize::from(arguments.rounds).div_ceil(ROUNDS_EACH),
        turn: Duration::from_millis(arguments.rate_turn.into()),
    }
}

/// Measures all contenders at all rates, and simulates the devices that have times of batches.
pub(crate) fn add_rates(
    arguments: &Arguments,
    contenders: &mut [Box<dyn Contender>],
    row: &[i8],
    meter: Option<&Meter>,
    report: &mut Report,
    progress: &ProgressBar,
) {
    let plan = plan(arguments);
    let rates = match &arguments.rate[..] {
        [] => {
            let turn = Duration::from_millis(arguments.turn.into());
            let once = Plan { rounds: 1, turn };
            let measured = measure(contenders, row, 1, once, None, || {});
            let working = measured.iter().filter_map(|one| one.result.as_ref().ok());
            default_rates(working.map(|one| one.timing.median_us))
        }
        given => sorted(given.to_vec()),
    };
    progress.inc_length((rates.len() * plan.rounds) as u64);
    for &rate in &rates {
        let turns: Vec<Vec<Duration>> = (1..=plan.rounds as u64)
            .map(|round| arrivals(rate, plan.turn, round))
            .collect();
        // Who has waited for a whole turn will not catch up.
        let bound = plan.turn;
        let turn =
            |contender: &mut dyn Contender, round: usize| contender.serve(&turns[round], bound);
        let step = || progress.inc(1);
        for one in take_turns(contenders, row, 1, plan.rounds, meter, turn, step) {
            match one.result {
                Ok(turns) => {
                    let answered = turns.rounds.iter().map(|turn| turn.latencies.len()).sum();
                    let energy = turns.account.energy(answered);
                    let served = turns.rounds;
                    let figure = figure(one.name, Kind::Measured, rate, served, plan, energy);
                    report.rates.push(figure);
                }
                Err(error) => report.not_available(&one.name, Some(1), &error),
            }
        }
        for (name, times) in batch_times(report) {
            let served = turns.iter().map(|turn| times.serve(turn, bound)).collect();
            let figure = figure(name, Kind::Simulated, rate, served, plan, None);
            report.rates.push(figure);
        }
    }
}

fn figure(
    contender: String,
    kind: Kind,
    rate: f64,
    turns: Vec<Served>,
    plan: Plan,
    energy: Option<Energy>,
) -> RateFigure {
    let verdict = judge(&turns, plan.turn);
    let dropped = turns.iter().map(|turn| turn.dropped).sum();
    let rounds: Vec<Vec<Duration>> = turns.into_iter().map(|turn| turn.latencies).collect();
    let answered = rounds.iter().any(|round| !round.is_empty());
    RateFigure {
        contender,
        kind,
        rate,
        held: verdict.held,
        reached: verdict.reached,
        dropped,
        latency: (verdict.held && answered).then(|| summarize(&rounds)),
        energy,
        rounds,
    }
}

/// The simulated times of each device's batches.
fn batch_times(report: &Report) -> Vec<(String, BatchTimes)> {
    let mut names: Vec<&String> = Vec::new();
    for one in &report.simulated {
        if !names.contains(&&one.contender) {
            names.push(&one.contender);
        }
    }
    let times = |name: &&String| {
        let own = report
            .simulated
            .iter()
            .filter(|one| one.contender == **name);
        let points = own.map(|one| (one.batch, one.median_us)).collect();
        Some(((*name).clone(), BatchTimes::new(points)?))
    };
    names.iter().filter_map(times).collect()
}

/// Rates that all can hold, and one that shows who is fast, from everybody's time for one row in
/// microseconds.
fn default_rates(row_us: impl Iterator<Item = f64>) -> Vec<f64> {
    let (mut fastest, mut slowest) = (f64::INFINITY, 0.0_f64);
    for time in row_us.filter(|&time| time > 0.0) {
        fastest = fastest.min(time);
        slowest = slowest.max(time);
    }
    if slowest == 0.0 {
        return Vec::new();
    }
    let mut rates: Vec<f64> = PARTS_OF_SLOWEST.map(|part| part * 1e6 / slowest).to_vec();
    rates.push(PART_OF_FASTEST * 1e6 / fastest);
    sorted(rates.into_iter().map(rounded).collect())
}

/// Two digits, which is all that such a rate means.
fn rounded(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.max(1.0).log10().floor() - 1.0).max(1.0);
    ((rate / unit).round() * unit).max(1.0)
}

fn sorted(mut rates: Vec<f64>) -> Vec<f64> {
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_from_the_slowest_and_the_fastest() {
        let rates = default_rates([10.0, 2.5, 31.7].into_iter());
        assert_eq!(rates, [6300.0, 16_000.0, 25_000.0, 200_000.0]);
        // Alone, the slowest is the fastest; a row of a minute leaves the least rate there is.
        assert_eq!(default_rates([100.0].into_iter()), [2000.0, 5000.0, 8000.0]);
        assert_eq!(default_rates([6e7].into_iter()), [1.0]);
        assert_eq!(default_rates([0.0].into_iter()), [0.0; 0]);
    }

    #[test]
    fn a_rate_that_is_not_held_has_no_latency() {
        let plan = Plan {
            rounds: 1,
            turn: Duration::from_secs(1),
        };
        let served = |dropped| Served {
            latencies: vec![Duration::from_millis(2); 10],
            elapsed: Duration::from_secs(1),
            dropped,
        };
        let held = figure(
            "a".into(),
            Kind::Simulated,
            10.0,
            vec![served(0)],
            plan,
            None,
        );
        assert!(held.held);
        assert_eq!(held.latency.map(|latency| latency.p99_us), Some(2000.0));
        let lost = figure(
            "a".into(),
            Kind::Simulated,
            11.0,
            vec![served(1)],
            plan,
            None,
        );
        assert_eq!((lost.held, lost.dropped, lost.latency), (false, 1, None));
        assert!((lost.reached - 10.0).abs() < 0.1);
    }
}
