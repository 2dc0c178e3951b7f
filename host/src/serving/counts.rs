//! What a deployment has done, in numbers that only grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Refusal;
use super::request::{RequestError, Timing};

/// How often something happened, and the time it took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often.
    pub count: u64,
    /// Sum of the times.
    pub time: Duration,
}

/// A [`Count`] that threads add to.
#[derive(Debug, Default)]
struct Sum {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Sum {
    fn add(&self, count: u64, time: Duration) {
        self.count.fetch_add(count, Ordering::Relaxed);
        // 584 years of computing fit.
        self.nanoseconds
            .fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    fn read(&self) -> Count {
        Count {
            count: self.count.load(Ordering::Relaxed),
            time: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

/// The counters of one deployment.
#[derive(Debug, Default)]
pub(super) struct Counts {
    answered: Sum,
    failed: Sum,
    queued: Sum,
    computed: Sum,
    rows: AtomicU64,
    batches: AtomicU64,
    /// Milliseconds since 1970.
    last: AtomicU64,
    by_size: Mutex<BTreeMap<usize, Count>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    failovers: Mutex<BTreeMap<&'static str, u64>>,
}

/// The times of a deployment's requests, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Requests that were answered, from arrival to answer.
    pub answered: Count,
    /// Requests that were refused or failed, from arrival to that.
    pub failed: Count,
    /// Waiting of answered requests.
    pub queued: Count,
    /// Computing of answered requests.
    pub computed: Count,
    /// Rows of answered requests.
    pub rows: u64,
    /// Batches that were computed.
    pub batches: u64,
    /// When the last request was answered.
    pub last: Option<SystemTime>,
    /// For each number of rows: the batches that had so many, and the time that they took.
    pub by_size: BTreeMap<usize, Count>,
    /// Refused and failed requests by cause.
    pub refused: BTreeMap<&'static str, u64>,
    /// Requests that went to another processor, by what was wrong with the first.
    pub failovers: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// A batch was computed.
    pub fn batch(&self, rows: usize, time: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        let mut sizes = self.by_size.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sizes.entry(rows).or_default();
        count.count += 1;
        count.time += time;
    }

    /// A request was answered.
    pub fn answered(&self, rows: usize, timing: Timing) {
        self.answered.add(1, timing.queued + timing.computed);
        self.queued.add(1, timing.queued);
        self.computed.add(1, timing.computed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_millis() as u64);
        self.last.store(now, Ordering::Relaxed);
    }

    /// A request was refused or has failed.
    pub fn refused(&self, error: &RequestError, time: Duration) {
        self.failed.add(1, time);
        self.cause(error.cause());
    }

    /// A request was withdrawn.
    pub fn cancelled(&self, time: Duration) {
        self.failed.add(1, time);
        self.cause("cancelled");
    }

    /// Requests go to another processor.
    pub fn failover(&self, reason: &'static str, requests: usize) {
        let mut reasons = self
            .failovers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *reasons.entry(reason).or_default() += requests as u64;
    }

    fn cause(&self, cause: &'static str) {
        let mut causes = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *causes.entry(cause).or_default() += 1;
    }

    /// All of them, as of now.
    pub fn read(&self) -> Times {
        let last = self.last.load(Ordering::Relaxed);
        let lock = |map: &Mutex<BTreeMap<&'static str, u64>>| {
            map.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        Times {
            answered: self.answered.read(),
            failed: self.failed.read(),
            queued: self.queued.read(),
            computed: self.computed.read(),
            rows: self.rows.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            last: (last != 0).then(|| UNIX_EPOCH + Duration::from_millis(last)),
            by_size: {
                let sizes = self.by_size.lock();
                sizes.unwrap_or_else(PoisonError::into_inner).clone()
            },
            refused: lock(&self.refused),
            failovers: lock(&self.failovers),
        }
    }
}

impl RequestError {
    /// A word for metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            RequestError::Refused(Refusal::QueueFull { .. }) => "queue_full",
            RequestError::Refused(Refusal::TooLate { .. }) => "too_late",
            RequestError::Refused(Refusal::Stopped) => "stopped",
            RequestError::RowLength { .. } => "row_length",
            RequestError::Deadline { .. } => "deadline",
            RequestError::Withdrawn => "cancelled",
            RequestError::Engine(_) => "processor",
        }
    }
}
