//! The benchmark itself: from a network to the figures of the report.
//!
//! ```text
//!  for each batch size:  all contenders in turns --> measured   --+
//!                        each device, a few commands --> simulated --+--> report
//!  for each rate:        all contenders in turns --> measured   --+  |
//!                        each device's batch times, a queue --> simulated --+
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use systole_host::Network;

use crate::command::{Arguments, BenchError, NamedDevice};
use crate::contenders::Contenders;
use crate::cpu;
use crate::criterion;
use crate::device;
use crate::energy::Meter;
use crate::load;
use crate::measure::{Batches, Contender, ContenderError, Measured, Plan, measure};
use crate::overhead;
use crate::provenance;
use crate::report::{Agreement, Kind, Measurement, NotAvailable, Report};

/// Measures and simulates. `powercap` is where the counters of energy are.
pub(crate) fn compare(
    arguments: &Arguments,
    network: &Arc<Network>,
    devices: &[NamedDevice],
    powercap: &Path,
) -> Result<Report, BenchError> {
    let plan = Plan {
        rounds: arguments.rounds.into(),
        turn: Duration::from_millis(arguments.turn.into()),
    };
    let mut batches = arguments.batch.clone();
    batches.sort_unstable();
    batches.dedup();
    let meter = Meter::open(powercap);
    let mut report = provenance::empty_report(arguments, network, &meter);
    let meter = meter.ok();
    if let Some(folder) = &arguments.criterion {
        report.criterion = criterion::estimates(folder)?;
    }
    let mut contenders = Contenders::open(arguments, network, &mut report)?;
    let progress = progress(batches.len() * (plan.rounds + devices.len()) + plan.rounds);
    add_overhead(plan, &mut report, || progress.inc(1));
    for &batch in &batches {
        let rows = random_rows(batch * network.input_elements());
        let all = &mut contenders.batches;
        let measured = measure(all, &rows, batch, plan, meter.as_ref(), || progress.inc(1));
        let reference = add_measured(measured, batch, &mut report);
        if let Some(onnx) = &mut contenders.onnx_reference {
            match compute_once(onnx, &rows, batch) {
                Ok(outputs) => {
                    report.compare(onnx.name(), Kind::Measured, batch, &reference, &outputs)
                }
                Err(error) => report.not_available(onnx.name(), Some(batch), &error),
            }
        }
        for NamedDevice { name, device } in devices {
            progress.set_message(name.clone());
            let link = report.link;
            match device::simulate(name, device, network, &rows, batch, &link) {
                Ok(simulated) => {
                    report.compare(name, Kind::Simulated, batch, &reference, &simulated.outputs);
                    report.simulated.push(simulated.simulation);
                }
                Err(error) => report.not_available(name, Some(batch), &error),
            }
            progress.inc(1);
        }
    }
    progress.set_message("latency at given rates");
    let most_rows = batches.last().copied().unwrap_or(1);
    let mut serving = contenders.serving(network, most_rows, &mut report);
    let row = random_rows(network.input_elements());
    load::add_rates(
        arguments,
        &mut serving,
        &row,
        meter.as_ref(),
        &mut report,
        &progress,
    );
    progress.finish_and_clear();
    Ok(report)
}

fn compute_once(
    contender: &mut impl Contender,
    rows: &[i8],
    count: usize,
) -> Result<Vec<i8>, ContenderError> {
    contender.prepare(rows, count)?;
    contender.compute()?;
    contender.outputs()
}

/// Measures what the driver adds, all in the same rounds.
fn add_overhead(plan: Plan, report: &mut Report, progress: impl FnMut()) {
    let mut contenders = Vec::new();
    for (name, contender) in overhead::contenders() {
        match contender {
            Ok(contender) => contenders.push(contender),
            Err(error) => report.not_available(name, None, &error),
        }
    }
    for one in measure(&mut contenders, &[], 1, plan, None, progress) {
        match one.result {
            Ok(batches) => report.overhead.push(measurement(one.name, 1, batches)),
            Err(error) => report.not_available(&one.name, None, &error),
        }
    }
}

/// Moves figures into the report. Returns the CPU backend's outputs, which the others are
/// compared with.
fn add_measured(measured: Vec<Measured<Batches>>, batch: usize, report: &mut Report) -> Vec<i8> {
    let mut reference = Vec::new();
    for one in measured {
        match one.result {
            Ok(mut batches) => {
                let outputs = std::mem::take(&mut batches.outputs);
                if one.name == cpu::NAME {
                    reference = outputs;
                } else {
                    report.compare(&one.name, Kind::Measured, batch, &reference, &outputs);
                }
                report.measured.push(measurement(one.name, batch, batches));
            }
            Err(error) => report.not_available(&one.name, Some(batch), &error),
        }
    }
    reference
}

fn measurement(contender: String, batch: usize, batches: Batches) -> Measurement {
    let time: Duration = batches.rounds.iter().flatten().sum();
    let rows = batches.timing.calls * batch;
    Measurement {
        contender,
        kind: Kind::Measured,
        batch,
        timing: batches.timing,
        // A clock that is too coarse for a call shows no time at all.
        rows_per_second: rows as f64 / time.as_secs_f64().max(1e-9),
        energy: batches.energy,
        rounds: batches.rounds,
    }
}

impl Report {
    pub(crate) fn not_available(
        &mut self,
        contender: &str,
        batch: Option<usize>,
        reason: &impl ToString,
    ) {
        self.not_available.push(NotAvailable {
            contender: contender.to_owned(),
            batch,
            reason: reason.to_string(),
        });
    }

    fn compare(
        &mut self,
        contender: &str,
        kind: Kind,
        batch: usize,
        reference: &[i8],
        outputs: &[i8],
    ) {
        let differences = || {
            reference
                .iter()
                .zip(outputs)
                .map(|(one, other)| one.abs_diff(*other))
        };
        self.agreement.push(Agreement {
            contender: contender.to_owned(),
            kind,
            batch,
            values: reference.len(),
            differing: differences().filter(|&difference| difference > 0).count()
                + reference.len().abs_diff(outputs.len()),
            greatest_difference: differences().max().unwrap_or(0),
        });
    }
}

/// Values over the whole range of int8, the same each time.
fn random_rows(count: usize) -> Vec<i8> {
    let mut state = 0x853c_49e6_748f_ea9b_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8 as i8
    };
    (0..count).map(|_| next()).collect()
}

fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}")
        .expect("the template is well-formed");
    ProgressBar::new(steps as u64).with_style(style)
}
