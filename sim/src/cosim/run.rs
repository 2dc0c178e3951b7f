//! Driving a core through a case, as a driver would, and writing down what software can see.
//!
//! ```text
//!  Case --registers, memory--> core --completions, counters, memory, interrupts--> Trace
//! ```
//!
//! What the interface leaves undefined is blanked in the trace: cycle counts, the outputs and
//! counters of failed runs. Two cores that implement it have equal traces.

use systole_regs::Status;
use systole_regs::entries::{CompletionEntry, Statistics, flag};
use systole_regs::registers::{self, Register, control, status};
use systole_regs::{SLOT_COUNT, entries::RunEntry};

use super::case::{Case, Command, Ending, Episode};
use super::memory::Memory;
use super::trace::{
    CompletionTrace, EpisodeTrace, Reading, Stall, Trace, architectural, was_executed,
};
use crate::core::{Activity, Core};

const SUBMISSION_BYTES: usize = size_of::<RunEntry>();
const COMPLETION_BYTES: usize = size_of::<CompletionEntry>();
const STATISTICS_BYTES: usize = size_of::<Statistics>();

/// Steps without any completion after which a core counts as hung.
const PATIENCE: usize = 5_000;

/// Takes a core through a case.
///
/// # Errors
/// [`Stall`] if the core hangs, or stops with a fatal error where there is none to expect.
pub fn run(core: &mut dyn Core, case: &Case) -> Result<Trace, Stall> {
    drive(core, case, false)
}

/// As [`run`], but with what depends on time: cycles of commands, stall counters, traces. Only
/// what a failed run leaves in its output is blanked. For cores that must agree in each cycle.
///
/// # Errors
/// As [`run`].
pub fn run_timed(core: &mut dyn Core, case: &Case) -> Result<Trace, Stall> {
    drive(core, case, true)
}

fn drive(core: &mut dyn Core, case: &Case, timed: bool) -> Result<Trace, Stall> {
    let mut runner = Runner {
        core,
        timed,
        seed: case.seed,
        memory: case.memory.clone(),
        blanks: Vec::new(),
        episode: 0,
        announced: 0,
        answered: 0,
    };
    runner.core.reset();
    let identification = registers::IDENTIFICATION
        .iter()
        .filter(|register| !register.name.starts_with("BUILD_HASH"))
        .map(|register| runner.reading(register, 0))
        .collect();
    let mut episodes = Vec::new();
    for (index, episode) in case.episodes.iter().enumerate() {
        runner.episode = index;
        episodes.push(runner.run_episode(episode, &case.memory)?);
    }
    let Runner {
        mut memory, blanks, ..
    } = runner;
    for (address, bytes) in blanks {
        blank(&mut memory, address, bytes);
    }
    Ok(Trace {
        identification,
        episodes,
        memory: memory.regions().to_vec(),
    })
}

/// Zeroes what is mapped of a range that may run out of its region.
fn blank(memory: &mut Memory, address: u64, bytes: usize) {
    let mut mapped = bytes;
    while mapped > 0 && memory.bytes(address, mapped).is_err() {
        mapped -= 1;
    }
    if let Ok(bytes) = memory.bytes_mut(address, mapped) {
        bytes.fill(0);
    }
}

struct Runner<'a> {
    core: &'a mut dyn Core,
    /// Keeps what depends on time.
    timed: bool,
    seed: u64,
    memory: Memory,
    /// Undefined parts of memory.
    blanks: Vec<(u64, usize)>,
    episode: usize,
    announced: usize,
    answered: usize,
}

