//! Whether the server and its models are there. Answered by a status, with an empty body.

use axum::extract::State;
use http::StatusCode;

use super::Shared;
use super::extract::Names;

/// The server answers.
pub(super) async fn live() -> StatusCode {
    StatusCode::OK
}

/// The server has loaded its models, and is not going down.
pub(super) async fn ready(State(app): State<Shared>) -> StatusCode {
    status(app.is_ready())
}

/// A model serves.
pub(super) async fn latest(State(app): State<Shared>, Names(model): Names<String>) -> StatusCode {
    model_status(&app, &model, "")
}

/// A version of a model serves.
pub(super) async fn versioned(
    State(app): State<Shared>,
    Names((model, version)): Names<(String, String)>,
) -> StatusCode {
    model_status(&app, &model, &version)
}

fn model_status(app: &Shared, model: &str, version: &str) -> StatusCode {
    match app.repository().find(model, version) {
        Ok(_) => status(app.is_ready()),
        Err(_) => StatusCode::NOT_FOUND,
    }
}

fn status(ready: bool) -> StatusCode {
    match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}
