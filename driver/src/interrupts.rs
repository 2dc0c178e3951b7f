//! Interrupts as file descriptors: an MSI-X vector signals an eventfd, and a thread sleeps on it.
//!
//! ```text
//!  device -- MSI-X vector --> (kernel or device process) -- write --> eventfd --> poll(2)
//! ```
//!
//! An interrupt says "look", never "how much": signals add up in the eventfd's counter, and one
//! can be lost altogether. What has completed stands in the completion ring alone.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::Error;
use crate::deadline::Deadline;

/// An eventfd that a device signals.
#[derive(Debug)]
pub(crate) struct Interrupt {
    eventfd: EventFd,
}

impl Interrupt {
    /// Creates one that nothing signals yet.
    pub fn new() -> Result<Self, Error> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let eventfd = EventFd::from_value_and_flags(0, flags)
            .map_err(Error::system("creating an eventfd"))?;
        Ok(Self { eventfd })
    }

    /// Whether the eventfd has been signalled; leaves it so.
    pub fn is_signalled(&self) -> Result<bool, Error> {
        wait_for(self.eventfd.as_fd(), PollFlags::POLLIN, Duration::ZERO)
    }

    /// Sleeps until the eventfd is signalled, and clears it; false when `timeout` passes first.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        if !wait_for(self.eventfd.as_fd(), PollFlags::POLLIN, timeout)? {
            return Ok(false);
        }
        self.clear().map(|()| true)
    }

    /// Forgets what was signalled, without waiting.
    pub fn clear(&self) -> Result<(), Error> {
        match self.eventfd.read() {
            // Nothing was signalled, or another reader of the same eventfd was faster.
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(errno) => Err(Error::system("reading an eventfd")(errno)),
        }
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

/// Waits until `fd` has one of `events` (or an error, or its peer has gone); false on timeout.
/// A signal handled meanwhile does not end the wait.
pub(crate) fn wait_for(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    timeout: Duration,
) -> Result<bool, Error> {
    let deadline = Deadline::after(timeout);
    loop {
        // poll counts milliseconds: rounding up keeps the last one from becoming a busy loop.
        let left = deadline.left().as_micros().div_ceil(1000);
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, events)], left) {
            Ok(0) if deadline.has_passed() => return Ok(false),
            Ok(0) | Err(Errno::EINTR | Errno::EAGAIN) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(Error::system("waiting for a file descriptor")(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn signals_add_up_and_are_cleared_by_one_wait() {
        let interrupt = Interrupt::new().unwrap();
        assert!(!interrupt.wait(Duration::ZERO).unwrap());
        interrupt.eventfd.write(1).unwrap();
        interrupt.eventfd.write(1).unwrap();
        assert!(interrupt.is_signalled().unwrap());
        assert!(interrupt.wait(Duration::from_secs(10)).unwrap());
        assert!(!interrupt.is_signalled().unwrap());
        assert!(!interrupt.wait(Duration::ZERO).unwrap());
    }

    #[test]
    fn a_wait_takes_as_long_as_its_timeout() {
        let interrupt = Interrupt::new().unwrap();
        let begin = Instant::now();
        assert!(!interrupt.wait(Duration::from_millis(30)).unwrap());
        assert!(begin.elapsed() >= Duration::from_millis(30));
    }
}
