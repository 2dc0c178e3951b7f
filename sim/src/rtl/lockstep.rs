//! The netlist beside the RTL: the same inputs in each cycle, and all outputs compared.
//!
//! ```text
//!            +--> RTL ------> outputs --+--> to the bus models
//!  inputs ---+                          +--> equal, or the first difference
//!            +--> netlist --> outputs --+
//! ```
//!
//! Outputs are compared whether they mean something or not: data too while nothing is valid. That
//! takes equal state at power-on. Cells have a value then, zero unless the design says otherwise, so
//! the RTL begins with zeros as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::verilated::{Inputs, Outputs, Verilated};

/// The first difference between RTL and netlist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in cycle {cycle} the port {port} is {rtl:#x} in the RTL and {netlist:#x} in the netlist")]
pub struct Difference {
    /// Cycles since power-on.
    pub cycle: u64,
    /// Name of the port.
    pub port: &'static str,
    /// Its value in the RTL.
    pub rtl: u64,
    /// And in the netlist.
    pub netlist: u64,
}

/// How far the two have come together; cheap to clone, and it outlives them.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    cycles: Arc<AtomicU64>,
    first: Arc<OnceLock<Difference>>,
}

impl Comparison {
    /// The number of cycles that were compared.
    ///
    /// # Errors
    /// The first difference, if there is one.
    pub fn equal(&self) -> Result<u64, Difference> {
        match self.first.get() {
            Some(difference) => Err(difference.clone()),
            None => Ok(self.cycles.load(Ordering::Relaxed)),
        }
    }
}

/// A netlist that follows an RTL.
pub struct Lockstep {
    netlist: Verilated,
    outputs: Outputs,
    comparison: Comparison,
}

impl Lockstep {
    /// Follows with a netlist after power-on.
    pub fn new(netlist: Verilated) -> Self {
        Self {
            netlist,
            outputs: Outputs::default(),
            comparison: Comparison::default(),
        }
    }

    /// What comes of it.
    pub fn comparison(&self) -> Comparison {
        self.comparison.clone()
    }

    /// One clock cycle of the netlist, compared with the RTL's outputs in it.
    pub fn cycle(&mut self, inputs: &Inputs, rtl: &Outputs) {
        self.netlist.cycle(inputs, &mut self.outputs);
        let cycle = self.comparison.cycles.fetch_add(1, Ordering::Relaxed);
        if self.outputs == *rtl {
            return;
        }
        let values = rtl.named().zip(self.outputs.named());
        for ((port, rtl), (_, netlist)) in values {
            if rtl != netlist {
                // Only the first difference stays.
                let _ = self.comparison.first.set(Difference {
                    cycle,
                    port,
                    rtl,
                    netlist,
                });
                return;
            }
        }
    }
}
