//! The bus addresses of a function behind the machine's IOMMU: what may be mapped, mapping,
//! ending mappings.
//!
//! ```text
//!  this process's memory --- MAP_DMA   (container, type1v2) ---+
//!        (pinned)       '--- IOAS_MAP  (iommufd)            ---+--> IOMMU --> the function
//! ```

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::ioctl;
use super::kernel::*;
use crate::{Error, Iova};

/// Where mappings are made: closed with the function, and every mapping with it.
#[derive(Debug)]
pub(super) enum AddressSpace {
    /// A container whose IOMMU is of type1v2.
    Container(OwnedFd),
    /// An address space of an iommufd.
    Iommufd {
        /// /dev/iommu.
        file: OwnedFd,
        /// Id of the address space.
        space: u32,
    },
}

impl AddressSpace {
    /// First and last address of each range that the IOMMU can map, in order. Empty where an old
    /// kernel does not say.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn ranges(&self) -> Result<Vec<(u64, u64)>, Error> {
        let failed = Error::system("asking the IOMMU for its addresses");
        match self {
            AddressSpace::Container(container) => match ioctl::iommu_info(container.as_fd()) {
                Ok(description) => iova_ranges(&description).map_err(|detail| Error::Kernel {
                    detail: format!("the description of its IOMMU is broken: {detail}"),
                }),
                Err(errno) => Err(failed(errno)),
            },
            AddressSpace::Iommufd { file, space } => {
                ioctl::space_ranges(file.as_fd(), *space).map_err(failed)
            }
        }
    }

    /// Maps `bytes` bytes at `address` of this process, readable and writable, at `iova`.
    ///
    /// # Errors
    /// [`Error::LockedMemory`] where the process may not pin as much; [`Error::System`].
    ///
    /// # Safety
    /// The memory belongs to the device too from now on: no reference to it exists, and it stays
    /// until the mapping has ended.
    pub unsafe fn map(&self, address: *mut u8, iova: Iova, bytes: usize) -> Result<(), Error> {
        let address = address.expose_provenance() as u64;
        let result = match self {
            AddressSpace::Container(container) => {
                let map = vfio_iommu_type1_dma_map {
                    argsz: size_of::<vfio_iommu_type1_dma_map>() as u32,
                    flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                    vaddr: address,
                    iova: iova.0,
                    size: bytes as u64,
                };
                // SAFETY: the caller vouches for the memory.
                unsafe { ioctl::map_dma(container.as_fd(), &map) }
            }
            AddressSpace::Iommufd { file, space } => {
                let map = iommu_ioas_map {
                    flags: IOMMU_IOAS_MAP_FIXED_IOVA
                        | IOMMU_IOAS_MAP_WRITEABLE
                        | IOMMU_IOAS_MAP_READABLE,
                    ioas_id: *space,
                    user_va: address,
                    length: bytes as u64,
                    iova: iova.0,
                    ..Default::default()
                };
                // SAFETY: the caller vouches for the memory.
                unsafe { ioctl::map_space(file.as_fd(), map) }
            }
        };
        result.map_err(|errno| match errno {
            Errno::ENOMEM => Error::LockedMemory { bytes },
            errno => Error::system("mapping memory for the device")(errno),
        })
    }

    /// Ends the mapping at `iova`. When this returns `Ok`, the device cannot reach the memory.
    ///
    /// # Errors
    /// [`Error::System`]; [`Error::Kernel`] if something else was mapped there.
    pub fn unmap(&self, iova: Iova, bytes: usize) -> Result<(), Error> {
        let ended = match self {
            AddressSpace::Container(container) => {
                ioctl::unmap_dma(container.as_fd(), iova.0, bytes as u64)
            }
            AddressSpace::Iommufd { file, space } => {
                ioctl::unmap_space(file.as_fd(), *space, iova.0, bytes as u64)
            }
        }
        .map_err(Error::system("ending a mapping"))?;
        if ended != bytes as u64 {
            return Err(Error::Kernel {
                detail: format!("ending a mapping of {bytes} bytes ended {ended}"),
            });
        }
        Ok(())
    }
}

