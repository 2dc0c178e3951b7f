//! Memory that this process and a device share.
//!
//! ```text
//!  this process            memfd (sealed: nobody can shrink it)          device
//!  mapping  ---------------> [ pages ] <------------------------------ DMA at an IOVA
//!  DmaBuffer: bounds-checked, volatile                (its own mapping, or an IOMMU's)
//! ```
//!
//! The device may write at any time, so no reference to the memory ever exists: bytes are copied
//! in and out by volatile accesses, and order is established by [`write_barrier`] before a
//! doorbell and [`read_barrier`] after a phase bit.

mod words;

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use bytemuck::Pod;
use memmap2::MmapRaw;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use crate::{Error, Iova, Transport};
use words::{copy_in, copy_out};

#[cfg(target_endian = "big")]
compile_error!("every structure that the device reads is little-endian, and so must the host be");

/// Makes all earlier writes to shared memory visible to the device before any later write of a
/// register. Sequentially consistent, because register writes through mapped memory are volatile
/// and ordered by nothing weaker.
pub(crate) fn write_barrier() {
    fence(Ordering::SeqCst);
}

/// Keeps reads of shared memory behind the read that showed them to be valid.
pub(crate) fn read_barrier() {
    fence(Ordering::Acquire);
}

/// Size of a page in bytes.
pub(crate) fn page_bytes() -> usize {
    use nix::unistd::{SysconfVar, sysconf};
    match sysconf(SysconfVar::PAGE_SIZE) {
        Ok(Some(bytes)) if bytes > 0 => bytes as usize,
        // POSIX demands an answer; this is the smallest page of every Linux machine.
        _ => 4096,
    }
}

/// Bytes of a large page, of which an IOMMU maps each in one entry (x86 and ARM with 4 KiB pages).
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Zeroed, page-aligned memory behind a file descriptor that another process can map.
pub struct SharedMemory {
    file: OwnedFd,
    map: MmapRaw,
}

impl SharedMemory {
    /// Allocates `bytes` bytes, a multiple of the page size and not zero.
    pub(crate) fn allocate(bytes: usize) -> Result<Self, Error> {
        Self::allocate_in(MFdFlags::empty(), bytes)
    }

    /// As [`allocate`](Self::allocate), on large pages where the machine has kept enough of them
    /// (`vm.nr_hugepages`); `bytes` is a multiple of [`HUGE_PAGE`].
    pub(crate) fn allocate_huge(bytes: usize) -> Result<Self, Error> {
        Self::allocate_in(MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB, bytes)
    }

    fn allocate_in(pages: MFdFlags, bytes: usize) -> Result<Self, Error> {
        let too_large = |_| Error::BufferSize {
            bytes,
            reason: "it is larger than a file can be",
        };
        let file = memfd_create(
            "systole-dma",
            pages | MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
        )
        .map_err(Error::system("creating memory for DMA"))?;
        ftruncate(&file, i64::try_from(bytes).map_err(too_large)?)
            .map_err(Error::system("allocating memory for DMA"))?;
        // Without the seals, a faulty device process could shrink the file under our mapping,
        // and the next access here would be a bus error.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))
            .map_err(Error::system("sealing memory for DMA"))?;
        let map = MmapRaw::map_raw(file.as_raw_fd()).map_err(|source| Error::System {
            operation: "mapping memory for DMA",
            source,
        })?;
        Ok(Self { file, map })
    }

    /// Size in bytes, a multiple of the page size; never zero.
    #[expect(clippy::len_without_is_empty, reason = "memory is never empty")]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Copies bytes out, in aligned words where there are some, for a device that this process serves.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; `data` is unchanged then.
    pub fn read(&self, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        let source = self.at(offset, data.len(), self.len())?;
        // SAFETY: `at` has checked that the bytes are inside the mapping, which lives as long as
        // `self`; `data` is ordinary memory and cannot overlap it.
        unsafe { copy_out(source, data) };
        Ok(())
    }

    /// Copies bytes in, in aligned words in the order of their addresses, for a device that this
    /// process serves. What must be seen in an order needs a release fence between two calls.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; nothing is written then.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), Error> {
        let target = self.at(offset, data.len(), self.len())?;
        // SAFETY: `at` has checked that the bytes are inside the mapping, which lives as long as
        // `self`; no reference to it exists anywhere.
        unsafe { copy_in(data, target) };
        Ok(())
    }

    /// Pointer to `length` bytes at `offset`, all of them inside the first `size` bytes.
    fn at(&self, offset: usize, length: usize, size: usize) -> Result<*mut u8, Error> {
        debug_assert!(size <= self.map.len());
        match offset.checked_add(length) {
            // Within the mapping, so the offset stays inside one allocation.
            Some(end) if end <= size => Ok(self.map.as_mut_ptr().wrapping_add(offset)),
            _ => Err(Error::OutOfBounds {
                offset,
                length,
                size,
            }),
        }
    }
}

/// Memory that a transport has mapped for the device. Belongs to a [`DmaBuffer`], which ends the
/// mapping. Where a mapping cannot be ended, its bus addresses are not given out again, and the pages
/// live for as long as the kernel has them pinned or the device's process has them mapped.
pub struct DmaMemory {
    memory: Arc<SharedMemory>,
    iova: Iova,
    bytes: usize,
}

