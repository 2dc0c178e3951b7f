//! Commands in flight: batches are split into them, and completions put batches together again.
//!
//! ```text
//!  batches  | A A A A | B B | C ...        in flight  [A 2][A 3][B 0]   at most LANES
//!                                             ^ the next completion's
//! ```

use std::time::{Duration, Instant};

use systole_driver::{Command, CommandId, Completion};

use super::lane::Lane;
use super::work::Work;
use super::{LANES, ResidentId, attention};
use crate::compiler::Program;
use crate::engine::{CommandReport, EngineError};

/// Longest wait before looking whether the processor has been dropped.
const LOOK_UP: Duration = Duration::from_millis(100);

/// A command that the device has.
pub(super) struct InFlight {
    command: CommandId,
    id: ResidentId,
    lane: usize,
    pub batch: u64,
    first_row: usize,
    rows: usize,
    since: Instant,
}

impl Work {
    /// Hands the next rows over while there are lanes for them. The device learns of them when the
    /// doorbell rings, once for all.
    pub(super) fn submit(&mut self) -> Result<(), EngineError> {
        for batch in &mut self.batches {
            let Some(model) = self.models.get_mut(batch.id) else {
                continue;
            };
            let program = &model.program;
            let elements = program.input.elements();
            while batch.sent < batch.count {
                // There is a lane for each command in flight in every model.
                if self.in_flight.len() >= LANES {
                    return Ok(());
                }
                let Some(index) = model.free.pop() else {
                    return Ok(());
                };
                batch.begin(program.output_elements, self.options.batch);
                let lane = &mut model.lanes[index];
                let rows = self.options.batch.min(batch.count - batch.sent);
                let slices = batch.rows.slices(batch.sent * elements, rows * elements);
                lane.write_rows(slices, program)?;
                lane.clear_trace()?;
                let entry = program.run_entry(
                    model.placement.slot,
                    u16::try_from(rows).unwrap_or(u16::MAX),
                    &lane.addresses(program, self.options.statistics),
                );
                let queue = self.queue.as_mut().ok_or(EngineError::Stopped)?;
                let command = queue.submit_with(Command::Run(entry), &[lane.buffer()])?;
                if self.in_flight.is_empty() {
                    self.last_progress = Instant::now();
                }
                self.in_flight.push_back(InFlight {
                    command,
                    id: batch.id,
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

    /// Takes back what the device has and has not answered.
    pub(super) fn forget_flight(&mut self) {
        self.in_flight.clear();
        for model in self.models.iter_mut() {
            model.free = (0..model.lanes.len()).collect();
        }
        for batch in &mut self.batches {
            // Commands of a batch complete in order, so what is done is its beginning.
            batch.sent = batch.done;
        }
    }

    /// Takes the completions that are there, or waits for one. With `only`, nothing new is
    /// expected meanwhile; else the wait is short, because there may be new batches to submit.
    pub(super) fn complete(&mut self, only: bool) -> Result<(), EngineError> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let pause = if only || self.in_flight.len() >= LANES {
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
    pub(super) fn finish(&mut self, completion: Completion) -> Result<(), EngineError> {
        let Some(command) = self.in_flight.pop_front() else {
            return Err(EngineError::OutOfOrder {
                found: completion.command_id,
                expected: 0,
            });
        };
        if command.command.0 != completion.command_id {
            return Err(EngineError::OutOfOrder {
                found: completion.command_id,
                expected: command.command.0,
            });
        }
        let Some(model) = self.models.get_mut(command.id) else {
            return Err(EngineError::Stopped);
        };
        model.free.push(command.lane);
        let mut batches = self.batches.iter();
        let Some(position) = batches.position(|batch| batch.number == command.batch) else {
            // The batch has failed with an earlier command.
            return Ok(());
        };
        if let Err(status) = completion.status {
            if let Some(batch) = self.take_batch(position) {
                let what = "a run";
                batch.fail(EngineError::Command { what, status });
            }
            return Ok(());
        }
        let batch = &mut self.batches[position];
        let lane = &model.lanes[command.lane];
        let output = model.program.output_elements;
        let answers =
            &mut batch.result.outputs[command.first_row * output..][..command.rows * output];
        read_answers(&model.program, lane, answers)?;
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
        if batch.done == batch.count
            && let Some(batch) = self.take_batch(position)
        {
            batch.complete();
        }
        Ok(())
    }
}

/// Takes the answers to one command out of its lane, and computes what is left for the host.
fn read_answers(program: &Program, lane: &Lane, answers: &mut [i8]) -> Result<(), EngineError> {
    if program.tail.is_empty() {
        lane.read_rows(answers, program)?;
        return Ok(());
    }
    let rows = answers.len() / program.output_elements;
    let mut values = vec![0; rows * program.output.elements()];
    lane.read_rows(&mut values, program)?;
    answers.copy_from_slice(&program.tail.apply(&values, rows));
    Ok(())
}
