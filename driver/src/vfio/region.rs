//! What the kernel or a device process says about a region, and the parts of a BAR that may be mapped.
//!
//! ```text
//!  BAR0   0                            0x1000                          end
//!         | messages, pread, pwrite    | mapped area (load and store) | messages, pread ...
//!                                        ^ file of the device, at offset + area
//! ```

use std::os::fd::{AsRawFd, BorrowedFd};

use memmap2::{MmapOptions, MmapRaw};

use bytemuck::Pod;

use crate::BarOffset;
use crate::memory::{page_bytes, read_barrier, write_barrier};
use crate::vfio::kernel::{
    VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_FLAG_CAPS, VFIO_REGION_INFO_FLAG_MMAP,
    vfio_info_cap_header, vfio_region_info, vfio_region_sparse_mmap_area,
};

/// Most capabilities and areas that are looked at; real regions have one and a few.
const LIST_MAX: usize = 256;

/// Reads a structure from the start of a payload. Whoever answers may append fields that this driver
/// does not know, so more bytes are no error.
///
/// # Errors
/// How many bytes are missing.
pub(crate) fn parse<T: Pod>(payload: &[u8]) -> Result<T, String> {
    payload
        .get(..size_of::<T>())
        .map(bytemuck::pod_read_unaligned)
        .ok_or_else(|| {
            format!(
                "{} bytes are too few, {} were due",
                payload.len(),
                size_of::<T>()
            )
        })
}

/// A region as the answer describes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegionInfo {
    /// Size in bytes; zero if the region does not exist.
    pub size: u64,
    /// Offset of the region in the file that the reply may bring.
    pub file_offset: u64,
    /// Size of the whole description, which may be larger than the reply that was asked for.
    pub argsz: u32,
    /// Parts that may be mapped.
    pub areas: Vec<vfio_region_sparse_mmap_area>,
}

impl RegionInfo {
    /// Takes the payload of a reply to DEVICE_GET_REGION_INFO apart.
    ///
    /// # Errors
    /// How it differs from the specification.
    pub fn parse(payload: &[u8], index: u32) -> Result<Self, String> {
        let info: vfio_region_info = parse(payload)?;
        if info.index != index {
            return Err(format!("it describes region {}, not {index}", info.index));
        }
        let has_capabilities = info.flags & VFIO_REGION_INFO_FLAG_CAPS != 0;
        let mut areas = None;
        // A description that was cut short is asked for again, in full.
        if has_capabilities && info.argsz as usize <= payload.len() {
            areas = sparse_areas(payload, info.cap_offset)?;
        }
        let whole = vfio_region_sparse_mmap_area {
            offset: 0,
            size: info.size,
        };
        let may_map = info.flags & VFIO_REGION_INFO_FLAG_MMAP != 0;
        Ok(Self {
            size: info.size,
            file_offset: info.offset,
            argsz: info.argsz,
            areas: areas.unwrap_or_else(|| if may_map { vec![whole] } else { Vec::new() }),
        })
    }
}

/// Collects the areas of all sparse-mmap capabilities; `None` if there is no such capability. Offsets count from the payload's start;
/// each must lie behind the one before, so that the walk ends.
fn sparse_areas(
    payload: &[u8],
    first: u32,
) -> Result<Option<Vec<vfio_region_sparse_mmap_area>>, String> {
    let mut found = None;
    let mut next = first as usize;
    while next != 0 {
        let offset = next;
        let capability = payload
            .get(offset..)
            .filter(|_| offset >= size_of::<vfio_region_info>())
            .ok_or_else(|| format!("a capability at {offset} is outside the reply"))?;
        let header: vfio_info_cap_header = parse(capability)?;
        if u32::from(header.id) == VFIO_REGION_INFO_CAP_SPARSE_MMAP {
            let body = &capability[size_of::<vfio_info_cap_header>()..];
            let [count, _reserved]: [u32; 2] = parse(body)?;
            let areas = found.get_or_insert_with(Vec::new);
            let mut rest = &body[size_of::<[u32; 2]>()..];
            for _ in 0..count {
                areas.push(parse(rest)?);
                rest = &rest[size_of::<vfio_region_sparse_mmap_area>()..];
                if areas.len() > LIST_MAX {
                    return Err(format!("more than {LIST_MAX} mappable areas"));
                }
            }
        }
        next = header.next as usize;
        if next != 0 && next <= offset {
            return Err(format!("the capability at {offset} points back to {next}"));
        }
    }
    Ok(found)
}

/// One mapped part of a BAR.
#[derive(Debug)]
pub(crate) struct MappedArea {
    start: u64,
    map: MmapRaw,
}

impl MappedArea {
    /// Maps an area of the region in `file`; `None`, with a warning, where that is not safe or
    /// not possible. The registers there are then reached otherwise. `file_size` is the size of a
    /// file that has one; the kernel's device files have none.
    pub fn map(
        info: &RegionInfo,
        area: &vfio_region_sparse_mmap_area,
        file: BorrowedFd<'_>,
        file_size: Option<u64>,
    ) -> Option<Self> {
        Self::try_map(info, area, file, file_size)
            .inspect_err(|reason| {
                tracing::warn!(
                    offset = area.offset,
                    size = area.size,
                    reason,
                    "an area of BAR0 is not mapped"
                );
            })
            .ok()
    }

