//! What both protocols do for calls beside inference: control of the repository, and the calls of Triton's
//! clients that have nothing to do here.

use std::sync::Arc;

use crate::error::{Code, ServeError};
use crate::http::Shared;
use crate::repository::{IndexEntry, LoadRequest, RepositoryError, is_model_name};

/// Why shared memory is refused.
pub(crate) const SHARED_MEMORY: &str =
    "shared memory is not supported by this server: send tensors in the request";

/// Why tracing can't be set by a request.
pub(crate) const TRACE_UNSUPPORTED: &str =
    "traces are set where the server is started, not by requests";

/// Why logging can't be set by a request.
pub(crate) const LOG_UNSUPPORTED: &str =
    "logging is set where the server is started, not by requests";

/// The index, away from the server's own threads.
pub(crate) async fn index(app: &Shared, ready_only: bool) -> Result<Vec<IndexEntry>, ServeError> {
    let repository = Arc::clone(app.repository());
    let mut entries = blocking(move || repository.index()).await?;
    entries.retain(|entry| entry.ready || !ready_only);
    Ok(entries)
}

/// Loads a model.
pub(crate) async fn load(
    app: &Shared,
    name: String,
    request: LoadRequest,
) -> Result<(), ServeError> {
    check_name(&name)?;
    let repository = Arc::clone(app.repository());
    blocking(move || repository.load(&name, &request)).await
}

/// Serves a model no more.
pub(crate) async fn unload(app: &Shared, name: String) -> Result<(), ServeError> {
    check_name(&name)?;
    let repository = Arc::clone(app.repository());
    blocking(move || repository.unload(&name)).await
}

fn check_name(name: &str) -> Result<(), ServeError> {
    match is_model_name(name) {
        true => Ok(()),
        false => {
            let shown: String = name.chars().take(100).collect();
            let text = format!("{shown:?} is no name of a model");
            Err(ServeError::Other(Code::Invalid, text))
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepositoryError> + Send + 'static,
) -> Result<T, ServeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(ServeError::Other(Code::Internal, error.to_string())),
    }
}

/// A model's state in the index.
pub(crate) fn state(ready: bool) -> &'static str {
    match ready {
        true => "READY",
        false => "UNAVAILABLE",
    }
}

/// A load request has something that isn't done here.
pub(crate) fn unknown_load_parameter(key: &str) -> ServeError {
    if key.starts_with("file:") {
        return ServeError::Unsupported(
            "models come from the repository's folder, not from requests: put the file there",
        );
    }
    ServeError::Invalid(format!(
        "the parameter \"{key}\" of a load request is not known, or has the wrong type: \"config\" (JSON) and \"version\" (a number) are"
    ))
}

/// The version that a load request names: `number`, if what it says is one.
pub(crate) fn load_version(
    number: Option<u32>,
    found: impl std::fmt::Display,
) -> Result<u32, ServeError> {
    number.filter(|&number| number > 0).ok_or_else(|| {
        ServeError::Invalid(format!(
            "the parameter \"version\" is {found}, not a version's number"
        ))
    })
}

/// There is no such region of shared memory.
pub(crate) fn no_region(region: &str) -> ServeError {
    let region: String = region.chars().take(100).collect();
    let text = format!("there is no region {region:?}: {}", SHARED_MEMORY);
    ServeError::Other(Code::Invalid, text)
}

/// How the server logs, in Triton's words.
pub(crate) fn log_settings() -> std::collections::BTreeMap<&'static str, bool> {
    use tracing::level_filters::LevelFilter;
    let level = LevelFilter::current();
    [
        ("log_error", level >= LevelFilter::ERROR),
        ("log_warning", level >= LevelFilter::WARN),
        ("log_info", level >= LevelFilter::INFO),
    ]
    .into()
}
