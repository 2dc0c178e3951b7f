//! Servers that are silent, slow, or answer with something else than the protocol allows.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use proptest::prelude::*;
use systole_driver::{Address, Device, Error, OpenOptions};
use tempfile::TempDir;

use crate::device::{Rig, fails_within};

/// Bytes of a message header.
const HEADER: usize = 16;

/// Longer than the time limit that these tests open devices with.
const SOON: Duration = Duration::from_secs(5);

fn try_open(socket: &Path) -> Result<Device, Error> {
    open_within(Duration::from_millis(300), socket)
}

fn open_within(timeout: Duration, socket: &Path) -> Result<Device, Error> {
    Device::open(
        &Address::VfioUser(socket.to_owned()),
        OpenOptions { timeout },
    )
}

fn path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("hostile.sock");
    (directory, socket)
}

/// A server that treats its one client with `behaviour`.
fn server(behaviour: impl FnOnce(UnixStream) + Send + 'static) -> (TempDir, PathBuf) {
    let (directory, socket) = path();
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || behaviour(listener.accept().unwrap().0));
    (directory, socket)
}

/// Reads one message; `None` when the other end has hung up.
fn receive(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut message = vec![0; HEADER];
    stream.read_exact(&mut message).ok()?;
    let size = u32::from_ne_bytes(message[4..8].try_into().unwrap());
    message.resize(size as usize, 0);
    stream.read_exact(&mut message[HEADER..]).ok()?;
    Some(message)
}

/// The reply to `request`, with `payload`.
fn reply(request: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut message = request[..HEADER].to_vec();
    message[4..8].copy_from_slice(&((HEADER + payload.len()) as u32).to_ne_bytes());
    message[8..12].copy_from_slice(&1u32.to_ne_bytes());
    message.extend_from_slice(payload);
    message
}

/// Hangs up only when the client has.
fn drain(mut stream: UnixStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}

#[test]
fn a_socket_that_does_not_exist_is_named() {
    let (_directory, socket) = path();
    let error = fails_within(SOON, || try_open(&socket));
    assert!(matches!(error, Error::NoSocket { .. }), "{error}");
    assert!(error.to_string().contains("hostile.sock"), "{error}");
}

#[test]
fn a_socket_without_a_listener_is_an_error() {
    let (_directory, socket) = path();
    drop(UnixListener::bind(&socket).unwrap());
    let error = fails_within(SOON, || try_open(&socket));
    assert!(matches!(error, Error::NobodyListens { .. }), "{error}");
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "a file").unwrap();
    let error = fails_within(SOON, || try_open(&socket));
    assert!(matches!(error, Error::NobodyListens { .. }), "{error}");
}

