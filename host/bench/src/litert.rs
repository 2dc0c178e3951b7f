//! LiteRT as a contender: the runtime of .tflite files, which computes with XNNPACK on processors.
//!
//! It is a Python package, so a Python process computes ([`SCRIPT`]). The process also reads the
//! clock: what the benchmark says to it and hears from it is in no figure.
//!
//! ```text
//!  prepare(rows) ------> rows in Python's memory
//!  turn(30 ms) --------> set, invoke, get; set, invoke, get; ...   each one timed
//!              <-------- nanoseconds of each
//! ```

mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use systole_host::Network;
use systole_host::signature::Datatype;

use crate::measure::{Contender, ContenderError};
use crate::rate::Served;
use crate::values::{for_runtime, from_bytes, from_runtime, network_of};
use process::{Message, Process, ProcessError};

/// Name in the report, without the number of threads.
pub(crate) const NAME: &str = "LiteRT";

/// What the Python process runs.
const SCRIPT: &str = include_str!("litert.py");

/// Longest wait for a library to be loaded, a batch to be prepared, or the last call of a turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why LiteRT can't take part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LitertError {
    #[error("it needs a .tflite file: name the model's with --tflite")]
    NoModel,
    #[error("there is no Python at {}; run `make setup`, or name one with --python", python.display())]
    NoPython { python: PathBuf },
    #[error(
        "{reason}; `{} -m pip install ai-edge-litert` installs it, or name another Python with --python",
        python.display()
    )]
    NotInstalled { python: PathBuf, reason: String },
    #[error("cannot use {}: {reason}", path.display())]
    Model { path: PathBuf, reason: String },
}

/// Who computes, and how long to wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    pub(crate) program: PathBuf,
    pub(crate) script: String,
    pub(crate) patience: Duration,
}

impl Python {
    /// A Python interpreter with the script that is built in.
    pub(crate) fn new(program: &Path) -> Python {
        Python {
            program: program.to_owned(),
            script: SCRIPT.to_owned(),
            patience: PATIENCE,
        }
    }

    /// The interpreter of a virtual environment; of the project's if none is named.
    pub(crate) fn of_environment(environment: Option<&Path>) -> Python {
        let folder = environment.unwrap_or(Path::new(crate::onnx::ENVIRONMENT));
        Python::new(&folder.join("bin/python"))
    }
}

/// What the process says about itself.
#[derive(Debug, Deserialize)]
struct Description {
    package: String,
    version: String,
    python: String,
    delegate: String,
    row: Vec<usize>,
    input: Datatype,
    output: Datatype,
}

/// The end of a turn under load.
#[derive(Debug, Deserialize)]
struct End {
    elapsed: u64,
}

/// A process with the model loaded.
pub(crate) struct Litert {
    name: String,
    process: Process,
    patience: Duration,
    network: Network,
    description: Description,
    /// Rows that are prepared.
    count: usize,
}

impl Litert {
    /// Starts a process that computes with this many threads.
    pub(crate) fn start(
        python: &Python,
        model: &Path,
        network: &Network,
        threads: usize,
    ) -> Result<Litert, LitertError> {
        let program = &python.program;
        // Without a folder in it, it is looked for where programs are.
        if program.components().count() > 1 && !program.exists() {
            return Err(LitertError::NoPython {
                python: program.clone(),
            });
        }
        let error = |error: ProcessError| match error {
            ProcessError::Refused {
                text,
                missing: true,
            } => LitertError::NotInstalled {
                python: program.clone(),
                reason: text,
            },
            other => LitertError::Model {
                path: model.to_owned(),
                reason: other.to_string(),
            },
        };
        let mut command = Command::new(program);
        command
            .args(["-c", &python.script])
            .arg(model)
            .arg(threads.to_string());
        let mut process = Process::start(&mut command).map_err(error)?;
        let description: Description = process
            .ask(Message::new("describe"), python.patience)
            .and_then(Message::parse)
            .map_err(error)?;
        let row: usize = description.row.iter().product();
        if row != network.input_elements() {
            return Err(LitertError::Model {
                path: model.to_owned(),
                reason: format!(
                    "a row of its input has {row} values, the model's has {}; is it the same model?",
                    network.input_elements()
                ),
            });
        }
        let threads = match threads {
            1 => "1 thread".to_owned(),
            many => format!("{many} threads"),
        };
        Ok(Litert {
            name: format!("{NAME}, {threads}"),
            process,
            patience: python.patience,
            network: network_of(model, network),
            description,
            count: 0,
        })
    }

    /// The package, and what computes.
    pub(crate) fn version(&self) -> String {
        let Description {
            package,
            version,
            python,
            delegate,
            ..
        } = &self.description;
        format!("{package} {version}, delegate: {delegate}, Python {python}")
    }

    fn ask(&mut self, request: Message, limit: Duration) -> Result<Message, ContenderError> {
        Ok(self
            .process
            .ask(request, limit.saturating_add(self.patience))?)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Contender for Litert {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, rows: &[i8], count: usize) -> Result<(), ContenderError> {
        let rows = for_runtime(&self.network, self.description.input, rows);
        let request = Message::new("prepare")
            .with("rows", count as u64)
            .with_data(rows.as_ref().to_vec());
        self.ask(request, Duration::ZERO)?;
        self.count = count;
        Ok(())
    }

    fn compute(&mut self) -> Result<(), ContenderError> {
        self.turn(Duration::ZERO).map(drop)
    }

    fn turn(&mut self, limit: Duration) -> Result<Vec<Duration>, ContenderError> {
        let request = Message::new("turn").with("nanoseconds", nanoseconds(limit));
        let times = self.ask(request, limit)?.times()?;
        if times.is_empty() {
            let what = "a turn without a call".into();
            return Err(ProcessError::Nonsense { what }.into());
        }
        Ok(times)
    }

    fn serve(&mut self, arrivals: &[Duration], bound: Duration) -> Result<Served, ContenderError> {
        let bytes = arrivals
            .iter()
            .flat_map(|&arrival| nanoseconds(arrival).to_ne_bytes());
        let request = Message::new("serve")
            .with("nanoseconds", nanoseconds(bound))
            .with_data(bytes.collect());
        let length = arrivals.last().copied().unwrap_or_default();
        let answer = self.ask(request, length.saturating_add(bound))?;
        let latencies = answer.times()?;
        let End { elapsed } = answer.parse()?;
        let Some(dropped) = arrivals.len().checked_sub(latencies.len()) else {
            let what = "more answers than requests".into();
            return Err(ProcessError::Nonsense { what }.into());
        };
        Ok(Served {
            latencies,
            elapsed: Duration::from_nanos(elapsed),
            dropped,
        })
    }

    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
        let bytes = self.ask(Message::new("outputs"), Duration::ZERO)?.data;
        let output = self.description.output;
        let expected = self.count * self.network.output_elements() * output.bytes();
        if bytes.len() != expected {
            let what = format!("{} bytes of outputs instead of {expected}", bytes.len());
            return Err(ProcessError::Nonsense { what }.into());
        }
        Ok(from_runtime(&self.network, from_bytes(output, bytes)))
    }
}

#[cfg(test)]
mod tests;
