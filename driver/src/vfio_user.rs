//! A PCIe function that another process serves over vfio-user 0.1.
//!
//! ```text
//!  this process                        UNIX socket                   device process
//!  registers     -- REGION_READ, REGION_WRITE ---------------------> BAR0, config space
//!  DMA memory    -- DMA_MAP + descriptor (SCM_RIGHTS) -------------> maps the same pages
//!  eventfd       -- DEVICE_SET_IRQS + descriptor ------------------> signals it as MSI-X
//! ```
//!
//! The client is our own. That of the `vfio_user` crate (0.1.7), whose server device processes
//! may well use, waits for replies without a limit, panics on replies of an odd size, and takes
//! an error reply to a DMA mapping for success. Here each reply is checked and each exchange
//! ends in time; see `connection` and `message`.
//!
//! Only requests that every server can parse are sent: a server that meets a command it does not
//! know may leave the rest of the message in the socket and so lose its place.

mod connection;
mod message;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bytemuck::{Zeroable, bytes_of};
use nix::sys::stat::fstat;
use systole_regs::BAR0_BYTES;

use self::connection::{Answer, Connection};
use self::message::{
    Command, DeviceInfo, DmaMap, DmaUnmap, PAYLOAD_MAX, PROTOCOL, RegionAccess, SetIrqs,
    parse_version, version_request,
};
use crate::iova::IovaAllocator;
use crate::lock::lock;
use crate::memory::{page_bytes, write_barrier};
use crate::transport::{BAR0, CONFIG, check_access};
use crate::vfio::kernel::{
    VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET, VFIO_DMA_MAP_FLAG_READ,
    VFIO_DMA_MAP_FLAG_WRITE, VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX, vfio_irq_info, vfio_region_info,
};
use crate::vfio::region::{MappedArea, RegionInfo, parse};
use crate::{BarOffset, DmaMemory, Error, Transport};

/// Bytes of one register.
const REGISTER_BYTES: usize = size_of::<u32>();

/// A function served by another process, as a [`Transport`].
pub struct VfioUser {
    connection: Mutex<Connection>,
    addresses: Mutex<IovaAllocator>,
    bar_bytes: u64,
    bar_areas: Vec<MappedArea>,
    config_bytes: u64,
    vectors: u32,
    resettable: bool,
}

impl VfioUser {
    /// Connects to the device process at `socket` and learns what it offers. `timeout` holds
    /// for connecting and for each later exchange.
    ///
    /// # Errors
    /// [`Error::NoSocket`], [`Error::NobodyListens`], [`Error::Connect`], [`Error::NoAnswer`],
    /// [`Error::Protocol`], [`Error::ProtocolVersion`]; [`Error::UnsuitableFunction`] if what
    /// is served is no PCI function with BAR0 and configuration space.
    pub fn connect(socket: &Path, timeout: Duration) -> Result<Self, Error> {
        let unsuitable = |detail: &str| Error::UnsuitableFunction {
            detail: detail.to_owned(),
        };
        let mut connection = Connection::open(socket, timeout)?;
        negotiate(&mut connection)?;

        let about = DeviceInfo {
            argsz: size_of::<DeviceInfo>() as u32,
            ..DeviceInfo::zeroed()
        };
        let command = Command::DeviceGetInfo;
        let device: DeviceInfo = request(
            &mut connection,
            command,
            &[bytes_of(&about)],
            &[],
            |answer| parse(&answer.payload),
        )?;
        if device.flags & VFIO_DEVICE_FLAGS_PCI == 0 {
            return Err(unsuitable("what the process serves is not a PCI function"));
        }
        if device.regions <= VFIO_PCI_CONFIG_REGION_INDEX {
            return Err(unsuitable("it has no configuration space"));
        }
        let (config, _) = region_info(&mut connection, VFIO_PCI_CONFIG_REGION_INDEX)?;
        let (bar, file) = region_info(&mut connection, VFIO_PCI_BAR0_REGION_INDEX)?;
        if bar.size < u64::from(BAR0_BYTES) {
            let detail = format!("BAR0 has {} bytes instead of {BAR0_BYTES}", bar.size);
            return Err(unsuitable(&detail));
        }
        let bar_areas = file.map_or_else(Vec::new, |file| {
            let size = fstat(&file).ok();
            let size = size.and_then(|status| u64::try_from(status.st_size).ok());
            let map = |area| MappedArea::map(&bar, area, file.as_fd(), Some(size.unwrap_or(0)));
            bar.areas.iter().filter_map(map).collect()
        });
        let vectors = if device.interrupts > VFIO_PCI_MSIX_IRQ_INDEX {
            interrupt_vectors(&mut connection)?
        } else {
            0
        };
        Ok(Self {
            connection: Mutex::new(connection),
            addresses: Mutex::new(IovaAllocator::new(page_bytes())),
            bar_bytes: bar.size,
            bar_areas,
            config_bytes: config.size,
            vectors,
            resettable: device.flags & VFIO_DEVICE_FLAGS_RESET != 0,
        })
    }

