//! `systole-synthesize`: what a configuration takes of an FPGA.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;
use systole_bitstreams::{PARTS, Part, synthesize};

/// Synthesizes the accelerator for a part with yosys and reports the resources it takes.
#[derive(Parser)]
#[command(name = "systole-synthesize", version)]
struct Arguments {
    /// Configuration of the accelerator.
    #[arg(long, default_value = systole_regs::configuration::DEFAULT.name)]
    config: String,
    /// Part to synthesize for.
    #[arg(long, default_value = "lfe5um5g-85f")]
    part: String,
    /// Where Verilog, netlist, log and report go.
    #[arg(long, default_value = "build/synthesis")]
    output: PathBuf,
    /// Virtual environment with the tools.
    #[arg(long, env = "SYSTOLE_VENV", default_value = ".venv")]
    venv: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let part = Part::by_name(&arguments.part).with_context(|| {
        let known: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        format!(
            "no part is called `{}`; there are: {}",
            arguments.part,
            known.join(", ")
        )
    })?;
    let venv = std::path::absolute(&arguments.venv).context("the working directory is gone")?;
    eprintln!(
        "synthesizing {} for {}: some minutes",
        arguments.config, part.name
    );
    let report = synthesize(&arguments.config, &part, &venv, &arguments.output)?;
    print!("{report}");
    if !report.fits() {
        bail!(
            "{} does not fit {}: choose a larger part or a smaller configuration",
            report.design,
            part.name
        );
    }
    Ok(())
}
