//! Names of devices on the command line, and what opening one takes.
//!
//! ```text
//!  cpu                  no device: the host computes, with the same bytes as a result
//!  sim[:CONFIG]    -->  starts `systole sim serve`              --+
//!  model[:CONFIG]  -->  starts `systole sim serve --functional` --+--> vfio-user --> driver
//!  vfio-user:SOCKET     somebody else serves it                 --+
//!  serial:PORT          a board behind a serial port            -----> driver
//!  vfio:0000:01:00.0    a PCI function of this machine          -----> driver
//! ```

use std::fmt;
use std::str::FromStr;

use anyhow::Context;
use systole_driver::{Address, Device, OpenOptions};
use systole_regs::configuration::{self, Configuration};

use crate::process::DeviceProcess;

/// Which device to use.
#[derive(Clone, Debug)]
pub enum DeviceName {
    /// The CPU backend.
    Cpu,
    /// A simulated device that the command starts itself.
    Simulated {
        /// Whether the functional model computes instead of the Verilated hardware.
        functional: bool,
        /// Size of the accelerator.
        configuration: Configuration,
    },
    /// A device that is there already.
    Address(Address),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("cpu", None) => Ok(DeviceName::Cpu),
            ("sim" | "model", name) => Ok(DeviceName::Simulated {
                functional: kind == "model",
                configuration: match name {
                    Some(name) => configuration_by_name(name)?,
                    None => configuration::DEFAULT,
                },
            }),
            ("vfio" | "vfio-user" | "serial", Some(_)) => text
                .parse()
                .map(DeviceName::Address)
                .map_err(|error| format!("{error}")),
            _ => Err("a device is cpu, sim, sim:CONFIG, model, model:CONFIG, \
                      vfio:DDDD:BB:DD.F, vfio-user:SOCKET or serial:PORT[?baud=N]; `systole devices` lists them"
                .to_owned()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Cpu => formatter.write_str("cpu"),
            DeviceName::Simulated {
                functional,
                configuration,
            } => {
                let kind = if *functional { "model" } else { "sim" };
                write!(formatter, "{kind}:{}", configuration.name)
            }
            DeviceName::Address(address) => address.fmt(formatter),
        }
    }
}

/// The configuration that a command line names.
///
/// # Errors
/// A sentence that lists the known ones.
pub fn configuration_by_name(name: &str) -> Result<Configuration, String> {
    configuration::by_name(name).ok_or_else(|| {
        let known: Vec<_> = configuration::ALL.iter().map(|known| known.name).collect();
        format!(
            "there is no configuration named {name:?}: use one of {}",
            known.join(", ")
        )
    })
}

/// An open device, and the process behind it where the command started one. The process ends
/// when this is dropped.
pub struct OpenDevice {
    device: Device,
    process: Option<DeviceProcess>,
}

impl OpenDevice {
    /// Opens the device with this name, starting its process first where it is a simulated one;
    /// `None` for the CPU, which needs none.
    ///
    /// # Errors
    /// If the process doesn't start, or nothing usable answers at the address.
    pub fn open(name: &DeviceName) -> anyhow::Result<Option<OpenDevice>> {
        let (address, process) = match name {
            DeviceName::Cpu => return Ok(None),
            DeviceName::Address(address) => (address.clone(), None),
            DeviceName::Simulated {
                functional,
                configuration,
            } => {
                let process = DeviceProcess::start(configuration, *functional)?;
                (Address::VfioUser(process.socket()), Some(process))
            }
        };
        let opened = Device::open(&address, OpenOptions::default());
        match (opened, process) {
            (Ok(device), mut process) => {
                if let Some(process) = &mut process {
                    process.hide();
                }
                Ok(Some(OpenDevice { device, process }))
            }
            (Err(error), None) => {
                Err(error).with_context(|| format!("cannot use the device {name}"))
            }
            (Err(error), Some(mut process)) => {
                Err(process.explain(error.into())).context("cannot use the device that was started")
            }
        }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Adds to an error what the device's process had to say, if it has ended.
    pub fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        match &mut self.process {
            Some(process) => process.explain(error),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_are_read() {
        for name in [
            "cpu",
            "sim:tiny",
            "model:small",
            "vfio-user:/run/systole",
            "vfio:0000:01:00.0",
            "serial:/dev/ttyUSB0",
            "serial:/dev/ttyUSB0?baud=3000000",
        ] {
            let device: DeviceName = name.parse().expect("a known name");
            assert_eq!(device.to_string(), name);
        }
        assert_eq!(
            "sim"
                .parse::<DeviceName>()
                .expect("a known name")
                .to_string(),
            format!("sim:{}", configuration::DEFAULT.name)
        );
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        for (name, hint) in [
            ("gpu", "vfio-user:SOCKET"),
            ("cpu:3", "vfio-user:SOCKET"),
            ("vfio-user", "vfio-user:SOCKET"),
            ("vfio", "vfio:DDDD:BB:DD.F"),
            ("vfio:1", "vfio:0000:01:00.0"),
            ("serial", "serial:PORT"),
            ("serial:/dev/ttyUSB0?baud=fast", "baud rate"),
            ("sim:huge", "tiny, small"),
            ("", "vfio-user:SOCKET"),
        ] {
            let message = name.parse::<DeviceName>().expect_err("an unknown name");
            assert!(message.contains(hint), "{name}: {message}");
        }
    }
}
