//! The connection to a device process: one request, then its reply, each within a time limit.
//!
//! ```text
//!  request --- sendmsg (bytes + descriptors) ---> device process
//!  reply   <-- recvmsg (header) ----------------
//!          <-- recvmsg (payload) ---------------
//! ```
//!
//! The socket never blocks; poll(2) waits, and one deadline covers the whole exchange, so that a
//! server that sends a byte a second is found out as well as one that sends nothing. After a
//! timeout or a malformed reply nobody knows where the next message begins: the connection is
//! shut down, and everything after it is [`Error::DeviceGone`].

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType,
    UnixAddr, connect, recvmsg, sendmsg, shutdown, socket,
};

use super::message::{Command, HEADER_BYTES, Header};
use crate::Error;
use crate::deadline::Deadline;
use crate::interrupts::wait_for;

/// Most descriptors that Linux passes with one message (SCM_MAX_FD). With room for all of them
/// no descriptor that a server sends is ever lost, and so leaked, on the way.
const DESCRIPTORS_MAX: usize = 253;

/// A reply without error: its payload, and the descriptors that came with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub payload: Vec<u8>,
    pub descriptors: Vec<OwnedFd>,
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    next_id: u16,
    timeout: Duration,
    lost: bool,
}

impl Connection {
    /// Connects to the socket at `path`. `timeout` holds for connecting and for each exchange.
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, Error> {
        let failed = |errno: Errno| match errno {
            Errno::ENOENT => Error::NoSocket { path: path.into() },
            Errno::ECONNREFUSED => Error::NobodyListens { path: path.into() },
            _ => Error::Connect {
                path: path.into(),
                source: errno.into(),
            },
        };
        let address = UnixAddr::new(path).map_err(failed)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .map_err(Error::system("creating a socket"))?;
        let deadline = Deadline::after(timeout);
        loop {
            match connect(socket.as_raw_fd(), &address) {
                Ok(()) => break,
                Err(Errno::EINTR) => {}
                // The server's queue of connections is full, and poll(2) would not say when it
                // no longer is.
                Err(Errno::EAGAIN) if !deadline.has_passed() => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(Errno::EAGAIN) => {
                    return Err(Error::NoAnswer {
                        request: "the attempt to connect",
                        timeout,
                    });
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(Self {
            socket,
            next_id: 0,
            timeout,
            lost: false,
        })
    }

    /// Sends a request and returns its reply.
    ///
    /// # Errors
    /// [`Error::Refused`] leaves the connection usable; after every other error it is lost.
    pub fn exchange(
        &mut self,
        command: Command,
        payload: &[&[u8]],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Answer, Error> {
        if self.lost {
            return Err(Error::DeviceGone);
        }
        let result = self.try_exchange(command, payload, descriptors);
        if matches!(&result, Err(error) if !matches!(error, Error::Refused { .. })) {
            self.give_up();
        }
        result
    }

    /// Ends the connection after a reply that was well-formed but made no sense.
    pub fn give_up(&mut self) {
        self.lost = true;
        // Fails only where the other end has gone already.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    /// Whether the other end is still there, without an exchange.
    pub fn probe(&mut self) -> Result<(), Error> {
        if !self.lost && wait_for(self.socket.as_fd(), PollFlags::POLLHUP, Duration::ZERO)? {
            self.give_up();
        }
        if self.lost {
            return Err(Error::DeviceGone);
        }
        Ok(())
    }

    fn try_exchange(
        &mut self,
        command: Command,
        payload: &[&[u8]],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Answer, Error> {
        let deadline = Deadline::after(self.timeout);
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);

        let header = Header::request(id, command, payload.iter().map(|part| part.len()).sum());
        // One contiguous message: servers read the header with the descriptors in one call.
        let message = [bytemuck::bytes_of(&header), &payload.concat()].concat();
        self.send(command, &message, descriptors, deadline)?;

        let mut received = Vec::new();
        let mut header = [0; HEADER_BYTES];
        self.receive(command, &mut header, &mut received, deadline)?;
        let protocol = |detail| Error::Protocol {
            request: command.describe(),
            detail,
        };
        let header: Header = bytemuck::cast(header);
        let reply = header.reply(id, command).map_err(protocol)?;
        let mut payload = vec![0; reply.payload];
        self.receive(command, &mut payload, &mut received, deadline)?;
        match reply.refused {
            None => Ok(Answer {
                payload,
                descriptors: received,
            }),
            Some(0) => Err(Error::Refused {
                request: command.describe(),
                source: io::Error::other("no reason given"),
            }),
            Some(errno) => Err(Error::Refused {
                request: command.describe(),
                source: io::Error::from_raw_os_error(errno),
            }),
        }
    }

    /// Sends `message`, its descriptors with the first byte.
    fn send(
        &self,
        command: Command,
        mut message: &[u8],
        descriptors: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), Error> {
        let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let mut control = if raw.is_empty() { &[][..] } else { &rights[..] };
        while !message.is_empty() {
            let sent = sendmsg::<UnixAddr>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(message)],
                control,
                // A device process that has gone is an error, not a signal.
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Ok(bytes) => {
                    message = &message[bytes..];
                    control = &[];
                }
                Err(errno) => self.retry(command, errno, PollFlags::POLLOUT, deadline)?,
            }
        }
        Ok(())
    }

    /// Receives until `data` is full, and collects the descriptors that come along.
    fn receive(
        &self,
        command: Command,
        data: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let mut filled = 0;
        while filled < data.len() {
            match self.receive_some(&mut data[filled..], descriptors) {
                Ok(0) => return Err(Error::DeviceGone),
                Ok(bytes) => filled += bytes,
                Err(errno) => self.retry(command, errno, PollFlags::POLLIN, deadline)?,
            }
        }
        Ok(())
    }

    fn receive_some(
        &self,
        data: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> Result<usize, Errno> {
        let mut control = cmsg_space!([i32; DESCRIPTORS_MAX]);
        let mut parts = [IoSliceMut::new(data)];
        let received = recvmsg::<UnixAddr>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = message {
                descriptors.extend(raw.into_iter().map(own));
            }
        }
        Ok(received.bytes)
    }

    /// Decides what an error of the socket means: waits for `events` if it only was not ready.
    fn retry(
        &self,
        command: Command,
        errno: Errno,
        events: PollFlags,
        deadline: Deadline,
    ) -> Result<(), Error> {
        match errno {
            Errno::EINTR => Ok(()),
            Errno::EAGAIN => {
                if wait_for(self.socket.as_fd(), events, deadline.left())? {
                    Ok(())
                } else {
                    Err(Error::NoAnswer {
                        request: command.describe(),
                        timeout: self.timeout,
                    })
                }
            }
            Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => Err(Error::DeviceGone),
            errno => Err(Error::system("talking to the device process")(errno)),
        }
    }
}

/// Takes charge of a descriptor that a message brought.
fn own(descriptor: i32) -> OwnedFd {
    // SAFETY: recvmsg has just created the descriptor in this process, in a control message that
    // is read once, so nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}
