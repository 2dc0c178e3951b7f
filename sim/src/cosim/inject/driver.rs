//! A driver for scenarios: it sets the queue up, sends one command after the other, and checks what
//! the interface promises of each.

use std::ops::Range;

use systole_regs::Status;
use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, Statistics, TraceRecord};
use systole_regs::registers::{self, control, status};

use super::super::case::{Command, QueueSetup};
use super::super::generate::scenario::Scenario;
use super::super::memory::Memory;
use super::super::trace::architectural;
use super::Failure;
use crate::core::{Activity, Core, DmaError, Host};

/// Calls of [`Core::advance`] after which a core counts as hung.
const PATIENCE: usize = 400;

/// Host memory of which a part can be unmapped while the device works.
#[derive(Clone, Debug)]
pub(super) struct HostMemory {
    pub memory: Memory,
    /// Addresses that are not mapped, in [`memory`](Self::memory) or not.
    pub hole: Option<Range<u64>>,
    /// Interrupts since the queue was set up.
    pub interrupts: u32,
}

impl HostMemory {
    fn check(&self, address: u64, bytes: usize) -> Result<(), DmaError> {
        match &self.hole {
            Some(hole) if address < hole.end && hole.start < address + bytes as u64 => {
                Err(DmaError::Unmapped {
                    address: hole.start.max(address),
                })
            }
            _ => Ok(()),
        }
    }
}

impl Host for HostMemory {
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        self.check(address, data.len())?;
        self.memory.dma_read(address, data)
    }

    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        self.check(address, data.len())?;
        self.memory.dma_write(address, data)
    }

    fn interrupt(&mut self, vector: u16) {
        self.interrupts += 1;
        self.memory.interrupt(vector);
    }
}

/// A core with its host memory and the state of its queue.
pub(super) struct Driver<'a, C> {
    pub core: C,
    pub host: HostMemory,
    scenario: &'a Scenario,
    /// Commands since the queue was set up.
    submitted: u32,
    /// Of these, with an error.
    errors: u32,
}

impl<'a, C: Core> Driver<'a, C> {
    pub fn new(core: C, scenario: &'a Scenario) -> Self {
        Driver {
            core,
            host: HostMemory {
                memory: scenario.memory.clone(),
                hole: None,
                interrupts: 0,
            },
            scenario,
            submitted: 0,
            errors: 0,
        }
    }

