//! `systole bench`: the benchmark from its arguments to its files.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use systole_driver::Device;
use systole_host::engine::BATCH_MAX;
use systole_host::model::{ModelError, Source};
use systole_host::{ImportError, Network};

use crate::cpu::{self, Cpu};
use crate::device;
use crate::link::Link;
use crate::machine::Machine;
use crate::measure::{Contender, ContenderError, Measured, Plan, measure};
use crate::onnx::{self, Onnx, OnnxError, OnnxRuntime, Setting};
use crate::overhead;
use crate::plot;
use crate::report::{
    Agreement, Kind, Measurement, Method, ModelSummary, NotAvailable, Report, Versions,
};

/// Names of the files.
const REPORT: &str = "bench.json";
const PLOT: &str = "bench.svg";

/// Measures how long batches take on the CPU backend and with ONNX Runtime, and simulates how
/// long they would take on the device.
///
/// Writes the report as bench.json and a plot as bench.svg, and prints a table.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Quantized model: .tflite, or .onnx in QDQ form.
    #[arg(long, value_name = "MODEL", default_value = "host/demo/digits.onnx")]
    pub model: PathBuf,
    /// The model for ONNX Runtime, where --model is another kind of file.
    #[arg(long, value_name = "MODEL.onnx")]
    pub onnx: Option<PathBuf>,
    /// ONNX Runtime's library; by default that of the virtual environment, .venv or SYSTOLE_VENV.
    #[arg(long, value_name = "LIBRARY")]
    pub onnxruntime: Option<PathBuf>,
    /// Batch sizes.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,16,64", value_parser = batch_size)]
    pub batch: Vec<usize>,
    /// Folder for the report and the plot; made if it doesn't exist.
    #[arg(long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Rounds in which everybody measured has a turn.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Time of one turn in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub turn: u16,
}

fn batch_size(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(size) if (1..=BATCH_MAX).contains(&size) => Ok(size),
        _ => Err(format!("a batch size is a number from 1 to {BATCH_MAX}")),
    }
}

/// An open device with its name on the command line.
#[derive(Clone, Debug)]
pub struct NamedDevice {
    /// The name, as in `sim:small`.
    pub name: String,
    /// The device.
    pub device: Device,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The model can't be used.
    #[error("cannot use the model {}: {source}", path.display())]
    Import {
        /// The model file.
        path: PathBuf,
        /// The cause.
        source: ImportError,
    },
    /// The model can't be computed.
    #[error("cannot compute {}: {source}", path.display())]
    Model {
        /// The model file.
        path: PathBuf,
        /// The cause.
        source: ModelError,
    },
    /// A file can't be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A device that was named gave no figures at all.
    #[error("the device {name} gave no figures: {reason}")]
    Device {
        /// Its name.
        name: String,
        /// The cause of the last failure.
        reason: String,
    },
}

/// Measures, simulates, writes the report and prints a table on standard output. ONNX Runtime may
/// be missing: then the report says so, and what to do.
///
/// # Errors
/// If the model can't be used, a file can't be written, or a device gives no figures; in the last
/// case the report is written all the same.
pub fn run(arguments: &Arguments, devices: &[NamedDevice]) -> Result<Report, BenchError> {
    let write_error = |path: &Path, error: &dyn std::fmt::Display| BenchError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    // Before the work, not after it.
    fs::create_dir_all(&arguments.output)
        .map_err(|error| write_error(&arguments.output, &error))?;
    let network = Network::load(&arguments.model).map_err(|source| BenchError::Import {
        path: arguments.model.clone(),
        source,
    })?;
    let network = Arc::new(network);
    let report = bench(arguments, &network, devices)?;

    let path = arguments.output.join(REPORT);
    let json =
        serde_json::to_string_pretty(&report).expect("numbers and strings always have a JSON form");
    fs::write(&path, json + "\n").map_err(|error| write_error(&path, &error))?;
    let path = arguments.output.join(PLOT);
    plot::draw(&report, &path).map_err(|error| write_error(&path, &error))?;
    print(&report.to_string())
        .map_err(|error| write_error(Path::new("standard output"), &error))?;

    for NamedDevice { name, .. } in devices {
        if !report.simulated.iter().any(|one| one.contender == *name) {
            let mut failures = report.not_available.iter();
            return Err(BenchError::Device {
                name: name.clone(),
                reason: failures
                    .rfind(|one| one.contender == *name)
                    .map_or_else(String::new, |one| one.reason.clone()),
            });
        }
    }
    Ok(report)
}

