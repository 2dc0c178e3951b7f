//! A device: opened by address, identified, reset; the source of buffers and queue pairs.
//!
//! ```text
//!  open:  PCI identifiers -> memory space on -> MAGIC, ABI version, dimensions
//!         -> function reset -> memory space, bus master on -> CONTROL.RESET
//! ```
//!
//! Nothing but the PCI command register is written before the device has shown that it speaks
//! this driver's interface.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use systole_regs::registers::{self as register, control, status};

use crate::deadline::Deadline;
use crate::holds::Kept;
use crate::identity::{Counters, Identity, Region, SlotState};
use crate::lock::lock;
use crate::pci::{self, MsiX};
use crate::queue::{QueueOptions, QueuePair};
use crate::serial::Serial;
use crate::vfio::Vfio;
use crate::vfio_user::VfioUser;
use crate::{Address, BarOffset, DeviceStatus, DmaBuffer, Error, Transport};

/// How a device is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Longest time for connecting, for each exchange with the device, and for its reset.
    pub timeout: Duration,
}

impl Default for OpenOptions {
    /// Two seconds.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
        }
    }
}

/// An open device. Clones are the same device; it is closed when the last clone, buffer and
/// queue pair has been dropped.
#[derive(Clone)]
pub struct Device {
    shared: Arc<Shared>,
}

/// What the clones of a device and its queue pair have in common.
pub(crate) struct Shared {
    pub transport: Arc<dyn Transport>,
    pub identity: Identity,
    pub msix: Option<MsiX>,
    timeout: Duration,
    queue_in_use: AtomicBool,
    /// First command id of the next queue pair.
    pub next_id: AtomicU16,
    /// Buffers that the device may reach without a command in flight.
    pub kept: Kept,
    /// Held while a 64-bit counter is read: the low half latches the high one.
    latch: Mutex<()>,
}

impl Device {
    /// Opens the device at `address`, checks what it is, resets it and lets it use the bus.
    ///
    /// # Errors
    /// Those of connecting ([`Error::NoSocket`], [`Error::NobodyListens`], [`Error::NoAnswer`],
    /// [`Error::NoSerialPort`], [`Error::SerialSilent`], [`Error::NotBound`],
    /// [`Error::FunctionInUse`], ...) and of identification ([`Error::WrongFunction`], [`Error::WrongMagic`],
    /// [`Error::InterfaceVersion`], [`Error::ImplausibleIdentity`], [`Error::DeviceGone`]);
    /// [`Error::ResetTimeout`].
    pub fn open(address: &Address, options: OpenOptions) -> Result<Device, Error> {
        let transport: Arc<dyn Transport> = match address {
            Address::Vfio(function) => Arc::new(Vfio::open(*function)?),
            Address::VfioUser(socket) => Arc::new(VfioUser::connect(socket, options.timeout)?),
            Address::Serial { path, baud } => {
                Arc::new(Serial::connect(path, *baud, options.timeout)?)
            }
        };
        Self::over(transport, options)
    }

    /// Opens the device behind a transport; the rest of [`open`](Self::open).
    ///
    /// # Errors
    /// Those of identification and reset.
    pub fn over(transport: Arc<dyn Transport>, options: OpenOptions) -> Result<Device, Error> {
        pci::check_identifiers(&*transport)?;
        pci::enable(&*transport, false)?;
        let identity = Identity::read(&*transport)?;
        let msix = pci::find_msix(&*transport)?;
        let shared = Shared {
            transport,
            identity,
            msix,
            timeout: options.timeout,
            queue_in_use: AtomicBool::new(false),
            next_id: AtomicU16::new(0),
            kept: Kept::default(),
            latch: Mutex::new(()),
        };
        shared.reset()?;
        Ok(Device {
            shared: Arc::new(shared),
        })
    }

    /// What the device says about itself.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Allocates `bytes` bytes that the device can read and write: zeroed, page-aligned, mapped
    /// until dropped.
    ///
    /// # Errors
    /// [`Error::BufferSize`], [`Error::System`], [`Error::Refused`]; errors of the transport.
    pub fn allocate(&self, bytes: usize) -> Result<DmaBuffer, Error> {
        DmaBuffer::new(Arc::clone(&self.shared.transport), bytes)
    }

    /// Makes the device's queue pair and enables the device.
    ///
    /// # Errors
    /// [`Error::QueueInUse`] while another one exists, [`Error::StillBusy`] while the device
    /// has not ended the last one's command, [`Error::QueueSize`],
    /// [`Error::UnsuitableFunction`] if interrupts are asked for and there are none,
    /// [`Error::Fatal`] if the device stopped earlier and was not reset; those of
    /// [`allocate`](Self::allocate).
    pub fn queue_pair(&self, options: QueueOptions) -> Result<QueuePair, Error> {
        QueuePair::new(&self.shared, options)
    }

    /// Reads the counters, each consistent in itself.
    ///
    /// # Errors
    /// [`Error::DeviceGone`]; errors of the transport.
    pub fn counters(&self) -> Result<Counters, Error> {
        let shared = &self.shared;
        Ok(Counters {
            cycles: shared.read_u64(register::CYCLES_LOW, register::CYCLES_HIGH)?,
            busy_cycles: shared.read_u64(register::BUSY_CYCLES_LOW, register::BUSY_CYCLES_HIGH)?,
            commands: shared.read(register::COMMANDS)?,
            errors: shared.read(register::ERRORS)?,
        })
    }

