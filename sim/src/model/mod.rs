//! The functional model: the accelerator in plain Rust, exact to the instruction. The Verilated
//! RTL is compared with it byte for byte, so this page also fixes what the register description
//! leaves open. It has no clock: every count of cycles reads as zero.
//!
//! ```text
//!  registers.rs          queue.rs               command.rs            program.rs
//!  +-----------+ bell  +-----------+  entry   +-------------+ rows  +----------------+
//!  | BAR0      | ----> | rings,    | -------> | NOP, UNLOAD | ----> | LOAD_ROWS      |
//!  |           |       | phase,    | <------- | LOAD, RUN   | <---- | MATRIX         |
//!  +-----------+       | MSI-X     |  status  +-------------+       | STORE_ROWS     |
//!                      +-----------+                 |              | END            |
//!                                               memories.rs         +----------------+
//! ```
//!
//! # Order of the checks of an entry
//!
//! The first that fails decides the status, and nothing else happens to the device.
//!
//! | # | check | commands | status |
//! |---|---|---|---|
//! | 1 | opcode is known | all | `InvalidOpcode` |
//! | 2 | no unknown flag; every reserved byte is zero; `statistics_address` is zero without the flag | all | `InvalidField` |
//! | 3 | the slot exists | LOAD, RUN, UNLOAD | `InvalidSlot` |
//! | 4 | the slot holds a model | RUN | `SlotEmpty` |
//! | 5 | `rows` is 1 to 65535 | RUN | `InvalidRows` |
//! | 6 | addresses and strides are multiples of 8: `statistics_address` (all), `input_address`, `output_address`, `input_stride`, `output_stride` (RUN), `image_address` (LOAD) | all | `Misaligned` |
//! | 7 | `program_count` and `group_rows` are at least 1 | LOAD | `InvalidField` |
//! | 8 | `parameter_base` and `parameter_count` are multiples of Q | LOAD | `Misaligned` |
//! | 9 | base + count of each region is at most the size of its memory (also when count is 0) | LOAD | `RegionTooLarge` |
//! | 10 | no region of at least one entry shares an entry with a region of another slot that holds a model | LOAD | `RegionOverlap` |
//!
//! Reserved bytes of NOP and UNLOAD are all but `opcode`, `flags`, `command_id`, `slot` and
//! `statistics_address`. The slot of a NOP is not checked. UNLOAD of an empty slot succeeds.
//!
//! # After the checks
//!
//! - LOAD empties its slot when the copying begins, not when a check refuses the entry; a failed
//!   copy leaves the slot empty. The contents of the image are not checked before they run.
//! - RUN: the pass begins with instruction 0; fetching the instruction `program_count` is
//!   `ProgramOverrun`. An instruction is checked in this order: opcode carried out, unused fields
//!   zero, fields possible (all `InvalidInstruction`); then its addresses (`InstructionBounds`).
//!   `pad_value` of MATRIX is not checked. Addresses are computed without wrapping (a 32-bit
//!   address plus 16-bit row times 32-bit stride), host addresses modulo 2^64.
//! - MATRIX works block by block of `block_rows` rows, in a block column tile by column tile, in
//!   those input tile by input tile; LOAD_ROWS and STORE_ROWS work row by row. A program whose
//!   result depends on this order (an output that overlaps its input) is not portable.
//! - A statistics block is written for every command that passed the checks of its entry, failed
//!   ones included, before the completion. If that write fails, the status of a command that had
//!   succeeded becomes `DmaWriteError`. Counters of a failed run are what had been done by then.
//! - The completion carries the version of its slot after the command; zero if the slot is empty
//!   or does not exist.
//! - The slot registers of an empty slot read as zero.
//!
//! # The queue
//!
//! - Writing ENABLE from 0 to 1 starts the rings anew: head and tail indices zero, phase 1. It is
//!   then that sizes and bases are checked (`InvalidQueue`).
//! - Writes of the queue block are ignored while ENABLE is 1; doorbells while it is 0.
//! - A doorbell beyond its ring, a ring entry that cannot be read and a completion that cannot be
//!   written are fatal (`InvalidDoorbell`, `DmaReadError`, `DmaWriteError`). From then on the
//!   device ignores doorbells until RESET; ENABLE keeps what was written, READY and BUSY are 0.
//! - No entry is fetched while the completion ring is full.
//! - RESET clears ENABLE (also when the same write sets it), the queue block, slots and counters.
//! - COMMANDS and ERRORS count a command when its completion has been written.
//! - INTERRUPT holds bits 31 and 10:0; the other registers of the queue block all 32.

pub mod arithmetic;
mod command;
mod memories;
mod program;
mod queue;
mod registers;

#[cfg(test)]
mod tests;

use systole_regs::{Configuration, Status};

use crate::core::{Activity, Core, Host};
use command::Running;
use memories::{Memories, Slot};
use queue::Queue;

/// The accelerator of one [`Configuration`], command by command.
///
/// ```
/// use systole_sim::{Core, model::FunctionalModel};
/// let mut device = FunctionalModel::new(systole_regs::configuration::TINY);
/// assert_eq!(device.read_register(systole_regs::registers::MAGIC), systole_regs::MAGIC);
/// assert_eq!(device.read_register(systole_regs::registers::ARRAY_ROWS), 4);
/// ```
pub struct FunctionalModel {
    configuration: Configuration,
    enabled: bool,
    fatal: Option<Status>,
    running: Option<Running>,
    queue: Queue,
    slots: [Slot; systole_regs::SLOT_COUNT as usize],
    memories: Memories,
    commands: u32,
    errors: u32,
}

impl FunctionalModel {
    /// A device of these dimensions, as after power-on. Its build hash is zero: no Verilog.
    pub fn new(configuration: Configuration) -> Self {
        FunctionalModel {
            configuration,
            enabled: false,
            fatal: None,
            running: None,
            queue: Queue::default(),
            slots: Default::default(),
            memories: Memories::new(&configuration),
            commands: 0,
            errors: 0,
        }
    }

    /// Overwrites the scratchpad, whose contents between runs nothing may depend on.
    #[cfg(test)]
    pub(crate) fn scramble_scratchpad(&mut self, value: i8) {
        self.memories.scratchpad.fill(value);
    }

    /// Whether an entry can be processed now.
    fn has_work(&self) -> bool {
        self.enabled && self.fatal.is_none() && self.queue.has_work()
    }

    /// Whether a command is being processed, or waits for it.
    fn is_busy(&self) -> bool {
        self.running.is_some() || self.has_work()
    }

    /// What writing CONTROL.RESET does. The memories keep what they hold, as RAM does.
    fn soft_reset(&mut self) {
        self.enabled = false;
        self.fatal = None;
        self.running = None;
        self.queue = Queue::default();
        self.slots = Default::default();
        self.commands = 0;
        self.errors = 0;
    }
}

impl Core for FunctionalModel {
    fn read_register(&mut self, offset: u32) -> u32 {
        self.read(offset)
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        self.write(offset, value);
    }

    fn reset(&mut self) {
        self.soft_reset();
    }

    fn advance(&mut self, host: &mut dyn Host) -> Activity {
        let result = if let Some(running) = self.running.take() {
            let entry = running.entry;
            match self.continue_run(running, host) {
                Some(outcome) => self.finish(&entry, outcome, host),
                None => Ok(()),
            }
        } else if self.has_work() {
            self.process_entry(host)
        } else {
            Ok(())
        };
        if let Err(status) = result {
            self.fatal = Some(status);
        }
        if self.is_busy() {
            Activity::Busy
        } else {
            Activity::Idle
        }
    }
}
