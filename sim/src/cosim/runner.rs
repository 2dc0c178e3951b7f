//! Runs a scenario on a core as a driver would, and keeps what is architectural.

use bytemuck::Zeroable;
use systole_regs::entries::{CompletionEntry, Statistics};
use systole_regs::{SLOT_COUNT, Status, registers};

use super::{Memory, Scenario};
use crate::core::{Activity, Core};

/// Rounds of `advance` after which a device counts as hung: some million cycles of RTL.
const PATIENCE: usize = 1000;

/// What a scenario did, without anything that depends on time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Completions, cycle counts zeroed.
    pub completions: Vec<CompletionEntry>,
    /// Statistics of the commands that succeeded and asked for them, cycle counts zeroed.
    pub statistics: Vec<(usize, Statistics)>,
    /// Registers at the end: offset and value.
    pub registers: Vec<(u32, u32)>,
    /// Vectors of the interrupts, in order.
    pub interrupts: Vec<u16>,
    /// Host memory at the end, without what is not compared.
    pub memory: Memory,
}

/// Why a core could not be run to the end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// The device stays busy, or doesn't complete.
    #[error("command {command} does not complete; status register {status:#x}")]
    Hung {
        /// Which command.
        command: usize,
        /// The status register.
        status: u32,
    },
    /// A completion isn't what was asked for.
    #[error("command {command} is answered with id {id}, slot {slot}")]
    WrongAnswer {
        /// Which command.
        command: usize,
        /// Id in the completion.
        id: u16,
        /// Slot in the completion.
        slot: u8,
    },
}

/// Runs a scenario.
///
/// # Errors
/// If the device hangs or answers something that wasn't asked.
pub fn run(core: &mut dyn Core, scenario: &Scenario) -> Result<Trace, TraceError> {
    let mut runner = Runner {
        memory: scenario.memory.clone(),
        scenario,
        tail: 0,
        completion_head: 0,
        phase: 1,
        trace_completions: Vec::new(),
        statistics: Vec::new(),
        interrupts: Vec::new(),
    };
    runner.set_up(core);
    let mut waiting = Vec::new();
    for (index, command) in scenario.commands.iter().enumerate() {
        if command.reset_first {
            runner.collect(core, &mut waiting)?;
            runner.reset(core, index)?;
        }
        if waiting.len() + 1 == scenario.submission.1 as usize {
            runner.collect(core, &mut waiting)?;
        }
        runner.submit(&command.entry);
        waiting.push(index);
        if !command.held {
            runner.collect(core, &mut waiting)?;
        }
    }
    runner.collect(core, &mut waiting)?;
    Ok(runner.finish(core))
}

struct Runner<'a> {
    memory: Memory,
    scenario: &'a Scenario,
    tail: u32,
    completion_head: u32,
    phase: u16,
    trace_completions: Vec<CompletionEntry>,
    statistics: Vec<(usize, Statistics)>,
    interrupts: Vec<u16>,
}

