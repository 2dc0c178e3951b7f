//! What the device's thread does: splits batches into commands, keeps the lanes full, and takes
//! completions apart again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use systole_driver::{Command, CommandId, Completion, Device, QueueOptions, QueuePair};

use super::lane::Lane;
use super::model::Models;
use super::{Job, LANES, Recoveries, attention, finish};
use crate::compiler::Program;
use crate::engine::pending::Reply;
use crate::engine::{BatchResult, CommandReport, EngineError, EngineOptions};

/// Time that commands in flight have to complete when the engine is dropped.
const GRACE: Duration = Duration::from_secs(1);

/// Longest wait before looking whether the engine has been dropped.
const LOOK_UP: Duration = Duration::from_millis(100);

/// A command that the device has.
struct InFlight {
    id: CommandId,
    lane: usize,
    batch: u64,
    first_row: usize,
    rows: usize,
    since: Instant,
}

/// A batch that is not answered yet.
pub(super) struct Batch {
    pub number: u64,
    /// Times that the device has failed with it.
    pub failures: u32,
    rows: Vec<i8>,
    count: usize,
    /// Rows that have been handed to the device.
    sent: usize,
    /// Rows that have come back.
    done: usize,
    result: BatchResult,
    reply: Option<Reply>,
}

/// The thread's state.
pub(super) struct Work {
    pub(super) device: Device,
    // Before the lanes: the device has stopped when their mappings end. `None` only while the device
    // is being recovered.
    pub(super) queue: Option<QueuePair>,
    pub(super) models: Models,
    first: Option<Program>,
    pub(super) options: EngineOptions,
    /// Set when the engine is dropped.
    stop: Arc<AtomicBool>,
    lanes: Vec<Lane>,
    free: Vec<usize>,
    in_flight: VecDeque<InFlight>,
    pub(super) batches: VecDeque<Batch>,
    next_batch: u64,
    staging: Vec<u8>,
    pub(super) last_progress: Instant,
    /// Failures of the device since its last completion.
    pub(super) failures: u32,
    pub(super) recoveries: Recoveries,
}

impl Work {
    /// Nothing is resident yet.
    pub fn new(
        device: Device,
        models: Models,
        first: Program,
        options: EngineOptions,
        stop: Arc<AtomicBool>,
        recoveries: Recoveries,
    ) -> Result<Self, EngineError> {
        let mut work = Self {
            device,
            queue: None,
            models,
            first: Some(first),
            options,
            stop,
            lanes: Vec::new(),
            free: Vec::new(),
            in_flight: VecDeque::new(),
            batches: VecDeque::new(),
            next_batch: 0,
            staging: Vec::new(),
            last_progress: Instant::now(),
            failures: 0,
            recoveries,
        };
        work.queue = Some(work.device.queue_pair(work.queue_options())?);
        Ok(work)
    }

    /// How the queue pair is made: entries for the lanes, and a load or unload beside them.
    pub(super) fn queue_options(&self) -> QueueOptions {
        QueueOptions {
            entries: (LANES as u32 + 3).next_power_of_two(),
            mode: self.options.mode,
        }
    }

    /// The queue pair.
    pub(super) fn queue(&mut self) -> Result<&mut QueuePair, EngineError> {
        self.queue.as_mut().ok_or(EngineError::Stopped)
    }

    /// Number of the batch whose command the device has had for longest.
    pub(super) fn oldest_batch(&self) -> Option<u64> {
        self.in_flight.front().map(|command| command.batch)
    }

    /// Takes back what the device has and has not answered.
    pub(super) fn forget_flight(&mut self) {
        self.in_flight.clear();
        self.free = (0..self.lanes.len()).collect();
        for batch in &mut self.batches {
            // Commands of a batch complete in order, so what is done is its beginning.
            batch.sent = batch.done;
        }
    }

    /// Makes the network that the engine was made with resident.
    pub fn load_first(&mut self) -> Result<(), EngineError> {
        match self.first.take() {
            Some(program) => {
                let memory = self.prepare(&program)?;
                self.install(program, memory, self.options.version)
            }
            None => Ok(()),
        }
    }

    /// Replaces the lanes, while nothing is in flight.
    pub(super) fn use_lanes(&mut self, lanes: Vec<Lane>) {
        self.free = (0..lanes.len()).collect();
        self.lanes = lanes;
    }

