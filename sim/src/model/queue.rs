//! The queue engine: takes entries from the submission ring in order, and answers each on the
//! completion ring.
//!
//! ```text
//!  submission ring   head (device) ---> [ e2 ][ e3 ][    ] <--- tail (host's doorbell)
//!                                          |
//!  completion ring   head (host's doorbell) ---> [ c0 ][ c1 ][    ] <--- tail (device), phase
//! ```

use bytemuck::Zeroable;
use systole_regs::entries::{CompletionEntry, RunEntry};
use systole_regs::registers::INTERRUPT_ENABLE;
use systole_regs::{QUEUE_ENTRIES_MAX, Status};

use super::FunctionalModel;
use super::command::Outcome;
use crate::core::Host;

const SUBMISSION_BYTES: u64 = size_of::<RunEntry>() as u64;
const COMPLETION_BYTES: u64 = size_of::<CompletionEntry>() as u64;

/// One queue pair: its registers and its indices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    pub submission_base: u64,
    pub submission_entries: u32,
    pub completion_base: u64,
    pub completion_entries: u32,
    pub interrupt: u32,
    pub submission_head: u32,
    pub submission_tail: u32,
    pub completion_head: u32,
    pub completion_tail: u32,
    phase: bool,
}

impl Queue {
    /// Whether sizes and bases are ones that the device can work with.
    pub fn is_possible(&self) -> bool {
        let sizes = 2..=QUEUE_ENTRIES_MAX;
        sizes.contains(&self.submission_entries)
            && sizes.contains(&self.completion_entries)
            && self.submission_base.is_multiple_of(SUBMISSION_BYTES)
            && self.completion_base.is_multiple_of(COMPLETION_BYTES)
    }

    /// Empties both rings; the first lap's phase is 1.
    pub fn start(&mut self) {
        self.submission_head = 0;
        self.submission_tail = 0;
        self.completion_head = 0;
        self.completion_tail = 0;
        self.phase = true;
    }

    /// Whether an entry waits and there is room for its completion.
    pub fn has_work(&self) -> bool {
        let full = self.next_completion() == self.completion_head;
        self.submission_head != self.submission_tail && !full
    }

    fn next_completion(&self) -> u32 {
        successor(self.completion_tail, self.completion_entries)
    }
}

fn successor(index: u32, entries: u32) -> u32 {
    if index + 1 >= entries { 0 } else { index + 1 }
}

impl FunctionalModel {
    /// Processes the entry at the submission head.
    ///
    /// # Errors
    /// The status of the fatal error if one of the rings cannot be reached.
    pub(super) fn process_entry(&mut self, host: &mut dyn Host) -> Result<(), Status> {
        let queue = &self.queue;
        let mut entry = RunEntry::zeroed();
        let address = queue
            .submission_base
            .wrapping_add(u64::from(queue.submission_head) * SUBMISSION_BYTES);
        host.dma_read(address, bytemuck::bytes_of_mut(&mut entry))
            .map_err(|_| Status::DmaReadError)?;
        self.queue.submission_head = successor(queue.submission_head, queue.submission_entries);

        match self.execute(&entry, host) {
            Some(outcome) => self.finish(&entry, outcome, host),
            None => Ok(()),
        }
    }

    /// Writes a command's statistics and its completion.
    ///
    /// # Errors
    /// The status of the fatal error if the completion cannot be written.
    pub(super) fn finish(
        &mut self,
        entry: &RunEntry,
        outcome: Outcome,
        host: &mut dyn Host,
    ) -> Result<(), Status> {
        let Outcome {
            mut status,
            statistics,
        } = outcome;
        if let Some(statistics) = statistics
            && host
                .dma_write(entry.statistics_address, bytemuck::bytes_of(&statistics))
                .is_err()
            && status == Status::Success
        {
            status = Status::DmaWriteError;
        }
        self.complete(entry, status, host)
    }

    fn complete(
        &mut self,
        entry: &RunEntry,
        status: Status,
        host: &mut dyn Host,
    ) -> Result<(), Status> {
        let queue = &self.queue;
        let version = self
            .slots
            .get(usize::from(entry.slot))
            .map_or(0, |slot| slot.version);
        let completion = CompletionEntry {
            version,
            cycles: 0,
            command_id: entry.command_id,
            // At most QUEUE_ENTRIES_MAX - 1.
            submission_head: queue.submission_head as u16,
            status: status as u8,
            slot: entry.slot,
            phase: u16::from(queue.phase),
        };
        let address = queue
            .completion_base
            .wrapping_add(u64::from(queue.completion_tail) * COMPLETION_BYTES);
        host.dma_write(address, bytemuck::bytes_of(&completion))
            .map_err(|_| Status::DmaWriteError)?;

        self.commands = self.commands.wrapping_add(1);
        self.errors = self
            .errors
            .wrapping_add(u32::from(status != Status::Success));
        let next = queue.next_completion();
        self.queue.completion_tail = next;
        self.queue.phase ^= next == 0;
        if self.queue.interrupt & INTERRUPT_ENABLE != 0 {
            // Bits 10:0 remain.
            host.interrupt((self.queue.interrupt & !INTERRUPT_ENABLE) as u16);
        }
        Ok(())
    }
}
