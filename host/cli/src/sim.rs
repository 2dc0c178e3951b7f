//! `systole sim serve`: the simulated accelerator as a PCIe function on a vfio-user socket.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use systole_regs::configuration::{self, Configuration};
use systole_sim::model::FunctionalModel;
use systole_sim::rtl::{RtlCore, RtlOptions};
use systole_sim::{Core, ServeOptions};

use crate::device::configuration_by_name;
use crate::output;

/// What can be done with simulated accelerators.
#[derive(clap::Subcommand)]
pub enum Command {
    Serve(Arguments),
    #[cfg(feature = "rtl-board")]
    Board(crate::board::Arguments),
}

/// Serves a simulated accelerator as a PCIe function over vfio-user, until SIGINT or SIGTERM.
#[derive(clap::Args)]
pub struct Arguments {
    /// Socket to make and listen on; one client at a time.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Size of the accelerator.
    #[arg(long, value_name = "CONFIG", default_value = configuration::DEFAULT.name, value_parser = configuration_by_name)]
    config: Configuration,
    /// Compute with the functional model: the same bytes, much faster, without a clock.
    #[arg(long, conflicts_with_all = ["trace", "seed"])]
    functional: bool,
    /// Write every signal to this FST file (open it with GTKWave or Surfer).
    #[arg(long, value_name = "OUT.fst")]
    trace: Option<PathBuf>,
    /// Randomize latency and back-pressure of the bus by this seed; without, the bus is ideal.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// End when the first client has gone.
    #[arg(long)]
    once: bool,
    /// End when the process with this id does, which is the one that started this.
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<i32>,
}

/// Serves a device until it is told to end.
pub fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(parent) = arguments.parent {
        end_with(Pid::from_raw(parent))?;
    }
    let core = core(arguments)?;
    let mut options = ServeOptions::new(&arguments.socket);
    options.once = arguments.once;
    options.ready = Some(Box::new(|socket| {
        // The address is the command's result: a script waits for it. Without a reader, the
        // device is no less useful.
        let _ = output::print(&format!("vfio-user:{}\n", socket.display()));
    }));
    systole_sim::serve(options, core)?;
    Ok(())
}

/// What computes behind the registers.
fn core(arguments: &Arguments) -> anyhow::Result<Box<dyn Core>> {
    if arguments.functional {
        return Ok(Box::new(FunctionalModel::new(arguments.config)));
    }
    let options = RtlOptions {
        seed: arguments.seed,
        trace: arguments.trace.clone(),
        ..RtlOptions::default()
    };
    let core = RtlCore::new(arguments.config, options).with_context(|| {
        format!(
            "cannot simulate the configuration {}",
            arguments.config.name
        )
    })?;
    Ok(Box::new(core))
}

/// Lets this process be killed when its parent ends.
fn end_with(parent: Pid) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot watch the parent process")?;
    // The parent may have ended before the watch was set: then another process is it by now.
    ensure!(
        getppid() == parent,
        "the parent process {parent} has ended already"
    );
    Ok(())
}
