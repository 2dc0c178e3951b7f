//! Devices that fail at work: silent, fatal, faulty, gone.

use std::env;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use systole_driver::{
    Command, CompletionMode, Device, DeviceStatus, Error, QueueOptions, QueuePair,
};
use systole_regs::Status;

use crate::device::{Rig, Script, fails_within, open, start};

const SOON: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);

fn queue(device: &Device, mode: CompletionMode) -> QueuePair {
    device
        .queue_pair(QueueOptions { entries: 8, mode })
        .unwrap()
}

/// A queue pair with one command handed to the device.
fn busy_queue(device: &Device, mode: CompletionMode) -> QueuePair {
    let mut queue = queue(device, mode);
    queue.submit(Command::Nop).unwrap();
    queue.ring().unwrap();
    queue
}

#[test]
fn a_device_that_lives_and_does_nothing_runs_into_the_timeout() {
    let rig = Rig::scripted(Script {
        hang: true,
        ..Script::default()
    });
    let device = rig.open();
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        let mut queue = busy_queue(&device, mode);
        for timeout in [Duration::ZERO, Duration::from_millis(250)] {
            let begin = Instant::now();
            let error = fails_within(SOON, || queue.wait(timeout));
            assert!(matches!(error, Error::Timeout), "{error}");
            assert!(begin.elapsed() >= timeout);
        }
    }
}

#[test]
fn a_fatal_error_is_reported_and_a_reset_helps() {
    let rig = Rig::new();
    let device = rig.open();
    rig.engine().script.fatal = Some(Status::InvalidDoorbell);
    let mut queue = busy_queue(&device, CompletionMode::Interrupt);
    let error = fails_within(SOON, || queue.wait(LONG));
    let expected = DeviceStatus::Known(Status::InvalidDoorbell);
    assert!(
        matches!(error, Error::Fatal(status) if status == expected),
        "{error}"
    );
    drop(queue);
    let error = device.queue_pair(QueueOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Fatal(_)), "{error}");
    device.reset().unwrap();
    busy_queue(&device, CompletionMode::Polling)
        .wait(LONG)
        .unwrap();
}

#[test]
fn a_completion_of_an_unknown_command_is_an_error() {
    let rig = Rig::scripted(Script {
        id_bits: 0x100,
        ..Script::default()
    });
    let device = rig.open();
    let mut queue = busy_queue(&device, CompletionMode::Polling);
    let error = fails_within(SOON, || queue.wait(LONG));
    assert!(
        matches!(error, Error::UnknownCommand { command_id: 0x100 }),
        "{error}"
    );
}

#[test]
fn impossible_completions_are_errors() {
    for script in [
        Script {
            head: Some(8),
            ..Script::default()
        },
        Script {
            head: Some(5),
            ..Script::default()
        },
        Script {
            head: Some(u16::MAX),
            ..Script::default()
        },
        Script {
            phase_bits: 0x8000,
            ..Script::default()
        },
    ] {
        let rig = Rig::scripted(script);
        let device = rig.open();
        let mut queue = busy_queue(&device, CompletionMode::Polling);
        let error = fails_within(SOON, || queue.wait(LONG));
        assert!(matches!(error, Error::CorruptCompletion { .. }), "{error}");
    }
}

#[test]
fn a_submission_head_just_beyond_the_ring_is_an_error() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = busy_queue(&device, CompletionMode::Polling);
    queue.wait(LONG).unwrap();
    // From 1 on, seven entries reach index 0; 8 is as far away, and no index.
    rig.engine().script.head = Some(8);
    for _ in 0..7 {
        queue.submit(Command::Nop).unwrap();
    }
    queue.ring().unwrap();
    let error = fails_within(SOON, || queue.wait(LONG));
    assert!(matches!(error, Error::CorruptCompletion { .. }), "{error}");
}

#[test]
fn a_device_that_reads_as_all_ones_is_gone() {
    let rig = Rig::scripted(Script {
        hang: true,
        ..Script::default()
    });
    let device = rig.open();
    let mut queue = busy_queue(&device, CompletionMode::Interrupt);
    rig.engine().script.all_ones = true;
    let error = fails_within(SOON, || queue.wait(LONG));
    assert!(matches!(error, Error::DeviceGone), "{error}");
    let error = fails_within(SOON, || device.slots());
    assert!(matches!(error, Error::DeviceGone), "{error}");
}

/// A device in a process of its own, which dies with this value.
struct DeviceProcess(Child);

impl DeviceProcess {
    const SOCKET: &str = "SYSTOLE_TEST_SOCKET";

    fn start(socket: &Path) -> Self {
        let child = Process::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "failures::device_process"])
            .env(Self::SOCKET, socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self(child);
        let begin = Instant::now();
        while !socket.exists() {
            assert!(begin.elapsed() < LONG, "the device process does not start");
            thread::sleep(Duration::from_millis(5));
        }
        process
    }

    /// Sends a signal by number.
    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let status = Process::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for DeviceProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "runs in the device process of other tests"]
fn device_process() {
    let socket = env::var_os(DeviceProcess::SOCKET).expect("the starting test names the socket");
    let _shared = start(
        Path::new(&socket),
        Script {
            hang: true,
            ..Script::default()
        },
    );
    // Until the starting test kills the process, or forgets to.
    thread::sleep(LONG);
}

#[test]
fn a_device_killed_in_the_middle_of_a_command_is_gone_within_a_second() {
    for mode in [CompletionMode::Polling, CompletionMode::Interrupt] {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("device.sock");
        let process = DeviceProcess::start(&socket);
        let device = open(&socket).unwrap();
        let buffer = device.allocate(4096).unwrap();
        let mut queue = busy_queue(&device, mode);
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(250));
            drop(process);
        });
        let error = fails_within(SOON, || queue.wait(LONG));
        assert!(matches!(error, Error::DeviceGone), "{error}");
        killer.join().unwrap();

        // Everything else says so too, at once, and dropping hangs nowhere.
        let begin = Instant::now();
        assert!(matches!(device.counters(), Err(Error::DeviceGone)));
        assert!(matches!(device.allocate(1), Err(Error::DeviceGone)));
        assert!(matches!(queue.wait(Duration::ZERO), Err(Error::DeviceGone)));
        drop((queue, buffer, device));
        assert!(
            begin.elapsed() < Duration::from_secs(1),
            "{:?}",
            begin.elapsed()
        );
        let error = fails_within(SOON, || open(&socket));
        assert!(matches!(error, Error::NobodyListens { .. }), "{error}");
    }
}

#[test]
fn a_device_process_that_stops_answering_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("device.sock");
    let process = DeviceProcess::start(&socket);
    let device = open(&socket).unwrap();
    let mut queue = busy_queue(&device, CompletionMode::Interrupt);
    process.signal("-STOP");
    let error = fails_within(SOON, || queue.wait(LONG));
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    // Even if it goes on: its late reply would be taken for the next one.
    process.signal("-CONT");
    let error = fails_within(SOON, || queue.wait(LONG));
    assert!(matches!(error, Error::DeviceGone), "{error}");
}
