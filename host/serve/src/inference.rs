//! What both protocols do with an inference request once its tensors are rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use systole_host::serving::{DEFAULT_PRIORITY, Request};
use systole_host::signature::Values;

use crate::control::SHARED_MEMORY;
use crate::error::ServeError;
use crate::limits::Limits;
use crate::repository::Version;
use crate::telemetry;
use crate::tensor::{self, TensorError};

/// Parameters of a request that concern its computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Urgency {
    /// 1 is the most urgent; 0 leaves it to the server.
    pub priority: u64,
    /// Microseconds until the answer is of no use; 0 leaves it to the server.
    pub timeout: u64,
}

impl Urgency {
    fn priority(self) -> u8 {
        match self.priority {
            0 => DEFAULT_PRIORITY,
            priority => u8::try_from(priority).unwrap_or(u8::MAX),
        }
    }
}

/// An answer, as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Number of rows.
    pub rows: usize,
    /// Their values.
    pub values: Values,
    /// Waiting for a processor.
    pub queued: Duration,
    /// Computing.
    pub computed: Duration,
}

/// Checks the outputs that a request asks for; none means all.
///
/// # Errors
/// If one is not the model's.
pub fn check_output(version: &Version, name: &str) -> Result<(), TensorError> {
    let expected = &version.signature.output.name;
    if name == expected {
        return Ok(());
    }
    Err(TensorError::Name {
        what: "output",
        found: name.to_owned(),
        expected: expected.clone(),
    })
}

/// Checks what a request says of its input; the number of rows.
///
/// # Errors
/// If it is not what the model takes, or more rows than the server takes at once.
pub fn check_input(
    version: &Version,
    limits: &Limits,
    name: &str,
    datatype: &str,
    shape: &[i64],
) -> Result<usize, TensorError> {
    let found = tensor::check_input(&version.signature, name, datatype, shape)?;
    match limits.rows {
        most if found > most => Err(TensorError::TooManyRows { found, most }),
        _ => Ok(found),
    }
}

/// Refuses extensions of the protocol that a tensor's parameters may ask for.
///
/// # Errors
/// If it does.
pub fn check_extensions(shared_memory: bool, classes: u64) -> Result<(), ServeError> {
    if shared_memory {
        return Err(ServeError::Unsupported(SHARED_MEMORY));
    }
    if classes > 0 {
        return Err(ServeError::Unsupported(
            "the classification extension is not supported: take the output's values",
        ));
    }
    Ok(())
}

/// Checks the number of inputs.
///
/// # Errors
/// If it is not one.
pub fn check_inputs(version: &Version, found: usize) -> Result<(), TensorError> {
    if found == 1 {
        return Ok(());
    }
    Err(TensorError::Inputs {
        found,
        expected: version.signature.input.name.clone(),
    })
}

/// Has rows computed.
///
/// # Errors
/// If they are refused, or nothing can compute them.
pub async fn compute(
    version: &Arc<Version>,
    rows: Bytes,
    count: usize,
    urgency: Urgency,
    arrived: Instant,
) -> Result<Prediction, ServeError> {
    let timeout = match urgency.timeout {
        0 => version.timeout(),
        timeout => Some(Duration::from_micros(timeout)),
    };
    let request = Request {
        rows,
        priority: urgency.priority(),
        deadline: timeout.and_then(|timeout| arrived.checked_add(timeout)),
    };
    let submitted = telemetry::now();
    let answer = version.deployment.submit(request).await?;
    telemetry::computed(version, count, answer.timing, submitted);
    Ok(Prediction {
        rows: count,
        values: Values::of(version.network(), answer.outputs),
        queued: answer.timing.queued,
        computed: answer.timing.computed,
    })
}
