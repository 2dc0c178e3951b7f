//! Random commands: loads, runs and unloads that keep track of what is resident, and entries
//! that must be refused.

use std::collections::BTreeMap;
use std::fmt;

use bytemuck::bytes_of;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use systole_regs::Configuration;
use systole_regs::entries::{LoadEntry, RunEntry, flag, opcode};

use super::programs::{Program, bytes, spoil, valid};
use super::scenario::{Command, Space};

/// What scenarios have covered: how often each kind of thing occurred.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

impl Coverage {
    pub(super) fn note(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Adds another scenario's.
    pub fn add(&mut self, other: &Coverage) {
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }

    /// How often this occurred.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "{count:>8}  {what}")?;
        }
        Ok(())
    }
}

/// A model that a slot should hold.
struct Resident {
    program: Program,
    regions: [(usize, usize); 3],
}

/// Writes the commands of one scenario.
pub(super) struct Writer {
    configuration: Configuration,
    pub(super) random: ChaCha8Rng,
    space: Space,
    slots: [Option<Resident>; systole_regs::SLOT_COUNT as usize],
    coverage: Coverage,
}

impl Writer {
    pub(super) fn new(configuration: Configuration, random: ChaCha8Rng, space: Space) -> Self {
        Self {
            configuration,
            random,
            space,
            slots: Default::default(),
            coverage: Coverage::default(),
        }
    }

    pub(super) fn finish(self) -> (Space, Coverage) {
        (self.space, self.coverage)
    }

    /// The next command.
    pub(super) fn command(&mut self) -> Command {
        let held = self.random.random_bool(0.3);
        let reset_first = self.random.random_bool(0.04);
        if reset_first {
            self.slots = Default::default();
            self.coverage.note("reset between commands");
        }
        let occupied = self.slots.iter().any(Option::is_some);
        let mut command = match self.random.random_range(0..10) {
            _ if !occupied => self.load(),
            0..=4 => self.run(),
            5..=7 => self.load(),
            8 => self.small(),
            _ => self.refused(),
        };
        command.held = held;
        command.reset_first = reset_first;
        command
    }

    fn wrap(entry: &[u8], output: Option<(u64, usize)>, statistics: Option<u64>) -> Command {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(entry);
        Command {
            entry: bytes,
            output,
            statistics,
            held: false,
            reset_first: false,
        }
    }

    /// A statistics address, or none with its flag.
    fn statistics(&mut self) -> (u8, u64) {
        if self.random.random_bool(0.7) {
            (flag::STATISTICS, self.space.take(&mut self.random, 64, 8))
        } else {
            (0, 0)
        }
    }

    /// Regions of a memory of `size` entries for `count` entries that the other slot leaves free:
    /// below it or above it.
    fn place(
        &mut self,
        size: usize,
        count: usize,
        unit: usize,
        other: Option<(usize, usize)>,
    ) -> Option<usize> {
        let (low, high) = match other {
            Some((base, length)) if length > 0 => {
                let above = base + length;
                if above + count <= size {
                    (above, size)
                } else {
                    (0, base)
                }
            }
            _ => (0, size),
        };
        let last = high.checked_sub(count)?.checked_sub(low)? / unit;
        // The ends of a region are where mistakes hide.
        let steps = match self.random.random_range(0..3) {
            0 => 0,
            1 => last,
            _ => self.random.random_range(0..=last),
        };
        Some(low.next_multiple_of(unit) + steps * unit).filter(|base| base + count <= high)
    }

