//! What devices there are to open.
//!
//! ```text
//!  /sys/bus/pci/devices/*  functions with an accelerator's identifiers
//!  /dev/serial/by-id/*  serial ports of USB adapters, each perhaps a board
//!  DIRECTORY/*  sockets, each perhaps a device process
//! ```
//!
//! Nothing is opened on the way: a device process serves one client at a time, and a connection
//! only to see whether it is one could take the place of a real client.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::function::PCI_DEVICES;
use crate::{Address, DEFAULT_BAUD, Error, PciFunction};

/// Where the kernel's device manager lists the serial ports of USB adapters, by names that stay.
const SERIAL_PORTS: &str = "/dev/serial/by-id";

/// Something that may be opened as a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Candidate {
    /// A UNIX socket, which [`Device::open`](crate::Device::open) takes as it is. Whether a
    /// device process serves it, opening it will tell.
    Socket(Address),
    /// A serial port, which [`Device::open`](crate::Device::open) takes as it is, at the default
    /// baud rate. Whether a board is behind it, opening it will tell.
    SerialPort(Address),
    /// A PCI function with a Systole accelerator's identifiers.
    PciFunction(PciFunction),
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Candidate::Socket(address) | Candidate::SerialPort(address) => address.fmt(f),
            Candidate::PciFunction(function) => function.fmt(f),
        }
    }
}

/// Lists the accelerators among this machine's PCI functions, then its USB serial ports, then the
/// sockets in `directories`, each in order of name. A directory that does not exist holds none.
///
/// # Errors
/// [`Error::System`] if a directory exists and cannot be read.
pub fn devices<P: AsRef<Path>>(directories: &[P]) -> Result<Vec<Candidate>, Error> {
    let functions = pci_functions(Path::new(PCI_DEVICES))?;
    let mut candidates: Vec<_> = functions.into_iter().map(Candidate::PciFunction).collect();
    candidates.extend(serial_ports(Path::new(SERIAL_PORTS))?);
    for directory in directories {
        candidates.extend(sockets(directory.as_ref())?);
    }
    Ok(candidates)
}

fn serial_ports(directory: &Path) -> Result<Vec<Candidate>, Error> {
    let is_port = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device())
    };
    let paths = entries(directory)?.into_iter().filter(is_port);
    let address = |path| Address::Serial {
        path,
        baud: DEFAULT_BAUD,
    };
    Ok(paths
        .map(|path| Candidate::SerialPort(address(path)))
        .collect())
}

fn sockets(directory: &Path) -> Result<Vec<Candidate>, Error> {
    let is_socket =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let paths = entries(directory)?.into_iter().filter(is_socket);
    Ok(paths
        .map(|path| Candidate::Socket(Address::VfioUser(path)))
        .collect())
}

fn pci_functions(root: &Path) -> Result<Vec<PciFunction>, Error> {
    let functions = entries(root)?.into_iter();
    Ok(functions
        .filter_map(|path| PciFunction::describe(&path))
        .filter(PciFunction::is_accelerator)
        .collect())
}

/// Paths in a directory, sorted; none if it does not exist.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::System {
        operation: "listing a directory for devices",
        source,
    };
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = listing
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn function(root: &Path, address: &str, vendor: &str, device: &str) -> PathBuf {
        let path = root.join(address);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("vendor"), vendor).unwrap();
        fs::write(path.join("device"), device).unwrap();
        path
    }

    #[test]
    fn our_functions_are_found_among_others() {
        let root = tempfile::tempdir().unwrap();
        let bound = function(root.path(), "0000:02:00.0", "0x1209\n", "0x5357\n");
        symlink("../../../bus/pci/drivers/vfio-pci", bound.join("driver")).unwrap();
        symlink("../../../kernel/iommu_groups/17", bound.join("iommu_group")).unwrap();
        function(root.path(), "0000:01:00.0", "0x1209\n", "0x5357\n");
        function(root.path(), "0000:00:00.0", "0x8086\n", "0x1237\n");
        function(root.path(), "0000:00:01.0", "0x1209\n", "nonsense\n");

        let functions = pci_functions(root.path()).unwrap();
        let texts: Vec<_> = functions.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "vfio:0000:01:00.0 (no driver, no IOMMU)",
                "vfio:0000:02:00.0 (driver vfio-pci, IOMMU group 17)"
            ]
        );
    }

    #[test]
    fn sockets_are_found_and_not_connected_to() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("a.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        fs::write(directory.path().join("b.sock"), "a file").unwrap();
        let found = sockets(directory.path()).unwrap();
        assert_eq!(found, [Candidate::Socket(Address::VfioUser(socket))]);
        listener.set_nonblocking(true).unwrap();
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn serial_ports_are_found_by_the_names_that_stay() {
        let directory = tempfile::tempdir().unwrap();
        let port = directory.path().join("usb-Adapter-port0");
        symlink("/dev/null", &port).unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        symlink("gone", directory.path().join("dangling")).unwrap();
        let found = serial_ports(directory.path()).unwrap();
        let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [format!("serial:{}", port.display())]);
    }

    #[test]
    fn a_missing_directory_holds_nothing_and_an_unreadable_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(sockets(&directory.path().join("none")).unwrap().is_empty());
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(sockets(&file), Err(Error::System { .. })));
    }

    #[test]
    fn this_machine_can_be_searched() {
        devices::<&Path>(&[]).unwrap();
    }
}
