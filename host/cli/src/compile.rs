//! `systole compile`: a model as the accelerator's program, in a form that people read.

use std::path::PathBuf;

use anyhow::Context;
use systole_host::compiler::{self, Target};
use systole_regs::Configuration;

use crate::device::{DeviceName, OpenDevice, configuration_by_name};
use crate::input;
use crate::output;

/// Compiles a model and lists the program: instructions, memory, and what it needs.
#[derive(clap::Args)]
pub struct Arguments {
    /// Quantized model: .tflite, or .onnx in QDQ form.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Configuration to compile for.
    #[arg(long, value_name = "CONFIG", value_parser = configuration_by_name, conflicts_with = "device")]
    config: Option<Configuration>,
    /// Device to compile for, which is asked what it is.
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceName>,
    /// File to write the listing to; standard output by default.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let network = input::load(&arguments.model)?;
    let target = target(arguments)?;
    let program = compiler::compile(&network, &target)
        .with_context(|| format!("cannot compile {}", arguments.model.display()))?;
    let listing = program.to_string();
    match &arguments.output {
        Some(path) => std::fs::write(path, listing)
            .with_context(|| format!("cannot write {}", path.display())),
        None => output::print(&listing),
    }
}

/// What to compile for. A simulated device needs no starting: its name says what it is.
fn target(arguments: &Arguments) -> anyhow::Result<Target> {
    let configuration = match (&arguments.config, &arguments.device) {
        (Some(configuration), _) => *configuration,
        (None, Some(DeviceName::Simulated { configuration, .. })) => *configuration,
        (None, Some(name @ DeviceName::Address(_))) => {
            let open = OpenDevice::open(name)?;
            let open = open.context("an address names a device")?;
            return Ok(Target::from(open.device().identity()));
        }
        (None, Some(DeviceName::Cpu) | None) => systole_regs::configuration::DEFAULT,
    };
    Ok(Target::from(&configuration))
}
