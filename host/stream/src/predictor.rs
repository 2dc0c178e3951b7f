//! What computes the batches. The service needs no more of an engine than this, so its tests can
//! put a slow or failing one in its place.

use std::error::Error;

use systole_host::engine::{Engine, PendingBatch};

/// Computes batches of rows, several at a time.
pub trait Predictor: Sync {
    /// A batch that has been submitted.
    type Pending: Send;

    /// Starts computing `rows`: int8 rows of the model's input, one after the other, at least one.
    fn submit(&self, rows: Vec<i8>) -> Self::Pending;

    /// Waits for a batch. Batches are waited for in the order in which they were submitted; one
    /// that isn't waited for is dropped.
    ///
    /// # Errors
    /// Why it was not computed. The service takes this as the end of the device.
    fn wait(&self, pending: Self::Pending) -> Result<Prediction, Box<dyn Error + Send + Sync>>;
}

/// A computed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Int8 rows of the model's output, one after the other.
    pub outputs: Vec<i8>,
    /// Version of the model that computed them.
    pub version: u32,
    /// Clock cycles of the device's commands; `None` on the CPU.
    pub cycles: Option<u64>,
}

impl Predictor for Engine {
    type Pending = PendingBatch;

    fn submit(&self, rows: Vec<i8>) -> PendingBatch {
        Engine::submit(self, rows)
    }

    fn wait(&self, pending: PendingBatch) -> Result<Prediction, Box<dyn Error + Send + Sync>> {
        let result = pending.wait()?;
        Ok(Prediction {
            outputs: result.outputs,
            version: result.version,
            cycles: result.commands.iter().map(|command| command.cycles).sum(),
        })
    }
}
