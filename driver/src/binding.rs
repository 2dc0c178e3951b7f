//! Binding a PCI function to vfio-pci and back, by what the kernel offers in sysfs.
//!
//! ```text
//!  bind     driver_override = vfio-pci,  driver/unbind = ADDRESS,  drivers_probe = ADDRESS
//!  unbind   driver_override = (empty),   driver/unbind = ADDRESS,  drivers_probe = ADDRESS
//! ```
//!
//! Source: `Documentation/ABI/testing/sysfs-bus-pci` of Linux. First everything is looked at and
//! written down, then it is done, so that a caller can show the steps and a step that cannot be
//! taken is known before the first one.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::function::{PCI_DEVICES, PciFunction};
use crate::vfio::DRIVER;
use crate::{Error, PciAddress};

/// Something to write to a file of sysfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    path: PathBuf,
    text: String,
}

impl Step {
    /// Writes it.
    ///
    /// # Errors
    /// [`Error::NotPermitted`]; [`Error::Rebind`] with what the kernel says.
    pub fn carry_out(&self) -> Result<(), Error> {
        let file = OpenOptions::new().write(true).open(&self.path);
        // One write: sysfs takes each as a whole.
        let written = file.and_then(|mut file| file.write_all(self.text.as_bytes()));
        written.map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => Error::NotPermitted {
                path: self.path.clone(),
            },
            _ => Error::Rebind {
                path: self.path.clone(),
                source,
            },
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write {:?} to {}", self.text, self.path.display())
    }
}

/// What it takes to hand a function to user space; nothing if vfio-pci has it.
///
/// # Errors
/// [`Error::NoFunction`]; [`Error::WrongFunction`] for what is no accelerator: another device's driver
/// is not taken away; [`Error::NoIommu`]; [`Error::NoVfio`] if vfio-pci is not loaded;
/// [`Error::GroupNotViable`] if another driver has a function of the same IOMMU group.
pub fn bind(address: PciAddress) -> Result<Vec<Step>, Error> {
    bind_in(Path::new(PCI_DEVICES), address)
}

/// What it takes to give a function back to the driver that the kernel chooses for it; nothing if
/// vfio-pci does not have it.
///
/// # Errors
/// [`Error::NoFunction`].
pub fn unbind(address: PciAddress) -> Result<Vec<Step>, Error> {
    unbind_in(Path::new(PCI_DEVICES), address)
}

fn bind_in(root: &Path, address: PciAddress) -> Result<Vec<Step>, Error> {
    let function = PciFunction::find_in(root, address)?;
    if !function.is_accelerator() {
        let (vendor, device) = function.identifiers;
        return Err(Error::NoAccelerator {
            address,
            vendor,
            device,
        });
    }
    if function.driver.as_deref() == Some(DRIVER) {
        return Ok(Vec::new());
    }
    let group = function.iommu_group.ok_or(Error::NoIommu { address })?;
    let drivers = bus(root).join("drivers").join(DRIVER);
    if !drivers.exists() {
        return Err(Error::NoVfio { path: drivers });
    }
    // The kernel minds neighbours with drivers of their own; those with none, or bridges, it allows.
    let is_taken = |neighbour: &PciFunction| {
        let drivers = [DRIVER, "pcieport", "pci-stub"];
        neighbour
            .driver
            .as_deref()
            .is_some_and(|driver| !drivers.contains(&driver))
    };
    if function.neighbours()?.iter().any(is_taken) {
        return Err(Error::GroupNotViable { address, group });
    }
    Ok(steps(root, &function, DRIVER))
}

fn unbind_in(root: &Path, address: PciAddress) -> Result<Vec<Step>, Error> {
    let function = PciFunction::find_in(root, address)?;
    if function.driver.as_deref() != Some(DRIVER) {
        return Ok(Vec::new());
    }
    Ok(steps(root, &function, ""))
}

/// Lets `driver` have the function, or whichever the kernel finds if it is empty.
fn steps(root: &Path, function: &PciFunction, driver: &str) -> Vec<Step> {
    let address = function.address.to_string();
    let write = |path: PathBuf, text: String| Step { path, text };
    let mut steps = vec![write(
        function.path.join("driver_override"),
        format!("{driver}\n"),
    )];
    if function.driver.is_some() {
        steps.push(write(function.path.join("driver/unbind"), address.clone()));
    }
    steps.push(write(bus(root).join("drivers_probe"), address));
    steps
}

