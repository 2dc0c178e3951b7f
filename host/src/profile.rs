//! Where the cycles of a command went: by layer and cause, and when.
//!
//! ```text
//!  trace records --attribute--> each cycle of the command: a layer and a cause
//!                                  |
//!                                  +--> Profile (a table)     +--> timeline (trace viewer)
//! ```
//!
//! A computation's record says how many of its cycles read vectors, waited, prepared or drained.
//! Cycles between two computations are put down to the layer that they delay, with the cause that
//! the device's own counters give them: a DMA read if one is under way, else a DMA write, else
//! control. Cycles behind the last computation belong to the results' way out.

mod attribute;
mod cost;
mod table;
mod timeline;

#[cfg(test)]
mod tests;

pub use cost::{Cause, Cost};

use systole_regs::entries::{Statistics, TraceRecord};

use crate::compiler::Program;
use crate::engine::CommandReport;
use attribute::Gap;

/// Name of what comes behind the last layer.
const RESULTS: &str = "(results to host memory)";

/// Cost of one layer in one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProfile {
    /// Names of the network's layers that were computed together.
    pub name: String,
    /// Useful multiplications, padding left out.
    pub macs: u64,
    /// Cycles that computed it or waited to.
    pub cost: Cost,
}

/// Cost of one command, layer by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name of the network.
    pub model: String,
    /// Name of the device's configuration or dimensions.
    pub target: String,
    /// Rows of the command.
    pub rows: usize,
    /// Multipliers of the array.
    pub elements: u64,
    /// Clock that the device states, in kHz.
    pub clock_khz: u32,
    /// Clock cycles of the command, from its start to its completion.
    pub cycles: u64,
    /// Layers in the order of the program, and last what came behind them.
    pub layers: Vec<LayerProfile>,
    /// The device's own counters of the same command.
    pub statistics: Statistics,
    steps: Vec<(String, Option<usize>)>,
    records: Vec<TraceRecord>,
    gaps: Vec<Gap>,
}

/// Why a command cannot be profiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The device doesn't count cycles.
    #[error(
        "the device has no clock, so there are no cycles to account for: profile the simulated \
         hardware (`sim`) or a board"
    )]
    NoClock,
    /// The engine wasn't asked for them.
    #[error("the command was run without statistics or without a trace")]
    NoTrace,
    /// Records and program don't belong together.
    #[error("trace record {index} names instruction {instruction}, but the program has {count}")]
    OtherProgram {
        /// Number of the record.
        index: usize,
        /// Instruction that it names.
        instruction: u16,
        /// Instructions of the program.
        count: usize,
    },
    /// Records that contradict each other.
    #[error("trace record {index} ends at cycle {finish}, before its start or behind the end")]
    Time {
        /// Number of the record.
        index: usize,
        /// Cycle in which it ends.
        finish: u32,
    },
}

impl Profile {
    /// Accounts for a command that was run with statistics and trace
    /// ([`EngineOptions`](crate::engine::EngineOptions)), by the program that it ran.
    ///
    /// # Errors
    /// If there is no clock or no trace, or the trace is not the program's.
    pub fn new(program: &Program, report: &CommandReport) -> Result<Profile, ProfileError> {
        let cycles = report.cycles.ok_or(ProfileError::NoClock)?;
        let statistics = report.statistics.ok_or(ProfileError::NoTrace)?;
        if report.trace.is_empty() {
            return Err(ProfileError::NoTrace);
        }
        let (costs, gaps) = attribute::attribute(program, &report.trace, cycles)?;
        let rows = report.rows as u64;
        let named = program
            .layers
            .iter()
            .map(|layer| (&layer.name[..], layer.macs));
        let layers = named
            .chain([(RESULTS, 0)])
            .zip(costs)
            .map(|((name, macs), cost)| LayerProfile {
                name: name.to_owned(),
                macs: macs * rows,
                cost,
            })
            .collect();
        Ok(Profile {
            model: program.name.clone(),
            target: program.target.name.clone(),
            rows: report.rows,
            elements: program.target.elements() as u64,
            clock_khz: program.target.clock_khz,
            cycles,
            layers,
            statistics,
            steps: (program.steps.iter())
                .map(|step| (step.label.clone(), step.layer))
                .collect(),
            records: report.trace.clone(),
            gaps,
        })
    }

    /// Cycles of all layers by cause. Together they are the command's.
    pub fn total(&self) -> Cost {
        let mut total = Cost::default();
        for layer in &self.layers {
            total += layer.cost;
        }
        total
    }

    /// Useful share of the multiplications that the array could have made in so many cycles.
    pub fn utilization(&self, macs: u64, cycles: u64) -> f64 {
        let possible = self.elements as f64 * cycles as f64;
        if possible > 0.0 {
            macs as f64 / possible
        } else {
            0.0
        }
    }

    /// Useful multiplications of the command.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}
