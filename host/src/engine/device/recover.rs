//! A device that has failed is reset, its model loaded again, and what it has not answered handed to
//! it once more.
//!
//! ```text
//!  timeout, fatal error, ──► queue pair dropped ──► reset, identified ──► model loaded ──► rows that
//!  wrong completion          (its ids are never      again                again            have no
//!                            used again)                                                   answer, again
//! ```
//!
//! A run changes nothing but its own output rows, so it can be repeated; rows that are answered are
//! not computed again. A batch that fails the device each time is given up, so that others go on.

use systole_driver::Error;

use super::work::{Work, answer};
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
        let Some(number) = self.oldest_batch() else {
            return;
        };
        let Some(position) = self.batches.iter().position(|batch| batch.number == number) else {
            return;
        };
        let batch = &mut self.batches[position];
        batch.failures += 1;
        if batch.failures > self.options.retries
            && let Some(mut batch) = self.batches.remove(position)
        {
            answer(&mut batch, Err(error.clone()));
        }
    }

    /// Resets the device, loads the serving model, and forgets what was in flight.
    fn restart(&mut self) -> Result<(), EngineError> {
        // The device is stopped before anything that it could write to is used again.
        self.queue = None;
        self.device.recover()?;
        self.queue = Some(self.device.queue_pair(self.queue_options())?);
        self.forget_flight();
        self.models.vacate_all();
        self.restore()
    }
}

/// Whether a reset may help.
fn can_recover(error: &EngineError) -> bool {
    match error {
        EngineError::Timeout { .. } | EngineError::OutOfOrder { .. } => true,
        EngineError::Driver(error) => !matches!(
            **error,
            // Somebody else wants the device, or it is another one.
            Error::WantedBack | Error::OtherDevice | Error::QueueInUse
        ),
        _ => false,
    }
}
