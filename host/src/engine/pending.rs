//! A batch that is being computed: a future for those who have an executor, and a wait for those
//! who don't.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::{BatchResult, EngineError};

/// What a worker answers a batch with.
pub(super) type Reply = oneshot::Sender<Result<BatchResult, EngineError>>;

/// Answers that are still to come. Dropping it lets the batch be computed for nobody.
#[must_use = "the answers come with `wait` or `await`"]
pub struct PendingBatch {
    state: State,
}

enum State {
    Waiting(oneshot::AsyncReceiver<Result<BatchResult, EngineError>>),
    Failed(Option<EngineError>),
}

impl PendingBatch {
    /// A batch and the end at which it is answered.
    pub(super) fn new() -> (Reply, PendingBatch) {
        let (reply, answer) = oneshot::async_channel();
        (
            reply,
            PendingBatch {
                state: State::Waiting(answer),
            },
        )
    }

    /// A batch that failed before it began.
    pub(super) fn failed(error: EngineError) -> PendingBatch {
        PendingBatch {
            state: State::Failed(Some(error)),
        }
    }

    /// Waits for the answers.
    ///
    /// # Errors
    /// Whatever kept the batch from being computed.
    pub fn wait(mut self) -> Result<BatchResult, EngineError> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }
}

/// Wakes a thread that waits for a batch without an executor.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for PendingBatch {
    type Output = Result<BatchResult, EngineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Waiting(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(EngineError::Stopped))),
            State::Failed(error) => Poll::Ready(Err(error.take().unwrap_or(EngineError::Stopped))),
        }
    }
}

impl std::fmt::Debug for PendingBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingBatch").finish_non_exhaustive()
    }
}
