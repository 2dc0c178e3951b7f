//! One pass of a program over one group of rows: which instruction runs, and what of the machine
//! it meets. The instructions themselves are in the files beside this one.
//!
//! ```text
//!                       checks.rs  fields possible?      -> InvalidInstruction
//!  program memory --->  bounds.rs  everything inside?    -> InstructionBounds
//!                         |
//!            +------------+--------------+------------------+
//!            v                           v                  v
//!       transfers.rs                 matrix.rs         depthwise.rs
//!       host <-> scratchpad,         window x tiles    DEPTHWISE, POOL
//!       host --> weights                 |                  |
//!                                   window.rs (reads)   output.rs (requantizes, writes)
//! ```
//!
//! Instructions run one after the other: the limits of an instruction say what may overlap, and a
//! program whose result would show the overlap computes something undefined.

mod bounds;
mod checks;
mod depthwise;
mod matrix;
mod output;
mod transfers;
mod window;

use systole_regs::entries::{RunEntry, Statistics};
use systole_regs::instructions::{Compute, IMPLEMENTED, Transfer, opcode};
use systole_regs::{Configuration, Status};

use super::memories::{Memories, Slot};
use crate::core::Host;

const _: () = assert!(
    IMPLEMENTED
        == 1 << opcode::END
            | 1 << opcode::LOAD_ROWS
            | 1 << opcode::STORE_ROWS
            | 1 << opcode::MATRIX
            | 1 << opcode::DEPTHWISE
            | 1 << opcode::POOL
            | 1 << opcode::LOAD_WEIGHTS
            | 1 << opcode::LOAD_WORKSPACE
            | 1 << opcode::STORE_WORKSPACE,
    "the model carries out what the register description says"
);

/// What a run of one row ends with when it comes to this instruction, if the checks refuse it;
/// more rows don't help. `slot` has the sizes of the model's regions.
pub(super) fn refusal(
    instruction: &Transfer,
    slot: &Slot,
    configuration: &Configuration,
) -> Option<Status> {
    let checked = match instruction.opcode {
        opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL => {
            let compute: Compute = bytemuck::cast(*instruction);
            checks::compute(&compute, configuration)
                .and_then(|()| bounds::compute(&compute, 1, slot, configuration))
        }
        _ => checks::transfer(instruction).and_then(|()| match instruction.opcode {
            opcode::END => Ok(()),
            opcode::LOAD_WEIGHTS => bounds::tiles(instruction, slot),
            _ => {
                // Rows have no count of their own.
                let pieces = u32::from(instruction.count.max(1));
                bounds::pieces(instruction, pieces, configuration)
            }
        }),
    };
    checked.err()
}

/// A group of rows on its way through the program of a slot.
pub(super) struct Pass<'a> {
    pub configuration: &'a Configuration,
    pub memories: &'a mut Memories,
    pub slot: &'a Slot,
    pub entry: &'a RunEntry,
    /// First row of the group, counted in the run.
    pub first_row: u32,
    /// Rows of the group, at least 1.
    pub rows: u32,
}

impl Pass<'_> {
    /// Executes instructions until END.
    pub fn run(mut self, host: &mut dyn Host, statistics: &mut Statistics) -> Result<(), Status> {
        let region = self.slot.program;
        for index in region.start()..region.end() {
            let transfer: Transfer = bytemuck::cast(self.memories.program[index]);
            match transfer.opcode {
                opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL => {
                    let compute: Compute = bytemuck::cast(transfer);
                    checks::compute(&compute, self.configuration)?;
                    bounds::compute(&compute, self.rows, self.slot, self.configuration)?;
                    self.compute(&compute, statistics);
                }
                _ => {
                    checks::transfer(&transfer)?;
                    self.transfer(&transfer, host, statistics)?;
                }
            }
            statistics.instructions = statistics.instructions.wrapping_add(1);
            if transfer.opcode == opcode::END {
                statistics.groups = statistics.groups.wrapping_add(1);
                return Ok(());
            }
        }
        Err(Status::ProgramOverrun)
    }

    /// Carries out a computation that has passed its checks.
    fn compute(&mut self, instruction: &Compute, statistics: &mut Statistics) {
        match instruction.opcode {
            opcode::MATRIX => self.matrix(instruction, statistics),
            _ => self.depthwise(instruction, statistics),
        }
    }

    /// Rows of the group after this one; none after the last.
    fn next_rows(&self) -> u32 {
        let remaining = self.entry.rows - self.first_row - self.rows;
        remaining.min(u32::from(self.slot.group_rows))
    }
}
