//! What Prometheus reads, in OpenMetrics. Nothing is kept for it: each reading asks whoever counts.

use std::fmt::{Error, Result};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use systole_host::serving::{Times, UnitState};

use super::{Histogram, Latencies};
use crate::description;
use crate::http::Shared;
use crate::repository::Version;

/// The content type of [`text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the batch sizes' buckets; a batch may have more rows only if one request has.
const BATCH_ROWS: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// All metrics, as of now.
pub(crate) fn text(app: &Shared) -> std::result::Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition(Arc::clone(app))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Exposition(Shared);

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let app = &self.0;
        let mut families = Families(encoder);
        server(&mut families, app)?;
        let versions = app.repository().all();
        let versions: Vec<_> = versions
            .iter()
            .map(|version| (&**version, version.deployment.times()))
            .collect();
        models(&mut families, &versions)?;
        histograms(&mut families, &versions)?;
        units(&mut families, &app.repository().fleet().states())
    }
}

/// Writes metrics that share a name.
struct Families<'a>(DescriptorEncoder<'a>);

/// A name without its unit and suffix, and what it means.
type Family<'a> = (&'a str, &'a str);

impl Families<'_> {
    fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        (name, help): Family<'_>,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> Result {
        let (encoder, kind) = (&mut self.0, MetricType::Counter);
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in values {
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, V, f64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        (name, help): Family<'_>,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> Result {
        let (encoder, kind) = (&mut self.0, MetricType::Gauge);
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn gauge(
        &mut self,
        family: Family<'_>,
        unit: Option<Unit>,
        value: impl EncodeGaugeValue,
    ) -> Result {
        self.gauges(family, unit, [([("", ""); 0], value)])
    }

    fn infos<L: EncodeLabelSet>(
        &mut self,
        (name, help): Family<'_>,
        values: impl IntoIterator<Item = L>,
    ) -> Result {
        let encoder = &mut self.0;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Info)?;
        for labels in values {
            family.encode_info(&labels)?;
        }
        Ok(())
    }

    fn histograms<L: EncodeLabelSet>(
        &mut self,
        (name, help): Family<'_>,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (L, f64, Vec<(f64, u64)>)>,
    ) -> Result {
        let (encoder, kind) = (&mut self.0, MetricType::Histogram);
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, sum, buckets) in values {
            let count = buckets.iter().map(|&(_, count)| count).sum();
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

fn server(families: &mut Families<'_>, app: &Shared) -> Result {
    let build = [("version", description::VERSION)];
    families.infos(("systole_build", "The server"), [build])?;
    let started = app.started.1.duration_since(UNIX_EPOCH).unwrap_or_default();
    families.gauge(
        (
            "process_start_time",
            "When the server was started, since 1970",
        ),
        Some(Unit::Seconds),
        started.as_secs_f64(),
    )?;
    families.gauge(
        ("systole_uptime", "Time since the server was started"),
        Some(Unit::Seconds),
        app.uptime().as_secs_f64(),
    )?;
    families.gauge(
        (
            "systole_ready",
            "Whether models are loaded and the server is not going down",
        ),
        None,
        u64::from(app.is_ready()),
    )?;
    families.gauge(
        (
            "systole_requests_in_progress",
            "Requests that are being read, computed or answered",
        ),
        None,
        app.requests_now() as u64,
    )?;
    families.gauge(
        ("systole_connections", "Connections that are open"),
        None,
        app.connections_now() as u64,
    )?;
    let errors = app.errors.counts();
    families.counters(
        (
            "systole_errors",
            "Errors that callers were told, by model (empty if it is none that is served) and cause",
        ),
        None,
        errors
            .iter()
            .map(|((model, cause), &count)| ([("model", &model[..]), ("cause", cause)], count)),
    )
}

type Labels<'a> = [(&'static str, &'a str); 2];

fn labels(version: &Version) -> Labels<'_> {
    [("model", &version.name), ("version", &version.number)]
}

