//! The thread that holds the terminal: it moves bytes, serves the device's DMA, and passes on what
//! others want of the device.
//!
//! ```text
//!  read_register, write_register --> requests --+            +--> value, opened, fault
//!                                    (eventfd)  v            |    (condition variable)
//!                                     poll --> link --> events --> memory, eventfds
//!                                      ^         |
//!                                      +-- tty <-+
//! ```
//!
//! Nothing blocks it but poll, and nobody waits for it without a time limit.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::unistd::write;
use systole_regs::link::kind;

use super::config::Config;
use super::dma::{Mappings, Unmapped};
use super::link::{Event, Fault, Heard, Link};
use super::tty::Tty;
use crate::Error;
use crate::deadline::Deadline;
use crate::lock::lock;

/// Requests that may wait before those who write registers have to.
const REQUESTS_MAX: usize = 64;

/// Messages under way before requests have to wait.
const BACKLOG: usize = 16;

/// Most messages under way: requests, and answers to all the DMA that a device can have
/// outstanding, many times over. A device that asks for more would fill the host's memory.
const BACKLOG_MAX: usize = 128;

/// How long the end of a link may take to deliver what was written last.
const FAREWELL: Duration = Duration::from_millis(200);

/// Bytes that are read at once.
const READ_BYTES: usize = 4096;

/// A frame for the device: its kind and its payload.
type Request = (u8, Vec<u8>);

/// Why the link has ended.
#[derive(Clone, Debug)]
enum End {
    Link(Fault, Heard),
    /// The port has gone.
    Port,
}

/// What the thread and its users tell each other.
#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Request>,
    /// A new session is wanted.
    reopen: bool,
    opened: bool,
    value: Option<u32>,
    heard: Heard,
    end: Option<End>,
}

/// What the thread and its users have in common.
pub(super) struct Shared {
    pub path: PathBuf,
    pub baud: u32,
    pub timeout: Duration,
    pub mappings: Mutex<Mappings>,
    pub config: Mutex<Config>,
    pub vectors: Mutex<Vec<Option<OwnedFd>>>,
    state: Mutex<State>,
    changed: Condvar,
    wake: EventFd,
    stop: AtomicBool,
}

impl Shared {
    /// No device yet.
    pub fn new(path: PathBuf, baud: u32, timeout: Duration, wake: EventFd) -> Self {
        Self {
            path,
            baud,
            timeout,
            mappings: Mutex::default(),
            config: Mutex::new(Config::new()),
            vectors: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            wake,
            stop: AtomicBool::new(false),
        }
    }

    /// Lets the thread end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the link still stands.
    ///
    /// # Errors
    /// [`Error::DeviceGone`].
    pub fn check(&self) -> Result<(), Error> {
        match lock(&self.state).end {
            None => Ok(()),
            Some(_) => Err(Error::DeviceGone),
        }
    }

    /// Begins a session and waits until it is open.
    pub fn open(&self) -> Result<(), Error> {
        let begin = |state: &mut State| {
            state.opened = false;
            state.heard = Heard::default();
            // What was meant for the last session has no place in the next.
            state.requests.clear();
            state.reopen = true;
        };
        self.ask(begin, |state| state.opened.then_some(()))
    }

    /// Reads a register. One at a time: the caller sees to it.
    pub fn read(&self, offset: u16) -> Result<u32, Error> {
        let payload = offset.to_le_bytes().to_vec();
        let begin = |state: &mut State| {
            state.value = None;
            state.requests.push_back((kind::READ_REGISTER, payload));
        };
        self.ask(begin, |state| state.value.take())
    }

    /// Writes a register, when it is its turn.
    pub fn write(&self, offset: u16, value: u32) -> Result<(), Error> {
        let payload = [&offset.to_le_bytes()[..], &value.to_le_bytes()].concat();
        self.ask(
            |_| (),
            |state| {
                (state.requests.len() < REQUESTS_MAX).then(|| {
                    let request = (kind::WRITE_REGISTER, payload.clone());
                    state.requests.push_back(request);
                })
            },
        )?;
        self.wake();
        Ok(())
    }

