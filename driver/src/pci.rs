//! Configuration space of a PCIe function: who it is, switching it on, finding its MSI-X
//! capability (PCI Local Bus Specification 3.0, section 6; PCI Express Base 4.0, section 7.7.2).
//!
//! ```text
//!  0x00 vendor, device     0x04 command, status     0x08 class       0x34 first capability
//!                               |                                          |
//!                               +- memory space, bus master                v
//!                                               [ id | next | control ... ] -> [ ... ] -> 0
//! ```

use systole_regs::{PCI_CLASS, PCI_DEVICE, PCI_VENDOR};

use crate::vfio::kernel::{
    PCI_CAP_ID_MSIX, PCI_CAP_LIST_ID, PCI_CAP_LIST_NEXT, PCI_CAPABILITY_LIST, PCI_CLASS_REVISION,
    PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY, PCI_DEVICE_ID, PCI_MSIX_FLAGS,
    PCI_MSIX_FLAGS_ENABLE, PCI_MSIX_FLAGS_MASKALL, PCI_MSIX_FLAGS_QSIZE, PCI_STATUS,
    PCI_STATUS_CAP_LIST, PCI_STD_HEADER_SIZEOF, PCI_VENDOR_ID,
};
use crate::{Error, Transport};

/// Most capabilities that fit behind the header in 256 bytes. A list that is longer is a loop.
const CAPABILITIES_MAX: usize = (256 - PCI_STD_HEADER_SIZEOF as usize) / 4;

/// The MSI-X capability of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MsiX {
    /// Offset of the capability in configuration space.
    offset: u16,
    /// Vectors of the table.
    pub vectors: u16,
}

/// Checks vendor, device and class.
///
/// # Errors
/// [`Error::DeviceGone`] if everything reads as ones; [`Error::WrongFunction`].
pub(crate) fn check_identifiers(transport: &dyn Transport) -> Result<(), Error> {
    let vendor = read_u16(transport, PCI_VENDOR_ID)?;
    if vendor == u16::MAX {
        // No vendor has this identifier: it is what a bus answers for nobody.
        return Err(Error::DeviceGone);
    }
    let device = read_u16(transport, PCI_DEVICE_ID)?;
    let mut revision_and_class = [0; 4];
    transport.read_config(narrow(PCI_CLASS_REVISION), &mut revision_and_class)?;
    let class = u32::from_le_bytes(revision_and_class) >> 8;
    if (vendor, device, class) != (PCI_VENDOR, PCI_DEVICE, PCI_CLASS) {
        return Err(Error::WrongFunction {
            vendor,
            device,
            class,
        });
    }
    Ok(())
}

/// Lets the function decode its BARs and, with `bus_master`, start DMA and send interrupts.
///
/// # Errors
/// [`Error::UnsuitableFunction`] if the bits do not stay set.
pub(crate) fn enable(transport: &dyn Transport, bus_master: bool) -> Result<(), Error> {
    let mut bits = PCI_COMMAND_MEMORY;
    if bus_master {
        bits |= PCI_COMMAND_MASTER;
    }
    let bits = narrow(bits);
    let command = read_u16(transport, PCI_COMMAND)?;
    if command & bits != bits {
        transport.write_config(narrow(PCI_COMMAND), &(command | bits).to_le_bytes())?;
    }
    let command = read_u16(transport, PCI_COMMAND)?;
    if command & bits != bits {
        return Err(Error::UnsuitableFunction {
            detail: format!(
                "its command register reads {command:#06x}, {bits:#06x} do not stay set"
            ),
        });
    }
    Ok(())
}

/// Walks the capability list for MSI-X; `None` if the function has none.
///
/// # Errors
/// [`Error::UnsuitableFunction`] if the list leaves its space or has no end.
pub(crate) fn find_msix(transport: &dyn Transport) -> Result<Option<MsiX>, Error> {
    let broken = |offset: u8| Error::UnsuitableFunction {
        detail: format!("its list of capabilities is broken at {offset:#04x}"),
    };
    if u32::from(read_u16(transport, PCI_STATUS)?) & PCI_STATUS_CAP_LIST == 0 {
        return Ok(None);
    }
    let mut next = read_u8(transport, narrow(PCI_CAPABILITY_LIST))?;
    for _ in 0..CAPABILITIES_MAX {
        // The two low bits are reserved.
        let offset = next & !3;
        if offset == 0 {
            return Ok(None);
        }
        if u32::from(offset) < PCI_STD_HEADER_SIZEOF {
            return Err(broken(offset));
        }
        let base = u16::from(offset);
        if u32::from(read_u8(transport, base + narrow(PCI_CAP_LIST_ID))?) == PCI_CAP_ID_MSIX {
            let control = read_u16(transport, u32::from(base) + PCI_MSIX_FLAGS)?;
            return Ok(Some(MsiX {
                offset: base,
                vectors: (control & narrow(PCI_MSIX_FLAGS_QSIZE)) + 1,
            }));
        }
        next = read_u8(transport, base + narrow(PCI_CAP_LIST_NEXT))?;
    }
    Err(broken(next))
}

/// Switches MSI-X on for the function. The kernel's VFIO does so itself and ignores this.
pub(crate) fn enable_msix(transport: &dyn Transport, msix: MsiX) -> Result<(), Error> {
    let offset = u32::from(msix.offset) + PCI_MSIX_FLAGS;
    let control = read_u16(transport, offset)?;
    let control = (control | narrow(PCI_MSIX_FLAGS_ENABLE)) & !narrow(PCI_MSIX_FLAGS_MASKALL);
    transport.write_config(narrow(offset), &control.to_le_bytes())
}

