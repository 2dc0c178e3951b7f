//! The ioctls of VFIO and of iommufd, each as a safe function over an open file.
//!
//! ```text
//!  container  GET_API_VERSION, CHECK_EXTENSION, SET_IOMMU, GET_INFO, MAP_DMA, UNMAP_DMA
//!  group      GET_STATUS, SET_CONTAINER, GET_DEVICE_FD
//!  device     GET_INFO, GET_REGION_INFO, GET_IRQ_INFO, SET_IRQS, RESET
//!  iommufd    IOAS_ALLOC, IOAS_IOVA_RANGES, IOAS_MAP, IOAS_UNMAP; BIND and ATTACH on the device
//! ```
//!
//! Numbers and structures are the kernel's headers' ([`super::kernel`]). An errno is passed on as it
//! is: what it means depends on what was being done.

use std::ffi::{CStr, c_char, c_int};
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use bytemuck::Zeroable;
use nix::errno::Errno;
use nix::sys::ioctl::ioctl_num_type;

use super::kernel::*;

/// Most bytes of a description that the kernel may ask room for.
const DESCRIPTION_MAX: usize = 64 << 10;

/// Most ranges of bus addresses that are asked for.
const RANGES_MAX: usize = 4096;

mod raw {
    //! What nix makes of the numbers.
    use super::*;

    nix::ioctl_none_bad!(get_api_version, SYSTOLE_GET_API_VERSION as ioctl_num_type);
    nix::ioctl_write_int_bad!(check_extension, SYSTOLE_CHECK_EXTENSION as ioctl_num_type);
    nix::ioctl_write_int_bad!(set_iommu, SYSTOLE_SET_IOMMU as ioctl_num_type);
    nix::ioctl_readwrite_bad!(
        group_get_status,
        SYSTOLE_GROUP_GET_STATUS as ioctl_num_type,
        vfio_group_status
    );
    nix::ioctl_write_ptr_bad!(
        group_set_container,
        SYSTOLE_GROUP_SET_CONTAINER as ioctl_num_type,
        c_int
    );
    nix::ioctl_write_ptr_bad!(
        group_get_device_fd,
        SYSTOLE_GROUP_GET_DEVICE_FD as ioctl_num_type,
        c_char
    );
    nix::ioctl_readwrite_bad!(
        device_get_info,
        SYSTOLE_DEVICE_GET_INFO as ioctl_num_type,
        u8
    );
    nix::ioctl_readwrite_bad!(
        device_get_region_info,
        SYSTOLE_DEVICE_GET_REGION_INFO as ioctl_num_type,
        u8
    );
    nix::ioctl_readwrite_bad!(
        device_get_irq_info,
        SYSTOLE_DEVICE_GET_IRQ_INFO as ioctl_num_type,
        vfio_irq_info
    );
    nix::ioctl_write_ptr_bad!(
        device_set_irqs,
        SYSTOLE_DEVICE_SET_IRQS as ioctl_num_type,
        u8
    );
    nix::ioctl_none_bad!(device_reset, SYSTOLE_DEVICE_RESET as ioctl_num_type);
    nix::ioctl_readwrite_bad!(iommu_get_info, SYSTOLE_IOMMU_GET_INFO as ioctl_num_type, u8);
    nix::ioctl_write_ptr_bad!(
        iommu_map_dma,
        SYSTOLE_IOMMU_MAP_DMA as ioctl_num_type,
        vfio_iommu_type1_dma_map
    );
    nix::ioctl_readwrite_bad!(
        iommu_unmap_dma,
        SYSTOLE_IOMMU_UNMAP_DMA as ioctl_num_type,
        vfio_iommu_type1_dma_unmap
    );
    nix::ioctl_readwrite_bad!(
        ioas_alloc,
        SYSTOLE_IOAS_ALLOC as ioctl_num_type,
        iommu_ioas_alloc
    );
    nix::ioctl_readwrite_bad!(
        ioas_iova_ranges,
        SYSTOLE_IOAS_IOVA_RANGES as ioctl_num_type,
        iommu_ioas_iova_ranges
    );
    nix::ioctl_readwrite_bad!(ioas_map, SYSTOLE_IOAS_MAP as ioctl_num_type, iommu_ioas_map);
    nix::ioctl_readwrite_bad!(
        ioas_unmap,
        SYSTOLE_IOAS_UNMAP as ioctl_num_type,
        iommu_ioas_unmap
    );
    nix::ioctl_readwrite_bad!(
        device_bind_iommufd,
        SYSTOLE_DEVICE_BIND_IOMMUFD as ioctl_num_type,
        vfio_device_bind_iommufd
    );
    nix::ioctl_readwrite_bad!(
        device_attach_iommufd,
        SYSTOLE_DEVICE_ATTACH_IOMMUFD as ioctl_num_type,
        vfio_device_attach_iommufd_pt
    );
}

