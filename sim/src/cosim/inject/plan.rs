//! Choosing where a fault strikes, from what the same commands did without it.
//!
//! ```text
//!  first run:   --[fetch]--[rows]--[rows]--(compute....drain)--[rows]--[statistics]--[completion]
//!                            ^ beat 3 of this burst, or       ^ a reset in this cycle
//! ```
//!
//! Both runs are the same cycle by cycle up to the fault: what the bus does depends on its seed only.

use std::ops::Range;

use systole_regs::entries::{LoadEntry, RunEntry, TraceRecord, opcode};

use super::super::case::QueueSetup;
use super::super::generate::scenario::Tenant;
use super::super::random::Random;
use super::driver::{Driver, Expected, rings, trace_area};
use super::{Failure, Kind, Phase};
use crate::core::Core;
use crate::rtl::{Burst, BusFault, Direction, ErrorResponse, RtlCore};

/// Cycles by which the beginning of a command is known: a doorbell takes a few.
const SLACK: u64 = 4;

/// What to do, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The bus answers with errors.
    Bus(Vec<BusFault>),
    /// This memory is not mapped.
    Hole(Range<u64>),
    /// A reset in this cycle.
    Reset(u64),
}

/// What one command did on the bus and in the device.
pub(super) struct Timeline {
    areas: Vec<(Phase, Range<u64>)>,
    bursts: Vec<(Phase, Burst)>,
    /// Cycles of the command's computations, vectors and the rest apart.
    computations: Vec<(Phase, Range<u64>)>,
}

impl Timeline {
    /// Sends a command and watches it.
    pub fn observe(
        driver: &mut Driver<'_, RtlCore>,
        tenant: &Tenant,
        entry: &RunEntry,
        expected: Expected,
        queue: &QueueSetup,
    ) -> Result<Timeline, Failure> {
        let areas = areas(tenant, entry, queue);
        if entry.opcode == opcode::RUN {
            driver.restore(&tenant.run);
        }
        driver.core.record_bursts();
        driver.submit(entry);
        let begin = driver.core.cycles();
        driver.complete(entry, expected)?;
        let bursts = driver
            .core
            .take_bursts()
            .into_iter()
            .map(|burst| (owner(&areas, &burst), burst))
            .collect();
        let mut computations = Vec::new();
        for record in trace(driver, entry) {
            let instruction = &tenant.model.program[usize::from(record.instruction)];
            let (start, finish) = (u64::from(record.start), u64::from(record.finish));
            let drain = finish - u64::from(record.stall_drain);
            for phase in Phase::ALL {
                if !phase.is_computation(instruction) {
                    continue;
                }
                let cycles = if phase == Phase::Drain {
                    drain..finish
                } else {
                    start..drain
                };
                if cycles.end > cycles.start + 3 * SLACK {
                    let middle = cycles.start + SLACK..cycles.end - SLACK;
                    computations.push((phase, begin + middle.start..begin + middle.end));
                }
            }
        }
        Ok(Timeline {
            areas,
            bursts,
            computations,
        })
    }

    /// A fault of this kind in this phase; `None` if the command gives no occasion for it.
    pub fn choose(&self, phase: Phase, kind: Kind, random: &mut Random) -> Option<Plan> {
        let bursts: Vec<Burst> = self
            .bursts
            .iter()
            .filter(|(owner, _)| *owner == phase)
            .map(|(_, burst)| *burst)
            .collect();
        let response = random.pick(&[ErrorResponse::Slave, ErrorResponse::Decode]);
        let fault = |burst: &Burst, beats: u64| BusFault {
            direction: burst.direction,
            from: burst.index,
            address: burst.address,
            beats,
            response,
        };
        match kind {
            Kind::FirstBeat | Kind::MiddleBeat | Kind::LastBeat | Kind::SeveralBeats => {
                let least = match kind {
                    Kind::MiddleBeat => 3,
                    Kind::SeveralBeats => 2,
                    _ => 1,
                };
                let burst = pick(&bursts, |burst| burst.beats >= least, random)?;
                let last = burst.beats - 1;
                let beats = match kind {
                    Kind::FirstBeat => 1,
                    Kind::MiddleBeat => 1 << random.range(1, last - 1),
                    Kind::LastBeat => 1 << last,
                    _ => {
                        let first = random.range(0, last - 1);
                        1 << first | 1 << random.range(first + 1, last) | random.wide()
                    }
                };
                Some(Plan::Bus(vec![fault(&burst, beats)]))
            }
            Kind::Response => {
                let burst = pick(&bursts, |_| true, random)?;
                Some(Plan::Bus(vec![fault(&burst, 1)]))
            }
            Kind::SeveralBursts => {
                let first = random.range(0, bursts.len().checked_sub(2)?);
                let count = random.range(2, 4).min(bursts.len() - first);
                let faults = bursts[first..first + count]
                    .iter()
                    .map(|burst| BusFault {
                        from: bursts[first].index,
                        ..fault(burst, 1 << random.range(0, burst.beats - 1))
                    })
                    .collect();
                Some(Plan::Bus(faults))
            }
            Kind::Unmapped => {
                if self.reads_what_it_writes(phase) {
                    return None;
                }
                let burst = pick(&bursts, |_| true, random)?;
                let start = burst.address + 8 * random.range(0, burst.beats - 1) as u64;
                let (_, area) = self.areas.iter().find(|(owner, _)| *owner == phase)?;
                Some(Plan::Hole(start..area.end.max(start + 8)))
            }
            Kind::ControlReset | Kind::FunctionReset | Kind::LateResponses => {
                let cycles = match phase.direction() {
                    Some(_) => {
                        let burst = pick(&bursts, |burst| burst.begin < burst.end, random)?;
                        burst.begin..burst.end
                    }
                    None => {
                        let phases = self.computations.iter();
                        let cycles: Vec<_> = phases
                            .filter(|(owner, _)| *owner == phase)
                            .map(|(_, cycles)| cycles.clone())
                            .collect();
                        let index = random.range(0, cycles.len().checked_sub(1)?);
                        cycles[index].clone()
                    }
                };
                let length = (cycles.end - cycles.start) as usize;
                Some(Plan::Reset(
                    cycles.start + random.range(0, length - 1) as u64,
                ))
            }
            Kind::Malformed => None,
        }
    }

