//! Registers and queue engine of the scripted device.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::thread;

use bytemuck::{Zeroable, bytes_of, bytes_of_mut};
use nix::sys::memfd::{MFdFlags, memfd_create};
use systole_regs::configuration::SMALL;
use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, Statistics, flag, opcode};
use systole_regs::registers::{self as register, INTERRUPT_ENABLE, control, status};
use systole_regs::{BAR0_BYTES, Status};

use super::{Script, Shared};

/// One DMA mapping: the memfd of the driver's buffer.
struct Mapping {
    size: u64,
    file: File,
    offset: u64,
}

pub struct Engine {
    pub script: Script,
    /// Set when the test is over.
    pub ended: bool,
    /// What the driver did that it must not do.
    pub violations: Vec<&'static str>,
    pub interrupts_sent: u32,
    pub doorbells: u32,
    pub command_register: u16,
    pub msix_control: u16,
    pub eventfd: Option<File>,
    /// BAR0. A file, so that the driver can map it; the engine reads and writes it as one.
    pub bar: File,
    mappings: HashMap<u64, Mapping>,
    enabled: bool,
    fatal: Option<Status>,
    busy: bool,
    submission_head: u32,
    completion_tail: u32,
    phase: u16,
    slots: [Option<u32>; 2],
    commands: u32,
    errors: u32,
}

impl Engine {
    pub fn new(script: Script) -> Self {
        let bar = File::from(memfd_create("bar0", MFdFlags::MFD_CLOEXEC).unwrap());
        bar.set_len(BAR0_BYTES.into()).unwrap();
        let mut engine = Self {
            script,
            ended: false,
            violations: Vec::new(),
            interrupts_sent: 0,
            doorbells: 0,
            command_register: 0,
            msix_control: 0,
            eventfd: None,
            bar,
            mappings: HashMap::new(),
            enabled: false,
            fatal: None,
            busy: false,
            submission_head: 0,
            completion_tail: 0,
            phase: 1,
            slots: [None; 2],
            commands: 0,
            errors: 0,
        };
        for (offset, value) in SMALL.identification().into_iter().chain([
            (register::BUILD_HASH_LOW, u32::MAX),
            (register::BUILD_HASH_HIGH, 0x1234_5678),
        ]) {
            engine.set(offset, value);
        }
        for (offset, value) in engine.script.registers.clone() {
            engine.set(offset, value);
        }
        engine.update();
        engine
    }

    /// Bus addresses that are mapped.
    pub fn mapping_count(&self) -> usize {
        self.mappings.len()
    }

    /// What a register holds.
    pub fn get(&self, offset: u32) -> u32 {
        let mut data = [0; 4];
        self.bar.read_exact_at(&mut data, offset.into()).unwrap();
        u32::from_le_bytes(data)
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.bar
            .write_all_at(&value.to_le_bytes(), offset.into())
            .unwrap();
    }

    /// A write over the bus.
    pub fn write(&mut self, offset: u32, value: u32) {
        let queue_registers = register::SUBMISSION_BASE_LOW..=register::INTERRUPT;
        // What was written to a mapped CONTROL came first.
        self.obey_control();
        match offset {
            register::SUBMISSION_TAIL_DOORBELL | register::COMPLETION_HEAD_DOORBELL => {
                self.doorbells += 1;
                if let Some(fatal) = self.script.fatal.take() {
                    self.fatal = Some(fatal);
                }
                self.set(offset, value);
            }
            register::CONTROL => {
                self.set(offset, value);
                self.obey_control();
            }
            _ if queue_registers.contains(&offset) => {
                if self.enabled {
                    self.violations.push("queue register written while enabled");
                }
                self.set(offset, value);
            }
            _ => self.violations.push("read-only register written"),
        }
        self.update();
    }

    /// Does what CONTROL says. The driver may have written it without a message.
    fn obey_control(&mut self) {
        let value = self.get(register::CONTROL);
        if value & control::RESET != 0 {
            if !self.script.endless_reset {
                self.reset();
            }
            return;
        }
        let enable = value & control::ENABLE != 0;
        if enable && !self.enabled {
            self.submission_head = 0;
            self.completion_tail = 0;
            self.phase = 1;
            self.set(register::SUBMISSION_TAIL_DOORBELL, 0);
            self.set(register::COMPLETION_HEAD_DOORBELL, 0);
        }
        self.enabled = enable;
    }

