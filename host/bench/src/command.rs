//! `systole bench`: the benchmark from its arguments to its files.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use systole_driver::Device;
use systole_host::engine::BATCH_MAX;
use systole_host::model::ModelError;
use systole_host::{ImportError, Network};

use crate::comparison;
use crate::criterion::CriterionError;
use crate::energy;
use crate::html;
use crate::report::Report;
use crate::samples;

/// Names of the files.
const PAGE: &str = "bench.html";
const REPORT: &str = "bench.json";
const SAMPLES: &str = "samples.csv";

/// Measures how long batches take on the CPU backend, with ONNX Runtime and with LiteRT, and how long
/// requests wait that arrive at a rate; simulates both for the device.
///
/// Writes the report as bench.html with plots, and as bench.json; single calls as samples.csv; and
/// prints a table.
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
    /// The model for LiteRT, where --model is another kind of file.
    #[arg(long, value_name = "MODEL.tflite")]
    pub tflite: Option<PathBuf>,
    /// Python with the package ai-edge-litert; by default that of the virtual environment, .venv or
    /// SYSTOLE_VENV.
    #[arg(long, value_name = "PROGRAM")]
    pub python: Option<PathBuf>,
    /// Batch sizes.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,16,64", value_parser = batch_size)]
    pub batch: Vec<usize>,
    /// Rates in rows a second, at which requests of one row arrive; by default 20, 50 and 80 % of what
    /// the slowest computes row by row, and 50 % of what the fastest does.
    #[arg(long, value_name = "R,R,...", value_delimiter = ',', value_parser = rate)]
    pub rate: Vec<f64>,
    /// Folder of criterion's results, such as target/criterion, to be shown in the report.
    #[arg(long, value_name = "FOLDER")]
    pub criterion: Option<PathBuf>,
    /// Folder for the report; made if it doesn't exist.
    #[arg(long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Rounds in which everybody measured has a turn.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Time of one turn in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub turn: u16,
    /// Time of one turn at a rate, in milliseconds; there is one in every third round.
    #[arg(long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..))]
    pub rate_turn: u16,
}

fn batch_size(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(size) if (1..=BATCH_MAX).contains(&size) => Ok(size),
        _ => Err(format!("a batch size is a number from 1 to {BATCH_MAX}")),
    }
}

/// Rates that can be given, in rows a second. More would be arrivals by the million in a turn.
const RATES: std::ops::RangeInclusive<f64> = 1.0..=1e7;

fn rate(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(rate) if RATES.contains(&rate) => Ok(rate),
        _ => Err(format!(
            "a rate is a number of rows a second, from {} to {}",
            RATES.start(),
            RATES.end()
        )),
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
    /// There are no results of criterion.
    #[error(transparent)]
    Criterion(#[from] CriterionError),
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

/// Measures, simulates, writes the report and prints a table on standard output. ONNX Runtime and
/// LiteRT may be missing: then the report says so, and what to do.
///
/// # Errors
/// If the model can't be used, a file can't be written, or a device gives no figures; in the last
/// case the report is written all the same.
pub fn run(arguments: &Arguments, devices: &[NamedDevice]) -> Result<Report, BenchError> {
    // Before the work, not after it.
    fs::create_dir_all(&arguments.output).map_err(write_error(&arguments.output))?;
    let network = Network::load(&arguments.model).map_err(|source| BenchError::Import {
        path: arguments.model.clone(),
        source,
    })?;
    let network = Arc::new(network);
    let powercap = Path::new(energy::POWERCAP);
    let report = comparison::compare(arguments, &network, devices, powercap)?;
    write(&report, &arguments.output)?;
    print(&report.to_string()).map_err(write_error(Path::new("standard output")))?;

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

fn write_error<E: ToString>(path: &Path) -> impl Fn(E) -> BenchError {
    move |error| BenchError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Writes the files of a report.
fn write(report: &Report, folder: &Path) -> Result<(), BenchError> {
    let path = folder.join(REPORT);
    let json =
        serde_json::to_string_pretty(report).expect("numbers and strings always have a JSON form");
    fs::write(&path, json + "\n").map_err(write_error(&path))?;
    let path = folder.join(SAMPLES);
    let file = File::create(&path).map_err(write_error(&path))?;
    samples::write(report, BufWriter::new(file)).map_err(write_error(&path))?;
    let path = folder.join(PAGE);
    let page = html::page(report).map_err(write_error(&path))?;
    fs::write(&path, page).map_err(write_error(&path))
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

#[cfg(test)]
mod tests;
