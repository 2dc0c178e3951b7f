//! A queue pair: commands go in, completions come out.
//!
//! ```text
//!  submit ... submit -> submission ring | ring: one doorbell for all
//!                                       v
//!                                     device
//!                                       v
//!  poll, wait <------- completion ring (memory; an interrupt only says "look")
//! ```
//!
//! One thread owns a queue pair and takes no locks on the way. While it waits, it looks at the
//! ring again at least every 100 ms, whatever interrupts say, and asks the device whether it is
//! still there.

#[cfg(feature = "tokio")]
mod asynchronous;

use std::hint;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use systole_regs::registers::{self as register, INTERRUPT_ENABLE, control};

use crate::command::ENTRY_BYTES;
use crate::deadline::Deadline;
use crate::device::{QueueClaim, Shared};
use crate::holds::Held;
use crate::interrupts::Interrupt;
use crate::pci;
use crate::ring::{COMPLETION_BYTES, CompletionRing, SubmissionRing};
use crate::rings::Rings;
use crate::{Command, CommandId, Completion, DmaBuffer, Error, Iova};

/// Longest time without a look at the completion ring and at the device's status.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the completion ring before a polling thread lets others run: a few microseconds,
/// what an answer over PCIe takes at best.
const SPINS: u32 = 256;

/// MSI-X vector of the queue pair.
const VECTOR: u16 = 0;

/// How completions are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CompletionMode {
    /// By reading the completion ring over and over: the least latency, at the price of a core.
    Polling,
    /// By sleeping until the device interrupts.
    #[default]
    Interrupt,
}

/// How a queue pair is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// Entries of the submission ring, 2 to [`queue_entries_max`](crate::Identity::queue_entries_max).
    /// One less can be in flight.
    pub entries: u32,
    /// How [`QueuePair::wait`] finds completions.
    pub mode: CompletionMode,
}

impl Default for QueueOptions {
    /// 64 entries, interrupts.
    fn default() -> Self {
        Self {
            entries: 64,
            mode: CompletionMode::default(),
        }
    }
}

/// A submission and a completion ring, enabled on the device until dropped.
///
/// Dropping it stops the device after the command that it is processing; commands behind that
/// one are not carried out.
#[derive(Debug)]
pub struct QueuePair {
    // Order matters: the rings' mappings end before another queue pair may be made.
    rings: Rings<DmaBuffer>,
    interrupt: Option<Interrupt>,
    /// The interrupt's eventfd in the runtime that watched it last.
    #[cfg(feature = "tokio")]
    watched: Option<asynchronous::Watched>,
    /// When the device is asked next whether it lives.
    probe: Deadline,
    claim: QueueClaim,
}

impl QueuePair {
    /// Makes the rings, tells the device of them and enables it.
    pub(crate) fn new(shared: &Arc<Shared>, options: QueueOptions) -> Result<Self, Error> {
        let maximum = shared.identity.queue_entries_max;
        if !(2..=maximum).contains(&options.entries) {
            return Err(Error::QueueSize {
                entries: options.entries,
                maximum,
            });
        }
        let claim = QueueClaim::new(shared)?;
        // Queue registers may be written only while the device is disabled. It is, unless the
        // last owner could not wait for it.
        shared.disable()?;
        let memory = |entries: u32, bytes: usize| {
            DmaBuffer::new(Arc::clone(&shared.transport), entries as usize * bytes)
        };
        // A completion ring of twice the size has room for a lap of completions that the device
        // does not know to be read, and so its doorbell rings once in a lap.
        let completions = options.entries.saturating_mul(2).min(maximum);
        let mut queue = Self {
            rings: Rings::new(
                SubmissionRing::new(memory(options.entries, ENTRY_BYTES)?, options.entries),
                CompletionRing::new(memory(completions, COMPLETION_BYTES)?, completions),
                shared.next_id.load(Ordering::Relaxed),
            ),
            interrupt: None,
            #[cfg(feature = "tokio")]
            watched: None,
            probe: Deadline::after(PROBE_INTERVAL),
            claim,
        };
        if options.mode == CompletionMode::Interrupt {
            queue.interrupt = Some(connect_interrupt(shared)?);
        }
        queue.program()?;
        Ok(queue)
    }

