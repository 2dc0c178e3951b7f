//! The comparison itself: it must accept equal cores and find the smallest deviation.

use systole_regs::configuration::{ALL, ECP5_85F, LARGE, SMALL, TINY};
use systole_regs::instructions::{Transfer, flag};
use systole_regs::{Configuration, Status};

use super::trace::was_executed;
use super::*;
use crate::core::{Activity, Core, DmaError, Host};
use crate::model::FunctionalModel;

fn trace(case: &Case) -> Trace {
    let mut model = FunctionalModel::new(case.configuration);
    run(&mut model, case).unwrap_or_else(|stall| panic!("{stall}"))
}

/// What the generator means to happen, happens.
fn check_intents(case: &Case, trace: &Trace) {
    for (episode, seen) in case.episodes.iter().zip(&trace.episodes) {
        if episode.ending == Ending::Unusable {
            continue;
        }
        let commands: Vec<&Command> = episode.bursts.iter().flatten().collect();
        assert_eq!(commands.len(), seen.completions.len());
        for (command, completion) in commands.into_iter().zip(&seen.completions) {
            let code = completion.entry.status;
            let status = Status::from_code(code).expect("a known status");
            let agrees = match &command.intent {
                Intent::Valid => status == Status::Success,
                Intent::Entry(_) => !was_executed(code),
                // A fault may be in a part that a short group doesn't reach.
                Intent::Program(_) => was_executed(code),
                Intent::Dma("image" | "input rows" | "weight stream") => {
                    status == Status::DmaReadError
                }
                Intent::Dma("workspace") => {
                    matches!(status, Status::DmaReadError | Status::DmaWriteError)
                }
                Intent::Dma(_) => status == Status::DmaWriteError,
            };
            assert!(agrees, "seed {}: {}: {status}", case.seed, command.intent);
            let asked = command.entry.flags & 1 != 0 && status == Status::Success;
            assert_eq!(completion.statistics.is_some(), asked);
            assert!(!asked || completion.statistics_written);
            assert!(was_executed(code) || !completion.statistics_written);
        }
    }
}

fn cover(configuration: Configuration, seeds: u64) -> Coverage {
    let mut coverage = Coverage::new();
    for seed in 0..seeds {
        let case = Case::generate(seed, configuration);
        let trace = trace(&case);
        check_intents(&case, &trace);
        coverage.record(&case, &trace);
    }
    coverage
}

#[test]
fn eight_hundred_cases_of_tiny_meet_everything() {
    let coverage = cover(TINY, 800);
    assert!(
        coverage.missing().is_empty(),
        "{:?}\n{coverage}",
        coverage.missing()
    );
}

#[test]
fn eight_hundred_cases_of_small_meet_everything() {
    let mut coverage = Coverage::new();
    coverage.merge(&cover(SMALL, 800));
    assert!(
        coverage.missing().is_empty(),
        "{:?}\n{coverage}",
        coverage.missing()
    );
}

/// Of the larger configurations, of which fewer cases are run.
#[test]
fn cases_of_larger_arrays_meet_nearly_everything() {
    let mut coverage = cover(ECP5_85F, 200);
    coverage.merge(&cover(LARGE, 200));
    // Weights of so many tiles would take too long to load.
    assert!(coverage.missing().len() < 8, "{:?}", coverage.missing());
}

#[test]
fn a_seed_is_the_same_case_every_time_and_equal_cores_have_equal_traces() {
    for seed in [0, 7, u64::MAX] {
        let (a, b) = (Case::generate(seed, TINY), Case::generate(seed, TINY));
        assert_eq!(a.memory, b.memory);
        let (left, right) = (trace(&a), trace(&b));
        assert_eq!(compare(&a, &left, &right), Ok(()));
        assert_eq!(left, right);
    }
    assert_ne!(
        Case::generate(1, TINY).memory,
        Case::generate(2, TINY).memory
    );
}

/// A model that finds another scratchpad for each command.
struct Scrambled(FunctionalModel, i8);

impl Core for Scrambled {
    fn read_register(&mut self, offset: u32) -> u32 {
        self.0.read_register(offset)
    }
    fn write_register(&mut self, offset: u32, value: u32) {
        self.0.write_register(offset, value);
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn advance(&mut self, host: &mut dyn Host) -> Activity {
        self.1 = self.1.wrapping_mul(5).wrapping_add(37);
        self.0.scramble_scratchpad(self.1);
        self.0.advance(host)
    }
}

#[test]
fn no_case_depends_on_what_an_earlier_command_left_in_the_scratchpad() {
    for configuration in ALL {
        for seed in 0..300 {
            let case = Case::generate(seed, *configuration);
            let reference = trace(&case);
            let mut core = Scrambled(FunctionalModel::new(*configuration), seed as i8);
            let other = run(&mut core, &case).unwrap_or_else(|stall| panic!("{stall}"));
            compare(&case, &reference, &other).unwrap_or_else(|difference| panic!("{difference}"));
        }
    }
}

/// What a deviating core does differently.
#[derive(Clone, Copy, Debug)]
enum Deviation {
    /// Flips the lowest bit of the last byte of the n-th DMA write.
    Write(usize),
    /// Writes one byte more than it should in the n-th DMA write.
    Beyond(usize),
    /// Forgets the n-th interrupt.
    Interrupt(usize),
    /// Reads a slot's version wrong.
    Register,
}

struct Deviating {
    model: FunctionalModel,
    deviation: Deviation,
    writes: usize,
    interrupts: usize,
}

impl Core for Deviating {
    fn read_register(&mut self, offset: u32) -> u32 {
        let slip = matches!(self.deviation, Deviation::Register) && offset == 0x804;
        self.model.read_register(offset) ^ u32::from(slip)
    }
    fn write_register(&mut self, offset: u32, value: u32) {
        self.model.write_register(offset, value);
    }
    fn reset(&mut self) {
        self.model.reset();
    }
    fn advance(&mut self, host: &mut dyn Host) -> Activity {
        let Deviating {
            model,
            deviation,
            writes,
            interrupts,
        } = self;
        model.advance(&mut DeviatingHost {
            host,
            deviation: *deviation,
            writes,
            interrupts,
        })
    }
}

struct DeviatingHost<'a> {
    host: &'a mut dyn Host,
    deviation: Deviation,
    writes: &'a mut usize,
    interrupts: &'a mut usize,
}

