//! The report: everything that was measured or simulated. Its fields are those of bench.json.

mod figures;
mod table;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::criterion::Estimate;

use crate::link::Link;
use crate::machine::Machine;

pub(crate) use figures::Figure;

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A clock on the wall.
    Measured,
    /// Cycles of a simulated device at its stated clock, and a model of the link.
    Simulated,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Kind::Measured => "measured",
            Kind::Simulated => "simulated",
        })
    }
}

/// Times of computing a batch, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// Median of the rounds' medians.
    pub median_us: f64,
    /// Shortest call.
    pub minimum_us: f64,
    /// 10 of 100 calls are at most this long.
    pub p10_us: f64,
    /// 90 of 100 calls are at most this long.
    pub p90_us: f64,
    /// 99 of 100 calls are at most this long.
    pub p99_us: f64,
    /// Longest call.
    pub maximum_us: f64,
    /// Number of calls.
    pub calls: usize,
    /// Median of each round, in the order of the rounds.
    pub round_medians_us: Vec<f64>,
    /// 0, 1, 2, ... 100 of 100 calls are at most this long.
    pub percentiles_us: Vec<f64>,
}

/// Energy of the machine's processor packages while a contender had its turns: what others on the
/// machine, and the packages' idling, use is in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Energy {
    /// All of it, in joules.
    pub joules: f64,
    /// Time of the turns, in seconds.
    pub seconds: f64,
    /// Joules for 1,000 rows.
    pub joules_per_1000_rows: f64,
    /// Mean power in watts.
    pub watts: f64,
}

/// Where figures of energy come from.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EnergySource {
    /// Processor packages whose counters are read; none if there are no figures.
    pub packages: Vec<String>,
    /// Why there are no figures.
    pub reason: Option<String>,
    /// What the figures mean.
    pub meaning: &'static str,
    /// What is known about the device's energy.
    pub device: &'static str,
}

/// How long a contender takes for a batch.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Measurement {
    /// Who computed.
    pub contender: String,
    /// Always [`Kind::Measured`].
    pub kind: Kind,
    /// Rows of the batch.
    pub batch: usize,
    /// Times of the batch.
    #[serde(flatten)]
    pub timing: Timing,
    /// Rows in a second, one batch after the other.
    pub rows_per_second: f64,
    /// Energy, if the machine reports it.
    pub energy: Option<Energy>,
    /// Calls of each round; they are written to a file of their own.
    #[serde(skip)]
    pub rounds: Vec<Vec<Duration>>,
}

/// Latency of requests that arrive at a given rate, measured or simulated.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RateFigure {
    /// Who computed.
    pub contender: String,
    /// Where the figures come from.
    pub kind: Kind,
    /// Requests of one row that arrive in a second, on average.
    pub rate: f64,
    /// Whether answers kept up.
    pub held: bool,
    /// Answers in a second.
    pub reached: f64,
    /// Requests that were refused, or given up because they had waited too long.
    pub dropped: usize,
    /// Latencies, from a request's planned arrival; only if the rate was held.
    pub latency: Option<Timing>,
    /// Energy, if it was measured and the machine reports it.
    pub energy: Option<Energy>,
    /// Latencies of each round; they are written to a file of their own.
    #[serde(skip)]
    pub rounds: Vec<Vec<Duration>>,
}

/// How long a device would take for a batch.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Simulation {
    /// Name of the device.
    pub contender: String,
    /// Always [`Kind::Simulated`].
    pub kind: Kind,
    /// Rows of the batch, one command.
    pub batch: usize,
    /// Median of the commands: cycles at the clock, and the link; in microseconds.
    pub median_us: f64,
    /// Part of it that the link adds.
    pub link_us: f64,
    /// Rows in a second, one batch after the other.
    pub rows_per_second: f64,
    /// Clock cycles of each command, from doorbell to completion.
    pub cycles: Vec<u64>,
    /// Clock that the device states, in kHz.
    pub clock_khz: u32,
    /// Multiplications that the network needs for the batch, without padding.
    pub macs: u64,
    /// Processing elements of the array.
    pub elements: u64,
    /// `macs / (elements * cycles)`, with the median of the cycles.
    pub utilization: f64,
    /// Bytes of rows that cross the link.
    pub row_bytes: u64,
}

/// How a contender's outputs compare with the CPU backend's, on the same random rows. LiteRT's
/// kernels round otherwise than the reference, by a step. ONNX
/// Runtime is compared with its optimizations, as it is measured, and without: the optimized
/// kernels saturate sums on x86 processors that lack VNNI, which makes them differ by many steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Who computed.
    pub contender: String,
    /// Whether a simulated device did.
    pub kind: Kind,
    /// Rows of the batch.
    pub batch: usize,
    /// Output values compared.
    pub values: usize,
    /// Values that differ.
    pub differing: usize,
    /// Greatest difference, in steps of the output's quantization.
    pub greatest_difference: u8,
}

/// Somebody who could not take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotAvailable {
    /// Who.
    pub contender: String,
    /// Rows of the batch, if others worked.
    pub batch: Option<usize>,
    /// Why, and what to do.
    pub reason: String,
}

/// The model that was computed.
#[derive(Clone, Debug, Serialize)]
pub struct ModelSummary {
    /// Its name.
    pub name: String,
    /// File that it came from.
    pub file: String,
    /// Values of an input row.
    pub input_elements: usize,
    /// Values of an output row.
    pub output_elements: usize,
    /// Multiplications for one row.
    pub macs: u64,
}

/// Versions of what computed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Versions {
    /// Systole.
    pub systole: &'static str,
    /// ONNX Runtime's library and its description of its build, if it took part.
    pub onnxruntime: Option<String>,
    /// LiteRT's package, what it computes with, and the Python that it runs in, if it took part.
    pub litert: Option<String>,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Method {
    /// What is timed.
    pub measured: &'static str,
    /// What is timed of a contender in another process.
    pub litert: &'static str,
    /// How a simulated latency comes about.
    pub simulated: &'static str,
    /// What is timed at a given rate.
    pub rate_measured: &'static str,
    /// How latencies at a given rate are simulated.
    pub rate_simulated: &'static str,
    /// When a rate is held.
    pub rate_held: &'static str,
    /// Rounds in which the contenders took turns.
    pub rounds: usize,
    /// Time of one turn in milliseconds.
    pub turn_ms: u64,
    /// Rounds at each rate.
    pub rate_rounds: usize,
    /// Time of one turn at a rate, in milliseconds.
    pub rate_turn_ms: u64,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Command line that makes such a report.
    pub command: String,
    /// When it was begun, in UTC.
    pub begun: String,
    /// The model.
    pub model: ModelSummary,
    /// The machine of the measured figures.
    pub machine: Machine,
    /// Versions.
    pub versions: Versions,
    /// How it was measured.
    pub method: Method,
    /// The link of the simulated figures.
    pub link: Link,
    /// Measured figures.
    pub measured: Vec<Measurement>,
    /// A command from submission to completion, without a device's time, and what to compare it with.
    pub overhead: Vec<Measurement>,
    /// Simulated figures.
    pub simulated: Vec<Simulation>,
    /// Latencies at given rates.
    pub rates: Vec<RateFigure>,
    /// Where figures of energy come from.
    pub energy: EnergySource,
    /// Inner parts, as criterion measured them.
    pub criterion: Vec<Estimate>,
    /// Whether all computed the same.
    pub agreement: Vec<Agreement>,
    /// Who could not take part, and why.
    pub not_available: Vec<NotAvailable>,
}
