//! PCI functions of this machine, as the kernel describes them in sysfs.
//!
//! ```text
//!  /sys/bus/pci/devices/0000:01:00.0/{vendor,device,numa_node,current_link_speed,...}
//!                                   /driver       -> ../../bus/pci/drivers/vfio-pci
//!                                   /iommu_group  -> ../../kernel/iommu_groups/17
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use systole_regs::{PCI_DEVICE, PCI_VENDOR};

use crate::Error;

/// Where the kernel lists PCI functions.
pub(crate) const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// Where a PCI function is: domain, bus, device and function, as in `0000:01:00.0`. The domain may be
/// left out when it is 0.
///
/// ```
/// use systole_driver::PciAddress;
///
/// let address: PciAddress = "01:00.0".parse()?;
/// assert_eq!(address.to_string(), "0000:01:00.0");
/// # Ok::<(), systole_driver::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl PciAddress {
    /// Reads the text; `None` if it is no such address.
    fn read(text: &str) -> Option<Self> {
        // from_str_radix would take a sign.
        let hex = |text: &str, digits: std::ops::RangeInclusive<usize>| {
            let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_hex && digits.contains(&text.len())).then(|| u32::from_str_radix(text, 16).ok())?
        };
        let (place, function) = text.rsplit_once('.')?;
        let mut parts = place.rsplit(':');
        let device = hex(parts.next()?, 1..=2)?;
        let bus = hex(parts.next()?, 1..=2)?;
        let domain = parts.next().map_or(Some(0), |text| hex(text, 1..=8))?;
        let function = hex(function, 1..=1)?;
        if parts.next().is_some() || device > 31 || function > 7 {
            return None;
        }
        Some(Self {
            domain,
            bus: bus as u8,
            device: device as u8,
            function: function as u8,
        })
    }
}

impl FromStr for PciAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| Error::InvalidAddress {
            address: text.to_owned(),
            reason: "a PCI function is written as in 0000:01:00.0",
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

/// A PCI function of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PciFunction {
    /// Where it is.
    pub address: PciAddress,
    /// Vendor and device identifiers.
    pub identifiers: (u16, u16),
    /// Name of the kernel driver that is bound to it, if one is.
    pub driver: Option<String>,
    /// Number of its IOMMU group, if the machine has an IOMMU.
    pub iommu_group: Option<u32>,
    /// Number of the NUMA node that it is connected to, if the machine says so.
    pub numa_node: Option<u32>,
    /// Speed and width of its link as the kernel writes them, if it has one: `8.0 GT/s PCIe x4`.
    pub link: Option<String>,
    /// Its folder in sysfs.
    pub(crate) path: PathBuf,
}

impl PciFunction {
    /// Looks a function up in sysfs.
    ///
    /// # Errors
    /// [`Error::NoFunction`].
    pub fn find(address: PciAddress) -> Result<Self, Error> {
        Self::find_in(Path::new(PCI_DEVICES), address)
    }

    /// As [`find`](Self::find), in another folder than the kernel's.
    pub(crate) fn find_in(root: &Path, address: PciAddress) -> Result<Self, Error> {
        Self::describe(&root.join(address.to_string())).ok_or(Error::NoFunction { address })
    }

    /// The function whose folder this is; `None` if it is none, or has gone meanwhile.
    pub(crate) fn describe(path: &Path) -> Option<Self> {
        let address = PciAddress::read(path.file_name()?.to_str()?)?;
        let text = |name| fs::read_to_string(path.join(name)).ok();
        let identifier = |name| {
            let text = text(name)?;
            u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
        };
        // Links to where the driver and the group are described.
        let target = |link| {
            let target = fs::read_link(path.join(link)).ok()?;
            target
                .file_name()
                .map(OsStr::to_string_lossy)
                .map(String::from)
        };
        let link = || {
            let (speed, width) = (text("current_link_speed")?, text("current_link_width")?);
            // A function of a virtual machine may have a link of no width.
            (width.trim() != "0").then(|| format!("{} x{}", speed.trim(), width.trim()))
        };
        Some(Self {
            address,
            identifiers: (identifier("vendor")?, identifier("device")?),
            driver: target("driver"),
            iommu_group: target("iommu_group").and_then(|group| group.parse().ok()),
            // -1 where there is only one node.
            numa_node: text("numa_node").and_then(|node| node.trim().parse().ok()),
            link: link(),
            path: path.to_owned(),
        })
    }

