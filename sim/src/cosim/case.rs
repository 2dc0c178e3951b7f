//! What a co-simulation consists of: host memory, and commands for one or more set-ups of the
//! queue. Everything is data, so that a failing case can be printed and looked at.

use std::fmt;

use systole_regs::Configuration;
use systole_regs::entries::RunEntry;
use systole_regs::image::Parameter;
use systole_regs::instructions::Transfer;
use systole_regs::registers::{self, control};

use super::memory::Memory;
use crate::core::Core;

/// One co-simulation, as generated from a seed.
#[derive(Clone, Debug)]
pub struct Case {
    /// Seed that it was generated from.
    pub seed: u64,
    /// Dimensions of the device.
    pub configuration: Configuration,
    /// Host memory before the start: images, rows, and a pattern everywhere else.
    pub memory: Memory,
    /// Set-ups of the queue, with a reset after each.
    pub episodes: Vec<Episode>,
    /// The models that the images hold, for coverage.
    pub models: Vec<Model>,
}

/// From the enabling of the queue to a reset.
#[derive(Clone, Debug)]
pub struct Episode {
    /// Where the rings are.
    pub queue: QueueSetup,
    /// Commands; each group is announced with one doorbell.
    pub bursts: Vec<Vec<Command>>,
    /// Completions after which the completion doorbell is rung, at least 1.
    pub acknowledge_after: u32,
    /// What happens after the commands.
    pub ending: Ending,
}

/// What the driver writes to the queue block.
#[derive(Clone, Copy, Debug)]
pub struct QueueSetup {
    /// Bus address of the submission ring.
    pub submission_base: u64,
    /// Entries of the submission ring.
    pub submission_entries: u32,
    /// Bus address of the completion ring.
    pub completion_base: u64,
    /// Entries of the completion ring.
    pub completion_entries: u32,
    /// INTERRUPT register.
    pub interrupt: u32,
}

impl QueueSetup {
    /// Writes the queue block, and enables the queue.
    pub(super) fn write(&self, core: &mut dyn Core) {
        for (offset, value) in [
            (registers::SUBMISSION_BASE_LOW, self.submission_base as u32),
            (
                registers::SUBMISSION_BASE_HIGH,
                (self.submission_base >> 32) as u32,
            ),
            (registers::SUBMISSION_ENTRIES, self.submission_entries),
            (registers::COMPLETION_BASE_LOW, self.completion_base as u32),
            (
                registers::COMPLETION_BASE_HIGH,
                (self.completion_base >> 32) as u32,
            ),
            (registers::COMPLETION_ENTRIES, self.completion_entries),
            (registers::INTERRUPT, self.interrupt),
            (registers::CONTROL, control::ENABLE),
        ] {
            core.write_register(offset, value);
        }
    }
}

/// How an episode ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// CONTROL.RESET.
    Reset,
    /// A function-level reset.
    FunctionReset,
    /// A doorbell that is fatal, then CONTROL.RESET.
    BadDoorbell {
        /// Offset of the doorbell.
        offset: u32,
        /// What is written.
        index: u32,
    },
    /// The queue cannot work: enabling it or its first command is fatal. Then CONTROL.RESET.
    Unusable,
}

/// One submission entry and what the comparison needs to know of it.
#[derive(Clone, Debug)]
pub struct Command {
    /// The entry; of whatever type its opcode says.
    pub entry: RunEntry,
    /// What the generator meant.
    pub intent: Intent,
    /// Host memory that a run writes: address and bytes. Undefined if the run fails.
    pub output: Option<(u64, usize)>,
    /// Host memory that a run may write while it computes: address and bytes. Undefined if the run
    /// fails.
    pub workspace: Option<(u64, usize)>,
    /// Index in [`Case::models`] of the model that a LOAD brings or a RUN runs.
    pub model: Option<usize>,
}

/// What the generator meant a command to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intent {
    /// Succeeds.
    Valid,
    /// Its entry is refused, for the first of these reasons that is checked.
    Entry(Vec<&'static str>),
    /// Its program fails.
    Program(&'static str),
    /// It meets memory that is not mapped.
    Dma(&'static str),
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Intent::Valid => f.write_str("valid"),
            Intent::Entry(faults) => write!(f, "bad entry ({})", faults.join(", ")),
            Intent::Program(fault) => write!(f, "bad program ({fault})"),
            Intent::Dma(fault) => write!(f, "unmapped {fault}"),
        }
    }
}

/// A model as the generator made it.
#[derive(Clone, Debug)]
pub struct Model {
    /// Bus address of the image.
    pub image_address: u64,
    /// Bus address of the weights that it streams.
    pub stream_address: u64,
    /// Instructions, of either format; those after the first END never run.
    pub program: Vec<Transfer>,
    /// Parameters of the channels.
    pub parameters: Vec<Parameter>,
    /// Weight tiles.
    pub weights: Vec<i8>,
    /// Weight tiles that the program streams, and what lies between them.
    pub stream: Vec<i8>,
    /// Rows of one pass.
    pub group_rows: u16,
    /// Bytes that one input row is read from.
    pub input_bytes: usize,
    /// Bytes that one output row is written to.
    pub output_bytes: usize,
    /// Bytes of host memory that its runs use for themselves.
    pub workspace_bytes: usize,
    /// Whether instructions may run side by side.
    pub overlapped: bool,
    /// Why its runs fail, if they do.
    pub fault: Option<&'static str>,
}

impl Model {
    /// Instructions that run: up to the first END.
    pub fn reachable(&self) -> &[Transfer] {
        let end = self
            .program
            .iter()
            .position(|i| i.opcode == systole_regs::instructions::opcode::END);
        &self.program[..end.map_or(self.program.len(), |end| end + 1)]
    }
}
