//! The service: a thread that reads and one that writes, with batches in flight between them.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use systole_host::Network;

use crate::answer::Encoder;
use crate::event::Decoder;
use crate::predictor::Predictor;
use crate::reader::{ReadEnd, Reader};
use crate::stop::Stop;
use crate::summary::{Array, Counts, End, Summary};
use crate::writer::{Failure, Writer};

/// How events are read and gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Lines of a batch, at most. 0 means 1.
    pub batch_rows: usize,
    /// Time from the arrival of a batch's first line until it is submitted even if it isn't full.
    pub batch_wait: Duration,
    /// Batches that are submitted and not yet written, at most; at least 2, for computing one
    /// while the next is gathered.
    pub in_flight: usize,
    /// Bytes of a line, at most.
    pub line_bytes: usize,
    /// Whether rows are given as integers where an event doesn't say it itself.
    pub quantized: bool,
}

impl StreamOptions {
    /// Options that suit a model: lines may be as long as its rows can need.
    pub fn new(network: &Network) -> StreamOptions {
        /// Bytes of a number, with all digits of a 64-bit float, sign, exponent, comma and space.
        const NUMBER: usize = 32;
        /// Bytes of everything else, other fields included.
        const REST: usize = 64 * 1024;
        StreamOptions {
            batch_rows: 64,
            batch_wait: Duration::from_millis(2),
            in_flight: 4,
            line_bytes: network.input_elements().saturating_mul(NUMBER) + REST,
            quantized: false,
        }
    }
}

/// Why the service ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A batch was not computed.
    #[error("computing failed, see the answers for the events that it left: {0}")]
    Predictor(#[source] Failure),
    /// The input could not be read further. Everything before was answered.
    #[error("cannot read the events: {0}")]
    Input(#[source] io::Error),
    /// Answers could not be written.
    #[error("cannot write the predictions: {0}")]
    Output(#[source] io::Error),
}

/// How the service ended, and what it did until then.
#[derive(Debug)]
pub struct Outcome {
    /// What it did.
    pub summary: Summary,
    /// Why it ended early, if it did.
    pub error: Option<StreamError>,
}

/// Answers events with the predictions of one model.
pub struct Service<'s, P> {
    /// The model.
    pub network: &'s Network,
    /// What computes it.
    pub predictor: &'s P,
    /// What the predictor's cycles are relative to; `None` on the CPU.
    pub array: Option<Array>,
    /// How events are read and gathered.
    pub options: StreamOptions,
}

impl<P: Predictor> Service<'_, P> {
    /// Answers the events of `input` on `output` until the input ends or `stop` is requested.
    ///
    /// `progress` is called with the number of bytes of each read. If the service ends early, it
    /// has requested `stop` itself.
    pub fn run(
        &self,
        input: impl Read + AsFd + Send,
        output: impl Write,
        stop: &Stop,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Outcome {
        // Two more batches are in flight: one that is handed over, and one that is written.
        let (sender, receiver) = bounded(self.options.in_flight.saturating_sub(2));
        let failed = &AtomicBool::new(false);
        let reader = Reader {
            predictor: self.predictor,
            options: &self.options,
            stop,
            failed,
            sender,
        };
        let decoder = Decoder::new(self.network, self.options.quantized);
        let mut writer = Writer {
            predictor: self.predictor,
            encoder: Encoder::new(self.network),
            output,
            counts: Counts::new(),
            failure: None,
        };
        let (read_end, written) = thread::scope(|scope| {
            let reading = scope.spawn(move || reader.run(input, decoder, progress));
            let written = writer.run(receiver, stop, failed);
            match reading.join() {
                Ok(end) => (end, written),
                Err(panic) => resume_unwind(panic),
            }
        });
        let unfinished = match &read_end {
            ReadEnd::Stopped { unfinished } => *unfinished,
            _ => 0,
        };
        let (end, error) = conclude(read_end, writer.failure, written);
        let macs = self.network.macs();
        Outcome {
            summary: writer.counts.summary(macs, self.array, unfinished, end),
            error,
        }
    }
}

/// What ended the service: the first cause, where one led to the other.
fn conclude(
    read_end: ReadEnd,
    failure: Option<Failure>,
    written: io::Result<()>,
) -> (End, Option<StreamError>) {
    if let Some(failure) = failure {
        return (End::Failed, Some(StreamError::Predictor(failure)));
    }
    match (written, read_end) {
        (Err(error), _) if error.kind() == ErrorKind::BrokenPipe => (End::OutputClosed, None),
        (Err(error), _) => (End::Failed, Some(StreamError::Output(error))),
        (Ok(()), ReadEnd::Failed(error)) => (End::Failed, Some(StreamError::Input(error))),
        (Ok(()), ReadEnd::Stopped { .. }) => (End::Stopped, None),
        (Ok(()), ReadEnd::Input) => (End::Input, None),
        (Ok(()), ReadEnd::Abandoned) => unreachable!("the writer leaves only after an error"),
    }
}
