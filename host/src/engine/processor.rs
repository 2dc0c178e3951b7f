//! What computes, and the networks on it.
//!
//! ```text
//!                      Processor: one device, or the CPU
//!  Resident "digits" --submit--+
//!                              +--> worker --commands, in order of submission--> slot 0 | slot 1
//!  Resident "words" ---submit--+       |                                        digits | words
//!                                      +--> done(answer), once for each batch
//! ```

use std::sync::Arc;

use systole_driver::Counters;

use super::cpu::{CpuNetwork, CpuWorkers};
use super::device::{DeviceWorker, ResidentId};
use super::pending::Reply;
use super::{
    BATCH_MAX, Backend, BatchResult, BatchRows, EngineError, EngineOptions, PendingBatch,
    SlotNetwork,
};
use crate::cpu::CpuExecutor;
use crate::model::Network;

/// What computes - a device, or this machine's CPU - with the networks that it holds. Calls may come
/// from any number of threads; clones are the same processor.
///
/// A device has a slot for each network and memories that all of them share, so it holds few; the CPU
/// holds as many as there is memory for. Commands of all networks are carried out in the order in
/// which their batches were submitted.
///
/// When the last clone and the last [`Resident`] is dropped, the commands in flight are finished,
/// within a second, and what else was submitted is answered with [`EngineError::Stopped`].
///
/// ```no_run
/// use std::path::Path;
/// use systole_host::{Network, engine::{Backend, EngineOptions, Processor}};
///
/// let processor = Processor::new(Backend::Cpu, EngineOptions::default())?;
/// let digits = processor.load(&Network::load(Path::new("digits.onnx"))?, 1)?;
/// let words = processor.load(&Network::load(Path::new("words.tflite"))?, 7)?;
/// let pending = digits.submit(vec![0; digits.input_elements()]);
/// words.submit_then(vec![0; words.input_elements()], |answer| match answer {
///     Ok(result) => println!("{:?} of version {}", result.outputs, result.version),
///     Err(error) => println!("{error} ({})", error.cause()),
/// });
/// assert_eq!(pending.wait()?.version, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Processor {
    worker: Arc<Worker>,
}

/// The backends behind one set of calls.
#[derive(Debug)]
pub(super) enum Worker {
    Cpu(CpuWorkers),
    Device(DeviceWorker),
}

impl Processor {
    /// Starts a backend with nothing resident. A device is reset. Of the options, `version` is of no
    /// use here: each network has its own.
    ///
    /// # Errors
    /// If the options are impossible, or the device is in use or fails.
    pub fn new(backend: Backend, options: EngineOptions) -> Result<Processor, EngineError> {
        if !(1..=BATCH_MAX).contains(&options.batch) {
            return Err(EngineError::Batch {
                batch: options.batch,
            });
        }
        let worker = match backend {
            Backend::Cpu => Worker::Cpu(CpuWorkers::new(options)?),
            Backend::Device(device) => Worker::Device(DeviceWorker::new(device, options)?),
        };
        Ok(Processor {
            worker: Arc::new(worker),
        })
    }

    /// Compiles a network, loads it, and keeps it resident until the handle is dropped. This blocks:
    /// until room is free that a dropped handle's batches still need, and while the device loads. So it
    /// is not for the processor's own thread, which calls what is given to [`Resident::submit_then`].
    /// The batches of other networks go on, apart from the time of the load itself.
    ///
    /// # Errors
    /// If the network can't be compiled, if there is no room for it ([`EngineError::NoRoom`]), or if
    /// the device refuses or fails. A load that a failure of the device interrupts is not repeated.
    pub fn load(&self, network: &Network, version: u32) -> Result<Resident, EngineError> {
        let place = match &*self.worker {
            Worker::Cpu(_) => Place::Cpu(Arc::new(CpuNetwork::new(network, version)?)),
            Worker::Device(worker) => Place::Device(worker.load(network, version)?),
        };
        let lease = Lease {
            worker: Arc::clone(&self.worker),
            place,
        };
        Ok(Resident::new(Arc::new(lease), network, version))
    }

    /// The device's counters; `None` on the CPU. The difference of `busy_cycles` between two
    /// calls is the time from doorbells to completions of what was computed between them.
    ///
    /// # Errors
    /// If the device has gone.
    pub fn counters(&self) -> Result<Option<Counters>, EngineError> {
        self.worker.counters()
    }

    /// How often the device has failed and was brought back since the processor was made.
    pub fn recoveries(&self) -> u64 {
        self.worker.recoveries()
    }

