//! One case: bring-up, the fault, its documented answer, and the way on.

use std::ops::Range;

use systole_regs::Status;
use systole_regs::entries::{LoadEntry, RunEntry, Statistics, opcode};
use systole_regs::registers::{self, control};

use super::super::generate::scenario::{Scenario, Tenant};
use super::super::memory::Memory;
use super::super::random::Random;
use super::driver::{Driver, Expected, rings, trace_area};
use super::malformed::entry_status;
use super::plan::{Plan, Timeline};
use super::{Failure, Fault, Kind, Malformation, Phase, Struck};
use crate::core::Core;
use crate::model::FunctionalModel;
use crate::rtl::{BusTiming, Direction, RtlCore, RtlOptions};

/// A bus that answers later than a reset lasts.
const SLOW: BusTiming = BusTiming {
    latency: 260,
    jitter: 100,
    stall: 20,
};

/// Takes the RTL through a fault and past it. `None` if the random models of this seed give no
/// occasion for the fault.
///
/// # Errors
/// The first thing that is not as documented.
///
/// # Panics
/// If the RTL of the configuration is not linked in.
pub fn strike(fault: &Fault) -> Result<Option<Struck>, Failure> {
    let mut random = Random::new(fault.seed ^ 0x5eed_f417);
    match fault.malformation {
        Some(Malformation::Entry(name)) => malformed_entry(fault, name),
        Some(malformation) => malformed_instruction(fault, malformation),
        None => timed(fault, &mut random),
    }
}

/// The RTL on a bus with this seed's weather; every fourth on a steady one, and resets by software
/// on a slow one too.
fn rtl(fault: &Fault) -> RtlCore {
    let steady = fault.seed.is_multiple_of(4);
    // Answers that come long after the device could have been through with its reset.
    let slow = fault.kind == Kind::ControlReset && fault.seed % 4 == 1;
    let options = RtlOptions {
        seed: (!steady).then_some(fault.seed),
        state_seed: fault.state_seed,
        timing: slow.then_some(SLOW),
        ..RtlOptions::default()
    };
    RtlCore::new(fault.configuration, options).expect("the RTL is linked in")
}

/// What the functional model leaves after all commands of a scenario, without any fault.
struct Reference {
    memory: Memory,
    bystander: Statistics,
    victim: Statistics,
}

impl Reference {
    /// The bystander's run must cost what it costs without a fault.
    fn check_bystander(&self, statistics: Statistics) -> Result<(), Failure> {
        Failure::check("statistics of the bystander", self.bystander, statistics)
    }

    fn new(scenario: &Scenario) -> Result<Reference, Failure> {
        let mut driver = Driver::new(FunctionalModel::new(scenario.configuration), scenario);
        driver.set_up()?;
        let bystander = bring_up(&mut driver, &scenario.bystander)?;
        let victim = bring_up(&mut driver, &scenario.victim)?;
        Ok(Reference {
            memory: driver.host.memory,
            bystander,
            victim,
        })
    }
}

fn version(load: &RunEntry) -> u32 {
    bytemuck::cast_ref::<RunEntry, LoadEntry>(load).version
}

/// LOAD and RUN, which succeed.
fn bring_up<C: Core>(driver: &mut Driver<'_, C>, tenant: &Tenant) -> Result<Statistics, Failure> {
    driver.load(&tenant.load)?;
    driver.run(&tenant.run, &tenant.load)
}

/// Brings the bystander up, and the victim's model if the fault is in its run.
fn prepare<C: Core>(
    driver: &mut Driver<'_, C>,
    scenario: &Scenario,
    reference: &Reference,
    loaded: bool,
) -> Result<(), Failure> {
    driver.set_up()?;
    let statistics = bring_up(driver, &scenario.bystander)?;
    reference.check_bystander(statistics)?;
    if loaded {
        driver.load(&scenario.victim.load)?;
    }
    Ok(())
}

