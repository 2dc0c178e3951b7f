//! Metrics: what is counted as requests are answered, and how Prometheus reads it.
//!
//! ```text
//!  requests --> Latencies (atomics) ---+
//!  errors   --> Errors                 +--> Exposition, when /metrics is asked for --> OpenMetrics
//!  deployments, fleet: their counters -+
//! ```

mod errors;
mod exposition;
mod histogram;

use std::time::Duration;

pub use errors::{Errors, RecentError};
pub(crate) use exposition::{CONTENT_TYPE, text};
pub use histogram::{Histogram, Snapshot};

/// Histograms of one version's requests.
#[derive(Clone, Debug, Default)]
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

impl Latencies {
    /// A request was answered.
    pub fn observe(&self, request: Duration, queue: Duration, compute: Duration) {
        let overhead = request.saturating_sub(queue).saturating_sub(compute);
        self.request.observe(request);
        self.queue.observe(queue);
        self.compute.observe(compute);
        self.overhead.observe(overhead);
    }
}