    fn try_map(
        info: &RegionInfo,
        area: &vfio_region_sparse_mmap_area,
        file: BorrowedFd<'_>,
        file_size: Option<u64>,
    ) -> Result<Self, String> {
        let end = area.offset.checked_add(area.size);
        if area.size == 0 || end.is_none_or(|end| end > info.size) {
            return Err("it is empty or reaches beyond the region".into());
        }
        let page = page_bytes() as u64;
        let in_file = info.file_offset.checked_add(area.offset);
        let file_end = in_file.and_then(|start| start.checked_add(area.size));
        let (Some(in_file), Some(file_end)) = (in_file, file_end) else {
            return Err("its place in the file is beyond any file".into());
        };
        if !in_file.is_multiple_of(page) || !area.size.is_multiple_of(page) {
            return Err("it is not aligned to pages".into());
        }
        // Touching a page beyond the file's end would be a bus error.
        if file_size.is_some_and(|size| size < file_end) {
            return Err("the file is smaller than the area".into());
        }
        let length = usize::try_from(area.size).map_err(|error| error.to_string())?;
        let map = MmapOptions::new()
            .offset(in_file)
            .len(length)
            .map_raw(file.as_raw_fd())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            start: area.offset,
            map,
        })
    }

    /// Pointer to the register at `offset`, a multiple of 4, if it is in this area.
    fn register(&self, offset: BarOffset) -> Option<*mut u32> {
        let inside = usize::try_from(u64::from(offset.0).checked_sub(self.start)?).ok()?;
        let fits = inside
            .checked_add(size_of::<u32>())
            .is_some_and(|end| end <= self.map.len());
        fits.then(|| self.map.as_mut_ptr().wrapping_add(inside).cast())
    }

    /// Reads the register at `offset`, if it is in this area.
    pub fn read(&self, offset: BarOffset) -> Option<u32> {
        let register = self.register(offset)?;
        // SAFETY: `register` has checked that the four bytes are inside the mapping, which is
        // page-aligned and so aligns every multiple of 4; no reference to it exists.
        let value = unsafe { register.read_volatile() };
        read_barrier();
        Some(value)
    }

    /// Writes the register at `offset`; false if it is not in this area.
    pub fn write(&self, offset: BarOffset, value: u32) -> bool {
        let Some(register) = self.register(offset) else {
            return false;
        };
        write_barrier();
        // SAFETY: as for reading, and the mapping is writable.
        unsafe { register.write_volatile(value) };
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vfio::kernel::{VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE};

    const INFO_BYTES: u32 = size_of::<vfio_region_info>() as u32;

    fn payload(flags: u32, capabilities: &[u32]) -> Vec<u8> {
        let info = vfio_region_info {
            argsz: INFO_BYTES + 4 * capabilities.len() as u32,
            flags,
            index: 0,
            cap_offset: INFO_BYTES,
            size: 0x1_0000,
            offset: 0,
        };
        [
            bytemuck::bytes_of(&info),
            bytemuck::cast_slice(capabilities),
        ]
        .concat()
    }

    /// A sparse-mmap capability: id 1, version 1, next, count, reserved, areas.
    fn sparse(next: u32, count: u32, areas: &[u64]) -> Vec<u32> {
        let mut words = vec![1 | 1 << 16, next, count, 0];
        words.extend(
            areas
                .iter()
                .flat_map(|&word| [word as u32, (word >> 32) as u32]),
        );
        words
    }

    #[test]
    fn a_plain_region_has_a_size_and_no_areas() {
        let flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        let info = RegionInfo::parse(&payload(flags, &[]), 0).unwrap();
        assert_eq!((info.size, info.areas.len()), (0x1_0000, 0));
        RegionInfo::parse(&payload(flags, &[]), 1).unwrap_err();
        RegionInfo::parse(&payload(flags, &[])[..31], 0).unwrap_err();
    }

    #[test]
    fn a_region_without_a_list_is_mappable_as_a_whole() {
        let info = RegionInfo::parse(&payload(VFIO_REGION_INFO_FLAG_MMAP, &[]), 0).unwrap();
        assert_eq!((info.areas[0].offset, info.areas[0].size), (0, 0x1_0000));
    }

    #[test]
    fn sparse_areas_are_found_behind_other_capabilities() {
        let flags = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
        let mut words = vec![0x7777, INFO_BYTES + 8];
        words.extend(sparse(0, 1, &[0x1000, 0x2000]));
        let info = RegionInfo::parse(&payload(flags, &words), 0).unwrap();
        assert_eq!(info.areas.len(), 1);
        assert_eq!((info.areas[0].offset, info.areas[0].size), (0x1000, 0x2000));
    }

    #[test]
    fn impossible_lists_are_refused() {
        let flags = VFIO_REGION_INFO_FLAG_CAPS;
        for words in [
            sparse(INFO_BYTES, 1, &[0, 0x1000]),
            sparse(8, 1, &[0, 0x1000]),
            sparse(4096, 1, &[0, 0x1000]),
            sparse(0, 2, &[0, 0x1000]),
            sparse(0, u32::MAX, &[0, 0x1000]),
            vec![1],
        ] {
            RegionInfo::parse(&payload(flags, &words), 0).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn no_reply_panics(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = RegionInfo::parse(&payload, 0);
        }

        #[test]
        fn no_list_panics(words in prop::collection::vec(0u32..80, 0..40)) {
            let payload = payload(VFIO_REGION_INFO_FLAG_CAPS, &words);
            if let Ok(info) = RegionInfo::parse(&payload, 0) {
                prop_assert!(info.areas.len() <= LIST_MAX);
            }
        }
    }
}