    /// Whether it has the identifiers of a Systole accelerator.
    pub fn is_accelerator(&self) -> bool {
        self.identifiers == (PCI_VENDOR, PCI_DEVICE)
    }

    /// The other functions in its IOMMU group, which the IOMMU cannot tell from it.
    ///
    /// # Errors
    /// [`Error::System`].
    pub(crate) fn neighbours(&self) -> Result<Vec<PciFunction>, Error> {
        let folder = self.path.join("iommu_group/devices");
        let entries = fs::read_dir(folder).map_err(|source| Error::System {
            operation: "listing an IOMMU group",
            source,
        })?;
        let root = self.path.parent().unwrap_or(Path::new(PCI_DEVICES));
        Ok(entries
            .filter_map(|entry| Self::describe(&root.join(entry.ok()?.file_name())))
            .filter(|function| function.address != self.address)
            .collect())
    }
}

impl fmt::Display for PciFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vfio:{} (", self.address)?;
        match &self.driver {
            Some(driver) => write!(f, "driver {driver}, ")?,
            None => f.write_str("no driver, ")?,
        }
        match self.iommu_group {
            Some(group) => write!(f, "IOMMU group {group}")?,
            None => f.write_str("no IOMMU")?,
        }
        if let Some(node) = self.numa_node {
            write!(f, ", NUMA node {node}")?;
        }
        if let Some(link) = &self.link {
            write!(f, ", {link}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_one_canonical_text() {
        for (text, canonical) in [
            ("0000:01:00.0", "0000:01:00.0"),
            ("1:1f.7", "0000:01:1f.7"),
            ("10000:ff:00.0", "10000:ff:00.0"),
            ("aB:0C.1", "0000:ab:0c.1"),
        ] {
            let address: PciAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ".",
            "01:00",
            "01:20.0",
            "01:00.8",
            "0:0:0:0.0",
            "+1:00.0",
            "001:00.0",
            "01:00.00",
            ":00.0",
            "01:.0",
            "01:00.",
            "g1:00.0",
        ] {
            let error = text.parse::<PciAddress>().unwrap_err().to_string();
            assert!(error.contains("0000:01:00.0"), "{text}: {error}");
        }
    }

    #[test]
    fn a_function_is_described_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("0000:02:00.0");
        fs::create_dir(&path).unwrap();
        for (name, text) in [
            ("vendor", "0x1209\n"),
            ("device", "0x5357\n"),
            ("numa_node", "1\n"),
            ("current_link_speed", "8.0 GT/s PCIe\n"),
            ("current_link_width", "4\n"),
        ] {
            fs::write(path.join(name), text).unwrap();
        }
        symlink("../../../bus/pci/drivers/vfio-pci", path.join("driver")).unwrap();
        symlink("../../../kernel/iommu_groups/17", path.join("iommu_group")).unwrap();
        let address = "02:00.0".parse().unwrap();
        let function = PciFunction::find_in(root.path(), address).unwrap();
        assert!(function.is_accelerator());
        assert_eq!(
            function.to_string(),
            "vfio:0000:02:00.0 (driver vfio-pci, IOMMU group 17, NUMA node 1, 8.0 GT/s PCIe x4)"
        );
        fs::write(path.join("numa_node"), "-1\n").unwrap();
        fs::write(path.join("current_link_width"), "0\n").unwrap();
        let function = PciFunction::find_in(root.path(), address).unwrap();
        assert_eq!((function.numa_node, function.link), (None, None));
        let error = PciFunction::find_in(root.path(), "03:00.0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, Error::NoFunction { .. }), "{error}");
    }

    #[test]
    fn the_udev_rule_names_the_accelerator() {
        let rules = include_str!("../udev/60-systole.rules");
        let identifiers =
            format!(r#"ATTR{{vendor}}=="{PCI_VENDOR:#06x}", ATTR{{device}}=="{PCI_DEVICE:#06x}""#);
        assert!(rules.contains(&identifiers), "{identifiers}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = text.parse::<PciAddress>();
        }

        #[test]
        fn every_address_survives_its_text(domain: u32, bus: u8, device in 0u8..32, function in 0u8..8) {
            let address = PciAddress { domain, bus, device, function };
            prop_assert_eq!(address.to_string().parse::<PciAddress>().unwrap(), address);
        }
    }
}
