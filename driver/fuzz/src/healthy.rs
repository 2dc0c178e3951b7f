//! A device without faults, which both targets begin with: a fuzzer would not guess fifteen registers
//! that agree with each other.

use std::collections::BTreeMap;

use systole_regs::configuration::TINY;
use systole_regs::{PCI_CLASS, PCI_DEVICE, PCI_VENDOR};

/// Bytes of configuration space that capabilities of PCI can be in.
pub(crate) const CONFIG_BYTES: usize = 256;

/// Command register: what the function may do.
pub(crate) const COMMAND: usize = 0x04;

/// The function answers accesses to its memory.
pub(crate) const COMMAND_MEMORY: u16 = 1 << 1;

/// The function may start transfers.
pub(crate) const COMMAND_MASTER: u16 = 1 << 2;

/// Status register, and its bit that there are capabilities.
const STATUS: usize = 0x06;
const STATUS_CAPABILITIES: u16 = 1 << 4;

/// Revision and class.
const CLASS: usize = 0x08;

/// Where the first capability is.
pub(crate) const CAPABILITY_LIST: usize = 0x34;

/// Id of MSI-X among capabilities.
pub(crate) const MSIX: u8 = 0x11;

/// Configuration space of an accelerator with power management, PCI Express and MSI-X.
pub(crate) fn configuration_space() -> [u8; CONFIG_BYTES] {
    let mut bytes = [0; CONFIG_BYTES];
    let mut put = |offset: usize, data: &[u8]| {
        bytes[offset..offset + data.len()].copy_from_slice(data);
    };
    put(0, &PCI_VENDOR.to_le_bytes());
    put(2, &PCI_DEVICE.to_le_bytes());
    put(STATUS, &STATUS_CAPABILITIES.to_le_bytes());
    put(CLASS, &(PCI_CLASS << 8).to_le_bytes());
    put(CAPABILITY_LIST, &[0x40]);
    put(0x40, &[0x01, 0x50]);
    put(0x50, &[0x10, 0x90]);
    put(0x90, &[MSIX, 0x00, 31, 0x00]);
    bytes
}

/// Registers of the smallest configuration; those that are not here read as zero.
pub(crate) fn registers() -> BTreeMap<u32, u32> {
    BTreeMap::from(TINY.identification())
}
