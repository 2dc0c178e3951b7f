//! A served model for callers that have values of its own type, not rows.
//!
//! ```text
//!  bytes of whole rows --rows_from_bytes--> Request --> serving::Model --> Answer --> Prediction
//!  (int8: the caller's own memory)                                                    (int8: the same memory)
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use systole_host::Network;
use systole_host::serving::{
    self, Answer, BatchingOptions, DEFAULT_PRIORITY, Deployment, Fleet, Golden, PendingAnswer,
    Request, RequestError, Timing, Withdrawal,
};
use systole_host::signature::{Signature, Values};

use crate::Failure;

/// Where a model comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The contents of a file, and a name for the model.
    Bytes {
        /// Its name.
        name: String,
        /// The contents.
        bytes: Bytes,
    },
}

/// How a version comes into service.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its number, which answers are stamped with.
    pub version: u32,
    /// `.npy` files of input rows and of the answers to them, which it has to give.
    pub golden: Option<(PathBuf, PathBuf)>,
    /// Steps of the output's quantization by which those answers may be off.
    pub golden_steps: u8,
}

impl Default for Options {
    /// Version 1, no golden files.
    fn default() -> Self {
        Options {
            version: 1,
            golden: None,
            golden_steps: 0,
        }
    }
}

/// How soon an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// Requests with a lower number go first.
    pub priority: u8,
    /// After this time the answer is of no use.
    pub timeout: Option<Duration>,
}

impl Default for Urgency {
    fn default() -> Self {
        Urgency {
            priority: DEFAULT_PRIORITY,
            timeout: None,
        }
    }
}

/// An answer in the model's own type.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Output values, row after row.
    pub values: Values,
    /// Version that computed them.
    pub version: u32,
    /// What it took.
    pub timing: Timing,
}

/// What becomes of a request.
pub type Completion = Result<Prediction, Failure>;

/// A model that is served.
#[derive(Clone, Debug)]
pub struct Model {
    served: Arc<serving::Model>,
}

impl Model {
    /// Loads a model on a fleet, warms it up, has it answer its golden rows, and serves it.
    ///
    /// # Errors
    /// If it can't be read or served, or gives other answers.
    pub fn load(
        fleet: &Arc<Fleet>,
        source: &Source,
        options: &Options,
        batching: BatchingOptions,
    ) -> Result<Model, Failure> {
        let network = network(source)?;
        let golden = golden(&network, options)?;
        let served = serving::Model::new(fleet, network, options.version, batching)?;
        if let Some(golden) = golden {
            golden.check(&served.current())?;
        }
        let served = Arc::new(served);
        Ok(Model { served })
    }

    /// Serves another version from now on; callers notice nothing. If it fails, the old one goes on.
    ///
    /// # Errors
    /// If it can't be read or served, takes or gives something else, or does not answer its golden rows.
    pub fn replace(&self, source: &Source, options: &Options) -> Result<(), Failure> {
        let network = network(source)?;
        let golden = golden(&network, options)?;
        let accept = |deployment: &Deployment| match &golden {
            None => Ok(()),
            Some(golden) => golden.check(deployment).map_err(|error| error.to_string()),
        };
        Ok(self.served.replace(network, options.version, accept)?)
    }

    /// Serves the version again that was served before; its number.
    ///
    /// # Errors
    /// If there was none, or it can't be loaded any more.
    pub fn roll_back(&self) -> Result<u32, Failure> {
        Ok(self.served.roll_back()?)
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        self.served.signature()
    }

    /// The version that is served now.
    pub fn current(&self) -> Arc<Deployment> {
        self.served.current()
    }

    /// What computes.
    pub fn fleet(&self) -> &Arc<Fleet> {
        self.served.fleet()
    }

    /// Has rows computed, given as the bytes of values of the input's own type, and waits for that.
    ///
    /// # Errors
    /// If the rows don't fit, or the request is refused or fails.
    pub fn infer(&self, input: Bytes, urgency: Urgency) -> Completion {
        let (deployment, pending) = self.submit(input, urgency)?;
        prediction(&deployment, pending.wait())
    }

    /// As [`Model::infer`], but returns at once: `done` is called exactly once, now or on the thread that
    /// has the answer, and must not block. With `None`, it was called already.
    pub fn infer_then(
        &self,
        input: Bytes,
        urgency: Urgency,
        done: impl FnOnce(Completion) + Send + 'static,
    ) -> Option<Withdrawal> {
        match self.submit(input, urgency) {
            Ok((deployment, pending)) => {
                Some(pending.then(move |answer| done(prediction(&deployment, answer))))
            }
            Err(failure) => {
                done(Err(failure));
                None
            }
        }
    }

    fn submit(
        &self,
        input: Bytes,
        urgency: Urgency,
    ) -> Result<(Arc<Deployment>, PendingAnswer), Failure> {
        // The rows of one version are those of all, but each has its own quantization.
        let deployment = self.served.current();
        if input.is_empty() {
            return Err(Failure::invalid("no rows: give at least one"));
        }
        let request = Request {
            rows: deployment.network().rows_from_bytes(input)?,
            priority: urgency.priority,
            deadline: urgency
                .timeout
                .and_then(|timeout| Instant::now().checked_add(timeout)),
        };
        let pending = deployment.submit(request);
        Ok((deployment, pending))
    }
}

fn prediction(deployment: &Deployment, answer: Result<Answer, RequestError>) -> Completion {
    let answer = answer?;
    Ok(Prediction {
        values: Values::of(deployment.network(), answer.outputs),
        version: answer.version,
        timing: answer.timing,
    })
}

fn network(source: &Source) -> Result<Arc<Network>, Failure> {
    let network = match source {
        Source::File(path) => Network::load(path)?,
        Source::Bytes { name, bytes } => Network::from_bytes(name, bytes)?,
    };
    Ok(Arc::new(network))
}

fn golden(network: &Network, options: &Options) -> Result<Option<Golden>, Failure> {
    if options.version == 0 {
        return Err(Failure::invalid("versions are numbered from 1"));
    }
    let Some((inputs, outputs)) = &options.golden else {
        return Ok(None);
    };
    let golden = Golden::read(network, inputs, outputs, options.golden_steps);
    golden.map(Some).map_err(|error| {
        let failure = Failure::from(error);
        Failure::new(failure.code, format!("the golden rows: {failure}"))
    })
}
