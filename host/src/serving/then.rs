//! Answers for callers that have no executor and no thread to wait on: a function is called.
//!
//! ```text
//!  answer --wake--> poll, on the thread that gives the answer --> done(answer)
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::request::{Answer, PendingAnswer, RequestError};

type Done = Box<dyn FnOnce(Result<Answer, RequestError>) + Send>;

/// A request whose answer goes to a function.
struct Task {
    /// Wakes since the last poll. Whoever finds none is the one to poll.
    wakes: AtomicUsize,
    waiting: Mutex<Option<(PendingAnswer, Done)>>,
}

impl Task {
    fn lock(&self) -> MutexGuard<'_, Option<(PendingAnswer, Done)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_if_ready(
        &self,
        context: &mut Context<'_>,
    ) -> Option<(Done, Result<Answer, RequestError>)> {
        let mut waiting = self.lock();
        let (answer, _) = waiting.as_mut()?;
        let Poll::Ready(result) = Pin::new(answer).poll(context) else {
            return None;
        };
        waiting.take().map(|(_, done)| (done, result))
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        // A wake from within the poll below comes here too; it must not poll inside of it.
        if self.wakes.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let waker = Waker::from(Arc::clone(&self));
        loop {
            let seen = self.wakes.load(Ordering::Acquire);
            if let Some((done, result)) = self.take_if_ready(&mut Context::from_waker(&waker)) {
                return done(result);
            }
            if self.wakes.fetch_sub(seen, Ordering::AcqRel) == seen {
                return;
            }
        }
    }
}

/// A way to withdraw a request that was handed on with [`PendingAnswer::then`]. Dropping it changes
/// nothing.
pub struct Withdrawal(Arc<Task>);

impl Withdrawal {
    /// Withdraws the request, if its answer has not come: its function is called now, with
    /// [`RequestError::Withdrawn`].
    pub fn withdraw(self) {
        let waiting = self.0.lock().take();
        if let Some((answer, done)) = waiting {
            // Its batch is told before the caller is.
            drop(answer);
            done(Err(RequestError::Withdrawn));
        }
    }
}

impl std::fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Withdrawal").finish_non_exhaustive()
    }
}

impl PendingAnswer {
    /// Calls `done` with the answer, exactly once: now, if it is there, else on the thread that gives
    /// it. `done` must not block.
    pub fn then(
        self,
        done: impl FnOnce(Result<Answer, RequestError>) + Send + 'static,
    ) -> Withdrawal {
        let task = Arc::new(Task {
            wakes: AtomicUsize::new(0),
            waiting: Mutex::new(Some((self, Box::new(done)))),
        });
        Arc::clone(&task).wake();
        Withdrawal(task)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::super::request::Timing;
    use super::*;

    fn answer(version: u32) -> Answer {
        Answer {
            outputs: vec![1, 2],
            version,
            timing: Timing::default(),
        }
    }

    #[test]
    fn an_answer_that_is_there_is_given_at_once() {
        let (sender, receiver) = mpsc::channel();
        let pending = PendingAnswer::ready(Ok(answer(1)));
        let withdrawal = pending.then(move |result| drop(sender.send(result)));
        let given = receiver.try_recv().expect("it was called");
        assert_eq!(given.expect("it is there").version, 1);
        withdrawal.withdraw();
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn each_answer_is_given_once_whoever_is_faster() {
        for round in 0..2000 {
            let (sender, receiver) = mpsc::channel();
            let (reply, pending) = PendingAnswer::new();
            let giver = thread::spawn(move || {
                if round % 2 == 0 {
                    thread::yield_now();
                }
                drop(reply.send(Ok(answer(round))));
            });
            let withdrawal = pending.then(move |result| drop(sender.send(result)));
            if round % 3 == 0 {
                withdrawal.withdraw();
            }
            giver.join().expect("it doesn't panic");
            match receiver.recv_timeout(Duration::from_secs(10)) {
                Ok(Ok(given)) => assert_eq!(given.version, round),
                Ok(Err(error)) => {
                    assert!(round % 3 == 0, "{error}");
                    assert!(matches!(error, RequestError::Withdrawn));
                }
                Err(error) => panic!("round {round}: {error}"),
            }
            assert!(receiver.try_recv().is_err());
        }
    }

    #[test]
    fn a_lost_reply_is_an_answer_too() {
        let (sender, receiver) = mpsc::channel();
        let (reply, pending) = PendingAnswer::new();
        let _withdrawal = pending.then(move |result| drop(sender.send(result)));
        drop(reply);
        let given = receiver
            .recv_timeout(Duration::from_secs(10))
            .expect("called");
        assert!(matches!(given, Err(RequestError::Refused(_))));
    }

    #[test]
    fn a_withdrawn_request_is_seen_to_be_one() {
        let (reply, pending) = PendingAnswer::new();
        let withdrawal = pending.then(|result| assert!(result.is_err()));
        assert!(!reply.is_closed());
        withdrawal.withdraw();
        assert!(reply.is_closed());
    }
}
