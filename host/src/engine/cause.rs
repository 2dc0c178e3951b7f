//! What a failure comes from, in a word: for metrics, and for those who have a second processor.

use std::fmt;

use super::EngineError;

/// What a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The rows, or the shape of a replacement.
    BadRows,
    /// The options.
    BadOptions,
    /// The network is inconsistent.
    BadNetwork,
    /// The network can't be compiled for this device.
    Unsuitable,
    /// What is resident leaves no room.
    NoRoom,
    /// The device has gone, hangs or is not to be trusted.
    DeviceLost,
    /// The device does not complete.
    Timeout,
    /// The device refused or failed a command.
    Command,
    /// The system gives no thread.
    NoThread,
    /// The processor was dropped before.
    Stopped,
}

impl Cause {
    /// A word for it that does not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::BadRows => "bad_rows",
            Cause::BadOptions => "bad_options",
            Cause::BadNetwork => "bad_network",
            Cause::Unsuitable => "unsuitable",
            Cause::NoRoom => "no_room",
            Cause::DeviceLost => "device_lost",
            Cause::Timeout => "timeout",
            Cause::Command => "command",
            Cause::NoThread => "no_thread",
            Cause::Stopped => "stopped",
        }
    }

    /// Whether it is this processor's fault, so that another may succeed with the same request.
    pub const fn is_processors(self) -> bool {
        match self {
            Cause::BadRows | Cause::BadOptions | Cause::BadNetwork => false,
            Cause::Unsuitable
            | Cause::NoRoom
            | Cause::DeviceLost
            | Cause::Timeout
            | Cause::Command
            | Cause::NoThread
            | Cause::Stopped => true,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl EngineError {
    /// What it comes from.
    pub fn cause(&self) -> Cause {
        match self {
            EngineError::Batch { .. } | EngineError::TooManyProcessors { .. } => Cause::BadOptions,
            EngineError::RowLength { .. } | EngineError::OtherShape { .. } => Cause::BadRows,
            EngineError::Model(_) => Cause::BadNetwork,
            EngineError::Compile(error) => match error {
                crate::compiler::CompileError::Model(_) => Cause::BadNetwork,
                _ => Cause::Unsuitable,
            },
            EngineError::NoRoom { .. } => Cause::NoRoom,
            EngineError::Driver(error) => match **error {
                systole_driver::Error::Timeout => Cause::Timeout,
                _ => Cause::DeviceLost,
            },
            EngineError::Command { .. } => Cause::Command,
            EngineError::Timeout { .. } => Cause::Timeout,
            EngineError::OutOfOrder { .. } => Cause::DeviceLost,
            EngineError::Thread(_) => Cause::NoThread,
            EngineError::Stopped => Cause::Stopped,
        }
    }
}
