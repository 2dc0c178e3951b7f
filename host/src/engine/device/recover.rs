//! A device that has failed is reset, its models loaded again, and what it has not answered handed to
//! it once more.
//!
//! ```text
//!  timeout, fatal error, ──► queue pair dropped ──► reset, identified ──► models loaded ──► rows that
//!  wrong completion          (its ids are never      again                again             have no
//!                            used again)                                                    answer, again
//! ```
//!
//! A run changes nothing but its own output rows, so it can be repeated; rows that are answered are
//! not computed again. A batch that fails the device each time is given up, so that others go on.

use systole_driver::Error;

use super::work::Work;
use crate::engine::EngineError;

/// Failures in a row, without a completion between them, after which a device is given up.
const FAILURES_MAX: u32 = 5;

impl Work {
    /// Makes the device work again after `error`.
    ///
    /// # Errors
    /// `error`, if the device is lost.
    pub(super) fn recover(&mut self, error: EngineError) -> Result<(), EngineError> {
        if !can_recover(&error) {
            return Err(error);
        }
        self.give_up_batch(&error);
        while self.failures < FAILURES_MAX {
            self.failures += 1;
            tracing::warn!(%error, "the device has failed; resetting it");
            match self.restart() {
                Ok(()) => {
                    self.recoveries.count();
                    return Ok(());
                }
                Err(again) => {
                    tracing::warn!(error = %again, "the device did not come back");
                    if !can_recover(&again) {
                        break;
                    }
                }
            }
        }
        Err(error)
    }

    /// Answers the batch that the device had in its hands, if that has happened too often.
    fn give_up_batch(&mut self, error: &EngineError) {
        let Some(number) = self.in_flight.front().map(|command| command.batch) else {
            return;
        };
        let mut batches = self.batches.iter_mut();
        let Some(position) = batches.position(|batch| batch.number == number) else {
            return;
        };
        let batch = &mut self.batches[position];
        batch.failures += 1;
        if batch.failures > self.options.retries
            && let Some(batch) = self.take_batch(position)
        {
            batch.fail(error.clone());
        }
    }

    /// Resets the device, loads its models, and forgets what was in flight.
    fn restart(&mut self) -> Result<(), EngineError> {
        // The device is stopped before anything that it could write to is used again.
        self.queue = None;
        self.device.recover()?;
        self.queue = Some(self.device.queue_pair(self.queue_options())?);
        self.forget_flight();
        self.models.vacate_all();
        while let Some(id) = self.models.leaver() {
            self.models.take(id);
        }
        for id in self.models.ids() {
            self.reload(id)?;
        }
        Ok(())
    }
}

/// Whether a reset may help.
fn can_recover(error: &EngineError) -> bool {
    match error {
        // A load or an unload that should have succeeded: those who ask for a load that is refused
        // have their answer, and the device goes on.
        EngineError::Command { .. } => true,
        EngineError::Timeout { .. } | EngineError::OutOfOrder { .. } => true,
        EngineError::Driver(error) => !matches!(
            **error,
            // Somebody else wants the device, or it is another one.
            Error::WantedBack | Error::OtherDevice | Error::QueueInUse
        ),
        _ => false,
    }
}
