//! A device in this process's memory that completes each command at once. What a command costs with
//! it is what the driver costs, without a device's own time.
//!
//! ```text
//!  QueuePair -- doorbell --> Immediate: reads the entry, writes the completion --> rings in memory
//!                              in the write itself, or on a thread of its own
//! ```

mod engine;

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use systole_driver::{BarOffset, Device, DmaMemory, Error, Iova, OpenOptions, Transport};
use systole_regs::configuration::TINY;
use systole_regs::registers::{self as register, control, status};
use systole_regs::{BAR0_BYTES, PCI_CLASS, PCI_DEVICE, PCI_VENDOR};

use engine::Engine;

/// When commands are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Before the write of the doorbell returns.
    InDoorbell,
    /// On a thread of the device, while the host goes on.
    OnThread,
}

/// Where the first mapping lies, and the alignment of all.
const FIRST_ADDRESS: u64 = 0x10_0000;

/// Offset of the MSI-X capability, which has one vector.
const MSIX: usize = 0x40;

/// The device. It carries out NOP, and RUN by adding one to the first eight bytes of each row.
pub struct Immediate {
    config: Mutex<[u8; 256]>,
    registers: Vec<AtomicU32>,
    next_address: Mutex<u64>,
    engine: Arc<Mutex<Engine>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Immediate {
    /// A device that nobody has opened.
    pub fn new(pace: Pace) -> Arc<Self> {
        let registers: Vec<_> = (0..BAR0_BYTES / 4).map(|_| AtomicU32::new(0)).collect();
        for (offset, value) in TINY.identification() {
            registers[offset as usize / 4].store(value, Ordering::Relaxed);
        }
        let engine = Arc::new(Mutex::new(Engine::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = (pace == Pace::OnThread).then(|| {
            lock(&engine).waits = true;
            let (engine, stop) = (Arc::clone(&engine), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if !lock(&engine).advance() {
                        thread::yield_now();
                    }
                }
            })
        });
        Arc::new(Self {
            config: Mutex::new(config()),
            registers,
            next_address: Mutex::new(FIRST_ADDRESS),
            engine,
            stop,
            thread,
        })
    }

    /// Opens a new device with the driver.
    ///
    /// # Errors
    /// Those of [`Device::over`].
    pub fn open(pace: Pace) -> Result<Device, Error> {
        Device::over(Self::new(pace), OpenOptions::default())
    }

    fn register(&self, offset: u32) -> u32 {
        self.registers[offset as usize / 4].load(Ordering::Relaxed)
    }

    fn address(&self, low: u32, high: u32) -> u64 {
        u64::from(self.register(high)) << 32 | u64::from(self.register(low))
    }

    fn write_control(&self, value: u32) {
        let mut engine = lock(&self.engine);
        if value & control::RESET != 0 {
            engine.disable();
            engine.commands = 0;
        } else if value & control::ENABLE != 0 {
            engine.enable(
                (
                    self.address(
                        register::SUBMISSION_BASE_LOW,
                        register::SUBMISSION_BASE_HIGH,
                    ),
                    self.register(register::SUBMISSION_ENTRIES),
                ),
                (
                    self.address(
                        register::COMPLETION_BASE_LOW,
                        register::COMPLETION_BASE_HIGH,
                    ),
                    self.register(register::COMPLETION_ENTRIES),
                ),
                self.register(register::INTERRUPT) & register::INTERRUPT_ENABLE != 0,
            );
        } else {
            engine.disable();
        }
    }
}

impl Transport for Immediate {
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error> {
        let engine = || lock(&self.engine);
        Ok(match offset.0 {
            register::CONTROL => u32::from(engine().is_enabled()) * control::ENABLE,
            register::STATUS => {
                let engine = engine();
                (u32::from(engine.is_enabled()) * status::READY)
                    | (u32::from(engine.is_busy()) * status::BUSY)
            }
            register::COMMANDS => engine().commands,
            offset => self.register(offset),
        })
    }

    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error> {
        match offset.0 {
            register::SUBMISSION_TAIL_DOORBELL => lock(&self.engine).ring_tail(value),
            register::COMPLETION_HEAD_DOORBELL => lock(&self.engine).ring_head(value),
            register::CONTROL => self.write_control(value),
            register::SUBMISSION_BASE_LOW..=register::INTERRUPT => {
                self.registers[offset.0 as usize / 4].store(value, Ordering::Relaxed);
            }
            _ => {}
        }
        Ok(())
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        let start = usize::from(offset);
        match lock(&self.config).get(start..start + data.len()) {
            Some(bytes) => data.copy_from_slice(bytes),
            // Extended capabilities, of which there are none.
            None => data.fill(0),
        }
        Ok(())
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        let start = usize::from(offset);
        if let Some(bytes) = lock(&self.config).get_mut(start..start + data.len()) {
            bytes.copy_from_slice(data);
        }
        Ok(())
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        let mut memory = DmaMemory::allocate(bytes)?;
        let mut next = lock(&self.next_address);
        memory.place(Iova(*next));
        *next += memory.mapped_bytes() as u64;
        lock(&self.engine).map(memory.iova().0, memory.share());
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        lock(&self.engine).unmap(memory.iova().0);
        Ok(())
    }

    fn set_interrupt(&self, _: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error> {
        let own = eventfd.try_clone_to_owned();
        let own = own.map_err(|source| Error::System {
            operation: "copying an eventfd",
            source,
        })?;
        lock(&self.engine).eventfd = Some(own.into());
        Ok(())
    }

    fn reset(&self) -> Result<(), Error> {
        self.write_control(control::RESET);
        lock(&self.engine).eventfd = None;
        *lock(&self.config) = config();
        Ok(())
    }

    fn probe(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for Immediate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Configuration space after a reset: identifiers, and MSI-X as the only capability.
fn config() -> [u8; 256] {
    let mut bytes = [0; 256];
    bytes[0..2].copy_from_slice(&PCI_VENDOR.to_le_bytes());
    bytes[2..4].copy_from_slice(&PCI_DEVICE.to_le_bytes());
    // Status: there is a list of capabilities, which begins at the offset in 0x34.
    bytes[6] = 0x10;
    bytes[0x34] = MSIX as u8;
    bytes[8..12].copy_from_slice(&(PCI_CLASS << 8).to_le_bytes());
    bytes[MSIX] = 0x11;
    bytes
}

/// Locks what no panic can leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
