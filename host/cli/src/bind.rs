//! `systole bind` and `systole unbind`: which kernel driver has a PCI function.

use anyhow::Context;
use systole_driver::{PciAddress, Step};

use crate::output;

/// Hands an accelerator in this machine to user space: binds it to vfio-pci.
///
/// Says what it writes where, and writes it. Needs root.
#[derive(clap::Args)]
pub struct BindArguments {
    #[command(flatten)]
    function: Function,
}

/// Gives an accelerator back to the driver that the kernel chooses for it.
///
/// Says what it writes where, and writes it. Needs root. Waits until no process uses the accelerator.
#[derive(clap::Args)]
pub struct UnbindArguments {
    #[command(flatten)]
    function: Function,
}

#[derive(clap::Args)]
struct Function {
    /// The PCI function, as `systole devices` lists it: vfio:0000:01:00.0, 0000:01:00.0 or 01:00.0.
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: PciAddress,
    /// Only say what would be written.
    #[arg(long)]
    dry_run: bool,
}

/// Reads an address with or without its kind.
fn address(text: &str) -> Result<PciAddress, String> {
    let function = text.strip_prefix("vfio:").unwrap_or(text);
    function
        .parse()
        .map_err(|error: systole_driver::Error| error.to_string())
}

/// Runs `systole bind`.
pub fn bind(arguments: &BindArguments) -> anyhow::Result<()> {
    let Function { address, dry_run } = arguments.function;
    let steps = systole_driver::bind(address)?;
    carry_out(
        &steps,
        dry_run,
        &format!("{address} is bound to vfio-pci already\n"),
    )
    .with_context(|| format!("binding {address} to vfio-pci"))
}

/// Runs `systole unbind`.
pub fn unbind(arguments: &UnbindArguments) -> anyhow::Result<()> {
    let Function { address, dry_run } = arguments.function;
    let steps = systole_driver::unbind(address)?;
    carry_out(
        &steps,
        dry_run,
        &format!("{address} is not bound to vfio-pci\n"),
    )
    .with_context(|| format!("unbinding {address}"))
}

/// Says each step before it is taken; `nothing` if there is none.
fn carry_out(steps: &[Step], dry_run: bool, nothing: &str) -> anyhow::Result<()> {
    if steps.is_empty() {
        return output::print(nothing);
    }
    for step in steps {
        output::print(&format!("{step}\n"))?;
        if !dry_run {
            step.carry_out()?;
        }
    }
    Ok(())
}