/// A fault on the bus or a reset, at a moment of a command.
fn timed(fault: &Fault, random: &mut Random) -> Result<Option<Struck>, Failure> {
    let (phase, kind) = (fault.phase, fault.kind);
    let suits = |model: &_| phase.suits(model);
    let scenario = Scenario::generate(fault.seed, fault.configuration, &suits, None);
    let reference = Reference::new(&scenario)?;
    let victim = &scenario.victim;
    let of_load = phase.is_of_load(fault.seed);
    let entry = if of_load {
        victim.load
    } else {
        victim.run.entry
    };

    let mut driver = Driver::new(rtl(fault), &scenario);
    prepare(&mut driver, &scenario, &reference, !of_load)?;
    let success = Expected::success(version(&victim.load));
    let timeline = Timeline::observe(&mut driver, victim, &entry, success, &scenario.queue)?;
    let Some(plan) = timeline.choose(phase, kind, random) else {
        return Ok(None);
    };

    let mut driver = Driver::new(rtl(fault), &scenario);
    prepare(&mut driver, &scenario, &reference, !of_load)?;
    if !of_load {
        driver.restore(&victim.run);
    }
    driver.submit(&entry);
    let mut struck = Struck {
        outstanding: 0,
        status: None,
        cycles: 0,
    };
    let status = match &plan {
        _ if plan.is_of(Direction::Read) => Status::DmaReadError,
        Plan::Hole(_) if phase.direction() == Some(Direction::Read) => Status::DmaReadError,
        _ => Status::DmaWriteError,
    };
    match plan {
        Plan::Reset(cycle) => {
            driver.core.advance_to(&mut driver.host, cycle);
            struck.outstanding = driver.core.outstanding();
            reset(&mut driver, kind)?;
            after_reset(&mut driver, &scenario, &reference, fault)?;
            struck.cycles = driver.core.cycles();
            return Ok(Some(struck));
        }
        Plan::Bus(faults) => {
            let planned = faults.len();
            for fault in faults {
                driver.core.inject(fault);
            }
            answer(&mut driver, phase, &entry, status, version(&victim.load))?;
            let left = driver.core.forgive();
            Failure::check("some fault has struck", true, left < planned)?;
        }
        Plan::Hole(hole) => {
            driver.host.hole = Some(hole);
            answer(&mut driver, phase, &entry, status, version(&victim.load))?;
            driver.host.hole = None;
        }
    }
    struck.status = Some(status);
    if phase.is_fatal() {
        let kinds = [Kind::ControlReset, Kind::FunctionReset];
        reset(&mut driver, random.pick(&kinds))?;
        after_reset(&mut driver, &scenario, &reference, fault)?;
    } else {
        go_on(&mut driver, &scenario, &reference, of_load)?;
    }
    struck.cycles = driver.core.cycles();
    Ok(Some(struck))
}

/// The answer to a command that meets an error on the bus.
fn answer(
    driver: &mut Driver<'_, RtlCore>,
    phase: Phase,
    entry: &RunEntry,
    status: Status,
    version: u32,
) -> Result<(), Failure> {
    if phase.is_fatal() {
        return driver.fatal(status);
    }
    // A slot is empty from the beginning of its LOAD until all of the image is there.
    let emptied = matches!(phase, Phase::Program | Phase::Parameters | Phase::Weights);
    let version = if emptied { 0 } else { version };
    driver.complete(entry, Expected { status, version })
}

/// A reset of this kind, and what it must leave.
fn reset(driver: &mut Driver<'_, RtlCore>, kind: Kind) -> Result<(), Failure> {
    match kind {
        Kind::ControlReset => {
            driver
                .core
                .write_register(registers::CONTROL, control::RESET);
            driver.wait_for_reset()?;
            // It waits for what is under way, so that no answer finds the device doing something else.
            Failure::check("bursts after the reset", 0, driver.core.outstanding())?;
        }
        Kind::LateResponses => driver.core.reset_with_late_responses(),
        _ => driver.core.reset(),
    }
    driver.check_reset()?;
    let before = driver.host.memory.clone();
    driver.settle()?;
    let wrote = before != driver.host.memory;
    Failure::check("a reset device writes", false, wrote)
}

/// Continues after an error that one command was answered with.
fn go_on(
    driver: &mut Driver<'_, RtlCore>,
    scenario: &Scenario,
    reference: &Reference,
    load: bool,
) -> Result<(), Failure> {
    let statistics = driver.run(&scenario.bystander.run, &scenario.bystander.load)?;
    reference.check_bystander(statistics)?;
    if load {
        driver.load(&scenario.victim.load)?;
    }
    run_victim(driver, scenario, reference)
}

/// Sets a device that was reset up again.
fn after_reset(
    driver: &mut Driver<'_, RtlCore>,
    scenario: &Scenario,
    reference: &Reference,
    fault: &Fault,
) -> Result<(), Failure> {
    driver.set_up()?;
    let empty = Expected {
        status: Status::SlotEmpty,
        version: 0,
    };
    driver.command(&scenario.victim.run.entry, empty)?;
    if fault.seed.is_multiple_of(3) {
        let statistics = bring_up(driver, &scenario.bystander)?;
        reference.check_bystander(statistics)?;
    }
    driver.load(&scenario.victim.load)?;
    run_victim(driver, scenario, reference)
}

