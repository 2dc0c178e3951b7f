//! `--stats`: what a run cost, as one JSON object.
//!
//! Cycles are the device's own count; a time that follows from them is called simulated, and
//! stands beside the measured one, never in its place.

use serde::Serialize;
use systole_host::engine::CommandReport;

/// Cost of a whole run.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// Name of the model.
    pub model: String,
    /// Version of the model that answered.
    pub version: u32,
    /// Device, as on the command line.
    pub device: String,
    /// Rows computed.
    pub rows: usize,
    /// Rows per device command, at most.
    pub batch: usize,
    /// Multiplications that the network needs for these rows, without padding.
    pub macs: u64,
    /// Multipliers of the array; absent on the CPU.
    pub elements: Option<u64>,
    /// Clock cycles of all commands, from doorbell to completion; absent on the CPU.
    pub cycles: Option<u64>,
    /// `macs / (elements * cycles)`; absent on the CPU.
    pub utilization: Option<f64>,
    /// Clock that the device states, in kHz; absent on the CPU.
    pub clock_khz: Option<u32>,
    /// Cycles at that clock, in seconds: what the device would take, not what was measured.
    pub simulated_seconds: Option<f64>,
    /// Measured time from the first row in to the last row out, in seconds.
    pub elapsed_seconds: f64,
    /// The commands, in order.
    pub commands: Vec<CommandStats>,
}

/// Cost of one device command.
#[derive(Debug, Serialize)]
pub struct CommandStats {
    /// Rows computed.
    pub rows: usize,
    /// The same: the size of this command's batch.
    pub batch: usize,
    /// Multiplications that the network needs for these rows, without padding.
    pub macs: u64,
    /// Clock cycles, from doorbell (or the end of the command before) to completion.
    pub cycles: Option<u64>,
    /// `macs / (elements * cycles)`.
    pub utilization: Option<f64>,
    /// Counters of the device.
    #[serde(flatten)]
    pub counters: Option<Counters>,
}

/// Counters of one command, named as in the register reference.
#[derive(Debug, Serialize)]
pub struct Counters {
    vectors: u32,
    depthwise_vectors: u32,
    stall_requantize: u32,
    stall_prepare: u32,
    stall_drain: u32,
    stall_dma_read: u32,
    stall_dma_write: u32,
    stall_control: u32,
    dma_read_bytes: u32,
    dma_write_bytes: u32,
    instructions: u32,
    groups: u32,
}

impl From<&systole_regs::entries::Statistics> for Counters {
    fn from(statistics: &systole_regs::entries::Statistics) -> Counters {
        Counters {
            vectors: statistics.vectors,
            depthwise_vectors: statistics.depthwise_vectors,
            stall_requantize: statistics.stall_requantize,
            stall_prepare: statistics.stall_prepare,
            stall_drain: statistics.stall_drain,
            stall_dma_read: statistics.stall_dma_read,
            stall_dma_write: statistics.stall_dma_write,
            stall_control: statistics.stall_control,
            dma_read_bytes: statistics.dma_read_bytes,
            dma_write_bytes: statistics.dma_write_bytes,
            instructions: statistics.instructions,
            groups: statistics.groups,
        }
    }
}

/// What the figures of a run are relative to.
pub struct Basis {
    /// Multiplications of the network for one row.
    pub macs_per_row: u64,
    /// Multipliers of the array, and the clock in kHz; `None` on the CPU.
    pub array: Option<(u64, u32)>,
}

impl Basis {
    /// Useful share of what the array could have multiplied.
    fn utilization(&self, macs: u64, cycles: Option<u64>) -> Option<f64> {
        let (elements, _) = self.array?;
        let possible = elements as f64 * cycles? as f64;
        (possible > 0.0).then(|| macs as f64 / possible)
    }

    /// Cost of one command.
    pub fn command(&self, report: &CommandReport) -> CommandStats {
        let macs = self.macs_per_row * report.rows as u64;
        CommandStats {
            rows: report.rows,
            batch: report.rows,
            macs,
            cycles: report.cycles,
            utilization: self.utilization(macs, report.cycles),
            counters: report.statistics.as_ref().map(Counters::from),
        }
    }

    /// Sums over all commands, with what follows from them.
    pub fn total(&self, commands: &[CommandStats]) -> Total {
        let macs = commands.iter().map(|command| command.macs).sum();
        let cycles = self
            .array
            .and_then(|_| commands.iter().map(|command| command.cycles).sum());
        let seconds = self
            .array
            .zip(cycles)
            .map(|((_, khz), cycles)| cycles as f64 / (f64::from(khz) * 1e3));
        Total {
            macs,
            cycles,
            utilization: self.utilization(macs, cycles),
            seconds,
        }
    }
}

/// Sums over the commands of a run.
pub struct Total {
    /// Multiplications that the network needs.
    pub macs: u64,
    /// Clock cycles; `None` on the CPU.
    pub cycles: Option<u64>,
    /// `macs / (elements * cycles)`; `None` on the CPU.
    pub utilization: Option<f64>,
    /// Cycles at the device's stated clock; `None` on the CPU.
    pub seconds: Option<f64>,
}
