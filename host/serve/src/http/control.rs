//! Model repository control, and the calls of Triton's clients that have nothing to do here.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::extract::{Names, Whole};
use super::object::Object;
use super::{Failure, Shared};
use crate::control::{self, LOG_UNSUPPORTED, SHARED_MEMORY, TRACE_UNSUPPORTED};
use crate::error::ServeError;
use crate::repository::LoadRequest;

#[derive(Default, Deserialize)]
#[serde(default)]
struct IndexBody {
    ready: bool,
}

/// Models of the repository.
pub(super) async fn index(
    State(app): State<Shared>,
    Whole(body): Whole,
) -> Result<Json<Vec<Value>>, Failure> {
    let request: IndexBody = parse(&body)?;
    let entries = control::index(&app, request.ready).await?;
    let entry = |entry: crate::repository::IndexEntry| {
        let mut json = json!({"name": entry.name});
        if let Some(version) = entry.version {
            json["version"] = version.to_string().into();
        }
        json["state"] = control::state(entry.ready).into();
        if let Some(reason) = entry.reason {
            json["reason"] = reason.into();
        }
        json
    };
    Ok(Json(entries.into_iter().map(entry).collect()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBody {
    parameters: Map<String, Value>,
}

/// Loads a model, or what has changed of it, and swaps it in.
pub(super) async fn load(
    State(app): State<Shared>,
    Names(model): Names<String>,
    Whole(body): Whole,
) -> Result<Json<Value>, Failure> {
    let request: LoadBody = parse(&body)?;
    let mut load = LoadRequest::default();
    for (key, value) in request.parameters {
        match (key.as_str(), value) {
            ("config", Value::String(config)) => load.config = Some(config),
            ("version", value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                let number = number.or_else(|| value.as_str()?.parse().ok());
                load.version = Some(control::load_version(number, value)?);
            }
            (key, _) => return Err(control::unknown_load_parameter(key).into()),
        }
    }
    control::load(&app, model, load).await?;
    Ok(Json(json!({})))
}

/// Serves a model no more.
pub(super) async fn unload(
    State(app): State<Shared>,
    Names(model): Names<String>,
    Whole(body): Whole,
) -> Result<Json<Value>, Failure> {
    let _: LoadBody = parse(&body)?;
    control::unload(&app, model).await?;
    Ok(Json(json!({})))
}

/// An object; nothing at all is an empty one.
fn parse<'de, T: Default + Deserialize<'de>>(body: &'de [u8]) -> Result<T, ServeError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    match serde_json::from_slice(body) {
        Ok(Object(object)) => Ok(object),
        Err(error) => {
            let text = format!("the body is not what this call takes: {error}");
            Err(ServeError::Invalid(text))
        }
    }
}

/// There are no regions of shared memory.
pub(super) async fn no_regions() -> Json<[Value; 0]> {
    Json([])
}

/// There is no such region.
pub(super) async fn no_region(Names(region): Names<String>) -> Failure {
    control::no_region(&region).into()
}

/// Shared memory can't be registered.
pub(super) async fn shared_memory() -> Failure {
    Failure(ServeError::Unsupported(SHARED_MEMORY))
}

/// All regions are unregistered: there were none.
pub(super) async fn nothing() -> Json<Value> {
    Json(json!({}))
}

/// A region that can't be there is unregistered.
pub(super) async fn nothing_of(Names(_): Names<String>) -> Json<Value> {
    Json(json!({}))
}

/// Nothing is traced by Triton's means.
pub(super) async fn trace() -> Json<Value> {
    Json(json!({"trace_level": ["OFF"]}))
}

/// The same for a model.
pub(super) async fn trace_of(
    State(app): State<Shared>,
    Names(model): Names<String>,
) -> Result<Json<Value>, Failure> {
    app.repository().find(&model, "")?;
    Ok(trace().await)
}

/// Tracing is set where the server is started.
pub(super) async fn no_trace() -> Failure {
    Failure(ServeError::Unsupported(TRACE_UNSUPPORTED))
}

/// How the server logs, in Triton's words.
pub(super) async fn logging() -> Json<Value> {
    Json(json!(control::log_settings()))
}

/// Logging is set where the server is started.
pub(super) async fn no_logging() -> Failure {
    Failure(ServeError::Unsupported(LOG_UNSUPPORTED))
}