impl Runner<'_> {
    fn set_up(&mut self, core: &mut dyn Core) {
        let (submission, submission_entries) = self.scenario.submission;
        let (completion, completion_entries) = self.scenario.completion;
        core.write_register(registers::SUBMISSION_BASE_LOW, submission as u32);
        core.write_register(registers::SUBMISSION_BASE_HIGH, (submission >> 32) as u32);
        core.write_register(registers::SUBMISSION_ENTRIES, submission_entries);
        core.write_register(registers::COMPLETION_BASE_LOW, completion as u32);
        core.write_register(registers::COMPLETION_BASE_HIGH, (completion >> 32) as u32);
        core.write_register(registers::COMPLETION_ENTRIES, completion_entries);
        let interrupt = match self.scenario.vector {
            Some(vector) => registers::INTERRUPT_ENABLE | u32::from(vector),
            None => 0,
        };
        core.write_register(registers::INTERRUPT, interrupt);
        core.write_register(registers::CONTROL, registers::control::ENABLE);
        self.tail = 0;
        self.completion_head = 0;
        self.phase = 1;
    }

    fn reset(&mut self, core: &mut dyn Core, command: usize) -> Result<(), TraceError> {
        core.write_register(registers::CONTROL, registers::control::RESET);
        let mut rounds = 0;
        while core.read_register(registers::CONTROL) & registers::control::RESET != 0 {
            core.advance(&mut self.memory);
            rounds += 1;
            if rounds > PATIENCE {
                return Err(self.hung(core, command));
            }
        }
        // A new ring begins with phase 1 in zeroed memory.
        let (completion, entries) = self.scenario.completion;
        if let Ok(ring) = self.memory.bytes_mut(completion, entries as usize * 16) {
            ring.fill(0);
        }
        self.set_up(core);
        Ok(())
    }

    fn submit(&mut self, entry: &[u8; 64]) {
        let (base, entries) = self.scenario.submission;
        let place = self.memory.bytes_mut(base + u64::from(self.tail) * 64, 64);
        place.expect("the ring is mapped").copy_from_slice(entry);
        self.tail = (self.tail + 1) % entries;
    }

    /// Rings the doorbell and waits for the answers to all that is waiting.
    fn collect(&mut self, core: &mut dyn Core, waiting: &mut Vec<usize>) -> Result<(), TraceError> {
        if waiting.is_empty() {
            return Ok(());
        }
        core.write_register(registers::SUBMISSION_TAIL_DOORBELL, self.tail);
        for command in waiting.drain(..) {
            let completion = self.wait(core, command)?;
            self.check(command, completion)?;
        }
        // The interrupt of the last one may still be under way.
        let mut rounds = 0;
        while core.advance(&mut self.memory) == Activity::Busy && rounds < PATIENCE {
            rounds += 1;
        }
        self.interrupts.extend(self.memory.take_interrupts());
        Ok(())
    }

    fn wait(&mut self, core: &mut dyn Core, command: usize) -> Result<CompletionEntry, TraceError> {
        let (base, entries) = self.scenario.completion;
        let address = base + u64::from(self.completion_head) * 16;
        for _ in 0..PATIENCE {
            let bytes = self.memory.bytes(address, 16).expect("the ring is mapped");
            let mut completion: CompletionEntry = bytemuck::pod_read_unaligned(bytes);
            if completion.phase & 1 == self.phase {
                completion.cycles = 0;
                self.completion_head = (self.completion_head + 1) % entries;
                if self.completion_head == 0 {
                    self.phase ^= 1;
                }
                core.write_register(registers::COMPLETION_HEAD_DOORBELL, self.completion_head);
                return Ok(completion);
            }
            core.advance(&mut self.memory);
        }
        Err(self.hung(core, command))
    }

    fn hung(&self, core: &mut dyn Core, command: usize) -> TraceError {
        TraceError::Hung {
            command,
            status: core.read_register(registers::STATUS),
        }
    }

    fn check(&mut self, command: usize, completion: CompletionEntry) -> Result<(), TraceError> {
        let sent = &self.scenario.commands[command];
        let id = u16::from_le_bytes([sent.entry[2], sent.entry[3]]);
        if completion.command_id != id || completion.slot != sent.entry[4] {
            return Err(TraceError::WrongAnswer {
                command,
                id: completion.command_id,
                slot: completion.slot,
            });
        }
        let success = completion.status == Status::Success as u8;
        if let Some(address) = sent.statistics
            && success
        {
            let bytes = self.memory.bytes(address, 64).expect("the block is mapped");
            let block: Statistics = bytemuck::pod_read_unaligned(bytes);
            self.statistics.push((command, architectural(block)));
        }
        self.trace_completions.push(completion);
        Ok(())
    }

    fn finish(mut self, core: &mut dyn Core) -> Trace {
        // What is not architectural is blanked, then the rest of memory can be compared whole.
        let blank = |memory: &mut Memory, address: u64, length: usize| {
            if let Ok(bytes) = memory.bytes_mut(address, length) {
                bytes.fill(0);
            }
        };
        let (completion, entries) = self.scenario.completion;
        blank(&mut self.memory, completion, entries as usize * 16);
        for (command, answer) in self.scenario.commands.iter().zip(&self.trace_completions) {
            if let Some(address) = command.statistics {
                blank(&mut self.memory, address, 64);
            }
            if let Some((address, length)) = command.output
                && answer.status != Status::Success as u8
            {
                blank(&mut self.memory, address, length);
            }
        }
        Trace {
            completions: self.trace_completions,
            statistics: self.statistics,
            registers: readable(core),
            interrupts: self.interrupts,
            memory: self.memory,
        }
    }
}

/// A statistics block without the counters that depend on time.
fn architectural(block: Statistics) -> Statistics {
    Statistics {
        vectors: block.vectors,
        dma_read_bytes: block.dma_read_bytes,
        dma_write_bytes: block.dma_write_bytes,
        instructions: block.instructions,
        groups: block.groups,
        reserved: block.reserved,
        ..Statistics::zeroed()
    }
}

/// Registers that don't depend on time or on the build.
fn readable(core: &mut dyn Core) -> Vec<(u32, u32)> {
    let timeless = |offset: u32| {
        ![
            registers::BUILD_HASH_LOW,
            registers::BUILD_HASH_HIGH,
            registers::CYCLES_LOW,
            registers::CYCLES_HIGH,
            registers::BUSY_CYCLES_LOW,
            registers::BUSY_CYCLES_HIGH,
        ]
        .contains(&offset)
    };
    let mut offsets: Vec<u32> = registers::BLOCKS
        .iter()
        .flat_map(|(_, block)| block.iter())
        .map(|register| register.offset)
        .filter(|offset| timeless(*offset))
        .collect();
    for slot in 1..SLOT_COUNT {
        let step = slot * registers::SLOT_BLOCK_BYTES;
        offsets.extend(
            registers::SLOT_BLOCK
                .iter()
                .map(|register| register.offset + step),
        );
    }
    // Reserved ones read as zero.
    offsets.extend([0x7c, 0x3fc, 0xffc, 0xfffc]);
    offsets
        .into_iter()
        .map(|offset| (offset, core.read_register(offset)))
        .collect()
}
