//! Rows of the page's tables. Each has the kind of its figures first.

use crate::criterion::Estimate;
use crate::report::{Agreement, Energy, Figure, Kind, Measurement, RateFigure, Simulation};

/// What is not known.
const NONE: &str = "–";

/// A number with four digits that count, or as many as stand before the point.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    let digits = value.abs().max(1e-9).log10().floor() as i32;
    let text = format!("{value:.0$}", (3 - digits).clamp(0, 6) as usize);
    grouped(&text)
}

/// Thousands apart from each other.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |rest| ("-", rest));
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if !rest.is_empty() {
        grouped.push('.');
        grouped.push_str(rest);
    }
    grouped
}

fn count(value: impl TryInto<u64>) -> String {
    value
        .try_into()
        .map_or_else(|_| NONE.into(), |value| grouped(&value.to_string()))
}

fn known(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.into(), number)
}

/// Joules for 1,000 rows, and watts.
fn energy(energy: Option<Energy>) -> [String; 2] {
    [
        known(energy.map(|energy| energy.joules_per_1000_rows)),
        known(energy.map(|energy| energy.watts)),
    ]
}

/// A contender with a batch.
pub(super) struct BatchRow {
    pub(super) kind: Kind,
    pub(super) contender: String,
    /// Median, 10, 90 and 99 of 100, greatest; then the median for a row.
    pub(super) times: [String; 6],
    pub(super) rows_per_second: String,
    pub(super) energy: [String; 2],
}

impl BatchRow {
    pub(super) fn new(figure: &Figure<'_>) -> BatchRow {
        let timing = figure.timing;
        BatchRow {
            kind: figure.kind,
            contender: figure.contender.to_owned(),
            times: [
                number(figure.median_us),
                known(timing.map(|timing| timing.p10_us)),
                known(timing.map(|timing| timing.p90_us)),
                known(timing.map(|timing| timing.p99_us)),
                known(timing.map(|timing| timing.maximum_us)),
                number(figure.median_us / figure.batch as f64),
            ],
            rows_per_second: number(figure.rows_per_second),
            energy: energy(figure.energy),
        }
    }
}

/// Where a device's simulated time comes from.
pub(super) struct DeviceRow {
    pub(super) kind: Kind,
    pub(super) contender: String,
    pub(super) batch: String,
    pub(super) cycles: String,
    pub(super) clock_mhz: String,
    pub(super) link_us: String,
    pub(super) useful_percent: String,
}

impl DeviceRow {
    pub(super) fn new(simulation: &Simulation) -> DeviceRow {
        let mut cycles = simulation.cycles.clone();
        cycles.sort_unstable();
        cycles.dedup();
        DeviceRow {
            kind: simulation.kind,
            contender: simulation.contender.clone(),
            batch: count(simulation.batch),
            cycles: match &cycles[..] {
                [first, .., last] => format!("{} to {}", count(*first), count(*last)),
                [only] => count(*only),
                [] => NONE.into(),
            },
            clock_mhz: number(f64::from(simulation.clock_khz) / 1e3),
            link_us: number(simulation.link_us),
            useful_percent: number(simulation.utilization * 100.0),
        }
    }
}

/// A contender at a rate.
pub(super) struct RateRow {
    pub(super) kind: Kind,
    pub(super) contender: String,
    pub(super) rate: String,
    /// `None` where the rate was not held. Median, 10, 90 and 99 of 100, greatest.
    pub(super) times: Option<[String; 5]>,
    pub(super) held: bool,
    pub(super) reached: String,
    pub(super) dropped: String,
    pub(super) energy: [String; 2],
}

impl RateRow {
    pub(super) fn new(figure: &RateFigure) -> RateRow {
        RateRow {
            kind: figure.kind,
            contender: figure.contender.clone(),
            rate: number(figure.rate),
            times: figure.latency.as_ref().map(|latency| {
                [
                    latency.median_us,
                    latency.p10_us,
                    latency.p90_us,
                    latency.p99_us,
                    latency.maximum_us,
                ]
                .map(number)
            }),
            held: figure.held,
            reached: number(figure.reached),
            dropped: count(figure.dropped),
            energy: energy(figure.energy),
        }
    }
}

/// How a contender's outputs compare.
pub(super) struct AgreementRow {
    pub(super) kind: Kind,
    pub(super) contender: String,
    pub(super) batch: String,
    pub(super) values: String,
    pub(super) differing: String,
    pub(super) greatest: String,
}

impl AgreementRow {
    pub(super) fn new(agreement: &Agreement) -> AgreementRow {
        AgreementRow {
            kind: agreement.kind,
            contender: agreement.contender.clone(),
            batch: count(agreement.batch),
            values: count(agreement.values),
            differing: count(agreement.differing),
            greatest: count(agreement.greatest_difference),
        }
    }
}

/// A round trip without a device's time, in nanoseconds.
pub(super) struct RoundTripRow {
    pub(super) kind: Kind,
    pub(super) contender: String,
    /// Median, 10, 90 and 99 of 100, greatest.
    pub(super) times: [String; 5],
}

impl RoundTripRow {
    pub(super) fn new(measurement: &Measurement) -> RoundTripRow {
        let timing = &measurement.timing;
        RoundTripRow {
            kind: measurement.kind,
            contender: measurement.contender.clone(),
            times: [
                timing.median_us,
                timing.p10_us,
                timing.p90_us,
                timing.p99_us,
                timing.maximum_us,
            ]
            .map(|microseconds| number(microseconds * 1e3)),
        }
    }
}

/// An inner part, in nanoseconds.
pub(super) struct InnerRow {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) estimate: String,
    pub(super) interval: String,
    pub(super) per_second: String,
}

impl InnerRow {
    pub(super) fn new(estimate: &Estimate) -> InnerRow {
        let [low, high] = estimate.interval_ns.map(number);
        let percent = number(estimate.confidence * 100.0);
        InnerRow {
            kind: estimate.kind,
            name: estimate.name.clone(),
            estimate: number(estimate.estimate_ns),
            interval: format!("{low} to {high} ({percent} %)"),
            per_second: match (estimate.per_second, estimate.unit) {
                (Some(rate), Some(unit)) => format!("{} {unit}", number(rate)),
                _ => NONE.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_what_counts() {
        let shown = [0.0, 0.012_345, 2.5, 31.249, 3125.4, 1_234_567.8, -1234.5].map(number);
        let expected = [
            "0.000000",
            "0.01235",
            "2.500",
            "31.25",
            "3,125",
            "1,234,568",
            "-1,234",
        ];
        assert_eq!(shown, expected);
        assert_eq!(number(f64::NAN), NONE);
        assert_eq!(number(f64::INFINITY), NONE);
    }
}
