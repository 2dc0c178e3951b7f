//! The serial link's hardware at its pins, against frames that are made here from the interface's
//! description alone: clocks that differ, noise, damage, repetition, sessions.
#![cfg(feature = "rtl-board")]

use systole_regs::link::{FLAG, REJECT, VERSION, kind};
use systole_regs::{MAGIC, registers};
use systole_sim::board::{BIT_CYCLES, BoardModel, LineReceiver, LineSender, RETRY_CYCLES};

/// A frame as bytes: check, escapes and flags written out, bit by bit.
fn frame(kind: u8, numbers: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![kind, numbers];
    body.extend(payload);
    let check = !crc(&body);
    body.extend(check.to_le_bytes());
    let mut line = vec![0x7e];
    for byte in body {
        match byte {
            0x7e => line.extend([0x7d, 0x5e]),
            0x7d => line.extend([0x7d, 0x5d]),
            _ => line.push(byte),
        }
    }
    line.push(0x7e);
    line
}

/// The remainder of a division by the polynomial of IEEE 802.3, lowest bits first.
fn crc(bytes: &[u8]) -> u32 {
    let mut value = u32::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let out = (value ^ u32::from(byte >> bit)) & 1;
            value = (value >> 1) ^ (out * 0xedb8_8320);
        }
    }
    value
}

/// Frames in a line's bytes: kind, numbers and payload.
fn frames(line: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    line.split(|&byte| byte == FLAG)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let mut body = Vec::new();
            let mut bytes = part.iter();
            while let Some(&byte) = bytes.next() {
                body.push(match byte {
                    0x7d => bytes.next().expect("an escape has a byte") ^ 0x20,
                    byte => byte,
                });
            }
            let check = body.split_off(body.len() - 4);
            assert_eq!((!crc(&body)).to_le_bytes()[..], check, "{body:x?}");
            (body[0], body[1], body.split_off(2))
        })
        .collect()
}

/// A board at its pins.
struct Pins {
    model: BoardModel,
    sender: LineSender,
    receiver: LineReceiver,
    /// Cycles in which the line to the board is inverted, counted from now on.
    glitches: Vec<u64>,
    cycle: u64,
}

impl Pins {
    /// After power-on; the other end's bits last so many of the board's.
    fn new(deviation: f64) -> Pins {
        let bit = f64::from(BIT_CYCLES) * deviation;
        let mut model = BoardModel::new(5, None).expect("no waveform is written");
        for _ in 0..16 {
            model.cycle(true, true);
        }
        Pins {
            model,
            sender: LineSender::new(bit),
            receiver: LineReceiver::new(bit),
            glitches: Vec::new(),
            cycle: 0,
        }
    }

    fn run(&mut self, cycles: u32) -> Vec<u8> {
        let mut received = Vec::new();
        for _ in 0..cycles {
            let level = self.sender.level() ^ self.glitches.contains(&self.cycle);
            self.cycle += 1;
            let pins = self.model.cycle(false, level);
            received.extend(self.receiver.sample(pins.tx));
        }
        received
    }

    /// Sends bytes; the frames that come within the time of so many bytes after them.
    fn answer(&mut self, line: &[u8], bytes: u32) -> Vec<(u8, u8, Vec<u8>)> {
        self.sender.send(line);
        let mut received = Vec::new();
        while self.sender.pending() > 0 {
            received.extend(self.run(1));
        }
        received.extend(self.run(bytes * BIT_CYCLES * 10));
        frames(&received)
    }

    fn open(&mut self, session: u32) {
        let answer = self.answer(&frame(kind::OPEN, 0, &session.to_le_bytes()), 40);
        assert_eq!(answer, [state(session, 15)]);
    }
}

/// STATE of a session; the board has taken frames up to this number.
fn state(session: u32, taken: u8) -> (u8, u8, Vec<u8>) {
    let payload = [&session.to_le_bytes()[..], &[VERSION]].concat();
    (kind::STATE, taken << 4, payload)
}

fn value(taken: u8, number: u8, value: u32) -> (u8, u8, Vec<u8>) {
    let payload = value.to_le_bytes().to_vec();
    (kind::VALUE, taken << 4 | number, payload)
}

/// READ_REGISTER of this number, which acknowledges the board's frames up to `taken`.
fn read(number: u8, taken: u8, offset: u32) -> Vec<u8> {
    let offset = (offset as u16).to_le_bytes();
    frame(kind::READ_REGISTER, taken << 4 | number, &offset)
}

#[test]
fn registers_are_read_with_clocks_that_differ_by_two_percent() {
    for deviation in [0.98, 0.99, 1.0, 1.01, 1.02] {
        let mut pins = Pins::new(deviation);
        // Every value of a byte comes in a session's number somewhere.
        pins.open(0x7e7d_00ff);
        let answer = pins.answer(&read(0, 15, registers::MAGIC), 60);
        assert_eq!(answer, [value(0, 0, MAGIC)], "{deviation}");
        // All in one go, without a pause between bytes.
        for number in 1..40_u8 {
            let (this, before) = (number % 16, (number - 1) % 16);
            let answer = pins.answer(&read(this, before, registers::MAGIC), 40);
            assert_eq!(answer, [value(this, this, MAGIC)], "{deviation} {number}");
        }
    }
}

