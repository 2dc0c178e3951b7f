//! The kernel's VFIO: a function of this machine in the hands of this process, behind an IOMMU that
//! lets it reach this process's buffers and nothing else.
//!
//! ```text
//!  transport        registers, configuration, DMA memory, interrupts, reset
//!    |-- open            which device files, and in which order
//!    |-- address_space   mappings in the IOMMU: a container's, or an iommufd's
//!    |-- region          what may be mapped of a BAR (vfio-user has the same)
//!    '-- ioctl           the calls, each safe
//!          '-- kernel    numbers and structures, as bindgen reads them from the kernel's headers
//! ```

mod address_space;
mod ioctl;
mod open;
pub(crate) mod region;
mod transport;

pub(crate) use self::open::DRIVER;
pub use self::transport::Vfio;

/// The bindings. Names are the kernel's.
#[allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    clippy::all
)]
pub(crate) mod kernel {
    include!(concat!(env!("OUT_DIR"), "/kernel.rs"));
}

#[cfg(test)]
mod tests {
    use super::kernel::*;

    // Fixed for ever by the kernel's ABI and the vfio-user specification: a wrong header or a
    // wrong allow-list shows here rather than as a strange reply.
    #[test]
    fn the_bindings_have_the_numbers_of_the_specification() {
        assert_eq!(VFIO_PCI_BAR0_REGION_INDEX, 0);
        assert_eq!(VFIO_PCI_CONFIG_REGION_INDEX, 7);
        assert_eq!(VFIO_PCI_MSIX_IRQ_INDEX, 2);
        assert_eq!(VFIO_DEVICE_FLAGS_PCI, 2);
        assert_eq!(size_of::<vfio_region_info>(), 32);
        assert_eq!(size_of::<vfio_irq_info>(), 16);
        assert_eq!(PCI_CLASS_REVISION, 8);
        assert_eq!(PCI_MSIX_FLAGS_QSIZE, 0x7ff);
    }
}
