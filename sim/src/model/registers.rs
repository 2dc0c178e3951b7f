//! BAR0: which offset reads and writes what.

use systole_regs::Status;
use systole_regs::registers::{self as offset, INTERRUPT_ENABLE, control, status};

use super::FunctionalModel;

/// Bits of the INTERRUPT register that hold what was written.
const INTERRUPT_BITS: u32 = INTERRUPT_ENABLE | 0x7ff;

impl FunctionalModel {
    pub(super) fn read(&self, address: u32) -> u32 {
        let identification = self.configuration.identification();
        if let Some(&(_, value)) = identification.iter().find(|(at, _)| *at == address) {
            return value;
        }
        match address {
            offset::CONTROL => u32::from(self.enabled) * control::ENABLE,
            offset::STATUS => self.status(),

            offset::SUBMISSION_BASE_LOW => self.queue.submission_base as u32,
            offset::SUBMISSION_BASE_HIGH => (self.queue.submission_base >> 32) as u32,
            offset::SUBMISSION_ENTRIES => self.queue.submission_entries,
            offset::COMPLETION_BASE_LOW => self.queue.completion_base as u32,
            offset::COMPLETION_BASE_HIGH => (self.queue.completion_base >> 32) as u32,
            offset::COMPLETION_ENTRIES => self.queue.completion_entries,
            offset::INTERRUPT => self.queue.interrupt,
            offset::SUBMISSION_HEAD => self.queue.submission_head,
            offset::COMPLETION_TAIL => self.queue.completion_tail,

            offset::COMMANDS => self.commands,
            offset::ERRORS => self.errors,

            _ => self.slot_register(address),
        }
    }

    /// The slot blocks; zero for every offset that is nothing else either (the build hash and the
    /// cycle counters among them: a model has neither Verilog nor clock).
    fn slot_register(&self, address: u32) -> u32 {
        let Some(from_first) = address.checked_sub(offset::SLOT_STATE) else {
            return 0;
        };
        let Some(slot) = self
            .slots
            .get((from_first / offset::SLOT_BLOCK_BYTES) as usize)
        else {
            return 0;
        };
        match offset::SLOT_STATE + from_first % offset::SLOT_BLOCK_BYTES {
            offset::SLOT_STATE => u32::from(slot.valid),
            offset::SLOT_VERSION => slot.version,
            offset::SLOT_PROGRAM => slot.program.register(),
            offset::SLOT_PARAMETERS => slot.parameters.register(),
            offset::SLOT_WEIGHTS => slot.weights.register(),
            offset::SLOT_GROUP_ROWS => u32::from(slot.group_rows),
            _ => 0,
        }
    }

    fn status(&self) -> u32 {
        match self.fatal {
            Some(fatal) => status::FATAL | u32::from(fatal as u8) << status::FATAL_CODE_SHIFT,
            None => {
                u32::from(self.enabled) * status::READY + u32::from(self.is_busy()) * status::BUSY
            }
        }
    }

    pub(super) fn write(&mut self, address: u32, value: u32) {
        match address {
            offset::CONTROL => self.write_control(value),
            offset::SUBMISSION_TAIL_DOORBELL => self.ring_doorbell(value, true),
            offset::COMPLETION_HEAD_DOORBELL => self.ring_doorbell(value, false),
            _ if !self.enabled => self.write_queue(address, value),
            _ => {}
        }
    }

    fn write_control(&mut self, value: u32) {
        if value & control::RESET != 0 {
            self.soft_reset();
            return;
        }
        let enable = value & control::ENABLE != 0;
        if enable && !self.enabled && self.fatal.is_none() {
            self.queue.start();
            if !self.queue.is_possible() {
                self.fatal = Some(Status::InvalidQueue);
            }
        }
        self.enabled = enable;
    }

    fn write_queue(&mut self, address: u32, value: u32) {
        let queue = &mut self.queue;
        let low = u64::from(value);
        match address {
            offset::SUBMISSION_BASE_LOW => {
                queue.submission_base = queue.submission_base >> 32 << 32 | low;
            }
            offset::SUBMISSION_BASE_HIGH => {
                queue.submission_base = low << 32 | u64::from(queue.submission_base as u32);
            }
            offset::SUBMISSION_ENTRIES => queue.submission_entries = value,
            offset::COMPLETION_BASE_LOW => {
                queue.completion_base = queue.completion_base >> 32 << 32 | low;
            }
            offset::COMPLETION_BASE_HIGH => {
                queue.completion_base = low << 32 | u64::from(queue.completion_base as u32);
            }
            offset::COMPLETION_ENTRIES => queue.completion_entries = value,
            offset::INTERRUPT => queue.interrupt = value & INTERRUPT_BITS,
            _ => {}
        }
    }

    fn ring_doorbell(&mut self, index: u32, submission: bool) {
        if !self.enabled || self.fatal.is_some() {
            return;
        }
        let (entries, pointer) = if submission {
            (
                self.queue.submission_entries,
                &mut self.queue.submission_tail,
            )
        } else {
            (
                self.queue.completion_entries,
                &mut self.queue.completion_head,
            )
        };
        if index < entries {
            *pointer = index;
        } else {
            self.fatal = Some(Status::InvalidDoorbell);
        }
    }
}
