//! A board behind a serial port: the accelerator's registers and its DMA, in frames.
//!
//! ```text
//!  this process                              serial port                     board
//!  registers     -- READ_REGISTER, WRITE_REGISTER --------------------> AXI4-Lite
//!  DMA memory    <- READ, WRITE -- thread -- DATA, WRITTEN -----------> AXI4 master
//!  eventfd       <- INTERRUPT ---- thread
//! ```
//!
//! The board has no PCIe, so configuration space is kept here (`config`), and a thread serves the
//! board's DMA from memory (`worker`, `dma`). Frames are in `frame`, what makes them arrive once
//! and in order is in `link`; the layout is `systole_regs::link`'s.
//!
//! The port is a terminal, set up with nix, which the driver needs anyway: the `serialport` crate
//! would add a layer, and its reads cannot wait for the port and for requests at once.

mod config;
mod dma;
mod frame;
mod link;
#[cfg(test)]
mod tests;
mod tty;
mod worker;

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use systole_regs::BAR0_BYTES;

use self::config::{CONFIG_BYTES, Config, VECTORS};
use self::tty::Tty;
use self::worker::{Shared, Worker};
use crate::iova::IovaAllocator;
use crate::lock::lock;
use crate::memory::{page_bytes, write_barrier};
use crate::transport::{CONFIG, check_access};
use crate::{BarOffset, DmaMemory, Error, Transport};

/// Bytes of one register.
const REGISTER_BYTES: usize = size_of::<u32>();

/// A board behind a serial port, as a [`Transport`].
pub struct Serial {
    shared: Arc<Shared>,
    addresses: Mutex<IovaAllocator>,
    /// Held while a register is read: answers have no names.
    reads: Mutex<()>,
    thread: Option<JoinHandle<()>>,
}

impl Serial {
    /// Opens the port and a session with the board. `timeout` holds for this and for each later
    /// exchange.
    ///
    /// # Errors
    /// [`Error::NoSerialPort`], [`Error::NotSerialPort`], [`Error::SerialPortInUse`],
    /// [`Error::BaudRate`], [`Error::Connect`]; [`Error::SerialSilent`],
    /// [`Error::SerialNoise`], [`Error::SerialVersion`], [`Error::SerialProtocol`].
    pub fn connect(path: &Path, baud: u32, timeout: Duration) -> Result<Self, Error> {
        let tty = Tty::open(path, baud)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags)
            .map_err(Error::system("creating an eventfd"))?;
        let shared = Arc::new(Shared::new(path.into(), baud, timeout, wake));
        let thread = thread::Builder::new()
            .name("systole-serial".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || Worker::new(&shared, tty).run()
            })
            .map_err(|source| Error::System {
                operation: "starting the serial port's thread",
                source,
            })?;
        // From here on, dropping it ends the thread.
        let serial = Self {
            shared,
            addresses: Mutex::new(IovaAllocator::new(page_bytes())),
            reads: Mutex::new(()),
            thread: Some(thread),
        };
        serial.shared.open()?;
        Ok(serial)
    }

    fn register(offset: BarOffset) -> Result<u16, Error> {
        u16::try_from(offset.0)
            .ok()
            .filter(|at| at.is_multiple_of(REGISTER_BYTES as u16) && offset.0 < BAR0_BYTES)
            .ok_or(Error::BadAccess {
                space: "BAR0",
                offset: offset.0,
                length: REGISTER_BYTES,
            })
    }

    fn check_config(offset: u16, length: usize) -> Result<(), Error> {
        check_access(CONFIG, CONFIG_BYTES as u64, offset.into(), length)
    }
}

impl Transport for Serial {
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error> {
        let offset = Self::register(offset)?;
        let _turn = lock(&self.reads);
        self.shared.read(offset)
    }

    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error> {
        let offset = Self::register(offset)?;
        write_barrier();
        self.shared.write(offset, value)
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        Self::check_config(offset, data.len())?;
        self.shared.check()?;
        lock(&self.shared.config).read(offset, data);
        Ok(())
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        Self::check_config(offset, data.len())?;
        self.shared.check()?;
        lock(&self.shared.config).write(offset, data);
        Ok(())
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        self.shared.check()?;
        let mut memory = DmaMemory::allocate(bytes)?;
        let iova = lock(&self.addresses)
            .allocate(memory.mapped_bytes())
            .ok_or(Error::BufferSize {
                bytes,
                reason: "no bus addresses are left for it",
            })?;
        memory.place(iova);
        lock(&self.shared.mappings).insert(iova, memory.share());
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        // The thread holds the lock while it copies: afterwards it reaches the memory no more.
        lock(&self.shared.mappings).remove(memory.iova());
        lock(&self.addresses).release(memory.iova(), memory.mapped_bytes());
        Ok(())
    }

    fn set_interrupt(&self, vector: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error> {
        if vector >= VECTORS {
            return Err(Error::UnsuitableFunction {
                detail: format!("it has {VECTORS} MSI-X vectors, none for {vector}"),
            });
        }
        let eventfd = eventfd
            .try_clone_to_owned()
            .map_err(|source| Error::System {
                operation: "duplicating an eventfd",
                source,
            })?;
        let mut vectors = lock(&self.shared.vectors);
        if vectors.len() <= usize::from(vector) {
            vectors.resize_with(usize::from(vector) + 1, || None);
        }
        vectors[usize::from(vector)] = Some(eventfd);
        Ok(())
    }

    /// A new session: all DMA of the board that is outstanding ends with errors, and it may use
    /// the bus no more until it is allowed to again. The accelerator itself is reset by
    /// CONTROL.RESET.
    fn reset(&self) -> Result<(), Error> {
        *lock(&self.shared.config) = Config::new();
        lock(&self.shared.vectors).clear();
        self.shared.open()
    }

    fn probe(&self) -> Result<(), Error> {
        self.shared.check()
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // If it has panicked, there is nothing left to end.
            let _ = thread.join();
        }
    }
}
