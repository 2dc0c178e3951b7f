//! The link's protocol on the host's side, without input or output: bytes and the time go in,
//! bytes and events come out.
//!
//! ```text
//!  submit --> waiting --> in flight (at most a window) --transmit--> bytes
//!                             ^ acknowledged, or sent again
//!  bytes --receive--> frames in order --> events
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use systole_regs::link::{
    BURST_BEATS, HOST_WINDOW, SEQUENCE_COUNT, VERSION, WRITE_BEAT_BYTES, kind,
};

use super::frame::{Decoder, Found, Header, encode};

/// Bits of a byte on the line.
const BYTE_BITS: u64 = 10;

/// Time that an answer may take besides that of its bytes. Adapters hold bytes back for up to
/// 16 ms, and a simulated board has no hurry.
const PATIENCE: Duration = Duration::from_millis(100);

/// Longest time between two attempts.
const PATIENCE_MAX: Duration = Duration::from_secs(1);

/// Frames longer than this are preceded by an acknowledgement that is due: it would have to wait
/// for their end.
const LONG: usize = 64;

/// What has come from the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The session is open.
    Opened,
    /// A register has been read.
    Value(u32),
    /// The device reads memory.
    Read {
        /// Where.
        address: u64,
        /// How much.
        beats: usize,
    },
    /// The device writes memory.
    Write {
        /// Where.
        address: u64,
        /// Strobes and data of each beat.
        beats: Vec<u8>,
    },
    /// The device signals a vector.
    Interrupt(u16),
}

/// Why a link is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing valid has come for the time limit.
    Silent,
    /// The device has lost the session: it was reset or programmed.
    Restarted,
    /// The device's link has another version.
    Version(u8),
    /// A frame that no device sends.
    Protocol(String),
}

/// What has come so far: tells a silent line from a noisy one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Bytes.
    pub bytes: u64,
    /// Frames of a device.
    pub frames: u64,
}

#[derive(Clone, Debug)]
struct Message {
    kind: u8,
    number: u8,
    payload: Vec<u8>,
}

/// One session with a device.
#[derive(Debug)]
pub(super) struct Link {
    session: u32,
    baud: u32,
    timeout: Duration,
    open: bool,
    decoder: Decoder,
    heard: Heard,
    // Receiving.
    expected: u8,
    acknowledge: bool,
    reject: bool,
    rejected: bool,
    // Sending.
    next: u8,
    waiting: VecDeque<Message>,
    in_flight: VecDeque<Message>,
    /// How many of those in flight have been sent since the last reason to begin anew.
    sent: usize,
    attempts: u32,
    retry: Instant,
    /// When it began to wait for the device, or last heard of it.
    since: Instant,
}

impl Link {
    /// Begins a session of this number, which is not zero.
    pub fn new(session: u32, baud: u32, timeout: Duration, now: Instant) -> Self {
        Self {
            session,
            baud: baud.max(1),
            timeout,
            open: false,
            decoder: Decoder::default(),
            heard: Heard::default(),
            expected: 0,
            acknowledge: false,
            reject: false,
            rejected: false,
            next: 0,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            sent: 0,
            attempts: 0,
            retry: now,
            since: now,
        }
    }

    /// What has come so far.
    pub fn heard(&self) -> Heard {
        self.heard
    }

    /// Whether everything that was submitted has been acknowledged.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// Messages that have not been acknowledged.
    pub fn backlog(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Takes a message to be sent.
    pub fn submit(&mut self, kind: u8, payload: Vec<u8>, now: Instant) {
        if self.is_done() && self.open {
            self.since = now;
        }
        self.waiting.push_back(Message {
            kind,
            number: 0,
            payload,
        });
    }

    /// Appends what is to be sent now, one or two frames, to an empty line; nothing if nothing is
    /// due.
    pub fn transmit(&mut self, now: Instant, line: &mut Vec<u8>) {
        if !self.open {
            if now >= self.retry {
                let header = self.header(kind::OPEN, 0);
                encode(header, &self.session.to_le_bytes(), line);
                self.wait(line.len(), now);
                self.attempts += 1;
            }
            return;
        }
        if self.sent == self.in_flight.len() {
            if !self.in_flight.is_empty() && now >= self.retry {
                self.sent = 0;
                self.attempts += 1;
            } else if self.in_flight.len() < usize::from(HOST_WINDOW)
                && let Some(mut message) = self.waiting.pop_front()
            {
                message.number = self.next;
                self.next = (self.next + 1) % SEQUENCE_COUNT;
                self.in_flight.push_back(message);
            }
        }
        let message = self.in_flight.get(self.sent).cloned();
        let long = message
            .as_ref()
            .is_none_or(|message| message.payload.len() > LONG);
        if (self.acknowledge || self.reject) && long {
            let header = self.header(kind::ACKNOWLEDGE, 0);
            encode(header, &[], line);
        }
        if let Some(message) = message {
            let header = self.header(message.kind, message.number);
            encode(header, &message.payload, line);
            self.sent += 1;
            let bytes: usize = self.in_flight.iter().map(|sent| sent.payload.len()).sum();
            self.wait(bytes, now);
        }
    }

    /// When something is due; `None` if the device must come first. Nothing can be sent again
    /// while the line still has something to take (`blocked`).
    pub fn deadline(&self, blocked: bool) -> Option<Instant> {
        let waits = !self.open || !self.is_done();
        // A timeout too long for the clock never passes.
        let silence = self.since.checked_add(self.timeout);
        let retry = (!blocked).then_some(self.retry);
        let due = [silence, retry].into_iter().flatten().min();
        due.filter(|_| waits)
    }

    /// Whether the device has been silent for too long.
    pub fn check(&self, now: Instant) -> Result<(), Fault> {
        let waits = !self.open || !self.is_done();
        if waits && now.saturating_duration_since(self.since) >= self.timeout {
            return Err(Fault::Silent);
        }
        Ok(())
    }

    /// Takes bytes that have come.
    ///
    /// # Errors
    /// If they show that the link is of no more use.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        // Taken out, because frames lie in it while they are acted on.
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut result = Ok(());
        for &byte in bytes {
            decoder.take(byte, &mut |found| {
                if result.is_ok() {
                    result = match found {
                        Found::Frame(header, payload) => self.frame(header, payload, now, events),
                        Found::Damaged => {
                            self.lose();
                            Ok(())
                        }
                    };
                }
            });
        }
        self.decoder = decoder;
        self.heard.bytes += bytes.len() as u64;
        result
    }

