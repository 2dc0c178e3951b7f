//! Commands and their completions, as the host sees them; `systole_regs::entries` has the bytes.

use std::fmt;

use bytemuck::{Zeroable, bytes_of};
use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, opcode};

use crate::DeviceStatus;

/// Bytes of a submission entry.
pub(crate) const ENTRY_BYTES: usize = size_of::<RunEntry>();

/// Most bus addresses that an entry names.
pub(crate) const ADDRESSES: usize = 5;

/// The field of a LOAD that names what must stay where it is while the model is resident.
pub(crate) const STREAM: &str = "stream_address";

/// What the device is asked to do. The command id of an entry is filled in on submission, and
/// its opcode too, so both may be left zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Does nothing, and completes.
    Nop,
    /// Makes a model resident in a slot.
    Load(LoadEntry),
    /// Runs the model of a slot.
    Run(RunEntry),
    /// Empties a slot.
    Unload {
        /// The slot to empty.
        slot: u8,
    },
    /// These bytes as they are, but for the command id in bytes 2 and 3, whatever addresses they name.
    /// For tests of what the device says to entries that are wrong.
    Raw([u8; 64]),
}

impl Command {
    /// Fields of the entry that are bus addresses, with what they say; zero is no address.
    pub(crate) fn addresses(&self) -> [(&'static str, u64); ADDRESSES] {
        const NONE: (&str, u64) = ("", 0);
        match self {
            Command::Load(entry) => [
                ("image_address", entry.image_address),
                (STREAM, entry.stream_address),
                ("statistics_address", entry.statistics_address),
                NONE,
                NONE,
            ],
            Command::Run(entry) => [
                ("input_address", entry.input_address),
                ("output_address", entry.output_address),
                ("statistics_address", entry.statistics_address),
                ("workspace_address", entry.workspace_address),
                ("trace_address", entry.trace_address),
            ],
            Command::Nop | Command::Unload { .. } | Command::Raw(_) => [NONE; ADDRESSES],
        }
    }

    /// The bytes of the entry.
    pub(crate) fn entry(self, id: CommandId) -> [u8; ENTRY_BYTES] {
        let mut bytes = match self {
            Command::Nop => bytemuck::cast(RunEntry {
                opcode: opcode::NOP,
                ..RunEntry::zeroed()
            }),
            Command::Load(entry) => bytemuck::cast(LoadEntry {
                opcode: opcode::LOAD,
                ..entry
            }),
            Command::Run(entry) => bytemuck::cast(RunEntry {
                opcode: opcode::RUN,
                ..entry
            }),
            Command::Unload { slot } => bytemuck::cast(LoadEntry {
                opcode: opcode::UNLOAD,
                slot,
                ..LoadEntry::zeroed()
            }),
            Command::Raw(bytes) => bytes,
        };
        const ID: usize = RunEntry::field("command_id").offset;
        bytes[ID..ID + size_of::<u16>()].copy_from_slice(bytes_of(&id.0));
        bytes
    }
}

/// Identifies a command among those in flight on its queue pair. Its completion carries the
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u16);

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The command, as [`CommandId`] numbers it.
    pub command_id: u16,
    /// Success, or why the device refused or failed.
    pub status: Result<(), DeviceStatus>,
    /// Version of the slot's model when the command ended; zero if the slot is empty.
    pub version: u32,
    /// Clock cycles from the command's start to its completion; zero where a model without a
    /// clock computes.
    pub cycles: u32,
    /// Slot of the command.
    pub slot: u8,
}

impl From<CompletionEntry> for Completion {
    fn from(entry: CompletionEntry) -> Self {
        Self {
            command_id: entry.command_id,
            status: DeviceStatus::decode(entry.status),
            version: entry.version,
            cycles: entry.cycles,
            slot: entry.slot,
        }
    }
}

/// The ids in flight. They are given out in turn, so that a completion which comes twice is
/// recognized rather than taken for a newer command's.
#[derive(Debug)]
pub(crate) struct CommandIds {
    in_flight: Vec<bool>,
    next: u16,
    count: usize,
}

impl CommandIds {
    /// None in flight; `next` is given out first.
    pub fn starting_at(next: u16) -> Self {
        Self {
            in_flight: vec![false; 1 << u16::BITS],
            next,
            count: 0,
        }
    }

    /// The id that is given out next, if it is not in flight.
    pub fn next(&self) -> u16 {
        self.next
    }

    /// Number of ids in flight.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes an id; `None` when all 65536 are in flight.
    pub fn take(&mut self) -> Option<CommandId> {
        if self.count == self.in_flight.len() {
            return None;
        }
        while self.in_flight[usize::from(self.next)] {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.in_flight[usize::from(id)] = true;
        self.next = id.wrapping_add(1);
        self.count += 1;
        Some(CommandId(id))
    }

    /// Returns an id; false if it is not in flight.
    pub fn finish(&mut self, id: u16) -> bool {
        let was_in_flight = std::mem::take(&mut self.in_flight[usize::from(id)]);
        self.count -= usize::from(was_in_flight);
        was_in_flight
    }
}

#[cfg(test)]
mod tests {
    use systole_regs::Status;

    use super::*;

    #[test]
    fn entries_carry_opcode_and_id_whatever_the_caller_left_there() {
        let run = Command::Run(RunEntry {
            opcode: 99,
            command_id: 1,
            rows: 5,
            ..RunEntry::zeroed()
        });
        let entry: RunEntry = bytemuck::cast(run.entry(CommandId(0x0203)));
        assert_eq!(
            (entry.opcode, entry.command_id, entry.rows),
            (opcode::RUN, 0x0203, 5)
        );
        let entry: LoadEntry = bytemuck::cast(Command::Unload { slot: 1 }.entry(CommandId(9)));
        assert_eq!(
            (entry.opcode, entry.command_id, entry.slot),
            (opcode::UNLOAD, 9, 1)
        );
    }

    #[test]
    fn raw_entries_keep_all_but_the_id() {
        let entry = Command::Raw([0xaa; 64]).entry(CommandId(0));
        assert_eq!(&entry[..5], [0xaa, 0xaa, 0, 0, 0xaa]);
        assert!(entry[4..].iter().all(|&byte| byte == 0xaa));
    }

    #[test]
    fn every_status_code_is_told_apart() {
        assert_eq!(DeviceStatus::decode(0), Ok(()));
        let slot = DeviceStatus::Known(Status::SlotEmpty);
        assert_eq!(DeviceStatus::decode(Status::SlotEmpty as u8), Err(slot));
        assert_eq!(DeviceStatus::decode(200), Err(DeviceStatus::Unknown(200)));
        assert_eq!(DeviceStatus::decode_fatal(0), DeviceStatus::Unknown(0));
    }

    #[test]
    fn ids_in_flight_are_not_given_out_twice() {
        let mut ids = CommandIds::starting_at(0);
        let held = ids.take().unwrap();
        for _ in 0..u16::MAX {
            let id = ids.take().unwrap();
            assert_ne!(id, held);
            assert!(ids.finish(id.0));
            assert!(!ids.finish(id.0));
        }
        assert_ne!(ids.take(), Some(held));
        assert_eq!(ids.count(), 2);
    }

    #[test]
    fn ids_run_out_only_when_all_are_in_flight() {
        let mut ids = CommandIds::starting_at(0);
        for _ in 0..1 << 16 {
            ids.take().unwrap();
        }
        assert_eq!(ids.take(), None);
        assert!(ids.finish(12345));
        assert_eq!(ids.take(), Some(CommandId(12345)));
    }
}