    /// Whether memory that is missing in this phase is missing in its counterpart too: which of
    /// the two errors is reported is a matter of time then.
    fn reads_what_it_writes(&self, phase: Phase) -> bool {
        let counterpart = match phase {
            Phase::LoadWorkspace => Phase::StoreWorkspace,
            Phase::StoreWorkspace => Phase::LoadWorkspace,
            _ => return false,
        };
        self.bursts.iter().any(|(owner, _)| *owner == counterpart)
    }
}

fn pick(bursts: &[Burst], suits: impl Fn(&Burst) -> bool, random: &mut Random) -> Option<Burst> {
    let bursts: Vec<Burst> = bursts.iter().copied().filter(suits).collect();
    let last = bursts.len().checked_sub(1)?;
    Some(bursts[random.range(0, last)])
}

/// Host memory that a command touches, and in which phase.
fn areas(tenant: &Tenant, entry: &RunEntry, queue: &QueueSetup) -> Vec<(Phase, Range<u64>)> {
    let [submission, completion] = rings(queue);
    let mut areas = vec![
        (Phase::Fetch, submission),
        (Phase::Completion, completion),
        (Phase::Statistics, area(entry.statistics_address, 64)),
    ];
    let model = &tenant.model;
    if entry.opcode == opcode::LOAD {
        let load: &LoadEntry = bytemuck::cast_ref(entry);
        let mut address = load.image_address;
        let sections = [
            (Phase::Program, size_of_val(model.program.as_slice())),
            (Phase::Parameters, size_of_val(model.parameters.as_slice())),
            (Phase::Weights, model.weights.len()),
        ];
        for (phase, bytes) in sections {
            areas.push((phase, area(address, bytes)));
            address += bytes as u64;
        }
        return areas;
    }
    let rows = (entry.rows as usize - 1) * entry.input_stride as usize;
    areas.push((
        Phase::Input,
        area(entry.input_address, rows + model.input_bytes),
    ));
    areas.push((
        Phase::Stream,
        area(model.stream_address, model.stream.len()),
    ));
    if let Some((address, bytes)) = tenant.run.workspace {
        areas.push((Phase::LoadWorkspace, area(address, bytes)));
        areas.push((Phase::StoreWorkspace, area(address, bytes)));
    }
    if let Some((address, bytes)) = tenant.run.output {
        areas.push((Phase::Output, area(address, bytes)));
    }
    areas.push((Phase::Trace, trace_area(entry)));
    areas
}

fn area(address: u64, bytes: usize) -> Range<u64> {
    address..address + bytes as u64
}

/// The phase that a burst belongs to.
fn owner(areas: &[(Phase, Range<u64>)], burst: &Burst) -> Phase {
    areas
        .iter()
        .find(|(phase, area)| {
            phase.direction() == Some(burst.direction) && area.contains(&burst.address)
        })
        .map(|(phase, _)| *phase)
        .unwrap_or_else(|| panic!("{burst:?} touches nothing of the command"))
}

/// The records of a run's computations.
fn trace<C: Core>(driver: &Driver<'_, C>, entry: &RunEntry) -> Vec<TraceRecord> {
    if entry.opcode != opcode::RUN {
        return Vec::new();
    }
    let area = trace_area(entry);
    let bytes = driver
        .host
        .memory
        .bytes(area.start, (area.end - area.start) as usize)
        .expect("a scenario's memory is mapped");
    bytes
        .chunks_exact(size_of::<TraceRecord>())
        .map(bytemuck::pod_read_unaligned::<TraceRecord>)
        // The driver had zeroed the rest.
        .take_while(|record| record.finish > 0)
        .filter(|record| record.stall_drain > 0)
        .collect()
}

/// Whether the plan has bursts of this direction fail.
impl Plan {
    pub fn is_of(&self, direction: Direction) -> bool {
        matches!(self, Plan::Bus(faults) if faults.iter().all(|f| f.direction == direction))
    }
}
