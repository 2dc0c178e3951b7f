//! The protocol over HTTP.

mod control;
mod extract;
mod health;
mod infer;
mod metadata;
mod numbers;
mod object;
mod openapi;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::HeaderValue;
use serde::Serialize;

use crate::error::{Code, ServeError};
use crate::server::App;

pub(crate) use extract::discard;

/// What every handler has.
pub(crate) type Shared = Arc<App>;

/// All paths. The description, `openapi.json`, has the same.
fn routes() -> Vec<(&'static str, MethodRouter<Shared>)> {
    vec![
        ("/openapi.json", get(openapi::description)),
        ("/v2/health/live", get(health::live)),
        ("/v2/health/ready", get(health::ready)),
        ("/v2", get(metadata::server)),
        ("/v2/", get(metadata::server)),
        ("/v2/models/stats", get(metadata::statistics_all)),
        ("/v2/models/{model}", get(metadata::latest)),
        ("/v2/models/{model}/ready", get(health::latest)),
        ("/v2/models/{model}/config", get(metadata::config_latest)),
        ("/v2/models/{model}/stats", get(metadata::statistics_model)),
        ("/v2/models/{model}/infer", post(infer::latest)),
        (
            "/v2/models/{model}/trace/setting",
            get(control::trace_of).post(control::no_trace),
        ),
        (
            "/v2/models/{model}/versions/{version}",
            get(metadata::versioned),
        ),
        (
            "/v2/models/{model}/versions/{version}/ready",
            get(health::versioned),
        ),
        (
            "/v2/models/{model}/versions/{version}/config",
            get(metadata::config_versioned),
        ),
        (
            "/v2/models/{model}/versions/{version}/stats",
            get(metadata::statistics_version),
        ),
        (
            "/v2/models/{model}/versions/{version}/infer",
            post(infer::versioned),
        ),
        ("/v2/repository/index", post(control::index)),
        ("/v2/repository/models/{model}/load", post(control::load)),
        (
            "/v2/repository/models/{model}/unload",
            post(control::unload),
        ),
        ("/v2/systemsharedmemory/status", get(control::no_regions)),
        ("/v2/cudasharedmemory/status", get(control::no_regions)),
        (
            "/v2/systemsharedmemory/region/{region}/status",
            get(control::no_region),
        ),
        (
            "/v2/cudasharedmemory/region/{region}/status",
            get(control::no_region),
        ),
        (
            "/v2/systemsharedmemory/region/{region}/register",
            post(control::shared_memory),
        ),
        (
            "/v2/cudasharedmemory/region/{region}/register",
            post(control::shared_memory),
        ),
        ("/v2/systemsharedmemory/unregister", post(control::nothing)),
        ("/v2/cudasharedmemory/unregister", post(control::nothing)),
        (
            "/v2/systemsharedmemory/region/{region}/unregister",
            post(control::nothing_of),
        ),
        (
            "/v2/cudasharedmemory/region/{region}/unregister",
            post(control::nothing_of),
        ),
        (
            "/v2/trace/setting",
            get(control::trace).post(control::no_trace),
        ),
        (
            "/v2/logging",
            get(control::logging).post(control::no_logging),
        ),
        ("/metrics", get(status::metrics)),
        ("/", get(status::page)),
        ("/status.json", get(status::json)),
    ]
}

/// What answers requests.
pub(crate) fn router(app: Shared) -> Router {
    let router = routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        });
    router
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
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
            error: self.0.sentence(),
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
