//! A simulated board on a pseudo terminal, run by a thread of the test, and a line between it and
//! the driver on which bytes get lost, changed, doubled and inserted.
//!
//! ```text
//!  driver --> [pty of the relay] --> mishaps --> [pty of the board] --> RTL (Verilated)
//! ```

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_driver::{Address, DEFAULT_BAUD, Device, Error, OpenOptions};
use systole_sim::board::{Board, BoardOptions, BoardSwitches, Pty};

/// Longest time for an exchange with a simulated board on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A board that runs until this is dropped.
pub struct RunningBoard {
    path: PathBuf,
    switches: BoardSwitches,
    thread: Option<JoinHandle<()>>,
}

impl RunningBoard {
    /// A board after power-on.
    ///
    /// # Panics
    /// If there is no pseudo terminal for it: the test is over then.
    pub fn start(seed: u32) -> RunningBoard {
        let pty = Pty::open().expect("there is a pseudo terminal");
        let path = pty.path().to_owned();
        let switches = BoardSwitches::default();
        let options = BoardOptions {
            seed,
            switches: switches.clone(),
            ..BoardOptions::default()
        };
        let mut board = Board::new(pty, options).expect("the board is linked in");
        let thread = thread::spawn(move || board.run().expect("the terminal works"));
        RunningBoard {
            path,
            switches,
            thread: Some(thread),
        }
    }

    /// Pushes its reset button.
    pub fn reset(&self) {
        self.switches.reset();
    }

    /// The board's serial port.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Drop for RunningBoard {
    fn drop(&mut self) {
        self.switches.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens a device at a serial port.
///
/// # Errors
/// Those of the driver.
pub fn open(path: PathBuf, timeout: Duration) -> Result<Device, Error> {
    let address = Address::Serial {
        path,
        baud: DEFAULT_BAUD,
    };
    Device::open(&address, OpenOptions { timeout })
}

/// A line with mishaps, until this is dropped.
pub struct Relay {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    mishaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// A line to the port at `path`. One byte in `interval` suffers something, by this seed.
    ///
    /// # Panics
    /// If there is no pseudo terminal for it: the test is over then.
    pub fn start(path: &std::path::Path, interval: u32, seed: u64) -> Relay {
        let near = Pty::open().expect("there is a pseudo terminal");
        let far = File::options()
            .read(true)
            .write(true)
            .custom_flags(O_NONBLOCK | O_NOCTTY)
            .open(path)
            .expect("the board's port is there");
        let stop = Arc::new(AtomicBool::new(false));
        let mishaps = Arc::new(AtomicU64::new(0));
        let path = near.path().to_owned();
        let mut line = Line {
            random: ChaCha8Rng::seed_from_u64(seed),
            interval,
            mishaps: Arc::clone(&mishaps),
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut bytes = [0; 256];
            while !stopped.load(Ordering::Relaxed) {
                let count = near
                    .read(&mut bytes, Duration::from_millis(1))
                    .expect("the terminal works");
                let carried = line.carry(&bytes[..count]);
                write_all(&far, &carried);
                match (&far).read(&mut bytes) {
                    Ok(count) => near
                        .write(&line.carry(&bytes[..count]))
                        .expect("the terminal works"),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("the board's terminal: {error}"),
                }
            }
        });
        Relay {
            path,
            stop,
            mishaps,
            thread: Some(thread),
        }
    }

    /// The port at this end.
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Bytes that have suffered something.
    pub fn mishaps(&self) -> u64 {
        self.mishaps.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes everything; a port that has no room has it soon.
fn write_all(mut port: &File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match port.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("the board's terminal: {error}"),
        }
    }
}

/// What happens to bytes.
struct Line {
    random: ChaCha8Rng,
    interval: u32,
    mishaps: Arc<AtomicU64>,
}

impl Line {
    fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut carried = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.random.random_range(0..self.interval) > 0 {
                carried.push(byte);
                continue;
            }
            self.mishaps.fetch_add(1, Ordering::Relaxed);
            match self.random.random_range(0..4) {
                0 => {}
                1 => carried.push(byte ^ 1 << self.random.random_range(0..8)),
                2 => carried.extend([byte, byte]),
                _ => carried.extend([self.random.random(), byte]),
            }
        }
        carried
    }
}
