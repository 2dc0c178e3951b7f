//! Request-driven inference: the Open Inference Protocol, version 2, over HTTP and gRPC.
//!
//! ```text
//!  HTTP (JSON, binary tensors) --+--> limits, tokens --> protocol --> rows (int8) --> deployment
//!  gRPC ------------------------+                          ^                            |
//!                                                          +---- answers, stamped <-----+
//!
//!  DIR/NAME/VERSION/model.{tflite,onnx} --> loaded, warmed, checked --> served instead of the old one
//! ```
//!
//! The protocol is the one of KServe's `predict/v2`, with the extensions of Triton that its clients use:
//! binary tensors, model repository, configuration, statistics. Shared memory is refused.

pub mod command;
mod control;
mod description;
mod error;
mod grpc;
mod http;
mod inference;
mod limits;
mod metrics;
mod repository;
mod server;
mod status;
mod telemetry;
mod tensor;

pub use error::{Code, ServeError};
pub use limits::Limits;
pub use repository::{Control, Repository, RepositoryError};
pub use server::{App, Server, ServerError, ServerOptions, TokenError, Tokens};
pub use telemetry::{Telemetry, TelemetryError};

/// Messages and service of the gRPC protocol.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod protocol {
    tonic::include_proto!("inference");
}