/// Runs the victim; everything must then be as if nothing had happened.
fn run_victim(
    driver: &mut Driver<'_, RtlCore>,
    scenario: &Scenario,
    reference: &Reference,
) -> Result<(), Failure> {
    let statistics = driver.run(&scenario.victim.run, &scenario.victim.load)?;
    Failure::check("statistics of the victim", reference.victim, statistics)?;
    let left = undefined(scenario, &reference.memory);
    let right = undefined(scenario, &driver.host.memory);
    for (left, right) in left.regions().iter().zip(right.regions()) {
        let differs = |(a, b): (&u8, &u8)| a != b;
        if let Some(at) = left.bytes.iter().zip(&right.bytes).position(differs) {
            let what = format!("host memory at {:#x}", left.base + at as u64);
            Failure::check(what, left.bytes[at], right.bytes[at])?;
        }
    }
    Ok(())
}

/// A copy of host memory without what depends on time or on the number of commands: rings,
/// statistics, traces.
fn undefined(scenario: &Scenario, memory: &Memory) -> Memory {
    let mut memory = memory.clone();
    let mut blank = |area: Range<u64>| {
        memory
            .bytes_mut(area.start, (area.end - area.start) as usize)
            .expect("a scenario's memory is mapped")
            .fill(0);
    };
    rings(&scenario.queue).into_iter().for_each(&mut blank);
    for tenant in [&scenario.bystander, &scenario.victim] {
        for entry in [&tenant.load, &tenant.run.entry] {
            let statistics = size_of::<Statistics>() as u64;
            blank(entry.statistics_address..entry.statistics_address + statistics);
        }
        blank(trace_area(&tenant.run.entry));
    }
    memory
}

/// An entry that is refused.
fn malformed_entry(fault: &Fault, name: &'static str) -> Result<Option<Struck>, Failure> {
    // Regions that overlap need some.
    let suits = |model: &super::super::case::Model| {
        !model.parameters.is_empty() && !model.weights.is_empty()
    };
    let scenario = Scenario::generate(fault.seed, fault.configuration, &suits, None);
    let reference = Reference::new(&scenario)?;
    let bystander = &scenario.bystander.model;
    if bystander.parameters.is_empty() || bystander.weights.is_empty() {
        return Ok(None);
    }
    let mut driver = Driver::new(rtl(fault), &scenario);
    prepare(&mut driver, &scenario, &reference, true)?;
    let entry = scenario.bad_entry(name, fault.seed);
    let status = entry_status(name);
    let mut resident = match entry.slot {
        0 => version(&scenario.bystander.load),
        1 => version(&scenario.victim.load),
        _ => 0,
    };
    if status == Status::SlotEmpty {
        let unload = RunEntry {
            opcode: opcode::UNLOAD,
            slot: entry.slot,
            ..RunEntry::default()
        };
        driver.command(&unload, Expected::success(0))?;
        resident = 0;
    }
    let expected = Expected {
        status,
        version: resident,
    };
    driver.command(&entry, expected)?;
    go_on(
        &mut driver,
        &scenario,
        &reference,
        resident == 0 && entry.slot == 1,
    )?;
    Ok(Some(Struck {
        outstanding: 0,
        status: Some(status),
        cycles: driver.core.cycles(),
    }))
}

/// A model with an instruction that is refused.
fn malformed_instruction(
    fault: &Fault,
    malformation: Malformation,
) -> Result<Option<Struck>, Failure> {
    let spoil = |model: &mut _, configuration: &_, random: &mut _| {
        malformation.spoil(model, configuration, random)
    };
    let scenario = Scenario::generate(fault.seed, fault.configuration, &|_| true, Some(&spoil));
    let (_, load) = scenario.spoiled.as_ref().expect("it was asked for");
    let run = &scenario.victim.run.entry;
    let Some(status) = refused(&scenario, load, run)? else {
        return Ok(None);
    };
    let reference = Reference::new(&scenario)?;
    let mut driver = Driver::new(rtl(fault), &scenario);
    prepare(&mut driver, &scenario, &reference, false)?;
    driver.load(load)?;
    let expected = Expected {
        status,
        version: version(load),
    };
    driver.command(run, expected)?;
    go_on(&mut driver, &scenario, &reference, true)?;
    Ok(Some(Struck {
        outstanding: 0,
        status: Some(status),
        cycles: driver.core.cycles(),
    }))
}

/// The status with which the functional model refuses a run; `None` if the run is too short to come
/// to the instruction that is wrong.
fn refused(
    scenario: &Scenario,
    load: &RunEntry,
    run: &RunEntry,
) -> Result<Option<Status>, Failure> {
    for status in [
        Status::InvalidInstruction,
        Status::InstructionBounds,
        Status::ProgramOverrun,
    ] {
        let mut driver = Driver::new(FunctionalModel::new(scenario.configuration), scenario);
        driver.set_up()?;
        driver.load(load)?;
        let version = version(load);
        if driver.command(run, Expected { status, version }).is_ok() {
            return Ok(Some(status));
        }
    }
    Ok(None)
}
