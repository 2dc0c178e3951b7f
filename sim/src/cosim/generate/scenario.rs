//! Two models side by side, for one fault: the victim, which meets it, and a bystander in the other
//! slot, which must not notice.

use systole_regs::Configuration;
use systole_regs::entries::{LoadEntry, RunEntry, TraceRecord, flag};

use super::super::case::{Command, Model, QueueSetup};
use super::super::cost;
use super::super::faults;
use super::super::memory::Memory;
use super::super::model::ModelBuilder;
use super::super::random::Random;
use super::{Generator, Resident};

/// Cycles that a run may cost, about: a scenario has several.
const RUN_CYCLES: usize = 3_000;
/// Cycles that loading a model may cost, about.
const LOAD_CYCLES: usize = 2_500;
/// Records of a trace; those of longer programs are dropped.
const TRACE_ENTRIES: u32 = 48;
/// Models that are tried until one suits.
const TRIES: usize = 3_000;

/// A model, and the commands that make it resident and run it.
#[derive(Clone, Debug)]
pub(in super::super) struct Tenant {
    pub model: Model,
    pub load: RunEntry,
    pub run: Command,
}

/// Host memory, a queue and two models that work.
#[derive(Clone, Debug)]
pub(in super::super) struct Scenario {
    pub configuration: Configuration,
    pub memory: Memory,
    pub queue: QueueSetup,
    pub bystander: Tenant,
    pub victim: Tenant,
    /// LOAD of the victim with a program that is refused.
    pub spoiled: Option<(Model, RunEntry)>,
}

/// Puts a fault into a model; false if it can't have it.
pub(in super::super) type Spoil<'a> = &'a dyn Fn(&mut Model, &Configuration, &mut Random) -> bool;

impl Scenario {
    /// The scenario of this seed: a victim that `suits`, and its spoiled copy if there is
    /// something to `spoil`.
    pub fn generate(
        seed: u64,
        configuration: Configuration,
        suits: &dyn Fn(&Model) -> bool,
        spoil: Option<Spoil<'_>>,
    ) -> Scenario {
        let mut generator = Generator::new(seed, configuration, RUN_CYCLES);
        let queue = generator.queue();
        let bystander = generator.small_model(&|_| true);
        let bystander = generator.tenant(0, bystander);
        let mut spoiled = None;
        let victim = generator.small_model(&|model| {
            let Some(spoil) = spoil else {
                return suits(model);
            };
            // A generator of its own: the victim must not depend on how often it was tried.
            let mut random = Random::new(seed);
            let mut copy = model.clone();
            suits(model) && spoil(&mut copy, &configuration, &mut random)
        });
        if let Some(spoil) = spoil {
            let mut copy = victim.clone();
            assert!(spoil(&mut copy, &configuration, &mut Random::new(seed)));
            spoiled = Some(copy);
        }
        let victim = generator.tenant(1, victim);
        let spoiled = spoiled.map(|model| {
            let index = generator.place_model(model);
            let mut entry = victim.load;
            let load: &mut LoadEntry = bytemuck::cast_mut(&mut entry);
            let model = generator.models[index].clone();
            load.image_address = model.image_address;
            load.stream_address = model.stream_address;
            load.program_count = model.program.len() as u16;
            (model, entry)
        });
        Scenario {
            configuration,
            memory: generator.layout.finish(),
            queue,
            bystander,
            victim,
            spoiled,
        }
    }

    /// The victim's commands with a fault in one of the entries, by the name of the fault.
    pub fn bad_entry(&self, fault: &'static str, seed: u64) -> RunEntry {
        let mut random = Random::new(seed);
        let mut run = self.victim.run.entry;
        // Fields of a trace are reserved without it.
        run.flags &= !flag::TRACE;
        (run.trace_address, run.trace_entries) = (0, 0);
        let mut entry = match fault {
            _ if faults::LOAD.contains(&fault) || faults::OVERLAP.contains(&fault) => {
                self.victim.load
            }
            _ if faults::RUN.contains(&fault) => run,
            _ => random.pick(&[self.victim.load, run]),
        };
        match fault {
            faults::SLOT_EMPTY => return run,
            faults::TRACE_ADDRESS => {
                entry = self.victim.run.entry;
                entry.trace_address |= random.range(1, 7) as u64;
            }
            _ => faults::spoil_entry(
                &mut entry,
                fault,
                Some(bytemuck::cast_ref(&self.bystander.load)),
                &self.configuration,
                &mut random,
            ),
        }
        entry
    }
}

impl Generator {
    fn small_model(&mut self, suits: &dyn Fn(&Model) -> bool) -> Model {
        for _ in 0..TRIES {
            let model = ModelBuilder::build(&self.configuration, &mut self.random);
            let rows = usize::from(model.group_rows);
            if cost::load(&model) <= LOAD_CYCLES
                && cost::run(&self.configuration, &model, rows) <= RUN_CYCLES
                && suits(&model)
            {
                return model;
            }
        }
        panic!("one model in {TRIES} suits");
    }

    fn tenant(&mut self, slot: usize, model: Model) -> Tenant {
        let index = self.place_model(model);
        let mut load = self.load_entry(slot, index);
        self.slots[slot] = Some(Resident {
            entry: bytemuck::cast(load),
            model: index,
            stream_mapped: true,
        });
        self.budget = RUN_CYCLES;
        let mut run = self.run_entry(slot, index);
        for entry in [&mut load, &mut run.entry] {
            while entry.flags & flag::STATISTICS == 0 {
                self.ask_statistics(entry);
            }
        }
        run.entry.flags |= flag::TRACE;
        run.entry.trace_entries = TRACE_ENTRIES;
        let bytes = TRACE_ENTRIES as usize * size_of::<TraceRecord>();
        run.entry.trace_address = self.layout.allocate(bytes, 8, &mut self.random);
        Tenant {
            model: self.models[index].clone(),
            load,
            run,
        }
    }
}
