//! Host memory of a co-simulation: a few regions in a 64-bit space, everything else unmapped.
//!
//! ```text
//!  0 ........ [ low region ] ........ 2^32 ........ [ high region ] ........ 2^64
//!    unmapped                  unmapped                               unmapped
//! ```

use crate::core::{DmaError, Host};

/// One stretch of mapped memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Bus address of the first byte.
    pub base: u64,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// Regions of host memory, and the interrupts that the device requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    regions: Vec<Region>,
    interrupts: Vec<u16>,
}

impl Memory {
    /// Memory with these regions, which don't overlap.
    pub fn new(regions: Vec<Region>) -> Self {
        Memory {
            regions,
            interrupts: Vec::new(),
        }
    }

    /// Every region.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The vectors requested since the last call, in order.
    pub fn take_interrupts(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.interrupts)
    }

    /// The bytes `[address, address + length)`.
    ///
    /// # Errors
    /// [`DmaError::Unmapped`] if they are not all inside one region.
    pub fn bytes(&self, address: u64, length: usize) -> Result<&[u8], DmaError> {
        let (region, start) = self.find(address, length)?;
        Ok(&self.regions[region].bytes[start..start + length])
    }

    /// The bytes `[address, address + length)`, to change.
    ///
    /// # Errors
    /// [`DmaError::Unmapped`] if they are not all inside one region.
    pub fn bytes_mut(&mut self, address: u64, length: usize) -> Result<&mut [u8], DmaError> {
        let (region, start) = self.find(address, length)?;
        Ok(&mut self.regions[region].bytes[start..start + length])
    }

    fn find(&self, address: u64, length: usize) -> Result<(usize, usize), DmaError> {
        for (index, region) in self.regions.iter().enumerate() {
            let size = region.bytes.len() as u64;
            if let Some(start) = address.checked_sub(region.base)
                && start < size
            {
                if length as u64 > size - start {
                    return Err(DmaError::Unmapped {
                        address: region.base + size,
                    });
                }
                return Ok((index, start as usize));
            }
        }
        Err(DmaError::Unmapped { address })
    }
}

impl Host for Memory {
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        data.copy_from_slice(self.bytes(address, data.len())?);
        Ok(())
    }

    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        self.bytes_mut(address, data.len())?.copy_from_slice(data);
        Ok(())
    }

    fn interrupt(&mut self, vector: u16) {
        self.interrupts.push(vector);
    }
}