/// Prints to standard output; a reader that has gone has seen enough.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn bench(
    arguments: &Arguments,
    network: &Arc<Network>,
    devices: &[NamedDevice],
) -> Result<Report, BenchError> {
    let plan = Plan {
        rounds: arguments.rounds.into(),
        turn: Duration::from_millis(arguments.turn.into()),
    };
    let mut batches = arguments.batch.clone();
    batches.sort_unstable();
    batches.dedup();
    let mut report = Report {
        model: ModelSummary {
            name: network.name.clone(),
            file: arguments.model.display().to_string(),
            input_elements: network.input_elements(),
            output_elements: network.output_elements(),
            macs: network.macs(),
        },
        machine: Machine::detect(),
        versions: Versions {
            systole: env!("CARGO_PKG_VERSION"),
            onnxruntime: None,
        },
        method: Method {
            measured: "one call with the batch in memory, in the model's own element type, until its output is in memory",
            simulated: "clock cycles from doorbell to completion at the device's stated clock, and the link",
            rounds: plan.rounds,
            turn_ms: arguments.turn.into(),
        },
        link: Link::GEN2_X1,
        measured: Vec::new(),
        overhead: Vec::new(),
        simulated: Vec::new(),
        agreement: Vec::new(),
        not_available: Vec::new(),
    };
    let cpu = Cpu::new(network).map_err(|source| BenchError::Model {
        path: arguments.model.clone(),
        source,
    })?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(cpu)];
    let mut onnx_reference = None;
    match open_onnx(arguments, network) {
        Ok(onnx) => {
            contenders.extend(onnx.contenders);
            onnx_reference = Some(onnx.reference);
            report.versions.onnxruntime = Some(onnx.version);
        }
        Err(error) => report.not_available(onnx::NAME, None, &error),
    }
    let progress = progress(batches.len() * (plan.rounds + devices.len()) + plan.rounds);
    add_overhead(plan, &mut report, || progress.inc(1));
    for batch in batches {
        let rows = random_rows(batch * network.input_elements());
        let measured = measure(&mut contenders, &rows, batch, plan, || progress.inc(1));
        let reference = add_measured(measured, batch, &mut report);
        if let Some(onnx) = &mut onnx_reference {
            match compute_once(onnx, &rows, batch) {
                Ok(outputs) => report.compare(onnx.name(), batch, &reference, &outputs),
                Err(error) => report.not_available(onnx.name(), Some(batch), &error),
            }
        }
        for NamedDevice { name, device } in devices {
            progress.set_message(name.clone());
            let link = report.link;
            match device::simulate(name, device, network, &rows, batch, &link) {
                Ok(simulated) => {
                    report.compare(name, batch, &reference, &simulated.outputs);
                    report.simulated.push(simulated.simulation);
                }
                Err(error) => report.not_available(name, Some(batch), &error),
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(report)
}

/// ONNX Runtime, ready to take part.
struct OpenOnnx {
    contenders: [Box<dyn Contender>; 2],
    /// What the outputs are compared with; it is not measured.
    reference: Onnx,
    version: String,
}

fn open_onnx(arguments: &Arguments, network: &Network) -> Result<OpenOnnx, OnnxError> {
    let model = match &arguments.onnx {
        Some(path) => path,
        None if network.source == Source::Onnx => &arguments.model,
        None => return Err(OnnxError::NoModel),
    };
    let library = match &arguments.onnxruntime {
        Some(path) => path.clone(),
        None => {
            let environment = std::env::var_os("SYSTOLE_VENV").map(PathBuf::from);
            onnx::find_library(environment.as_deref())?
        }
    };
    let runtime = OnnxRuntime::load(&library)?;
    let open = |setting| runtime.session(model, network, setting);
    Ok(OpenOnnx {
        contenders: [
            Box::new(open(Setting::OneThread)?),
            Box::new(open(Setting::OwnThreads)?),
        ],
        reference: open(Setting::Unoptimized)?,
        version: runtime.version.clone(),
    })
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
    for one in measure(&mut contenders, &[], 1, plan, progress) {
        match one.result {
            Ok(measurement) => report.overhead.push(Measurement {
                contender: one.name,
                kind: Kind::Measured,
                batch: 1,
                timing: measurement.timing,
            }),
            Err(error) => report.not_available(&one.name, None, &error),
        }
    }
}

/// Moves figures into the report. Returns the CPU backend's outputs, which the others are
/// compared with.
fn add_measured(measured: Vec<Measured>, batch: usize, report: &mut Report) -> Vec<i8> {
    let mut reference = Vec::new();
    for one in measured {
        match one.result {
            Ok(measurement) => {
                if one.name == cpu::NAME {
                    reference = measurement.outputs;
                } else {
                    report.compare(&one.name, batch, &reference, &measurement.outputs);
                }
                report.measured.push(Measurement {
                    contender: one.name,
                    kind: Kind::Measured,
                    batch,
                    timing: measurement.timing,
                });
            }
            Err(error) => report.not_available(&one.name, Some(batch), &error),
        }
    }
    reference
}

impl Report {
    fn not_available(&mut self, contender: &str, batch: Option<usize>, reason: &impl ToString) {
        self.not_available.push(NotAvailable {
            contender: contender.to_owned(),
            batch,
            reason: reason.to_string(),
        });
    }

    fn compare(&mut self, contender: &str, batch: usize, reference: &[i8], outputs: &[i8]) {
        let differences = || {
            reference
                .iter()
                .zip(outputs)
                .map(|(one, other)| one.abs_diff(*other))
        };
        self.agreement.push(Agreement {
            contender: contender.to_owned(),
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

#[cfg(test)]
mod tests;
