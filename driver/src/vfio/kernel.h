/* What bindgen reads: the kernel's own headers, and what it cannot take from them by itself. */
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <linux/vfio.h>

/* ioctl numbers are macros that compute, which bindgen leaves out; as constants it sees them. */
enum systole_vfio_ioctl {
    SYSTOLE_GET_API_VERSION = VFIO_GET_API_VERSION,
    SYSTOLE_CHECK_EXTENSION = VFIO_CHECK_EXTENSION,
    SYSTOLE_SET_IOMMU = VFIO_SET_IOMMU,
    SYSTOLE_GROUP_GET_STATUS = VFIO_GROUP_GET_STATUS,
    SYSTOLE_GROUP_SET_CONTAINER = VFIO_GROUP_SET_CONTAINER,
    SYSTOLE_GROUP_GET_DEVICE_FD = VFIO_GROUP_GET_DEVICE_FD,
    SYSTOLE_DEVICE_GET_INFO = VFIO_DEVICE_GET_INFO,
    SYSTOLE_DEVICE_GET_REGION_INFO = VFIO_DEVICE_GET_REGION_INFO,
    SYSTOLE_DEVICE_GET_IRQ_INFO = VFIO_DEVICE_GET_IRQ_INFO,
    SYSTOLE_DEVICE_SET_IRQS = VFIO_DEVICE_SET_IRQS,
    SYSTOLE_DEVICE_RESET = VFIO_DEVICE_RESET,
    SYSTOLE_IOMMU_GET_INFO = VFIO_IOMMU_GET_INFO,
    SYSTOLE_IOMMU_MAP_DMA = VFIO_IOMMU_MAP_DMA,
    SYSTOLE_IOMMU_UNMAP_DMA = VFIO_IOMMU_UNMAP_DMA,
};

/*
 * iommufd came with Linux 6.2 and VFIO's device files with 6.6, so headers may lack both while the
 * kernel that runs has them. Layouts and numbers are those of <linux/iommufd.h> and <linux/vfio.h>
 * of Linux 6.12; where this machine's headers have them, those are used.
 */
#if defined(__has_include)
#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>
#define SYSTOLE_HAS_IOMMUFD
#endif
#endif

#ifndef SYSTOLE_HAS_IOMMUFD
struct iommu_destroy {
    __u32 size;
    __u32 id;
};
struct iommu_ioas_alloc {
    __u32 size;
    __u32 flags;
    __u32 out_ioas_id;
};
struct iommu_iova_range {
    __u64 start;
    __u64 last;
};
struct iommu_ioas_iova_ranges {
    __u32 size;
    __u32 ioas_id;
    __u32 num_iovas;
    __u32 __reserved;
    __u64 allowed_iovas;
    __u64 out_iova_alignment;
};
struct iommu_ioas_map {
    __u32 size;
    __u32 flags;
    __u32 ioas_id;
    __u32 __reserved;
    __u64 user_va;
    __u64 length;
    __u64 iova;
};
struct iommu_ioas_unmap {
    __u32 size;
    __u32 ioas_id;
    __u64 iova;
    __u64 length;
};
#define IOMMUFD_TYPE (';')
#define IOMMU_IOAS_ALLOC _IO(IOMMUFD_TYPE, 0x81)
#define IOMMU_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, 0x84)
#define IOMMU_IOAS_MAP _IO(IOMMUFD_TYPE, 0x85)
#define IOMMU_IOAS_UNMAP _IO(IOMMUFD_TYPE, 0x86)
enum iommufd_ioas_map_flags {
    IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
    IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
    IOMMU_IOAS_MAP_READABLE = 1 << 2,
};
#endif

#ifndef VFIO_DEVICE_BIND_IOMMUFD
struct vfio_device_bind_iommufd {
    __u32 argsz;
    __u32 flags;
    __s32 iommufd;
    __u32 out_devid;
};
struct vfio_device_attach_iommufd_pt {
    __u32 argsz;
    __u32 flags;
    __u32 pt_id;
};
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#endif

enum systole_iommufd_ioctl {
    SYSTOLE_IOAS_ALLOC = IOMMU_IOAS_ALLOC,
    SYSTOLE_IOAS_IOVA_RANGES = IOMMU_IOAS_IOVA_RANGES,
    SYSTOLE_IOAS_MAP = IOMMU_IOAS_MAP,
    SYSTOLE_IOAS_UNMAP = IOMMU_IOAS_UNMAP,
    SYSTOLE_DEVICE_BIND_IOMMUFD = VFIO_DEVICE_BIND_IOMMUFD,
    SYSTOLE_DEVICE_ATTACH_IOMMUFD = VFIO_DEVICE_ATTACH_IOMMUFD_PT,
};
