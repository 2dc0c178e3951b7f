//! What the server tells of itself beside the protocol: metrics, and the status page.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use super::{Failure, Shared};
use crate::error::{Code, ServeError};
use crate::metrics;
use crate::status::{self, Status};

/// Metrics for Prometheus.
pub(super) async fn metrics(State(app): State<Shared>) -> Result<Response, Failure> {
    let text = metrics::text(&app)
        .map_err(|error| ServeError::Other(Code::Internal, error.to_string()))?;
    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

/// The status page.
pub(super) async fn page() -> Response {
    let fixed = HeaderValue::from_static;
    let headers = [
        (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, status::policy()),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (REFERRER_POLICY, fixed("no-referrer")),
        (CACHE_CONTROL, fixed("no-cache")),
    ];
    (headers, status::PAGE).into_response()
}

/// What the page shows.
pub(super) async fn json(State(app): State<Shared>) -> Response {
    let headers = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, axum::Json(Status::of(&app))).into_response()
}
