//! Opening a PCI function that is bound to vfio-pci, by the way that this kernel has.
//!
//! ```text
//!  since Linux 6.6   /dev/vfio/devices/vfioN -- BIND --> /dev/iommu -- IOAS_ALLOC, ATTACH
//!  before            /dev/vfio/GROUP -- SET_CONTAINER --> /dev/vfio/vfio -- SET_IOMMU (type1v2)
//!                          '-- GET_DEVICE_FD
//! ```
//!
//! Either way only one process has the function, and the kernel disables and resets it when that
//! process ends, however it does.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::address_space::AddressSpace;
use super::ioctl;
use super::kernel::*;
use crate::function::PciFunction;
use crate::{Error, PciAddress};

/// Where the kernel's device files are.
const DEVICES: &str = "/dev";

/// The name of the driver that hands functions to user space.
pub(crate) const DRIVER: &str = "vfio-pci";

/// An open function and its bus addresses.
#[derive(Debug)]
pub(super) struct Opened {
    /// The function.
    pub device: OwnedFd,
    /// Its bus addresses.
    pub space: AddressSpace,
}

/// Opens a function.
///
/// # Errors
/// [`Error::NoFunction`], [`Error::NotBound`], [`Error::NoIommu`], [`Error::NoVfio`],
/// [`Error::NotPermitted`], [`Error::FunctionInUse`], [`Error::GroupNotViable`], [`Error::System`].
pub(super) fn open(address: PciAddress) -> Result<Opened, Error> {
    let function = PciFunction::find(address)?;
    if function.driver.as_deref() != Some(DRIVER) {
        return Err(Error::NotBound {
            address,
            driver: function.driver,
        });
    }
    let devices = Path::new(DEVICES);
    let (folder, iommufd) = (devices.join("vfio"), devices.join("iommu"));
    match function.device_file(&folder.join("devices")) {
        Some(file) if iommufd.exists() => match by_iommufd(address, &file, &iommufd) {
            // A service may have been given the group's file alone; not every kernel has one.
            Err(Error::NotPermitted { .. }) if function.group_file(&folder).is_some() => {
                tracing::debug!(file = %file.display(), "not permitted; trying the group's file");
                by_group(address, &function, &folder)
            }
            result => result,
        },
        _ => by_group(address, &function, &folder),
    }
}

/// Opens the function's own file.
fn by_iommufd(address: PciAddress, file: &Path, iommufd: &Path) -> Result<Opened, Error> {
    let device = open_file(address, file)?;
    let iommufd = open_file(address, iommufd)?;
    ioctl::bind_iommufd(device.as_fd(), iommufd.as_fd()).map_err(|errno| match errno {
        // Opened by another process, through its own file or its group's.
        Errno::EINVAL | Errno::EBUSY => Error::FunctionInUse { address },
        errno => Error::system("binding the function to iommufd")(errno),
    })?;
    let space = ioctl::allocate_space(iommufd.as_fd())
        .map_err(Error::system("making an address space of the IOMMU"))?;
    ioctl::attach_iommufd(device.as_fd(), space).map_err(Error::system(
        "attaching the function to an address space of the IOMMU",
    ))?;
    tracing::debug!(%address, file = %file.display(), "opened by iommufd");
    Ok(Opened {
        device: device.into(),
        space: AddressSpace::Iommufd {
            file: iommufd.into(),
            space,
        },
    })
}

/// Opens the function by its IOMMU group.
fn by_group(address: PciAddress, function: &PciFunction, folder: &Path) -> Result<Opened, Error> {
    let group_number = function.iommu_group.ok_or(Error::NoIommu { address })?;
    let container = open_file(address, &folder.join("vfio"))?;
    let group = open_file(address, &folder.join(group_number.to_string()))?;
    let (container_fd, group_fd) = (container.as_fd(), group.as_fd());
    let version =
        ioctl::api_version(container_fd).map_err(Error::system("asking VFIO for its version"))?;
    let has_type1 = ioctl::has_extension(container_fd, VFIO_TYPE1v2_IOMMU)
        .map_err(Error::system("asking VFIO for its kinds of IOMMU"))?;
    if version != VFIO_API_VERSION as i32 || !has_type1 {
        return Err(Error::Kernel {
            detail: format!("VFIO has version {version}, type1v2 IOMMU: {has_type1}"),
        });
    }
    let flags = ioctl::group_flags(group_fd)
        .map_err(Error::system("asking for the state of an IOMMU group"))?;
    if flags & VFIO_GROUP_FLAGS_VIABLE == 0 {
        return Err(Error::GroupNotViable {
            address,
            group: group_number,
        });
    }
    ioctl::set_container(group_fd, container_fd)
        .map_err(Error::system("putting an IOMMU group into a container"))?;
    ioctl::set_iommu(container_fd, VFIO_TYPE1v2_IOMMU)
        .map_err(Error::system("choosing the type1v2 IOMMU"))?;
    let name = CString::new(address.to_string()).map_err(|_| Error::NoFunction { address })?;
    let device = ioctl::device_file(group_fd, &name).map_err(|errno| match errno {
        Errno::ENODEV => Error::NoFunction { address },
        errno => Error::system("opening the function through its IOMMU group")(errno),
    })?;
    tracing::debug!(%address, group = group_number, "opened by its IOMMU group");
    // The function keeps its group open.
    Ok(Opened {
        device,
        space: AddressSpace::Container(container.into()),
    })
}

/// Opens one of the kernel's device files for this process.
fn open_file(address: PciAddress, path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NoVfio {
            path: path.to_owned(),
        },
        io::ErrorKind::PermissionDenied => Error::NotPermitted {
            path: path.to_owned(),
        },
        // A group's file opens once.
        io::ErrorKind::ResourceBusy => Error::FunctionInUse { address },
        _ => Error::System {
            operation: "opening a device file of VFIO",
            source,
        },
    })
}

impl PciFunction {
    /// The function's own device file in `folder`, if the kernel has made one (Linux 6.6).
    fn device_file(&self, folder: &Path) -> Option<PathBuf> {
        let mut entries = fs::read_dir(self.path.join("vfio-dev")).ok()?;
        let name = entries.next()?.ok()?.file_name();
        let path = folder.join(name);
        path.exists().then_some(path)
    }

    /// The file of the function's IOMMU group in `folder`, if the kernel has made one.
    fn group_file(&self, folder: &Path) -> Option<PathBuf> {
        let path = folder.join(self.iommu_group?.to_string());
        path.exists().then_some(path)
    }
}
