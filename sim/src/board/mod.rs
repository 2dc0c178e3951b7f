//! A board without hardware: the Verilated accelerator behind its serial link, bit by bit, with a
//! pseudo terminal in place of the USB adapter.
//!
//! ```text
//!  driver --- /dev/pts/N --- [pty] --- UART (cycles) --- rx, tx --- serial_link --- top
//! ```
//!
//! What is tested through this is the path that a real board takes, the driver's and the
//! hardware's both. Times are the simulation's and say nothing about a real line.

mod line;
mod model;
mod pty;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use line::{LineReceiver, LineSender};
pub use model::{BoardModel, Pins};
pub use pty::{Pty, PtyError};

use crate::verilated::VerilatedError;

/// Cycles of a bit of the simulated board's link.
pub const BIT_CYCLES: u32 = 8;

/// Cycles after which the board sends a frame again that was not acknowledged.
pub const RETRY_CYCLES: u32 = 200_000;

/// Cycles for which reset is held after power-on.
const RESET_CYCLES: usize = 16;

/// Cycles between two looks at the terminal: less than a byte takes.
const LOOK_CYCLES: usize = 64;

/// Cycles that the clock runs on after the last byte: until everything that the board may still
/// have to say has been said twice.
const IDLE_CYCLES: u64 = 3 * RETRY_CYCLES as u64;

/// How long the simulation rests when nothing moves.
const REST: Duration = Duration::from_millis(20);

/// A board's switches, for other threads. Clones are of the same board.
#[derive(Clone, Debug, Default)]
pub struct BoardSwitches {
    off: Arc<AtomicBool>,
    reset: Arc<AtomicBool>,
}

impl BoardSwitches {
    /// Ends the board, soon.
    pub fn stop(&self) {
        self.off.store(true, Ordering::Relaxed);
    }

    /// Pushes the reset button, soon.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Ends the board on SIGTERM and SIGINT.
    ///
    /// # Errors
    /// What the system says.
    pub fn on_signals(&self) -> std::io::Result<()> {
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&self.off))?;
        }
        Ok(())
    }

    fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    fn take_reset(&self) -> bool {
        self.reset.swap(false, Ordering::Relaxed)
    }
}

/// How a board is run.
#[derive(Clone, Debug, Default)]
pub struct BoardOptions {
    /// Randomizes what the design leaves open; zero stands for all zeros.
    pub seed: u32,
    /// Waveform file (FST).
    pub trace: Option<PathBuf>,
    /// Its switches.
    pub switches: BoardSwitches,
}

/// Why a board can't be simulated.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The model can't be made.
    #[error(transparent)]
    Model(#[from] VerilatedError),
    /// The terminal has failed.
    #[error(transparent)]
    Terminal(#[from] PtyError),
}

/// A board on a pseudo terminal.
pub struct Board {
    model: BoardModel,
    pty: Pty,
    sender: LineSender,
    receiver: LineReceiver,
    switches: BoardSwitches,
}

impl Board {
    /// A board after power-on, connected to `pty`.
    ///
    /// # Errors
    /// If the waveform can't be written.
    pub fn new(pty: Pty, options: BoardOptions) -> Result<Self, BoardError> {
        let mut board = Self {
            model: BoardModel::new(options.seed, options.trace.as_deref())?,
            pty,
            sender: LineSender::new(BIT_CYCLES.into()),
            receiver: LineReceiver::new(BIT_CYCLES.into()),
            switches: options.switches,
        };
        board.power_on();
        Ok(board)
    }

    fn power_on(&mut self) {
        for _ in 0..RESET_CYCLES {
            self.model.cycle(true, true);
        }
    }

    /// Runs until it is stopped.
    ///
    /// # Errors
    /// If the terminal fails.
    pub fn run(&mut self) -> Result<(), BoardError> {
        let mut quiet = 0;
        let mut input = [0; 256];
        while !self.switches.is_off() {
            if self.switches.take_reset() {
                self.power_on();
            }
            // What the line has not taken stays in the terminal, as in an adapter's buffer.
            if self.sender.pending() < input.len() {
                let rest = if quiet > IDLE_CYCLES {
                    REST
                } else {
                    Duration::ZERO
                };
                let count = self.pty.read(&mut input, rest)?;
                self.sender.send(&input[..count]);
                if count == 0 && quiet > IDLE_CYCLES {
                    continue;
                }
            }
            let mut output = Vec::new();
            let mut active = false;
            for _ in 0..LOOK_CYCLES {
                let pins = self.model.cycle(false, self.sender.level());
                active |= pins.active;
                output.extend(self.receiver.sample(pins.tx));
            }
            self.pty.write(&output)?;
            quiet += LOOK_CYCLES as u64;
            if active || self.sender.pending() > 0 || !output.is_empty() {
                quiet = 0;
            }
        }
        Ok(())
    }
}