#[test]
fn a_path_too_long_for_a_socket_is_an_error() {
    let error = fails_within(SOON, || try_open(Path::new(&"x".repeat(200))));
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_an_error() {
    let (_directory, socket) = server(drain);
    let error = fails_within(SOON, || try_open(&socket));
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
}

#[test]
fn a_server_that_never_accepts_is_an_error() {
    let (_directory, path) = path();
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let new = || socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
    let address = UnixAddr::new(&path).unwrap();
    let listener = new();
    bind(listener.as_raw_fd(), &address).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let error = fails_within(SOON, || try_open(&path));
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");

    // And one whose queue of connections is full.
    let mut waiting = Vec::new();
    loop {
        let client = new();
        match connect(client.as_raw_fd(), &address) {
            Ok(()) => waiting.push(client),
            Err(errno) => break assert_eq!(errno, Errno::EAGAIN),
        }
    }
    let error = fails_within(SOON, || try_open(&path));
    assert!(error.to_string().contains("connect"), "{error}");
}

#[test]
fn a_second_client_of_a_busy_device_gets_an_error() {
    let rig = Rig::new();
    let _first = rig.open();
    let error = fails_within(SOON, || try_open(rig.socket()));
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert!(error.to_string().contains("another client"), "{error}");
}

#[test]
fn a_server_that_hangs_up_is_gone() {
    let (_directory, socket) = server(drop);
    let error = fails_within(SOON, || try_open(&socket));
    assert!(matches!(error, Error::DeviceGone), "{error}");
}

#[test]
fn a_reply_in_drops_does_not_stretch_the_time_limit() {
    let (_directory, socket) = server(|mut stream| {
        let request = receive(&mut stream).unwrap();
        for byte in reply(&request, b"\0\0\x01\0{}\0") {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    let error = fails_within(Duration::from_secs(2), || try_open(&socket));
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
}

#[test]
fn another_protocol_version_is_refused() {
    for version in [b"\x01\0\0\0", b"\0\0\x02\0"] {
        let (_directory, socket) = server(|mut stream| {
            let request = receive(&mut stream).unwrap();
            stream.write_all(&reply(&request, version)).unwrap();
            drain(stream);
        });
        let error = fails_within(SOON, || try_open(&socket));
        assert!(matches!(error, Error::ProtocolVersion { .. }), "{error}");
    }
}

#[test]
fn a_refusal_carries_its_reason() {
    let (_directory, socket) = server(|mut stream| {
        let request = receive(&mut stream).unwrap();
        let mut refusal = reply(&request, &[]);
        refusal[8..12].copy_from_slice(&0x21u32.to_ne_bytes());
        refusal[12..16].copy_from_slice(&(Errno::EPERM as u32).to_ne_bytes());
        stream.write_all(&refusal).unwrap();
        drain(stream);
    });
    let error = fails_within(SOON, || try_open(&socket));
    let Error::Refused { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.raw_os_error(), Some(Errno::EPERM as i32));
}

/// What happens to one reply on its way.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// These bits of this byte change.
    Flip(usize, u8),
    /// Only so many bytes arrive, then the server hangs up.
    Cut(usize),
    /// The header claims so many bytes, and so many follow.
    Resize(usize),
}

impl Damage {
    fn apply(self, mut message: Vec<u8>) -> Vec<u8> {
        match self {
            Damage::Flip(byte, bits) => message[byte] ^= bits,
            Damage::Cut(bytes) => message.truncate(bytes),
            Damage::Resize(bytes) => {
                message.resize(bytes, 0);
                message[4..8].copy_from_slice(&(bytes as u32).to_ne_bytes());
            }
        }
        message
    }
}

/// A wire between the driver and a good device that damages the reply with number `index`;
/// tells how opening the device ended.
fn open_with_damage(index: usize, damage: Damage, timeout: Duration) -> Result<Device, Error> {
    let rig = Rig::new();
    let device = rig.socket().to_owned();
    let (_directory, socket) = server(move |mut client| {
        let mut device = UnixStream::connect(device).unwrap();
        for number in 0.. {
            let Some(request) = receive(&mut client) else {
                return;
            };
            device.write_all(&request).unwrap();
            let mut reply = receive(&mut device).unwrap();
            if number == index {
                reply = damage.apply(reply);
            }
            let cut = number == index && matches!(damage, Damage::Cut(_));
            if client.write_all(&reply).is_err() || cut {
                return;
            }
        }
    });
    open_within(timeout, &socket)
}

/// Replies until the device is open: version, device information, two regions, interrupts,
/// configuration space, registers, reset.
const REPLIES: usize = 40;

#[test]
fn an_undamaged_wire_opens_the_device() {
    open_with_damage(usize::MAX, Damage::Cut(0), SOON).unwrap();
}

#[test]
fn no_reply_may_be_damaged_in_its_header() {
    for index in 0..REPLIES {
        for damage in [
            Damage::Flip(0, 1),
            Damage::Flip(1, 0x80),
            Damage::Flip(2, 1),
            Damage::Flip(8, 1),
            Damage::Resize(17),
            Damage::Cut(0),
            Damage::Cut(8),
        ] {
            // A reset's reply has no payload, and one byte too many is no harm there.
            let error = match open_with_damage(index, damage, SOON) {
                Ok(_) if matches!(damage, Damage::Resize(_)) => continue,
                Ok(_) => panic!("reply {index} passed with {damage:?}"),
                Err(error) => error,
            };
            let expected = match damage {
                Damage::Cut(_) => matches!(error, Error::DeviceGone),
                _ => matches!(error, Error::Protocol { .. }),
            };
            assert!(expected, "reply {index}, {damage:?}: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_panics_or_hangs(index in 0..REPLIES, byte in 0usize..16, bits in 1u8..) {
        // Some bits do no harm; what counts is that the attempt ends.
        let damage = Damage::Flip(byte, bits);
        let _ = open_with_damage(index, damage, Duration::from_millis(200));
    }

    #[test]
    fn no_garbage_panics_or_hangs(garbage in prop::collection::vec(any::<u8>(), 0..100)) {
        let (_directory, socket) = server(move |mut stream| {
            receive(&mut stream);
            let _ = stream.write_all(&garbage);
        });
        prop_assert!(try_open(&socket).is_err());
    }

    #[test]
    fn no_payload_of_a_well_formed_reply_panics_or_hangs(
        payload in prop::collection::vec(any::<u8>(), 0..100),
        good in 0usize..4,
    ) {
        // A few plausible replies, then one with any payload.
        let (_directory, socket) = server(move |mut stream| {
            let device_info = [16u32, 2, 9, 5].map(u32::to_ne_bytes).concat();
            let config = [32u32, 3, 7, 0, 256, 0, 0, 0].map(u32::to_ne_bytes).concat();
            let bar = [32u32, 3, 0, 0, 0x1_0000, 0, 0, 0].map(u32::to_ne_bytes).concat();
            let replies = [b"\0\0\x01\0".to_vec(), device_info, config, bar];
            for payload in replies.into_iter().take(good).chain([payload]) {
                let Some(request) = receive(&mut stream) else { return };
                let _ = stream.write_all(&reply(&request, &payload));
            }
        });
        prop_assert!(try_open(&socket).is_err());
    }
}
