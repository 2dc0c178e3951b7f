//! The engine: networks on a device or on the CPU, and batches of rows for them.
//!
//! ```text
//!  callers --submit--> channel --> worker thread --commands of `batch` rows--> device
//!     ^                               |  rows in DMA memory, several commands in flight
//!     |                               v
//!     +-------- PendingBatch <--- answers, in the order of the rows
//! ```
//!
//! A [`Processor`] is a device, or the exact CPU backend, where workers share the batches. It holds
//! several networks, each a [`Resident`]; an [`Engine`] is a processor with one network, which can be
//! replaced. Handing rows in never blocks: the answer is a future, which can be waited for without an
//! executor as well, or a call.
//!
//! A batch is computed with one version of one network from its first row to its last, and is stamped
//! with it, whatever is loaded or replaced meanwhile.

mod cause;
mod cpu;
mod device;
mod error;
mod pending;
mod processor;
mod rows;
mod single;

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use systole_driver::{CompletionMode, Device};
use systole_regs::entries::{Statistics, TraceRecord};

pub use cause::Cause;
pub use error::EngineError;
pub use pending::PendingBatch;
pub use processor::{Processor, Resident};
pub use rows::BatchRows;
pub use single::Engine;

/// Greatest number of rows of one device command.
pub const BATCH_MAX: usize = systole_regs::entries::ROWS_MAX as usize;

/// What computes.
#[derive(Clone, Debug)]
pub enum Backend {
    /// This process, exactly as the device would.
    Cpu,
    /// A device. The processor takes its queue pair and its slots for itself.
    Device(Device),
}

/// How the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Rows of a device command, at most; 1 to [`BATCH_MAX`].
    pub batch: usize,
    /// How completions are noticed.
    pub mode: CompletionMode,
    /// Version of the network that an [`Engine`] is made with, stamped on every answer.
    pub version: u32,
    /// Longest time from one completion of the device to the next while it has work.
    pub timeout: Duration,
    /// How often a batch is handed to the device again after the device has failed with it: a device
    /// that times out, stops or answers nonsense is reset and its models loaded again.
    pub retries: u32,
    /// Collect the device's counters for every command.
    pub statistics: bool,
    /// Collect a record of each instruction for every command.
    pub trace: bool,
}

impl Default for EngineOptions {
    /// 64 rows, polling, version 1, half a minute (a simulated device is slow), two retries, neither
    /// statistics nor trace.
    fn default() -> Self {
        Self {
            batch: 64,
            mode: CompletionMode::Polling,
            version: 1,
            timeout: Duration::from_secs(30),
            retries: 2,
            statistics: false,
            trace: false,
        }
    }
}

/// Answers to one batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchResult {
    /// Output rows, one after the other.
    pub outputs: Vec<i8>,
    /// Version of the network that computed them.
    pub version: u32,
    /// The commands that the batch was split into, in order.
    pub commands: Vec<CommandReport>,
}

/// Cost of one command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandReport {
    /// Rows computed.
    pub rows: usize,
    /// Clock cycles of the device; `None` on the CPU and for a device without a clock.
    pub cycles: Option<u64>,
    /// The device's counters, if they were asked for.
    pub statistics: Option<Statistics>,
    /// The records of its instructions in the order in which they finished; none if they were not
    /// asked for, and from devices without a clock.
    pub trace: Vec<TraceRecord>,
    /// Measured time from submission to completion, waiting for earlier commands included.
    pub elapsed: Duration,
}

/// What a slot of a device holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotNetwork {
    /// Name of the network.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// Starts a worker's thread.
pub(crate) fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, EngineError> {
    Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| EngineError::Thread(Arc::new(error)))
}

/// Waits for the end of a worker's thread, which has been told to end.
fn join(thread: JoinHandle<()>) {
    // A worker's own thread drops the processor if it is the last to have it.
    if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
        tracing::error!("a worker has panicked");
    }
}
