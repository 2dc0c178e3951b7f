//! Errors that callers were told: counted by model and cause, and the last ones kept for people.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::{Code, ServeError};

/// Errors by model and cause, and the last ones.
#[derive(Debug, Default)]
pub struct Errors(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    counts: BTreeMap<(String, &'static str), u64>,
    recent: VecDeque<RecentError>,
}

/// An error that a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentError {
    /// When.
    pub time: SystemTime,
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
    pub(crate) fn count(&self, model: &str, error: &ServeError) {
        let model = match error.code() {
            Code::NotFound => "",
            _ => model,
        };
        let mut counted = self.lock();
        let count = counted.counts.entry((model.to_owned(), error.cause()));
        *count.or_default() += 1;
        if counted.recent.len() == RECENT {
            counted.recent.pop_front();
        }
        counted.recent.push_back(RecentError {
            time: SystemTime::now(),
            model: model.to_owned(),
            cause: error.cause(),
            text: error.to_string().chars().take(TEXT).collect(),
        });
    }

    /// How many there were, by model and cause.
    pub fn counts(&self) -> BTreeMap<(String, &'static str), u64> {
        self.lock().counts.clone()
    }

    /// The last ones, the newest first.
    pub fn recent(&self) -> Vec<RecentError> {
        self.lock().recent.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
