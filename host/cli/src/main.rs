//! The `systole` command, the only place where all parts of Systole meet.
//!
//! ```text
//!  infer, stream, serve, bench, profile --> systole-host (model, compiler, engine) --> systole-driver
//!                                                                           | vfio-user
//!  bitstream --> systole-bitstreams --> systole-hdl, yosys, nextpnr         |
//!  sim serve  --> systole-sim (RTL or functional model) <-------------------+
//!  sim board  --> systole-sim (RTL behind its serial link) <- pseudo terminal +
//!  bind, unbind --> systole-driver (a PCI function's driver in the kernel)
//! ```
//!
//! Results go to standard output, everything else to standard error. The exit code is 0 after
//! success, 1 after an error and 2 for a command line that cannot be understood.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "comments on arguments are help texts, where brackets mean what is optional"
)]

mod bench;
mod bind;
mod bitstream;
#[cfg(feature = "rtl-board")]
mod board;
mod compile;
mod device;
mod devices;
mod infer;
mod info;
mod input;
mod output;
mod process;
mod profile;
mod serve;
mod sim;
mod stats;
mod stream;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::output::OutputClosed;

/// Runs int8 neural networks on the Systole accelerator, simulated or by address.
#[derive(Parser)]
#[command(name = "systole", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Tell more on standard error; twice for every register access.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// How to tell it: lines for people, or a JSON object on each line.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        value_enum
    )]
    log_format: LogFormat,
}

/// What the log looks like.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Subcommand)]
enum Command {
    Infer(infer::Arguments),
    Stream(stream::Arguments),
    Serve(serve::Arguments),
    Bench(bench::Arguments),
    Compile(compile::Arguments),
    Profile(profile::Arguments),
    Info(info::Arguments),
    Devices(devices::Arguments),
    Bind(bind::BindArguments),
    Unbind(bind::UnbindArguments),
    /// Bitstreams for FPGA boards, built with yosys and nextpnr.
    #[command(subcommand)]
    Bitstream(bitstream::Command),
    /// The simulated accelerator.
    #[command(subcommand)]
    Sim(sim::Command),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments);

    let result = match arguments.command {
        Command::Infer(arguments) => infer::run(&arguments),
        Command::Stream(arguments) => stream::run(&arguments),
        Command::Serve(serve) => serve::run(&serve, arguments.log_format),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Bind(arguments) => bind::bind(&arguments),
        Command::Unbind(arguments) => bind::unbind(&arguments),
        Command::Bitstream(command) => bitstream::run(&command),
        Command::Sim(sim::Command::Serve(arguments)) => sim::serve(&arguments),
        #[cfg(feature = "rtl-board")]
        Command::Sim(sim::Command::Board(arguments)) => board::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads has read enough (`systole devices | head -1`): no error of ours.
        Err(error) if error.is::<OutputClosed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            ExitCode::FAILURE
        }
    }
}

fn start_log(arguments: &Arguments) {
    let level = match arguments.verbose {
        // A server tells what it serves; a command is done when its result is there.
        0 if matches!(arguments.command, Command::Serve(_)) => LevelFilter::INFO,
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