impl Host for DeviatingHost<'_> {
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        self.host.dma_read(address, data)
    }
    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        let mut data = data.to_vec();
        match self.deviation {
            Deviation::Write(n) if n == *self.writes => {
                *data.last_mut().expect("no write is empty") ^= 1;
            }
            Deviation::Beyond(n) if n == *self.writes => data.push(0x5a),
            _ => {}
        }
        *self.writes += 1;
        self.host.dma_write(address, &data)
    }
    fn interrupt(&mut self, vector: u16) {
        if !matches!(self.deviation, Deviation::Interrupt(n) if n == *self.interrupts) {
            self.host.interrupt(vector);
        }
        *self.interrupts += 1;
    }
}

/// Whether the comparison notices a deviation.
fn notices(case: &Case, reference: &Trace, deviation: Deviation) -> bool {
    let model = FunctionalModel::new(case.configuration);
    let mut core = Deviating {
        model,
        deviation,
        writes: 0,
        interrupts: 0,
    };
    match run(&mut core, case) {
        Err(_) => true,
        Ok(trace) => compare(case, reference, &trace).is_err(),
    }
}

#[test]
fn deviations_are_found() {
    // A case in which everything succeeds: what fails leaves undefined bytes.
    let (case, reference, model) = (0..)
        .find_map(|seed| {
            let case = Case::generate(seed, TINY);
            let mut core = Deviating {
                model: FunctionalModel::new(TINY),
                deviation: Deviation::Write(usize::MAX),
                writes: 0,
                interrupts: 0,
            };
            let reference = run(&mut core, &case).expect("the model answers");
            let defined = case.episodes.iter().all(|e| e.ending == Ending::Reset)
                && reference.episodes.iter().all(|e| {
                    !e.interrupts.is_empty() && e.completions.iter().all(|c| c.entry.status == 0)
                });
            (defined && core.writes > 40).then_some((case, reference, core))
        })
        .expect("there is one");
    let mut missed = Vec::new();
    for n in 0..model.writes {
        if !notices(&case, &reference, Deviation::Write(n)) {
            missed.push(Deviation::Write(n));
        }
    }
    for n in 0..model.interrupts {
        if !notices(&case, &reference, Deviation::Interrupt(n)) {
            missed.push(Deviation::Interrupt(n));
        }
    }
    // The byte after a write may be written again by the next one, but not after each of them.
    let beyond = (0..model.writes)
        .filter(|&n| notices(&case, &reference, Deviation::Beyond(n)))
        .count();
    assert!(beyond * 3 > model.writes, "{beyond} of {}", model.writes);
    assert!(notices(&case, &reference, Deviation::Register));
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn a_difference_says_where() {
    let case = Case::generate(3, TINY);
    let reference = trace(&case);
    let mut other = reference.clone();
    let completion = &mut other.episodes[0].completions[0].entry;
    completion.status ^= 1;
    let text = compare(&case, &reference, &other)
        .expect_err("they differ")
        .to_string();
    assert!(text.starts_with("seed 3, episode 0, command 0, "), "{text}");
}

/// A core that never answers.
struct Silent(Activity);

impl Core for Silent {
    fn read_register(&mut self, _: u32) -> u32 {
        0
    }
    fn write_register(&mut self, _: u32, _: u32) {}
    fn reset(&mut self) {}
    fn advance(&mut self, _: &mut dyn Host) -> Activity {
        self.0
    }
}

#[test]
fn cores_that_hang_are_reported() {
    let case = (0..).map(|seed| Case::generate(seed, TINY));
    let case = case
        .into_iter()
        .find(|c| c.episodes[0].ending == Ending::Reset)
        .expect("one");
    for activity in [Activity::Idle, Activity::Busy] {
        let stall = run(&mut Silent(activity), &case).expect_err("it hangs");
        assert_eq!(
            (stall.seed, stall.episode, stall.answered),
            (case.seed, 0, 0)
        );
    }
}

/// A program that succeeds may hold an instruction with any field, if it is skipped: seed 1318 has
/// one that would load 2^32 - 1 bytes ahead, and no next group.
#[test]
fn coverage_takes_any_length_of_an_instruction_that_is_skipped() {
    let case = Case::generate(1318, SMALL);
    let skipped = |i: &Transfer| i.flags == flag::NEXT_GROUP && i.row_bytes == u32::MAX;
    assert!(case.models.iter().any(|m| m.program.iter().any(skipped)));
    let trace = trace(&case);
    let mut coverage = Coverage::new();
    coverage.record(&case, &trace);
    assert!(coverage.missing().len() < Coverage::new().missing().len());
}
