//! The writing half: waits for batches in the order of the input and writes their answers.
//!
//! ```text
//!  batch --wait--> outputs --+
//!    |                       v
//!    +--> entries --------> answers --one write for each batch--> output
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::answer::Encoder;
use crate::batch::Content;
use crate::predictor::{Prediction, Predictor};
use crate::reader::Submitted;
use crate::stop::Stop;
use crate::summary::{Counts, Tally};

/// Why a batch was not computed.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The writing half.
pub(crate) struct Writer<'s, P, W> {
    pub(crate) predictor: &'s P,
    pub(crate) encoder: Encoder,
    pub(crate) output: W,
    pub(crate) counts: Counts,
    /// Why the device is not used any more.
    pub(crate) failure: Option<Failure>,
}

/// A predictor that breaks its contract.
#[derive(Debug, thiserror::Error)]
#[error("the predictor gave {found} output values for {rows} rows of {elements}")]
struct WrongLength {
    found: usize,
    rows: usize,
    elements: usize,
}

impl<P: Predictor, W: Write> Writer<'_, P, W> {
    /// Answers batches until the reader has no more, or the output fails.
    ///
    /// Then dropping the receiver lets a reader go that waits to hand over a batch, and the stop
    /// lets one go that waits for input. A failed device only requests the stop: the reader still
    /// hands over what it has read.
    pub(crate) fn run(
        &mut self,
        receiver: Receiver<Submitted<P::Pending>>,
        stop: &Stop,
        failed: &AtomicBool,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        let mut tally = Tally::default();
        for batch in receiver {
            self.answer(batch, &mut text, &mut tally);
            if self.failure.is_some() && !failed.swap(true, Ordering::SeqCst) {
                stop.trigger();
            }
            let written = self.output.write_all(&text);
            if let Err(error) = written.and_then(|()| self.output.flush()) {
                stop.trigger();
                return Err(error);
            }
            text.clear();
            self.counts.written(&mut tally);
        }
        Ok(())
    }

    fn answer(&mut self, batch: Submitted<P::Pending>, text: &mut Vec<u8>, tally: &mut Tally) {
        let prediction = match batch.pending {
            Some(pending) if self.failure.is_none() => self
                .wait(pending, batch.rows)
                .map_err(|failure| self.failure = Some(failure))
                .ok(),
            _ => None,
        };
        let now = Instant::now();
        tally.times = batch.entries.first().map(|first| (first.arrival, now));
        let unavailable = match &self.failure {
            Some(failure) => format!("not computed, the device failed: {failure}"),
            None => String::new(),
        };
        let version = prediction
            .as_ref()
            .map_or(0, |prediction| prediction.version);
        let mut outputs = prediction
            .as_ref()
            .map(|prediction| prediction.outputs.chunks_exact(self.encoder.elements()));
        for entry in &batch.entries {
            match &entry.content {
                Content::Malformed(error) => {
                    tally.errors += 1;
                    self.encoder.error(text, entry, &error.to_string());
                }
                Content::Row { quantized } => match outputs.as_mut().and_then(Iterator::next) {
                    Some(output) => {
                        let latency = self
                            .encoder
                            .prediction(text, entry, *quantized, output, version, now);
                        tally.latencies.push(latency);
                    }
                    None => {
                        tally.errors += 1;
                        self.encoder.error(text, entry, &unavailable);
                    }
                },
            }
        }
    }

    fn wait(&mut self, pending: P::Pending, rows: usize) -> Result<Prediction, Failure> {
        let prediction = self.predictor.wait(pending)?;
        let elements = self.encoder.elements();
        if prediction.outputs.len() != rows * elements {
            return Err(Box::new(WrongLength {
                found: prediction.outputs.len(),
                rows,
                elements,
            }));
        }
        self.counts.batch(&prediction);
        Ok(prediction)
    }
}
