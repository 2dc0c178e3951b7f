//! From vfio-user's requests to jobs for the device thread.
//!
//! The `vfio_user` client reads a reply of full length even if the server answers with an error,
//! so accesses to regions never fail here: what doesn't exist reads as all ones and drops writes,
//! as on a bus. Only set-up requests, whose replies are bare headers, are refused.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::panic::resume_unwind;

use systole_regs::BAR0_BYTES;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_TYPE_MASK,
    VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_TYPE_MASK,
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR4_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, ServerBackend, ServerRegion};

use super::device::{DeviceHandle, Gone};
use crate::pcie::config::{BAR4_BYTES, CONFIG_BYTES};
use crate::pcie::dma::Directions;
use crate::pcie::msix::VECTORS;
use crate::pcie::{Function, Space};

/// Payload of an unwinding that ends the connection because the device is gone. `vfio_user` has
/// no other way to end one from inside.
pub struct Closed;

/// Longest access to a region in bytes, as announced in the version negotiation.
const ACCESS_BYTES_MAX: usize = 1 << 20;

/// What the server of `vfio_user` calls.
pub struct Backend {
    device: DeviceHandle,
    used: bool,
}

impl Backend {
    pub fn new(device: DeviceHandle) -> Self {
        Backend {
            device,
            used: false,
        }
    }

    /// A client may come.
    pub fn begin(&mut self) {
        self.used = false;
    }

    /// The client is gone: the device is as after power-on when this returns. Tells whether the
    /// client had used it.
    pub fn end(&mut self) -> bool {
        // A device that is gone needs no reset.
        let _ = self.device.call(Function::power_cycle);
        self.used
    }

    fn call<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Function) -> T + Send + 'static,
    ) -> T {
        self.used = true;
        match self.device.call(job) {
            Ok(result) => result,
            Err(Gone) => resume_unwind(Box::new(Closed)),
        }
    }
}

fn space(region: u32) -> Option<Space> {
    match region {
        VFIO_PCI_CONFIG_REGION_INDEX => Some(Space::Config),
        VFIO_PCI_BAR0_REGION_INDEX => Some(Space::Registers),
        VFIO_PCI_BAR4_REGION_INDEX => Some(Space::Msix),
        _ => None,
    }
}

/// The regions of the function, for the server to describe.
pub fn regions() -> Vec<ServerRegion> {
    let region = |index| {
        let bytes = match space(index) {
            Some(Space::Config) => CONFIG_BYTES as u64,
            Some(Space::Registers) => u64::from(BAR0_BYTES),
            Some(Space::Msix) => u64::from(BAR4_BYTES),
            None => 0,
        };
        let flags = match bytes {
            0 => 0,
            _ => VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
        };
        let region_info = vfio_region_info {
            argsz: size_of::<vfio_region_info>() as u32,
            flags,
            index,
            size: bytes,
            ..Default::default()
        };
        ServerRegion {
            region_info,
            sparse_areas: Vec::new(),
            mmap_fd: None,
        }
    };
    (0..VFIO_PCI_NUM_REGIONS).map(region).collect()
}

/// The interrupts of the function, for the server to describe.
pub fn irqs() -> Vec<IrqInfo> {
    let irq = |index| {
        if index == VFIO_PCI_MSIX_IRQ_INDEX {
            IrqInfo {
                index,
                flags: VFIO_IRQ_INFO_EVENTFD,
                count: VECTORS as u32,
            }
        } else {
            IrqInfo {
                index,
                flags: 0,
                count: 0,
            }
        }
    };
    (0..VFIO_PCI_NUM_IRQS).map(irq).collect()
}

fn invalid(message: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, message)
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let length = data.len();
        match space(region) {
            Some(space) if length <= ACCESS_BYTES_MAX => {
                let bytes = self.call(move |function| {
                    let mut bytes = vec![0; length];
                    function.read(space, offset, &mut bytes);
                    bytes
                });
                data.copy_from_slice(&bytes);
            }
            _ => data.fill(0xff),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Some(space) = space(region) {
            let data = data.to_vec();
            self.call(move |function| function.write(space, offset, &data));
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let Some(file) = fd else {
            // A virtual machine also announces memory that it doesn't share (its firmware, say).
            // The device cannot reach it; refusing would end the machine.
            tracing::warn!(
                address,
                size,
                "memory without a file descriptor stays out of reach"
            );
            return Ok(());
        };
        let directions = Directions {
            read: flags.contains(DmaMapFlags::READ),
            write: flags.contains(DmaMapFlags::WRITE),
        };
        self.call(move |function| function.dma().map(address, size, &file, offset, directions))
            .inspect_err(|error| tracing::warn!(address, size, %error, "mapping refused"))
            .map_err(invalid)
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        let all = flags.contains(DmaUnmapFlags::UNMAP_ALL);
        self.call(move |function| {
            if all {
                function.dma().clear();
            } else {
                function.dma().unmap(address, size);
            }
        });
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.call(Function::reset);
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> io::Result<()> {
        let action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        let data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
        if index != VFIO_PCI_MSIX_IRQ_INDEX || action != VFIO_IRQ_SET_ACTION_TRIGGER {
            // Switching off what doesn't exist is fine.
            return if count == 0 {
                Ok(())
            } else {
                Err(invalid("only MSI-X triggers can be set"))
            };
        }
        if count as usize > VECTORS {
            return Err(invalid(format!(
                "{count} vectors; the function has {VECTORS}"
            )));
        }
        match data {
            VFIO_IRQ_SET_DATA_NONE if count == 0 => {
                self.call(Function::disable_interrupts);
                Ok(())
            }
            VFIO_IRQ_SET_DATA_NONE => self
                .call(move |function| function.request_interrupts(start, count as usize))
                .map_err(invalid),
            VFIO_IRQ_SET_DATA_EVENTFD => {
                // Descriptors cannot be -1 on a socket: none at all takes the vectors' away.
                let triggers: Vec<Option<File>> = if fds.is_empty() {
                    (0..count).map(|_| None).collect()
                } else {
                    fds.into_iter().map(Some).collect()
                };
                if triggers.len() != count as usize {
                    return Err(invalid("as many file descriptors as vectors, or none"));
                }
                self.call(move |function| function.set_triggers(start, triggers))
                    .map_err(invalid)
            }
            _ => Err(invalid("triggers take no data, or event file descriptors")),
        }
    }
}
