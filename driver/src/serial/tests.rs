//! The transport against a scripted board at the other end of a pseudo terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use systole_regs::link::{VERSION, kind};

use super::frame::{Decoder, Found, Header, encode};
use super::*;
use crate::DEFAULT_BAUD;
use crate::interrupts::Interrupt;

/// Longest time for an exchange, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A frame that the script has received.
type Received = (u8, Vec<u8>);

/// The other end of the line. It acknowledges everything and repeats nothing: nothing is lost here.
struct Script {
    line: File,
    decoder: Decoder,
    session: [u8; 4],
    taken: u8,
    number: u8,
}

impl Script {
    fn send(&mut self, kind: u8, number: u8, payload: &[u8]) {
        let header = Header {
            kind,
            reject: false,
            number,
            acknowledged: self.taken,
        };
        let mut line = Vec::new();
        encode(header, payload, &mut line);
        self.line.write_all(&line).unwrap();
    }

    fn state(&mut self, version: u8) {
        let payload = [&self.session[..], &[version]].concat();
        self.send(kind::STATE, 0, &payload);
    }

    /// Sends a numbered frame.
    fn say(&mut self, kind: u8, payload: &[u8]) {
        let number = self.number;
        self.number = (number + 1) % 16;
        self.send(kind, number, payload);
    }

    /// The next numbered frame; opens sessions on the way.
    fn hear(&mut self) -> Option<Received> {
        let mut byte = [0; 1];
        loop {
            if !matches!(self.line.read(&mut byte), Ok(1)) {
                return None;
            }
            let mut heard = None;
            self.decoder.take(byte[0], &mut |found| {
                if let Found::Frame(header, payload) = found {
                    heard = Some((header, payload.to_vec()));
                }
            });
            let Some((header, payload)) = heard else {
                continue;
            };
            match header.kind {
                kind::OPEN => {
                    self.session = payload[..].try_into().unwrap();
                    (self.taken, self.number) = (15, 0);
                    self.state(VERSION);
                }
                kind::ACKNOWLEDGE => {}
                // Repeated, because the machine is slow.
                _ if header.number != (self.taken + 1) % 16 => self.state(VERSION),
                other => {
                    self.taken = header.number;
                    self.state(VERSION);
                    return Some((other, payload));
                }
            }
        }
    }
}

/// A terminal whose other end follows a script.
fn scripted<T: Send + 'static>(
    script: impl FnOnce(&mut Script) -> T + Send + 'static,
) -> (PathBuf, JoinHandle<T>) {
    let pair = openpty(None, None).unwrap();
    let mut settings = tcgetattr(&pair.slave).unwrap();
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).unwrap();
    let path = ttyname(&pair.slave).unwrap();
    let thread = thread::spawn(move || {
        // Held open until the script has ended.
        let _slave = pair.slave;
        script(&mut Script {
            line: File::from(pair.master),
            decoder: Decoder::default(),
            session: [0; 4],
            taken: 15,
            number: 0,
        })
    });
    (path, thread)
}

