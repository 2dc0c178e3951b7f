//! `systole bench`: the benchmark on devices that the command opens.

use systole_bench::NamedDevice;

use crate::device::{DeviceName, OpenDevice};

/// Compares the CPU backend, ONNX Runtime and LiteRT (measured) with devices (simulated) on a model, at
/// batch sizes and rates; writes a report as HTML with plots, and its raw data.
#[derive(clap::Args)]
// The flattened arguments are a group of the same name.
#[group(skip)]
pub struct Arguments {
    /// Device whose latency is simulated: sim[:CONFIG] or vfio-user:SOCKET. May be given several
    /// times; the CPU backend always takes part.
    #[arg(long = "device", value_name = "DEVICE", default_value = "sim")]
    devices: Vec<DeviceName>,
    #[command(flatten)]
    bench: systole_bench::Arguments,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut open = Vec::new();
    let mut named = Vec::new();
    for name in &arguments.devices {
        if let Some(device) = OpenDevice::open(name)? {
            named.push(NamedDevice {
                name: name.to_string(),
                device: device.device().clone(),
            });
            open.push(device);
        }
    }
    let result = systole_bench::run(&arguments.bench, &named);
    // The connections end before the processes behind them do.
    drop(named);
    drop(open);
    result?;
    Ok(())
}
