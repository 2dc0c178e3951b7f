//! What the tests of the command share: the command itself, with a time limit, and the files
//! that they feed it.

// Each test program uses its own part of this module.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;

/// An error must be on the screen within this time. Twice what a person should wait, since tests
/// share the machine.
pub const ERROR_LIMIT: Duration = Duration::from_secs(4);

/// The `systole` command.
pub fn systole() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systole"));
    command.stdin(Stdio::null());
    command
}

/// The folder of reference models: `mlperf-tiny` in the folder that the environment variable
/// SYSTOLE_SHARED names, or in `shared` beside the workspace.
fn references() -> PathBuf {
    std::env::var_os("SYSTOLE_SHARED")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            PathBuf::from,
        )
        .join("mlperf-tiny")
}

/// Whether the reference models are there. Tests that need them end early, with a note, if not.
pub fn references_are_there() -> bool {
    let folder = references();
    let there = folder.is_dir();
    if !there {
        eprintln!(
            "skipped: the reference models are not in {}",
            folder.display()
        );
    }
    there
}

/// Path of a reference model.
pub fn model(name: &str) -> PathBuf {
    references().join(name)
}

/// Path of a reference input or output.
pub fn golden(name: &str) -> PathBuf {
    model("golden").join(name)
}

/// Runs a command that must fail: with exit code `code`, in time, without a panic, and with all
/// of `hints` in one or two lines on standard error. Returns what it said.
pub fn assert_fails(command: &mut Command, code: i32, hints: &[&str]) -> String {
    let begin = Instant::now();
    let output = command.output().expect("the command starts");
    let elapsed = begin.elapsed();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
    assert!(
        elapsed < ERROR_LIMIT,
        "{command:?} took {elapsed:?}: {said}"
    );
    assert!(!said.contains("panicked"), "{command:?}: {said}");
    for hint in hints {
        assert!(
            said.contains(hint),
            "{command:?} should say {hint:?}: {said}"
        );
    }
    if code == 1 {
        assert!(
            (1..=2).contains(&said.trim_end().lines().count()),
            "{command:?} should say it in one or two lines: {said}"
        );
    }
    said
}

/// Runs a command that must succeed and returns its standard output.
pub fn assert_succeeds(command: &mut Command) -> String {
    let assert = command.assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8")
}

/// A device process on a socket, killed when dropped.
pub struct Served {
    /// The process.
    pub child: Child,
    /// Its socket.
    pub socket: PathBuf,
}

impl Served {
    /// Starts `systole sim serve` with further arguments on a socket in `folder`.
    pub fn start(folder: &Path, arguments: &[&str]) -> Served {
        let socket = folder.join("device");
        let child = systole()
            .args(["sim", "serve", "--socket"])
            .arg(&socket)
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .expect("the device process starts");
        let begin = Instant::now();
        while !socket.exists() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "the device should listen"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Served { child, socket }
    }

    /// The device's name for `--device`.
    pub fn device(&self) -> String {
        format!("vfio-user:{}", self.socket.display())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes an int8 array of this shape, all zero, as `.npy` version 1.0.
pub fn write_int8(path: &Path, shape: &str, elements: usize) {
    write_npy(path, "|i1", shape, &vec![0; elements]);
}

/// Writes a `.npy` file of version 1.0 with any header and any data, matching or not.
pub fn write_npy(path: &Path, kind: &str, shape: &str, data: &[u8]) {
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(b' ');
    }
    header.push(b'\n');
    let length = u16::try_from(header.len()).expect("a short header");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(header);
    bytes.extend(data);
    std::fs::write(path, bytes).expect("the folder can be written");
}
