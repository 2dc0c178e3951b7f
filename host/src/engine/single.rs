//! One network on one processor, which can be replaced while it serves.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use systole_driver::Counters;

use super::{
    Backend, BatchResult, BatchRows, EngineError, EngineOptions, PendingBatch, Processor, Resident,
};
use crate::model::Network;

/// A network on a backend of its own. Calls may come from any number of threads.
///
/// Dropping the engine finishes the commands in flight, within a second, and answers whatever else
/// was submitted with [`EngineError::Stopped`].
///
/// ```no_run
/// use std::{path::Path, sync::Arc};
/// use systole_host::{Network, engine::{Backend, Engine, EngineOptions}};
///
/// let network = Arc::new(Network::load(Path::new("digits.onnx"))?);
/// let engine = Engine::new(network, Backend::Cpu, EngineOptions::default())?;
/// let pending = engine.submit(vec![0; 64]);
/// let result = pending.wait()?;
/// assert_eq!(result.version, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    current: RwLock<Current>,
    /// Held while one network replaces another.
    replacing: Mutex<()>,
}

#[derive(Debug)]
struct Current {
    network: Arc<Network>,
    resident: Arc<Resident>,
}

impl Engine {
    /// Makes a network resident on a backend.
    ///
    /// # Errors
    /// If the options are impossible, the network can't be compiled for the device, or the device
    /// refuses or fails.
    pub fn new(
        network: Arc<Network>,
        backend: Backend,
        options: EngineOptions,
    ) -> Result<Engine, EngineError> {
        let resident = Processor::new(backend, options)?.load(&network, options.version)?;
        let resident = Arc::new(resident);
        Ok(Engine {
            current: RwLock::new(Current { network, resident }),
            replacing: Mutex::new(()),
        })
    }

    /// Computes rows and waits for the answers. `rows` holds any number of rows, none included.
    ///
    /// # Errors
    /// If the length isn't a whole number of rows, or the device fails.
    pub fn infer_batch(&self, rows: &[i8]) -> Result<BatchResult, EngineError> {
        self.submit(rows.to_vec()).wait()
    }

    /// Hands rows in without waiting. Errors come with the answer.
    pub fn submit(&self, rows: impl Into<BatchRows>) -> PendingBatch {
        self.current().resident.submit(rows)
    }

    /// Replaces the network: batches submitted after this returns are computed with the new one.
    /// If it can't be made resident, the old one goes on.
    ///
    /// # Errors
    /// If the rows have another shape, the network can't be compiled, or loading it fails.
    pub fn replace(&self, network: Arc<Network>, version: u32) -> Result<(), EngineError> {
        let _one_at_a_time = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Shared, so that batches are handed in meanwhile.
        let old = Arc::clone(&self.current().resident);
        let found = (network.input_elements(), network.output_elements());
        let expected = (old.input_elements(), old.output_elements());
        if found != expected {
            return Err(EngineError::OtherShape { found, expected });
        }
        let resident = Arc::new(old.replace(&network, version)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) =
            Current { network, resident };
        Ok(())
    }

    /// The resident network.
    pub fn network(&self) -> Arc<Network> {
        Arc::clone(&self.current().network)
    }

    /// How often the device has failed and was brought back since the engine was made.
    pub fn recoveries(&self) -> u64 {
        self.current().resident.worker().recoveries()
    }

    /// The device's counters; `None` on the CPU. The difference of `busy_cycles` between two
    /// calls is the time from doorbells to completions of what was computed between them.
    ///
    /// # Errors
    /// If the device has gone.
    pub fn counters(&self) -> Result<Option<Counters>, EngineError> {
        self.current().resident.worker().counters()
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}