    /// Works until the engine is dropped or the device fails. Batches that are not answered then
    /// learn that the engine has stopped, because nobody holds the other end any more.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        let error = loop {
            let Err(error) = self.serve(jobs) else {
                return;
            };
            if let Err(error) = self.recover(error) {
                break error;
            }
        };
        // The device is lost: all that wait learn why, and so do those who still come. Stopping
        // the device can take its time, so those who wait come first.
        tracing::debug!(%error, "the engine's device has failed");
        for mut batch in self.batches.drain(..) {
            answer(&mut batch, Err(error.clone()));
        }
        jobs.try_iter().for_each(|job| job.fail(&error));
        drop(self.queue);
        jobs.iter().for_each(|job| job.fail(&error));
    }

    fn serve(&mut self, jobs: &Receiver<Job>) -> Result<(), EngineError> {
        while !self.stop.load(Ordering::Relaxed) {
            if self.batches.is_empty() {
                match jobs.recv() {
                    Ok(_) if self.stop.load(Ordering::Relaxed) => return Ok(()),
                    Ok(job) => self.accept(job)?,
                    Err(_) => return Ok(()),
                }
            }
            // New batches are taken in while there is a lane for them: the channel holds the rest.
            self.submit()?;
            while !self.free.is_empty()
                && let Ok(job) = jobs.try_recv()
            {
                self.accept(job)?;
                self.submit()?;
            }
            self.queue()?.ring()?;
            self.complete(false)?;
        }
        self.wind_down()
    }

    /// Gives the commands in flight a moment to complete.
    fn wind_down(&mut self) -> Result<(), EngineError> {
        let begin = Instant::now();
        while !self.in_flight.is_empty()
            && let Some(left) = GRACE.checked_sub(begin.elapsed())
        {
            if let Some(completion) = self.wait(left)? {
                self.finish(completion)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, job: Job) -> Result<(), EngineError> {
        match job {
            Job::Infer { rows, reply } => {
                self.begin(rows, reply);
                Ok(())
            }
            Job::Replace {
                program,
                version,
                reply,
            } => {
                // What was submitted before is finished with the old network.
                if let Err(error) = self.drain() {
                    let _ = reply.send(Err(error.clone()));
                    return Err(error);
                }
                let memory = match self.prepare(&program) {
                    Ok(memory) => memory,
                    // Nothing has happened to the device or to the serving model.
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        return Ok(());
                    }
                };
                let result = self.install(*program, memory, version);
                let lost = match &result {
                    // Without a model there is nothing left to serve with.
                    Err(error) if !self.models.is_resident() => Some(error.clone()),
                    Err(error @ (EngineError::Driver(_) | EngineError::Timeout { .. })) => {
                        Some(error.clone())
                    }
                    _ => None,
                };
                let _ = reply.send(result);
                lost.map_or(Ok(()), Err)
            }
        }
    }

    /// Completes all batches.
    fn drain(&mut self) -> Result<(), EngineError> {
        while !self.batches.is_empty() {
            self.submit()?;
            self.queue()?.ring()?;
            self.complete(true)?;
        }
        Ok(())
    }

    fn begin(&mut self, rows: Vec<i8>, reply: Reply) {
        let Some(serving) = self.models.serving() else {
            let _ = reply.send(Err(EngineError::Stopped));
            return;
        };
        let (input, output) = (
            serving.program.input.elements(),
            serving.program.output_elements,
        );
        let count = rows.len() / input;
        let mut batch = Batch {
            number: self.next_batch,
            failures: 0,
            count,
            sent: 0,
            done: 0,
            result: BatchResult {
                outputs: vec![0; count * output],
                version: serving.version,
                commands: Vec::with_capacity(count.div_ceil(self.options.batch)),
            },
            rows,
            reply: Some(reply),
        };
        if count == 0 {
            let result = std::mem::take(&mut batch.result);
            answer(&mut batch, Ok(result));
            return;
        }
        self.next_batch += 1;
        self.batches.push_back(batch);
    }

    /// Fills free lanes with the next rows. The device learns of them when the doorbell rings,
    /// once for all.
    fn submit(&mut self) -> Result<(), EngineError> {
        let Some(serving) = self.models.serving() else {
            return Ok(());
        };
        let program = &serving.program;
        let elements = program.input.elements();
        for batch in &mut self.batches {
            while batch.sent < batch.count
                && let Some(index) = self.free.pop()
            {
                let lane = &mut self.lanes[index];
                let rows = self.options.batch.min(batch.count - batch.sent);
                let values = &batch.rows[batch.sent * elements..][..rows * elements];
                lane.write_rows(values, program, &mut self.staging)?;
                lane.clear_trace()?;
                let entry = program.run_entry(
                    serving.placement.slot,
                    u16::try_from(rows).unwrap_or(u16::MAX),
                    &lane.addresses(program, self.options.statistics),
                );
                let queue = self.queue.as_mut().ok_or(EngineError::Stopped)?;
                let id = queue.submit_with(Command::Run(entry), &[lane.buffer()])?;
                if self.in_flight.is_empty() {
                    self.last_progress = Instant::now();
                }
                self.in_flight.push_back(InFlight {
                    id,
                    lane: index,
                    batch: batch.number,
                    first_row: batch.sent,
                    rows,
                    since: Instant::now(),
                });
                batch.sent += rows;
            }
        }
        Ok(())
    }

    /// Takes the completions that are there, or waits for one. With `only`, nothing new is
    /// expected meanwhile; else the wait is short, because there may be new batches to submit.
    fn complete(&mut self, only: bool) -> Result<(), EngineError> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let pause = if only || self.free.is_empty() {
            LOOK_UP
        } else {
            attention(self.options.mode)
        };
        match self.wait(pause)? {
            Some(completion) => self.finish(completion)?,
            None => return Ok(()),
        }
        while let Some(completion) = self.queue()?.poll()? {
            self.finish(completion)?;
        }
        Ok(())
    }

    /// Waits for a completion; `None` if there is none within `pause`.
    pub(super) fn wait(&mut self, pause: Duration) -> Result<Option<Completion>, EngineError> {
        let left = self
            .options
            .timeout
            .saturating_sub(self.last_progress.elapsed());
        match self.queue()?.wait(pause.min(left)) {
            Ok(completion) => {
                self.last_progress = Instant::now();
                Ok(Some(completion))
            }
            Err(systole_driver::Error::Timeout)
                if self.last_progress.elapsed() < self.options.timeout =>
            {
                Ok(None)
            }
            Err(systole_driver::Error::Timeout) => Err(EngineError::Timeout {
                timeout: self.options.timeout,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the oldest command's answer out of its lane.
    fn finish(&mut self, completion: Completion) -> Result<(), EngineError> {
        let Some(command) = self.in_flight.pop_front() else {
            return Err(EngineError::OutOfOrder {
                found: completion.command_id,
                expected: 0,
            });
        };
        if command.id.0 != completion.command_id {
            return Err(EngineError::OutOfOrder {
                found: completion.command_id,
                expected: command.id.0,
            });
        }
        let Some(position) = self
            .batches
            .iter()
            .position(|batch| batch.number == command.batch)
        else {
            // The batch has failed with an earlier command.
            self.free.push(command.lane);
            return Ok(());
        };
        let batch = &mut self.batches[position];
        if let Err(status) = completion.status {
            let mut batch = self
                .batches
                .remove(position)
                .expect("the position is a batch's");
            answer(
                &mut batch,
                Err(EngineError::Command {
                    what: "a run",
                    status,
                }),
            );
            self.free.push(command.lane);
            return Ok(());
        }
        let Some(serving) = self.models.serving() else {
            return Err(EngineError::Stopped);
        };
        let lane = &self.lanes[command.lane];
        let output = batch.result.outputs.len() / batch.count;
        let target =
            &mut batch.result.outputs[command.first_row * output..][..command.rows * output];
        finish(&serving.program, lane, target, &mut self.staging)?;
        batch.result.version = completion.version;
        batch.result.commands.push(CommandReport {
            rows: command.rows,
            cycles: (completion.cycles != 0).then_some(completion.cycles.into()),
            statistics: match self.options.statistics {
                true => Some(lane.statistics()?),
                false => None,
            },
            trace: lane.trace_records()?,
            elapsed: command.since.elapsed(),
        });
        batch.done += command.rows;
        self.failures = 0;
        self.free.push(command.lane);
        if batch.done == batch.count {
            let mut batch = self
                .batches
                .remove(position)
                .expect("the position is a batch's");
            let result = std::mem::take(&mut batch.result);
            answer(&mut batch, Ok(result));
        }
        Ok(())
    }
}

/// Answers a batch once; nobody may be waiting any more.
pub(super) fn answer(batch: &mut Batch, result: Result<BatchResult, EngineError>) {
    if let Some(reply) = batch.reply.take() {
        let _ = reply.send(result);
    }
}
