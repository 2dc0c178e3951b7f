//! The protocol against a device written after the interface alone, over lines that lose, change,
//! double and insert bytes, in a time that the tests make themselves.

use proptest::prelude::*;

use super::super::frame::{Decoder, Found, Header, encode};
use super::*;

const SESSION: u32 = 0x7e7d_5a01;
const TIMEOUT: Duration = Duration::from_secs(20);
/// Time of one step.
const STEP: Duration = Duration::from_millis(5);
/// Steps after which the device sends again.
const DEVICE_RETRY: u32 = 60;

/// A device's side of the link: one message under way, frames in order only.
#[derive(Default)]
struct Peer {
    decoder: Decoder,
    session: u32,
    expected: u8,
    number: u8,
    outgoing: VecDeque<(u8, Vec<u8>)>,
    waited: u32,
    tell: bool,
    rejected: bool,
    reject: bool,
    taken: Vec<(u8, Vec<u8>)>,
}

impl Peer {
    fn step(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut frames = Vec::new();
        for &byte in bytes {
            self.decoder.take(byte, &mut |found| {
                frames.push(match found {
                    Found::Frame(header, payload) => Some((header, payload.to_vec())),
                    Found::Damaged => None,
                });
            });
        }
        for frame in frames {
            match frame {
                Some((header, payload)) => self.frame(header, payload),
                None => self.lose(),
            }
        }
        let mut line = Vec::new();
        if std::mem::take(&mut self.tell) {
            let payload = [&self.session.to_le_bytes()[..], &[VERSION]].concat();
            self.send(kind::STATE, 0, &payload, &mut line);
        }
        if self.session != 0
            && let Some((kind, payload)) = self.outgoing.front().cloned()
        {
            if self.waited == 0 {
                self.send(kind, self.number, &payload, &mut line);
            }
            self.waited = (self.waited + 1) % DEVICE_RETRY;
        }
        line
    }

    fn send(&mut self, kind: u8, number: u8, payload: &[u8], line: &mut Vec<u8>) {
        let header = Header {
            kind,
            reject: std::mem::take(&mut self.reject),
            number,
            acknowledged: (self.expected + 15) % 16,
        };
        encode(header, payload, line);
    }

    fn lose(&mut self) {
        self.tell = true;
        self.reject |= !self.rejected;
        self.rejected = true;
    }

    fn frame(&mut self, header: Header, payload: Vec<u8>) {
        if header.kind == kind::OPEN {
            let session = u32::from_le_bytes(payload[..4].try_into().unwrap());
            if session != self.session {
                self.session = session;
                (self.expected, self.number, self.waited) = (0, 0, 0);
            }
            self.tell = true;
            return;
        }
        if self.session == 0 {
            self.tell = true;
            return;
        }
        if !self.outgoing.is_empty() && header.acknowledged == self.number {
            self.outgoing.pop_front();
            self.number = (self.number + 1) % 16;
            self.waited = 0;
        } else if header.reject {
            self.waited = 0;
        }
        if header.kind == kind::ACKNOWLEDGE {
            self.rejected = false;
        } else if header.number == self.expected {
            self.expected = (self.expected + 1) % 16;
            self.taken.push((header.kind, payload));
            self.rejected = false;
            self.tell = true;
        } else {
            self.lose();
        }
    }
}

/// What happens to a byte of the line.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Lost,
    Changed(u8),
    Doubled,
    Inserted(u8),
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        Just(Mishap::Lost),
        any::<u8>().prop_map(Mishap::Changed),
        Just(Mishap::Doubled),
        any::<u8>().prop_map(Mishap::Inserted),
    ]
}

/// A line on which mishaps befall bytes, each some bytes after the one before.
#[derive(Debug)]
struct Line {
    mishaps: VecDeque<(usize, Mishap)>,
}

impl Line {
    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut carried = Vec::new();
        for &byte in bytes {
            let due = match self.mishaps.front_mut() {
                Some((0, _)) => self.mishaps.pop_front(),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            };
            match due.map(|(_, mishap)| mishap) {
                None => carried.push(byte),
                Some(Mishap::Lost) => {}
                Some(Mishap::Changed(other)) => carried.push(other),
                Some(Mishap::Doubled) => carried.extend([byte, byte]),
                Some(Mishap::Inserted(other)) => carried.extend([other, byte]),
            }
        }
        carried
    }
}

fn lines() -> impl Strategy<Value = Line> {
    prop::collection::vec((0..400usize, mishaps()), 0..30).prop_map(|mishaps| Line {
        mishaps: mishaps.into(),
    })
}

/// Runs both sides until all is said; what the host has heard.
fn converse(link: &mut Link, peer: &mut Peer, there: &mut Line, back: &mut Line) -> Vec<Event> {
    let mut now = Instant::now();
    let mut events = Vec::new();
    let mut from_peer = Vec::new();
    for _ in 0..4000 {
        now += STEP;
        link.receive(&back.carry(&from_peer), now, &mut events)
            .unwrap();
        link.check(now).unwrap();
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            link.transmit(now, &mut bytes);
            if bytes.len() == before {
                break;
            }
        }
        from_peer = peer.step(&there.carry(&bytes));
        if link.open && link.is_done() && peer.outgoing.is_empty() && from_peer.is_empty() {
            return events;
        }
    }
    panic!("the conversation has no end: {link:?}");
}

