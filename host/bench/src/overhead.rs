//! What the driver adds to a device's own time: one command from submission to completion, with a
//! device that completes it at once, beside a round trip through the kernel that does nothing.
//!
//! ```text
//!  driver    submit, ring, wait    (a device in memory)     polling: no system call
//!  io_uring  NOP, enter, completion (the kernel)            one system call
//! ```

use std::time::Duration;

use bytemuck::Zeroable;
use io_uring::{IoUring, opcode};
use systole_driver::{Command, CompletionMode, Device, DmaBuffer, Error, QueueOptions, QueuePair};
use systole_regs::entries::RunEntry;

use crate::immediate::{Immediate, Pace};
use crate::measure::{Contender, ContenderError};

/// Name of the driver in the report.
pub(crate) const DRIVER: &str = "driver, polling";

/// Name of the kernel's queue in the report.
pub(crate) const IO_URING: &str = "io_uring NOP";

/// Longest wait for a device that answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// The driver's way from submission to completion.
pub struct RoundTrip {
    queue: QueuePair,
    buffer: DmaBuffer,
    // The queue's device, kept open.
    _device: Device,
}

impl RoundTrip {
    /// A queue pair on a device of its own.
    ///
    /// # Errors
    /// Those of [`Device::over`] and of [`Device::queue_pair`].
    pub fn new(mode: CompletionMode) -> Result<Self, Error> {
        let device = Immediate::open(Pace::InDoorbell)?;
        let options = QueueOptions {
            mode,
            ..QueueOptions::default()
        };
        Ok(Self {
            buffer: device.allocate(4096)?,
            queue: device.queue_pair(options)?,
            _device: device,
        })
    }

    /// One RUN, without rows: what is moved is the device's time, not the driver's.
    ///
    /// # Errors
    /// Those of [`QueuePair`]'s methods.
    pub fn carry_out(&mut self) -> Result<(), Error> {
        let run = Command::Run(RunEntry {
            input_address: self.buffer.iova().0,
            output_address: self.buffer.iova().offset(64).0,
            ..RunEntry::zeroed()
        });
        let id = self.queue.submit_with(run, &[&self.buffer])?;
        self.queue.ring()?;
        let completion = self.queue.wait(PATIENCE)?;
        debug_assert_eq!(completion.command_id, id.0);
        Ok(())
    }
}

impl Contender for RoundTrip {
    fn name(&self) -> &str {
        DRIVER
    }

    fn prepare(&mut self, _: &[i8], _: usize) -> Result<(), ContenderError> {
        Ok(())
    }

    fn compute(&mut self) -> Result<(), ContenderError> {
        Ok(self.carry_out()?)
    }

    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
        Ok(Vec::new())
    }
}

/// A NOP through io_uring and back.
struct KernelRoundTrip(IoUring);

impl Contender for KernelRoundTrip {
    fn name(&self) -> &str {
        IO_URING
    }

    fn prepare(&mut self, _: &[i8], _: usize) -> Result<(), ContenderError> {
        Ok(())
    }

    fn compute(&mut self) -> Result<(), ContenderError> {
        let entry = opcode::Nop::new().build();
        // SAFETY: a NOP names no memory.
        unsafe { self.0.submission().push(&entry) }?;
        self.0.submit_and_wait(1)?;
        let entry = self.0.completion().next();
        entry
            .map(drop)
            .ok_or_else(|| "it gave no completion".into())
    }

    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
        Ok(Vec::new())
    }
}

/// Somebody who takes part, or why not.
type Candidate = (&'static str, Result<Box<dyn Contender>, ContenderError>);

/// Everybody, by name.
pub(crate) fn contenders() -> [Candidate; 2] {
    let driver = || -> Result<Box<dyn Contender>, ContenderError> {
        Ok(Box::new(RoundTrip::new(CompletionMode::Polling)?))
    };
    let kernel = || -> Result<Box<dyn Contender>, ContenderError> {
        Ok(Box::new(KernelRoundTrip(IoUring::new(8)?)))
    };
    [(DRIVER, driver()), (IO_URING, kernel())]
}
