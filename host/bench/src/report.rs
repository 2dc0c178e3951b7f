//! The report: everything that was measured or simulated, as JSON and as a table for people.

use std::fmt;

use serde::Serialize;

use crate::link::Link;
use crate::machine::Machine;

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

/// How a contender's outputs compare with the CPU backend's, on the same random rows. ONNX
/// Runtime is compared with its optimizations, as it is measured, and without: the optimized
/// kernels saturate sums on x86 processors that lack VNNI, which makes them differ by many steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Who computed.
    pub contender: String,
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
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Method {
    /// What is timed.
    pub measured: &'static str,
    /// How a simulated latency comes about.
    pub simulated: &'static str,
    /// Rounds in which the contenders took turns.
    pub rounds: usize,
    /// Time of one turn in milliseconds.
    pub turn_ms: u64,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
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
    /// Whether all computed the same.
    pub agreement: Vec<Agreement>,
    /// Who could not take part, and why.
    pub not_available: Vec<NotAvailable>,
}

/// One figure, wherever it comes from.
pub(crate) struct Figure<'r> {
    pub(crate) contender: &'r str,
    pub(crate) kind: Kind,
    pub(crate) batch: usize,
    pub(crate) median_us: f64,
}

impl Report {
    /// Every figure, measured ones first.
    pub(crate) fn figures(&self) -> Vec<Figure<'_>> {
        let measured = self.measured.iter().map(|one| Figure {
            contender: &one.contender,
            kind: one.kind,
            batch: one.batch,
            median_us: one.timing.median_us,
        });
        let simulated = self.simulated.iter().map(|one| Figure {
            contender: &one.contender,
            kind: one.kind,
            batch: one.batch,
            median_us: one.median_us,
        });
        measured.chain(simulated).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, model) = (&self.machine, &self.model);
        writeln!(
            formatter,
            "{}: {} multiplications a row",
            model.name, model.macs
        )?;
        writeln!(
            formatter,
            "measured on {}, {} processors, load {:.1}; medians of {} rounds",
            machine
                .processor
                .as_deref()
                .unwrap_or("an unknown processor"),
            machine.processors,
            machine.load_average.unwrap_or(f64::NAN),
            self.method.rounds
        )?;
        if machine.is_busy() {
            writeln!(
                formatter,
                "others used the machine too: measured figures are longer than they need be"
            )?;
        }
        writeln!(
            formatter,
            "simulated: cycles / clock + link ({})\n",
            self.link.name
        )?;
        writeln!(
            formatter,
            "{:<10} {:<34} {:>6} {:>12} {:>12}",
            "", "", "batch", "us a batch", "us a row"
        )?;
        for figure in self.figures() {
            writeln!(
                formatter,
                "{:<10} {:<34} {:>6} {:>12.2} {:>12.3}",
                figure.kind,
                figure.contender,
                figure.batch,
                figure.median_us,
                figure.median_us / figure.batch as f64
            )?;
        }
        if !self.overhead.is_empty() {
            writeln!(
                formatter,
                "\nfrom submission to completion with a device in memory, which answers at once; ns"
            )?;
            for one in &self.overhead {
                writeln!(
                    formatter,
                    "{:<10} {:<34} {:>19.0} median {:>8.0} p99",
                    one.kind,
                    one.contender,
                    one.timing.median_us * 1e3,
                    one.timing.p99_us * 1e3
                )?;
            }
            writeln!(formatter)?;
        }
        for one in self.agreement.iter().filter(|one| one.differing > 0) {
            writeln!(
                formatter,
                "{} differs from the CPU backend in {} of {} values (batch {}), by {} steps at most",
                one.contender, one.differing, one.values, one.batch, one.greatest_difference
            )?;
        }
        for one in &self.not_available {
            let batch = one
                .batch
                .map(|batch| format!(", batch {batch}"))
                .unwrap_or_default();
            writeln!(
                formatter,
                "not available: {}{batch}: {}",
                one.contender, one.reason
            )?;
        }
        Ok(())
    }
}
