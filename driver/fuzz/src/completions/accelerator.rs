//! An accelerator in this process's memory: it works without a fault until it is told to write something
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::{bytes_of, bytes_of_mut};
use systole_driver::{BarOffset, DmaMemory, Error, Iova, SharedMemory, Transport};
use systole_regs::entries::{CompletionEntry, RunEntry};
use systole_regs::registers::{self as register, control, status};

use super::model::completion;
use crate::healthy::{self, CONFIG_BYTES};

/// Bytes of an entry of either ring.
pub(crate) const ENTRY_BYTES: usize = size_of::<RunEntry>();
pub(crate) const COMPLETION_BYTES: usize = size_of::<CompletionEntry>();

/// A device whose driver and hardware are on the same thread.
pub(crate) struct Accelerator(Mutex<State>);

struct State {
    config: [u8; CONFIG_BYTES],
    registers: BTreeMap<u32, u32>,
    mapped: BTreeMap<u64, Arc<SharedMemory>>,
    next_address: u64,
    engine: Option<Engine>,
    doorbells: Vec<(u32, u32)>,
    eventfd: Option<File>,
    faults: Faults,
}

/// What is wrong with the way to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// It is not there when it is asked.
    pub gone: bool,
    /// A command takes for ever.
    pub busy: bool,
    /// Register writes that succeed before one fails.
    pub write_fails_after: Option<u8>,
}

impl Faults {
    /// Whether the next register write arrives.
    pub fn lets_write(self) -> bool {
        self.write_fails_after != Some(0)
    }

    /// Whether the device stops when it is told to.
    pub fn lets_stop(self) -> bool {
        self.lets_write() && !self.busy
    }
}

/// The queue engine while it is enabled.
#[derive(Clone)]
struct Engine {
    submission: Option<Arc<SharedMemory>>,
    completion: Option<Arc<SharedMemory>>,
    entries: u32,
    completion_entries: u32,
    submission_head: u32,
    submission_tail: u32,
    completion_head: u32,
    completion_tail: u32,
    phase: u16,
}

