//! The engine: one resident network, and batches of rows for it.
//!
//! ```text
//!  callers --submit--> channel --> worker thread --commands of `batch` rows--> device
//!     ^                               |  rows in DMA memory, several commands in flight
//!     |                               v
//!     +-------- PendingBatch <--- answers, in the order of the rows
//! ```
//!
//! [`Engine::submit`] never blocks: what it returns is a future, and can be waited for without an
//! executor as well. The same calls run on the exact CPU backend, where workers share the batches.
//!
//! A batch is computed with one version of the network from its first row to its last, and is
//! stamped with it, however often [`Engine::replace`] is called meanwhile.

mod cpu;
mod device;
mod error;
mod pending;

use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use systole_driver::{CompletionMode, Counters, Device};
use systole_regs::entries::{Statistics, TraceRecord};

use crate::model::Network;
pub use error::EngineError;
pub use pending::PendingBatch;

/// Greatest number of rows of one device command.
pub const BATCH_MAX: usize = systole_regs::entries::ROWS_MAX as usize;

/// What computes.
#[derive(Clone, Debug)]
pub enum Backend {
    /// This process, exactly as the device would.
    Cpu,
    /// A device. The engine takes its queue pair and its slots for itself.
    Device(Device),
}

/// How the engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Rows of a device command, at most; 1 to [`BATCH_MAX`].
    pub batch: usize,
    /// How completions are noticed.
    pub mode: CompletionMode,
    /// Version of the network, stamped on every answer.
    pub version: u32,
    /// Longest time from one completion of the device to the next while it has work.
    pub timeout: Duration,
    /// How often a batch is handed to the device again after the device has failed with it: a device
    /// that times out, stops or answers nonsense is reset and its model loaded again.
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

/// A network on a backend. Calls may come from any number of threads.
///
/// Dropping the engine finishes the commands in flight, within a second, and answers whatever else
/// was submitted with [`EngineError::Stopped`].
///
/// ```no_run
/// use std::{path::Path, sync::Arc};
/// use systole_host::{Network, engine::{Backend, Engine, EngineOptions}};
///
/// let network = Arc::new(Network::load(Path::new("digits.onnx"))?);
/// let engine = Engine::new(network, Backend::Cpu, EngineOptions::default())?;
/// let pending = engine.submit(vec![0; 64]);
/// let result = pending.wait()?;
/// assert_eq!(result.version, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    network: RwLock<Arc<Network>>,
    input_elements: usize,
    output_elements: usize,
    worker: Worker,
    device: Option<Device>,
}

/// The backends behind one set of calls.
#[derive(Debug)]
enum Worker {
    Cpu(cpu::CpuWorkers),
    Device(device::DeviceWorker),
}

impl Engine {
    /// Makes a network resident on a backend.
    ///
    /// # Errors
    /// If the options are impossible, the network can't be compiled for the device, or the device
    /// refuses or fails.
    pub fn new(
        network: Arc<Network>,
        backend: Backend,
        options: EngineOptions,
    ) -> Result<Engine, EngineError> {
        if !(1..=BATCH_MAX).contains(&options.batch) {
            return Err(EngineError::Batch {
                batch: options.batch,
            });
        }
        let (worker, device) = match backend {
            Backend::Cpu => (Worker::Cpu(cpu::CpuWorkers::new(&network, options)?), None),
            Backend::Device(device) => {
                let worker = device::DeviceWorker::new(&network, device.clone(), options)?;
                (Worker::Device(worker), Some(device))
            }
        };
        Ok(Engine {
            input_elements: network.input_elements(),
            output_elements: network.output_elements(),
            network: RwLock::new(network),
            worker,
            device,
        })
    }

    /// Computes rows and waits for the answers. `rows` holds any number of rows, none included.
    ///
    /// # Errors
    /// If the length isn't a whole number of rows, or the device fails.
    pub fn infer_batch(&self, rows: &[i8]) -> Result<BatchResult, EngineError> {
        self.submit(rows.to_vec()).wait()
    }

    /// Hands rows in without waiting. Errors come with the answer.
    pub fn submit(&self, rows: Vec<i8>) -> PendingBatch {
        if !rows.len().is_multiple_of(self.input_elements) {
            return PendingBatch::failed(EngineError::RowLength {
                values: rows.len(),
                row: self.input_elements,
            });
        }
        match &self.worker {
            Worker::Cpu(worker) => worker.submit(rows),
            Worker::Device(worker) => worker.submit(rows),
        }
    }

    /// Replaces the network: batches submitted after this returns are computed with the new one.
    /// If it can't be made resident, the old one goes on.
    ///
    /// # Errors
    /// If the rows have another shape, the network can't be compiled, or loading it fails.
    pub fn replace(&self, network: Arc<Network>, version: u32) -> Result<(), EngineError> {
        let shape = (network.input_elements(), network.output_elements());
        if shape != (self.input_elements, self.output_elements) {
            return Err(EngineError::OtherShape {
                found: shape,
                expected: (self.input_elements, self.output_elements),
            });
        }
        match &self.worker {
            Worker::Cpu(worker) => worker.replace(&network, version)?,
            Worker::Device(worker) => worker.replace(&network, version)?,
        }
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = network;
        Ok(())
    }

    /// The resident network.
    pub fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often the device has failed and was brought back since the engine was made.
    pub fn recoveries(&self) -> u64 {
        match &self.worker {
            Worker::Cpu(_) => 0,
            Worker::Device(worker) => worker.recoveries(),
        }
    }

    /// The device's counters; `None` on the CPU. The difference of `busy_cycles` between two
    /// calls is the time from doorbells to completions of what was computed between them.
    ///
    /// # Errors
    /// If the device has gone.
    pub fn counters(&self) -> Result<Option<Counters>, EngineError> {
        self.device
            .as_ref()
            .map(Device::counters)
            .transpose()
            .map_err(EngineError::from)
    }
}

/// Starts a worker's thread.
fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, EngineError> {
    Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|error| EngineError::Thread(Arc::new(error)))
}
