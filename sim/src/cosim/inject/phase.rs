//! When a fault strikes, what it is, and which of them can come together.

use systole_regs::Configuration;
use systole_regs::instructions::{Compute, flag, opcode};

use super::super::case::Model;
use crate::rtl::Direction;

/// What the device is doing when the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Reads the submission entry.
    Fetch,
    /// LOAD reads the program.
    Program,
    /// LOAD reads the parameters.
    Parameters,
    /// LOAD reads the weights.
    Weights,
    /// LOAD_ROWS.
    Input,
    /// LOAD_WEIGHTS.
    Stream,
    /// LOAD_WORKSPACE.
    LoadWorkspace,
    /// STORE_WORKSPACE.
    StoreWorkspace,
    /// STORE_ROWS.
    Output,
    /// Writes the statistics block.
    Statistics,
    /// Writes trace records.
    Trace,
    /// Writes the completion entry.
    Completion,
    /// MATRIX, while it reads vectors.
    Matrix,
    /// DEPTHWISE, while it reads vectors.
    Depthwise,
    /// POOL, while it reads vectors.
    Pool,
    /// Any of them with a second tensor to add.
    Residual,
    /// The end of a computation: vectors are read, sums are still requantized.
    Drain,
    /// Checks an entry.
    Entry,
    /// Checks an instruction.
    Instruction,
}

impl Phase {
    /// Every phase, in the order of a command.
    pub const ALL: [Phase; 19] = [
        Phase::Fetch,
        Phase::Program,
        Phase::Parameters,
        Phase::Weights,
        Phase::Input,
        Phase::Stream,
        Phase::LoadWorkspace,
        Phase::StoreWorkspace,
        Phase::Output,
        Phase::Statistics,
        Phase::Trace,
        Phase::Completion,
        Phase::Matrix,
        Phase::Depthwise,
        Phase::Pool,
        Phase::Residual,
        Phase::Drain,
        Phase::Entry,
        Phase::Instruction,
    ];

    /// The direction of the phase's bus traffic, if that is what it is made of.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Phase::Fetch
            | Phase::Program
            | Phase::Parameters
            | Phase::Weights
            | Phase::Input
            | Phase::Stream
            | Phase::LoadWorkspace => Some(Direction::Read),
            Phase::StoreWorkspace
            | Phase::Output
            | Phase::Statistics
            | Phase::Trace
            | Phase::Completion => Some(Direction::Write),
            _ => None,
        }
    }

    /// Whether its commands go to more than one burst at a time or to several in turn.
    fn has_several_bursts(self) -> bool {
        !matches!(self, Phase::Fetch | Phase::Statistics | Phase::Completion)
    }

    /// Whether the command that fails is a LOAD rather than a RUN; where both are possible, by the
    /// seed.
    pub(super) fn is_of_load(self, seed: u64) -> bool {
        match self {
            Phase::Program | Phase::Parameters | Phase::Weights => true,
            Phase::Fetch | Phase::Statistics | Phase::Completion => seed.is_multiple_of(2),
            _ => false,
        }
    }

    /// Whether an error in it ends the queue, not just the command.
    pub(super) fn is_fatal(self) -> bool {
        matches!(self, Phase::Fetch | Phase::Completion)
    }

    /// Whether the commands of a model come through this phase.
    pub(super) fn suits(self, model: &Model) -> bool {
        let runs = |wanted: &[u8]| model.reachable().iter().any(|i| wanted.contains(&i.opcode));
        match self {
            Phase::Parameters => !model.parameters.is_empty(),
            Phase::Weights => !model.weights.is_empty(),
            Phase::Stream => runs(&[opcode::LOAD_WEIGHTS]),
            Phase::LoadWorkspace => runs(&[opcode::LOAD_WORKSPACE]),
            Phase::StoreWorkspace => runs(&[opcode::STORE_WORKSPACE]),
            Phase::Matrix => runs(&[opcode::MATRIX]),
            Phase::Depthwise => runs(&[opcode::DEPTHWISE]),
            Phase::Pool => runs(&[opcode::POOL]),
            Phase::Drain => runs(&[opcode::MATRIX, opcode::DEPTHWISE, opcode::POOL]),
            Phase::Residual => model.reachable().iter().any(is_residual),
            _ => true,
        }
    }

    /// Whether a computation is what the phase waits for; `instruction` is that of its record.
    pub(super) fn is_computation(self, instruction: &systole_regs::instructions::Transfer) -> bool {
        match self {
            Phase::Matrix => instruction.opcode == opcode::MATRIX,
            Phase::Depthwise => instruction.opcode == opcode::DEPTHWISE,
            Phase::Pool => instruction.opcode == opcode::POOL,
            Phase::Residual => is_residual(instruction),
            Phase::Drain => computes(instruction.opcode),
            _ => false,
        }
    }
}

fn computes(opcode: u8) -> bool {
    matches!(opcode, opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL)
}

fn is_residual(instruction: &systole_regs::instructions::Transfer) -> bool {
    let compute: Compute = bytemuck::cast(*instruction);
    computes(compute.opcode) && compute.flags & flag::RESIDUAL != 0
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The first beat of a burst of reads is answered with an error.
    FirstBeat,
    /// A beat between the first and the last.
    MiddleBeat,
    /// The last beat.
    LastBeat,
    /// Several beats of a burst.
    SeveralBeats,
    /// A burst of writes is answered with an error.
    Response,
    /// Several bursts in turn, of reads or writes.
    SeveralBursts,
    /// The memory is not mapped, from some address on.
    Unmapped,
    /// CONTROL.RESET.
    ControlReset,
    /// A function-level reset, which resets the bus too.
    FunctionReset,
    /// A function-level reset during which the bus still answers what had been asked.
    LateResponses,
    /// An entry or an instruction with a field that is refused.
    Malformed,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 11] = [
        Kind::FirstBeat,
        Kind::MiddleBeat,
        Kind::LastBeat,
        Kind::SeveralBeats,
        Kind::Response,
        Kind::SeveralBursts,
        Kind::Unmapped,
        Kind::ControlReset,
        Kind::FunctionReset,
        Kind::LateResponses,
        Kind::Malformed,
    ];

    /// Whether it is a reset.
    pub fn is_reset(self) -> bool {
        matches!(
            self,
            Kind::ControlReset | Kind::FunctionReset | Kind::LateResponses
        )
    }

    /// Whether it can strike in a phase on a device of these dimensions.
    pub fn is_possible_in(self, phase: Phase, configuration: &Configuration) -> bool {
        let direction = phase.direction();
        // LOAD reads its weights tile by tile.
        let tile_beats = configuration.tile_bytes() / 8;
        match self {
            Kind::MiddleBeat if phase == Phase::Weights => tile_beats >= 3,
            Kind::FirstBeat | Kind::MiddleBeat | Kind::LastBeat | Kind::SeveralBeats => {
                direction == Some(Direction::Read)
            }
            Kind::Response => direction == Some(Direction::Write),
            Kind::SeveralBursts => direction.is_some() && phase.has_several_bursts(),
            Kind::Unmapped | Kind::LateResponses => direction.is_some(),
            Kind::ControlReset | Kind::FunctionReset => {
                !matches!(phase, Phase::Entry | Phase::Instruction)
            }
            Kind::Malformed => matches!(phase, Phase::Entry | Phase::Instruction),
        }
    }
}