    /// Changes the state, wakes the thread, and waits until `done` has a result.
    fn ask<T>(
        &self,
        begin: impl FnOnce(&mut State),
        mut done: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Error> {
        let deadline = Deadline::after(self.timeout);
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return Err(Error::DeviceGone);
        }
        begin(&mut state);
        self.wake();
        loop {
            if let Some(result) = done(&mut state) {
                return Ok(result);
            }
            if let Some(end) = &state.end {
                return Err(self.explain(end));
            }
            if deadline.has_passed() {
                // The thread finds a silent line itself, at about the same time; or frames come, and
                // no answer.
                let end = End::Link(Fault::Silent, state.heard);
                let error = self.explain(&end);
                state.end = Some(end);
                return Err(error);
            }
            state = self
                .changed
                .wait_timeout(state, deadline.left())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn explain(&self, end: &End) -> Error {
        let (path, baud) = (self.path.clone(), self.baud);
        match end {
            End::Link(Fault::Silent, heard) if heard.bytes > 0 && heard.frames == 0 => {
                Error::SerialNoise {
                    path,
                    baud,
                    bytes: heard.bytes,
                }
            }
            End::Link(Fault::Silent, _) => Error::SerialSilent {
                path,
                baud,
                timeout: self.timeout,
            },
            End::Link(Fault::Version(found), _) => Error::SerialVersion { found: *found },
            End::Link(Fault::Protocol(detail), _) => Error::SerialProtocol {
                detail: detail.clone(),
            },
            End::Link(Fault::Restarted, _) | End::Port => Error::DeviceGone,
        }
    }

    fn wake(&self) {
        // Fails only when the counter is full: then the thread is awake.
        let _ = self.wake.write(1);
    }
}

/// The thread's own part.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    tty: Tty,
    link: Link,
    line: Vec<u8>,
    sent: usize,
}

impl<'a> Worker<'a> {
    /// A thread's work on an open terminal.
    pub fn new(shared: &'a Shared, tty: Tty) -> Self {
        Self {
            shared,
            tty,
            link: session(shared),
            line: Vec::new(),
            sent: 0,
        }
    }

    /// Works until the link ends or is stopped.
    pub fn run(mut self) {
        let end = self.work();
        if let Err(end) = end {
            tracing::debug!(?end, "the serial link has ended");
            lock(&self.shared.state).end.get_or_insert(end);
            self.shared.changed.notify_all();
        }
    }

    fn work(&mut self) -> Result<(), End> {
        let mut farewell: Option<Instant> = None;
        loop {
            self.take_requests()?;
            let now = Instant::now();
            if self.shared.stop.load(Ordering::Acquire) {
                let end = *farewell.get_or_insert(now + FAREWELL);
                if now >= end || (self.link.is_done() && self.line.is_empty()) {
                    return Ok(());
                }
            }
            let heard = self.link.heard();
            self.link
                .check(now)
                .map_err(|fault| End::Link(fault, heard))?;
            self.send(now)?;
            self.sleep(now, farewell)?;
            self.receive()?;
        }
    }

