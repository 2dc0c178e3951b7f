//! A model's optional `config.toml`, and what a load request may put in its place.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use systole_host::serving::BatchingOptions;

use super::RepositoryError;

/// How a model is served. Everything has a default.
///
/// ```toml
/// max_batch = 64        # rows that are computed together, at most
/// max_wait = "0s"       # how long a request may wait for others while a processor is free
/// queue = 1024          # requests that may wait; others are refused at once
/// timeout = "2s"        # deadline of requests that name none; none by default
/// versions = "latest"   # or "all", or a list of numbers
/// golden_steps = 0      # steps of the output that golden outputs may be away
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Rows of a batch.
    pub max_batch: usize,
    /// How long a request may wait for others.
    #[serde(deserialize_with = "duration")]
    pub max_wait: Duration,
    /// Requests that may wait.
    pub queue: usize,
    /// Deadline of requests that name none.
    #[serde(deserialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
    /// Which versions are served.
    pub versions: VersionPolicy,
    /// Steps of the output that golden outputs may be away.
    pub golden_steps: u8,
}

/// Which versions of a model are served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", untagged)]
pub enum VersionPolicy {
    /// The one with the greatest number, or the next one if that can't be loaded.
    #[default]
    #[serde(deserialize_with = "latest")]
    Latest,
    /// All of them.
    #[serde(deserialize_with = "all")]
    All,
    /// These.
    Specific(Vec<u32>),
}

impl Default for ModelConfig {
    fn default() -> Self {
        let batching = BatchingOptions::default();
        Self {
            max_batch: batching.rows,
            max_wait: batching.wait,
            queue: batching.queue,
            timeout: None,
            versions: VersionPolicy::Latest,
            golden_steps: 0,
        }
    }
}

impl ModelConfig {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<ModelConfig, RepositoryError> {
        let text = std::fs::read_to_string(path).map_err(|source| RepositoryError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| RepositoryError::Config {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// How batches form.
    pub(super) fn batching(&self) -> BatchingOptions {
        BatchingOptions {
            rows: self.max_batch,
            wait: self.max_wait,
            queue: self.queue,
        }
    }

    /// Changes it as the `config` of a load request says: Triton's model configuration as JSON, of which
    /// `version_policy`, `max_batch_size` and `dynamic_batching.max_queue_delay_microseconds` count.
    pub(super) fn override_with(&mut self, json: &str) -> Result<(), RepositoryError> {
        let triton: TritonConfig = serde_json::from_str(json)
            .map_err(|error| RepositoryError::Override(error.to_string()))?;
        if let Some(policy) = triton.version_policy {
            self.versions = match policy {
                TritonPolicy {
                    specific: Some(specific),
                    ..
                } => VersionPolicy::Specific(specific.versions),
                TritonPolicy { all: Some(_), .. } => VersionPolicy::All,
                TritonPolicy { .. } => VersionPolicy::Latest,
            };
        }
        if let Some(rows) = triton.max_batch_size.filter(|&rows| rows > 0) {
            self.max_batch = rows;
        }
        if let Some(batching) = triton.dynamic_batching {
            self.max_wait = Duration::from_micros(batching.max_queue_delay_microseconds);
        }
        Ok(())
    }
}

/// The fields of Triton's configuration that have a meaning here; the others are left alone.
#[derive(Deserialize)]
struct TritonConfig {
    version_policy: Option<TritonPolicy>,
    max_batch_size: Option<usize>,
    dynamic_batching: Option<TritonBatching>,
}

#[derive(Deserialize)]
struct TritonPolicy {
    specific: Option<TritonVersions>,
    all: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct TritonVersions {
    versions: Vec<u32>,
}

#[derive(Deserialize)]
struct TritonBatching {
    #[serde(default)]
    max_queue_delay_microseconds: u64,
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!(
            "{text:?} is no time such as \"500us\" or \"2s\": {error}"
        ))
    })
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn latest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    word(deserializer, "latest")
}

fn all<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    word(deserializer, "all")
}

fn word<'de, D: serde::Deserializer<'de>>(deserializer: D, word: &str) -> Result<(), D::Error> {
    match String::deserialize(deserializer)? {
        text if text == word => Ok(()),
        text => Err(serde::de::Error::custom(format!(
            "{text:?} is not {word:?}"
        ))),
    }
}