    fn request<T>(
        &self,
        command: Command,
        payload: &[&[u8]],
        descriptors: &[BorrowedFd<'_>],
        understand: impl FnOnce(Answer) -> Result<T, String>,
    ) -> Result<T, Error> {
        let mut connection = lock(&self.connection);
        request(&mut connection, command, payload, descriptors, understand)
    }

    fn read_region(&self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Error> {
        let access = access(region, offset, data.len());
        let payload = [bytes_of(&access)];
        self.request(Command::RegionRead, &payload, &[], |answer| {
            data.copy_from_slice(access.answer(&answer.payload, data.len())?);
            Ok(())
        })
    }

    fn write_region(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), Error> {
        let access = access(region, offset, data.len());
        let payload = [bytes_of(&access), data];
        self.request(Command::RegionWrite, &payload, &[], |answer| {
            access.answer(&answer.payload, 0).map(drop)
        })
    }

    fn check_register(&self, offset: BarOffset) -> Result<(), Error> {
        check_access(BAR0, self.bar_bytes, offset.0, REGISTER_BYTES)
    }

    fn check_config(&self, offset: u16, length: usize) -> Result<(), Error> {
        check_access(CONFIG, self.config_bytes, offset.into(), length)
    }
}

impl Transport for VfioUser {
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error> {
        self.check_register(offset)?;
        if let Some(value) = self.bar_areas.iter().find_map(|area| area.read(offset)) {
            return Ok(value);
        }
        let mut data = [0; REGISTER_BYTES];
        self.read_region(VFIO_PCI_BAR0_REGION_INDEX, offset.0.into(), &mut data)?;
        Ok(u32::from_le_bytes(data))
    }

    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error> {
        self.check_register(offset)?;
        if self.bar_areas.iter().any(|area| area.write(offset, value)) {
            return Ok(());
        }
        write_barrier();
        let data = value.to_le_bytes();
        self.write_region(VFIO_PCI_BAR0_REGION_INDEX, offset.0.into(), &data)
    }

    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
        self.check_config(offset, data.len())?;
        self.read_region(VFIO_PCI_CONFIG_REGION_INDEX, offset.into(), data)
    }

    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
        self.check_config(offset, data.len())?;
        self.write_region(VFIO_PCI_CONFIG_REGION_INDEX, offset.into(), data)
    }

    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error> {
        let mut memory = DmaMemory::allocate(bytes)?;
        let size = memory.mapped_bytes();
        let iova = lock(&self.addresses)
            .allocate(size)
            .ok_or(Error::BufferSize {
                bytes,
                reason: "no bus addresses are left for it",
            })?;
        let map = DmaMap {
            argsz: size_of::<DmaMap>() as u32,
            flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
            file_offset: 0,
            address: iova.0,
            size: size as u64,
        };
        let payload = [bytes_of(&map)];
        let result = self.request(Command::DmaMap, &payload, &[memory.as_fd()], |_| Ok(()));
        if let Err(error) = result {
            lock(&self.addresses).release(iova, size);
            return Err(error);
        }
        memory.place(iova);
        Ok(memory)
    }

    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error> {
        let size = memory.mapped_bytes();
        let unmap = DmaUnmap {
            argsz: size_of::<DmaUnmap>() as u32,
            flags: 0,
            address: memory.iova().0,
            size: size as u64,
        };
        self.request(Command::DmaUnmap, &[bytes_of(&unmap)], &[], |_| Ok(()))?;
        lock(&self.addresses).release(memory.iova(), size);
        Ok(())
    }