/// Version of the VFIO interface that the container speaks.
pub(super) fn api_version(container: BorrowedFd<'_>) -> Result<c_int, Errno> {
    // SAFETY: takes no argument.
    unsafe { raw::get_api_version(container.as_raw_fd()) }
}

/// Whether the container has a kind of IOMMU.
pub(super) fn has_extension(container: BorrowedFd<'_>, extension: u32) -> Result<bool, Errno> {
    // SAFETY: the argument is a number.
    let answer = unsafe { raw::check_extension(container.as_raw_fd(), extension as c_int) }?;
    Ok(answer > 0)
}

/// Chooses the kind of IOMMU. A group must be in the container.
pub(super) fn set_iommu(container: BorrowedFd<'_>, kind: u32) -> Result<(), Errno> {
    // SAFETY: the argument is a number.
    unsafe { raw::set_iommu(container.as_raw_fd(), kind as c_int) }.map(drop)
}

/// Flags of a group (`VFIO_GROUP_FLAGS_*`).
pub(super) fn group_flags(group: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut status = vfio_group_status {
        argsz: size_of::<vfio_group_status>() as u32,
        flags: 0,
    };
    // SAFETY: `status` is the structure that this ioctl fills, and says its size.
    unsafe { raw::group_get_status(group.as_raw_fd(), &mut status) }?;
    Ok(status.flags)
}

/// Puts a group into a container.
pub(super) fn set_container(group: BorrowedFd<'_>, container: BorrowedFd<'_>) -> Result<(), Errno> {
    let descriptor = container.as_raw_fd();
    // SAFETY: the ioctl reads one descriptor from the pointer.
    unsafe { raw::group_set_container(group.as_raw_fd(), &descriptor) }.map(drop)
}