    fn program(&self) -> Result<(), Error> {
        let shared = &self.claim.shared;
        let (submission, completion) = (self.rings.submission(), self.rings.completion());
        let base = |low, high, Iova(address): Iova| {
            shared.write(low, address as u32)?;
            shared.write(high, (address >> 32) as u32)
        };
        base(
            register::SUBMISSION_BASE_LOW,
            register::SUBMISSION_BASE_HIGH,
            submission.memory().iova(),
        )?;
        shared.write(register::SUBMISSION_ENTRIES, submission.entries())?;
        base(
            register::COMPLETION_BASE_LOW,
            register::COMPLETION_BASE_HIGH,
            completion.memory().iova(),
        )?;
        shared.write(register::COMPLETION_ENTRIES, completion.entries())?;
        let interrupt = match self.interrupt {
            Some(_) => u32::from(VECTOR) | INTERRUPT_ENABLE,
            None => 0,
        };
        shared.write(register::INTERRUPT, interrupt)?;
        shared.write(register::CONTROL, control::ENABLE)?;
        shared.check_status().map(drop)
    }

    /// Writes a command that names no memory to the submission ring. The device does not know of it
    /// before [`ring`](Self::ring).
    ///
    /// # Errors
    /// [`Error::QueueFull`] if no entry is free; take a completion and try again.
    /// [`Error::NotHeld`] if it names memory.
    pub fn submit(&mut self, command: Command) -> Result<CommandId, Error> {
        self.submit_with(command, &[])
    }

