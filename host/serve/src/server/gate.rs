//! What stands before every request, whatever its protocol: the token, the number of requests at once,
//! the time; and what is noted behind it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::body::Incoming;
use tower::Service;

use super::tokens::Role;
use super::{App, Arrived, Spent};
use crate::error::{Code, ServeError};
use crate::http::{Failure, discard};

/// The way to the routes.
#[derive(Clone)]
pub(super) struct Gate {
    app: Arc<App>,
    router: Router,
}

/// Counts a request for as long as it is there.
struct Counted<'a>(&'a App);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub fn new(app: Arc<App>) -> Gate {
        let grpc = tonic::service::Routes::new(crate::grpc::service(Arc::clone(&app)));
        let router = crate::http::router(Arc::clone(&app))
            .merge(grpc.prepare().into_axum_router().reset_fallback());
        Gate { app, router }
    }

    /// Answers a request.
    pub async fn answer(mut self, mut request: Request<Incoming>) -> Response {
        let arrived = Instant::now();
        let is_grpc = is_grpc(&request);
        let app = Arc::clone(&self.app);
        let requests = app.requests.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&app);
        if requests >= app.limits.requests {
            let text = format!(
                "{} requests are being answered: try again later",
                app.limits.requests
            );
            discard(request.into_body());
            return refuse(&app, is_grpc, ServeError::Other(Code::Unavailable, text));
        }
        if let Err(error) = authorize(&app, &request) {
            discard(request.into_body());
            return refuse(&app, is_grpc, error);
        }
        request.extensions_mut().insert(Arrived(arrived));
        let answered = self.router.call(request.map(Body::new));
        let Ok(answered) = tokio::time::timeout(app.limits.request_time, answered).await else {
            let time = app.limits.request_time;
            let text = format!("the request was not read and answered within {time:?}");
            return refuse(&app, is_grpc, ServeError::Other(Code::TooSlow, text));
        };
        let mut response = answered.unwrap_or_else(|never| match never {});
        if let Some(spent) = response.extensions_mut().remove::<Spent>() {
            spent.observe(arrived.elapsed());
        }
        response
    }
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn refuse(app: &App, is_grpc: bool, error: ServeError) -> Response {
    let unauthenticated = error.code() == Code::Unauthenticated;
    let failure: Failure = app.failed("", error);
    if is_grpc {
        let status = tonic::Status::from(failure.0);
        return status.into_http::<Body>();
    }
    let mut response = failure.into_response();
    if unauthenticated {
        let scheme = http::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    response
}

/// Checks the token of a request.
fn authorize(app: &App, request: &Request<Incoming>) -> Result<(), ServeError> {
    let Some(tokens) = &app.tokens else {
        return Ok(());
    };
    let path = request.uri().path();
    let needed = match needed(path) {
        Some(needed) => needed,
        None => return Ok(()),
    };
    let presented = request.headers().get(AUTHORIZATION);
    let presented = presented.and_then(|value| value.to_str().ok());
    let token = presented.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token.and_then(|token| tokens.role(token)) {
        Some(role) if role >= needed => Ok(()),
        Some(_) => Err(ServeError::Other(
            Code::Forbidden,
            "this token does not allow control of the repository".to_owned(),
        )),
        None => Err(ServeError::Other(
            Code::Unauthenticated,
            "a valid token is needed: Authorization: Bearer TOKEN".to_owned(),
        )),
    }
}

/// What a path needs; whether the server lives is no secret.
fn needed(path: &str) -> Option<Role> {
    let call = path.strip_prefix("/inference.GRPCInferenceService/");
    match (path, call) {
        ("/v2/health/live" | "/v2/health/ready", _) => None,
        (_, Some("ServerLive" | "ServerReady")) => None,
        (_, Some(call)) if call.starts_with("RepositoryModel") => Some(Role::Control),
        _ if path.starts_with("/v2/repository/models/") => Some(Role::Control),
        _ => Some(Role::Infer),
    }
}
