//! What a caller is told: a code that both protocols know, and a sentence.

use http::StatusCode;
use systole_host::serving::{Refusal, RequestError};

use crate::repository::RepositoryError;
use crate::tensor::TensorError;

/// Longest message for a caller, in characters.
const SENTENCE: usize = 600;

/// Kind of error, as HTTP and gRPC name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is wrong; the same one will never succeed. 400, `INVALID_ARGUMENT`.
    Invalid,
    /// No valid token. 401, `UNAUTHENTICATED`.
    Unauthenticated,
    /// The token doesn't allow this. 403, `PERMISSION_DENIED`.
    Forbidden,
    /// No such model, version or path. 404, `NOT_FOUND`.
    NotFound,
    /// The path is there, but not for this method. 405, `UNIMPLEMENTED`.
    Method,
    /// It did not arrive in time. 408, `DEADLINE_EXCEEDED`.
    TooSlow,
    /// Above a limit on size. 413, `OUT_OF_RANGE`.
    TooLarge,
    /// A kind of content that isn't understood. 415, `INVALID_ARGUMENT`.
    MediaType,
    /// The server does not do this. 501, `UNIMPLEMENTED`.
    Unsupported,
    /// Too much to do, or going down; try again. 503, `UNAVAILABLE`.
    Unavailable,
    /// The deadline passed, or can't be met. 504, `DEADLINE_EXCEEDED`.
    Deadline,
    /// The server's own fault. 500, `INTERNAL`.
    Internal,
}

impl Code {
    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Code::Invalid => StatusCode::BAD_REQUEST,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Method => StatusCode::METHOD_NOT_ALLOWED,
            Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The gRPC code.
    pub const fn grpc(self) -> tonic::Code {
        match self {
            Code::Invalid | Code::MediaType => tonic::Code::InvalidArgument,
            Code::Unauthenticated => tonic::Code::Unauthenticated,
            Code::Forbidden => tonic::Code::PermissionDenied,
            Code::NotFound => tonic::Code::NotFound,
            Code::TooLarge => tonic::Code::OutOfRange,
            Code::Method | Code::Unsupported => tonic::Code::Unimplemented,
            Code::Unavailable => tonic::Code::Unavailable,
            Code::TooSlow | Code::Deadline => tonic::Code::DeadlineExceeded,
            Code::Internal => tonic::Code::Internal,
        }
    }
}

/// Why a request is answered with an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is no such model, or it has no version that is served.
    #[error("there is no model {name:?} that is served here{}", because(.reason))]
    UnknownModel {
        /// As it was asked for.
        name: String,
        /// Why it isn't served, if it is in the repository.
        reason: Option<String>,
    },
    /// The model is served in other versions.
    #[error("version {version:?} of the model {name:?} is not served; these are: {served}")]
    UnknownVersion {
        /// The model.
        name: String,
        /// As it was asked for.
        version: String,
        /// What there is.
        served: String,
    },
    /// Something in the request can't be.
    #[error("{0}")]
    Invalid(String),
    /// A tensor doesn't fit the model.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// It was not computed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The repository could not do it.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Not done here.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Another code, with its sentence.
    #[error("{1}")]
    Other(Code, String),
}

fn because(reason: &Option<String>) -> String {
    reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {reason}"))
}

impl ServeError {
    /// Its kind.
    pub fn code(&self) -> Code {
        match self {
            ServeError::UnknownModel { .. } | ServeError::UnknownVersion { .. } => Code::NotFound,
            ServeError::Invalid(_) | ServeError::Tensor(_) => Code::Invalid,
            ServeError::Request(error) => match error {
                RequestError::RowLength { .. } => Code::Invalid,
                RequestError::Refused(Refusal::TooLate { .. }) | RequestError::Deadline { .. } => {
                    Code::Deadline
                }
                RequestError::Refused(_) => Code::Unavailable,
                _ => Code::Internal,
            },
            ServeError::Repository(error) => error.code(),
            ServeError::Unsupported(_) => Code::Unsupported,
            ServeError::Other(code, _) => *code,
        }
    }

    /// What the caller is told. A request can make a message as long as itself.
    pub fn sentence(&self) -> String {
        let text = self.to_string();
        match text.char_indices().nth(SENTENCE) {
            None => text,
            Some((end, _)) => format!("{}...", &text[..end]),
        }
    }

    /// A word for metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            ServeError::Request(error) => error.cause(),
            error => match error.code() {
                Code::Invalid => "invalid",
                Code::Unauthenticated => "unauthenticated",
                Code::Forbidden => "forbidden",
                Code::NotFound => "not_found",
                Code::Method => "method",
                Code::TooSlow => "too_slow",
                Code::TooLarge => "too_large",
                Code::MediaType => "media_type",
                Code::Unsupported => "unsupported",
                Code::Unavailable => "unavailable",
                Code::Deadline => "deadline",
                Code::Internal => "internal",
            },
        }
    }
}

impl From<ServeError> for tonic::Status {
    fn from(error: ServeError) -> Self {
        tonic::Status::new(error.code().grpc(), error.sentence())
    }
}
