//! `systole sim board`: the simulated accelerator behind its serial link, on a pseudo terminal.

use std::path::PathBuf;

use anyhow::{Context, bail};
use systole_regs::configuration::{self, Configuration};
use systole_sim::board::{Board, BoardOptions, BoardSwitches, Pty};

use crate::device::configuration_by_name;
use crate::output;

/// Simulates a board with a serial link on a pseudo terminal, until SIGINT or SIGTERM.
#[derive(clap::Args)]
pub struct Arguments {
    /// Symbolic link to make to the terminal, for `--device serial:PATH`.
    #[arg(long, value_name = "PATH")]
    tty: Option<PathBuf>,
    /// Size of the accelerator; tiny is the only one on a board.
    #[arg(long, value_name = "CONFIG", default_value = configuration::TINY.name, value_parser = configuration_by_name)]
    config: Configuration,
    /// Write every signal to this FST file (open it with GTKWave or Surfer).
    #[arg(long, value_name = "OUT.fst")]
    trace: Option<PathBuf>,
    /// Randomize by this seed whatever the design leaves open after power-on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
}

/// Simulates a board until it is told to end.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.config != configuration::TINY {
        bail!(
            "there is no simulated board with the configuration {}: use {}",
            arguments.config.name,
            configuration::TINY.name
        );
    }
    let pty = Pty::open()?;
    let pty = match &arguments.tty {
        Some(link) => pty.link(link)?,
        None => pty,
    };
    let address = arguments.tty.as_deref().unwrap_or_else(|| pty.path());
    let address = format!("serial:{}\n", address.display());
    let switches = BoardSwitches::default();
    switches
        .on_signals()
        .context("cannot handle SIGTERM and SIGINT")?;
    let options = BoardOptions {
        seed: arguments.seed,
        trace: arguments.trace.clone(),
        switches,
    };
    let mut board = Board::new(pty, options)?;
    // The address is the command's result: a script waits for it. Without a reader, the board is
    // no less useful.
    let _ = output::print(&address);
    board.run()?;
    Ok(())
}
