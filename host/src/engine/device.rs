//! The device backend: a thread that owns the queue pair and the DMA buffers.
//!
//! ```text
//!  jobs (batches, loads, unloads)
//!    | batches are split into commands
//!    v
//!  lanes: DMA buffers for one command each, used in turn --> submission ring --> device
//!    ^                                                                              |
//!    +---- outputs copied out, lane free again <---- completion ring <--------------+
//! ```
//!
//! Commands complete in the order in which they were submitted, so the oldest one in flight is the one
//! that a completion belongs to; anything else means that the device is not to be trusted.

mod batch;
mod flight;
mod install;
mod lane;
mod model;
mod prepared;
mod recover;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use systole_driver::{CompletionMode, Counters, Device};

use super::pending::Reply;
use super::{BatchRows, EngineError, EngineOptions, SlotNetwork, join, start_thread};
use crate::compiler::Target;
use crate::model::Network;
use model::{Models, SlotTable};
use prepared::Prepared;
use work::Work;

/// Commands in flight, so that the device always has the next one before it has finished one.
const LANES: usize = 4;

/// Number of a network that the thread keeps resident; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ResidentId(u64);

/// What the thread is asked to do.
enum Job {
    /// Compute rows.
    Infer {
        id: ResidentId,
        rows: BatchRows,
        reply: Reply,
    },
    /// Make a network resident beside the others.
    Load(Load),
    /// Make a network resident in place of another, after all that was submitted for that one.
    Replace { id: ResidentId, load: Load },
    /// Unload a network when all that was submitted for it is answered.
    Unload(ResidentId),
}

/// A network to be loaded.
struct Load {
    prepared: Box<Prepared>,
    reply: oneshot::Sender<Result<ResidentId, EngineError>>,
}

impl Load {
    /// Answers with an error; nobody may be waiting any more.
    fn fail(self, error: &EngineError) {
        let _ = self.reply.send(Err(error.clone()));
    }
}

impl Job {
    /// Answers with an error.
    fn fail(self, error: &EngineError) {
        match self {
            Job::Infer { reply, .. } => reply.send(Err(error.clone())),
            Job::Load(load) | Job::Replace { load, .. } => load.fail(error),
            Job::Unload(_) => {}
        }
    }
}

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct DeviceWorker {
    stop: Arc<AtomicBool>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    device: Device,
    target: Target,
    options: EngineOptions,
    recoveries: Recoveries,
    slots: SlotTable,
}

/// How often a device was brought back.
#[derive(Clone, Debug, Default)]
struct Recoveries(Arc<AtomicU64>);

impl Recoveries {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl DeviceWorker {
    /// Resets the device and starts the thread.
    pub fn new(device: Device, options: EngineOptions) -> Result<Self, EngineError> {
        let target = Target::from(device.identity());
        // What an earlier owner left in the slots would be in the way.
        device.reset()?;
        let slots = SlotTable::new(&target);
        let stop = Arc::new(AtomicBool::new(false));
        let recoveries = Recoveries::default();
        let work = Work::new(
            device.clone(),
            Models::new(&target, slots.clone()),
            options,
            Arc::clone(&stop),
            recoveries.clone(),
        )?;
        let (jobs, queue) = crossbeam_channel::unbounded();
        let thread = start_thread("systole-device", move || work.run(&queue))?;
        Ok(Self {
            stop,
            jobs: Some(jobs),
            thread: Some(thread),
            device,
            target,
            options,
            recoveries,
            slots,
        })
    }

    pub fn recoveries(&self) -> u64 {
        self.recoveries.0.load(Ordering::Relaxed)
    }

    pub fn counters(&self) -> Result<Counters, EngineError> {
        Ok(self.device.counters()?)
    }

    pub fn slots(&self) -> Vec<Option<SlotNetwork>> {
        self.slots.read()
    }

    /// Hands a batch in. What can't be handed in is dropped, and so answered.
    pub fn submit(&self, id: ResidentId, rows: BatchRows, reply: Reply) {
        let _ = self.send(Job::Infer { id, rows, reply });
    }

    /// Makes a network resident.
    pub fn load(&self, network: &Network, version: u32) -> Result<ResidentId, EngineError> {
        self.install(network, version, Job::Load)
    }

    /// Makes a network resident in place of another.
    pub fn replace(
        &self,
        id: ResidentId,
        network: &Network,
        version: u32,
    ) -> Result<ResidentId, EngineError> {
        self.install(network, version, |load| Job::Replace { id, load })
    }

    /// Unloads a network when what was submitted before is answered.
    pub fn unload(&self, id: ResidentId) {
        // The thread has ended if this fails, and the device is done with.
        let _ = self.send(Job::Unload(id));
    }

    /// All that a load needs is made by the caller's thread, so that batches of others go on.
    fn install(
        &self,
        network: &Network,
        version: u32,
        job: impl FnOnce(Load) -> Job,
    ) -> Result<ResidentId, EngineError> {
        let prepared = Prepared::new(&self.device, network, &self.target, version, self.options)?;
        let (reply, answer) = oneshot::channel();
        self.send(job(Load {
            prepared: Box::new(prepared),
            reply,
        }))?;
        answer.recv().unwrap_or(Err(EngineError::Stopped))
    }

    fn send(&self, job: Job) -> Result<(), EngineError> {
        let jobs = self.jobs.as_ref().ok_or(EngineError::Stopped)?;
        jobs.send(job).map_err(|_| EngineError::Stopped)
    }
}

impl Drop for DeviceWorker {
    fn drop(&mut self) {
        // The flag ends work, the missing sender ends waiting for work.
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.thread.take().into_iter().for_each(join);
    }
}

/// How long to look for a completion while there could be new jobs to submit as well.
fn attention(mode: CompletionMode) -> std::time::Duration {
    match mode {
        CompletionMode::Polling => std::time::Duration::from_micros(50),
        CompletionMode::Interrupt => std::time::Duration::from_millis(1),
    }
}
