//! A batch that is being computed: a future for those who have an executor, a wait for those who
//! don't, and the end at which it is answered.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{BatchResult, EngineError};

type Answer = Result<BatchResult, EngineError>;

/// Answers one batch, once: with [`EngineError::Stopped`] if it is dropped before.
pub(super) struct Reply(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Reply {
    /// A reply that `done` is called with.
    pub fn new(done: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }

    /// Answers.
    pub fn send(mut self, answer: Answer) {
        self.answer(answer);
    }

    fn answer(&mut self, answer: Answer) {
        // One caller's panic must not take the answers of all others with it.
        if let Some(done) = self.0.take()
            && catch_unwind(AssertUnwindSafe(|| done(answer))).is_err()
        {
            tracing::error!("what was to be done with a batch's answer has panicked");
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.answer(Err(EngineError::Stopped));
    }
}

/// Answers that are still to come. Dropping it lets the batch be computed for nobody.
#[must_use = "the answers come with `wait` or `await`"]
pub struct PendingBatch {
    answer: oneshot::AsyncReceiver<Answer>,
}

impl PendingBatch {
    /// A batch and the end at which it is answered.
    pub(super) fn new() -> (Reply, PendingBatch) {
        let (sender, answer) = oneshot::async_channel();
        // Nobody may be waiting any more.
        let reply = Reply::new(move |answer| drop(sender.send(answer)));
        (reply, PendingBatch { answer })
    }

    /// Waits for the answers.
    ///
    /// # Errors
    /// Whatever kept the batch from being computed.
    pub fn wait(self) -> Result<BatchResult, EngineError> {
        crate::wait::wait(self)
    }
}

impl Future for PendingBatch {
    type Output = Result<BatchResult, EngineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(EngineError::Stopped)))
    }
}

impl std::fmt::Debug for PendingBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingBatch").finish_non_exhaustive()
    }
}
