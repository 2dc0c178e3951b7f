//! Asking the service to stop: from another thread, or by a signal.
//!
//! ```text
//!  SIGTERM, SIGINT --+--> flag (looked at between reads)
//!  trigger() --------+--> socket pair (wakes the reader where it waits for input)
//! ```

use std::ffi::c_int;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::{flag, low_level};

/// Exit code of a process that a second signal ends at once: 128 + SIGTERM.
const ABORTED: c_int = 143;

/// A request to stop reading and answer what was read. It stays: a stopped service doesn't go on.
#[derive(Debug)]
pub struct Stop {
    requested: Arc<AtomicBool>,
    /// Readable for ever once stopping has been requested.
    wake: UnixStream,
    waker: UnixStream,
    signals: Vec<SigId>,
}

impl Stop {
    /// A request that has not been made yet.
    ///
    /// # Errors
    /// If the process has no file descriptors left.
    pub fn new() -> io::Result<Stop> {
        let (wake, waker) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        Ok(Stop {
            requested: Arc::default(),
            wake,
            waker,
            signals: Vec::new(),
        })
    }

    /// Lets these signals request the stop. A second one ends the process at once, for an
    /// operator who has waited long enough.
    ///
    /// # Errors
    /// If a signal can't be watched.
    pub fn watch(&mut self, signals: &[c_int]) -> io::Result<()> {
        for &signal in signals {
            // Actions run in this order, so the first signal finds the flag unset.
            let ids = [
                flag::register_conditional_shutdown(signal, ABORTED, Arc::clone(&self.requested))?,
                flag::register(signal, Arc::clone(&self.requested))?,
                low_level::pipe::register(signal, self.waker.try_clone()?)?,
            ];
            self.signals.extend(ids);
        }
        Ok(())
    }

    /// Requests the stop.
    pub fn trigger(&self) {
        self.requested.store(true, Ordering::SeqCst);
        // It fails only if the buffer is full, and then the other end is readable already.
        let _ = (&self.waker).write(&[0]);
    }

    /// Whether the stop has been requested.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Becomes readable when the stop is requested, and stays so.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        for signal in self.signals.drain(..) {
            low_level::unregister(signal);
        }
    }
}