    /// Reads what each slot holds, [`slot_count`](Identity::slot_count) of them.
    ///
    /// # Errors
    /// [`Error::DeviceGone`]; errors of the transport.
    pub fn slots(&self) -> Result<Vec<SlotState>, Error> {
        let shared = &self.shared;
        let slot = |index: usize| {
            // As many slots as fit BAR0, so the offset fits too.
            let read = |offset| shared.read(offset + index as u32 * register::SLOT_BLOCK_BYTES);
            Ok(SlotState {
                resident: read(register::SLOT_STATE)? & 1 != 0,
                version: read(register::SLOT_VERSION)?,
                program: Region::decode(read(register::SLOT_PROGRAM)?),
                parameters: Region::decode(read(register::SLOT_PARAMETERS)?),
                weights: Region::decode(read(register::SLOT_WEIGHTS)?),
                group_rows: read(register::SLOT_GROUP_ROWS)?,
            })
        };
        (0..shared.identity.slot_count).map(slot).collect()
    }

    /// Brings a device back that has failed: resets it and makes sure that it is still the same one.
    /// Slots become empty, counters zero; buffers stay mapped.
    ///
    /// # Errors
    /// [`Error::OtherDevice`] if it now says something else about itself; those of
    /// [`reset`](Self::reset) and of identification.
    pub fn recover(&self) -> Result<(), Error> {
        let _claim = QueueClaim::new(&self.shared)?;
        self.shared.reset()?;
        let transport = &*self.shared.transport;
        pci::check_identifiers(transport)?;
        match Identity::read(transport)? == self.shared.identity {
            true => Ok(()),
            false => Err(Error::OtherDevice),
        }
    }

    /// Resets the device: slots become empty, counters zero. Buffers stay mapped.
    ///
    /// # Errors
    /// [`Error::QueueInUse`] while a queue pair exists, because its commands would be lost
    /// without a word; [`Error::ResetTimeout`]; errors of the transport.
    pub fn reset(&self) -> Result<(), Error> {
        let _claim = QueueClaim::new(&self.shared)?;
        self.shared.reset()
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("identity", &self.shared.identity)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Reads a register.
    ///
    /// # Errors
    /// [`Error::DeviceGone`] if it reads as all ones and the device turns out not to be there.
    pub fn read(&self, offset: u32) -> Result<u32, Error> {
        let value = self.transport.read_register(BarOffset(offset))?;
        // A counter or a version may be all ones; the magic number is not.
        if value == u32::MAX
            && self.transport.read_register(BarOffset(register::MAGIC))? == u32::MAX
        {
            return Err(Error::DeviceGone);
        }
        Ok(value)
    }

    /// Writes a register.
    pub fn write(&self, offset: u32, value: u32) -> Result<(), Error> {
        self.transport.write_register(BarOffset(offset), value)
    }

    fn read_u64(&self, low: u32, high: u32) -> Result<u64, Error> {
        let _latch = lock(&self.latch);
        let low = self.read(low)?;
        let high = self.read(high)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Reads the status register: whether the device lives and its queue works.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::Fatal`]; errors of the transport.
    pub fn check_status(&self) -> Result<u32, Error> {
        self.transport.probe()?;
        let value = self.read(register::STATUS)?;
        if value & status::FATAL != 0 {
            let code = (value >> status::FATAL_CODE_SHIFT) as u8;
            return Err(Error::Fatal(DeviceStatus::decode_fatal(code)));
        }
        Ok(value)
    }

    /// Waits until `bits` of a register are zero; false if that takes longer than the timeout.
    fn wait_until_clear(&self, offset: u32, bits: u32) -> Result<bool, Error> {
        let deadline = Deadline::after(self.timeout);
        let mut pause = Duration::from_micros(10);
        while self.read(offset)? & bits != 0 {
            if deadline.has_passed() {
                return Ok(false);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        Ok(true)
    }

    /// Stops the queue engine and waits until the command in progress has ended.
    ///
    /// # Errors
    /// [`Error::StillBusy`] if it does not end; errors of the transport.
    pub fn disable(&self) -> Result<(), Error> {
        self.write(register::CONTROL, 0)?;
        let timeout = self.timeout;
        match self.wait_until_clear(register::STATUS, status::BUSY)? {
            true => {
                self.kept.stopped();
                Ok(())
            }
            false => Err(Error::StillBusy { timeout }),
        }
    }

    fn reset(&self) -> Result<(), Error> {
        self.transport.reset()?;
        // A function reset also clears the command register.
        pci::enable(&*self.transport, true)?;
        self.write(register::CONTROL, control::RESET)?;
        let timeout = self.timeout;
        match self.wait_until_clear(register::CONTROL, control::RESET)? {
            true => {
                self.kept.reset();
                self.check_status().map(drop)
            }
            false => Err(Error::ResetTimeout { timeout }),
        }
    }
}

/// The right to use the device's queue registers; given back when dropped.
pub(crate) struct QueueClaim {
    pub shared: Arc<Shared>,
}

impl QueueClaim {
    /// Takes the right.
    ///
    /// # Errors
    /// [`Error::QueueInUse`] if somebody has it.
    pub fn new(shared: &Arc<Shared>) -> Result<Self, Error> {
        if shared.queue_in_use.swap(true, Ordering::Acquire) {
            return Err(Error::QueueInUse);
        }
        Ok(Self {
            shared: Arc::clone(shared),
        })
    }
}

impl Drop for QueueClaim {
    fn drop(&mut self) {
        self.shared.queue_in_use.store(false, Ordering::Release);
    }
}

impl fmt::Debug for QueueClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueClaim")
    }
}
