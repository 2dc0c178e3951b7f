//! Measured and simulated figures side by side, each with its kind.

use super::{Energy, Kind, Report, Timing};

/// One figure, wherever it comes from.
pub(crate) struct Figure<'r> {
    pub(crate) contender: &'r str,
    pub(crate) kind: Kind,
    pub(crate) batch: usize,
    pub(crate) median_us: f64,
    pub(crate) rows_per_second: f64,
    /// The whole distribution, if it was measured.
    pub(crate) timing: Option<&'r Timing>,
    pub(crate) energy: Option<Energy>,
}

impl Report {
    /// Every figure, measured ones first.
    pub(crate) fn figures(&self) -> Vec<Figure<'_>> {
        let measured = self.measured.iter().map(|one| Figure {
            contender: &one.contender,
            kind: one.kind,
            batch: one.batch,
            median_us: one.timing.median_us,
            rows_per_second: one.rows_per_second,
            timing: Some(&one.timing),
            energy: one.energy,
        });
        let simulated = self.simulated.iter().map(|one| Figure {
            contender: &one.contender,
            kind: one.kind,
            batch: one.batch,
            median_us: one.median_us,
            rows_per_second: one.rows_per_second,
            timing: None,
            energy: None,
        });
        measured.chain(simulated).collect()
    }

    /// Batch sizes of the figures, rising.
    pub(crate) fn batches(&self) -> Vec<usize> {
        let mut batches: Vec<usize> = self.figures().iter().map(|one| one.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        batches
    }

    /// Everybody with figures, and the kind of those, in the order of the report.
    pub(crate) fn contenders(&self) -> Vec<(&str, Kind)> {
        let mut all: Vec<(&str, Kind)> = Vec::new();
        let figures = self.figures();
        let figures = figures.iter().map(|one| (one.contender, one.kind));
        let rates = self.rates.iter();
        for one in figures.chain(rates.map(|one| (one.contender.as_str(), one.kind))) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }
}
