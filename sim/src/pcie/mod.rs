//! One PCIe function without a link: configuration space, the two BARs, MSI-X, and the view of
//! host memory that DMA gets. It knows nothing of sockets; [`crate::serve()`] brings the accesses.
//!
//! ```text
//!                +---------------- Function -----------------+
//!  config  ----> | ConfigSpace: command, BARs, capabilities   |
//!  BAR0    ----> | memory space on? ------> Core registers    |
//!  BAR4    ----> | memory space on? ------> Msix table, PBA   |
//!  Core DMA ---> | bus master on? --------> DmaTable          | ----> shared memory
//!  Core IRQ ---> | bus master on? --------> Msix              | ----> eventfd
//!                +--------------------------------------------+
//! ```

pub mod config;
pub mod dma;
pub mod msix;
mod shared;

use std::fs::File;

use systole_regs::BAR0_BYTES;

use crate::core::{Activity, Core, DmaError, Host};
use config::{BAR4_BYTES, ConfigEffect, ConfigSpace};
use dma::DmaTable;
use msix::{MessageControl, Msix, VECTORS};

/// An address space of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Configuration space.
    Config,
    /// BAR0: the registers of the core.
    Registers,
    /// BAR4: MSI-X table and pending bits.
    Msix,
}

/// A PCIe function around a core.
pub struct Function {
    core: Box<dyn Core>,
    config: ConfigSpace,
    msix: Msix,
    dma: DmaTable,
}

impl Function {
    /// A function as after power-on.
    pub fn new(core: Box<dyn Core>) -> Self {
        Function {
            core,
            config: ConfigSpace::new(),
            msix: Msix::new(),
            dma: DmaTable::default(),
        }
    }

    /// Reads `data.len()` bytes at `offset` of a space. What doesn't answer reads as all ones, as
    /// on a real bus: a BAR without memory space, offsets beyond a BAR.
    pub fn read(&mut self, space: Space, offset: u64, data: &mut [u8]) {
        match space {
            Space::Config => self.config.read(offset, data),
            Space::Registers if self.answers(offset, data.len(), BAR0_BYTES) => {
                self.read_registers(offset as u32, data);
            }
            Space::Msix if self.answers(offset, data.len(), BAR4_BYTES) => {
                self.msix.read(offset, data);
            }
            Space::Registers | Space::Msix => data.fill(0xff),
        }
    }

    /// Writes `data` at `offset` of a space. What doesn't answer drops it.
    pub fn write(&mut self, space: Space, offset: u64, data: &[u8]) {
        match space {
            Space::Config => {
                if self.config.write(offset, data) == ConfigEffect::FunctionReset {
                    self.function_reset();
                }
                self.msix.send_pending(self.message_control());
            }
            Space::Registers if self.answers(offset, data.len(), BAR0_BYTES) => {
                self.write_registers(offset as u32, data);
            }
            Space::Msix if self.answers(offset, data.len(), BAR4_BYTES) => {
                self.msix.write(offset, data, self.message_control());
            }
            Space::Registers | Space::Msix => {
                tracing::debug!(?space, offset, "write to a BAR that does not answer");
            }
        }
    }

    fn answers(&self, offset: u64, length: usize, bytes: u32) -> bool {
        let inside = offset
            .checked_add(length as u64)
            .is_some_and(|end| end <= u64::from(bytes));
        inside && self.config.memory_enabled()
    }

    /// Registers are 32 bits wide; narrower reads get their part of one, wider ones several.
    fn read_registers(&mut self, offset: u32, data: &mut [u8]) {
        let mut register = None;
        for (address, byte) in (offset..).zip(data) {
            let aligned = address & !3;
            let value = match register {
                Some((at, value)) if at == aligned => value,
                _ => self.core.read_register(aligned),
            };
            register = Some((aligned, value));
            *byte = value.to_le_bytes()[(address % 4) as usize];
        }
    }

    /// Writes of whole registers; parts of registers are dropped, as there are no byte enables.
    fn write_registers(&mut self, offset: u32, data: &[u8]) {
        if !offset.is_multiple_of(4) || !data.len().is_multiple_of(4) {
            tracing::warn!(
                offset,
                bytes = data.len(),
                "write of a part of a register is dropped"
            );
            return;
        }
        for (address, bytes) in (offset..).step_by(4).zip(data.chunks_exact(4)) {
            let value = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            self.core.write_register(address, value);
        }
    }

