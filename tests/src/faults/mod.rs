//! A PCIe function that fails on purpose: a proxy between the driver and any device.
//!
//! ```text
//!  driver -- registers --> Faulty --> the device's transport       (all ones, lost doorbells, ...)
//!    ^                       |
//!    |  completion ring      |  the device writes to a ring of its own ...
//!    +---- pump thread <-----+  ... and each entry is handed on: late, twice, in another
//!    |                          order, with another tag, as garbage, or never
//!    +---- eventfd: signalled by the pump, or not
//! ```
//!
//! Faults come from a plan, one after the other, so that a seed repeats a case.

mod rig;
mod ring;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use systole_driver::{BarOffset, DmaMemory, Error, Transport};
use systole_regs::Status;
use systole_regs::registers::{self as register, control, status};

use ring::{Mapping, Pump};

pub use rig::{PATIENCE, Pair, ROWS, Rig, Work};

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// So many register and configuration reads give all ones.
    AllOnes(u32),
    /// So many writes of the submission doorbell are lost.
    LostDoorbell(u32),
    /// So many interrupts are lost.
    LostInterrupt(u32),
    /// The next completion comes so many milliseconds late.
    Late(u32),
    /// The next completion never comes.
    Lost,
    /// The next completion comes twice.
    Twice,
    /// The next two completions come in the other order.
    Swapped,
    /// The next completion has another tag.
    Tag(u16),
    /// The next completion is preceded by garbage.
    Garbage(u64),
    /// The next completion says that the device has read further than it can have.
    Head(u16),
    /// The next completion says this status.
    Status(Status),
    /// So many reads of STATUS say that the device has stopped.
    Fatal(u32),
    /// So many reads of CONTROL say that the reset is under way.
    SlowReset(u32),
    /// So many calls find that the device has gone.
    Gone(u32),
}

/// What is left of each fault that counts.
#[derive(Default)]
struct Countdown {
    all_ones: AtomicU32,
    lost_doorbells: AtomicU32,
    fatal: AtomicU32,
    slow_resets: AtomicU32,
    gone: AtomicU32,
}

/// Whether there was one left.
fn take(counter: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}

/// The proxy. Drop the device that it carries before it.
pub struct Faulty {
    inner: Arc<dyn Transport>,
    /// What the device signals, and nobody looks at.
    decoy: EventFd,
    countdown: Countdown,
    pump: Arc<Mutex<Pump>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Faulty {
    /// A proxy before `inner` that does nothing wrong yet.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(inner: Arc<dyn Transport>) -> Arc<Faulty> {
        let pump = Arc::new(Mutex::new(Pump::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (pump, stop) = (Arc::clone(&pump), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    lock(&pump).step();
                    thread::sleep(Duration::from_micros(20));
                }
            }
        });
        Arc::new(Faulty {
            inner,
            decoy: EventFd::new().expect("there are file descriptors"),
            countdown: Countdown::default(),
            pump,
            stop,
            thread: Some(thread),
        })
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: Fault) {
        let set = |counter: &AtomicU32, count| counter.store(count, Ordering::Relaxed);
        let countdown = &self.countdown;
        match fault {
            Fault::AllOnes(count) => set(&countdown.all_ones, count),
            Fault::LostDoorbell(count) => set(&countdown.lost_doorbells, count),
            Fault::Fatal(count) => set(&countdown.fatal, count),
            Fault::SlowReset(count) => set(&countdown.slow_resets, count),
            Fault::Gone(count) => set(&countdown.gone, count),
            fault => lock(&self.pump).inject(fault),
        }
    }

    /// Takes all faults back that have not come yet.
    pub fn heal(&self) {
        let countdown = &self.countdown;
        for counter in [
            &countdown.all_ones,
            &countdown.lost_doorbells,
            &countdown.fatal,
            &countdown.slow_resets,
            &countdown.gone,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        lock(&self.pump).heal();
    }

    fn present(&self) -> Result<(), Error> {
        match take(&self.countdown.gone) {
            true => Err(Error::DeviceGone),
            false => Ok(()),
        }
    }

    /// Gives the device a ring of its own in place of the driver's.
    fn shadow(&self, base: u64, entries: u32) -> Result<u64, Error> {
        let memory = self.inner.map_dma(entries as usize * ring::ENTRY_BYTES)?;
        let iova = memory.iova().0;
        let old = lock(&self.pump).begin(base, entries, Mapping::of(&memory), memory);
        // The device is disabled, and so has no use for the old one.
        old.map_or(Ok(()), |old| self.inner.unmap_dma(&old))?;
        Ok(iova)
    }
}

impl Transport for Faulty {
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error> {
        self.present()?;
        let value = self.inner.read_register(offset)?;
        if take(&self.countdown.all_ones) {
            return Ok(u32::MAX);
        }
        if offset.0 == register::STATUS && take(&self.countdown.fatal) {
            let code = Status::InvalidDoorbell as u32;
            return Ok(value | status::FATAL | code << status::FATAL_CODE_SHIFT);
        }
        if offset.0 == register::CONTROL && take(&self.countdown.slow_resets) {
            return Ok(value | control::RESET);
        }
        Ok(value)
    }

    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error> {
        self.present()?;
        match offset.0 {
            register::SUBMISSION_TAIL_DOORBELL if take(&self.countdown.lost_doorbells) => Ok(()),
            // The device is told where the ring is when it is told how large it is.
            register::COMPLETION_BASE_LOW => {
                lock(&self.pump).base_low = value;
                Ok(())
            }
            register::COMPLETION_BASE_HIGH => {
                lock(&self.pump).base_high = value;
                Ok(())
            }
            register::COMPLETION_ENTRIES => {
                let base = lock(&self.pump).base();
                let shadow = self.shadow(base, value)?;
                let write = |offset, value| self.inner.write_register(BarOffset(offset), value);
                write(register::COMPLETION_BASE_LOW, shadow as u32)?;
                write(register::COMPLETION_BASE_HIGH, (shadow >> 32) as u32)?;
                write(register::COMPLETION_ENTRIES, value)
            }
            _ => self.inner.write_register(offset, value),
        }
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        self.present()?;
        self.inner.read_config(offset, data)?;
        if take(&self.countdown.all_ones) {
            data.fill(0xff);
        }
        Ok(())
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        self.present()?;
        self.inner.write_config(offset, data)
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        self.present()?;
        let memory = self.inner.map_dma(bytes)?;
        lock(&self.pump).mapped(Mapping::of(&memory));
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        // What has no mapping any more is not written to, whoever is to blame.
        lock(&self.pump).unmapped(memory.iova().0);
        self.inner.unmap_dma(memory)
    }

    fn set_interrupt(&self, vector: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error> {
        self.present()?;
        let own = eventfd
            .try_clone_to_owned()
            .map_err(|source| Error::System {
                operation: "copying an eventfd",
                source,
            })?;
        // SAFETY: it is a copy of the driver's eventfd.
        lock(&self.pump).eventfd = Some(unsafe { EventFd::from_owned_fd(own) });
        self.inner.set_interrupt(vector, self.decoy.as_fd())
    }

    fn reset(&self) -> Result<(), Error> {
        self.present()?;
        self.inner.reset()?;
        let old = lock(&self.pump).end();
        old.map_or(Ok(()), |old| self.inner.unmap_dma(&old))
    }

    fn probe(&self) -> Result<(), Error> {
        self.present()?;
        self.inner.probe()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(memory) = lock(&self.pump).end() {
            let _ = self.inner.unmap_dma(&memory);
        }
    }
}

/// Locks what no panic can leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
