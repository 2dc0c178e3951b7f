//! Random cases: what a driver might do, and what no driver should.
//!
//! ```text
//!  episode: set the queue up, enable
//!           burst: LOAD slot 0, NOP            one doorbell
//!           burst: RUN slot 0, LOAD slot 1 ... one doorbell
//!           reset, or a fatal error and a reset
//! ```

mod runs;
#[cfg(feature = "rtl")]
pub(super) mod scenario;

use systole_regs::entries::{LoadEntry, RunEntry, Statistics, flag, opcode};
use systole_regs::{Configuration, SLOT_COUNT, registers};

use super::case::{Case, Command, Ending, Episode, Intent, Model, QueueSetup};
use super::cost::{self, BUDGET_CYCLES};
use super::faults;
use super::layout::{Layout, TAIL_BYTES};
use super::model::ModelBuilder;
use super::mutations;
use super::random::Random;

/// A model in a slot.
#[derive(Clone, Copy)]
struct Resident {
    entry: LoadEntry,
    model: usize,
    /// Whether the weights that it streams are where the entry says.
    stream_mapped: bool,
}

struct Generator {
    configuration: Configuration,
    random: Random,
    layout: Layout,
    models: Vec<Model>,
    slots: [Option<Resident>; SLOT_COUNT as usize],
    command_id: u16,
    /// Cycles that the case may still cost.
    budget: usize,
}

impl Generator {
    fn new(seed: u64, configuration: Configuration, budget: usize) -> Self {
        let mut random = Random::new(seed);
        let layout = Layout::new(&mut random);
        Self {
            configuration,
            random,
            layout,
            models: Vec::new(),
            slots: [None; SLOT_COUNT as usize],
            command_id: 0,
            budget,
        }
    }
}

impl Case {
    /// The case of this seed: the same on every machine.
    pub fn generate(seed: u64, configuration: Configuration) -> Case {
        let mut generator = Generator::new(seed, configuration, BUDGET_CYCLES);
        let mut episodes = Vec::new();
        for _ in 0..generator.random.pick(&[1, 1, 1, 2, 3]) {
            if generator.budget > 0 {
                episodes.push(generator.episode());
            }
        }
        Case {
            seed,
            configuration,
            memory: generator.layout.finish(),
            episodes,
            models: generator.models,
        }
    }
}

impl Generator {
    fn episode(&mut self) -> Episode {
        self.slots = [None; SLOT_COUNT as usize];
        let mut queue = self.queue();
        let ending = match self.random.range(0, 19) {
            0 | 1 => Ending::FunctionReset,
            2 => Ending::BadDoorbell {
                offset: registers::SUBMISSION_TAIL_DOORBELL,
                index: self
                    .random
                    .pick(&[queue.submission_entries, u32::MAX, 1 << 16]),
            },
            3 => Ending::BadDoorbell {
                offset: registers::COMPLETION_HEAD_DOORBELL,
                index: self
                    .random
                    .pick(&[queue.completion_entries, u32::MAX, 1 << 16]),
            },
            4 | 5 => {
                self.spoil_queue(&mut queue);
                Ending::Unusable
            }
            _ => Ending::Reset,
        };
        let commands = if ending == Ending::Unusable {
            1
        } else {
            self.random.range(2, 9)
        };
        let mut bursts: Vec<Vec<Command>> = Vec::new();
        for _ in 0..commands {
            if self.budget == 0 {
                break;
            }
            let command = self.command();
            // A ring of N holds N - 1.
            let limit = queue.submission_entries.clamp(2, 5) as usize - 1;
            match bursts.last_mut() {
                Some(burst) if burst.len() < limit && self.random.chance(50) => burst.push(command),
                _ => bursts.push(vec![command]),
            }
        }
        let room = queue.completion_entries.saturating_sub(1).clamp(1, 8) as usize;
        let acknowledge_after = self.random.range(1, room) as u32;
        Episode {
            queue,
            bursts,
            acknowledge_after,
            ending,
        }
    }

    fn queue(&mut self) -> QueueSetup {
        let random = &mut self.random;
        let submission_entries = random.pick(&[2, 2, 3, 4, 5, 8]);
        let completion_entries = random.pick(&[2, 2, 3, 4, 5, 8]);
        let vector = random.range(0, 7) as u32;
        let enable = if random.chance(70) {
            registers::INTERRUPT_ENABLE
        } else {
            0
        };
        QueueSetup {
            submission_base: self
                .layout
                .allocate(submission_entries as usize * 64, 64, random),
            submission_entries,
            completion_base: self
                .layout
                .allocate(completion_entries as usize * 16, 16, random),
            completion_entries,
            interrupt: enable | vector,
        }
    }