fn models(families: &mut Families<'_>, versions: &[(&Version, Times)]) -> Result {
    families.infos(
        ("systole_model", "Versions of models that are served"),
        versions.iter().map(|(version, _)| {
            let [model, number] = labels(version);
            [model, number, ("platform", description::platform(version))]
        }),
    )?;
    let mut count = |name, help, unit, value: fn(&Times) -> f64| {
        let values = versions.iter();
        let values = values.map(|(version, times)| (labels(version), value(times)));
        families.counters((name, help), unit, values)
    };
    count(
        "systole_model_requests",
        "Requests that were computed",
        None,
        |times| times.answered.count as f64,
    )?;
    count(
        "systole_model_rows",
        "Rows of requests that were computed",
        None,
        |times| times.rows as f64,
    )?;
    count(
        "systole_model_batches",
        "Batches that were computed",
        None,
        |times| times.batches as f64,
    )?;
    count(
        "systole_model_compute",
        "Time that processors had batches of this model",
        Some(Unit::Seconds),
        |times| {
            times
                .by_size
                .values()
                .map(|count| count.time.as_secs_f64())
                .sum()
        },
    )?;
    let by_word =
        |word: &'static str, of: fn(&Times) -> &std::collections::BTreeMap<&'static str, u64>| {
            versions.iter().flat_map(move |(version, times)| {
                let [model, number] = labels(version);
                of(times)
                    .iter()
                    .map(move |(&cause, &count)| ([model, number, (word, cause)], count))
            })
        };
    families.counters(
        (
            "systole_model_refusals",
            "Requests that fitted the model and were refused, withdrawn or failed, by cause",
        ),
        None,
        by_word("cause", |times| &times.refused),
    )?;
    families.counters(
        (
            "systole_model_failovers",
            "Requests that went to another processor, by what was wrong with the first",
        ),
        None,
        by_word("reason", |times| &times.failovers),
    )?;
    let waiting = || {
        versions
            .iter()
            .map(|(version, _)| (labels(version), version.deployment.waiting()))
    };
    families.gauges(
        (
            "systole_model_waiting_requests",
            "Requests that wait for a processor",
        ),
        None,
        waiting().map(|(labels, (requests, _))| (labels, requests as u64)),
    )?;
    families.gauges(
        (
            "systole_model_waiting_rows",
            "Rows that wait for a processor",
        ),
        None,
        waiting().map(|(labels, (_, rows))| (labels, rows as u64)),
    )
}

fn histograms(families: &mut Families<'_>, versions: &[(&Version, Times)]) -> Result {
    let mut times = |name, help, of: fn(&Latencies) -> &Histogram| {
        let values = versions.iter().map(|(version, _)| {
            let read = of(&version.latencies).read();
            (labels(version), read.sum().as_secs_f64(), read.told())
        });
        families.histograms((name, help), Some(Unit::Seconds), values)
    };
    times(
        "systole_request_duration",
        "From a request's head to its answer",
        |l| &l.request,
    )?;
    times("systole_request_queue", "Waiting for a processor", |l| {
        &l.queue
    })?;
    times(
        "systole_request_compute",
        "Computing, with the batch",
        |l| &l.compute,
    )?;
    times(
        "systole_request_overhead",
        "In the server outside queue and model",
        |l| &l.overhead,
    )?;
    families.histograms(
        ("systole_batch_rows", "Rows that were computed together"),
        None,
        versions.iter().map(|(version, times)| {
            let mut buckets = BATCH_ROWS.map(|bound| (bound as f64, 0)).to_vec();
            buckets.push((f64::INFINITY, 0));
            let mut rows = 0;
            for (&size, count) in &times.by_size {
                let bucket = BATCH_ROWS.partition_point(|&bound| bound < size);
                buckets[bucket].1 += count.count;
                rows += size as u64 * count.count;
            }
            (labels(version), rows as f64, buckets)
        }),
    )
}

fn units(families: &mut Families<'_>, states: &[UnitState]) -> Result {
    // Two devices may have one name.
    let numbers: Vec<String> = (0..states.len()).map(|unit| unit.to_string()).collect();
    let units = || {
        let units = numbers.iter().zip(states);
        units.map(|(number, state)| ([("unit", &number[..]), ("device", &state.name)], state))
    };
    families.infos(
        ("systole_unit", "What computes"),
        units().map(|([number, device], state)| {
            let kind = if state.is_device { "device" } else { "cpu" };
            [number, device, ("kind", kind)]
        }),
    )?;
    families.counters(
        (
            "systole_unit_busy",
            "Time in which it had at least one batch",
        ),
        Some(Unit::Seconds),
        units().map(|(labels, state)| (labels, state.busy.as_secs_f64())),
    )?;
    families.counters(
        (
            "systole_unit_at_once",
            "Time that callers' threads have computed beside that, summed over threads",
        ),
        Some(Unit::Seconds),
        units().map(|(labels, state)| (labels, state.at_once.as_secs_f64())),
    )?;
    families.counters(
        (
            "systole_unit_recoveries",
            "How often it has failed and was brought back",
        ),
        None,
        units().map(|(labels, state)| (labels, state.recoveries)),
    )?;
    families.gauges(
        ("systole_unit_turns_in_use", "Batches that it has"),
        None,
        units().map(|(labels, state)| (labels, state.batches as u64)),
    )?;
    families.gauges(
        ("systole_unit_turns", "Batches that it can have"),
        None,
        units().map(|(labels, state)| (labels, state.turns as u64)),
    )?;
    families.gauges(
        (
            "systole_unit_lost",
            "Whether it has been given up, and for what kind of reason",
        ),
        None,
        units().map(|([number, device], state)| {
            let reason = state.lost_cause.unwrap_or_default();
            let lost = u64::from(state.lost.is_some());
            ([number, device, ("reason", reason)], lost)
        }),
    )
}
