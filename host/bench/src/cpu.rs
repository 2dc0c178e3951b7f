//! The CPU backend as a contender: its executor on one thread, without the engine around it.

use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::model::ModelError;

use crate::measure::{Contender, ContenderError};

/// Name in the report.
pub(crate) const NAME: &str = "Systole CPU, 1 thread";

/// Computes on the calling thread.
pub(crate) struct Cpu {
    executor: CpuExecutor,
    rows: Vec<i8>,
    count: usize,
    outputs: Vec<i8>,
}

impl Cpu {
    pub(crate) fn new(network: &Network) -> Result<Cpu, ModelError> {
        Ok(Cpu {
            executor: CpuExecutor::new(network)?,
            rows: Vec::new(),
            count: 0,
            outputs: Vec::new(),
        })
    }
}

impl Contender for Cpu {
    fn name(&self) -> &str {
        NAME
    }

    fn prepare(&mut self, rows: &[i8], count: usize) -> Result<(), ContenderError> {
        self.rows = rows.to_vec();
        self.count = count;
        Ok(())
    }

    fn compute(&mut self) -> Result<(), ContenderError> {
        self.outputs = self.executor.run(&self.rows, self.count);
        Ok(())
    }

    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
        Ok(std::mem::take(&mut self.outputs))
    }
}
