//! What the kernel's VFIO and vfio-user share: numbers of regions and interrupts, flags and
//! structures, as bindgen reads them from `<linux/vfio.h>` and `<linux/pci_regs.h>`.
//!
//! ```text
//!  <linux/vfio.h>      --+
//!                        +-- bindgen (build.rs) --> kernel --> vfio_user, pci
//!  <linux/pci_regs.h>  --+                                     (and a kernel transport)
//! ```
//!
//! bindgen sees no macros that compute, so ioctl numbers are not among them; only a transport
//! over the kernel needs those.

/// The bindings. Names are the kernel's.
#[allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
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