impl Accelerator {
    /// A device whose rings have at most `entries_max` entries.
    pub fn new(entries_max: u32) -> Self {
        let mut registers = healthy::registers();
        registers.insert(register::QUEUE_ENTRIES_MAX, entries_max);
        Self(Mutex::new(State {
            config: healthy::configuration_space(),
            registers,
            mapped: BTreeMap::new(),
            next_address: 1 << 20,
            engine: None,
            doorbells: Vec::new(),
            eventfd: None,
            faults: Faults::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is wrong.
    pub fn break_with(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// What is wrong.
    pub fn faults(&self) -> Faults {
        self.lock().faults
    }

    /// Doorbells since the last call, in order.
    pub fn take_doorbells(&self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.lock().doorbells)
    }

    /// Addresses of mappings that have not been ended.
    pub fn mapped(&self) -> BTreeSet<u64> {
        self.lock().mapped.keys().copied().collect()
    }

    /// Addresses of the rings that the device was told of last.
    pub fn rings(&self) -> [u64; 2] {
        let state = self.lock();
        [state.submission_base(), state.completion_base()]
    }

    /// Entries of the completion ring.
    pub fn completion_entries(&self) -> Option<u32> {
        let state = self.lock();
        state
            .engine
            .as_ref()
            .map(|engine| engine.completion_entries)
    }

    /// Where the device would write the next completion, and with which phase.
    pub fn completion_tail(&self) -> Option<(u32, u16)> {
        let state = self.lock();
        let engine = state.engine.as_ref()?;
        Some((engine.completion_tail, engine.phase))
    }

    /// The submission head as the device would report it.
    pub fn submission_head(&self) -> u16 {
        let state = self.lock();
        let engine = state.engine.as_ref();
        engine.map_or(0, |engine| engine.submission_head as u16)
    }

    /// Reads the entry of a slot of the submission ring.
    pub fn submission(&self, slot: usize) -> Option<[u8; ENTRY_BYTES]> {
        let mut entry = [0; ENTRY_BYTES];
        let memory = self.lock().engine.as_ref()?.submission.clone()?;
        memory.read(slot * ENTRY_BYTES, &mut entry).ok()?;
        Some(entry)
    }

    /// Reads the bytes of a slot of the completion ring.
    pub fn completion(&self, slot: u32) -> Option<[u8; COMPLETION_BYTES]> {
        let mut entry = [0; COMPLETION_BYTES];
        let memory = self.lock().engine.as_ref()?.completion.clone()?;
        memory
            .read(slot as usize * COMPLETION_BYTES, &mut entry)
            .ok()?;
        Some(entry)
    }

    /// Writes bytes over a slot of the completion ring, as no device without a fault does.
    pub fn scribble(&self, slot: u32, bytes: [u8; COMPLETION_BYTES]) {
        let state = self.lock();
        if let Some(engine) = &state.engine
            && let Some(memory) = &engine.completion
        {
            let slot = slot % engine.completion_entries;
            memory
                .write(slot as usize * COMPLETION_BYTES, &bytes)
                .expect("the slot is in the ring");
        }
    }

    /// Goes on to the next completion slot without having been asked to.
    pub fn skip_completion(&self) {
        if let Some(engine) = &mut self.lock().engine {
            engine.advance_completion();
        }
    }

    /// Carries out the next command as it should be; false if there is none.
    ///
    /// # Panics
    /// If the completion ring is full, which the driver must never let happen.
    pub fn complete(&self, status: u8, may_overrun: bool) -> bool {
        let mut state = self.lock();
        let Some(engine) = &mut state.engine else {
            return false;
        };
        let (Some(submission), Some(memory)) = (&engine.submission, &engine.completion) else {
            return false;
        };
        if engine.submission_head == engine.submission_tail {
            return false;
        }
        if engine.next_completion() == engine.completion_head {
            assert!(may_overrun, "the completion ring is full");
            return false;
        }
        let mut entry: RunEntry = bytemuck::Zeroable::zeroed();
        submission
            .read(
                engine.submission_head as usize * ENTRY_BYTES,
                bytes_of_mut(&mut entry),
            )
            .expect("the head is in the ring");
        engine.submission_head = (engine.submission_head + 1) % engine.entries;
        let answer = CompletionEntry {
            status,
            version: 7,
            cycles: 100,
            slot: entry.slot,
            ..completion(
                entry.command_id,
                engine.submission_head as u16,
                engine.phase,
            )
        };
        memory
            .write(
                engine.completion_tail as usize * COMPLETION_BYTES,
                bytes_of(&answer),
            )
            .expect("the tail is in the ring");
        engine.advance_completion();
        true
    }

    /// Signals the interrupt, if one is connected.
    pub fn interrupt(&self) {
        if let Some(eventfd) = &mut self.lock().eventfd {
            eventfd
                .write_all(&1_u64.to_ne_bytes())
                .expect("the counter of an eventfd is far from full");
        }
    }
}

impl Engine {
    fn next_completion(&self) -> u32 {
        (self.completion_tail + 1) % self.completion_entries
    }

    fn advance_completion(&mut self) {
        self.completion_tail = self.next_completion();
        if self.completion_tail == 0 {
            self.phase ^= 1;
        }
    }
}

impl State {
    fn register(&self, offset: u32) -> u32 {
        self.registers.get(&offset).copied().unwrap_or(0)
    }

    fn address(&self, low: u32, high: u32) -> u64 {
        u64::from(self.register(high)) << 32 | u64::from(self.register(low))
    }

    fn submission_base(&self) -> u64 {
        self.address(
            register::SUBMISSION_BASE_LOW,
            register::SUBMISSION_BASE_HIGH,
        )
    }

    fn completion_base(&self) -> u64 {
        self.address(
            register::COMPLETION_BASE_LOW,
            register::COMPLETION_BASE_HIGH,
        )
    }

    /// What the queue registers say.
    fn enable(&self) -> Engine {
        Engine {
            submission: self.mapped.get(&self.submission_base()).cloned(),
            completion: self.mapped.get(&self.completion_base()).cloned(),
            entries: self.register(register::SUBMISSION_ENTRIES),
            completion_entries: self.register(register::COMPLETION_ENTRIES),
            submission_head: 0,
            submission_tail: 0,
            completion_head: 0,
            completion_tail: 0,
            phase: 1,
        }
    }
}

impl Transport for Accelerator {
    fn read_register(&self, BarOffset(offset): BarOffset) -> Result<u32, Error> {
        let state = self.lock();
        let mut value = state.register(offset);
        if offset == register::STATUS && state.faults.busy {
            value |= status::BUSY;
        }
        Ok(value)
    }

    fn write_register(&self, BarOffset(offset): BarOffset, value: u32) -> Result<(), Error> {
        let mut state = self.lock();
        state.faults.write_fails_after = match state.faults.write_fails_after {
            None => None,
            Some(0) => {
                state.faults.write_fails_after = None;
                return Err(Error::BusError);
            }
            Some(more) => Some(more - 1),
        };
        match offset {
            register::CONTROL => {
                state.engine = None;
                if value & control::ENABLE != 0 {
                    state.engine = Some(state.enable());
                }
                return Ok(());
            }
            register::SUBMISSION_TAIL_DOORBELL | register::COMPLETION_HEAD_DOORBELL => {
                state.doorbells.push((offset, value));
                if let Some(engine) = &mut state.engine {
                    match offset {
                        register::SUBMISSION_TAIL_DOORBELL => engine.submission_tail = value,
                        _ => engine.completion_head = value,
                    }
                }
            }
            _ => {
                state.registers.insert(offset, value);
            }
        }
        Ok(())
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        data.copy_from_slice(&self.lock().config[usize::from(offset)..][..data.len()]);
        Ok(())
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        self.lock().config[usize::from(offset)..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        let mut state = self.lock();
        let mut memory = DmaMemory::allocate(bytes)?;
        let address = state.next_address;
        memory.place(Iova(address));
        state.mapped.insert(address, memory.share());
        state.next_address += memory.mapped_bytes() as u64;
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        let mut state = self.lock();
        let Iova(address) = memory.iova();
        let ended = state.mapped.remove(&address);
        if let (Some(ended), Some(engine)) = (ended, &mut state.engine) {
            // It was not disabled, and cannot reach the memory any more.
            for ring in [&mut engine.submission, &mut engine.completion] {
                ring.take_if(|ring| Arc::ptr_eq(ring, &ended));
            }
        }
        Ok(())
    }

    fn set_interrupt(&self, _: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error> {
        let eventfd = eventfd
            .try_clone_to_owned()
            .map_err(|source| Error::System {
                operation: "duplicating an eventfd",
                source,
            })?;
        self.lock().eventfd = Some(eventfd.into());
        Ok(())
    }

    fn reset(&self) -> Result<(), Error> {
        self.lock().engine = None;
        Ok(())
    }

    fn probe(&self) -> Result<(), Error> {
        match self.lock().faults.gone {
            true => Err(Error::DeviceGone),
            false => Ok(()),
        }
    }
}
