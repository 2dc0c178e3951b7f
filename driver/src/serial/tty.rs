//! The terminal: opened for this process alone, raw, at the baud rate asked for.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::termios::{FlushArg, tcflush};
use nix::unistd::{isatty, read, write};

use crate::Error;

/// Largest difference of the rate that a port can make, in percent. Beyond it bytes break.
const DEVIATION_MAX: u32 = 3;

// termios of POSIX knows a list of rates only; Linux's own structure holds any.
nix::ioctl_read_bad!(get_settings, libc::TCGETS2, libc::termios2);
nix::ioctl_write_ptr_bad!(set_settings, libc::TCSETS2, libc::termios2);

/// An open terminal. It is locked as long as it is open.
#[derive(Debug)]
pub(super) struct Tty {
    file: Flock<OwnedFd>,
}

impl Tty {
    /// Opens the terminal at `path`. What it has received before is dropped.
    ///
    /// # Errors
    /// [`Error::NoSerialPort`], [`Error::NotSerialPort`], [`Error::SerialPortInUse`],
    /// [`Error::BaudRate`], [`Error::Connect`].
    pub fn open(path: &Path, baud: u32) -> Result<Self, Error> {
        let file = File::options()
            .read(true)
            .write(true)
            // Without waiting for a carrier, and not as the terminal that controls this process.
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => Error::NoSerialPort { path: path.into() },
                io::ErrorKind::IsADirectory => Error::NotSerialPort { path: path.into() },
                io::ErrorKind::ResourceBusy => Error::SerialPortInUse { path: path.into() },
                _ => Error::Connect {
                    path: path.into(),
                    source,
                },
            })?;
        if !isatty(&file).unwrap_or(false) {
            return Err(Error::NotSerialPort { path: path.into() });
        }
        let file = Flock::lock(OwnedFd::from(file), FlockArg::LockExclusiveNonblock).map_err(
            |(_, errno)| match errno {
                Errno::EWOULDBLOCK => Error::SerialPortInUse { path: path.into() },
                errno => Error::system("locking the serial port")(errno),
            },
        )?;
        let tty = Self { file };
        tty.set_up(baud).map_err(|_| Error::BaudRate {
            path: path.into(),
            baud,
        })?;
        tcflush(&*tty.file, FlushArg::TCIOFLUSH)
            .map_err(Error::system("emptying the serial port's buffers"))?;
        Ok(tty)
    }

    /// Raw, 8 data bits, no parity, one stop bit, no flow control.
    fn set_up(&self, baud: u32) -> Result<(), Errno> {
        let descriptor = self.file.as_raw_fd();
        // SAFETY: a structure of numbers, for which zero is a value.
        let mut settings: libc::termios2 = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, and the structure that of this request.
        unsafe { get_settings(descriptor, &mut settings) }?;
        settings.c_iflag = 0;
        settings.c_oflag = 0;
        settings.c_lflag = 0;
        settings.c_cflag = libc::CS8 | libc::CREAD | libc::CLOCAL | libc::BOTHER;
        settings.c_ispeed = baud;
        settings.c_ospeed = baud;
        settings.c_cc[libc::VMIN] = 1;
        settings.c_cc[libc::VTIME] = 0;
        // SAFETY: as above.
        unsafe { set_settings(descriptor, &settings) }?;
        // SAFETY: as above.
        unsafe { get_settings(descriptor, &mut settings) }?;
        // Drivers take the nearest rate that they have, and say which.
        let difference = u64::from(settings.c_ospeed.abs_diff(baud)) * 100;
        if difference > u64::from(baud) * u64::from(DEVIATION_MAX) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Reads what has come; `None` if nothing has, zero if the port is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, bytes: &mut [u8]) -> Result<Option<usize>, Errno> {
        match read(&*self.file, bytes) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Writes what the port has room for; returns how much that was.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match write(&*self.file, bytes) {
            Ok(count) => Ok(count),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