    /// CONTROL.RESET, and the function-level reset.
    pub fn reset(&mut self) {
        self.enabled = false;
        self.fatal = None;
        self.busy = false;
        self.slots = [None; 2];
        self.commands = 0;
        self.errors = 0;
        self.set(register::CONTROL, 0);
        self.update();
    }

    /// Brings the registers that show state up to date.
    fn update(&mut self) {
        let mut value = u32::from(self.busy) * status::BUSY;
        match self.fatal {
            Some(fatal) => {
                value |= status::FATAL | u32::from(fatal as u8) << status::FATAL_CODE_SHIFT;
            }
            None => value |= u32::from(self.enabled) * status::READY,
        }
        self.set(register::STATUS, value);
        self.set(register::COMMANDS, self.commands);
        self.set(register::ERRORS, self.errors);
        self.set(register::CYCLES_LOW, u32::MAX);
        self.set(register::CYCLES_HIGH, self.commands);
        for slot in 0..self.slots.len() {
            let block = slot as u32 * register::SLOT_BLOCK_BYTES;
            let version = self.slots[slot];
            self.set(register::SLOT_STATE + block, version.is_some().into());
            self.set(register::SLOT_VERSION + block, version.unwrap_or(0));
            self.set(register::SLOT_WEIGHTS + block, 7 << 16 | 3);
        }
    }

    pub fn map(&mut self, address: u64, size: u64, file: File, offset: u64) {
        let overlaps = self
            .mappings
            .iter()
            .any(|(&other, mapping)| address < other + mapping.size && other < address + size);
        if overlaps || !address.is_multiple_of(4096) || !size.is_multiple_of(4096) {
            self.violations.push("mapping overlaps or is not aligned");
        }
        let mapping = Mapping { size, file, offset };
        self.mappings.insert(address, mapping);
    }

    pub fn unmap(&mut self, address: u64, size: u64) {
        self.obey_control();
        let rings = [register::SUBMISSION_BASE_LOW, register::COMPLETION_BASE_LOW];
        if self.enabled && rings.iter().any(|&ring| self.base(ring) == address) {
            self.violations.push("ring unmapped while enabled");
        }
        match self.mappings.remove(&address) {
            Some(mapping) if mapping.size == size => {}
            _ => self.violations.push("unmapped what was not mapped"),
        }
    }

    /// File and offset of `length` bytes of bus addresses, if they are mapped.
    fn find(&self, address: u64, length: usize) -> Option<(&File, u64)> {
        let end = address.checked_add(length as u64)?;
        self.mappings.iter().find_map(|(&start, mapping)| {
            (start <= address && end <= start + mapping.size)
                .then(|| (&mapping.file, mapping.offset + (address - start)))
        })
    }

    fn dma_read(&self, address: u64, data: &mut [u8]) -> Result<(), Status> {
        let (file, offset) = self.find(address, data.len()).ok_or(Status::DmaReadError)?;
        file.read_exact_at(data, offset)
            .map_err(|_| Status::DmaReadError)
    }

    fn dma_write(&self, address: u64, data: &[u8]) -> Result<(), Status> {
        let (file, offset) = self
            .find(address, data.len())
            .ok_or(Status::DmaWriteError)?;
        file.write_all_at(data, offset)
            .map_err(|_| Status::DmaWriteError)
    }

    fn base(&self, low: u32) -> u64 {
        u64::from(self.get(low + 4)) << 32 | u64::from(self.get(low))
    }

    fn has_work(&self) -> bool {
        let completions = self.get(register::COMPLETION_ENTRIES).max(1);
        let full = (self.completion_tail + 1) % completions
            == self.get(register::COMPLETION_HEAD_DOORBELL);
        self.enabled
            && self.fatal.is_none()
            && !self.script.hang
            && !full
            && self.submission_head != self.get(register::SUBMISSION_TAIL_DOORBELL)
    }

    fn fetch(&mut self) -> Result<RunEntry, Status> {
        let mut entry = RunEntry::zeroed();
        let address =
            self.base(register::SUBMISSION_BASE_LOW) + u64::from(self.submission_head) * 64;
        self.dma_read(address, bytes_of_mut(&mut entry))?;
        self.submission_head = (self.submission_head + 1) % self.get(register::SUBMISSION_ENTRIES);
        Ok(entry)
    }

