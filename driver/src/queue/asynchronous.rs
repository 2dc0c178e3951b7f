//! Waiting for completions in a tokio runtime: the task sleeps, its thread runs others.
//!
//! ```text
//!  device -- MSI-X vector --> eventfd --> epoll of the runtime --> task -- poll --> completion ring
//! ```
//!
//! The same rules as for a thread hold: an interrupt only says "look", and at least every 100 ms the
//! ring is looked at and the device asked for, whatever interrupts say.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};
use tokio::task::yield_now;
use tokio::time;

use super::QueuePair;
use crate::deadline::Deadline;
use crate::interrupts::Interrupt;
use crate::{Completion, Error};

/// An eventfd that a runtime watches.
#[derive(Debug)]
pub(super) struct Watched {
    runtime: Id,
    eventfd: AsyncFd<OwnedFd>,
}

impl Watched {
    /// Lets the current runtime, whose number this is, watch.
    fn new(runtime: Id, interrupt: &Interrupt) -> Result<Self, Error> {
        // A descriptor of its own, so that it can be closed in any order.
        let eventfd = interrupt.as_fd().try_clone_to_owned();
        let eventfd = eventfd.map_err(failed("copying an eventfd"))?;
        // SAFETY: an `OwnedFd` names the same open file until it is dropped, and `AsyncFd` drops it
        // after it has told the runtime.
        let eventfd = unsafe { AsyncFd::register_with_interest(eventfd, Interest::READABLE) };
        let eventfd = eventfd.map_err(|error| failed("watching an eventfd")(error.into()))?;
        Ok(Self { runtime, eventfd })
    }

    /// Waits until the eventfd is signalled, and clears it; returns as well when `timeout` has passed.
    async fn wait(&self, interrupt: &Interrupt, timeout: Duration) -> Result<(), Error> {
        let Ok(ready) = time::timeout(timeout, self.eventfd.readable()).await else {
            return Ok(());
        };
        // First the runtime's note, then the counter: a signal in between wakes once more.
        ready
            .map_err(failed("waiting for an eventfd"))?
            .clear_ready();
        interrupt.clear()
    }
}

impl QueuePair {
    /// As [`wait`](Self::wait), in a task of a tokio runtime with its I/O and time drivers enabled.
    /// With interrupts the task sleeps; with polling it looks again each time that the runtime has let
    /// others run.
    ///
    /// Nothing is lost if the future is dropped before it is done: a completion stays in the ring
    /// until it is returned.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait); [`Error::System`] outside a runtime.
    ///
    /// # Panics
    /// If the runtime was built without its I/O or time driver.
    pub async fn wait_async(&mut self, timeout: Duration) -> Result<Completion, Error> {
        let deadline = Deadline::after(timeout);
        if let Some(completion) = self.before_pause()? {
            return Ok(completion);
        }
        loop {
            let pause = deadline.left().min(self.probe.left());
            let found = match &self.interrupt {
                Some(interrupt) => {
                    let handle = Handle::try_current().map_err(|error| Error::System {
                        operation: "waiting in a runtime",
                        source: io::Error::other(error),
                    })?;
                    let watched = match self.watched.take() {
                        Some(watched) if watched.runtime == handle.id() => watched,
                        _ => Watched::new(handle.id(), interrupt)?,
                    };
                    let watched = self.watched.insert(watched);
                    watched.wait(interrupt, pause).await?;
                    self.poll()?
                }
                None => {
                    yield_now().await;
                    self.look()?
                }
            };
            if let Some(completion) = found {
                return Ok(completion);
            }
            if let Some(completion) = self.after_pause(deadline)? {
                return Ok(completion);
            }
        }
    }
}

/// Wraps what the runtime says.
fn failed(operation: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { operation, source }
}
