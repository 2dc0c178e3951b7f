//! Configuration space of a device behind a serial link: there is no PCIe there, so it is kept
//! here, as a function's would be. What the device really is, its registers say.
//!
//! ```text
//!  0x00 vendor, device   0x04 command, status   0x08 class   0x34 -> 0x40 MSI-X
//! ```

use systole_regs::{PCI_CLASS, PCI_DEVICE, PCI_VENDOR};

use crate::vfio::kernel::{
    PCI_CAP_ID_MSIX, PCI_CAPABILITY_LIST, PCI_CLASS_REVISION, PCI_COMMAND, PCI_COMMAND_MASTER,
    PCI_COMMAND_MEMORY, PCI_DEVICE_ID, PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE,
    PCI_MSIX_FLAGS_MASKALL, PCI_STATUS, PCI_STATUS_CAP_LIST, PCI_VENDOR_ID,
};

/// Bytes of configuration space.
pub(super) const CONFIG_BYTES: usize = 256;

/// Vectors that the device may signal.
pub(super) const VECTORS: u16 = 32;

/// Where the MSI-X capability is.
const MSIX: usize = 0x40;

/// Configuration space.
#[derive(Debug)]
pub(super) struct Config {
    bytes: [u8; CONFIG_BYTES],
}

impl Config {
    /// As after power-on.
    pub fn new() -> Self {
        let mut bytes = [0; CONFIG_BYTES];
        let mut put = |offset: u32, data: &[u8]| {
            let start = offset as usize;
            bytes[start..start + data.len()].copy_from_slice(data);
        };
        put(PCI_VENDOR_ID, &PCI_VENDOR.to_le_bytes());
        put(PCI_DEVICE_ID, &PCI_DEVICE.to_le_bytes());
        put(PCI_STATUS, &(PCI_STATUS_CAP_LIST as u16).to_le_bytes());
        put(PCI_CLASS_REVISION, &(PCI_CLASS << 8).to_le_bytes());
        put(PCI_CAPABILITY_LIST, &[MSIX as u8]);
        put(MSIX as u32, &[PCI_CAP_ID_MSIX as u8, 0]);
        put(MSIX as u32 + PCI_MSIX_FLAGS, &(VECTORS - 1).to_le_bytes());
        Self { bytes }
    }

    /// Whether the function may use the bus.
    pub fn bus_master(&self) -> bool {
        u32::from(self.bytes[PCI_COMMAND as usize]) & PCI_COMMAND_MASTER != 0
    }

    /// Copies bytes out; false if there are not as many.
    pub fn read(&self, offset: u16, data: &mut [u8]) -> bool {
        let start = usize::from(offset);
        match self.bytes.get(start..start + data.len()) {
            Some(bytes) => {
                data.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    /// Changes what can be changed; false if there are not as many bytes.
    pub fn write(&mut self, offset: u16, data: &[u8]) -> bool {
        let start = usize::from(offset);
        if start + data.len() > CONFIG_BYTES {
            return false;
        }
        let command = (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER) as u8;
        let msix = ((PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8) as u8;
        let writable = [
            (PCI_COMMAND as usize, command),
            (MSIX + PCI_MSIX_FLAGS as usize + 1, msix),
        ];
        for (at, mask) in writable {
            if let Some(value) = at.checked_sub(start).and_then(|index| data.get(index)) {
                self.bytes[at] = self.bytes[at] & !mask | value & mask;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_command_and_msix_can_be_changed() {
        let mut config = Config::new();
        for offset in (0..CONFIG_BYTES as u16).step_by(4) {
            assert!(config.write(offset, &[0xff; 4]));
        }
        assert!(config.bus_master());
        let fresh = Config::new();
        let changed: Vec<_> = (0..CONFIG_BYTES)
            .filter(|&at| fresh.bytes[at] != config.bytes[at])
            .collect();
        assert_eq!(changed, [4, MSIX + 3]);
    }

    #[test]
    fn accesses_beyond_it_are_refused() {
        let mut config = Config::new();
        assert!(!config.read(0xfe, &mut [0; 4]));
        assert!(!config.write(0xfe, &[0; 4]));
    }
}
