//! What can go wrong, and what to do about it.

use std::path::{Path, PathBuf};

use crate::clock::NoClock;
use crate::passes::PlacementError;

/// Why there is no bitstream.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The configuration can't be emitted.
    #[error("{0}")]
    Emit(#[from] systole_hdl::emit::EmitError),
    /// No board has this name.
    #[error("no board is called `{0}`")]
    UnknownBoard(&'static str),
    /// There is no virtual environment.
    #[error(
        "no virtual environment with tools in {0}; `make setup` makes it in .venv, SYSTOLE_VENV or --venv name another"
    )]
    NoEnvironment(PathBuf),
    /// A tool isn't there.
    #[error("can't run {tool}: {source}; `make setup` installs it")]
    Tool {
        /// The program.
        tool: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tool didn't like its input.
    #[error("{step} failed; the end of its log {log}:\n{tail}")]
    Failed {
        /// What was being done.
        step: String,
        /// The log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A file can't be read or written.
    #[error("can't access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tool's output isn't as expected.
    #[error("{path} isn't what the pinned tools write: {reason}")]
    Output {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The PLL can't make the configuration's clock.
    #[error("{0}")]
    Clock(#[from] NoClock),
    /// The serial link can't make its baud rate from the clock.
    #[error("no serial link at {baud} baud from a clock of {clock_khz} kHz: {reason}")]
    Link {
        /// Bits per second.
        baud: u32,
        /// The design's clock in kHz.
        clock_khz: u32,
        /// Why not.
        reason: systole_hdl::link::timing::TimingError,
    },
    /// The report can't be drawn.
    #[error("can't draw {path}: {reason}")]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A module's ports don't fit the top.
    #[error("the top can't be written: {0}")]
    Ports(String),
    /// Cells can't be placed as asked.
    #[error("{0}")]
    Placement(#[from] PlacementError),
    /// The part is too small.
    #[error("{design} does not fit {part}: {shortage}; {advice}")]
    TooSmall {
        /// The design.
        design: String,
        /// The part.
        part: &'static str,
        /// Which resources, how many.
        shortage: String,
        /// What would do.
        advice: String,
    },
    /// A clock was missed.
    #[error(
        "the clock {clock} was missed: {achieved_mhz:.1} MHz of {wanted_mhz:.1} MHz, best of {seeds}; {path}; \
         try more seeds (--seeds {more}), a lower clock (--clock-mhz {lower}), or take it as it is \
         (--allow-missed-clock); everything is in {directory}"
    )]
    Missed {
        /// The clock.
        clock: String,
        /// What was reached.
        achieved_mhz: f64,
        /// What was asked for.
        wanted_mhz: f64,
        /// How many seeds were tried, in words.
        seeds: String,
        /// The slowest path, in words.
        path: String,
        /// More seeds than were tried.
        more: u32,
        /// A clock that was reached, in MHz.
        lower: u32,
        /// Where the files are.
        directory: PathBuf,
    },
}

impl FlowError {
    /// A file that can't be read or written.
    pub(crate) fn file(path: &Path, source: std::io::Error) -> FlowError {
        FlowError::File {
            path: path.to_owned(),
            source,
        }
    }

    /// Output of a tool that isn't as expected.
    pub(crate) fn output(path: &Path, reason: impl Into<String>) -> FlowError {
        FlowError::Output {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
