//! The PCIe function around the scripted engine: configuration space, BAR0, mappings, MSI-X.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use systole_regs::{BAR0_BYTES, PCI_CLASS, PCI_DEVICE, PCI_VENDOR};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
    VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_MMAP,
    VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
    vfio_region_sparse_mmap_area,
};
use vfio_user::{
    DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion, SparseArea,
};

use super::{Engine, Shared};

/// Bytes of configuration space.
const CONFIG_BYTES: u64 = 256;
const COMMAND: u64 = 4;
const MSIX_CONTROL: u64 = 0x52;

/// The server of a device, listening at `socket`.
pub fn server(socket: &Path, engine: &Engine) -> Server {
    let region = |index: u32| {
        let size = match index {
            VFIO_PCI_BAR0_REGION_INDEX => u64::from(BAR0_BYTES),
            VFIO_PCI_CONFIG_REGION_INDEX => CONFIG_BYTES,
            _ => 0,
        };
        let mapped = index == VFIO_PCI_BAR0_REGION_INDEX && engine.script.mapped_bar;
        let mut flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        let mut sparse_areas = Vec::new();
        if mapped {
            flags |= VFIO_REGION_INFO_FLAG_MMAP;
            sparse_areas.push(SparseArea {
                area: vfio_region_sparse_mmap_area {
                    offset: 0,
                    size: 0x1000,
                },
            });
        }
        ServerRegion {
            region_info: vfio_region_info {
                argsz: size_of::<vfio_region_info>() as u32,
                flags,
                index,
                size,
                ..Default::default()
            },
            sparse_areas,
            mmap_fd: mapped.then(|| engine.bar.as_raw_fd()),
        }
    };
    let interrupt = |index| IrqInfo {
        index,
        flags: VFIO_IRQ_INFO_EVENTFD,
        count: u32::from(index == VFIO_PCI_MSIX_IRQ_INDEX),
    };
    let interrupts = (0..VFIO_PCI_NUM_IRQS).map(interrupt).collect();
    let regions = (0..VFIO_PCI_NUM_REGIONS).map(region).collect();
    Server::new(socket, true, interrupts, regions).unwrap()
}

/// What the server asks of the device.
pub struct Function {
    shared: Arc<Shared>,
    config: [u8; CONFIG_BYTES as usize],
}

impl Function {
    pub fn new(shared: Arc<Shared>) -> Self {
        let mut config = [0; CONFIG_BYTES as usize];
        config[0..2].copy_from_slice(&PCI_VENDOR.to_le_bytes());
        config[2..4].copy_from_slice(&PCI_DEVICE.to_le_bytes());
        config[8..12].copy_from_slice(&(PCI_CLASS << 8).to_le_bytes());
        // Power management, then MSI-X with one vector.
        config[0x06] = 0x10;
        config[0x34] = 0x40;
        config[0x40] = 0x01;
        let engine = shared.lock();
        if !engine.script.no_msix {
            config[0x41] = 0x50;
            config[0x50] = 0x11;
        }
        for &(offset, value) in &engine.script.config {
            config[usize::from(offset)] = value;
        }
        drop(engine);
        Self { shared, config }
    }
}

impl ServerBackend for Function {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Error> {
        let engine = self.shared.lock();
        if engine.script.all_ones {
            data.fill(0xff);
            return Ok(());
        }
        match region {
            VFIO_PCI_CONFIG_REGION_INDEX => {
                self.config[4..6].copy_from_slice(&engine.command_register.to_le_bytes());
                self.config[0x52..0x54].copy_from_slice(&engine.msix_control.to_le_bytes());
                let start = offset as usize;
                let bytes = self.config.get(start..start + data.len());
                data.copy_from_slice(bytes.ok_or(ErrorKind::InvalidInput)?);
            }
            _ => {
                // Without memory space the function does not answer.
                let memory_space = engine.command_register & 2 != 0;
                let value = if memory_space {
                    engine.get(offset as u32)
                } else {
                    u32::MAX
                };
                data.copy_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut engine = self.shared.lock();
        match (region, offset, data) {
            (VFIO_PCI_CONFIG_REGION_INDEX, COMMAND, &[low, high]) => {
                engine.command_register = u16::from_le_bytes([low, high]) & 0x0406;
            }
            (VFIO_PCI_CONFIG_REGION_INDEX, MSIX_CONTROL, &[low, high]) => {
                engine.msix_control = u16::from_le_bytes([low, high]) & 0xc000;
            }
            (VFIO_PCI_BAR0_REGION_INDEX, _, &[a, b, c, d]) => {
                engine.write(offset as u32, u32::from_le_bytes([a, b, c, d]));
            }
            _ => engine.violations.push("impossible write"),
        }
        self.shared.work.notify_all();
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        file: Option<File>,
    ) -> Result<(), Error> {
        let mut engine = self.shared.lock();
        if engine.script.refuse_dma {
            return Err(ErrorKind::OutOfMemory.into());
        }
        if flags != DmaMapFlags::READ_WRITE {
            engine
                .violations
                .push("mapping is not readable and writable");
        }
        let file = file.ok_or(ErrorKind::InvalidInput)?;
        engine.map(address, size, file, offset);
        Ok(())
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, address: u64, size: u64) -> Result<(), Error> {
        self.shared.lock().unmap(address, size);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        let mut engine = self.shared.lock();
        engine.reset();
        engine.command_register = 0;
        engine.msix_control = 0;
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        mut files: Vec<File>,
    ) -> Result<(), Error> {
        let eventfds = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        if (index, flags, start, count) != (VFIO_PCI_MSIX_IRQ_INDEX, eventfds, 0, 1) {
            return Err(ErrorKind::Unsupported.into());
        }
        self.shared.lock().eventfd = files.pop();
        Ok(())
    }
}
