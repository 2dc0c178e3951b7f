//! The functional model: the accelerator in plain Rust, exact to the instruction. The Verilated
//! RTL is compared with it byte for byte, so this page also fixes what the register description
//! leaves open. It has no clock: every count of cycles reads as zero.
//!
//! ```text
//!  registers.rs          queue.rs               command.rs            program/
//!  +-----------+ bell  +-----------+  entry   +-------------+ group +-------------------+
//!  | BAR0      | ----> | rings,    | -------> | NOP, UNLOAD | ----> | LOAD_*, STORE_*   |
//!  |           |       | phase,    | <------- | LOAD, RUN   | <---- | MATRIX, DEPTHWISE |
//!  +-----------+       | MSI-X     |  status  +-------------+       | POOL, END         |
//!                      +-----------+                 |              +-------------------+
//!                                               memories.rs           arithmetic.rs
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
//! | 6 | addresses and strides are multiples of 8: `statistics_address` (all), `input_address`, `output_address`, `workspace_address`, `input_stride`, `output_stride` (RUN), `image_address`, `stream_address` (LOAD) | all | `Misaligned` |
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
//!   `ProgramOverrun`. Each instruction is checked as the next two sections say before it begins.
//! - The slot keeps the `stream_address` of its LOAD, from which LOAD_WEIGHTS reads.
//! - A statistics block is written for every command that passed the checks of its entry, failed
//!   ones included, before the completion. If that write fails, the status of a command that had
//!   succeeded becomes `DmaWriteError`. Counters of a failed run are what had been done by then.
//! - The completion carries the version of its slot after the command; zero if the slot is empty
//!   or does not exist.
//! - The slot registers of an empty slot read as zero.
//!
//! # Possible instructions
//!
//! An instruction that fails one of these checks ends its run with `InvalidInstruction`. `W` is
//! the scratchpad's word, R, C and Q are rows, columns and lanes. Every field that the opcode does
//! not use must be zero.
//!
//! | opcode | fields that it uses | checks |
//! |---|---|---|
//! | END | `opcode` (no limits) | |
//! | LOAD_ROWS | `flags`, limits, `scratchpad_*`, `row_bytes`, `host_offset` | flags FIRST_GROUP, NEXT_GROUP or none; `row_bytes` >= 1; `host_offset` a multiple of 8 |
//! | STORE_ROWS | the same without `flags` | the same |
//! | LOAD_WEIGHTS | limits, `host_offset`, `count`, `weight_address` | `host_offset` a multiple of 8; `count` >= 1 |
//! | LOAD_WORKSPACE, STORE_WORKSPACE | limits, `scratchpad_*`, `row_bytes`, `host_offset`, `host_stride`, `count` | `host_offset` and `host_stride` multiples of 8; `row_bytes` and `count` >= 1 |
//! | MATRIX, DEPTHWISE, POOL | all but the following | flags DOUBLE_ROUNDING and RESIDUAL; `kernel_height`, `input_height`, `input_row_bytes`, `output_height`, `output_width`, `channels`, `window_bytes` and `input_tiles` >= 1; `parameter_address` a multiple of Q; `clamp_minimum` <= `clamp_maximum` |
//! | ... with RESIDUAL | | `sum_minimum` <= `sum_maximum` |
//! | ... without RESIDUAL | not `second_address`, `sum_zero_point`, `sum_minimum`, `sum_maximum` | |
//! | MATRIX | not `phases` | if `kernel_height` > 1: `window_bytes` >= R / 4, and `input_row_stride` - `window_bytes` (negative too) a multiple of W |
//! | DEPTHWISE | | `input_tiles` <= 256; `kernel_height` * `input_tiles` <= 64 |
//! | ... with `phases` > 0 | not `column_step` | `phases` <= `input_tiles` <= 3 * `phases` (without the feature SHARED_COLUMNS `input_tiles` = `phases`); `kernel_height` * `phases` <= 64 in place of the product above |
//! | POOL | not `phases`, `weight_address` | the flag MAXIMUM too; `input_tiles` <= 256 |
//!
//! `pad_value`, `column_step`, paddings and strides are free otherwise; a window may lie outside
//! the image altogether.
//!
//! # Bounds of instructions
//!
//! Then the ends of what it reads and writes, in exact arithmetic, else `InstructionBounds`:
//!
//! | opcode | at most | |
//! |---|---|---|
//! | MATRIX, DEPTHWISE, POOL | scratchpad | `output_address` + (B - 1) * `output_batch_stride` + (`output_height` - 1) * `output_row_stride` + (`output_width` - 1) * `output_pixel_stride` + `channels`; the same from `second_address` with RESIDUAL |
//! | | scratchpad | `input_address` + (B - 1) * `input_batch_stride` + (`input_height` - 1) * `input_row_stride` + `input_row_bytes` |
//! | | parameters of the model | `parameter_address` + `channels` up to a multiple of Q, with RESIDUAL + 3 up to a multiple of Q |
//! | MATRIX | weights of the model | `weight_address` + ceil(`channels` / C) * `input_tiles` |
//! | DEPTHWISE | weights of the model | `weight_address` + ceil(`channels` / R) * `kernel_height` * `phases`, or in direct mode ceil(`channels` / R) * ceil(`kernel_height` * `input_tiles` / D), D being C or 8, whichever is less |
//! | LOAD_ROWS, STORE_ROWS, LOAD_WORKSPACE, STORE_WORKSPACE | scratchpad | `scratchpad_address` + (pieces - 1) * `scratchpad_stride` + `row_bytes` up to a multiple of 8, for stores too |
//! | LOAD_WEIGHTS | weights of the model | `weight_address` + `count` |
//!
//! A LOAD_ROWS that is skipped (FIRST_GROUP in a later group, NEXT_GROUP in the last) passes the
//! first checks, not these. With NEXT_GROUP it counts and copies the rows of the next group.
//!
//! # What instructions do
//!
//! - Host addresses wrap modulo 2^64: `input_address` or `output_address` of the run + (first row
//!   of the group + b) * stride + `host_offset` for rows; `workspace_address` + `host_offset` +
//!   i * `host_stride` for piece i of the workspace; `stream_address` + `host_offset` for weight
//!   tiles, which lie without gaps.
//! - Pieces are copied in order; where one's last word reaches into the next, the next one's bytes
//!   remain.
//! - Kernel columns of DEPTHWISE are those below `input_tiles`: bytes of a weight tile that belong
//!   to no column, lane or channel have no effect.
//! - The maximum of POOL is over all bytes of the window, `pad_value` included where it is outside.
//! - A result with RESIDUAL may replace the byte that it adds: `second_address` may equal
//!   `output_address`. Otherwise a program in which an instruction's output overlaps itself or what
//!   it reads is not portable.
//! - `vectors` counts for MATRIX B * `output_height` * `output_width` * ceil(`channels` / C) *
//!   `input_tiles`. `depthwise_vectors` counts for POOL and direct mode ceil(`channels` / R) * B *
//!   `output_height` * `output_width` * `kernel_height` * `input_tiles`, in shared mode
//!   ceil(`channels` / R) * B * `output_height` * `kernel_height` * (`input_tiles` +
//!   `phases` * (`output_width` - 1)). `instructions` counts skipped ones and every END; `dma_read_bytes` whole
//!   words, `dma_write_bytes` exact bytes.
//! - Errors: instructions that have begun are finished, and a failed DMA access of one of them
//!   comes before the refusal of a later instruction. If a read and a write of instructions that
//!   overlap both fail, either status may be reported. This model overlaps nothing, so it reports
//!   that of the first in the program.
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

use systole_regs::instructions::Transfer;
use systole_regs::{Configuration, Status};

use crate::core::{Activity, Core, Host};
use command::Running;
use memories::{Memories, Region, Slot};
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

    /// Overwrites the scratchpad, whose contents between runs nothing may depend on; not while a
    /// run is under way.
    #[cfg(test)]
    pub(crate) fn scramble_scratchpad(&mut self, value: i8) {
        if self.running.is_none() {
            self.memories.scratchpad.fill(value);
        }
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

/// The status that ends every run that comes to this instruction, in a model with so many
/// parameters and weight tiles, or `None` if a run of one row passes its checks.
pub(crate) fn refusal(
    instruction: &Transfer,
    parameters: u16,
    weights: u16,
    configuration: &Configuration,
) -> Option<Status> {
    let region = |count| Region { base: 0, count };
    let slot = Slot {
        parameters: region(parameters),
        weights: region(weights),
        ..Slot::default()
    };
    program::refusal(instruction, &slot, configuration)
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
