//! What a queue pair must do, said differently from how the driver does it: by numbers that only grow,
//! and a set. Where the driver and this disagree, one of them is wrong.

use std::collections::BTreeSet;

use bytemuck::Zeroable;
use systole_regs::entries::CompletionEntry;

/// Bit of a completion's phase field that is the phase.
const PHASE: u16 = 1;

/// What taking a completion must give.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    Completion(CompletionEntry),
    /// A command that is not in flight.
    Unknown(u16),
    /// A phase field or a submission head that no device writes.
    Corrupt,
}

/// A queue pair as it must be.
#[derive(Debug)]
pub(crate) struct Model {
    entries: u64,
    completion_entries: u64,
    next_id: u16,
    in_flight: BTreeSet<u16>,
    /// Commands submitted, told to the device, and reported as read by it, since the beginning.
    submitted: u64,
    rung: u64,
    freed: u64,
    /// Completions taken, wrong ones included.
    taken: u64,
}

impl Model {
    /// An empty queue pair whose commands are numbered from `next_id` on.
    pub fn new(entries: u32, completion_entries: u32, next_id: u16) -> Self {
        Self {
            entries: entries.into(),
            completion_entries: completion_entries.into(),
            next_id,
            in_flight: BTreeSet::new(),
            submitted: 0,
            rung: 0,
            freed: 0,
            taken: 0,
        }
    }

    /// The number that the next command may have at the earliest.
    pub fn next_id(&self) -> u16 {
        self.next_id
    }

    /// Some command in flight, chosen by `index`.
    pub fn id_in_flight(&self, index: usize) -> Option<u16> {
        let index = index.checked_rem(self.in_flight.len())?;
        self.in_flight.iter().nth(index).copied()
    }

    /// Whether a command's answer is awaited.
    pub fn is_in_flight(&self, id: u16) -> bool {
        self.in_flight.contains(&id)
    }

    /// Submits a command: the slot of its entry and its id; nothing if the queue is full.
    pub fn submit(&mut self) -> Option<(usize, u16)> {
        let holds = self.entries - 1;
        if self.submitted - self.freed == holds || self.in_flight.len() as u64 >= holds {
            return None;
        }
        let mut id = self.next_id;
        while !self.in_flight.insert(id) {
            id = id.wrapping_add(1);
        }
        self.next_id = id.wrapping_add(1);
        let slot = self.submitted % self.entries;
        self.submitted += 1;
        Some((slot as usize, id))
    }

    /// The tail that the device is to be told of.
    pub fn unrung_tail(&self) -> Option<u32> {
        (self.rung < self.submitted).then_some((self.submitted % self.entries) as u32)
    }

    /// The device has been told of all commands.
    pub fn ring(&mut self) {
        self.rung = self.submitted;
    }

    /// The slot of the next completion.
    pub fn completion_head(&self) -> u32 {
        (self.taken % self.completion_entries) as u32
    }

    /// Takes the completion whose slot holds `bytes`.
    pub fn take(&mut self, bytes: [u8; 16]) -> Taken {
        let entry: CompletionEntry = bytemuck::cast(bytes);
        let lap = self.taken / self.completion_entries;
        let expected = if lap.is_multiple_of(2) { PHASE } else { 0 };
        if entry.phase & PHASE != expected {
            return Taken::Nothing;
        }
        self.taken += 1;
        if entry.phase & !PHASE != 0 {
            return Taken::Corrupt;
        }
        if !self.in_flight.remove(&entry.command_id) {
            return Taken::Unknown(entry.command_id);
        }
        let head = u64::from(entry.submission_head);
        match (self.freed..=self.rung).find(|freed| freed % self.entries == head) {
            Some(freed) => {
                self.freed = freed;
                Taken::Completion(entry)
            }
            None => Taken::Corrupt,
        }
    }

    /// Commands that the device has been told of and has not completed, as far as that can be said
    /// of a device that may have completed what it was not told of.
    pub fn in_flight(&self) -> usize {
        let unrung = (self.submitted - self.rung) as usize;
        self.in_flight.len().saturating_sub(unrung)
    }
}

/// A completion with nothing but these fields.
pub(crate) fn completion(command_id: u16, submission_head: u16, phase: u16) -> CompletionEntry {
    CompletionEntry {
        command_id,
        submission_head,
        phase,
        ..CompletionEntry::zeroed()
    }
}