/// The folder of the PCI bus, in which `root` lists the functions.
fn bus(root: &Path) -> &Path {
    root.parent().unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A bus with vfio-pci and a function in group 17.
    fn machine(device: &str, driver: Option<&str>) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let bus = tempfile::tempdir().unwrap();
        let root = bus.path().join("devices");
        let path = root.join("0000:01:00.0");
        let group = bus.path().join("groups/17/devices");
        for folder in [&path, &group, &bus.path().join("drivers/vfio-pci")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(path.join("vendor"), "0x1209\n").unwrap();
        fs::write(path.join("device"), device).unwrap();
        symlink(bus.path().join("groups/17"), path.join("iommu_group")).unwrap();
        fs::create_dir(group.join("0000:01:00.0")).unwrap();
        if let Some(driver) = driver {
            symlink(bus.path().join("drivers").join(driver), path.join("driver")).unwrap();
        }
        (bus, root, path)
    }

    fn address() -> PciAddress {
        "01:00.0".parse().unwrap()
    }

    fn texts(steps: &[Step], bus: &Path) -> Vec<String> {
        let place = format!("{}/", bus.display());
        let text = |step: &Step| step.to_string().replace(&place, "");
        steps.iter().map(text).collect()
    }

    #[test]
    fn a_function_goes_to_vfio_and_back_in_three_writes() {
        let (bus, root, path) = machine("0x5357\n", Some("other"));
        let steps = bind_in(&root, address()).unwrap();
        assert_eq!(
            texts(&steps, bus.path()),
            [
                r#"write "vfio-pci\n" to devices/0000:01:00.0/driver_override"#,
                r#"write "0000:01:00.0" to devices/0000:01:00.0/driver/unbind"#,
                r#"write "0000:01:00.0" to drivers_probe"#,
            ]
        );
        assert!(unbind_in(&root, address()).unwrap().is_empty());
        fs::remove_file(path.join("driver")).unwrap();
        assert_eq!(bind_in(&root, address()).unwrap().len(), 2);
        symlink(bus.path().join("drivers/vfio-pci"), path.join("driver")).unwrap();
        assert!(bind_in(&root, address()).unwrap().is_empty());
        let steps = unbind_in(&root, address()).unwrap();
        assert!(texts(&steps, bus.path())[0].starts_with(r#"write "\n" to"#));
    }

    #[test]
    fn what_cannot_work_is_said_before_anything_is_written() {
        let (_bus, root, _) = machine("0x0001\n", None);
        let error = bind_in(&root, address()).unwrap_err().to_string();
        assert!(error.contains("1209:0001"), "{error}");

        let (bus, root, path) = machine("0x5357\n", None);
        fs::remove_dir(bus.path().join("drivers/vfio-pci")).unwrap();
        let error = bind_in(&root, address()).unwrap_err().to_string();
        assert!(error.contains("modprobe vfio-pci"), "{error}");
        fs::remove_file(path.join("iommu_group")).unwrap();
        let error = bind_in(&root, address()).unwrap_err().to_string();
        assert!(error.contains("IOMMU"), "{error}");

        let (bus, root, path) = machine("0x5357\n", None);
        let neighbour = root.join("0000:01:00.1");
        fs::create_dir(&neighbour).unwrap();
        fs::write(neighbour.join("vendor"), "0x8086\n").unwrap();
        fs::write(neighbour.join("device"), "0x0001\n").unwrap();
        fs::create_dir(path.join("iommu_group/devices/0000:01:00.1")).unwrap();
        bind_in(&root, address()).unwrap();
        symlink(bus.path().join("drivers/other"), neighbour.join("driver")).unwrap();
        let error = bind_in(&root, address()).unwrap_err();
        assert!(
            matches!(error, Error::GroupNotViable { group: 17, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_step_that_fails_names_its_file() {
        let step = Step {
            path: "/nowhere/driver_override".into(),
            text: String::new(),
        };
        let error = step.carry_out().unwrap_err().to_string();
        assert!(error.contains("/nowhere/driver_override"), "{error}");
    }
}
