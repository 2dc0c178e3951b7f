//! Why the engine can't compute, and what to do.

use std::sync::Arc;
use std::time::Duration;

use systole_driver::DeviceStatus;

use crate::compiler::{CompileError, NoPlace};
use crate::model::ModelError;

/// A failure of the engine. Cloneable, because one failure of the device answers every batch
/// that was waiting for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The batch size can't be.
    #[error("{batch} rows per command: use 1 to {}", super::BATCH_MAX)]
    Batch {
        /// What was asked for.
        batch: usize,
    },
    /// The values of a piece aren't a whole number of rows.
    #[error("{values} values are not whole rows: a row of this network has {row} values")]
    RowLength {
        /// Values of the piece.
        values: usize,
        /// Values of a row.
        row: usize,
    },
    /// A replacement has rows of another shape.
    #[error(
        "a network with {} inputs and {} outputs can't replace one with {} and {}: make an engine for it",
        found.0, found.1, expected.0, expected.1
    )]
    OtherShape {
        /// Input and output values of the replacement.
        found: (usize, usize),
        /// Input and output values of the resident network.
        expected: (usize, usize),
    },
    /// The network is inconsistent.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The network can't be compiled for the device.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What is resident leaves no room.
    #[error(
        "no room for network \"{network}\" beside what is resident: {lack}; drop another network's handle, \
         or use another device or the CPU"
    )]
    NoRoom {
        /// The network that was to be loaded.
        network: String,
        /// What there is too little of.
        lack: NoPlace,
    },
    /// The driver failed: the device has gone, hangs or is not to be trusted. The engine is done;
    /// open the device again and make a new one.
    #[error(transparent)]
    Driver(Arc<systole_driver::Error>),
    /// The device refused or failed a command; the next one may succeed.
    #[error("the device failed {what}: {status}")]
    Command {
        /// What it was asked to do.
        what: &'static str,
        /// What it answered.
        status: DeviceStatus,
    },
    /// The device lives, but does not complete.
    #[error(
        "the device has not completed a command in {timeout:?}; give it more time in the options if it is simulated, else reset it"
    )]
    Timeout {
        /// How long the engine waited.
        timeout: Duration,
    },
    /// Completions come in another order than commands went.
    #[error("the device answered command {found} while {expected} was due: reset it")]
    OutOfOrder {
        /// Id of the completion.
        found: u16,
        /// Id of the oldest command.
        expected: u16,
    },
    /// The system gives no thread.
    #[error("cannot start a thread for the engine")]
    Thread(#[source] Arc<std::io::Error>),
    /// A fleet of more processors than it can tell apart.
    #[error("{found} devices are too many for one fleet: use at most {most}")]
    TooManyProcessors {
        /// What was given.
        found: usize,
        /// What is possible.
        most: usize,
    },
    /// The engine or processor was dropped, or its worker has ended.
    #[error("the engine has been stopped before this was computed")]
    Stopped,
}

impl From<systole_driver::Error> for EngineError {
    fn from(error: systole_driver::Error) -> Self {
        EngineError::Driver(Arc::new(error))
    }
}
