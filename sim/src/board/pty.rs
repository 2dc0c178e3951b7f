//! A pseudo terminal in place of a USB adapter: the simulated board holds one end, a driver opens
//! the other by its path.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{read, ttyname, write};

/// What a pseudo terminal can fail with.
#[derive(Debug, thiserror::Error)]
pub enum PtyError {
    /// The system has none to give, or reading or writing it failed.
    #[error("a pseudo terminal failed while {operation}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The link to it cannot be made.
    #[error("cannot make the link {}: remove what is there, or choose another path", path.display())]
    Link {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn system(operation: &'static str) -> impl FnOnce(Errno) -> PtyError {
    move |errno| PtyError::System {
        operation,
        source: errno.into(),
    }
}

/// A pseudo terminal. The link to it is removed when this is dropped.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    /// Held open, so that the terminal outlives those who use it.
    _slave: OwnedFd,
    path: PathBuf,
    link: Option<PathBuf>,
}

impl Pty {
    /// A new one, raw from the start: nothing is echoed or changed on the way.
    ///
    /// # Errors
    /// If the system has none to give.
    pub fn open() -> Result<Self, PtyError> {
        let pair = openpty(None, None).map_err(system("opening it"))?;
        let mut settings = tcgetattr(&pair.slave).map_err(system("reading its settings"))?;
        cfmakeraw(&mut settings);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).map_err(system("setting it up"))?;
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .map_err(system("setting it up"))?;
        let path = ttyname(&pair.slave).map_err(system("asking for its name"))?;
        Ok(Self {
            master: pair.master,
            _slave: pair.slave,
            path,
            link: None,
        })
    }

    /// Makes a symbolic link to it; one to a terminal that is gone is replaced.
    ///
    /// # Errors
    /// If something else is there.
    pub fn link(mut self, link: &Path) -> Result<Self, PtyError> {
        let failed = |source| PtyError::Link {
            path: link.to_owned(),
            source,
        };
        if link.is_symlink() && !link.exists() {
            std::fs::remove_file(link).map_err(failed)?;
        }
        std::os::unix::fs::symlink(&self.path, link).map_err(failed)?;
        self.link = Some(link.to_owned());
        Ok(self)
    }

    /// What a driver opens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what has come, or waits for it.
    ///
    /// # Errors
    /// If the terminal fails.
    pub fn read(&self, bytes: &mut [u8], wait: Duration) -> Result<usize, PtyError> {
        if !wait.is_zero() {
            let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
            match poll(
                &mut [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)],
                timeout,
            ) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(system("waiting")(errno)),
            }
        }
        match read(&self.master, bytes) {
            Ok(count) => Ok(count),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(errno) => Err(system("reading")(errno)),
        }
    }

    /// Writes bytes. What the other end has no room for is lost, as it is on a line.
    ///
    /// # Errors
    /// If the terminal fails.
    pub fn write(&self, mut bytes: &[u8]) -> Result<(), PtyError> {
        while !bytes.is_empty() {
            match write(&self.master, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    tracing::debug!(lost = bytes.len(), "the terminal is full");
                    return Ok(());
                }
                Err(errno) => return Err(system("writing")(errno)),
            }
        }
        Ok(())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            // Somebody else may have removed it already.
            let _ = std::fs::remove_file(link);
        }
    }
}
