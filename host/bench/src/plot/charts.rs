//! The plots of a report. There is none where there is nothing to draw.

use super::{Axis, Plot, PlotError, Series};
use crate::report::{Figure, Kind, Report, Timing};

/// Median time of a batch over its size.
pub(crate) fn times(report: &Report) -> Result<Option<String>, PlotError> {
    over_batches(report, "microseconds", |figure| figure.median_us)
}

/// Rows in a second over the batch size.
pub(crate) fn throughputs(report: &Report) -> Result<Option<String>, PlotError> {
    over_batches(report, "rows in a second", |figure| figure.rows_per_second)
}

fn over_batches(
    report: &Report,
    y_name: &'static str,
    value: impl Fn(&Figure<'_>) -> f64,
) -> Result<Option<String>, PlotError> {
    let figures = report.figures();
    let points = figures.iter().map(|one| {
        let point = (one.batch as f64, value(one));
        (one.contender, one.kind, point)
    });
    let sizes: Vec<f64> = report.batches().iter().map(|&size| size as f64).collect();
    lines(report, points, &sizes, "rows of a batch", y_name)
}

/// A latency over the rate, where that was held.
pub(crate) fn latencies(
    report: &Report,
    y_name: &'static str,
    value: impl Fn(&Timing) -> f64,
) -> Result<Option<String>, PlotError> {
    let points = report.rates.iter().filter_map(|one| {
        let latency = value(one.latency.as_ref()?);
        Some((one.contender.as_str(), one.kind, (one.rate, latency)))
    });
    let mut rates: Vec<f64> = report.rates.iter().map(|one| one.rate).collect();
    rates.dedup();
    lines(
        report,
        points,
        &rates,
        "rows that arrive in a second",
        y_name,
    )
}

/// How many of the calls with a batch are done within a time; a simulated time is the same for all.
pub(crate) fn distribution(report: &Report, batch: usize) -> Result<Option<String>, PlotError> {
    let figures = report.figures();
    let points = figures
        .iter()
        .filter(|one| one.batch == batch)
        .flat_map(|one| {
            let points: Vec<(f64, f64)> = match one.timing {
                Some(timing) => timing
                    .percentiles_us
                    .iter()
                    .copied()
                    .zip(percents())
                    .collect(),
                None => vec![(one.median_us, 0.0), (one.median_us, 100.0)],
            };
            points
                .into_iter()
                .map(|point| (one.contender, one.kind, point))
        });
    let series = series(report, points);
    let Some(x) = Axis::logarithmic(values(&series, |point| point.0)) else {
        return Ok(None);
    };
    let plot = Plot {
        x,
        y: Axis::percent(),
        x_name: "microseconds",
        y_name: "percent of the calls",
        series,
        marks: false,
    };
    plot.draw().map(Some)
}

fn percents() -> impl Iterator<Item = f64> {
    (0..=100_u8).map(f64::from)
}

/// Lines on logarithmic axes.
fn lines<'r>(
    report: &Report,
    points: impl Iterator<Item = (&'r str, Kind, (f64, f64))>,
    marks: &[f64],
    x_name: &'static str,
    y_name: &'static str,
) -> Result<Option<String>, PlotError> {
    let series = series(report, points);
    let axes = Axis::of_values(marks).zip(Axis::logarithmic(values(&series, |point| point.1)));
    let Some((x, y)) = axes else {
        return Ok(None);
    };
    let plot = Plot {
        x,
        y,
        x_name,
        y_name,
        series,
        marks: true,
    };
    plot.draw().map(Some)
}

fn values(series: &[Series], value: impl Fn(&(f64, f64)) -> f64) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|one| &one.points).map(value)
}

/// Points by contender. Times of 0 are left out: a logarithmic axis has no place for them.
fn series<'r>(
    report: &Report,
    points: impl Iterator<Item = (&'r str, Kind, (f64, f64))>,
) -> Vec<Series> {
    let mut all: Vec<Series> = report
        .contenders()
        .into_iter()
        .enumerate()
        .map(|(place, (name, kind))| Series {
            name: name.to_owned(),
            kind,
            place,
            points: Vec::new(),
        })
        .collect();
    for (name, kind, point) in points.filter(|(.., point)| point.0 > 0.0) {
        let own = all
            .iter_mut()
            .find(|one| one.name == name && one.kind == kind);
        if let Some(own) = own {
            own.points.push(point);
        }
    }
    all.retain(|one| !one.points.is_empty());
    all
}