#[test]
fn registers_memory_and_interrupts_are_served() {
    let (path, script) = scripted(|script| {
        let mut heard = Vec::new();
        let (kind, payload) = script.hear().unwrap();
        assert_eq!((kind, &payload[..]), (kind::READ_REGISTER, &[4, 0][..]));
        script.say(kind::VALUE, &0x1234_5678_u32.to_le_bytes());
        heard.push(script.hear().unwrap());
        let address = heard[0].1[2..6].to_vec();
        // The driver's first bus address is above 4 GiB; the test has written its low half.
        let address = [&address[..], &[1, 0, 0, 0]].concat();
        script.say(kind::READ, &[&address[..], &[1]].concat());
        heard.push(script.hear().unwrap());
        let beat = [&[0x0f][..], &[9; 8]].concat();
        script.say(kind::WRITE, &[&address[..], &beat].concat());
        heard.push(script.hear().unwrap());
        script.say(kind::READ, &[&[0; 8][..], &[0]].concat());
        heard.push(script.hear().unwrap());
        script.say(kind::WRITE, &[&[0; 8][..], &beat].concat());
        heard.push(script.hear().unwrap());
        script.say(kind::INTERRUPT, &[3, 0]);
        heard.push(script.hear().unwrap());
        heard
    });
    let serial = Serial::connect(&path, DEFAULT_BAUD, TIMEOUT).unwrap();
    assert_eq!(serial.read_register(BarOffset(4)).unwrap(), 0x1234_5678);
    // Bus master, without which memory is out of reach.
    serial.write_config(4, &[6, 0]).unwrap();
    let memory = serial.map_dma(16).unwrap();
    memory.share().write(0, &[5; 16]).unwrap();
    let interrupt = Interrupt::new().unwrap();
    serial.set_interrupt(3, interrupt.as_fd()).unwrap();
    assert_eq!(memory.iova().0 >> 32, 1);
    let low = memory.iova().0 as u32;
    serial.write_register(BarOffset(0x100), low).unwrap();
    assert!(interrupt.wait(TIMEOUT).unwrap());
    // The script waits for this before it hangs up.
    serial.write_register(BarOffset(0), 0).unwrap();
    let mut bytes = [0; 16];
    memory.share().read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [9, 9, 9, 9, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    let heard = script.join().unwrap();
    let kinds: Vec<u8> = heard.iter().map(|(kind, _)| *kind).collect();
    let expected = [
        kind::WRITE_REGISTER,
        kind::DATA,
        kind::WRITTEN,
        kind::DATA_ERROR,
        kind::WRITE_ERROR,
        kind::WRITE_REGISTER,
    ];
    assert_eq!(kinds, expected);
    assert_eq!(heard[1].1, [5; 16]);
    serial.unmap_dma(&memory).unwrap();
}

#[test]
fn memory_is_out_of_reach_before_the_bus_may_be_used() {
    let (path, script) = scripted(|script| {
        script.hear().unwrap();
        script.say(kind::READ, &[0, 0, 0, 0, 1, 0, 0, 0, 0]);
        let answer = script.hear().unwrap();
        script.say(kind::VALUE, &[0; 4]);
        script.hear().unwrap();
        answer
    });
    let serial = Serial::connect(&path, DEFAULT_BAUD, TIMEOUT).unwrap();
    let memory = serial.map_dma(16).unwrap();
    assert_eq!(memory.iova().0, 1 << 32);
    serial.read_register(BarOffset(0)).unwrap();
    serial.write_register(BarOffset(0), 0).unwrap();
    assert_eq!(script.join().unwrap(), (kind::DATA_ERROR, Vec::new()));
}

#[test]
fn a_board_that_asks_without_end_is_given_up() {
    // It goes on until nobody reads any more; a script that ended would be a board that is gone.
    let (path, _script) = scripted(|script| {
        script.hear().unwrap();
        for _ in 0..u64::MAX {
            script.say(kind::READ, &[0; 9]);
        }
    });
    let serial = Serial::connect(&path, DEFAULT_BAUD, TIMEOUT).unwrap();
    let error = serial.read_register(BarOffset(0)).unwrap_err();
    assert!(matches!(error, Error::SerialProtocol { .. }), "{error}");
    assert!(matches!(serial.probe(), Err(Error::DeviceGone)));
}

#[test]
fn a_board_that_falls_silent_is_given_up_in_time() {
    let (path, _script) = scripted(|script| {
        script.hear().unwrap();
        while script.line.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    });
    let timeout = Duration::from_millis(500);
    let serial = Serial::connect(&path, DEFAULT_BAUD, timeout).unwrap();
    let error = serial.read_register(BarOffset(0)).unwrap_err();
    assert!(matches!(error, Error::SerialSilent { .. }), "{error}");
    assert!(matches!(
        serial.write_register(BarOffset(0), 1),
        Err(Error::DeviceGone)
    ));
}

#[test]
fn accesses_outside_are_refused_before_they_are_sent() {
    let (path, script) = scripted(|script| drop(script.hear()));
    let serial = Serial::connect(&path, DEFAULT_BAUD, TIMEOUT).unwrap();
    for offset in [2, BAR0_BYTES, u32::MAX - 3] {
        let error = serial.read_register(BarOffset(offset)).unwrap_err();
        assert!(
            matches!(error, Error::BadAccess { .. }),
            "{offset}: {error}"
        );
    }
    let error = serial.read_config(0x100, &mut [0; 4]).unwrap_err();
    assert!(matches!(error, Error::BadAccess { .. }), "{error}");
    serial.write_register(BarOffset(0), 0).unwrap();
    script.join().unwrap();
}
