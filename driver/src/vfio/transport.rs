//! A PCIe function of this machine as a [`Transport`], through the kernel's VFIO.
//!
//! ```text
//!  registers     load and store to the mapped BAR0 (or pread, pwrite where it cannot be mapped)
//!  configuration pread, pwrite on the function's file: the kernel guards what is not ours
//!  DMA memory    pinned and mapped in the IOMMU for this function alone
//!  interrupts    MSI-X vector --> eventfd
//! ```

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::address_space::AddressSpace;
use super::ioctl;
use super::kernel::*;
use super::open::{Opened, open};
use super::region::{MappedArea, RegionInfo};
use crate::interrupts::Interrupt;
use crate::iova::IovaAllocator;
use crate::lock::lock;
use crate::memory::{HUGE_PAGE, page_bytes, read_barrier, write_barrier};
use crate::transport::{BAR0, CONFIG, check_access};
use crate::{BarOffset, DmaMemory, Error, Iova, PciAddress, Transport};

use systole_regs::BAR0_BYTES;

/// Bytes of one register.
const REGISTER_BYTES: usize = size_of::<u32>();

/// Time for which a reset waits for the function's lock, or for the notice of who holds it; the kernel
/// repeats its own every 10 seconds.
const LOCKED: Duration = Duration::from_secs(12);

/// Time between two attempts.
const LOCKED_POLL: Duration = Duration::from_millis(5);

/// A function of this machine that is bound to vfio-pci, as a [`Transport`].
#[derive(Debug)]
pub struct Vfio {
    // Order matters: mappings of the BAR end first, then the function is closed, then its IOMMU.
    areas: Vec<MappedArea>,
    device: File,
    space: AddressSpace,
    bar: RegionInfo,
    config: RegionInfo,
    addresses: Mutex<IovaAllocator>,
    vectors: u32,
    /// Whether the kernel has switched MSI-X on, with all vectors.
    interrupts: Mutex<bool>,
    resettable: bool,
    /// Signalled when the kernel wants the function back.
    wanted_back: Option<Interrupt>,
    /// Signalled when the bus has seen an error that it could not correct.
    bus_error: Option<Interrupt>,
}

impl Vfio {
    /// Opens the function at `address`.
    ///
    /// # Errors
    /// [`Error::NoFunction`], [`Error::NotBound`], [`Error::NoIommu`], [`Error::NoVfio`],
    /// [`Error::NotPermitted`], [`Error::FunctionInUse`], [`Error::GroupNotViable`];
    /// [`Error::UnsuitableFunction`] if it has no BAR0 of the right size; [`Error::Kernel`],
    /// [`Error::System`].
    pub fn open(address: PciAddress) -> Result<Self, Error> {
        let Opened { device, space } = open(address)?;
        let device_fd = device.as_fd();
        let info =
            ioctl::device_info(device_fd).map_err(Error::system("asking what a function is"))?;
        if info.flags & VFIO_DEVICE_FLAGS_PCI == 0 || info.regions <= VFIO_PCI_CONFIG_REGION_INDEX {
            return Err(Error::Kernel {
                detail: format!("{address} is no PCI function with configuration space"),
            });
        }
        let bar = region(device_fd, VFIO_PCI_BAR0_REGION_INDEX)?;
        let config = region(device_fd, VFIO_PCI_CONFIG_REGION_INDEX)?;
        if bar.size < u64::from(BAR0_BYTES) {
            return Err(Error::UnsuitableFunction {
                detail: format!("BAR0 has {} bytes instead of {BAR0_BYTES}", bar.size),
            });
        }
        let areas = bar
            .areas
            .iter()
            .filter_map(|area| MappedArea::map(&bar, area, device_fd, None))
            .collect();
        let vectors = vectors_of(device_fd, info.interrupts, VFIO_PCI_MSIX_IRQ_INDEX)?;
        let notice = |index| notice(device_fd, info.interrupts, index);
        let wanted_back = notice(VFIO_PCI_REQ_IRQ_INDEX)?;
        let bus_error = notice(VFIO_PCI_ERR_IRQ_INDEX)?;
        let addresses = IovaAllocator::within(&space.ranges()?, page_bytes());
        Ok(Self {
            areas,
            device: device.into(),
            space,
            bar,
            config,
            addresses: Mutex::new(addresses),
            vectors,
            interrupts: Mutex::new(false),
            resettable: info.flags & VFIO_DEVICE_FLAGS_RESET != 0,
            wanted_back,
            bus_error,
        })
    }

    /// Where `length` bytes at `offset` of a region are in the function's file.
    fn place(
        space: &'static str,
        region: &RegionInfo,
        offset: u32,
        length: usize,
    ) -> Result<u64, Error> {
        check_access(space, region.size, offset, length)?;
        Ok(region.file_offset + u64::from(offset))
    }

    fn release(&self, iova: Iova, bytes: usize) {
        lock(&self.addresses).release(iova, bytes);
    }
}

/// What an error of pread and pwrite on the function's file means: the kernel answers for a function
/// that has gone with ENODEV.
fn lost(operation: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| match source.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENODEV) => Error::DeviceGone,
        _ => Error::System { operation, source },
    }
}

