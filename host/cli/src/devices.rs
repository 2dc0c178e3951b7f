//! `systole devices`: what can stand behind `--device`.

use std::fmt::Write;
use std::path::PathBuf;

use systole_driver::{Candidate, DEFAULT_BAUD};
use systole_regs::configuration;

use crate::output;

/// Lists the devices that `--device` takes, and what of them is on this machine.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder whose sockets are listed too; may be given several times.
    #[arg(long, value_name = "FOLDER", default_value = "/run/systole")]
    sockets: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut text = String::new();
    line(
        &mut text,
        "cpu",
        "the CPU backend, exact: the same bytes as the accelerator",
    );
    for (kind, what) in [
        ("sim", "Verilated hardware description, every cycle"),
        ("model", "functional model, every instruction, no clock"),
    ] {
        for known in configuration::ALL {
            let default = if *known == configuration::DEFAULT {
                format!(" (default of {kind})")
            } else {
                String::new()
            };
            line(
                &mut text,
                &format!("{kind}:{}", known.name),
                &format!(
                    "{what}, {} x {} array at {} MHz{default}",
                    known.rows,
                    known.columns,
                    known.clock_khz / 1000
                ),
            );
        }
    }
    line(
        &mut text,
        "vfio-user:SOCKET",
        "a device that another process serves, such as `systole sim serve --socket SOCKET`",
    );
    line(
        &mut text,
        "vfio:ADDRESS",
        "a PCI function of this machine that is bound to vfio-pci, such as vfio:0000:01:00.0",
    );
    line(
        &mut text,
        "serial:PORT",
        &format!("a board behind a serial port, at {DEFAULT_BAUD} baud or with `?baud=N` after it"),
    );
    for candidate in systole_driver::devices(&arguments.sockets)? {
        let what = match &candidate {
            Candidate::Socket(_) => "a socket on this machine; `systole info` asks what it is",
            Candidate::SerialPort(_) => {
                "a serial port of this machine; `systole info` asks whether a board is there"
            }
            Candidate::PciFunction(function) => match function.driver.as_deref() {
                Some("vfio-pci") => "an accelerator in this machine",
                _ => "an accelerator in this machine; `systole bind` hands it to user space",
            },
            _ => "",
        };
        line(&mut text, &candidate.to_string(), what);
    }
    output::print(&text)
}

fn line(text: &mut String, name: &str, what: &str) {
    writeln!(text, "{name:<18} {what}").expect("writing to a string succeeds");
}
