//! What a caller hands in, and what it gets back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::EngineError;

/// Priority of a request that names none.
pub const DEFAULT_PRIORITY: u8 = 128;

/// Rows to be computed, and how soon.
#[derive(Clone, Debug)]
pub struct Request {
    /// Int8 values of whole rows, as bytes. They are not copied before they go to a processor.
    pub rows: Bytes,
    /// Requests with a lower number go first.
    pub priority: u8,
    /// When the answer is of no use any more.
    pub deadline: Option<Instant>,
}

impl Request {
    /// Rows of the default priority, without a deadline.
    pub fn new(rows: impl Into<Bytes>) -> Request {
        Request {
            rows: rows.into(),
            priority: DEFAULT_PRIORITY,
            deadline: None,
        }
    }
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Output rows, one after the other.
    pub outputs: Vec<i8>,
    /// Version of the network that computed them.
    pub version: u32,
    /// What it took.
    pub timing: Timing,
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From its arrival to the start of its batch.
    pub queued: Duration,
    /// From the start of its batch to its end.
    pub computed: Duration,
    /// Rows that were computed together, those of other requests included.
    pub batch: usize,
}

/// Why a request was refused before anything was computed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The queue is at its bound.
    #[error("the queue is full: {bound} requests wait; try again later")]
    QueueFull {
        /// Requests that may wait.
        bound: usize,
    },
    /// What waits already takes longer than the caller wants to wait.
    #[error(
        "the answer would take about {expected:?}, longer than the {left:?} that are left; try again later"
    )]
    TooLate {
        /// Estimated time to the answer.
        expected: Duration,
        /// Time to the deadline.
        left: Duration,
    },
    /// The deployment takes no more requests.
    #[error("this version of the model is not served any more")]
    Stopped,
}

/// Why a request has no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was not accepted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The rows don't fit the network.
    #[error("{values} values are not whole rows: a row of this network has {row} values")]
    RowLength {
        /// Values given.
        values: usize,
        /// Values of a row.
        row: usize,
    },
    /// Its deadline passed while it waited.
    #[error("the deadline passed after {waited:?} in the queue")]
    Deadline {
        /// Time since its arrival.
        waited: Duration,
    },
    /// Its caller has withdrawn it.
    #[error("the request was withdrawn before it had an answer")]
    Withdrawn,
    /// Every processor that could have computed it has failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<Answer, RequestError>>;

/// An answer that is still to come. Dropping it withdraws the request, if its batch has not begun.
#[must_use = "the answer comes with `wait` or `await`"]
pub struct PendingAnswer(State);

enum State {
    Ready(Option<Result<Answer, RequestError>>),
    Waiting(oneshot::AsyncReceiver<Result<Answer, RequestError>>),
}

impl PendingAnswer {
    /// An answer, and the end at which it is given.
    pub(super) fn new() -> (Reply, PendingAnswer) {
        let (reply, answer) = oneshot::async_channel();
        (reply, PendingAnswer(State::Waiting(answer)))
    }

    /// An answer that is there.
    pub(super) fn ready(result: Result<Answer, RequestError>) -> PendingAnswer {
        PendingAnswer(State::Ready(Some(result)))
    }

    /// Waits for the answer, without an executor.
    ///
    /// # Errors
    /// Whatever kept the request from being computed.
    pub fn wait(self) -> Result<Answer, RequestError> {
        crate::wait::wait(self)
    }
}

impl Future for PendingAnswer {
    type Output = Result<Answer, RequestError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = || Err(Refusal::Stopped.into());
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(result.take().unwrap_or_else(lost)),
            State::Waiting(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.unwrap_or_else(|_| lost())),
        }
    }
}

impl std::fmt::Debug for PendingAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingAnswer").finish_non_exhaustive()
    }
}