    fn spoil_queue(&mut self, queue: &mut QueueSetup) {
        let random = &mut self.random;
        match random.range(0, 5) {
            0 => queue.submission_entries = random.pick(&[0, 1, 4097, u32::MAX, 1 << 16 | 4]),
            1 => queue.completion_entries = random.pick(&[0, 1, 4097, u32::MAX, 1 << 16 | 4]),
            2 => queue.submission_base |= random.range(1, 63) as u64,
            3 => queue.completion_base |= random.range(1, 15) as u64,
            4 => queue.submission_base = 0x6600_0000_0000_0000,
            _ => queue.completion_base = 0x6600_0000_0000_0000,
        }
    }

    fn command(&mut self) -> Command {
        let any_resident = self.slots.iter().any(Option::is_some);
        let kind = match self.random.range(0, 99) {
            0..50 if any_resident => opcode::RUN,
            0..75 => opcode::LOAD,
            75..80 => opcode::UNLOAD,
            80..85 => opcode::NOP,
            _ => return self.bad_entry(),
        };
        match kind {
            opcode::RUN => self.run(),
            opcode::LOAD => self.load(),
            opcode::UNLOAD => {
                let slot = self.random.range(0, 1);
                self.slots[slot] = None;
                self.bare(opcode::UNLOAD, slot as u8)
            }
            _ => {
                let slot = self.random.pick(&[0, 1, 2, 255]);
                self.bare(opcode::NOP, slot)
            }
        }
    }

    fn bare(&mut self, opcode: u8, slot: u8) -> Command {
        self.budget = self.budget.saturating_sub(cost::COMMAND);
        let mut entry = RunEntry {
            opcode,
            slot,
            command_id: self.next_id(),
            ..Default::default()
        };
        self.ask_statistics(&mut entry);
        Command {
            entry,
            intent: Intent::Valid,
            output: None,
            workspace: None,
            model: None,
        }
    }

    fn next_id(&mut self) -> u16 {
        self.command_id = self
            .command_id
            .wrapping_add(self.random.range(1, 5000) as u16);
        self.command_id
    }

    fn ask_statistics(&mut self, entry: &mut RunEntry) {
        if self.random.chance(60) {
            entry.flags |= flag::STATISTICS;
            entry.statistics_address =
                self.layout
                    .allocate(size_of::<Statistics>(), 8, &mut self.random);
        }
    }

    fn load(&mut self) -> Command {
        let slot = self.random.range(0, 1);
        let model = self.make_model();
        let mut entry = self.load_entry(slot, model);
        let mut intent = Intent::Valid;
        let stream_mapped = self.map_stream(&mut entry, model);
        self.slots[slot] = Some(Resident {
            entry: bytemuck::cast(entry),
            model,
            stream_mapped,
        });
        if self.random.chance(5) {
            let bytes = cost::image_bytes(&self.models[model]).min(TAIL_BYTES);
            let load: &mut LoadEntry = bytemuck::cast_mut(&mut entry);
            load.image_address = self.layout.unmapped(bytes, &mut self.random);
            intent = Intent::Dma("image");
            self.slots[slot] = None;
        } else if self.random.chance(3) {
            intent = self.unmap_statistics(&mut entry);
        }
        Command {
            entry,
            intent,
            output: None,
            workspace: None,
            model: Some(model),
        }
    }

    /// Makes a model, now and then one whose runs fail.
    fn make_model(&mut self) -> usize {
        let mut model = ModelBuilder::build(&self.configuration, &mut self.random);
        if self.random.chance(30) {
            mutations::spoil(&mut model, &self.configuration, &mut self.random);
        }
        self.place_model(model)
    }

    /// Puts the image and the stream of a model into host memory.
    fn place_model(&mut self, mut model: Model) -> usize {
        let image = cost::image(&model);
        let address = self.layout.allocate(image.len(), 8, &mut self.random);
        self.layout
            .bytes_mut(address, image.len())
            .copy_from_slice(&image);
        model.image_address = address;
        if !model.stream.is_empty() {
            let bytes = model.stream.len();
            model.stream_address = self.layout.allocate(bytes, 8, &mut self.random);
            self.layout
                .bytes_mut(model.stream_address, bytes)
                .copy_from_slice(bytemuck::cast_slice(&model.stream));
        }
        self.budget = self.budget.saturating_sub(cost::load(&model));
        self.models.push(model);
        self.models.len() - 1
    }