    fn queue(&self) -> &'a QueueSetup {
        &self.scenario.queue
    }

    /// Clears the rings and enables the queue.
    pub fn set_up(&mut self) -> Result<(), Failure> {
        let queue = self.queue();
        for ring in rings(queue) {
            let bytes = (ring.end - ring.start) as usize;
            self.host
                .memory
                .bytes_mut(ring.start, bytes)
                .expect("rings are mapped")
                .fill(0);
        }
        queue.write(&mut self.core);
        (self.submitted, self.errors, self.host.interrupts) = (0, 0, 0);
        self.host.memory.take_interrupts();
        Failure::check("STATUS when enabled", status::READY, self.status())
    }

    pub fn status(&mut self) -> u32 {
        self.core.read_register(registers::STATUS)
    }

    /// Address of the next entry.
    pub fn next_entry(&self) -> u64 {
        let index = self.submitted % self.queue().submission_entries;
        self.queue().submission_base + u64::from(index) * size_of::<RunEntry>() as u64
    }

    /// Address of the next completion.
    pub fn next_completion(&self) -> u64 {
        let index = self.submitted % self.queue().completion_entries;
        self.queue().completion_base + u64::from(index) * size_of::<CompletionEntry>() as u64
    }

    /// Writes an entry and rings the doorbell.
    pub fn submit(&mut self, entry: &RunEntry) {
        let address = self.next_entry();
        self.host
            .memory
            .bytes_mut(address, size_of::<RunEntry>())
            .expect("rings are mapped")
            .copy_from_slice(bytemuck::bytes_of(entry));
        let tail = (self.submitted + 1) % self.queue().submission_entries;
        self.core
            .write_register(registers::SUBMISSION_TAIL_DOORBELL, tail);
    }

    /// Waits for the completion of the entry that was submitted last and checks it.
    pub fn complete(&mut self, entry: &RunEntry, expected: Expected) -> Result<(), Failure> {
        let queue = self.queue();
        let address = self.next_completion();
        let lap = self.submitted / queue.completion_entries;
        let phase = u16::from(lap.is_multiple_of(2));
        let mut patience = PATIENCE;
        let completion = loop {
            let activity = self.core.advance(&mut self.host);
            let bytes = self
                .host
                .memory
                .bytes(address, size_of::<CompletionEntry>())
                .expect("rings are mapped");
            let completion: CompletionEntry = bytemuck::pod_read_unaligned(bytes);
            if completion.phase & 1 == phase {
                break completion;
            }
            patience -= 1;
            if activity == Activity::Idle || patience == 0 {
                return Err(self.hung("a completion"));
            }
        };
        self.submitted += 1;
        self.errors += u32::from(expected.status != Status::Success);
        let wanted = CompletionEntry {
            version: expected.version,
            cycles: completion.cycles,
            command_id: entry.command_id,
            submission_head: (self.submitted % queue.submission_entries) as u16,
            status: expected.status as u8,
            slot: entry.slot,
            phase,
        };
        Failure::check("completion", wanted, completion)?;
        self.settle()?;
        self.core.write_register(
            registers::COMPLETION_HEAD_DOORBELL,
            self.submitted % queue.completion_entries,
        );
        let vectors = self.host.memory.take_interrupts();
        let wanted = match queue.interrupt & registers::INTERRUPT_ENABLE {
            0 => Vec::new(),
            _ => vec![queue.interrupt as u16 & 0x7ff],
        };
        Failure::check("interrupts", wanted, vectors)?;
        Failure::check("STATUS", status::READY, self.status())?;
        let commands = self.core.read_register(registers::COMMANDS);
        Failure::check("COMMANDS", self.submitted, commands)?;
        let errors = self.core.read_register(registers::ERRORS);
        Failure::check("ERRORS", self.errors, errors)
    }

    /// Sends a command and checks how it is answered.
    pub fn command(&mut self, entry: &RunEntry, expected: Expected) -> Result<(), Failure> {
        self.submit(entry);
        self.complete(entry, expected)
    }

    /// LOAD, which succeeds.
    pub fn load(&mut self, entry: &RunEntry) -> Result<(), Failure> {
        let load: &LoadEntry = bytemuck::cast_ref(entry);
        self.command(entry, Expected::success(load.version))
    }

    /// Puts what a run reads and writes in host memory back as it was before, and zeroes its trace.
    pub fn restore(&mut self, run: &Command) {
        let trace = trace_area(&run.entry);
        self.host
            .memory
            .bytes_mut(trace.start, (trace.end - trace.start) as usize)
            .expect("a scenario's memory is mapped")
            .fill(0);
        for (address, bytes) in run.output.iter().chain(&run.workspace) {
            let before = self.scenario.memory.bytes(*address, *bytes);
            let before = before.expect("a scenario's memory is mapped");
            self.host
                .memory
                .bytes_mut(*address, *bytes)
                .expect("it is the same memory")
                .copy_from_slice(before);
        }
    }

    /// RUN, which succeeds; its statistics, without what depends on time.
    pub fn run(&mut self, run: &Command, load: &RunEntry) -> Result<Statistics, Failure> {
        self.restore(run);
        let load: &LoadEntry = bytemuck::cast_ref(load);
        self.command(&run.entry, Expected::success(load.version))?;
        let bytes = self
            .host
            .memory
            .bytes(run.entry.statistics_address, size_of::<Statistics>())
            .expect("a scenario's memory is mapped");
        Ok(architectural(bytemuck::pod_read_unaligned(bytes)))
    }

    /// Waits until the device is idle.
    pub fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..PATIENCE {
            if self.core.advance(&mut self.host) == Activity::Idle {
                return Ok(());
            }
        }
        Err(self.hung("rest"))
    }

    /// Waits for a fatal error and checks its code, and that the queue then is dead.
    pub fn fatal(&mut self, code: Status) -> Result<(), Failure> {
        for _ in 0..PATIENCE {
            if self.status() & status::FATAL != 0
                || self.core.advance(&mut self.host) == Activity::Idle
            {
                break;
            }
        }
        self.settle()?;
        let wanted = status::FATAL | (code as u32) << status::FATAL_CODE_SHIFT;
        Failure::check("STATUS", wanted, self.status())?;
        let before = self.host.memory.clone();
        let next = (self.submitted + 2) % self.queue().submission_entries;
        self.core
            .write_register(registers::SUBMISSION_TAIL_DOORBELL, next);
        self.settle()?;
        Failure::check("a dead queue writes", false, before != self.host.memory)
    }

    /// Waits for the end of a reset by software.
    pub fn wait_for_reset(&mut self) -> Result<(), Failure> {
        for _ in 0..PATIENCE {
            if self.core.read_register(registers::CONTROL) & control::RESET == 0 {
                return Ok(());
            }
            self.core.advance(&mut self.host);
        }
        Err(self.hung("the end of the reset"))
    }

    /// Checks that slots, queues and counters are as after power-on.
    pub fn check_reset(&mut self) -> Result<(), Failure> {
        for (name, offset) in [
            ("CONTROL", registers::CONTROL),
            ("STATUS", registers::STATUS),
            ("SUBMISSION_HEAD", registers::SUBMISSION_HEAD),
            ("COMPLETION_TAIL", registers::COMPLETION_TAIL),
            ("COMMANDS", registers::COMMANDS),
            ("ERRORS", registers::ERRORS),
            ("BUSY_CYCLES_LOW", registers::BUSY_CYCLES_LOW),
            ("BUSY_CYCLES_HIGH", registers::BUSY_CYCLES_HIGH),
        ] {
            let value = self.core.read_register(offset);
            Failure::check(format!("{name} after the reset"), 0, value)?;
        }
        for slot in 0..systole_regs::SLOT_COUNT {
            for register in registers::SLOT_BLOCK {
                let offset = register.offset + slot * registers::SLOT_BLOCK_BYTES;
                let value = self.core.read_register(offset);
                let what = format!("{} of slot {slot} after the reset", register.name);
                Failure::check(what, 0, value)?;
            }
        }
        Ok(())
    }

    fn hung(&mut self, waits_for: &str) -> Failure {
        let status = self.status();
        Failure {
            what: "the device".into(),
            expected: waits_for.into(),
            got: format!("nothing; STATUS {status:#x}"),
        }
    }
}

/// How a command is to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub status: Status,
    pub version: u32,
}

impl Expected {
    pub fn success(version: u32) -> Self {
        Expected {
            status: Status::Success,
            version,
        }
    }
}

/// Where the rings are.
pub(super) fn rings(queue: &QueueSetup) -> [Range<u64>; 2] {
    let ring =
        |base: u64, entries: u32, bytes: usize| base..base + u64::from(entries) * bytes as u64;
    [
        ring(
            queue.submission_base,
            queue.submission_entries,
            size_of::<RunEntry>(),
        ),
        ring(
            queue.completion_base,
            queue.completion_entries,
            size_of::<CompletionEntry>(),
        ),
    ]
}

/// Where the records of a run's trace go.
pub(super) fn trace_area(run: &RunEntry) -> Range<u64> {
    let bytes = u64::from(run.trace_entries) * size_of::<TraceRecord>() as u64;
    run.trace_address..run.trace_address + bytes
}