    /// What each slot of the device holds at this moment; nothing has slots on the CPU.
    pub fn slots(&self) -> Vec<Option<SlotNetwork>> {
        match &*self.worker {
            Worker::Cpu(_) => Vec::new(),
            Worker::Device(worker) => worker.slots(),
        }
    }
}

impl Worker {
    pub fn counters(&self) -> Result<Option<Counters>, EngineError> {
        match self {
            Worker::Cpu(_) => Ok(None),
            Worker::Device(worker) => worker.counters().map(Some),
        }
    }

    pub fn recoveries(&self) -> u64 {
        match self {
            Worker::Cpu(_) => 0,
            Worker::Device(worker) => worker.recoveries(),
        }
    }
}

/// A network on a processor. Calls may come from any number of threads.
///
/// Each batch is computed with this network, whatever else is loaded meanwhile. Dropping the handle
/// unloads the network when what was submitted before is computed, and keeps nobody waiting.
#[derive(Debug)]
pub struct Resident {
    lease: Arc<Lease>,
    name: String,
    version: u32,
    input_elements: usize,
    output_elements: usize,
}

/// Where a network is, until nobody needs it there.
#[derive(Debug)]
struct Lease {
    worker: Arc<Worker>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Cpu(Arc<CpuNetwork>),
    Device(ResidentId),
}

impl Resident {
    fn new(lease: Arc<Lease>, network: &Network, version: u32) -> Self {
        Self {
            lease,
            name: network.name.clone(),
            version,
            input_elements: network.input_elements(),
            output_elements: network.output_elements(),
        }
    }

    /// Hands rows in, any number of them, and never blocks. `done` is called exactly once with the
    /// answers or with what kept them from being computed: on a thread of the processor, so it must
    /// not block; or at once, if the rows are refused.
    pub fn submit_then(
        &self,
        rows: impl Into<BatchRows>,
        done: impl FnOnce(Result<BatchResult, EngineError>) + Send + 'static,
    ) {
        self.hand_in(rows.into(), Reply::new(done));
    }

    /// As [`submit_then`](Self::submit_then), with a future for the answers.
    pub fn submit(&self, rows: impl Into<BatchRows>) -> PendingBatch {
        let (reply, pending) = PendingBatch::new();
        self.hand_in(rows.into(), reply);
        pending
    }

    fn hand_in(&self, rows: BatchRows, reply: Reply) {
        let row = self.input_elements;
        if let Some(values) = rows.broken_piece(row) {
            reply.send(Err(EngineError::RowLength { values, row }));
            return;
        }
        match (&*self.lease.worker, &self.lease.place) {
            (Worker::Cpu(workers), Place::Cpu(network)) => {
                workers.submit(Arc::clone(network), rows, reply);
            }
            (Worker::Device(worker), Place::Device(id)) => worker.submit(*id, rows, reply),
            // A place is its own worker's; a dropped reply is an answer too.
            _ => drop(reply),
        }
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of the network, stamped on every answer.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Values of an input row.
    pub fn input_elements(&self) -> usize {
        self.input_elements
    }

    /// Values of an output row.
    pub fn output_elements(&self) -> usize {
        self.output_elements
    }

    /// What computes it on the caller's thread, if this is the CPU.
    pub(crate) fn executor(&self) -> Option<&CpuExecutor> {
        match &self.lease.place {
            Place::Cpu(network) => Some(network.executor()),
            Place::Device(_) => None,
        }
    }

    /// The processor that the network is on.
    pub fn processor(&self) -> Processor {
        Processor {
            worker: Arc::clone(&self.lease.worker),
        }
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.lease.worker
    }

    /// Puts a network of the same shape in the place of this one, after what was submitted before.
    /// Where there isn't room for both, this one is unloaded first, and loaded again if the other one
    /// fails to load. The handle that is returned is to be used from now on; with both, batches are
    /// computed with the new network on a device.
    pub(super) fn replace(&self, network: &Network, version: u32) -> Result<Resident, EngineError> {
        match (&*self.lease.worker, &self.lease.place) {
            (Worker::Device(worker), Place::Device(id)) => {
                worker.replace(*id, network, version)?;
                Ok(Resident::new(Arc::clone(&self.lease), network, version))
            }
            _ => self.processor().load(network, version),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Without another handle, the worker ends anyway.
        if let (Worker::Device(worker), Place::Device(id)) = (&*self.worker, &self.place)
            && Arc::strong_count(&self.worker) > 1
        {
            worker.unload(*id);
        }
    }
}
