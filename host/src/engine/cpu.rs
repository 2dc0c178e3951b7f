//! The CPU backend behind the engine's calls: a few threads that take batches from one channel.
//!
//! ```text
//!  submit --> channel --+--> thread --> CpuExecutor --> reply
//!                       +--> thread --> CpuExecutor --> reply
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::pending::Reply;
use super::{BatchResult, CommandReport, EngineError, EngineOptions, PendingBatch, start_thread};
use crate::cpu::CpuExecutor;
use crate::model::Network;

/// A network, ready to be computed, with its version.
#[derive(Debug)]
struct Resident {
    executor: CpuExecutor,
    version: u32,
}

/// A batch, the network that was resident when it came, and where its answer goes.
struct Job {
    rows: Vec<i8>,
    resident: Arc<Resident>,
    reply: Reply,
}

/// The threads.
#[derive(Debug)]
pub(super) struct CpuWorkers {
    resident: RwLock<Arc<Resident>>,
    jobs: Option<Sender<Job>>,
    /// Set when the engine is dropped.
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl CpuWorkers {
    /// Starts a thread for each processor that this process may use.
    pub(super) fn new(network: &Network, options: EngineOptions) -> Result<Self, EngineError> {
        let resident = Arc::new(Resident {
            executor: CpuExecutor::new(network)?,
            version: options.version,
        });
        let (jobs, queue) = crossbeam_channel::unbounded();
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut workers = Self {
            resident: RwLock::new(resident),
            jobs: Some(jobs),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let (queue, stop) = (queue.clone(), Arc::clone(&workers.stop));
            let thread = start_thread("systole-cpu", move || work(&queue, options.batch, &stop))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    pub(super) fn submit(&self, rows: Vec<i8>) -> PendingBatch {
        let resident = Arc::clone(&self.resident.read().unwrap_or_else(PoisonError::into_inner));
        let (reply, pending) = PendingBatch::new();
        let Some(jobs) = &self.jobs else {
            return PendingBatch::failed(EngineError::Stopped);
        };
        match jobs.send(Job {
            rows,
            resident,
            reply,
        }) {
            Ok(()) => pending,
            Err(_) => PendingBatch::failed(EngineError::Stopped),
        }
    }

    pub(super) fn replace(&self, network: &Network, version: u32) -> Result<(), EngineError> {
        let resident = Arc::new(Resident {
            executor: CpuExecutor::new(network)?,
            version,
        });
        *self
            .resident
            .write()
            .unwrap_or_else(PoisonError::into_inner) = resident;
        Ok(())
    }
}

impl Drop for CpuWorkers {
    fn drop(&mut self) {
        // The flag ends work, the missing sender ends waiting for work.
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a CPU worker has panicked");
            }
        }
    }
}

/// Computes batches until the channel is closed. What comes after the stop is dropped, and so
/// answered by the loss of its sender.
fn work(queue: &Receiver<Job>, batch: usize, stop: &AtomicBool) {
    'jobs: for Job {
        rows,
        resident,
        reply,
    } in queue
    {
        let executor = &resident.executor;
        let (input, output) = (executor.input_elements(), executor.output_elements());
        let count = rows.len() / input;
        let mut result = BatchResult {
            outputs: Vec::with_capacity(count * output),
            version: resident.version,
            commands: Vec::with_capacity(count.div_ceil(batch)),
        };
        for rows in rows.chunks(batch * input) {
            if stop.load(Ordering::Relaxed) {
                continue 'jobs;
            }
            let begin = Instant::now();
            let count = rows.len() / input;
            result.outputs.extend(executor.run(rows, count));
            result.commands.push(CommandReport {
                rows: count,
                cycles: None,
                statistics: None,
                trace: Vec::new(),
                elapsed: begin.elapsed(),
            });
        }
        // Nobody may be waiting any more.
        let _ = reply.send(Ok(result));
    }
}