    /// Lets the core work; its bus traffic goes through this function.
    pub fn advance(&mut self) -> Activity {
        let control = self.message_control();
        let mut bus = Bus {
            bus_master: self.config.bus_master(),
            control,
            dma: &self.dma,
            msix: &mut self.msix,
        };
        self.core.advance(&mut bus)
    }

    /// The mappings that DMA goes through.
    pub fn dma(&mut self) -> &mut DmaTable {
        &mut self.dma
    }

    /// Sets the event file descriptors of vectors from `first` on; `None` takes one away. As in
    /// the kernel's VFIO this switches MSI-X on.
    ///
    /// # Errors
    /// [`NoSuchVector`] if one of them doesn't exist; nothing is changed then.
    pub fn set_triggers(
        &mut self,
        first: u32,
        triggers: Vec<Option<File>>,
    ) -> Result<(), NoSuchVector> {
        let vectors = vectors(first, triggers.len())?;
        if triggers.iter().any(Option::is_some) {
            self.config.set_msix_enabled(true);
        }
        let control = self.message_control();
        for (vector, trigger) in vectors.zip(triggers) {
            self.msix.assign(vector, trigger, control);
        }
        Ok(())
    }

    /// Takes all event file descriptors away and switches MSI-X off.
    pub fn disable_interrupts(&mut self) {
        let control = self.message_control();
        for vector in 0..VECTORS {
            self.msix.assign(vector, None, control);
        }
        self.config.set_msix_enabled(false);
    }

    /// Requests the messages of vectors as if the core had, to test the path.
    ///
    /// # Errors
    /// [`NoSuchVector`] if one of them doesn't exist; none is requested then.
    pub fn request_interrupts(&mut self, first: u32, count: usize) -> Result<(), NoSuchVector> {
        let control = self.message_control();
        for vector in vectors(first, count)? {
            // Below VECTORS.
            self.msix.request(vector as u16, control);
        }
        Ok(())
    }

    fn message_control(&self) -> MessageControl {
        MessageControl {
            enabled: self.config.msix_enabled(),
            masked: self.config.msix_masked(),
        }
    }

    /// What the FLR bit of the PCI Express capability does: core and configuration space as after
    /// power-on. Mappings and event file descriptors belong to the client and stay.
    fn function_reset(&mut self) {
        self.core.reset();
        self.config = ConfigSpace::new();
        self.msix.reset();
    }

    /// What a client's reset request does: the core as after power-on. As around the kernel's
    /// VFIO reset, configuration space and the set-up of interrupts are preserved.
    pub fn reset(&mut self) {
        self.core.reset();
    }

    /// Everything as after power-on, mappings and event file descriptors gone.
    pub fn power_cycle(&mut self) {
        self.function_reset();
        self.dma.clear();
        self.msix = Msix::new();
    }
}

/// A vector that the function doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("vectors {first} to {last} were asked for; the function has 0 to {}", VECTORS - 1)]
pub struct NoSuchVector {
    first: u32,
    last: u64,
}

fn vectors(first: u32, count: usize) -> Result<std::ops::Range<usize>, NoSuchVector> {
    let end = u64::from(first) + count as u64;
    if end > VECTORS as u64 {
        return Err(NoSuchVector {
            first,
            last: end - 1,
        });
    }
    Ok(first as usize..end as usize)
}

/// The core's way out.
struct Bus<'a> {
    bus_master: bool,
    control: MessageControl,
    dma: &'a DmaTable,
    msix: &'a mut Msix,
}

impl Bus<'_> {
    fn master(&self) -> Result<&DmaTable, DmaError> {
        if self.bus_master {
            Ok(self.dma)
        } else {
            Err(DmaError::BusMasterOff)
        }
    }
}

impl Host for Bus<'_> {
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        self.master()?.read(address, data)
    }

    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        self.master()?.write(address, data)
    }

    fn interrupt(&mut self, vector: u16) {
        if self.bus_master {
            self.msix.request(vector, self.control);
        }
    }
}

#[cfg(test)]
mod tests;
