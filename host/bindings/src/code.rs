//! A number for every kind of failure, and a sentence for people.

use std::ffi::CStr;

use systole_host::ImportError;
use systole_host::engine::EngineError;
use systole_host::serving::{DeployError, GoldenError, Refusal, RequestError};
use systole_host::signature::ValuesError;

/// Kind of a failure. Numbers and names never change their meaning; new ones may come.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No failure.
    Ok = 0,
    /// An argument can't be; the same call will never succeed.
    InvalidArgument = 1,
    /// A file is not there, or can't be read.
    File = 2,
    /// The file is no model that can be used.
    UnsupportedModel = 3,
    /// A device can't be opened or used.
    Device = 4,
    /// Too many requests wait; try again later.
    QueueFull = 5,
    /// The deadline has passed, or can't be met.
    Deadline = 6,
    /// The caller has withdrawn the request.
    Cancelled = 7,
    /// The model is not served any more.
    Stopped = 8,
    /// A new version was judged, and is not served; the old one goes on.
    NotAccepted = 9,
    /// There is no version to go back to.
    NoPrevious = 10,
    /// A defect of this library.
    Internal = 11,
}

impl Code {
    /// All of them, in the order of their numbers.
    ///
    /// cbindgen:ignore
    pub const ALL: [Code; 12] = [
        Code::Ok,
        Code::InvalidArgument,
        Code::File,
        Code::UnsupportedModel,
        Code::Device,
        Code::QueueFull,
        Code::Deadline,
        Code::Cancelled,
        Code::Stopped,
        Code::NotAccepted,
        Code::NoPrevious,
        Code::Internal,
    ];

    /// Its name, for C.
    pub const fn c_name(self) -> &'static CStr {
        match self {
            Code::Ok => c"OK",
            Code::InvalidArgument => c"INVALID_ARGUMENT",
            Code::File => c"FILE",
            Code::UnsupportedModel => c"UNSUPPORTED_MODEL",
            Code::Device => c"DEVICE",
            Code::QueueFull => c"QUEUE_FULL",
            Code::Deadline => c"DEADLINE",
            Code::Cancelled => c"CANCELLED",
            Code::Stopped => c"STOPPED",
            Code::NotAccepted => c"NOT_ACCEPTED",
            Code::NoPrevious => c"NO_PREVIOUS",
            Code::Internal => c"INTERNAL",
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
    }
}

/// A failure: what kind, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Kind.
    pub code: Code,
    /// A sentence.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
        }
    }

    /// An argument that can't be.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(Code::InvalidArgument, message)
    }
}

fn of_engine(error: &EngineError) -> Code {
    match error {
        EngineError::Batch { .. }
        | EngineError::RowLength { .. }
        | EngineError::OtherShape { .. }
        | EngineError::TooManyProcessors { .. } => Code::InvalidArgument,
        EngineError::Model(_) | EngineError::Compile(_) => Code::UnsupportedModel,
        EngineError::Thread(_) => Code::Internal,
        EngineError::Stopped => Code::Stopped,
        _ => Code::Device,
    }
}

fn of_request(error: &RequestError) -> Code {
    match error {
        RequestError::Refused(Refusal::QueueFull { .. }) => Code::QueueFull,
        RequestError::Refused(Refusal::TooLate { .. }) | RequestError::Deadline { .. } => {
            Code::Deadline
        }
        RequestError::Refused(_) => Code::Stopped,
        RequestError::RowLength { .. } => Code::InvalidArgument,
        RequestError::Withdrawn => Code::Cancelled,
        RequestError::Engine(error) => of_engine(error),
        _ => Code::Internal,
    }
}

impl From<systole_driver::Error> for Failure {
    fn from(error: systole_driver::Error) -> Self {
        let code = match error {
            systole_driver::Error::InvalidAddress { .. } => Code::InvalidArgument,
            _ => Code::Device,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let code = match error {
            ImportError::Read { .. } | ImportError::NotAFile { .. } => Code::File,
            _ => Code::UnsupportedModel,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::new(of_engine(&error), error.to_string())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Failure::new(of_request(&error), error.to_string())
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        let code = match &error {
            DeployError::Options(_) | DeployError::OtherSignature { .. } => Code::InvalidArgument,
            DeployError::Engine(error) => of_engine(error),
            DeployError::Differs { .. } => Code::Device,
            DeployError::NotAccepted(_) => Code::NotAccepted,
            DeployError::NoPrevious => Code::NoPrevious,
            _ => Code::Internal,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<GoldenError> for Failure {
    fn from(error: GoldenError) -> Self {
        let code = match &error {
            GoldenError::Read { .. } => Code::File,
            GoldenError::Counts { .. } => Code::InvalidArgument,
            GoldenError::Differs { .. } => Code::NotAccepted,
            GoldenError::Request(error) => of_request(error),
            _ => Code::Internal,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<ValuesError> for Failure {
    fn from(error: ValuesError) -> Self {
        Failure::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_places_in_the_list() {
        for (number, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, number, "{}", code.name());
        }
    }
}