    fn load(&mut self) -> Command {
        let slot = self.random.random_range(0..self.slots.len());
        let mut program = valid(&self.configuration, &mut self.random);
        if self.random.random_bool(0.3) {
            spoil(&mut program, &self.configuration, &mut self.random);
        }
        self.coverage.note(match program.fault {
            Some(fault) => format!("load of a program with a fault: {fault}"),
            None => "load of a correct program".to_owned(),
        });
        self.note_values(&program);
        let c = self.configuration;
        let counts = [
            program.instructions.len(),
            program.parameters.len(),
            program.weights.len() / c.tile_bytes(),
        ];
        let sizes = [c.program_instructions, c.parameter_entries, c.weight_tiles];
        let other = self
            .slots
            .iter()
            .enumerate()
            .find(|(index, _)| *index != slot);
        let other =
            other.and_then(|(_, resident)| resident.as_ref().map(|resident| resident.regions));
        let mut bases = [0; 3];
        for memory in 0..3 {
            let unit = if memory == 1 { c.requantize_lanes } else { 1 };
            bases[memory] = self
                .place(
                    sizes[memory],
                    counts[memory],
                    unit,
                    other.map(|regions| regions[memory]),
                )
                .expect("two small programs fit any configuration");
        }
        let image = program.image();
        let mut image_address = self.space.take(&mut self.random, image.len(), 8);
        self.space.fill(image_address, &image);
        let (flags, statistics_address) = self.statistics();
        let lost = self.random.random_bool(0.05);
        if lost {
            self.coverage.note("load of an image that isn't mapped");
            image_address = self.space.unmapped(&mut self.random);
        }
        let entry = LoadEntry {
            opcode: opcode::LOAD,
            flags,
            command_id: self.random.random(),
            slot: slot as u8,
            image_address,
            statistics_address,
            version: self.random.random(),
            program_base: bases[0] as u16,
            program_count: counts[0] as u16,
            parameter_base: bases[1] as u16,
            parameter_count: counts[1] as u16,
            weight_base: bases[2] as u16,
            weight_count: counts[2] as u16,
            group_rows: program.group_rows,
            ..LoadEntry::default()
        };
        let regions = std::array::from_fn(|memory| (bases[memory], counts[memory]));
        self.slots[slot] = (!lost).then_some(Resident { program, regions });
        Self::wrap(
            bytes_of(&entry),
            None,
            (flags != 0).then_some(statistics_address),
        )
    }

    fn run_entry(&mut self, slot: usize, rows: usize, sizes: (usize, usize)) -> (RunEntry, usize) {
        let input_stride = sizes.0.next_multiple_of(8) + self.random.random_range(0..3) * 8;
        let output_stride = sizes.1.next_multiple_of(8) + self.random.random_range(0..3) * 8;
        let input_address = self.space.take(&mut self.random, rows * input_stride, 8);
        let data = bytes(&mut self.random, rows * input_stride);
        self.space.fill(input_address, &data);
        let output_address = self.space.take(&mut self.random, rows * output_stride, 8);
        let (flags, statistics_address) = self.statistics();
        let entry = RunEntry {
            opcode: opcode::RUN,
            flags,
            command_id: self.random.random(),
            slot: slot as u8,
            input_address,
            output_address,
            statistics_address,
            rows: rows as u32,
            input_stride: input_stride as u32,
            output_stride: output_stride as u32,
            ..RunEntry::default()
        };
        (entry, rows * output_stride)
    }

    fn run(&mut self) -> Command {
        let held: Vec<_> = (0..self.slots.len())
            .filter(|slot| self.slots[*slot].is_some())
            .collect();
        let slot = held[self.random.random_range(0..held.len())];
        let (sizes, group, fault) = self.slots[slot]
            .as_ref()
            .map(|resident| {
                let program = &resident.program;
                (
                    (program.input_bytes, program.output_bytes),
                    usize::from(program.group_rows),
                    program.fault,
                )
            })
            .expect("the slot was chosen among the occupied ones");
        let rows = match self.random.random_range(0..4) {
            0 => 1,
            1 => group,
            2 => group + 1,
            _ => self.random.random_range(1..=2 * group + 1),
        };
        let (mut entry, length) = self.run_entry(slot, rows, sizes);
        if self.random.random_bool(0.06) {
            self.coverage
                .note("run with input or output that isn't mapped");
            let address = self.space.unmapped(&mut self.random);
            if self.random.random() {
                entry.input_address = address
            } else {
                entry.output_address = address
            }
        }
        self.coverage.note(if fault.is_some() {
            "run of a faulty program"
        } else {
            "run of a correct program"
        });
        if rows > group && rows % group != 0 {
            self.coverage.note("run with a last group that isn't full");
        }
        let statistics = (entry.flags != 0).then_some(entry.statistics_address);
        Self::wrap(
            bytes_of(&entry),
            Some((entry.output_address, length)),
            statistics,
        )
    }