    fn set_interrupt(&self, vector: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error> {
        if u32::from(vector) >= self.vectors {
            return Err(Error::UnsuitableFunction {
                detail: format!("it has {} MSI-X vectors, none for {vector}", self.vectors),
            });
        }
        let set = SetIrqs {
            argsz: size_of::<SetIrqs>() as u32,
            flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
            index: VFIO_PCI_MSIX_IRQ_INDEX,
            start: vector.into(),
            count: 1,
        };
        let payload = [bytes_of(&set)];
        self.request(Command::DeviceSetIrqs, &payload, &[eventfd], |_| Ok(()))
    }

    fn reset(&self) -> Result<(), Error> {
        if !self.resettable {
            return Ok(());
        }
        self.request(Command::DeviceReset, &[], &[], |_| Ok(()))
    }

    fn probe(&self) -> Result<(), Error> {
        lock(&self.connection).probe()
    }
}

/// One exchange. A reply that `understand` cannot make sense of ends the connection.
fn request<T>(
    connection: &mut Connection,
    command: Command,
    payload: &[&[u8]],
    descriptors: &[BorrowedFd<'_>],
    understand: impl FnOnce(Answer) -> Result<T, String>,
) -> Result<T, Error> {
    let answer = connection.exchange(command, payload, descriptors)?;
    understand(answer).map_err(|detail| {
        connection.give_up();
        Error::Protocol {
            request: command.describe(),
            detail,
        }
    })
}

fn negotiate(connection: &mut Connection) -> Result<(), Error> {
    let payload = version_request();
    let version = request(connection, Command::Version, &[&payload], &[], |answer| {
        parse_version(&answer.payload)
    })?;
    if version.major != PROTOCOL.0 || version.minor > PROTOCOL.1 {
        return Err(Error::ProtocolVersion {
            major: version.major,
            minor: version.minor,
        });
    }
    if version.descriptors == 0 {
        return Err(Error::UnsuitableFunction {
            detail: "its process accepts no file descriptors, so it can share no memory".into(),
        });
    }
    Ok(())
}

/// Asks about a region, a second time with more room if its description needs it.
fn region_info(
    connection: &mut Connection,
    index: u32,
) -> Result<(RegionInfo, Option<OwnedFd>), Error> {
    const FIXED: u32 = size_of::<vfio_region_info>() as u32;
    let mut ask = |argsz| {
        let about = vfio_region_info {
            argsz,
            index,
            ..vfio_region_info::zeroed()
        };
        let command = Command::DeviceGetRegionInfo;
        request(connection, command, &[bytes_of(&about)], &[], |answer| {
            let info = RegionInfo::parse(&answer.payload, index)?;
            Ok((info, answer.descriptors.into_iter().next()))
        })
    };
    let (first, file) = ask(FIXED)?;
    if first.argsz <= FIXED {
        return Ok((first, file));
    }
    let (full, second_file) = ask(first.argsz.min(PAYLOAD_MAX as u32))?;
    // Some servers send the descriptor with each reply, some with the full one only.
    Ok((full, second_file.or(file)))
}

/// Number of MSI-X vectors that can signal an eventfd.
fn interrupt_vectors(connection: &mut Connection) -> Result<u32, Error> {
    let about = vfio_irq_info {
        argsz: size_of::<vfio_irq_info>() as u32,
        index: VFIO_PCI_MSIX_IRQ_INDEX,
        ..vfio_irq_info::zeroed()
    };
    let command = Command::DeviceGetIrqInfo;
    let info: vfio_irq_info = request(connection, command, &[bytes_of(&about)], &[], |answer| {
        parse(&answer.payload)
    })?;
    let signals = info.flags & VFIO_IRQ_INFO_EVENTFD != 0;
    Ok(if signals { info.count } else { 0 })
}

fn access(region: u32, offset: u64, length: usize) -> RegionAccess {
    RegionAccess {
        offset,
        region,
        // Registers and naturally aligned accesses only: 4 bytes at most.
        count: length as u32,
    }
}
