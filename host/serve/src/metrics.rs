//! Metrics for Prometheus: counters are read when they are asked for, histograms are filled as requests
//! are answered.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

/// Histograms of one version's requests, in seconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From the request's head to its answer.
    pub request: Histogram,
    /// Waiting for a processor.
    pub queue: Histogram,
    /// Computing, with the batch.
    pub compute: Histogram,
    /// In the server outside the queue and the model.
    pub overhead: Histogram,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = || Histogram::new(BOUNDS);
        Latencies {
            request: histogram(),
            queue: histogram(),
            compute: histogram(),
            overhead: histogram(),
        }
    }
}

impl Latencies {
    /// A request was answered.
    pub fn observe(&self, request: Duration, queue: Duration, compute: Duration) {
        let overhead = request.saturating_sub(queue).saturating_sub(compute);
        self.request.observe(request.as_secs_f64());
        self.queue.observe(queue.as_secs_f64());
        self.compute.observe(compute.as_secs_f64());
        self.overhead.observe(overhead.as_secs_f64());
    }
}

/// Upper bounds of the histograms' buckets: a microsecond to ten seconds.
const BOUNDS: [f64; 22] = [
    1e-6, 2e-6, 5e-6, 10e-6, 20e-6, 30e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3,
    20e-3, 50e-3, 0.1, 0.2, 0.5, 1.0, 5.0, 10.0,
];

/// Errors by model and cause, and the last ones.
#[derive(Debug, Default)]
pub struct Errors(std::sync::Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    counts: std::collections::BTreeMap<(String, &'static str), u64>,
    recent: std::collections::VecDeque<RecentError>,
}

/// An error that a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentError {
    /// When.
    pub time: std::time::SystemTime,
    /// The model, if it was one that is served.
    pub model: String,
    /// The cause as metrics name it.
    pub cause: &'static str,
    /// What the caller was told.
    pub text: String,
}

/// Errors that are kept for people.
const RECENT: usize = 50;

/// Longest text that is kept of one, in characters.
const TEXT: usize = 300;

impl Errors {
    /// Counts one. Only names of models that are there make counters of their own.
    pub(crate) fn count(&self, model: &str, error: &crate::ServeError) {
        let model = match error.code() {
            crate::Code::NotFound => "",
            _ => model,
        };
        let mut counted = self.lock();
        let count = counted.counts.entry((model.to_owned(), error.cause()));
        *count.or_default() += 1;
        if counted.recent.len() == RECENT {
            counted.recent.pop_front();
        }
        counted.recent.push_back(RecentError {
            time: std::time::SystemTime::now(),
            model: model.to_owned(),
            cause: error.cause(),
            text: error.to_string().chars().take(TEXT).collect(),
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
