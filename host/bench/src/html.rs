//! The page: the report for people, in one file without anything from elsewhere.
//!
//! ```text
//!  Report --> plots (SVG), rows (text) --> templates/bench.html --> bench.html
//!                                          escapes every text
//! ```

mod rows;

use askama::Template;

use crate::plot::{self, PlotError};
use crate::report::Report;
use rows::{AgreementRow, BatchRow, DeviceRow, InnerRow, RateRow, RoundTripRow};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error(transparent)]
    Plot(#[from] PlotError),
    #[error(transparent)]
    Template(#[from] askama::Error),
}

/// One batch size.
struct BatchSection {
    batch: usize,
    rows: Vec<BatchRow>,
    distribution: Option<String>,
}

/// What the template shows. Plots are the only values that are not escaped.
#[derive(Template)]
#[template(path = "bench.html")]
struct Page<'r> {
    report: &'r Report,
    is_busy: bool,
    times: Option<String>,
    throughputs: Option<String>,
    batches: Vec<BatchSection>,
    has_energy: bool,
    devices: Vec<DeviceRow>,
    rates: Vec<RateRow>,
    medians: Option<String>,
    tails: Option<String>,
    agreement: Vec<AgreementRow>,
    overhead: Vec<RoundTripRow>,
    inner: Vec<InnerRow>,
}

/// The page of a report.
pub(crate) fn page(report: &Report) -> Result<String, PageError> {
    let mut batches = Vec::new();
    for batch in report.batches() {
        let figures = report.figures();
        let figures = figures.iter().filter(|one| one.batch == batch);
        batches.push(BatchSection {
            batch,
            rows: figures.map(BatchRow::new).collect(),
            distribution: plot::distribution(report, batch)?,
        });
    }
    let page = Page {
        report,
        is_busy: report.machine.is_busy(),
        times: plot::times(report)?,
        throughputs: plot::throughputs(report)?,
        batches,
        has_energy: report.energy.reason.is_none(),
        devices: report.simulated.iter().map(DeviceRow::new).collect(),
        rates: report.rates.iter().map(RateRow::new).collect(),
        medians: plot::latencies(report, "median latency, microseconds", |one| one.median_us)?,
        tails: plot::latencies(report, "latency of 99 of 100, microseconds", |one| {
            one.p99_us
        })?,
        agreement: report.agreement.iter().map(AgreementRow::new).collect(),
        overhead: report.overhead.iter().map(RoundTripRow::new).collect(),
        inner: report.criterion.iter().map(InnerRow::new).collect(),
    };
    Ok(page.render()?)
}

#[cfg(test)]
mod tests;
