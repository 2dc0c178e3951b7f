//! The seam between what computes and what surrounds it: a [`Core`] sees register accesses and
//! its own bus traffic, and knows nothing of sockets, configuration space or mappings.
//!
//! ```text
//!            read_register, write_register, reset
//!  function ------------------------------------->  Core
//!   shell   <-------------------------------------  (model or RTL)
//!            Host: dma_read, dma_write, interrupt
//! ```

/// One accelerator behind BAR0, whatever computes it.
pub trait Core: Send {
    /// Reads the register at `offset` (bytes from the start of BAR0, a multiple of 4).
    /// Reserved offsets read as zero.
    fn read_register(&mut self, offset: u32) -> u32;

    /// Writes the register at `offset` (bytes from the start of BAR0, a multiple of 4).
    /// Writes to reserved and read-only registers are ignored.
    fn write_register(&mut self, offset: u32, value: u32);

    /// Function-level reset: everything as after power-on, bus traffic under way is dropped.
    fn reset(&mut self);

    /// Does a bounded amount of work (some thousand clock cycles, or one pass of a program) and tells
    /// whether there is more to do now. After `Idle`, nothing happens until a register is written.
    fn advance(&mut self, host: &mut dyn Host) -> Activity;
}

impl<T: Core + ?Sized> Core for Box<T> {
    fn read_register(&mut self, offset: u32) -> u32 {
        (**self).read_register(offset)
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        (**self).write_register(offset, value);
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn advance(&mut self, host: &mut dyn Host) -> Activity {
        (**self).advance(host)
    }
}

/// What the device reaches over PCIe: host memory by DMA, and interrupts.
pub trait Host {
    /// Fills `data` from host memory at bus address `address`.
    ///
    /// # Errors
    /// [`DmaError`] if any byte cannot be read; `data` is then unspecified.
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError>;

    /// Writes `data` to host memory at bus address `address`. The host sees the bytes in the
    /// order of their 64-bit words, and after those of earlier writes.
    ///
    /// # Errors
    /// [`DmaError`] if any byte cannot be written; no byte is written then.
    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError>;

    /// Requests the MSI-X message `vector`. The message follows earlier DMA writes.
    fn interrupt(&mut self, vector: u16);
}

/// Whether a core has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Call `advance` again.
    Busy,
    /// Nothing happens until a register is written.
    Idle,
}

/// Why a DMA access failed. On a real bus each is an unsupported request or a completer abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DmaError {
    /// No memory is mapped at this bus address.
    #[error(
        "bus address {address:#x} is not mapped: map it for DMA before handing it to the device"
    )]
    Unmapped {
        /// First bus address that is not mapped.
        address: u64,
    },
    /// The mapping does not allow this direction.
    #[error("bus address {address:#x} is mapped, but not for this direction of DMA")]
    Forbidden {
        /// First bus address that refuses the access.
        address: u64,
    },
    /// The command register forbids the function to issue requests.
    #[error("bus mastering is off: set bit 2 of the PCI command register")]
    BusMasterOff,
}