fn read_u8(transport: &dyn Transport, offset: u16) -> Result<u8, Error> {
    let mut data = [0; 1];
    transport.read_config(offset, &mut data)?;
    Ok(data[0])
}

fn read_u16(transport: &dyn Transport, offset: u32) -> Result<u16, Error> {
    let mut data = [0; 2];
    transport.read_config(narrow(offset), &mut data)?;
    Ok(u16::from_le_bytes(data))
}

/// The kernel's constants are 32 bits wide, offsets and values of configuration space 16.
const fn narrow(value: u32) -> u16 {
    debug_assert!(value <= u16::MAX as u32);
    value as u16
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;
    use std::sync::Mutex;

    use super::*;
    use crate::{BarOffset, DmaMemory};

    /// A function of which only configuration space exists.
    struct Config {
        bytes: Mutex<[u8; 256]>,
        writable: bool,
    }

    impl Config {
        fn new(capabilities: &[(u8, &[u8])]) -> Self {
            let mut bytes = [0; 256];
            bytes[0..2].copy_from_slice(&PCI_VENDOR.to_le_bytes());
            bytes[2..4].copy_from_slice(&PCI_DEVICE.to_le_bytes());
            bytes[8..12].copy_from_slice(&(PCI_CLASS << 8 | 5).to_le_bytes());
            if let Some((first, _)) = capabilities.first() {
                bytes[6] = PCI_STATUS_CAP_LIST as u8;
                bytes[0x34] = *first;
            }
            for &(offset, data) in capabilities {
                let start = usize::from(offset);
                bytes[start..start + data.len()].copy_from_slice(data);
            }
            Self {
                bytes: Mutex::new(bytes),
                writable: true,
            }
        }

        fn byte(&self, offset: usize) -> u8 {
            self.bytes.lock().unwrap()[offset]
        }
    }

    impl Transport for Config {
        fn read_config(&self, offset: u16, data: &mut [u8]) -> Result<(), Error> {
            let start = usize::from(offset);
            data.copy_from_slice(&self.bytes.lock().unwrap()[start..start + data.len()]);
            Ok(())
        }

        fn write_config(&self, offset: u16, data: &[u8]) -> Result<(), Error> {
            if self.writable {
                let start = usize::from(offset);
                self.bytes.lock().unwrap()[start..start + data.len()].copy_from_slice(data);
            }
            Ok(())
        }

        fn read_register(&self, _: BarOffset) -> Result<u32, Error> {
            Err(Error::DeviceGone)
        }
        fn write_register(&self, _: BarOffset, _: u32) -> Result<(), Error> {
            Err(Error::DeviceGone)
        }
        fn map_dma(&self, _: usize) -> Result<DmaMemory, Error> {
            Err(Error::DeviceGone)
        }
        fn unmap_dma(&self, _: &DmaMemory) -> Result<(), Error> {
            Err(Error::DeviceGone)
        }
        fn set_interrupt(&self, _: u16, _: BorrowedFd<'_>) -> Result<(), Error> {
            Err(Error::DeviceGone)
        }
        fn reset(&self) -> Result<(), Error> {
            Err(Error::DeviceGone)
        }
        fn probe(&self) -> Result<(), Error> {
            Err(Error::DeviceGone)
        }
    }

    #[test]
    fn msix_is_found_behind_other_capabilities() {
        // Power management, PCI Express, then MSI-X with a table of 32.
        let config = Config::new(&[
            (0x40, &[0x01, 0x50]),
            (0x50, &[0x10, 0x93]),
            (0x90, &[0x11, 0x00, 31, 0x40]),
        ]);
        let msix = find_msix(&config).unwrap().unwrap();
        assert_eq!(
            msix,
            MsiX {
                offset: 0x90,
                vectors: 32
            }
        );
        enable_msix(&config, msix).unwrap();
        assert_eq!(config.byte(0x93), 0x80, "enabled and no longer masked");
    }

    #[test]
    fn a_function_without_msix_has_none() {
        assert_eq!(find_msix(&Config::new(&[])).unwrap(), None);
        assert_eq!(
            find_msix(&Config::new(&[(0x40, &[0x01, 0])])).unwrap(),
            None
        );
    }

    #[test]
    fn a_list_that_loops_or_leaves_its_space_is_refused() {
        for capability in [[0x01, 0x40], [0x01, 0x10]] {
            let error = find_msix(&Config::new(&[(0x40, &capability)])).unwrap_err();
            assert!(error.to_string().contains("capabilities"), "{error}");
        }
    }

    #[test]
    fn other_functions_are_named() {
        check_identifiers(&Config::new(&[])).unwrap();
        let config = Config::new(&[]);
        config.bytes.lock().unwrap()[2] = 0;
        let error = check_identifiers(&config).unwrap_err().to_string();
        assert!(
            error.contains("1209:5300") && error.contains("1209:5357"),
            "{error}"
        );
        config.bytes.lock().unwrap().fill(0xff);
        assert!(matches!(check_identifiers(&config), Err(Error::DeviceGone)));
    }

    #[test]
    fn command_bits_are_set_and_the_others_kept() {
        let mut config = Config::new(&[]);
        config.bytes.lock().unwrap()[5] = 0x04;
        enable(&config, false).unwrap();
        assert_eq!((config.byte(4), config.byte(5)), (0x02, 0x04));
        enable(&config, true).unwrap();
        assert_eq!((config.byte(4), config.byte(5)), (0x06, 0x04));
        config.writable = false;
        config.bytes.lock().unwrap()[4] = 0;
        let error = enable(&config, true).unwrap_err();
        assert!(matches!(error, Error::UnsuitableFunction { .. }), "{error}");
    }
}
