//! The seam below the driver: one PCIe function, however it is reached.
//!
//! ```text
//!  Device, QueuePair, DmaBuffer
//!        |  Transport
//!        +--> vfio_user   a device process, over a UNIX socket
//!        +--> serial      a board, over a UART
//!        +--> vfio        a function of this machine, through /dev/vfio
//! ```

use std::os::fd::BorrowedFd;

use crate::{BarOffset, DmaMemory, Error};

/// One PCIe function: BAR0, configuration space, DMA mappings, interrupts, reset.
///
/// Every method returns within the transport's time limit. When the function has gone for good,
/// all of them return [`Error::DeviceGone`].
pub trait Transport: Send + Sync {
    /// Reads a 32-bit register of BAR0. `offset` is a multiple of 4.
    ///
    /// # Errors
    /// [`Error::BadAccess`] outside BAR0 or unaligned; errors of the transport.
    fn read_register(&self, offset: BarOffset) -> Result<u32, Error>;

    /// Writes a 32-bit register of BAR0. `offset` is a multiple of 4. What was written to DMA
    /// memory before is visible to the device when it sees the write.
    ///
    /// # Errors
    /// As [`read_register`](Self::read_register).
    fn write_register(&self, offset: BarOffset, value: u32) -> Result<(), Error>;

    /// Reads configuration space. Accesses are naturally aligned and 1, 2 or 4 bytes long.
    ///
    /// # Errors
    /// [`Error::BadAccess`] beyond configuration space; errors of the transport.
    fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error>;

    /// Writes configuration space. Accesses are naturally aligned and 1, 2 or 4 bytes long.
    ///
    /// # Errors
    /// As [`read_config`](Self::read_config).
    fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error>;

    /// Allocates zeroed memory of at least `bytes` bytes and maps it for the device, readable
    /// and writable, at a bus address of the transport's choice.
    ///
    /// # Errors
    /// [`Error::BufferSize`], [`Error::System`]; errors of the transport.
    fn map_dma(&self, bytes: usize) -> Result<DmaMemory, Error>;

    /// Ends a mapping of [`map_dma`](Self::map_dma): when this returns `Ok`, the device can no
    /// longer reach the memory.
    ///
    /// # Errors
    /// Errors of the transport; the bus addresses are then not given out again.
    fn unmap_dma(&self, memory: &DmaMemory) -> Result<(), Error>;

    /// Lets MSI-X vector `vector` signal `eventfd`, in place of what it signalled before.
    ///
    /// # Errors
    /// [`Error::UnsuitableFunction`] where the function has no such vector; errors of the
    /// transport.
    fn set_interrupt(&self, vector: u16, eventfd: BorrowedFd<'_>) -> Result<(), Error>;

    /// Resets the function (function-level reset). Where the transport has no such reset this
    /// does nothing, and CONTROL.RESET has to do.
    ///
    /// # Errors
    /// Errors of the transport.
    fn reset(&self) -> Result<(), Error>;

    /// Whether the function still answers, for registers that are read from mapped memory and
    /// so cannot tell. Costs no exchange with the device.
    ///
    /// # Errors
    /// [`Error::DeviceGone`].
    fn probe(&self) -> Result<(), Error>;
}

/// Checks that an access of `length` bytes, 1, 2 or 4, is naturally aligned and inside the `size` bytes
/// of a space.
///
/// # Errors
/// [`Error::BadAccess`].
pub(crate) fn check_access(
    space: &'static str,
    size: u64,
    offset: u32,
    length: usize,
) -> Result<(), Error> {
    let natural = matches!(length, 1 | 2 | 4) && (offset as usize).is_multiple_of(length);
    if natural && u64::from(offset) + length as u64 <= size {
        return Ok(());
    }
    Err(Error::BadAccess {
        space,
        offset,
        length,
    })
}

/// The space of registers, in errors.
pub(crate) const BAR0: &str = "BAR0";

/// Configuration space, in errors.
pub(crate) const CONFIG: &str = "configuration space";