impl Transport for Vfio {
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error> {
        let place = Self::place(BAR0, &self.bar, offset.0, REGISTER_BYTES)?;
        if let Some(value) = self.areas.iter().find_map(|area| area.read(offset)) {
            return Ok(value);
        }
        let mut data = [0; REGISTER_BYTES];
        self.device
            .read_exact_at(&mut data, place)
            .map_err(lost("reading a register"))?;
        read_barrier();
        Ok(u32::from_le_bytes(data))
    }

    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error> {
        let place = Self::place(BAR0, &self.bar, offset.0, REGISTER_BYTES)?;
        if self.areas.iter().any(|area| area.write(offset, value)) {
            return Ok(());
        }
        write_barrier();
        self.device
            .write_all_at(&value.to_le_bytes(), place)
            .map_err(lost("writing a register"))
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        let place = Self::place(CONFIG, &self.config, offset.into(), data.len())?;
        self.device
            .read_exact_at(data, place)
            .map_err(lost("reading configuration space"))
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        let place = Self::place(CONFIG, &self.config, offset.into(), data.len())?;
        self.device
            .write_all_at(data, place)
            .map_err(lost("writing configuration space"))
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        let mut memory = DmaMemory::allocate_pinned(bytes)?;
        let size = memory.mapped_bytes();
        // An IOMMU maps a large page in one entry where both of its addresses are aligned.
        let alignment = if size >= HUGE_PAGE { HUGE_PAGE } else { 1 };
        let iova = lock(&self.addresses)
            .allocate_aligned(size, alignment)
            .ok_or(Error::BufferSize {
                bytes,
                reason: "no bus addresses are left for it",
            })?;
        // SAFETY: no reference to the memory exists, ever; it is accessed by volatile copies alone.
        // It stays until `memory` is dropped, which its owner does after `unmap_dma`; should that
        // fail, the kernel keeps the pages for the device until the function is closed.
        let mapped = unsafe { self.space.map(memory.first_byte(), iova, size) };
        if let Err(error) = mapped {
            self.release(iova, size);
            return Err(error);
        }
        memory.place(iova);
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        let size = memory.mapped_bytes();
        self.space.unmap(memory.iova(), size)?;
        self.release(memory.iova(), size);
        Ok(())
    }

    fn set_interrupt(&self, vector: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error> {
        let index = VFIO_PCI_MSIX_IRQ_INDEX;
        let vector = u32::from(vector);
        if vector >= self.vectors {
            return Err(Error::UnsuitableFunction {
                detail: format!("it has {} MSI-X vectors, none for {vector}", self.vectors),
            });
        }
        let mut all = lock(&self.interrupts);
        if !*all {
            // Before Linux 6.5 the number of vectors is settled when the first is set.
            let none = vec![None; self.vectors as usize];
            ioctl::set_interrupts(self.device.as_fd(), index, 0, &none)
                .map_err(Error::system("switching on MSI-X"))?;
            *all = true;
        }
        ioctl::set_interrupts(self.device.as_fd(), index, vector, &[Some(eventfd)])
            .map_err(Error::system("connecting an interrupt"))
    }

    fn reset(&self) -> Result<(), Error> {
        if !self.resettable {
            return Ok(());
        }
        let end = Instant::now() + LOCKED;
        loop {
            match ioctl::reset(self.device.as_fd()) {
                Ok(()) => return Ok(()),
                Err(Errno::ENODEV) => return Err(Error::DeviceGone),
                // Somebody holds the function's lock: mostly the kernel, which unbinds it. Its notice
                // comes after the lock, or has come before anybody listened and is repeated.
                Err(Errno::EAGAIN) if Instant::now() < end => {
                    self.probe()?;
                    std::thread::sleep(LOCKED_POLL);
                }
                Err(errno) => return Err(Error::system("resetting the function")(errno)),
            }
        }
    }

    fn probe(&self) -> Result<(), Error> {
        let signalled = |notice: &Option<Interrupt>| match notice {
            Some(notice) => notice.is_signalled(),
            None => Ok(false),
        };
        if signalled(&self.wanted_back)? {
            return Err(Error::WantedBack);
        }
        if signalled(&self.bus_error)? {
            return Err(Error::BusError);
        }
        Ok(())
    }
}

/// Asks about a region.
fn region(device: BorrowedFd<'_>, index: u32) -> Result<RegionInfo, Error> {
    match ioctl::region_info(device, index) {
        Ok(description) => RegionInfo::parse(&description, index).map_err(|detail| Error::Kernel {
            detail: format!("the description of region {index} is broken: {detail}"),
        }),
        Err(errno) => Err(Error::system("asking for a region of the function")(errno)),
    }
}

/// Number of interrupts of a kind that can signal eventfds; `kinds` is how many kinds there are.
fn vectors_of(device: BorrowedFd<'_>, kinds: u32, index: u32) -> Result<u32, Error> {
    if index >= kinds {
        return Ok(0);
    }
    match ioctl::interrupt_info(device, index) {
        Ok(info) if info.flags & VFIO_IRQ_INFO_EVENTFD != 0 => Ok(info.count),
        // A function that has none of this kind.
        Ok(_) | Err(Errno::EINVAL) => Ok(0),
        Err(errno) => Err(Error::system("asking for the function's interrupts")(errno)),
    }
}

/// An eventfd for one of the kernel's own notices, where it has this one.
fn notice(device: BorrowedFd<'_>, kinds: u32, index: u32) -> Result<Option<Interrupt>, Error> {
    if vectors_of(device, kinds, index)? == 0 {
        return Ok(None);
    }
    let notice = Interrupt::new()?;
    ioctl::set_interrupts(device, index, 0, &[Some(notice.as_fd())])
        .map_err(Error::system("asking the kernel for a notice"))?;
    Ok(Some(notice))
}