impl DmaMemory {
    /// Allocates memory of `bytes` bytes, rounded up to pages, before it has a bus address; for
    /// implementations of [`Transport::map_dma`].
    ///
    /// # Errors
    /// [`Error::BufferSize`] for zero bytes or more than the machine can address;
    /// [`Error::System`] where the system refuses.
    pub fn allocate(bytes: usize) -> Result<Self, Error> {
        let reason = if bytes == 0 {
            "it has no size"
        } else {
            "it is larger than memory"
        };
        let rounded = bytes
            .checked_next_multiple_of(page_bytes())
            .filter(|&rounded| rounded != 0 && isize::try_from(rounded).is_ok())
            .ok_or(Error::BufferSize { bytes, reason })?;
        Ok(Self {
            memory: Arc::new(SharedMemory::allocate(rounded)?),
            iova: Iova(0),
            bytes,
        })
    }

    /// Allocates memory that will be pinned for the IOMMU: as [`allocate`](Self::allocate), but on
    /// large pages if it fills one and they are to be had.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    pub(crate) fn allocate_pinned(bytes: usize) -> Result<Self, Error> {
        if bytes >= HUGE_PAGE
            && let Some(rounded) = bytes.checked_next_multiple_of(HUGE_PAGE)
            && let Ok(memory) = SharedMemory::allocate_huge(rounded)
        {
            return Ok(Self {
                memory: Arc::new(memory),
                iova: Iova(0),
                bytes,
            });
        }
        Self::allocate(bytes)
    }

    /// Where this process has the memory, for the kernel to pin it.
    pub(crate) fn first_byte(&self) -> *mut u8 {
        self.memory.map.as_mut_ptr()
    }

    /// Gives the memory its bus address, which is page-aligned.
    pub fn place(&mut self, iova: Iova) {
        self.iova = iova;
    }

    /// The same memory, for a transport that serves the device's accesses itself.
    pub fn share(&self) -> Arc<SharedMemory> {
        Arc::clone(&self.memory)
    }

    /// Bus address of the first byte, page-aligned.
    pub fn iova(&self) -> Iova {
        self.iova
    }

    /// Bytes that are mapped for the device: the size asked for, rounded up to pages.
    pub fn mapped_bytes(&self) -> usize {
        self.memory.map.len()
    }
}

impl AsFd for DmaMemory {
    /// The file whose first [`mapped_bytes`](Self::mapped_bytes) bytes are the memory.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.file.as_fd()
    }
}

/// Memory that the device reads and writes by DMA: zeroed, page-aligned.
///
/// It is mapped until it is dropped and no command that it was handed over with
/// ([`QueuePair::submit_with`](crate::QueuePair::submit_with)) is in flight any more.
pub struct DmaBuffer {
    mapping: Arc<Mapping>,
}

/// A mapping, which ends with the last that holds it.
struct Mapping {
    transport: Arc<dyn Transport>,
    memory: DmaMemory,
}

/// Keeps a buffer mapped, and its addresses from being given out again.
#[derive(Clone)]
pub(crate) struct Hold(Arc<Mapping>);

impl Hold {
    /// Whether both keep the same buffer.
    pub fn is(&self, other: &Hold) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({})", self.0.memory.iova)
    }
}

impl DmaBuffer {
    /// Allocates `bytes` bytes and maps them for the device behind `transport`.
    pub(crate) fn new(transport: Arc<dyn Transport>, bytes: usize) -> Result<Self, Error> {
        let memory = transport.map_dma(bytes)?;
        Ok(Self {
            mapping: Arc::new(Mapping { transport, memory }),
        })
    }

    /// Keeps the buffer mapped beyond its end.
    pub(crate) fn hold(&self) -> Hold {
        Hold(Arc::clone(&self.mapping))
    }

    /// Whether `address` is a byte of the buffer for the device behind `transport`.
    pub(crate) fn covers(&self, transport: &Arc<dyn Transport>, address: u64) -> bool {
        let Mapping {
            transport: own,
            memory,
        } = &*self.mapping;
        let offset = address.wrapping_sub(memory.iova.0);
        offset < memory.bytes as u64 && ptr::addr_eq(Arc::as_ptr(own), Arc::as_ptr(transport))
    }

    /// Where the device finds the first byte.
    pub fn iova(&self) -> Iova {
        self.mapping.memory.iova
    }

    /// Size in bytes, as asked for; never zero.
    #[expect(clippy::len_without_is_empty, reason = "a buffer is never empty")]
    pub fn len(&self) -> usize {
        self.mapping.memory.bytes
    }

    /// Copies `data` into the buffer at `offset` bytes.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; nothing is written then.
    pub fn write(&mut self, offset: usize, data: &[u8]) -> Result<(), Error> {
        let target = self.at(offset, data.len())?;
        // SAFETY: `at` has checked that the `data.len()` bytes are inside the mapping, which
        // lives as long as `self`; no reference to it exists anywhere.
        unsafe { copy_in(data, target) };
        Ok(())
    }

