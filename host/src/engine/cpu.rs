//! The CPU backend behind the processor's calls: a few threads that take batches from one channel.
//!
//! ```text
//!  submit --> channel --+--> thread --> CpuExecutor --> reply
//!                       +--> thread --> CpuExecutor --> reply
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::pending::Reply;
use super::{
    BatchResult, BatchRows, CommandReport, EngineError, EngineOptions, join, start_thread,
};
use crate::cpu::CpuExecutor;
use crate::model::Network;

/// Rows of a piece that is computed where it is. Fewer are put together: they share weights then.
const PIECE_ROWS: usize = 8;

/// Bytes of a piece that is computed where it is, however few rows it has.
const PIECE_BYTES: usize = 32 << 10;

/// A network, ready to be computed, with its version.
#[derive(Debug)]
pub(super) struct CpuNetwork {
    executor: CpuExecutor,
    version: u32,
}

impl CpuNetwork {
    pub fn new(network: &Network, version: u32) -> Result<Self, EngineError> {
        Ok(Self {
            executor: CpuExecutor::new(network)?,
            version,
        })
    }
}

/// A batch, its network, and where its answer goes.
struct Job {
    rows: BatchRows,
    network: Arc<CpuNetwork>,
    reply: Reply,
}

/// The threads.
#[derive(Debug)]
pub(super) struct CpuWorkers {
    jobs: Option<Sender<Job>>,
    /// Set when the processor is dropped.
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl CpuWorkers {
    /// Starts a thread for each processor that this process may use.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let (jobs, queue) = crossbeam_channel::unbounded();
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut workers = Self {
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

    /// Hands a batch in. What can't be handed in is dropped, and so answered.
    pub fn submit(&self, network: Arc<CpuNetwork>, rows: BatchRows, reply: Reply) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job {
                rows,
                network,
                reply,
            });
        }
    }
}

impl Drop for CpuWorkers {
    fn drop(&mut self) {
        // The flag ends work, the missing sender ends waiting for work.
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.threads.drain(..).for_each(join);
    }
}

/// Computes batches until the channel is closed. What comes after the stop is dropped, and so
/// answered.
fn work(queue: &Receiver<Job>, batch: usize, stop: &AtomicBool) {
    let mut gathered = Vec::new();
    'jobs: for Job {
        rows,
        network,
        reply,
    } in queue
    {
        let executor = &network.executor;
        let (input, output) = (executor.input_elements(), executor.output_elements());
        let count = rows.values() / input;
        let mut result = BatchResult {
            outputs: Vec::with_capacity(count * output),
            version: network.version,
            commands: Vec::with_capacity(count.div_ceil(batch)),
        };
        for first in (0..count).step_by(batch) {
            if stop.load(Ordering::Relaxed) {
                continue 'jobs;
            }
            let begin = Instant::now();
            let count = batch.min(count - first);
            let slices = rows.slices(first * input, count * input);
            compute(executor, slices, &mut gathered, &mut result.outputs);
            result.commands.push(CommandReport {
                rows: count,
                cycles: None,
                statistics: None,
                trace: Vec::new(),
                elapsed: begin.elapsed(),
            });
        }
        reply.send(Ok(result));
    }
}

/// Computes slices of whole rows: large ones where they are, small ones that follow each other
/// together.
fn compute<'r>(
    executor: &CpuExecutor,
    slices: impl Iterator<Item = &'r [u8]>,
    gathered: &mut Vec<i8>,
    outputs: &mut Vec<i8>,
) {
    let input = executor.input_elements();
    let mut run = |rows: &[i8]| outputs.extend(executor.run(rows, rows.len() / input));
    let mut slices = slices.peekable();
    while let Some(slice) = slices.next() {
        let values: &[i8] = bytemuck::cast_slice(slice);
        let is_large = values.len() >= PIECE_BYTES.min(PIECE_ROWS * input);
        let is_alone = gathered.is_empty() && slices.peek().is_none();
        if !is_large && !is_alone {
            gathered.extend_from_slice(values);
            continue;
        }
        if !gathered.is_empty() {
            run(gathered);
            gathered.clear();
        }
        run(values);
    }
    if !gathered.is_empty() {
        run(gathered);
        gathered.clear();
    }
}