    fn take_requests(&mut self) -> Result<(), End> {
        let mut state = lock(&self.shared.state);
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        let now = Instant::now();
        if std::mem::take(&mut state.reopen) {
            self.link = session(self.shared);
        }
        while self.link.backlog() < BACKLOG
            && let Some((kind, payload)) = state.requests.pop_front()
        {
            self.link.submit(kind, payload, now);
        }
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Fills an empty line and writes what the port takes.
    fn send(&mut self, now: Instant) -> Result<(), End> {
        loop {
            if self.line.is_empty() {
                self.link.transmit(now, &mut self.line);
                self.sent = 0;
            }
            if self.line.is_empty() {
                return Ok(());
            }
            let count = self.tty.write(&self.line[self.sent..]).map_err(gone)?;
            if count == 0 {
                return Ok(());
            }
            self.sent += count;
            if self.sent == self.line.len() {
                self.line.clear();
            }
        }
    }

    /// Waits for bytes, for room, for requests, or for the time of something that is due.
    fn sleep(&self, now: Instant, farewell: Option<Instant>) -> Result<(), End> {
        let blocked = !self.line.is_empty();
        let due = [self.link.deadline(blocked), farewell]
            .into_iter()
            .flatten()
            .min();
        let timeout = due.map_or(PollTimeout::NONE, |due| {
            let left = due
                .saturating_duration_since(now)
                .as_micros()
                .div_ceil(1000);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let mut events = PollFlags::POLLIN;
        if blocked {
            events |= PollFlags::POLLOUT;
        }
        let mut descriptors = [
            PollFd::new(self.tty.as_fd(), events),
            PollFd::new(self.shared.wake.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(gone(errno)),
        }
        let events = descriptors[0].revents().unwrap_or(PollFlags::empty());
        let lost = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        // What has come before the port went is still read.
        if events.intersects(lost) && !events.contains(PollFlags::POLLIN) {
            return Err(End::Port);
        }
        if descriptors[1].any().unwrap_or(false) {
            // Another wake-up may have come between: the requests are looked at next.
            let _ = self.shared.wake.read();
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), End> {
        let mut bytes = [0; READ_BYTES];
        let count = match self.tty.read(&mut bytes).map_err(gone)? {
            Some(0) => return Err(End::Port),
            Some(count) => count,
            None => return Ok(()),
        };
        let mut events = Vec::new();
        let now = Instant::now();
        let result = self.link.receive(&bytes[..count], now, &mut events);
        for event in events {
            self.act(event, now);
        }
        let result = result.and_then(|()| match self.link.backlog() {
            0..=BACKLOG_MAX => Ok(()),
            _ => Err(Fault::Protocol("requests without end".into())),
        });
        let heard = self.link.heard();
        lock(&self.shared.state).heard = heard;
        result.map_err(|fault| End::Link(fault, heard))
    }

    fn act(&mut self, event: Event, now: Instant) {
        match event {
            Event::Opened => lock(&self.shared.state).opened = true,
            Event::Value(value) => lock(&self.shared.state).value = Some(value),
            Event::Read { address, beats } => {
                let data = self.reach(|mappings| mappings.read(address, beats));
                match data {
                    Ok(data) => self.link.submit(kind::DATA, data, now),
                    Err(Unmapped) => {
                        tracing::debug!(address, "DMA read refused");
                        self.link.submit(kind::DATA_ERROR, Vec::new(), now);
                    }
                }
            }
            Event::Write { address, beats } => {
                let answer = match self.reach(|mappings| mappings.write(address, &beats)) {
                    Ok(()) => kind::WRITTEN,
                    Err(Unmapped) => {
                        tracing::debug!(address, "DMA write refused");
                        kind::WRITE_ERROR
                    }
                };
                self.link.submit(answer, Vec::new(), now);
            }
            Event::Interrupt(vector) => self.signal(vector),
        }
        self.shared.changed.notify_all();
    }

    /// Accesses memory for the device, if it may use the bus.
    fn reach<T>(
        &self,
        access: impl FnOnce(&Mappings) -> Result<T, Unmapped>,
    ) -> Result<T, Unmapped> {
        if !lock(&self.shared.config).bus_master() {
            return Err(Unmapped);
        }
        access(&lock(&self.shared.mappings))
    }

    fn signal(&self, vector: u16) {
        let vectors = lock(&self.shared.vectors);
        match vectors.get(usize::from(vector)) {
            // Fails only when the eventfd's counter is full: then it is signalled.
            Some(Some(eventfd)) => drop(write(eventfd, &1_u64.to_ne_bytes())),
            _ => tracing::debug!(vector, "nobody waits for this interrupt"),
        }
    }
}

/// A session that no earlier frame belongs to.
fn session(shared: &Shared) -> Link {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's source of randomness; zero is the number of no session.
    let random = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish() as u32;
    Link::new(random.max(1), shared.baud, shared.timeout, Instant::now())
}

fn gone(errno: Errno) -> End {
    tracing::debug!(%errno, "the serial port failed");
    End::Port
}