/// Opens the function `name` of a group, which must be in a container that has its IOMMU.
pub(super) fn device_file(group: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    // SAFETY: the ioctl reads a string that ends in a zero byte.
    let descriptor = unsafe { raw::group_get_device_fd(group.as_raw_fd(), name.as_ptr()) }?;
    // SAFETY: the kernel has opened it for this call, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// What a function is: flags, number of regions, number of kinds of interrupts.
pub(super) fn device_info(device: BorrowedFd<'_>) -> Result<DeviceInfo, Errno> {
    let fixed = size_of::<vfio_device_info>();
    let bytes = description(fixed, &[], |data| {
        // SAFETY: `description` passes at least as many bytes as they say in their first word.
        unsafe { raw::device_get_info(device.as_raw_fd(), data) }
    })?;
    Ok(DeviceInfo {
        flags: word(&bytes, offset_of!(vfio_device_info, flags)),
        regions: word(&bytes, offset_of!(vfio_device_info, num_regions)),
        interrupts: word(&bytes, offset_of!(vfio_device_info, num_irqs)),
    })
}

/// The answer of [`device_info`].
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceInfo {
    /// `VFIO_DEVICE_FLAGS_*`.
    pub flags: u32,
    /// Highest region and one.
    pub regions: u32,
    /// Highest kind of interrupt and one.
    pub interrupts: u32,
}

/// The description of a region with its capabilities, for [`super::region::RegionInfo`].
pub(super) fn region_info(device: BorrowedFd<'_>, index: u32) -> Result<Vec<u8>, Errno> {
    let at = offset_of!(vfio_region_info, index);
    description(size_of::<vfio_region_info>(), &[(at, index)], |data| {
        // SAFETY: `description` passes at least as many bytes as they say in their first word.
        unsafe { raw::device_get_region_info(device.as_raw_fd(), data) }
    })
}

/// Flags (`VFIO_IRQ_INFO_*`) and number of a kind of interrupt.
pub(super) fn interrupt_info(device: BorrowedFd<'_>, index: u32) -> Result<vfio_irq_info, Errno> {
    let mut info = vfio_irq_info {
        argsz: size_of::<vfio_irq_info>() as u32,
        index,
        ..vfio_irq_info::zeroed()
    };
    // SAFETY: `info` is the structure that this ioctl fills, and says its size.
    unsafe { raw::device_get_irq_info(device.as_raw_fd(), &mut info) }?;
    Ok(info)
}

/// Lets interrupts `start ..` of a kind signal eventfds; `None` stands for no eventfd.
pub(super) fn set_interrupts(
    device: BorrowedFd<'_>,
    index: u32,
    start: u32,
    eventfds: &[Option<BorrowedFd<'_>>],
) -> Result<(), Errno> {
    let bytes = size_of::<vfio_irq_set>() + size_of_val(eventfds);
    let head = [
        bytes as u32,
        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        index,
        start,
        eventfds.len() as u32,
    ];
    let descriptors = eventfds
        .iter()
        .map(|eventfd| eventfd.map_or(-1, |eventfd| eventfd.as_raw_fd()) as u32);
    let words: Vec<u32> = head.into_iter().chain(descriptors).collect();
    // SAFETY: the ioctl reads a `vfio_irq_set` of five words and as many descriptors as it says.
    unsafe { raw::device_set_irqs(device.as_raw_fd(), words.as_ptr().cast()) }.map(drop)
}

/// Resets a function.
pub(super) fn reset(device: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: takes no argument.
    unsafe { raw::device_reset(device.as_raw_fd()) }.map(drop)
}

/// The description of a container's IOMMU with its capabilities.
pub(super) fn iommu_info(container: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    description(size_of::<vfio_iommu_type1_info>(), &[], |data| {
        // SAFETY: `description` passes at least as many bytes as they say in their first word.
        unsafe { raw::iommu_get_info(container.as_raw_fd(), data) }
    })
}

/// Maps `map.size` bytes of this process for the devices of a container.
///
/// # Safety
/// `map.vaddr` is the first of as many bytes of memory that belong to the device too from now on:
/// no reference to them exists before they are unmapped.
pub(super) unsafe fn map_dma(
    container: BorrowedFd<'_>,
    map: &vfio_iommu_type1_dma_map,
) -> Result<(), Errno> {
    // SAFETY: `map` is the structure that this ioctl reads; the caller vouches for the memory.
    unsafe { raw::iommu_map_dma(container.as_raw_fd(), map) }.map(drop)
}

/// Ends mappings of a container; returns the number of bytes that were mapped.
pub(super) fn unmap_dma(container: BorrowedFd<'_>, iova: u64, size: u64) -> Result<u64, Errno> {
    let mut unmap = vfio_iommu_type1_dma_unmap {
        argsz: size_of::<vfio_iommu_type1_dma_unmap>() as u32,
        iova,
        size,
        ..Default::default()
    };
    // SAFETY: `unmap` is the structure that this ioctl fills, and says its size.
    unsafe { raw::iommu_unmap_dma(container.as_raw_fd(), &mut unmap) }?;
    Ok(unmap.size)
}

/// Binds an open device file to an iommufd, which makes it usable by this process alone.
pub(super) fn bind_iommufd(device: BorrowedFd<'_>, iommufd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut bind = vfio_device_bind_iommufd {
        argsz: size_of::<vfio_device_bind_iommufd>() as u32,
        iommufd: iommufd.as_raw_fd(),
        ..Default::default()
    };
    // SAFETY: `bind` is the structure that this ioctl fills, and says its size.
    unsafe { raw::device_bind_iommufd(device.as_raw_fd(), &mut bind) }.map(drop)
}

/// Attaches a bound device to an address space.
pub(super) fn attach_iommufd(device: BorrowedFd<'_>, space: u32) -> Result<(), Errno> {
    let mut attach = vfio_device_attach_iommufd_pt {
        argsz: size_of::<vfio_device_attach_iommufd_pt>() as u32,
        pt_id: space,
        ..Default::default()
    };
    // SAFETY: `attach` is the structure that this ioctl fills, and says its size.
    unsafe { raw::device_attach_iommufd(device.as_raw_fd(), &mut attach) }.map(drop)
}

/// Makes an address space; returns its id.
pub(super) fn allocate_space(iommufd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut allocate = iommu_ioas_alloc {
        size: size_of::<iommu_ioas_alloc>() as u32,
        ..Default::default()
    };
    // SAFETY: `allocate` is the structure that this ioctl fills, and says its size.
    unsafe { raw::ioas_alloc(iommufd.as_raw_fd(), &mut allocate) }?;
    Ok(allocate.out_ioas_id)
}

/// Bus addresses that may be mapped in an address space: first and last of each range.
pub(super) fn space_ranges(iommufd: BorrowedFd<'_>, space: u32) -> Result<Vec<(u64, u64)>, Errno> {
    let mut count = 16;
    loop {
        let mut ranges = vec![iommu_iova_range::default(); count];
        let mut ask = iommu_ioas_iova_ranges {
            size: size_of::<iommu_ioas_iova_ranges>() as u32,
            ioas_id: space,
            num_iovas: count as u32,
            allowed_iovas: ranges.as_mut_ptr().expose_provenance() as u64,
            ..Default::default()
        };
        // SAFETY: `ask` is the structure that this ioctl fills; it points to `num_iovas` ranges.
        let result = unsafe { raw::ioas_iova_ranges(iommufd.as_raw_fd(), &mut ask) };
        let there = ask.num_iovas as usize;
        match result {
            // There are more of them, and now it is known how many.
            Err(Errno::EMSGSIZE) if there > count && there <= RANGES_MAX => count = there,
            Err(errno) => return Err(errno),
            Ok(_) => {
                ranges.truncate(there);
                return Ok(ranges.iter().map(|r| (r.start, r.last)).collect());
            }
        }
    }
}

/// Maps memory of this process in an address space; `map` is filled but for its size.
///
/// # Safety
/// As [`map_dma`], for `map.user_va` and `map.length`.
pub(super) unsafe fn map_space(iommufd: BorrowedFd<'_>, map: iommu_ioas_map) -> Result<(), Errno> {
    let mut map = iommu_ioas_map {
        size: size_of::<iommu_ioas_map>() as u32,
        ..map
    };
    // SAFETY: `map` is the structure that this ioctl fills; the caller vouches for the memory.
    unsafe { raw::ioas_map(iommufd.as_raw_fd(), &mut map) }.map(drop)
}

/// Ends mappings of an address space; returns the number of bytes that were mapped.
pub(super) fn unmap_space(
    iommufd: BorrowedFd<'_>,
    space: u32,
    iova: u64,
    length: u64,
) -> Result<u64, Errno> {
    let mut unmap = iommu_ioas_unmap {
        size: size_of::<iommu_ioas_unmap>() as u32,
        ioas_id: space,
        iova,
        length,
    };
    // SAFETY: `unmap` is the structure that this ioctl fills, and says its size.
    unsafe { raw::ioas_unmap(iommufd.as_raw_fd(), &mut unmap) }?;
    Ok(unmap.length)
}

/// Asks for a description whose first word is its size, a second time with more room where the
/// kernel's answer needs it (`<linux/vfio.h>`, "argsz"). `fields` are words set before each time.
fn description(
    fixed: usize,
    fields: &[(usize, u32)],
    mut ask: impl FnMut(*mut u8) -> Result<c_int, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut size = fixed;
    loop {
        // Words, for their alignment.
        let mut words = vec![0u64; size.div_ceil(size_of::<u64>())];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        bytes[..4].copy_from_slice(&(size as u32).to_ne_bytes());
        for &(at, value) in fields {
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        ask(bytes.as_mut_ptr())?;
        let wanted = word(bytes, 0) as usize;
        if wanted <= size || size > fixed {
            return Ok(bytes[..size].to_vec());
        }
        size = wanted.min(DESCRIPTION_MAX);
    }
}

/// The 32-bit word at a byte offset.
fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}
