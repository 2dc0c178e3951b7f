//! The status page: what the server does now, as JSON that the page asks for each second.
//!
//! ```text
//!  counters --each second--> window of a few readings --difference to now--> rates, percentiles
//! ```

mod page;
mod window;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use systole_host::serving::UnitState;

pub(crate) use page::{PAGE, policy};
pub(crate) use window::{Window, sample};

use crate::description;
use crate::metrics::RecentError;
use crate::repository::Version;
use crate::server::App;
use window::{Reading, VersionReading};

/// What the page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    server: ServerStatus,
    units: Vec<UnitStatus>,
    models: Vec<ModelStatus>,
    /// Models that are not served, or not as their folders say.
    complaints: Vec<Complaint>,
    errors: Vec<ErrorStatus>,
}

#[derive(Debug, Serialize)]
struct ServerStatus {
    name: &'static str,
    version: &'static str,
    ready: bool,
    uptime_seconds: f64,
    /// Requests and connections now; the one that asks is among them.
    requests: usize,
    connections: usize,
    /// Time that rates, percentiles and utilization are of.
    window_seconds: f64,
}

#[derive(Debug, Serialize)]
struct UnitStatus {
    name: String,
    kind: &'static str,
    /// Its times are not those of hardware.
    simulated: bool,
    /// Part of its time, 0 to 1.
    utilization: f64,
    batches: usize,
    turns: usize,
    recoveries: u64,
    lost: Option<String>,
    /// What its model slots hold.
    slots: Vec<Option<SlotStatus>>,
}

#[derive(Debug, Serialize)]
struct SlotStatus {
    network: String,
    version: u32,
}

#[derive(Debug, Serialize)]
struct ModelStatus {
    name: String,
    version: String,
    platform: &'static str,
    units: Vec<String>,
    requests_per_second: f64,
    rows_per_second: f64,
    /// Of requests, from head to answer; nothing if none was answered.
    p50_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    waiting_requests: usize,
    waiting_rows: usize,
    /// Rows of a batch on average; nothing if none was computed.
    batch_rows: Option<f64>,
    /// Since the version is served.
    requests: u64,
    rows: u64,
    refusals: u64,
    refusals_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Complaint {
    model: String,
    /// Whether an older version is served.
    served: bool,
    text: String,
}

#[derive(Debug, Serialize)]
struct ErrorStatus {
    time_milliseconds: u64,
    model: String,
    cause: &'static str,
    text: String,
}

impl Status {
    /// As of now.
    pub fn of(app: &App) -> Status {
        let now = Reading::of(app.repository());
        let before = app.window.before(&now);
        let started = app.started.0;
        let begin = before.as_ref().map_or(started, |before| before.at);
        let seconds = now.at.duration_since(begin).as_secs_f64().max(1e-3);
        let states = app.repository().fleet().states();
        let units = states.into_iter().enumerate();
        let units = units.map(|(index, state)| {
            let before = before.as_ref().and_then(|before| before.units.get(index));
            UnitStatus::of(state, before, seconds)
        });
        let versions = app.repository().all();
        let models = versions.iter().filter_map(|version| {
            let key = VersionReading::key(version);
            // It was served a moment ago, or will be shown in a moment.
            let reading = now.versions.get(&key)?;
            let before = before.as_ref();
            let before = before.and_then(|before| before.versions.get(&key));
            Some(ModelStatus::of(
                version,
                &reading.since(before),
                reading,
                seconds,
            ))
        });
        let complaints = app.repository().complaints();
        let complaints = complaints.iter().map(|(model, text)| Complaint {
            served: versions.iter().any(|version| version.name == *model),
            model: model.clone(),
            text: text.clone(),
        });
        let errors = app.errors.recent();
        Status {
            server: ServerStatus {
                name: description::NAME,
                version: description::VERSION,
                ready: app.is_ready(),
                uptime_seconds: app.uptime().as_secs_f64(),
                requests: app.requests_now(),
                connections: app.connections_now(),
                window_seconds: seconds,
            },
            units: units.collect(),
            models: models.collect(),
            complaints: complaints.collect(),
            errors: errors.into_iter().map(ErrorStatus::of).collect(),
        }
    }
}

impl UnitStatus {
    fn of(state: UnitState, before: Option<&window::UnitReading>, seconds: f64) -> UnitStatus {
        let before = before.copied().unwrap_or_default();
        let busy = state.busy.saturating_sub(before.busy).as_secs_f64();
        let at_once = state.at_once.saturating_sub(before.at_once).as_secs_f64();
        let used = busy + at_once / state.turns as f64;
        let kind = state.name.split(':').next();
        UnitStatus {
            simulated: matches!(kind, Some("sim" | "model")),
            kind: if state.is_device { "device" } else { "cpu" },
            utilization: (used / seconds).min(1.0),
            batches: state.batches,
            turns: state.turns,
            recoveries: state.recoveries,
            lost: state.lost,
            slots: state
                .slots
                .into_iter()
                .map(|slot| {
                    slot.map(|slot| SlotStatus {
                        network: slot.name,
                        version: slot.version,
                    })
                })
                .collect(),
            name: state.name,
        }
    }
}

impl ModelStatus {
    fn of(
        version: &Version,
        added: &VersionReading,
        total: &VersionReading,
        seconds: f64,
    ) -> ModelStatus {
        let (waiting_requests, waiting_rows) = version.deployment.waiting();
        let quantile = |part| {
            let time = added.latencies.quantile(part);
            time.map(|time| time.as_secs_f64())
        };
        ModelStatus {
            name: version.name.clone(),
            version: version.number.clone(),
            platform: description::platform(version),
            units: version.deployment.units(),
            requests_per_second: added.requests as f64 / seconds,
            rows_per_second: added.rows as f64 / seconds,
            p50_seconds: quantile(0.5),
            p99_seconds: quantile(0.99),
            waiting_requests,
            waiting_rows,
            batch_rows: (added.batches > 0)
                .then(|| added.batched_rows as f64 / added.batches as f64),
            requests: total.requests,
            rows: total.rows,
            refusals: total.refusals,
            refusals_per_second: added.refusals as f64 / seconds,
        }
    }
}

impl ErrorStatus {
    fn of(error: RecentError) -> ErrorStatus {
        ErrorStatus {
            time_milliseconds: milliseconds(error.time),
            model: error.model,
            cause: error.cause,
            text: error.text,
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