impl Runner<'_> {
    fn reading(&mut self, register: &Register, distance: u32) -> Reading {
        let offset = register.offset + distance;
        Reading {
            name: register.name,
            offset,
            value: self.core.read_register(offset),
        }
    }

    /// Every register whose value doesn't depend on time.
    fn readings(&mut self, indices: bool) -> Vec<Reading> {
        let timed = self.timed;
        let timeless = |register: &&Register| {
            (timed || !register.name.contains("CYCLES"))
                && (indices || !matches!(register.name, "SUBMISSION_HEAD" | "COMPLETION_TAIL"))
        };
        let mut readings: Vec<Reading> = [
            registers::CONTROL_BLOCK,
            registers::QUEUE_BLOCK,
            registers::COUNTERS,
        ]
        .into_iter()
        .flatten()
        .filter(timeless)
        .map(|register| self.reading(register, 0))
        .collect();
        for slot in 0..SLOT_COUNT {
            for register in registers::SLOT_BLOCK {
                readings.push(self.reading(register, slot * registers::SLOT_BLOCK_BYTES));
            }
        }
        readings
    }

    fn status(&mut self) -> u32 {
        self.core.read_register(registers::STATUS)
    }

    fn stall(&mut self, what: &'static str) -> Stall {
        Stall {
            seed: self.seed,
            episode: self.episode,
            answered: self.answered,
            announced: self.announced,
            what,
            status: self.status(),
        }
    }

    fn run_episode(&mut self, episode: &Episode, before: &Memory) -> Result<EpisodeTrace, Stall> {
        (self.announced, self.answered) = (0, 0);
        let usable = episode.ending != Ending::Unusable;
        if usable {
            self.clear_rings(episode);
        }
        episode.queue.write(self.core);
        let enabled = self.status();
        let completions = if usable {
            self.commands(episode, before)?
        } else {
            self.fatal_command(episode)?;
            Vec::new()
        };
        self.settle()?;
        if let Ending::BadDoorbell { offset, index } = episode.ending {
            self.core.write_register(offset, index);
            self.wait_for_fatal()?;
        }
        let registers = self.readings(usable);
        let interrupts = self.memory.take_interrupts();
        if episode.ending == Ending::FunctionReset {
            self.core.reset();
        } else {
            self.core.write_register(registers::CONTROL, control::RESET);
        }
        self.wait_for_reset()?;
        let reset = self.readings(true);
        Ok(EpisodeTrace {
            enabled,
            completions,
            interrupts,
            registers,
            reset,
        })
    }

    fn clear_rings(&mut self, episode: &Episode) {
        let queue = &episode.queue;
        let rings = [
            (
                queue.submission_base,
                queue.submission_entries as usize * SUBMISSION_BYTES,
            ),
            (
                queue.completion_base,
                queue.completion_entries as usize * COMPLETION_BYTES,
            ),
        ];
        for (address, bytes) in rings {
            self.memory
                .bytes_mut(address, bytes)
                .expect("the generator places usable rings in mapped memory")
                .fill(0);
        }
        for index in 0..u64::from(queue.completion_entries) {
            let cycles = CompletionEntry::field("cycles");
            let entry = queue.completion_base + index * COMPLETION_BYTES as u64;
            self.blank_timed(entry + cycles.offset as u64, cycles.bytes);
        }
    }

    /// The command of an episode whose queue cannot work.
    fn fatal_command(&mut self, episode: &Episode) -> Result<(), Stall> {
        if let Some(command) = episode.bursts.iter().flatten().next() {
            let base = episode.queue.submission_base;
            // A misaligned ring is refused before anything is fetched; writing there would spoil
            // what lies beside it.
            if base.is_multiple_of(SUBMISSION_BYTES as u64)
                && let Ok(place) = self.memory.bytes_mut(base, SUBMISSION_BYTES)
            {
                place.copy_from_slice(bytemuck::bytes_of(&command.entry));
            }
            self.core
                .write_register(registers::SUBMISSION_TAIL_DOORBELL, 1);
            // It may have run; nobody will know.
            self.blank_command(command);
        }
        self.wait_for_fatal()
    }

    /// Blanks what depends on time, unless that is wanted.
    fn blank_timed(&mut self, address: u64, bytes: usize) {
        if !self.timed {
            self.blanks.push((address, bytes));
        }
    }

    fn blank_command(&mut self, command: &Command) {
        self.blanks.extend(command.output);
        if command.entry.flags & flag::STATISTICS != 0 {
            self.blanks
                .push((command.entry.statistics_address, STATISTICS_BYTES));
        }
    }

    fn commands(
        &mut self,
        episode: &Episode,
        before: &Memory,
    ) -> Result<Vec<CompletionTrace>, Stall> {
        let queue = &episode.queue;
        let commands: Vec<&Command> = episode.bursts.iter().flatten().collect();
        let mut traces = Vec::new();
        let mut unacknowledged = 0;
        let mut tail = 0;
        for burst in &episode.bursts {
            for command in burst {
                let address = queue.submission_base + u64::from(tail) * SUBMISSION_BYTES as u64;
                self.memory
                    .bytes_mut(address, SUBMISSION_BYTES)
                    .expect("the generator places usable rings in mapped memory")
                    .copy_from_slice(bytemuck::bytes_of(&command.entry));
                tail = (tail + 1) % queue.submission_entries;
            }
            self.announced += burst.len();
            self.core
                .write_register(registers::SUBMISSION_TAIL_DOORBELL, tail);
            let mut quiet = 0;
            while self.answered < self.announced {
                let activity = self.core.advance(&mut self.memory);
                let collected = self.collect(episode, &commands, before, &mut traces);
                unacknowledged += collected;
                let head = self.answered as u32 % queue.completion_entries;
                if unacknowledged >= episode.acknowledge_after {
                    self.core
                        .write_register(registers::COMPLETION_HEAD_DOORBELL, head);
                    unacknowledged = 0;
                }
                quiet = if collected > 0 { 0 } else { quiet + 1 };
                if activity == Activity::Idle && quiet > 2 {
                    return Err(self.stall("the core was idle"));
                }
                if quiet > PATIENCE {
                    return Err(self.stall("the core was busy for too long"));
                }
            }
        }
        Ok(traces)
    }

    /// Takes the new completions from the ring.
    fn collect(
        &mut self,
        episode: &Episode,
        commands: &[&Command],
        before: &Memory,
        traces: &mut Vec<CompletionTrace>,
    ) -> u32 {
        let entries = episode.queue.completion_entries as usize;
        let mut collected = 0;
        while self.answered < self.announced {
            let (lap, index) = (self.answered / entries, self.answered % entries);
            let address = episode.queue.completion_base + (index * COMPLETION_BYTES) as u64;
            let bytes = self
                .memory
                .bytes(address, COMPLETION_BYTES)
                .expect("the generator places usable rings in mapped memory");
            let entry: CompletionEntry = bytemuck::pod_read_unaligned(bytes);
            if usize::from(entry.phase & 1) == lap % 2 {
                break;
            }
            let trace = self.trace_command(commands[self.answered], entry, before);
            traces.push(trace);
            self.answered += 1;
            collected += 1;
        }
        collected
    }

    fn trace_command(
        &mut self,
        command: &Command,
        entry: CompletionEntry,
        before: &Memory,
    ) -> CompletionTrace {
        let address = command.entry.statistics_address;
        // A refused entry has no block: its address may be anything, and a write there shows in
        // the memory at the end.
        let executed = was_executed(entry.status);
        let asked = command.entry.flags & flag::STATISTICS != 0 && executed;
        let now = self
            .memory
            .bytes(address, STATISTICS_BYTES)
            .ok()
            .filter(|_| asked);
        let written = now.is_some_and(|now| before.bytes(address, STATISTICS_BYTES) != Ok(now));
        let succeeded = entry.status == Status::Success as u8;
        let timed = self.timed;
        let statistics = now
            .filter(|_| succeeded || timed)
            .map(bytemuck::pod_read_unaligned)
            .map(|all| if timed { all } else { architectural(all) });
        let failed = executed && !succeeded;
        if written || asked && failed {
            // The trace has what is defined of it. A block that is only partly mapped may be
            // written as far as the burst before the end of its 4 KiB page.
            self.blank_timed(address, STATISTICS_BYTES);
        }
        if failed {
            self.blanks.extend(command.output);
            self.blanks.extend(command.workspace);
        }
        let cycles = if timed { entry.cycles } else { 0 };
        CompletionTrace {
            entry: CompletionEntry { cycles, ..entry },
            statistics_written: written,
            statistics,
        }
    }

    /// Waits until a core that has answered everything is idle.
    fn settle(&mut self) -> Result<(), Stall> {
        for _ in 0..PATIENCE {
            if self.core.advance(&mut self.memory) == Activity::Idle {
                return Ok(());
            }
        }
        Err(self.stall("the core did not become idle"))
    }

    fn wait_for_fatal(&mut self) -> Result<(), Stall> {
        for _ in 0..PATIENCE {
            if self.status() & status::FATAL != 0 {
                return self.settle();
            }
            self.core.advance(&mut self.memory);
        }
        Err(self.stall("a fatal error was expected, but there was none"))
    }

    fn wait_for_reset(&mut self) -> Result<(), Stall> {
        for _ in 0..PATIENCE {
            if self.core.read_register(registers::CONTROL) & control::RESET == 0 {
                return Ok(());
            }
            self.core.advance(&mut self.memory);
        }
        Err(self.stall("the reset did not end"))
    }
}
