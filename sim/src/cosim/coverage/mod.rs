//! Which fields, edges and faults the cases have met: a comparison shows nothing about what it
//! never tried.

mod program;

use std::collections::BTreeMap;
use std::fmt;

use systole_regs::Status;
use systole_regs::entries::{flag, opcode};
use systole_regs::instructions::{self, Compute, Transfer};
use systole_regs::registers::{self, INTERRUPT_ENABLE, status};

use super::case::{Case, Command, Ending, Episode, Intent, Model};
use super::memory::Memory;
use super::trace::{EpisodeTrace, Trace};
use super::{faults, mutations};

type Group = &'static str;

/// Counts of what was met, by group and value, with the values to expect.
#[derive(Clone, Debug)]
pub struct Coverage {
    cases: u64,
    commands: u64,
    counts: BTreeMap<(Group, String), u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self::new()
    }
}

impl Coverage {
    /// Nothing met yet; every value that the generator aims at is listed with a zero.
    pub fn new() -> Self {
        let mut coverage = Coverage {
            cases: 0,
            commands: 0,
            counts: BTreeMap::new(),
        };
        let mut expect = |group: Group, values: &[&str]| {
            for value in values {
                coverage.counts.insert((group, (*value).to_string()), 0);
            }
        };
        let statuses: Vec<&str> = Status::ALL
            .iter()
            .filter(|s| !matches!(s, Status::InvalidDoorbell | Status::InvalidQueue))
            .map(|s| s.name())
            .collect();
        expect("status", &statuses);
        expect(
            "fatal",
            &[
                "DmaReadError",
                "DmaWriteError",
                "InvalidDoorbell",
                "InvalidQueue",
            ],
        );
        expect(
            "ending",
            &["reset", "function reset", "bad doorbell", "unusable queue"],
        );
        expect("command", &["NOP", "LOAD", "RUN", "UNLOAD"]);
        let entry_faults = [
            faults::ENTRY,
            faults::SLOT,
            faults::RUN,
            faults::LOAD,
            faults::OVERLAP,
        ]
        .concat();
        expect("bad entry", &entry_faults);
        expect("bad entry", &[faults::SLOT_EMPTY, "several at once"]);
        expect("bad program", mutations::PROGRAM);
        expect("unmapped", faults::DMA);
        expect(
            "rows",
            &["1", "one group", "several groups", "group not full"],
        );
        expect(
            "queue",
            &[
                "submission wraps",
                "completion wraps",
                "several per doorbell",
            ],
        );
        expect(
            "queue",
            &["above 4 GiB", "below 4 GiB", "completion ring full"],
        );
        expect("interrupt", &["on", "off"]);
        expect("slot", &["0", "1", "both resident"]);
        expect("statistics", &["asked", "not asked"]);
        for (group, values) in program::EXPECTED {
            expect(group, values);
        }
        let shifts: Vec<String> = (-31..=30).map(|shift: i32| shift.to_string()).collect();
        expect(
            "shift",
            &shifts.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        coverage
    }

    /// Adds a case and what became of it.
    pub fn record(&mut self, case: &Case, trace: &Trace) {
        self.cases += 1;
        let after = Memory::new(trace.memory.clone());
        for (episode, seen) in case.episodes.iter().zip(&trace.episodes) {
            self.episode(episode, seen);
            let commands = episode.bursts.iter().flatten();
            for (command, completion) in commands.zip(&seen.completions) {
                self.commands += 1;
                let status = Status::from_code(completion.entry.status);
                self.count("status", status.map_or("unknown", Status::name));
                self.command(command);
                let model = command.model.map(|index| &case.models[index]);
                if let Some(model) = model
                    && command.entry.opcode == opcode::RUN
                    && status == Some(Status::Success)
                {
                    self.run(case, model, command, &after);
                }
            }
        }
    }

    fn count(&mut self, group: Group, value: &str) {
        *self.counts.entry((group, value.to_string())).or_default() += 1;
    }

    fn episode(&mut self, episode: &Episode, seen: &EpisodeTrace) {
        let ending = match episode.ending {
            Ending::Reset => "reset",
            Ending::FunctionReset => "function reset",
            Ending::BadDoorbell { .. } => "bad doorbell",
            Ending::Unusable => "unusable queue",
        };
        self.count("ending", ending);
        let end = seen
            .registers
            .iter()
            .find(|reading| reading.offset == registers::STATUS);
        if let Some(end) = end.filter(|end| end.value & status::FATAL != 0) {
            let fatal = Status::from_code((end.value >> status::FATAL_CODE_SHIFT) as u8);
            self.count("fatal", fatal.map_or("unknown", Status::name));
        }
        if episode.ending == Ending::Unusable {
            return;
        }
        let queue = &episode.queue;
        let commands: usize = episode.bursts.iter().map(Vec::len).sum();
        if commands > queue.submission_entries as usize {
            self.count("queue", "submission wraps");
        }
        if commands > queue.completion_entries as usize {
            self.count("queue", "completion wraps");
        }
        if episode.bursts.iter().any(|burst| burst.len() > 1) {
            self.count("queue", "several per doorbell");
        }
        if episode
            .bursts
            .iter()
            .any(|burst| burst.len() >= queue.completion_entries as usize)
        {
            self.count("queue", "completion ring full");
        }
        let high = queue.submission_base >> 32 != 0;
        self.count("queue", if high { "above 4 GiB" } else { "below 4 GiB" });
        let interrupts = queue.interrupt & INTERRUPT_ENABLE != 0;
        self.count("interrupt", if interrupts { "on" } else { "off" });
        let resident = |slot: u32| {
            let offset = registers::SLOT_STATE + slot * registers::SLOT_BLOCK_BYTES;
            seen.registers
                .iter()
                .any(|reading| reading.offset == offset && reading.value == 1)
        };
        if resident(0) && resident(1) {
            self.count("slot", "both resident");
        }
    }

    fn command(&mut self, command: &Command) {
        let name = match command.entry.opcode {
            opcode::NOP => "NOP",
            opcode::LOAD => "LOAD",
            opcode::RUN => "RUN",
            opcode::UNLOAD => "UNLOAD",
            _ => "unknown",
        };
        self.count("command", name);
        let asked = command.entry.flags & flag::STATISTICS != 0;
        self.count("statistics", if asked { "asked" } else { "not asked" });
        match &command.intent {
            Intent::Valid => {}
            Intent::Entry(faults) => {
                for fault in faults {
                    self.count("bad entry", fault);
                }
                if faults.len() > 1 {
                    self.count("bad entry", "several at once");
                }
            }
            Intent::Program(fault) => self.count("bad program", fault),
            Intent::Dma(fault) => self.count("unmapped", fault),
        }
    }

    /// A run that succeeded.
    fn run(&mut self, case: &Case, model: &Model, command: &Command, after: &Memory) {
        let entry = &command.entry;
        self.count("slot", if entry.slot == 0 { "0" } else { "1" });
        let group = u32::from(model.group_rows);
        if entry.rows == 1 {
            self.count("rows", "1");
        }
        if entry.rows == group {
            self.count("rows", "one group");
        }
        if entry.rows > group {
            self.count("rows", "several groups");
        }
        if !entry.rows.is_multiple_of(group) {
            self.count("rows", "group not full");
        }
        let input = (entry.rows as usize - 1) * entry.input_stride as usize + model.input_bytes;
        if let Ok(bytes) = case.memory.bytes(entry.input_address, input) {
            self.bytes("input byte", bytes, None);
        }
        self.bytes("weight byte", bytemuck::cast_slice(&model.weights), None);
        self.program(&case.configuration, model, entry.rows);
        for store in model.reachable() {
            if store.opcode == instructions::opcode::STORE_ROWS {
                self.output(model, command, store, after);
            }
        }
    }

    /// Counts bytes at the ends of the range, and others under a name if there is one.
    fn bytes(&mut self, group: Group, bytes: &[u8], others: Option<&str>) {
        for &byte in bytes {
            match (byte as i8, others) {
                (i8::MIN, _) => self.count(group, "-128"),
                (i8::MAX, _) => self.count(group, "127"),
                (_, Some(name)) => self.count(group, name),
                (0, None) => self.count(group, "0"),
                _ => {}
            }
        }
    }

    /// Counts the bytes of a store if a computation wrote the first of them.
    fn output(&mut self, model: &Model, command: &Command, store: &Transfer, after: &Memory) {
        let computed = model.reachable().iter().any(|i| {
            let compute: Compute = bytemuck::cast(*i);
            let bytes = u32::from(compute.channels);
            program::computes(i.opcode)
                && store
                    .scratchpad_address
                    .checked_sub(compute.output_address)
                    .is_some_and(|offset| offset < bytes)
        });
        let entry = &command.entry;
        for row in 0..if computed { entry.rows } else { 0 } {
            let address = entry.output_address
                + u64::from(row) * u64::from(entry.output_stride)
                + u64::from(store.host_offset);
            if let Ok(bytes) = after.bytes(address, store.row_bytes as usize) {
                self.bytes("output byte", bytes, Some("between"));
            }
        }
    }

    /// Adds what another coverage has met.
    pub fn merge(&mut self, other: &Coverage) {
        self.cases += other.cases;
        self.commands += other.commands;
        for ((group, value), count) in &other.counts {
            *self.counts.entry((group, value.clone())).or_default() += count;
        }
    }

    /// What the generator aims at but was never met, as "group: value".
    pub fn missing(&self) -> Vec<String> {
        self.counts
            .iter()
            .filter(|&(_, &count)| count == 0)
            .map(|((group, value), _)| format!("{group}: {value}"))
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cases, {} commands", self.cases, self.commands)?;
        let mut last = "";
        for ((group, value), count) in &self.counts {
            if *group != last {
                let of_group = || self.counts.iter().filter(|((g, _), _)| g == group);
                let met = of_group().filter(|&(_, &count)| count > 0).count();
                writeln!(f, "{group}: {met} of {} met", of_group().count())?;
                last = group;
            }
            writeln!(f, "  {count:>10}  {value}")?;
        }
        Ok(())
    }
}
