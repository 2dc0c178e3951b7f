//! The completion ring that the device writes to, and how its entries reach the driver's.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use bytemuck::{Zeroable, bytes_of, bytes_of_mut};
use nix::sys::eventfd::EventFd;
use systole_driver::DmaMemory;
use systole_regs::entries::CompletionEntry;

use super::Fault;

/// Bytes of a completion.
pub const ENTRY_BYTES: usize = size_of::<CompletionEntry>();

/// Memory that is mapped for the device, by its file: what is written there, the driver sees.
pub struct Mapping {
    iova: u64,
    bytes: u64,
    file: File,
}

impl Mapping {
    /// The file of a mapping.
    ///
    /// # Panics
    /// If no more files can be opened.
    pub fn of(memory: &DmaMemory) -> Mapping {
        let file = memory.as_fd().try_clone_to_owned();
        Mapping {
            iova: memory.iova().0,
            bytes: memory.mapped_bytes() as u64,
            file: file.expect("there are file descriptors").into(),
        }
    }
}

/// A ring and the place in it.
struct Ring {
    base: u64,
    entries: u32,
    index: u32,
    phase: u16,
}

impl Ring {
    fn new(base: u64, entries: u32) -> Ring {
        Ring {
            base,
            entries,
            index: 0,
            phase: 1,
        }
    }

    fn address(&self) -> u64 {
        self.base + u64::from(self.index) * ENTRY_BYTES as u64
    }

    fn advance(&mut self) {
        self.index += 1;
        if self.index == self.entries {
            self.index = 0;
            self.phase ^= 1;
        }
    }
}

/// What the pump knows.
#[derive(Default)]
pub struct Pump {
    /// Where the driver's ring is, as it writes it.
    pub base_low: u32,
    /// The upper half.
    pub base_high: u32,
    /// What the driver waits for.
    pub eventfd: Option<EventFd>,
    mappings: Vec<Mapping>,
    /// The device's ring, and its memory.
    source: Option<(Ring, Mapping, DmaMemory)>,
    /// The driver's ring.
    target: Option<Ring>,
    faults: VecDeque<Fault>,
    lost_interrupts: u32,
    /// The first of two that come in the other order.
    held: Option<CompletionEntry>,
    late: Vec<(Instant, CompletionEntry)>,
}

impl Pump {
    /// Where the driver's ring is.
    pub fn base(&self) -> u64 {
        u64::from(self.base_high) << 32 | u64::from(self.base_low)
    }

    /// Lets something go wrong with the completions to come.
    pub fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::LostInterrupt(count) => self.lost_interrupts = count,
            fault => self.faults.push_back(fault),
        }
    }

    /// Forgets what has not gone wrong yet. What is late still comes.
    pub fn heal(&mut self) {
        self.faults.clear();
        self.lost_interrupts = 0;
    }

    /// Notes a mapping.
    pub fn mapped(&mut self, mapping: Mapping) {
        self.mappings.push(mapping);
    }

    /// Notes the end of a mapping.
    pub fn unmapped(&mut self, iova: u64) {
        self.mappings.retain(|mapping| mapping.iova != iova);
        if self.target.as_ref().is_some_and(|ring| ring.base == iova) {
            self.target = None;
        }
    }

    /// Begins with a new pair of rings; returns the memory of the old one.
    pub fn begin(
        &mut self,
        base: u64,
        entries: u32,
        mapping: Mapping,
        memory: DmaMemory,
    ) -> Option<DmaMemory> {
        let old = self.end();
        let source = Ring::new(memory.iova().0, entries);
        self.source = Some((source, mapping, memory));
        self.target = Some(Ring::new(base, entries));
        old
    }

    /// Ends the device's ring; returns its memory.
    pub fn end(&mut self) -> Option<DmaMemory> {
        self.held = None;
        self.source.take().map(|(_, _, memory)| memory)
    }

    /// Hands on what has come.
    pub fn step(&mut self) {
        let now = Instant::now();
        let (due, late) = self.late.drain(..).partition(|(when, _)| *when <= now);
        self.late = late;
        let due: Vec<(Instant, CompletionEntry)> = due;
        for (_, entry) in due {
            self.deliver(entry);
        }
        while let Some(entry) = self.take() {
            self.pass(entry);
        }
    }

    /// The next entry of the device.
    fn take(&mut self) -> Option<CompletionEntry> {
        let (ring, mapping, _) = self.source.as_mut()?;
        let mut entry = CompletionEntry::zeroed();
        let offset = ring.address() - mapping.iova;
        // The word with the phase first: the other one is there if the phase is.
        let bytes = bytes_of_mut(&mut entry);
        mapping
            .file
            .read_exact_at(&mut bytes[8..], offset + 8)
            .ok()?;
        if entry.phase & 1 != ring.phase {
            return None;
        }
        let bytes = bytes_of_mut(&mut entry);
        mapping.file.read_exact_at(&mut bytes[..8], offset).ok()?;
        ring.advance();
        Some(entry)
    }

    /// Hands an entry on, as the next fault wants it.
    fn pass(&mut self, entry: CompletionEntry) {
        if let Some(first) = self.held.take() {
            self.deliver(entry);
            self.deliver(first);
            return;
        }
        match self.faults.pop_front() {
            Some(Fault::Late(milliseconds)) => {
                let when = Instant::now() + Duration::from_millis(milliseconds.into());
                self.late.push((when, entry));
            }
            Some(Fault::Lost) => {}
            Some(Fault::Twice) => {
                self.deliver(entry);
                self.deliver(entry);
            }
            Some(Fault::Swapped) => self.held = Some(entry),
            Some(Fault::Tag(difference)) => self.deliver(CompletionEntry {
                // Never the right one.
                command_id: entry.command_id.wrapping_add(difference.max(1)),
                ..entry
            }),
            Some(Fault::Garbage(bits)) => {
                let garbage = [bits, bits.rotate_left(17)];
                let garbage: CompletionEntry = bytemuck::cast(garbage);
                self.deliver(CompletionEntry {
                    command_id: entry.command_id.wrapping_add(1 + (bits as u16 & 0x7fff)),
                    ..garbage
                });
                self.deliver(entry);
            }
            Some(Fault::Head(difference)) => self.deliver(CompletionEntry {
                submission_head: entry.submission_head.wrapping_add(difference),
                ..entry
            }),
            Some(Fault::Status(status)) => self.deliver(CompletionEntry {
                status: status as u8,
                ..entry
            }),
            _ => self.deliver(entry),
        }
    }

    /// Writes an entry to the driver's ring, wherever that is by now.
    fn deliver(&mut self, entry: CompletionEntry) {
        let Some(ring) = &mut self.target else {
            return;
        };
        let entry = CompletionEntry {
            phase: entry.phase & !1 | ring.phase,
            ..entry
        };
        let address = ring.address();
        let holds =
            |mapping: &&Mapping| (mapping.iova..mapping.iova + mapping.bytes).contains(&address);
        let Some(mapping) = self.mappings.iter().find(holds) else {
            return;
        };
        ring.advance();
        let bytes = bytes_of(&entry);
        let offset = address - mapping.iova;
        // The word with the phase comes last, as on a bus.
        let first = mapping.file.write_all_at(&bytes[..8], offset);
        let written = first.and_then(|()| mapping.file.write_all_at(&bytes[8..], offset + 8));
        written.expect("a mapped file can be written");
        if self.lost_interrupts > 0 {
            self.lost_interrupts -= 1;
        } else if let Some(eventfd) = &self.eventfd {
            let _ = eventfd.write(1);
        }
    }
}
