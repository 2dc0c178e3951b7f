//! The device backend: a thread that owns the queue pair and the DMA buffers.
//!
//! ```text
//!  jobs (batches, replacements)
//!    | split into commands
//!    v
//!  lanes: DMA buffers for one command each, used in turn --> submission ring --> device
//!    ^                                                                              |
//!    +---- outputs copied out, lane free again <---- completion ring <--------------+
//! ```
//!
//! Commands complete in the order in which they were submitted, so the oldest lane is the one
//! that a completion belongs to; anything else means that the device is not to be trusted.

mod install;
mod lane;
mod model;
mod recover;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use systole_driver::{CompletionMode, Device};

use super::pending::Reply;
use super::{EngineError, EngineOptions, PendingBatch, start_thread};
use crate::compiler::{CompileOptions, Program, Target, compile_with};
use crate::model::Network;
use lane::Lane;
use model::Models;
use work::Work;

/// Commands in flight, so that the device always has the next one before it has finished one.
const LANES: usize = 4;

/// What the thread is asked to do.
enum Job {
    /// Compute rows.
    Infer { rows: Vec<i8>, reply: Reply },
    /// Make another network resident.
    Replace {
        program: Box<Program>,
        version: u32,
        reply: oneshot::Sender<Result<(), EngineError>>,
    },
}

impl Job {
    /// Answers with an error; nobody may be waiting any more.
    fn fail(self, error: &EngineError) {
        match self {
            Job::Infer { reply, .. } => drop(reply.send(Err(error.clone()))),
            Job::Replace { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct DeviceWorker {
    stop: Arc<AtomicBool>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    target: Target,
    options: EngineOptions,
    recoveries: Recoveries,
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
    /// Compiles the network, makes it resident, and starts the thread.
    pub(super) fn new(
        network: &Network,
        device: Device,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let target = Target::from(device.identity());
        let program = compile(network, &target, options)?;
        // What an earlier owner left in the slots would be in the way.
        device.reset()?;
        let models = Models::new(&target);
        let stop = Arc::new(AtomicBool::new(false));
        let recoveries = Recoveries::default();
        let stopped = Arc::clone(&stop);
        let mut work = Work::new(
            device,
            models,
            program,
            options,
            stopped,
            recoveries.clone(),
        )?;
        work.load_first()?;
        let (jobs, queue) = crossbeam_channel::unbounded();
        let thread = start_thread("systole-device", move || work.run(&queue))?;
        Ok(Self {
            stop,
            jobs: Some(jobs),
            thread: Some(thread),
            target,
            options,
            recoveries,
        })
    }

    pub(super) fn recoveries(&self) -> u64 {
        self.recoveries.0.load(Ordering::Relaxed)
    }

    pub(super) fn submit(&self, rows: Vec<i8>) -> PendingBatch {
        let (reply, pending) = PendingBatch::new();
        match self.send(Job::Infer { rows, reply }) {
            Ok(()) => pending,
            Err(error) => PendingBatch::failed(error),
        }
    }

    pub(super) fn replace(&self, network: &Network, version: u32) -> Result<(), EngineError> {
        let program = Box::new(compile(network, &self.target, self.options)?);
        let (reply, answer) = oneshot::channel();
        self.send(Job::Replace {
            program,
            version,
            reply,
        })?;
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
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the device's worker has panicked");
        }
    }
}

/// Takes the answers to one command out of its lane, and computes what is left for the host.
fn finish(
    program: &Program,
    lane: &Lane,
    answers: &mut [i8],
    staging: &mut Vec<u8>,
) -> Result<(), EngineError> {
    if program.tail.is_empty() {
        lane.read_rows(answers, program, staging)?;
        return Ok(());
    }
    let rows = answers.len() / program.output_elements;
    let mut values = vec![0; rows * program.output.elements()];
    lane.read_rows(&mut values, program, staging)?;
    answers.copy_from_slice(&program.tail.apply(&values, rows));
    Ok(())
}

fn compile(
    network: &Network,
    target: &Target,
    options: EngineOptions,
) -> Result<Program, EngineError> {
    Ok(compile_with(
        network,
        target,
        CompileOptions {
            batch: Some(options.batch),
        },
    )?)
}

/// How long to look for a completion while there could be new jobs to submit as well.
fn attention(mode: CompletionMode) -> std::time::Duration {
    match mode {
        CompletionMode::Polling => std::time::Duration::from_micros(50),
        CompletionMode::Interrupt => std::time::Duration::from_millis(1),
    }
}
