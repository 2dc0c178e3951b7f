//! Writes the accelerator's Verilog, and the reference pages that come from the same source.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: emit [--config NAME]... [--output DIR] [--docs DIR] [--link KHZ:BAUD]

  --config NAME  configuration to emit; may be repeated; all named ones by default
  --output DIR   where NAME.v is written (default: build)
  --docs DIR     write registers.md and instructions.md there instead of Verilog
  --link KHZ:BAUD
                 write serial_link.v, the bridge to a UART, for this clock and baud rate instead";

fn main() -> Result<()> {
    let mut names = Vec::new();
    let mut output = PathBuf::from("build");
    let mut docs = None;
    let mut link = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{argument} needs a value\n{USAGE}"))
        };
        match argument.as_str() {
            "--config" => names.push(value()?),
            "--output" => output = value()?.into(),
            "--link" => link = Some(clock_and_baud(&value()?)?),
            "--docs" => docs = Some(PathBuf::from(value()?)),
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => bail!("unknown argument `{argument}`\n{USAGE}"),
        }
    }
    if let Some(directory) = docs {
        create(&directory)?;
        for (name, text) in systole_hdl::reference::pages() {
            write(&directory.join(name), &text)?;
        }
        return Ok(());
    }
    if let Some((clock_khz, baud)) = link {
        create(&output)?;
        let verilog = systole_hdl::emit::serial_link(clock_khz, baud)?;
        return write(&output.join("serial_link.v"), &verilog);
    }
    if names.is_empty() {
        names = systole_regs::configuration::ALL
            .iter()
            .map(|known| known.name.to_owned())
            .collect();
    }
    create(&output)?;
    for name in names {
        let emitted = systole_hdl::emit::emit(&name)?;
        write(&output.join(format!("{name}.v")), &emitted.verilog)?;
        eprintln!("{name}: build hash {:016x}", emitted.build_hash);
    }
    Ok(())
}

/// Takes `100000:3000000` apart.
fn clock_and_baud(text: &str) -> Result<(u32, u32)> {
    let (clock, baud) = text
        .split_once(':')
        .with_context(|| format!("`{text}` is not KHZ:BAUD"))?;
    Ok((
        clock.parse().context("the clock is not a number of kHz")?,
        baud.parse().context("the baud rate is not a number")?,
    ))
}

fn create(directory: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("can't create {}", directory.display()))
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
