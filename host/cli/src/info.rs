//! `systole info`: what a device says it is.

use std::fmt::Write;

use systole_driver::Identity;
use systole_regs::instructions::OPCODES;

use crate::device::{DeviceName, OpenDevice};
use crate::output;

/// Shows what a device is: array, memories, clock, features, and what its slots hold.
#[derive(clap::Args)]
pub struct Arguments {
    /// Device: cpu, sim[:CONFIG], model[:CONFIG], vfio:ADDRESS, vfio-user:SOCKET or
    /// serial:PORT.
    #[arg(long, value_name = "DEVICE")]
    device: DeviceName,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(open) = OpenDevice::open(&arguments.device)? else {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        return output::print(&format!(
            "cpu: the CPU backend, exact, on a machine with {threads} hardware threads\n"
        ));
    };
    let device = open.device();
    let mut text = describe(&arguments.device.to_string(), device.identity());
    let counters = device.counters()?;
    row(
        &mut text,
        "cycles",
        &format!("{} since its reset", counters.cycles),
    );
    for (index, slot) in device.slots()?.iter().enumerate() {
        let what = if slot.resident {
            format!("holds model version {}", slot.version)
        } else {
            "empty".to_owned()
        };
        row(&mut text, &format!("slot {index}"), &what);
    }
    output::print(&text)
}

/// The identification registers for people.
fn describe(name: &str, identity: &Identity) -> String {
    let mut text = format!("{name}\n");
    let version = format!("{}.{}", identity.abi_major, identity.abi_minor);
    row(&mut text, "interface", &version);
    let array = format!(
        "{} x {} ({} multipliers), {} requantized outputs a cycle",
        identity.array_rows,
        identity.array_columns,
        identity.array_rows * identity.array_columns,
        identity.requantize_lanes
    );
    row(&mut text, "array", &array);
    let clock = format!("{:.1} MHz", f64::from(identity.clock_khz) / 1e3);
    row(&mut text, "clock", &clock);
    let weights = format!(
        "{} tiles, {} bytes",
        identity.weight_tiles,
        identity.weight_tiles * identity.array_rows * identity.array_columns
    );
    row(&mut text, "weights", &weights);
    row(
        &mut text,
        "scratchpad",
        &format!("{} bytes", identity.scratchpad_bytes),
    );
    row(
        &mut text,
        "parameters",
        &format!("{} entries", identity.parameter_entries),
    );
    row(
        &mut text,
        "program",
        &format!("{} instructions", identity.program_instructions),
    );
    row(
        &mut text,
        "accumulators",
        &format!("{} rows", identity.accumulator_rows),
    );
    row(
        &mut text,
        "queues",
        &format!(
            "{} of at most {} entries",
            identity.queue_count, identity.queue_entries_max
        ),
    );
    let instructions: Vec<&str> = OPCODES
        .iter()
        .filter(|(opcode, _, _)| identity.features >> opcode & 1 == 1)
        .map(|(_, name, _)| *name)
        .collect();
    row(&mut text, "instructions", &instructions.join(", "));
    let build = match identity.build_hash {
        0 => "none: a functional model".to_owned(),
        hash => format!("{hash:016x}"),
    };
    row(&mut text, "build", &build);
    text
}

fn row(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<13} {value}").expect("writing to a string succeeds");
}