    fn frame(
        &mut self,
        header: Header,
        payload: &[u8],
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        match header.kind {
            kind::STATE => {
                self.heard.frames += 1;
                let &[a, b, c, d, version] = payload else {
                    return Err(unexpected(header.kind, payload));
                };
                if version != VERSION {
                    return Err(Fault::Version(version));
                }
                if u32::from_le_bytes([a, b, c, d]) != self.session {
                    // Before this session is open, it speaks of the one before.
                    return if self.open {
                        Err(Fault::Restarted)
                    } else {
                        Ok(())
                    };
                }
                if !self.open {
                    self.open = true;
                    self.attempts = 0;
                    events.push(Event::Opened);
                }
                self.acknowledged(header, now);
                self.rejected = false;
                Ok(())
            }
            kind::READ | kind::WRITE | kind::VALUE | kind::INTERRUPT => {
                self.heard.frames += 1;
                if !self.open {
                    return Ok(());
                }
                self.acknowledged(header, now);
                if header.number != self.expected {
                    self.acknowledge = true;
                    self.lose();
                    return Ok(());
                }
                self.expected = (self.expected + 1) % SEQUENCE_COUNT;
                self.acknowledge = true;
                self.rejected = false;
                events.push(parse(header.kind, payload)?);
                Ok(())
            }
            // An echo of what was sent, or nothing that this version knows.
            _ => Ok(()),
        }
    }

    /// Something is missing: the device is told once.
    fn lose(&mut self) {
        if self.open && !self.rejected {
            self.reject = true;
            self.rejected = true;
        }
    }

    /// Takes what the device says about frames of this side.
    fn acknowledged(&mut self, header: Header, now: Instant) {
        self.since = now;
        let position = self
            .in_flight
            .iter()
            .position(|message| message.number == header.acknowledged);
        if let Some(position) = position {
            self.in_flight.drain(..=position);
            self.sent = self.sent.saturating_sub(position + 1);
            self.attempts = 0;
            let bytes: usize = self.in_flight.iter().map(|sent| sent.payload.len()).sum();
            self.wait(bytes, now);
        }
        if header.reject {
            self.sent = 0;
        }
    }

    /// Sets the time for the next attempt.
    fn wait(&mut self, bytes: usize, now: Instant) {
        let line = bytes as u64 * BYTE_BITS * 1_000_000 / u64::from(self.baud);
        let patience = PATIENCE + 2 * Duration::from_micros(line);
        let patience = patience.saturating_mul(1 << self.attempts.min(8));
        self.retry = now + patience.min(PATIENCE_MAX.max(Duration::from_micros(4 * line)));
    }

    /// The header of a frame that leaves now; it carries what is to be acknowledged.
    fn header(&mut self, kind: u8, number: u8) -> Header {
        self.acknowledge = false;
        Header {
            kind,
            reject: std::mem::take(&mut self.reject),
            number,
            acknowledged: (self.expected + SEQUENCE_COUNT - 1) % SEQUENCE_COUNT,
        }
    }
}

fn unexpected(kind: u8, payload: &[u8]) -> Fault {
    Fault::Protocol(format!(
        "a frame of kind {kind:#x} with a payload of {} bytes",
        payload.len()
    ))
}

/// A numbered frame's meaning.
fn parse(kind: u8, payload: &[u8]) -> Result<Event, Fault> {
    let wrong = || unexpected(kind, payload);
    match kind {
        kind::VALUE => {
            let value = payload.try_into().map_err(|_| wrong())?;
            Ok(Event::Value(u32::from_le_bytes(value)))
        }
        kind::INTERRUPT => {
            let vector = payload.try_into().map_err(|_| wrong())?;
            Ok(Event::Interrupt(u16::from_le_bytes(vector)))
        }
        _ => {
            let (address, rest) = payload.split_first_chunk().ok_or_else(wrong)?;
            let address = u64::from_le_bytes(*address);
            match (kind, rest) {
                (kind::READ, &[length]) if usize::from(length) < BURST_BEATS => Ok(Event::Read {
                    address,
                    beats: usize::from(length) + 1,
                }),
                (kind::WRITE, beats)
                    if !beats.is_empty() && beats.len().is_multiple_of(WRITE_BEAT_BYTES) =>
                {
                    Ok(Event::Write {
                        address,
                        beats: beats.to_vec(),
                    })
                }
                _ => Err(wrong()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
