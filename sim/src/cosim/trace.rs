//! What software sees of a core: the record that two cores are compared by.

use systole_regs::Status;
use systole_regs::entries::{CompletionEntry, Statistics};

use super::memory::Region;

/// What software saw of a core that went through a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Identification registers but the build hash.
    pub identification: Vec<Reading>,
    /// One for each episode of the case.
    pub episodes: Vec<EpisodeTrace>,
    /// Host memory at the end, undefined parts blanked.
    pub memory: Vec<Region>,
}

/// A register and what it read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Name of the register; those of slots after the first have the same names.
    pub name: &'static str,
    /// Offset in BAR0.
    pub offset: u32,
    /// Value.
    pub value: u32,
}

/// What software saw of one episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeTrace {
    /// STATUS after enabling the queue.
    pub enabled: u32,
    /// Completions in the order of the commands; all of them unless the ending is `Unusable`.
    pub completions: Vec<CompletionTrace>,
    /// Vectors of the interrupts, in order.
    pub interrupts: Vec<u16>,
    /// Registers after the last completion and what the ending did.
    pub registers: Vec<Reading>,
    /// Registers after the reset.
    pub reset: Vec<Reading>,
}

/// What software saw of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionTrace {
    /// The completion, `cycles` blanked unless time counts.
    pub entry: CompletionEntry,
    /// Whether a statistics block was written.
    pub statistics_written: bool,
    /// The statistics of a successful command, its counters of cycles blanked; where time counts,
    /// all statistics of any command.
    pub statistics: Option<Statistics>,
}

/// A core that stopped answering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "seed {seed}, episode {episode}: {answered} of {announced} commands were answered, then \
     {what}; STATUS is {status:#x}"
)]
pub struct Stall {
    /// Seed of the case.
    pub seed: u64,
    /// Index of the episode.
    pub episode: usize,
    /// Completions of the episode so far.
    pub answered: usize,
    /// Commands that had been announced.
    pub announced: usize,
    /// What happened.
    pub what: &'static str,
    /// STATUS at that time.
    pub status: u32,
}

/// Whether a command with this status passed the checks of its entry.
pub(super) fn was_executed(code: u8) -> bool {
    matches!(
        Status::from_code(code),
        Some(
            Status::Success
                | Status::DmaReadError
                | Status::DmaWriteError
                | Status::InvalidInstruction
                | Status::InstructionBounds
                | Status::ProgramOverrun
        )
    )
}

/// Statistics without what depends on time.
pub(super) fn architectural(statistics: Statistics) -> Statistics {
    Statistics {
        cycles: 0,
        stall_requantize: 0,
        stall_prepare: 0,
        stall_drain: 0,
        stall_dma_read: 0,
        stall_dma_write: 0,
        stall_control: 0,
        ..statistics
    }
}