    /// Copies `data` into the buffer in lines of `line` bytes, the first at `offset` bytes, each `pitch`
    /// bytes behind the one before; a line has one byte at least. What lies between them stays as it is.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; nothing is written then.
    pub fn write_lines(
        &mut self,
        offset: usize,
        data: &[u8],
        line: usize,
        pitch: usize,
    ) -> Result<(), Error> {
        let line = line.max(1);
        let mut target = self.at(offset, spread(data.len(), line, pitch))?;
        if line == pitch {
            return self.write(offset, data);
        }
        for line in data.chunks(line) {
            // SAFETY: `at` has checked all bytes from the first line's first to the last line's last;
            // the mapping lives as long as `self`, and no reference to it exists anywhere.
            unsafe { copy_in(line, target) };
            target = target.wrapping_add(pitch);
        }
        Ok(())
    }

    /// Copies bytes out of the buffer until `data` is full, from where
    /// [`write_lines`](Self::write_lines) would put them.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; `data` is unchanged then.
    pub fn read_lines(
        &self,
        offset: usize,
        data: &mut [u8],
        line: usize,
        pitch: usize,
    ) -> Result<(), Error> {
        let line = line.max(1);
        let mut source = self.at(offset, spread(data.len(), line, pitch))?;
        if line == pitch {
            return self.read(offset, data);
        }
        for line in data.chunks_mut(line) {
            // SAFETY: as in `write_lines`; `data` is ordinary memory and cannot overlap the mapping.
            unsafe { copy_out(source, line) };
            source = source.wrapping_add(pitch);
        }
        Ok(())
    }

    /// Copies bytes out of the buffer, from `offset` bytes on, until `data` is full.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; `data` is unchanged then.
    pub fn read(&self, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        let source = self.at(offset, data.len())?;
        // SAFETY: `at` has checked that the `data.len()` bytes are inside the mapping, which
        // lives as long as `self`; `data` is ordinary memory and cannot overlap it.
        unsafe { copy_out(source, data) };
        Ok(())
    }

    /// Sets `length` bytes from `offset` on to `value`.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; nothing is written then.
    pub fn fill(&mut self, offset: usize, length: usize, value: u8) -> Result<(), Error> {
        // Checked first, so that a huge length fails before anything is written.
        self.at(offset, length)?;
        let block = [value; 4096];
        let mut done = 0;
        while done < length {
            let part = block.len().min(length - done);
            self.write(offset + done, &block[..part])?;
            done += part;
        }
        Ok(())
    }

    /// Writes a plain structure, a queue entry or an instruction for example, at `offset` bytes.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    pub fn write_value<T: Pod>(&mut self, offset: usize, value: &T) -> Result<(), Error> {
        self.write(offset, bytemuck::bytes_of(value))
    }

    /// Reads a plain structure, a statistics block for example, at `offset` bytes.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    pub fn read_value<T: Pod>(&self, offset: usize) -> Result<T, Error> {
        let mut value = T::zeroed();
        self.read(offset, bytemuck::bytes_of_mut(&mut value))?;
        Ok(value)
    }

    fn at(&self, offset: usize, length: usize) -> Result<*mut u8, Error> {
        let memory = &self.mapping.memory;
        memory.memory.at(offset, length, memory.bytes)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // A device that is gone has no mapping left to end. In every other case the transport
        // does not give the bus addresses out again, so nothing new can be overwritten.
        if let Err(error) = self.transport.unmap_dma(&self.memory) {
            tracing::debug!(iova = %self.memory.iova, %error, "a DMA mapping was not ended");
        }
    }
}

impl fmt::Debug for DmaBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBuffer")
            .field("iova", &self.iova())
            .field("len", &self.len())
            .finish()
    }
}

/// Bytes that `length` bytes reach over in lines that are `pitch` bytes apart; more than there can be if
/// that is no number.
fn spread(length: usize, line: usize, pitch: usize) -> usize {
    let Some(last) = length.div_ceil(line).checked_sub(1) else {
        return 0;
    };
    let end = |index: usize, bytes| index.checked_mul(pitch)?.checked_add(bytes);
    // Where lines overlap, a shorter last one may end before the one that it follows.
    let whole = last
        .checked_sub(1)
        .map_or(Some(0), |index| end(index, line));
    let reach = whole.zip(end(last, length - last * line));
    reach.map_or(usize::MAX, |(whole, rest)| whole.max(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_from_the_first_byte_to_the_last() {
        assert_eq!(spread(0, 3, 5), 0);
        assert_eq!(spread(3, 3, 5), 3);
        assert_eq!(spread(9, 3, 5), 13);
        // The last line may be shorter, and lines may overlap.
        assert_eq!(spread(8, 3, 5), 12);
        assert_eq!(spread(8, 3, 0), 3);
        assert_eq!(spread(7, 3, 1), 4);
        assert_eq!(spread(9, 3, 0), 3);
        assert_eq!(spread(9, 1, 2), 17);
        assert_eq!(spread(9, 3, usize::MAX), usize::MAX);
    }
}
