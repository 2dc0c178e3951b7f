//! What a run of the service did, for people and as JSON.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::predictor::Prediction;

/// Longest latency that is told from longer ones, in microseconds: an hour.
const LATENCY_MAX: u64 = 3_600_000_000;

/// Significant digits of latencies.
const LATENCY_DIGITS: u8 = 3;

/// What ended the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// The end of the input.
    Input,
    /// A request to stop.
    Stopped,
    /// Nobody reads the output any more.
    OutputClosed,
    /// An error.
    Failed,
}

/// The multipliers of a device, for figures that are relative to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// Processing elements: rows x columns.
    pub elements: u64,
    /// Clock in kHz.
    pub clock_khz: u32,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Lines that were answered with a prediction.
    pub events: u64,
    /// Lines that were answered with an error.
    pub errors: u64,
    /// Batches that were computed.
    pub batches: u64,
    /// Rows of a batch, on average.
    pub mean_batch: f64,
    /// From the arrival of the first line to the last answer, in seconds.
    #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Predictions in a second of that time.
    pub events_per_second: f64,
    /// From the arrival of an event to its prediction, in microseconds.
    pub latency_us: Latency,
    /// Version of the model that answered last.
    pub model_version: Option<u32>,
    /// Multiplications that the network needs for the events, without padding.
    pub macs: u64,
    /// Clock cycles of the device's commands; `None` on the CPU.
    pub cycles: Option<u64>,
    /// Multipliers of the device's array; `None` on the CPU.
    pub elements: Option<u64>,
    /// `macs / (elements * cycles)`; `None` on the CPU.
    pub utilization: Option<f64>,
    /// Clock that the device states, in kHz; `None` on the CPU.
    pub clock_khz: Option<u32>,
    /// The cycles at that clock, in seconds: what the device would take, not what was measured.
    pub simulated_seconds: Option<f64>,
    /// Bytes of a last line that had not arrived to its end when the service stopped.
    pub unfinished_bytes: u64,
    /// What ended the run.
    pub end: End,
}

/// Percentiles of the latencies of predictions, in microseconds, measured; 0 if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// Median.
    pub p50: u64,
    /// 90 of 100 are at most this long.
    pub p90: u64,
    /// 99 of 100 are at most this long.
    pub p99: u64,
    /// 999 of 1,000 are at most this long.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, max, .. } = self.latency_us;
        write!(
            formatter,
            "{} events and {} errors in {:.3} s: {:.0} events/s\n\
             latency p50 {p50} us, p99 {p99} us, at most {max} us\n\
             {} batches of {:.1} events on average",
            self.events,
            self.errors,
            self.elapsed.as_secs_f64(),
            self.events_per_second,
            self.batches,
            self.mean_batch,
        )?;
        if let (Some(cycles), Some(seconds)) = (self.cycles, self.simulated_seconds) {
            write!(
                formatter,
                "\n{cycles} cycles of the device, {seconds:.6} s at its clock (simulated)"
            )?;
        }
        if let Some(utilization) = self.utilization {
            write!(formatter, ", utilization {utilization:.3}")?;
        }
        if self.unfinished_bytes > 0 {
            write!(
                formatter,
                "\nstopped within a line: its first {} bytes were read and not answered",
                self.unfinished_bytes
            )?;
        }
        Ok(())
    }
}

/// Answers to one batch that are not written yet.
#[derive(Default)]
pub(crate) struct Tally {
    /// Latency of each prediction, in microseconds.
    pub(crate) latencies: Vec<u64>,
    /// Answers that say an error.
    pub(crate) errors: u64,
    /// Arrival of the batch's first line, and when it was answered.
    pub(crate) times: Option<(Instant, Instant)>,
}

/// Counts while the service runs.
pub(crate) struct Counts {
    events: u64,
    errors: u64,
    batches: u64,
    cycles: Option<u64>,
    version: Option<u32>,
    first_arrival: Option<Instant>,
    last_answer: Option<Instant>,
    latencies: Histogram<u64>,
}

impl Counts {
    pub(crate) fn new() -> Counts {
        Counts {
            events: 0,
            errors: 0,
            batches: 0,
            cycles: None,
            version: None,
            first_arrival: None,
            last_answer: None,
            latencies: Histogram::new_with_max(LATENCY_MAX, LATENCY_DIGITS)
                .expect("the limits are valid constants"),
        }
    }

    /// Counts a computed batch.
    pub(crate) fn batch(&mut self, prediction: &Prediction) {
        self.batches += 1;
        self.version = Some(prediction.version);
        if let Some(cycles) = prediction.cycles {
            *self.cycles.get_or_insert(0) += cycles;
        }
    }

    /// Counts the answers to a batch, now that they are written, and empties the tally.
    pub(crate) fn written(&mut self, tally: &mut Tally) {
        if let Some((arrival, answer)) = tally.times.take() {
            self.first_arrival.get_or_insert(arrival);
            self.last_answer = Some(answer);
        }
        self.errors += std::mem::take(&mut tally.errors);
        self.events += tally.latencies.len() as u64;
        for latency in tally.latencies.drain(..) {
            self.latencies.saturating_record(latency);
        }
    }

    pub(crate) fn summary(
        &self,
        macs_per_row: u64,
        array: Option<Array>,
        unfinished: usize,
        end: End,
    ) -> Summary {
        let elapsed = match (self.first_arrival, self.last_answer) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            _ => Duration::ZERO,
        };
        let macs = macs_per_row * self.events;
        let device = array.zip(self.cycles);
        let percentile = |quantile| self.latencies.value_at_quantile(quantile);
        Summary {
            events: self.events,
            errors: self.errors,
            batches: self.batches,
            mean_batch: ratio(self.events as f64, self.batches as f64).unwrap_or(0.0),
            elapsed,
            events_per_second: ratio(self.events as f64, elapsed.as_secs_f64()).unwrap_or(0.0),
            latency_us: Latency {
                p50: percentile(0.5),
                p90: percentile(0.9),
                p99: percentile(0.99),
                p999: percentile(0.999),
                max: self.latencies.max(),
            },
            model_version: self.version,
            macs,
            cycles: self.cycles,
            elements: array.map(|array| array.elements),
            utilization: device.and_then(|(array, cycles)| {
                ratio(macs as f64, array.elements as f64 * cycles as f64)
            }),
            clock_khz: array.map(|array| array.clock_khz),
            simulated_seconds: device
                .and_then(|(array, cycles)| ratio(cycles as f64, f64::from(array.clock_khz) * 1e3)),
            unfinished_bytes: unfinished as u64,
            end,
        }
    }
}

/// The quotient, if it is a number.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}