    /// A command without data.
    fn small(&mut self) -> Command {
        let unload = self.random.random_bool(0.5);
        let slot = self.random.random_range(0..self.slots.len());
        let (flags, statistics_address) = self.statistics();
        let entry = RunEntry {
            opcode: if unload { opcode::UNLOAD } else { opcode::NOP },
            flags,
            command_id: self.random.random(),
            slot: slot as u8,
            statistics_address,
            ..RunEntry::default()
        };
        if unload {
            self.slots[slot] = None;
        }
        self.coverage.note(if unload { "unload" } else { "nop" });
        Self::wrap(
            bytes_of(&entry),
            None,
            (flags != 0).then_some(statistics_address),
        )
    }

    /// A run or a load that is refused before it does anything.
    fn refused(&mut self) -> Command {
        let (mut run, _) = self.run_entry(0, 1, (8, 8));
        let mut load = LoadEntry {
            opcode: opcode::LOAD,
            command_id: self.random.random(),
            image_address: run.input_address,
            program_count: 1,
            group_rows: 1,
            ..LoadEntry::default()
        };
        let c = self.configuration;
        let unaligned = self.random.random_range(1..8);
        let what = match self.random.random_range(0..16) {
            0 => {
                run.opcode = self.random.random_range(4..=255);
                "opcode"
            }
            1 => {
                run.flags |= 1 << self.random.random_range(1..8);
                "flag"
            }
            2 => {
                run.reserved0[self.random.random_range(0..3)] = 1;
                "reserved byte"
            }
            3 => {
                run.reserved1[self.random.random_range(0..20)] = 0x80;
                "reserved byte at the end"
            }
            4 => {
                run.slot = self.random.random_range(2..=255);
                "slot"
            }
            5 => {
                run.rows = [0, 65_536, u32::MAX][self.random.random_range(0..3)];
                "rows"
            }
            6 => {
                run.input_address += unaligned;
                "input address"
            }
            7 => {
                run.output_stride += unaligned as u32;
                "output stride"
            }
            8 => {
                run.flags = 0;
                run.statistics_address = 8;
                "statistics address without its flag"
            }
            9 => {
                load.program_count = 0;
                "load without program"
            }
            10 => {
                load.group_rows = 0;
                "load without rows"
            }
            11 => {
                load.parameter_count = 1;
                "load with a part of a parameter group"
            }
            12 => {
                load.weight_base = c.weight_tiles as u16;
                load.weight_count = 1;
                "load beyond the weights"
            }
            13 => {
                load.program_base = u16::MAX;
                load.program_count = u16::MAX;
                "load beyond the program"
            }
            14 => {
                load.image_address += unaligned;
                "image address"
            }
            _ => {
                // The first instruction of the other slot, if there is one.
                load.slot = 1;
                load.program_base = self.slots[0]
                    .as_ref()
                    .map_or(0, |resident| resident.regions[0].0 as u16);
                if self.slots[0].is_none() {
                    load.program_count = 0;
                }
                "load over the other slot"
            }
        };
        self.coverage.note(format!("refused: {what}"));
        if what.starts_with("load") || what == "image address" {
            return Self::wrap(bytes_of(&load), None, None);
        }
        Self::wrap(bytes_of(&run), None, None)
    }

    /// Notes the extremes that a program holds.
    fn note_values(&mut self, program: &Program) {
        for instruction in &program.instructions {
            if instruction.block_rows == 1 {
                self.coverage.note("blocks of one row");
            }
            if instruction.column_tiles > 0 {
                self.coverage.note(if instruction.rounding == 0 {
                    "rounding once"
                } else {
                    "rounding twice"
                });
                for (name, value) in [("zero point", instruction.output_zero_point)] {
                    if value == i8::MIN || value == i8::MAX {
                        self.coverage.note(format!("{name} {value}"));
                    }
                }
            }
        }
        for parameter in &program.parameters {
            if parameter.bias == i32::MIN || parameter.bias == i32::MAX {
                self.coverage.note("bias at an end of i32");
            }
            if parameter.multiplier == i32::MAX {
                self.coverage.note("multiplier at its greatest");
            }
            if parameter.shift == -31 || parameter.shift == 30 {
                self.coverage.note(format!("shift {}", parameter.shift));
            }
        }
        if program.weights.iter().any(|weight| *weight == 0x80) {
            self.coverage.note("weight -128");
        }
    }
}
