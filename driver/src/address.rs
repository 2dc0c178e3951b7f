//! Addresses, each of its own type, so that a bus address is never taken for an offset: where a
//! device is ([`Address`], [`PciAddress`]), where memory is for a device ([`Iova`]), where a register is
//! ([`BarOffset`]).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{Error, PciAddress};

/// Prefix of addresses of this machine's PCI functions.
const VFIO: &str = "vfio:";

/// Prefix of addresses of vfio-user devices.
const VFIO_USER: &str = "vfio-user:";

/// Prefix of addresses of devices behind a serial port.
const SERIAL: &str = "serial:";

/// What precedes the baud rate in such an address.
const BAUD: &str = "?baud=";

/// Baud rate of a serial port whose address names none.
pub const DEFAULT_BAUD: u32 = 115_200;

/// Longest path of a UNIX socket in bytes (`sun_path`, less the terminating zero).
const SOCKET_PATH_MAX: usize = 107;

/// A bus address: where the device finds something by DMA (I/O virtual address).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iova(pub u64);

impl Iova {
    /// The address `bytes` further on. Wraps at 64 bits, as an address bus does.
    pub const fn offset(self, bytes: usize) -> Iova {
        Iova(self.0.wrapping_add(bytes as u64))
    }
}

impl fmt::Display for Iova {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#014x}", self.0)
    }
}

/// Byte offset of a register in BAR0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BarOffset(pub u32);

/// Where a device is.
///
/// ```
/// use systole_driver::Address;
///
/// let address: Address = "vfio-user:/run/systole.sock".parse()?;
/// assert_eq!(address.to_string(), "vfio-user:/run/systole.sock");
/// # Ok::<(), systole_driver::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A PCI function of this machine that is bound to vfio-pci: `vfio:0000:01:00.0`.
    Vfio(PciAddress),
    /// A device process that serves the vfio-user protocol at this UNIX socket.
    VfioUser(PathBuf),
    /// A board behind this serial port: `serial:/dev/ttyUSB0`, `serial:/dev/ttyUSB0?baud=3000000`.
    Serial {
        /// The terminal.
        path: PathBuf,
        /// Bits a second.
        baud: u32,
    },
}

/// Takes `PATH[?baud=N]` apart.
fn serial(text: &str) -> Result<Address, &'static str> {
    let (path, baud) = match text.rsplit_once(BAUD) {
        Some((path, baud)) => (path, baud.parse().ok().filter(|&baud| baud > 0)),
        None => (text, Some(DEFAULT_BAUD)),
    };
    if path.is_empty() {
        return Err("the path of the serial port is missing");
    }
    if path.contains('\0') {
        return Err("a path cannot contain a zero byte");
    }
    Ok(Address::Serial {
        path: path.into(),
        baud: baud.ok_or("the baud rate is not a number above zero")?,
    })
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |reason| Error::InvalidAddress {
            address: text.to_owned(),
            reason,
        };
        if let Some(rest) = text.strip_prefix(SERIAL) {
            return serial(rest).map_err(invalid);
        }
        if let Some(rest) = text.strip_prefix(VFIO) {
            let reason = "a PCI function is written as in vfio:0000:01:00.0";
            let function = rest.parse().map_err(|_| invalid(reason))?;
            return Ok(Address::Vfio(function));
        }
        let path = text
            .strip_prefix(VFIO_USER)
            .ok_or_else(|| invalid("it begins with none of `vfio:`, `vfio-user:` and `serial:`"))?;
        if path.is_empty() {
            return Err(invalid("the path of the socket is missing"));
        }
        if path.contains('\0') {
            return Err(invalid("a path cannot contain a zero byte"));
        }
        if path.len() > SOCKET_PATH_MAX {
            return Err(invalid("the path of a socket has at most 107 bytes"));
        }
        Ok(Address::VfioUser(PathBuf::from(path)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Vfio(function) => write!(f, "{VFIO}{function}"),
            Address::VfioUser(path) => write!(f, "{VFIO_USER}{}", path.display()),
            Address::Serial { path, baud } => {
                write!(f, "{SERIAL}{}", path.display())?;
                if *baud != DEFAULT_BAUD {
                    write!(f, "{BAUD}{baud}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_own_text() {
        let serial = |baud| Address::Serial {
            path: "/dev/tty?".into(),
            baud,
        };
        for address in [
            Address::Vfio("0000:01:00.0".parse().unwrap()),
            Address::VfioUser("/run/a b.sock".into()),
            serial(DEFAULT_BAUD),
            serial(3_000_000),
        ] {
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_form_to_use() {
        let long = format!("vfio-user:{}", "x".repeat(108));
        for text in [
            "",
            "cpu",
            "vfio:",
            "vfio:/dev/vfio/1",
            "vfio-user",
            "vfio-user:",
            "vfio-user:a\0b",
            "serial:",
            "serial:?baud=9600",
            "serial:/dev/ttyS0?baud=",
            "serial:/dev/ttyS0?baud=0",
            "serial:/dev/ttyS0?baud=fast",
            &long,
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(
                error.contains("vfio:DDDD:BB:DD.F")
                    && error.contains("vfio-user:SOCKET")
                    && error.contains("serial:PORT[?baud=N]"),
                "{text}: {error}"
            );
        }
        assert!(
            format!("vfio-user:{}", "x".repeat(107))
                .parse::<Address>()
                .is_ok()
        );
    }

    #[test]
    fn a_bus_address_wraps_like_the_bus() {
        assert_eq!(Iova(8).offset(8), Iova(16));
        assert_eq!(Iova(u64::MAX).offset(1), Iova(0));
    }
}
