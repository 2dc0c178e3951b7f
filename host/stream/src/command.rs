//! `systole stream`: the service between files, or standard input and output.
//!
//! ```text
//!  events.ndjson or standard input --> service --> predictions.ndjson or standard output
//!                                         |
//!                                         +------> summary on standard error, --stats as JSON
//! ```

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use systole_host::Network;

use crate::predictor::Predictor;
use crate::service::{Service, StreamError, StreamOptions};
use crate::stop::Stop;
use crate::summary::{Array, Summary};

/// Answers a stream of events with predictions, in order.
///
/// Each line of the input is a JSON object {"id": string or number, "row": [number, ...]}, and is
/// answered by one line {"id", "output", "argmax", "latency_us", "model_version"}, or {"line",
/// "id", "error"} if it is malformed. SIGTERM, SIGINT and the end of the input end the service
/// after everything that was read has been answered.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Quantized model: .tflite, or .onnx in QDQ form.
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Events; standard input by default.
    #[arg(long, value_name = "EVENTS.ndjson")]
    pub input: Option<PathBuf>,
    /// Predictions; standard output by default.
    #[arg(long, value_name = "PREDICTIONS.ndjson")]
    pub output: Option<PathBuf>,
    /// Events that are computed together, at most.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_batch: u16,
    /// Time that an event may wait for others, in milliseconds or with a unit: 500us, 2ms, 1s.
    #[arg(long, value_name = "TIME", default_value = "2ms", value_parser = duration)]
    pub max_wait: Duration,
    /// Batches that are being computed or written, at most.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..))]
    pub in_flight: u16,
    /// Bytes of a line, at most; by default what a row of the model can need.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_line: Option<u32>,
    /// Rows and predictions are the model's integers, where an event doesn't say "quantized".
    #[arg(long)]
    pub quantized: bool,
    /// Print the summary as one JSON object: on standard output if --output is given, else on
    /// standard error.
    #[arg(long)]
    pub stats: bool,
    /// Write the summary as one JSON object to this file.
    #[arg(long, value_name = "STATS.json")]
    pub stats_file: Option<PathBuf>,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A file can't be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file can't be created or written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Writing the predictions would destroy the events.
    #[error("{} is the input too; write the predictions to another file", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// The process lacks standard input or output, or the means to watch signals.
    #[error("cannot prepare the stream: {0}")]
    Setup(#[source] io::Error),
    /// The service ended early.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// A time in milliseconds, or with a unit.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(milliseconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(milliseconds / 1e3).map_err(|error| error.to_string());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

impl Arguments {
    /// The options of the service for a model.
    pub fn options(&self, network: &Network) -> StreamOptions {
        let mut options = StreamOptions::new(network);
        options.batch_rows = self.max_batch.into();
        options.batch_wait = self.max_wait;
        options.in_flight = self.in_flight.into();
        options.quantized = self.quantized;
        if let Some(bytes) = self.max_line {
            options.line_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        options
    }
}

/// Runs the service until the input ends or SIGTERM or SIGINT arrives, and prints its summary.
///
/// `device` is the device's name for the summary, `array` what its cycles are relative to. That
/// nobody reads the output any more is no error.
///
/// # Errors
/// If a file can't be used, or the service ended early: then the answers that could be written
/// have been, and the summary is printed too.
pub fn run<P: Predictor>(
    arguments: &Arguments,
    network: &Network,
    predictor: &P,
    array: Option<Array>,
    device: &str,
) -> Result<(), CommandError> {
    let input = open_input(arguments.input.as_deref())?;
    let output = open_output(arguments.output.as_deref(), &input)?;
    let mut stop = Stop::new().map_err(CommandError::Setup)?;
    stop.watch(&[SIGTERM, SIGINT])
        .map_err(CommandError::Setup)?;
    let progress = progress(arguments, &input, &output);

    let service = Service {
        network,
        predictor,
        array,
        options: arguments.options(network),
    };
    let outcome = service.run(input, output, &stop, &|bytes| progress.inc(bytes));
    progress.finish_and_clear();

    let stats = Stats {
        model: &network.name,
        device,
        batch: arguments.max_batch,
        max_wait_us: arguments.max_wait.as_micros(),
        summary: &outcome.summary,
    };
    report(arguments, &stats)?;
    outcome.error.map_or(Ok(()), |error| Err(error.into()))
}

/// The summary with what it is about.
#[derive(Serialize)]
struct Stats<'s> {
    model: &'s str,
    device: &'s str,
    batch: u16,
    max_wait_us: u128,
    #[serde(flatten)]
    summary: &'s Summary,
}

fn report(arguments: &Arguments, stats: &Stats<'_>) -> Result<(), CommandError> {
    // Standard error may be closed: then there is nobody to tell, and no reason to fail.
    let _ = writeln!(io::stderr(), "{}", stats.summary);
    let json = || serde_json::to_string(stats).expect("numbers and strings have a JSON form");
    if arguments.stats && arguments.output.is_none() {
        let _ = writeln!(io::stderr(), "{}", json());
    } else if arguments.stats {
        match writeln!(io::stdout(), "{}", json()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(CommandError::Setup(error));
            }
            _ => {}
        }
    }
    if let Some(path) = &arguments.stats_file {
        std::fs::write(path, json() + "\n").map_err(|source| CommandError::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

fn open_input(path: Option<&Path>) -> Result<File, CommandError> {
    match path {
        Some(path) => File::open(path).map_err(|source| CommandError::Open {
            path: path.to_owned(),
            source,
        }),
        None => unbuffered(io::stdin().as_fd()),
    }
}

fn open_output(path: Option<&Path>, input: &File) -> Result<File, CommandError> {
    let Some(path) = path else {
        return unbuffered(io::stdout().as_fd());
    };
    let identity = |metadata: io::Result<std::fs::Metadata>| {
        let metadata = metadata.ok().filter(|metadata| metadata.is_file())?;
        Some((metadata.dev(), metadata.ino()))
    };
    let existing = identity(std::fs::metadata(path));
    if existing.is_some() && existing == identity(input.metadata()) {
        return Err(CommandError::SameFile {
            path: path.to_owned(),
        });
    }
    File::create(path).map_err(|source| CommandError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Standard input or output without the buffer of the standard library: waiting for the file
/// descriptor would not see what the buffer holds.
fn unbuffered(file: BorrowedFd<'_>) -> Result<File, CommandError> {
    let owned = file.try_clone_to_owned().map_err(CommandError::Setup)?;
    Ok(File::from(owned))
}

/// Progress through the input, if it is a file and a person watches; predictions on the same
/// terminal are progress enough.
fn progress(arguments: &Arguments, input: &File, output: &File) -> ProgressBar {
    let bytes = match input.metadata() {
        Ok(metadata) if metadata.is_file() && arguments.input.is_some() => metadata.len(),
        _ => return ProgressBar::hidden(),
    };
    if !io::stderr().is_terminal() || output.is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "events {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    )
    .expect("the template is well-formed");
    ProgressBar::new(bytes).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_or_have_a_unit() {
        for (text, microseconds) in [
            ("0", 0),
            ("5", 5000),
            ("0.25", 250),
            ("500us", 500),
            ("2ms", 2000),
            ("1s", 1_000_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_micros(microseconds)),
                "{text}"
            );
        }
        for text in ["", "-1", "soon", "NaN", "1e300"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
