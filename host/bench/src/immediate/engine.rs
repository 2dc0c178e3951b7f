//! The device's queue: entries from one ring, completions to the other.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use bytemuck::{Zeroable, bytes_of, bytes_of_mut};
use systole_driver::SharedMemory;
use systole_regs::Status;
use systole_regs::entries::{CompletionEntry, RunEntry, opcode};

const SUBMISSION_BYTES: usize = size_of::<RunEntry>();
const COMPLETION_BYTES: usize = size_of::<CompletionEntry>();

/// Offset of a completion's second word, which the host looks at.
const SECOND_WORD: usize = 8;

/// Most commands between two looks at the doorbells, where a thread carries them out.
const BURST: u32 = 32;

/// Memory that is mapped for the device.
struct Mapping {
    address: u64,
    memory: Arc<SharedMemory>,
}

/// An enabled queue.
struct Queue {
    submission: Arc<SharedMemory>,
    submission_entries: u32,
    head: u32,
    tail: u32,
    completion: Arc<SharedMemory>,
    completion_entries: u32,
    /// Where the next completion goes.
    index: u32,
    phase: u16,
    /// The oldest completion that the host may not have read.
    unread: u32,
    interrupts: bool,
}

/// Queue, mappings and counters.
#[derive(Default)]
pub(super) struct Engine {
    /// Whether commands wait for [`advance`](Self::advance).
    pub waits: bool,
    /// Commands that were carried out.
    pub commands: u32,
    /// What an interrupt signals.
    pub eventfd: Option<File>,
    mappings: Vec<Mapping>,
    queue: Option<Queue>,
}

impl Engine {
    pub fn map(&mut self, address: u64, memory: Arc<SharedMemory>) {
        self.mappings.push(Mapping { address, memory });
    }

    pub fn unmap(&mut self, address: u64) {
        self.mappings.retain(|mapping| mapping.address != address);
    }

    pub fn is_enabled(&self) -> bool {
        self.queue.is_some()
    }

    pub fn is_busy(&self) -> bool {
        let queue = self.queue.as_ref();
        queue.is_some_and(|queue| self.waits && queue.head != queue.tail)
    }

    /// Begins with empty rings, given by their addresses and numbers of entries. A ring that is not
    /// mapped leaves the device disabled.
    pub fn enable(&mut self, submission: (u64, u32), completion: (u64, u32), interrupts: bool) {
        let ring = |(address, entries): (u64, u32), bytes: usize| {
            let mapping = self.mappings.iter().find(|one| one.address == address)?;
            let fits = mapping.memory.len() >= entries as usize * bytes;
            fits.then(|| Arc::clone(&mapping.memory))
        };
        let rings = (
            ring(submission, SUBMISSION_BYTES),
            ring(completion, COMPLETION_BYTES),
        );
        if let (Some(submission_memory), Some(completion_memory)) = rings {
            self.queue = Some(Queue {
                submission: submission_memory,
                submission_entries: submission.1,
                head: 0,
                tail: 0,
                completion: completion_memory,
                completion_entries: completion.1,
                index: 0,
                phase: 1,
                unread: 0,
                interrupts,
            });
        }
    }

    /// Stops, and forgets the rings.
    pub fn disable(&mut self) {
        self.queue = None;
    }

    /// The host has written entries up to here.
    pub fn ring_tail(&mut self, tail: u32) {
        let Some(queue) = &mut self.queue else { return };
        queue.tail = tail.min(queue.submission_entries - 1);
        if !self.waits {
            self.carry_out(u32::MAX);
        }
    }

    /// The host has read completions up to here.
    pub fn ring_head(&mut self, head: u32) {
        let Some(queue) = &mut self.queue else { return };
        queue.unread = head.min(queue.completion_entries - 1);
        if !self.waits {
            self.carry_out(u32::MAX);
        }
    }

    /// Carries out what waits; false if nothing does.
    pub fn advance(&mut self) -> bool {
        self.carry_out(BURST)
    }

    fn carry_out(&mut self, most: u32) -> bool {
        let Some(queue) = &mut self.queue else {
            return false;
        };
        let mut done = 0;
        while done < most && queue.head != queue.tail && !queue.is_full() {
            let mut entry = RunEntry::zeroed();
            let offset = queue.head as usize * SUBMISSION_BYTES;
            // The ring has been found to fit its memory.
            let _ = queue.submission.read(offset, bytes_of_mut(&mut entry));
            queue.head = (queue.head + 1) % queue.submission_entries;
            let status = match entry.opcode {
                opcode::NOP => Status::Success,
                opcode::RUN => run(&self.mappings, &entry),
                _ => Status::InvalidOpcode,
            };
            queue.complete(&entry, status);
            done += 1;
        }
        self.commands = self.commands.wrapping_add(done);
        if done > 0
            && queue.interrupts
            && let Some(mut eventfd) = self.eventfd.as_ref()
        {
            // A counter that is full has been signalled.
            let _ = eventfd.write(&1u64.to_ne_bytes());
        }
        done > 0
    }
}

impl Queue {
    fn is_full(&self) -> bool {
        (self.index + 1) % self.completion_entries == self.unread
    }

    fn complete(&mut self, entry: &RunEntry, status: Status) {
        let completion = CompletionEntry {
            command_id: entry.command_id,
            submission_head: self.head as u16,
            status: status as u8,
            slot: entry.slot,
            phase: self.phase,
            ..CompletionEntry::zeroed()
        };
        let offset = self.index as usize * COMPLETION_BYTES;
        let bytes = bytes_of(&completion);
        let _ = self.completion.write(offset, &bytes[..SECOND_WORD]);
        // What the completion says is there when its phase is.
        fence(Ordering::Release);
        let second = &bytes[SECOND_WORD..];
        let _ = self.completion.write(offset + SECOND_WORD, second);
        self.index += 1;
        if self.index == self.completion_entries {
            self.index = 0;
            self.phase ^= 1;
        }
    }
}

/// Adds one to the first word of each row.
fn run(mappings: &[Mapping], entry: &RunEntry) -> Status {
    let find = |address: u64| {
        let inside = |one: &&Mapping| {
            let offset = address.wrapping_sub(one.address);
            offset < one.memory.len() as u64
        };
        let mapping = mappings.iter().find(inside)?;
        Some((&mapping.memory, (address - mapping.address) as usize))
    };
    for row in 0..u64::from(entry.rows) {
        let input = entry.input_address + row * u64::from(entry.input_stride);
        let output = entry.output_address + row * u64::from(entry.output_stride);
        let mut word = [0; 8];
        if find(input).is_none_or(|(memory, offset)| memory.read(offset, &mut word).is_err()) {
            return Status::DmaReadError;
        }
        let word = u64::from_ne_bytes(word).wrapping_add(1).to_ne_bytes();
        if find(output).is_none_or(|(memory, offset)| memory.write(offset, &word).is_err()) {
            return Status::DmaWriteError;
        }
    }
    Status::Success
}
