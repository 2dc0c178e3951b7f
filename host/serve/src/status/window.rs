//! Readings of the counters of the last seconds, from which rates come.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Snapshot;
use crate::repository::{Repository, Version};
use crate::server::App;

/// Time between two readings.
const PERIOD: Duration = Duration::from_secs(1);

/// Readings that are kept: rates are of about five seconds.
const READINGS: usize = 6;

/// The last readings.
#[derive(Debug, Default)]
pub(crate) struct Window(Mutex<VecDeque<Reading>>);

/// The counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub at: Instant,
    pub versions: HashMap<Key, VersionReading>,
    pub units: Vec<UnitReading>,
}

/// A model and a version. If that is loaded again, it counts from nothing.
type Key = (String, u32);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnitReading {
    pub busy: Duration,
    pub at_once: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct VersionReading {
    pub requests: u64,
    pub rows: u64,
    pub batches: u64,
    pub batched_rows: u64,
    pub refusals: u64,
    pub latencies: Snapshot,
}

impl Reading {
    /// As of now.
    pub fn of(repository: &Repository) -> Reading {
        let versions = repository.all();
        let versions = versions
            .iter()
            .map(|version| (VersionReading::key(version), VersionReading::of(version)));
        let units = repository.fleet().states().into_iter();
        Reading {
            at: Instant::now(),
            versions: versions.collect(),
            units: units
                .map(|state| UnitReading {
                    busy: state.busy,
                    at_once: state.at_once,
                })
                .collect(),
        }
    }
}

impl VersionReading {
    pub fn key(version: &Version) -> Key {
        (version.name.clone(), version.deployment.version())
    }

    fn of(version: &Version) -> VersionReading {
        let times = version.deployment.times();
        let sizes = times.by_size.iter();
        VersionReading {
            requests: times.answered.count,
            rows: times.rows,
            batches: times.batches,
            batched_rows: sizes.map(|(&size, count)| size as u64 * count.count).sum(),
            refusals: times.refused.values().sum(),
            latencies: version.latencies.request.read(),
        }
    }

    /// What was added since; all of it if there was nothing, or something that had more.
    pub fn since(&self, before: Option<&VersionReading>) -> VersionReading {
        let Some(before) = before.filter(|before| before.requests <= self.requests) else {
            return self.clone();
        };
        VersionReading {
            requests: self.requests - before.requests,
            rows: self.rows.saturating_sub(before.rows),
            batches: self.batches.saturating_sub(before.batches),
            batched_rows: self.batched_rows.saturating_sub(before.batched_rows),
            refusals: self.refusals.saturating_sub(before.refusals),
            latencies: self.latencies.since(&before.latencies),
        }
    }
}

impl Window {
    /// The reading to compare with: the oldest that is kept, and older than a moment.
    pub fn before(&self, now: &Reading) -> Option<Reading> {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = readings.front()?;
        (now.at.duration_since(oldest.at) >= PERIOD / 2).then(|| oldest.clone())
    }

    fn push(&self, reading: Reading) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if readings.len() == READINGS {
            readings.pop_front();
        }
        readings.push_back(reading);
    }
}

/// Reads the counters each second, for ever.
pub(crate) async fn sample(app: &App) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        app.window.push(Reading::of(app.repository()));
    }
}