fn link() -> Link {
    Link::new(SESSION, 115_200, TIMEOUT, Instant::now())
}

proptest! {
    #[test]
    fn every_message_arrives_once_and_in_order_whatever_happens_to_bytes(
        mut there in lines(),
        mut back in lines(),
        hosts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..40),
        values in prop::collection::vec(any::<u32>(), 0..40),
    ) {
        let mut link = link();
        let mut peer = Peer::default();
        for payload in &hosts {
            link.submit(kind::DATA, payload.clone(), Instant::now());
        }
        let messages = values.iter().map(|value| (kind::VALUE, value.to_le_bytes().to_vec()));
        peer.outgoing = messages.collect();
        let events = converse(&mut link, &mut peer, &mut there, &mut back);
        let taken: Vec<_> = peer.taken.into_iter().map(|(_, payload)| payload).collect();
        prop_assert_eq!(taken, hosts);
        let expected: Vec<_> = std::iter::once(Event::Opened)
            .chain(values.into_iter().map(Event::Value))
            .collect();
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn no_bytes_make_an_open_link_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        frames in prop::collection::vec(
            (0..16u8, 0..16u8, 0..16u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)),
            0..40),
    ) {
        let mut link = link();
        let mut clean = Line { mishaps: VecDeque::new() };
        let mut also = Line { mishaps: VecDeque::new() };
        converse(&mut link, &mut Peer::default(), &mut clean, &mut also);
        let mut line = bytes;
        for (kind, number, acknowledged, reject, payload) in frames {
            encode(Header { kind, reject, number, acknowledged }, &payload, &mut line);
        }
        let now = Instant::now();
        for part in line.chunks(7) {
            // A fault ends a link; nothing else may happen.
            if link.receive(part, now, &mut Vec::new()).is_err() {
                break;
            }
            let mut sent = Vec::new();
            link.transmit(now, &mut sent);
        }
    }
}

/// Bytes of one frame from a device.
fn from_device(kind: u8, number: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        kind,
        reject: false,
        number,
        acknowledged: 15,
    };
    let mut line = Vec::new();
    encode(header, payload, &mut line);
    line
}

fn state(session: u32, version: u8) -> Vec<u8> {
    let payload = [&session.to_le_bytes()[..], &[version]].concat();
    from_device(kind::STATE, 0, &payload)
}

#[test]
fn a_device_that_has_lost_the_session_ends_it() {
    let mut link = link();
    let now = Instant::now();
    let mut events = Vec::new();
    // Of an earlier session; and a frame of it.
    for bytes in [
        state(0, VERSION),
        from_device(kind::VALUE, 0, &[0; 4]),
        state(SESSION, VERSION),
    ] {
        link.receive(&bytes, now, &mut events).unwrap();
    }
    assert_eq!(events, [Event::Opened]);
    let fault = link.receive(&state(0, VERSION), now, &mut events);
    assert_eq!(fault, Err(Fault::Restarted));
}

#[test]
fn another_version_is_named() {
    let fault = link().receive(&state(0, VERSION + 1), Instant::now(), &mut Vec::new());
    assert_eq!(fault, Err(Fault::Version(VERSION + 1)));
}

#[test]
fn frames_that_no_device_sends_end_the_link() {
    for (kind, payload) in [
        (kind::VALUE, vec![0; 3]),
        (kind::INTERRUPT, vec![0; 4]),
        (kind::READ, vec![0; 8]),
        (kind::READ, vec![0xff; 9]),
        (kind::WRITE, vec![0; 8]),
        (kind::WRITE, vec![0; 18]),
        (kind::STATE, vec![0; 4]),
    ] {
        let mut link = link();
        let now = Instant::now();
        link.receive(&state(SESSION, VERSION), now, &mut Vec::new())
            .unwrap();
        let bytes = from_device(kind, 0, &payload);
        let fault = link.receive(&bytes, now, &mut Vec::new());
        assert!(matches!(fault, Err(Fault::Protocol(_))), "{kind:#x}");
    }
}

#[test]
fn a_silent_line_is_found_in_time() {
    let mut link = link();
    let begin = Instant::now();
    let mut attempts = 0;
    for step in 0..1000 {
        let now = begin + STEP * step * 8;
        if let Err(fault) = link.check(now) {
            assert_eq!(fault, Fault::Silent);
            assert!(now - begin >= TIMEOUT && attempts > 10);
            return;
        }
        let mut line = Vec::new();
        link.transmit(now, &mut line);
        attempts += usize::from(!line.is_empty());
        // An echo is no device.
        link.receive(&line, now, &mut Vec::new()).unwrap();
    }
    panic!("a silent line was never given up");
}
