//! `systole serve`: the server on devices that the command opens.

use std::io::Write;

use systole_host::engine::{Backend, EngineOptions};
use systole_host::serving::Fleet;
use systole_serve::command;

use crate::LogFormat;
use crate::device::{DeviceName, OpenDevice};

/// The server's arguments, and the devices.
#[derive(clap::Args)]
// The flattened arguments are a group of the same name.
#[group(skip)]
pub struct Arguments {
    /// Devices, any number of them: cpu, sim[:CONFIG], model[:CONFIG], vfio:ADDRESS, vfio-user:SOCKET or
    /// serial:PORT. The CPU computes what no device can, and the same as they do if it is named itself.
    #[arg(long = "device", value_name = "DEVICE", default_value = "cpu")]
    devices: Vec<DeviceName>,
    #[command(flatten)]
    serve: command::Arguments,
}

/// Runs the command.
pub fn run(arguments: &Arguments, log: LogFormat) -> anyhow::Result<()> {
    let mut open = Vec::new();
    let mut backends = Vec::new();
    for name in &arguments.devices {
        let device = OpenDevice::open(name)?;
        let backend = match &device {
            None => Backend::Cpu,
            Some(device) => Backend::Device(device.device().clone()),
        };
        backends.push((name.to_string(), backend));
        open.push(device);
    }
    let fleet = Fleet::new(backends, EngineOptions::default())?;
    command::run(&arguments.serve, fleet, |addresses| {
        let mut addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        addresses.dedup();
        // For people and for scripts that wait for it; nobody has to read it.
        match log {
            LogFormat::Json => tracing::info!(addresses = addresses.join(" "), "listening"),
            LogFormat::Text => {
                let addresses = addresses.join(" and ");
                let _ = writeln!(std::io::stderr(), "systole: listening at {addresses}");
            }
        }
    })?;
    Ok(())
}
