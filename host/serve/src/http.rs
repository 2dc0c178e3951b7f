//! The protocol over HTTP.

mod control;
mod health;
mod infer;
mod metadata;
mod numbers;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::HeaderValue;
use serde::Serialize;

use crate::error::{Code, ServeError};
use crate::server::App;

/// What every handler has.
pub(crate) type Shared = Arc<App>;

/// Why shared memory is refused.
pub(crate) const SHARED_MEMORY: &str =
    "shared memory is not supported by this server: send tensors in the request";

/// The routes.
pub(crate) fn router(app: Shared) -> Router {
    let model = |suffix: &str| format!("/v2/models/{{model}}{suffix}");
    let version = |suffix: &str| format!("/v2/models/{{model}}/versions/{{version}}{suffix}");
    Router::new()
        .route("/v2/health/live", get(health::live))
        .route("/v2/health/ready", get(health::ready))
        .route("/v2", get(metadata::server))
        .route("/v2/", get(metadata::server))
        .route(&model(""), get(metadata::latest))
        .route(&version(""), get(metadata::versioned))
        .route(&model("/ready"), get(health::latest))
        .route(&version("/ready"), get(health::versioned))
        .route(&model("/config"), get(metadata::config_latest))
        .route(&version("/config"), get(metadata::config_versioned))
        .route("/v2/models/stats", get(metadata::statistics_all))
        .route(&model("/stats"), get(metadata::statistics_model))
        .route(&version("/stats"), get(metadata::statistics_version))
        .route(&model("/infer"), post(infer::latest))
        .route(&version("/infer"), post(infer::versioned))
        .route("/v2/repository/index", post(control::index))
        .route("/v2/repository/models/{model}/load", post(control::load))
        .route(
            "/v2/repository/models/{model}/unload",
            post(control::unload),
        )
        .route("/v2/systemsharedmemory/status", get(control::no_regions))
        .route("/v2/cudasharedmemory/status", get(control::no_regions))
        .route(
            "/v2/systemsharedmemory/region/{region}/status",
            get(control::no_region),
        )
        .route(
            "/v2/cudasharedmemory/region/{region}/status",
            get(control::no_region),
        )
        .route(
            "/v2/systemsharedmemory/region/{region}/register",
            post(control::shared_memory),
        )
        .route(
            "/v2/cudasharedmemory/region/{region}/register",
            post(control::shared_memory),
        )
        .route("/v2/systemsharedmemory/unregister", post(control::nothing))
        .route("/v2/cudasharedmemory/unregister", post(control::nothing))
        .route(
            "/v2/systemsharedmemory/region/{region}/unregister",
            post(control::nothing_of),
        )
        .route(
            "/v2/cudasharedmemory/region/{region}/unregister",
            post(control::nothing_of),
        )
        .route(
            "/v2/trace/setting",
            get(control::trace).post(control::no_trace),
        )
        .route(
            &model("/trace/setting"),
            get(control::trace_of).post(control::no_trace),
        )
        .route(
            "/v2/logging",
            get(control::logging).post(control::no_logging),
        )
        .route("/metrics", get(status::metrics))
        .route("/", get(status::page))
        .route("/status.json", get(status::json))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(app.limits().body_bytes))
        .with_state(app)
}

async fn no_path() -> Failure {
    let text = "there is nothing at this path; the protocol's paths begin with /v2".to_owned();
    Failure(ServeError::Other(Code::NotFound, text))
}

async fn no_method() -> Failure {
    let text = "this path is there for another method".to_owned();
    Failure(ServeError::Other(Code::Method, text))
}

/// An error as an answer.
#[derive(Debug)]
pub(crate) struct Failure(pub ServeError);

#[derive(Serialize)]
struct ErrorBody {
    error: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.0.to_string(),
        };
        let mut response = (self.0.code().status(), axum::Json(body)).into_response();
        if self.0.code() == Code::Unavailable {
            let again = HeaderValue::from_static("1");
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, again);
        }
        response
    }
}

impl<E: Into<ServeError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.into())
    }
}