    /// As [`submit`](Self::submit), for a command with bus addresses, each of which is in one of
    /// `buffers`. These stay mapped until the command has completed, or the device has stopped or been
    /// reset, even if they are dropped before; what the model of a LOAD streams stays mapped while the
    /// model is resident.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_with(
        &mut self,
        command: Command,
        buffers: &[&DmaBuffer],
    ) -> Result<CommandId, Error> {
        let held = Held::new(&command, buffers, &self.claim.shared.transport)?;
        self.rings.submit(command, held)
    }

    /// Tells the device of everything submitted since the last time: one register write, and
    /// once in a lap of the completion ring two. Does nothing if nothing was submitted.
    ///
    /// # Errors
    /// [`Error::DeviceGone`]; errors of the transport.
    pub fn ring(&mut self) -> Result<(), Error> {
        let Some(doorbells) = self.rings.doorbells() else {
            return Ok(());
        };
        let shared = &self.claim.shared;
        if let Some(head) = doorbells.completion_head {
            shared.write(register::COMPLETION_HEAD_DOORBELL, head)?;
            self.rings.note_reported();
        }
        // The transport orders the entries before this write.
        shared.write(
            register::SUBMISSION_TAIL_DOORBELL,
            doorbells.submission_tail,
        )?;
        if self.in_flight() == 0 {
            // The device was idle, and so nobody has been asking for it.
            self.probe = Deadline::after(PROBE_INTERVAL);
        }
        self.rings.note_rung();
        Ok(())
    }

    /// Takes a completion if there is one. Reads host memory only, so it cannot find that the
    /// device has gone; [`wait`](Self::wait) does.
    ///
    /// # Errors
    /// [`Error::UnknownCommand`] and [`Error::CorruptCompletion`], after which the device is not
    /// to be trusted: drop the queue pair and reset the device.
    pub fn poll(&mut self) -> Result<Option<Completion>, Error> {
        let Some((completion, held)) = self.rings.poll()? else {
            return Ok(None);
        };
        self.probe = Deadline::after(PROBE_INTERVAL);
        if completion.status.is_ok() {
            self.claim.shared.kept.succeeded(held);
        }
        Ok(Some(completion))
    }

    /// Waits for a completion.
    ///
    /// # Errors
    /// [`Error::Timeout`] if none comes in time while the device lives; [`Error::DeviceGone`]
    /// or [`Error::NoAnswer`] if it does not; [`Error::Fatal`] if its queue failed;
    /// [`Error::NothingInFlight`] at once if the device has been given nothing to do; those of
    /// [`poll`](Self::poll).
    pub fn wait(&mut self, timeout: Duration) -> Result<Completion, Error> {
        let deadline = Deadline::after(timeout);
        if let Some(completion) = self.before_pause()? {
            return Ok(completion);
        }
        loop {
            let pause = deadline.left().min(self.probe.left());
            let found = match &self.interrupt {
                Some(interrupt) => {
                    interrupt.wait(pause)?;
                    self.poll()?
                }
                None => self.spin(pause)?,
            };
            if let Some(completion) = found {
                return Ok(completion);
            }
            if let Some(completion) = self.after_pause(deadline)? {
                return Ok(completion);
            }
        }
    }

    /// What a wait does first: takes what is there, and finds whether there is anything to wait for.
    fn before_pause(&mut self) -> Result<Option<Completion>, Error> {
        match self.poll()? {
            None if self.in_flight() == 0 => Err(Error::NothingInFlight),
            found => Ok(found),
        }
    }

    /// What a wait does after a pause without a completion: asks for the device when it is time, and
    /// ends when the time is over.
    fn after_pause(&mut self, deadline: Deadline) -> Result<Option<Completion>, Error> {
        if self.probe.has_passed()
            && let Some(completion) = self.probe()?
        {
            return Ok(Some(completion));
        }
        if deadline.has_passed() {
            // However short the timeout, a device that is gone is not called slow.
            self.claim.shared.transport.probe()?;
            return Err(Error::Timeout);
        }
        Ok(None)
    }

    /// Commands that the device has been told of and has not completed.
    pub fn in_flight(&self) -> usize {
        self.rings.in_flight()
    }

    /// Looks at the completion ring for the length of `pause`.
    fn spin(&mut self, pause: Duration) -> Result<Option<Completion>, Error> {
        let deadline = Deadline::after(pause);
        loop {
            if let Some(completion) = self.look()? {
                return Ok(Some(completion));
            }
            if deadline.has_passed() {
                return Ok(None);
            }
            thread::yield_now();
        }
    }

    /// Looks at the completion ring for a few microseconds.
    fn look(&mut self) -> Result<Option<Completion>, Error> {
        for _ in 0..SPINS {
            if let Some(completion) = self.poll()? {
                return Ok(Some(completion));
            }
            hint::spin_loop();
        }
        Ok(None)
    }

    /// Asks the device for its status. What it completed before it failed counts: the ring has
    /// the last word.
    fn probe(&mut self) -> Result<Option<Completion>, Error> {
        let status = self.claim.shared.check_status();
        self.probe = Deadline::after(PROBE_INTERVAL);
        match (status, self.poll()?) {
            (_, Some(completion)) => Ok(Some(completion)),
            (status, None) => status.map(|_| None),
        }
    }
}

impl Drop for QueuePair {
    fn drop(&mut self) {
        // The next queue pair's ids go on from here, so that what a faulty device says of commands of
        // this one is not taken for an answer to a newer one.
        let shared = &self.claim.shared;
        shared
            .next_id
            .store(self.rings.next_id(), Ordering::Relaxed);
        // Rings and buffers must stay mapped until the device has stopped.
        if let Err(error) = shared.disable() {
            tracing::debug!(%error, "the device was not disabled");
            let submission = self.rings.submission().memory().hold();
            let completion = self.rings.completion().memory().hold();
            let held = self.rings.take_held();
            shared.kept.did_not_stop(held, [submission, completion]);
        }
    }
}

/// Lets the queue's MSI-X vector signal a new eventfd.
fn connect_interrupt(shared: &Shared) -> Result<Interrupt, Error> {
    let transport = &*shared.transport;
    let msix = shared
        .msix
        .filter(|msix| VECTOR < msix.vectors)
        .ok_or_else(|| Error::UnsuitableFunction {
            detail: "it has no MSI-X interrupts; use polling".into(),
        })?;
    let interrupt = Interrupt::new()?;
    transport.set_interrupt(VECTOR, interrupt.as_fd())?;
    pci::enable_msix(transport, msix)?;
    Ok(interrupt)
}
