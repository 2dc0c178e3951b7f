//! What handlers take out of a request: where it isn't there, the answer is an error like every other.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::{Failure, Shared};
use crate::error::{Code, ServeError};

/// How long a body is read that isn't wanted.
const LINGER: Duration = Duration::from_secs(2);

/// The names in a path.
pub(super) struct Names<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Names<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, app).await {
            Ok(Path(names)) => Ok(Names(names)),
            Err(rejection) => {
                let code = match rejection.status() {
                    StatusCode::BAD_REQUEST => Code::Invalid,
                    _ => Code::Internal,
                };
                Err(app.failed("", ServeError::Other(code, rejection.body_text())))
            }
        }
    }
}

/// The whole body, as far as the limit allows.
pub(super) struct Whole(pub Bytes);

impl FromRequest<Shared> for Whole {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Failure> {
        let most = app.limits().body_bytes;
        let mut body = request.into_body();
        // One that says how long it is needn't be read.
        let collected = match body.size_hint().lower() > most as u64 {
            true => Err(None),
            false => Limited::new(&mut body, most).collect().await.map_err(Some),
        };
        let error = match collected {
            Ok(collected) => return Ok(Whole(collected.to_bytes())),
            Err(error) => error,
        };
        let error = match error.filter(|error| !error.is::<LengthLimitError>()) {
            None => too_large(most),
            Some(error) => ServeError::Invalid(format!("the body cannot be read: {error}")),
        };
        discard(body);
        Err(app.failed("", error))
    }
}

/// Reads on for a while what isn't wanted: a client that is still sending would find its connection broken
/// where it looks for the answer.
pub(crate) fn discard(mut body: impl Body<Data: Send> + Send + Unpin + 'static) {
    if !body.is_end_stream() {
        let read = async move { while let Some(Ok(_)) = body.frame().await {} };
        tokio::spawn(tokio::time::timeout(LINGER, read));
    }
}

fn too_large(most: usize) -> ServeError {
    let text = format!("the body has more than the {most} bytes that are taken");
    ServeError::Other(Code::TooLarge, text)
}