    fn load_entry(&mut self, slot: usize, model: usize) -> RunEntry {
        let configuration = self.configuration;
        let lanes = configuration.requantize_lanes;
        let other = self.slots[1 - slot].map(|resident| resident.entry);
        let model = &self.models[model];
        let counts = [
            model.program.len(),
            model.parameters.len(),
            model.weights.len() / configuration.tile_bytes(),
        ];
        let sizes = [
            configuration.program_instructions,
            configuration.parameter_entries,
            configuration.weight_tiles,
        ];
        let taken = other.map(|other| {
            [
                (other.program_base, other.program_count),
                (other.parameter_base, other.parameter_count),
                (other.weight_base, other.weight_count),
            ]
        });
        let group_rows = model.group_rows;
        let (image_address, stream_address) = (model.image_address, model.stream_address);
        let mut bases = [0; 3];
        for (index, base) in bases.iter_mut().enumerate() {
            let step = if index == 1 { lanes } else { 1 };
            let taken = taken.map(|regions| regions[index]);
            *base = region(counts[index], sizes[index], step, taken, &mut self.random);
        }
        let load = LoadEntry {
            opcode: opcode::LOAD,
            command_id: self.next_id(),
            slot: slot as u8,
            image_address,
            stream_address,
            version: self.random.word(),
            program_base: bases[0],
            program_count: counts[0] as u16,
            parameter_base: bases[1],
            parameter_count: counts[1] as u16,
            weight_base: bases[2],
            weight_count: counts[2] as u16,
            group_rows,
            ..Default::default()
        };
        let mut entry: RunEntry = bytemuck::cast(load);
        self.ask_statistics(&mut entry);
        entry
    }

    /// A command whose entry is refused.
    fn bad_entry(&mut self) -> Command {
        let slot = self.random.range(0, 1);
        let kind = self
            .random
            .pick(&[opcode::RUN, opcode::RUN, opcode::LOAD, opcode::LOAD, 0, 3]);
        let resident = self.slots[slot];
        let mut possible = faults::ENTRY.to_vec();
        let mut faults_made = Vec::new();
        let mut entry = match (kind, resident) {
            (opcode::RUN, Some(resident)) => {
                possible.extend(faults::SLOT.iter().chain(faults::RUN));
                self.run_entry(slot, resident.model).entry
            }
            (opcode::RUN, None) => {
                possible.extend(faults::SLOT.iter().chain(faults::RUN));
                faults_made.push(faults::SLOT_EMPTY);
                RunEntry {
                    rows: 1,
                    ..self.bare(opcode::RUN, slot as u8).entry
                }
            }
            (opcode::LOAD, _) => {
                possible.extend(faults::SLOT.iter().chain(faults::LOAD));
                if self.slots[1 - slot].is_some_and(|other| {
                    other.entry.parameter_count > 0 && other.entry.weight_count > 0
                }) {
                    possible.extend(faults::OVERLAP);
                }
                let model = self.make_model();
                self.load_entry(slot, model)
            }
            (opcode::UNLOAD, _) => {
                possible.extend(faults::SLOT);
                self.bare(opcode::UNLOAD, slot as u8).entry
            }
            _ => self.bare(opcode::NOP, slot as u8).entry,
        };
        let other = self.slots[1 - slot].map(|other| other.entry);
        let wanted = match faults_made.len() {
            0 => self.random.pick(&[1, 1, 1, 2, 3]),
            _ => self.random.pick(&[1, 1, 2]),
        };
        while faults_made.len() < wanted {
            let fault = self.random.pick(&possible);
            if faults_made.contains(&fault) {
                // Twice may be none at all.
                continue;
            }
            faults::spoil_entry(
                &mut entry,
                fault,
                other.as_ref(),
                &self.configuration,
                &mut self.random,
            );
            faults_made.push(fault);
            if fault == "unknown opcode" {
                // The opcode decides what the other fields are, so nothing comes after it.
                break;
            }
        }
        Command {
            entry,
            intent: Intent::Entry(faults_made),
            output: None,
            workspace: None,
            model: None,
        }
    }
}

/// A place for `count` entries of a memory of `size`, apart from the other slot's: at the edges,
/// next to the other's, or anywhere.
fn region(
    count: usize,
    size: usize,
    step: usize,
    taken: Option<(u16, u16)>,
    random: &mut Random,
) -> u16 {
    let (start, end) = taken.map_or((0, 0), |(base, count)| {
        (usize::from(base), usize::from(base) + usize::from(count))
    });
    loop {
        let base = match random.range(0, 5) {
            0 => 0,
            1 => size - count,
            2 if start >= count => start - count,
            3 => end,
            _ => random.range(0, (size - count) / step) * step,
        };
        let apart = count == 0 || start == end || base + count <= start || end <= base;
        if apart && base + count <= size && base.is_multiple_of(step) {
            return base as u16;
        }
    }
}