#[test]
fn a_write_takes_effect_once_however_often_it_comes() {
    let mut pins = Pins::new(1.0);
    pins.open(1);
    let write = |number: u8, value: u32| {
        let offset = (registers::SUBMISSION_ENTRIES as u16).to_le_bytes();
        let payload = [&offset[..], &value.to_le_bytes()].concat();
        frame(kind::WRITE_REGISTER, 0xf0 | number, &payload)
    };
    assert_eq!(pins.answer(&write(0, 64), 40), [state(1, 0)]);
    assert_eq!(pins.answer(&write(1, 128), 40), [state(1, 1)]);
    // The first comes again: it is acknowledged, and nothing else.
    let (kind, numbers, payload) = state(1, 1);
    let again = pins.answer(&write(0, 64), 40);
    assert_eq!(again, [(kind | REJECT, numbers, payload)]);
    let answer = pins.answer(&read(2, 15, registers::SUBMISSION_ENTRIES), 60);
    assert_eq!(answer, [value(2, 0, 128)]);
}

#[test]
fn an_answer_that_is_not_acknowledged_comes_again() {
    let mut pins = Pins::new(1.0);
    pins.open(9);
    let expected = [value(0, 0, MAGIC)];
    let answer = pins.answer(&read(0, 15, registers::MAGIC), 60);
    assert_eq!(answer, expected);
    let later = pins.run(RETRY_CYCLES + 60 * 10 * BIT_CYCLES);
    assert_eq!(frames(&later), expected);
    // A reject brings it at once, an acknowledgement ends it.
    let reject = frame(kind::ACKNOWLEDGE | REJECT, 0xf0, &[]);
    assert_eq!(pins.answer(&reject, 60), expected);
    assert_eq!(pins.answer(&frame(kind::ACKNOWLEDGE, 0x00, &[]), 60), []);
    assert_eq!(frames(&pins.run(2 * RETRY_CYCLES)), []);
}

#[test]
fn damage_is_rejected_once_and_what_follows_is_not_taken() {
    let good = read(0, 15, registers::MAGIC);
    for at in 1..good.len() - 1 {
        for damage in 0..3 {
            let mut pins = Pins::new(1.0);
            pins.open(9);
            let mut bad = good.clone();
            match damage {
                0 => bad[at] ^= 0x10,
                1 => drop(bad.remove(at)),
                _ => bad.insert(at, bad[at]),
            }
            // The next frame comes too early.
            bad.extend(read(1, 15, registers::MAGIC));
            let (kind, numbers, payload) = state(9, 15);
            let answer = pins.answer(&bad, 60);
            assert_eq!(
                answer[0],
                (kind | REJECT, numbers, payload),
                "{at} {damage}"
            );
            assert!(answer[1..].iter().all(|frame| *frame == state(9, 15)));
            assert_eq!(pins.answer(&good, 60), [value(0, 0, MAGIC)]);
        }
    }
}

#[test]
fn noise_and_glitches_cost_nothing_but_time() {
    let mut pins = Pins::new(1.0);
    // Short glitches of the idle line are filtered; longer ones begin no byte.
    pins.glitches = (100..200).step_by(7).chain(300..303).collect();
    assert_eq!(frames(&pins.run(1000)), []);
    // Bytes without a stop bit, and a long break.
    pins.glitches = (1100..1800).collect();
    assert_eq!(frames(&pins.run(2000)), []);
    pins.open(3);
    // One glitched cycle in each bit of a frame.
    pins.glitches = (0..4000).step_by(8).map(|at| pins.cycle + at + 4).collect();
    let answer = pins.answer(&read(0, 15, registers::MAGIC), 60);
    assert_eq!(answer, [value(0, 0, MAGIC)]);
}

#[test]
fn a_session_begins_anew_only_with_another_number() {
    let mut pins = Pins::new(1.0);
    // Before the first session the board says so.
    assert_eq!(
        pins.answer(&read(0, 15, registers::MAGIC), 60),
        [state(0, 15)]
    );
    pins.open(7);
    assert_eq!(
        pins.answer(&read(0, 15, registers::MAGIC), 60),
        [value(0, 0, MAGIC)]
    );
    // The same one again changes nothing.
    let again = pins.answer(&frame(kind::OPEN, 0, &7_u32.to_le_bytes()), 40);
    let (kind, numbers, payload) = state(7, 0);
    assert_eq!(again, [(kind, numbers, payload)]);
    // Another one forgets what was under way.
    pins.open(8);
    assert_eq!(frames(&pins.run(2 * RETRY_CYCLES)), []);
    assert_eq!(
        pins.answer(&read(0, 15, registers::MAGIC), 60),
        [value(0, 0, MAGIC)]
    );
}
