//! What the device's thread does: takes jobs in, and keeps the device busy with them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use systole_driver::{Device, QueueOptions, QueuePair};

use super::batch::Batch;
use super::flight::InFlight;
use super::model::Models;
use super::{Job, LANES, Load, Recoveries, ResidentId};
use crate::engine::pending::Reply;
use crate::engine::{BatchRows, EngineError, EngineOptions};

/// Time that commands in flight have to complete when the processor is dropped.
const GRACE: Duration = Duration::from_secs(1);

/// Jobs that are taken in before completions are looked for again.
const JOBS: usize = 64;

/// The thread's state.
pub(super) struct Work {
    pub(super) device: Device,
    // Before the models: the device has stopped when the mappings of their lanes end. `None` only while
    // the device is being recovered.
    pub(super) queue: Option<QueuePair>,
    pub(super) models: Models,
    pub(super) options: EngineOptions,
    /// Set when the processor is dropped.
    stop: Arc<AtomicBool>,
    pub(super) in_flight: VecDeque<InFlight>,
    /// In the order in which they were submitted.
    pub(super) batches: VecDeque<Batch>,
    next_batch: u64,
    /// Loads that wait for the room of models that are leaving.
    pub(super) waiting: VecDeque<Load>,
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
        options: EngineOptions,
        stop: Arc<AtomicBool>,
        recoveries: Recoveries,
    ) -> Result<Self, EngineError> {
        let mut work = Self {
            device,
            queue: None,
            models,
            options,
            stop,
            in_flight: VecDeque::new(),
            batches: VecDeque::new(),
            next_batch: 0,
            waiting: VecDeque::new(),
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

    /// Works until the processor is dropped or the device is lost. Batches that are not answered then
    /// are dropped, and so answered.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        let error = loop {
            match self.serve(jobs) {
                Err(error) if !self.is_stopped() => {
                    if let Err(error) = self.recover(error) {
                        break error;
                    }
                }
                _ => return self.wind_down(),
            }
        };
        // The device is lost: all that wait learn why, and so do those who still come. Stopping
        // the device can take its time, so those who wait come first.
        tracing::debug!(%error, "the processor's device has failed");
        for batch in self.batches.drain(..) {
            batch.fail(error.clone());
        }
        self.waiting.drain(..).for_each(|load| load.fail(&error));
        jobs.try_iter().for_each(|job| job.fail(&error));
        drop(self.queue);
        self.models.vacate_all();
        jobs.iter().for_each(|job| job.fail(&error));
    }

    fn serve(&mut self, jobs: &Receiver<Job>) -> Result<(), EngineError> {
        while !self.is_stopped() {
            if self.is_idle() {
                match jobs.recv() {
                    Ok(_) if self.is_stopped() => return Ok(()),
                    Ok(job) => self.accept(job)?,
                    Err(_) => return Ok(()),
                }
            }
            self.submit()?;
            // All of them, so that loads and unloads need not wait for the batches before them.
            for job in jobs.try_iter().take(JOBS) {
                self.accept(job)?;
            }
            self.submit()?;
            self.queue()?.ring()?;
            self.complete(false)?;
            self.make_room()?;
        }
        Ok(())
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.batches.is_empty()
            && self.in_flight.is_empty()
            && self.waiting.is_empty()
            && self.models.leaver().is_none()
    }

    /// Gives the commands in flight a moment to complete.
    fn wind_down(mut self) {
        let begin = Instant::now();
        while !self.in_flight.is_empty()
            && let Some(left) = GRACE.checked_sub(begin.elapsed())
        {
            let finished = self.wait(left).and_then(|completion| match completion {
                Some(completion) => self.finish(completion),
                None => Ok(()),
            });
            if let Err(error) = finished {
                tracing::debug!(%error, "the device has failed at the end");
                break;
            }
        }
    }

    fn accept(&mut self, job: Job) -> Result<(), EngineError> {
        match job {
            Job::Infer { id, rows, reply } => {
                self.begin(id, rows, reply);
                Ok(())
            }
            Job::Load(load) => self.load_beside(load),
            Job::Replace { id, load } => self.replace(id, load),
            Job::Unload(id) => {
                if let Some(model) = self.models.get_mut(id) {
                    model.leaving = true;
                }
                Ok(())
            }
        }
    }

    fn begin(&mut self, id: ResidentId, rows: BatchRows, reply: Reply) {
        // A dropped reply is an answer, but who has the number has a model.
        let Some(model) = self.models.get_mut(id) else {
            return;
        };
        let batch = Batch::new(self.next_batch, id, model, rows, reply);
        if batch.count == 0 {
            batch.complete();
            return;
        }
        model.batches += 1;
        self.next_batch += 1;
        self.batches.push_back(batch);
    }

    /// A batch that is to be answered now.
    pub(super) fn take_batch(&mut self, position: usize) -> Option<Batch> {
        let batch = self.batches.remove(position)?;
        if let Some(model) = self.models.get_mut(batch.id) {
            model.batches -= 1;
        }
        Some(batch)
    }

    /// Completes all batches.
    pub(super) fn drain(&mut self) -> Result<(), EngineError> {
        while !self.batches.is_empty() {
            self.submit()?;
            self.queue()?.ring()?;
            self.complete(true)?;
        }
        self.settle()
    }

    /// Completes what is in flight, without anything new.
    pub(super) fn settle(&mut self) -> Result<(), EngineError> {
        while !self.in_flight.is_empty() {
            if self.is_stopped() {
                return Err(EngineError::Stopped);
            }
            self.queue()?.ring()?;
            self.complete(true)?;
        }
        Ok(())
    }
}
