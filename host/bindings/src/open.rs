//! Devices by their addresses, as one fleet.

use std::sync::Arc;

use systole_driver::{Address, Device, OpenOptions};
use systole_host::engine::{Backend, EngineOptions};
use systole_host::serving::Fleet;

use crate::Failure;

/// Opens what the addresses name: `cpu`, `vfio:DDDD:BB:DD.F`, `vfio-user:SOCKET` or `serial:PORT`. The
/// CPU computes what no device can, and the same as they do if it is named itself, or nothing is.
///
/// # Errors
/// If an address can't be, or a device can't be used.
pub fn open<A: AsRef<str>>(addresses: &[A]) -> Result<Arc<Fleet>, Failure> {
    let mut backends = Vec::with_capacity(addresses.len());
    for address in addresses.iter().map(AsRef::as_ref) {
        let backend = match address {
            "cpu" => Backend::Cpu,
            address => {
                let parsed: Address = address.parse()?;
                let opened = Device::open(&parsed, OpenOptions::default());
                let failed =
                    |failure: Failure| Failure::new(failure.code, format!("{address}: {failure}"));
                Backend::Device(opened.map_err(Failure::from).map_err(failed)?)
            }
        };
        backends.push((address.to_owned(), backend));
    }
    Ok(Fleet::new(backends, EngineOptions::default())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn what_cannot_be_opened_says_why() {
        for (address, code, hint) in [
            ("gpu", Code::InvalidArgument, "vfio-user:SOCKET"),
            ("vfio-user:/nowhere/socket", Code::Device, "/nowhere/socket"),
        ] {
            let failure = open(&["cpu", address]).expect_err("there is no such device");
            assert_eq!(failure.code, code, "{failure}");
            assert!(failure.message.contains(hint), "{failure}");
        }
        let fleet = open::<&str>(&[]).expect("the CPU is always there");
        assert_eq!(fleet.states().len(), 1);
    }
}