    fn execute(&mut self, entry: &RunEntry) -> Result<(), Status> {
        let slot = usize::from(entry.slot);
        if entry.flags & !flag::ALL != 0 {
            return Err(Status::InvalidField);
        }
        match entry.opcode {
            opcode::NOP => Ok(()),
            opcode::LOAD | opcode::UNLOAD | opcode::RUN if slot >= self.slots.len() => {
                Err(Status::InvalidSlot)
            }
            opcode::LOAD => {
                let load: LoadEntry = bytemuck::cast(*entry);
                self.slots[slot] = Some(load.version);
                Ok(())
            }
            opcode::UNLOAD => {
                self.slots[slot] = None;
                Ok(())
            }
            opcode::RUN => {
                self.slots[slot].ok_or(Status::SlotEmpty)?;
                self.run(entry)
            }
            _ => Err(Status::InvalidOpcode),
        }
    }

    /// Each output byte is the input byte plus one.
    fn run(&self, entry: &RunEntry) -> Result<(), Status> {
        let mut row = vec![0; entry.input_stride as usize];
        for index in 0..u64::from(entry.rows) {
            let from = entry.input_address + index * u64::from(entry.input_stride);
            let to = entry.output_address + index * u64::from(entry.output_stride);
            self.dma_read(from, &mut row)?;
            row.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
            self.dma_write(to, &row)?;
        }
        if entry.flags & flag::STATISTICS != 0 {
            let statistics = Statistics {
                groups: entry.rows,
                ..Statistics::zeroed()
            };
            self.dma_write(entry.statistics_address, bytes_of(&statistics))?;
        }
        Ok(())
    }

    fn complete(&mut self, entry: &RunEntry, status: Status) -> Result<(), Status> {
        let version = self.slots.get(usize::from(entry.slot)).copied().flatten();
        let completion = CompletionEntry {
            version: version.unwrap_or(0),
            cycles: 42,
            command_id: entry.command_id ^ self.script.id_bits,
            submission_head: self.script.head.unwrap_or(self.submission_head as u16),
            status: status as u8,
            slot: entry.slot,
            phase: self.phase | self.script.phase_bits,
        };
        let address =
            self.base(register::COMPLETION_BASE_LOW) + u64::from(self.completion_tail) * 16;
        // The word with the phase comes last, as on a bus.
        let words: [u64; 2] = bytemuck::cast(completion);
        self.dma_write(address, bytes_of(&words[0]))?;
        self.dma_write(address + 8, bytes_of(&words[1]))?;
        self.completion_tail = (self.completion_tail + 1) % self.get(register::COMPLETION_ENTRIES);
        if self.completion_tail == 0 {
            self.phase ^= 1;
        }
        self.commands += 1;
        self.errors += u32::from(status != Status::Success);
        self.busy = false;
        self.update();
        self.interrupt();
        Ok(())
    }

    fn interrupt(&mut self) {
        let asked_for = self.get(register::INTERRUPT) & INTERRUPT_ENABLE != 0;
        let enabled = self.msix_control & 0x8000 != 0 && self.command_register & 4 != 0;
        if asked_for
            && enabled
            && !self.script.lose_interrupts
            && let Some(eventfd) = &mut self.eventfd
        {
            eventfd.write_all(&1u64.to_ne_bytes()).unwrap();
            self.interrupts_sent += 1;
        }
    }
}

/// The engine's thread: takes commands as long as there are any.
pub fn run(shared: &Shared) {
    let mut engine = shared.lock();
    while !engine.ended {
        // Where BAR0 is mapped, nothing announces a write of CONTROL: look every millisecond.
        engine.obey_control();
        if !engine.has_work() {
            engine = shared.wait(engine);
            continue;
        }
        engine.busy = true;
        engine.update();
        let result = match engine.fetch() {
            Ok(entry) => {
                let delay = engine.script.delay;
                if !delay.is_zero() {
                    drop(engine);
                    thread::sleep(delay);
                    engine = shared.lock();
                }
                let status = engine.execute(&entry).err().unwrap_or(Status::Success);
                engine.complete(&entry, status)
            }
            Err(status) => Err(status),
        };
        if let Err(status) = result {
            engine.busy = false;
            engine.fatal = Some(status);
            engine.update();
        }
    }
}
