//! `systole bitstream`: from a configuration to an FPGA's bitstream and its report.

mod progress;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::Context;
use systole_bitstreams::{BOARDS, Board, Design, Environment, Options, board, report, reports};
use systole_regs::configuration::{self, Configuration};

use crate::device::configuration_by_name;
use crate::output;

/// Bitstreams for FPGA boards, built with yosys and nextpnr.
#[derive(clap::Subcommand)]
pub enum Command {
    Build(BuildArguments),
    Boards(BoardsArguments),
    Reports(ReportsArguments),
}

/// Builds a configuration for a board: bitstream, logs and a report of resources and timing.
#[derive(clap::Args)]
pub struct BuildArguments {
    /// Board to build for; `systole bitstream boards` lists them.
    #[arg(long, value_name = "BOARD", default_value = board::DEFAULT.name, value_parser = board_by_name)]
    board: &'static Board,
    /// Size of the accelerator.
    #[arg(long, value_name = "CONFIG", default_value = configuration::DEFAULT.name, value_parser = configuration_by_name)]
    config: Configuration,
    /// Clock of the design; by default that of the configuration.
    #[arg(long, value_name = "MHZ", value_parser = khz_of_mhz)]
    clock_mhz: Option<u32>,
    /// Placements to try; the fastest is kept.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Where everything goes: build/bitstream/BOARD-CONFIG by default.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Keep going if the clock is missed: the bitstream may then compute wrongly.
    #[arg(long)]
    allow_missed_clock: bool,
    #[command(flatten)]
    tools: Tools,
}

/// Lists the boards, their parts and what these have.
#[derive(clap::Args)]
pub struct BoardsArguments {}

/// Remakes the committed reports that do not belong to today's Verilog.
#[derive(clap::Args)]
pub struct ReportsArguments {
    /// Folder of the reports.
    #[arg(long, value_name = "DIR", default_value = "bitstreams/reports")]
    reports: PathBuf,
    /// Where the builds go.
    #[arg(long, value_name = "DIR", default_value = "build/bitstream")]
    output: PathBuf,
    /// Placements to try for each.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Remake the others too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    tools: Tools,
}

/// How the tools are run.
#[derive(clap::Args)]
struct Tools {
    /// Placements at a time; by default one for each processor.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Virtual environment that `make setup` has installed the tools into.
    #[arg(
        long,
        value_name = "DIR",
        env = "SYSTOLE_VENV",
        default_value = ".venv"
    )]
    venv: PathBuf,
}

/// Runs the command.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Build(arguments) => build(arguments),
        Command::Boards(_) => boards(),
        Command::Reports(arguments) => remake(arguments),
    }
}

fn build(arguments: &BuildArguments) -> anyhow::Result<()> {
    let board = arguments.board;
    let name = arguments.config.name;
    let directory = arguments
        .output
        .clone()
        .unwrap_or_else(|| Path::new("build/bitstream").join(report::file_stem(board.name, name)));
    let environment = Environment::new(&arguments.tools.venv)?;
    let design = Design::accelerator(name, board, arguments.clock_mhz)?;
    let options = Options {
        seeds: arguments.seeds,
        jobs: arguments.tools.jobs(),
        allow_missed_clock: arguments.allow_missed_clock,
        output: directory.clone(),
    };
    let progress = progress::Shown::new();
    let report = systole_bitstreams::build(&design, board, &environment, &options, &|event| {
        progress.show(event);
    })?;
    let mut text = report.summary();
    if let Some(bitstream) = &report.bitstream {
        let _ = writeln!(
            text,
            "bitstream  {}",
            directory.join(&bitstream.file).display()
        );
    }
    let page = directory.join(report.file_stem()).with_extension("md");
    let _ = writeln!(text, "report     {}", page.display());
    if !board.note.is_empty() {
        let _ = writeln!(text, "board      {}", board.note);
    }
    output::print(&text)
}

fn boards() -> anyhow::Result<()> {
    let mut text = String::new();
    for board in BOARDS {
        let default = if board.name == board::DEFAULT.name {
            " (default)"
        } else {
            ""
        };
        let resources: Vec<_> = board
            .part
            .resources()
            .map(|(resource, available)| format!("{available} {}", resource.name))
            .collect();
        let _ = writeln!(
            text,
            "{:<18}{}{default}\n{:<18}{}, {}; {}",
            board.name,
            board.title,
            "",
            board.part.family.title,
            board.part.name,
            resources.join(", ")
        );
    }
    output::print(&text)
}

fn remake(arguments: &ReportsArguments) -> anyhow::Result<()> {
    let environment = Environment::new(&arguments.tools.venv)?;
    let progress = progress::Shown::new();
    for committed in reports::COMMITTED {
        let design = committed.design()?;
        let stale = committed.check(&arguments.reports, &design);
        match stale {
            Ok(()) if !arguments.all => {
                output::print(&format!("{committed}: belongs to today's Verilog\n"))?;
                continue;
            }
            _ => output::print(&format!("{committed}: building\n"))?,
        }
        let directory = arguments.output.join(committed.file_stem());
        let options = Options {
            seeds: arguments.seeds,
            jobs: arguments.tools.jobs(),
            // A report says that a clock was missed; that is worth committing too.
            allow_missed_clock: true,
            output: directory,
        };
        let board = committed.board()?;
        let report = systole_bitstreams::build(&design, board, &environment, &options, &|event| {
            progress.show(event);
        })
        .with_context(|| format!("{committed} can't be built"))?;
        systole_bitstreams::report::write(&report, &arguments.reports)?;
        output::print(&report.summary())?;
    }
    Ok(())
}

impl Tools {
    fn jobs(&self) -> usize {
        self.jobs
            .or_else(|| available_parallelism().ok().map(usize::from))
            .unwrap_or(1)
    }
}

fn board_by_name(name: &str) -> Result<&'static Board, String> {
    Board::by_name(name).ok_or_else(|| {
        let known: Vec<_> = BOARDS.iter().map(|board| board.name).collect();
        format!("there are: {}", known.join(", "))
    })
}

/// A frequency in MHz, as kHz.
fn khz_of_mhz(text: &str) -> Result<u32, String> {
    let mhz: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let khz = (mhz * 1000.0).round();
    if (1.0..=1e6).contains(&khz) {
        Ok(khz as u32)
    } else {
        Err("a clock in MHz, such as 87.5".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_have_fractions() {
        assert_eq!(khz_of_mhz("87.5"), Ok(87_500));
        assert!(khz_of_mhz("0").is_err() && khz_of_mhz("fast").is_err());
        assert!(khz_of_mhz("NaN").is_err());
    }
}