/// Ranges in the answer to IOMMU_GET_INFO, a list of capabilities behind a fixed part
/// (`vfio_iommu_type1_info_cap_iova_range` in `<linux/vfio.h>`).
///
/// # Errors
/// What is broken about it.
fn iova_ranges(description: &[u8]) -> Result<Vec<(u64, u64)>, String> {
    let word = |at: usize| -> Result<u32, String> {
        let bytes = at.checked_add(4).and_then(|end| description.get(at..end));
        let bytes = bytes.and_then(|bytes| bytes.first_chunk());
        bytes
            .map(|&bytes| u32::from_ne_bytes(bytes))
            .ok_or_else(|| format!("{at} is beyond its {} bytes", description.len()))
    };
    let double = |at: usize| -> Result<u64, String> {
        let (low, high) = (word(at)?, word(at + 4)?);
        let [a, b, c, d] = low.to_ne_bytes();
        let [e, f, g, h] = high.to_ne_bytes();
        Ok(u64::from_ne_bytes([a, b, c, d, e, f, g, h]))
    };
    if word(std::mem::offset_of!(vfio_iommu_type1_info, flags))? & VFIO_IOMMU_INFO_CAPS == 0 {
        return Ok(Vec::new());
    }
    let mut next = word(std::mem::offset_of!(vfio_iommu_type1_info, cap_offset))? as usize;
    while next != 0 {
        let offset = next;
        // Identifier and version are halves of the first word.
        let id = word(offset)?.to_ne_bytes();
        if u32::from(u16::from_ne_bytes([id[0], id[1]])) == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE {
            let count = word(offset + size_of::<vfio_info_cap_header>())? as usize;
            let first = offset + size_of::<vfio_iommu_type1_info_cap_iova_range>();
            return (0..count)
                .map(|index| {
                    let at = first + index * size_of::<vfio_iova_range>();
                    Ok((double(at)?, double(at + 8)?))
                })
                .collect();
        }
        next = word(offset + std::mem::offset_of!(vfio_info_cap_header, next))? as usize;
        if next != 0 && next <= offset {
            return Err(format!("the capability at {offset} points back to {next}"));
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A description with capabilities, each of a header and words.
    fn description(capabilities: &[(u16, &[u64])]) -> Vec<u8> {
        let fixed = size_of::<vfio_iommu_type1_info>();
        let mut bytes = vec![0; fixed];
        bytes[4..8].copy_from_slice(&VFIO_IOMMU_INFO_CAPS.to_ne_bytes());
        bytes[16..20].copy_from_slice(&(fixed as u32).to_ne_bytes());
        for (index, (id, words)) in capabilities.iter().enumerate() {
            let end = bytes.len() + 8 + words.len() * 8;
            let last = index + 1 == capabilities.len();
            bytes.extend(id.to_ne_bytes());
            bytes.extend(1u16.to_ne_bytes());
            bytes.extend(if last { 0 } else { end as u32 }.to_ne_bytes());
            bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }
        bytes
    }

    #[test]
    fn ranges_are_found_behind_other_capabilities() {
        let range = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE as u16;
        let bytes = description(&[
            (3, &[1, 2]),
            (range, &[2, 0, 0xfedf_ffff, 0xfef0_0000, 0x7f_ffff_ffff]),
        ]);
        assert_eq!(
            iova_ranges(&bytes).unwrap(),
            [(0, 0xfedf_ffff), (0xfef0_0000, 0x7f_ffff_ffff)]
        );
        assert!(iova_ranges(&description(&[(3, &[])])).unwrap().is_empty());
    }

    #[test]
    fn broken_lists_are_refused() {
        let range = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE as u16;
        iova_ranges(&[]).unwrap_err();
        // More ranges than there are.
        iova_ranges(&description(&[(range, &[3, 0, 1])])).unwrap_err();
        // A list that points to itself, or beyond.
        for next in [24u32, 8, 4096] {
            let mut bytes = description(&[(3, &[])]);
            bytes[28..32].copy_from_slice(&next.to_ne_bytes());
            iova_ranges(&bytes).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn no_description_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = iova_ranges(&bytes);
        }
    }
}
