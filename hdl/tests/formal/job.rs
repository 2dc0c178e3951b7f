//! One call of sby: its files, and what came of it.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::tools;

/// What sby is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Prove by k-induction: all cycles from the first on.
    Prove,
    /// Reach the cover statements: the assumptions leave room for what matters.
    Cover,
    /// Search the first cycles of a block with a mistake: a counterexample must be found.
    Refute,
}

impl Mode {
    fn option(self) -> &'static str {
        match self {
            Mode::Prove => "prove",
            Mode::Refute => "bmc",
            Mode::Cover => "cover",
        }
    }
}

/// A job for sby.
pub struct Job {
    /// Its name, also that of its files.
    pub name: String,
    /// What is asked.
    pub mode: Mode,
    /// k of an induction, or number of cycles.
    pub depth: usize,
    /// The block with the properties in it.
    pub verilog: String,
    /// How long it takes, roughly, compared with others.
    pub weight: u32,
}

/// What came of a job.
pub struct Report {
    name: String,
    mode: Mode,
    depth: usize,
    took: Duration,
    /// Proved, covered or refuted, as it had to be.
    pub as_expected: bool,
    details: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.mode, self.as_expected) {
            (Mode::Prove, true) => "proved by k-induction, k =",
            (Mode::Cover, true) => "all covers reached, cycles:",
            (Mode::Refute, true) => "mistake found, cycles:",
            (Mode::Prove, false) => "NOT PROVED, depth",
            (Mode::Cover, false) => "NOT COVERED, cycles:",
            (Mode::Refute, false) => "MISTAKE NOT FOUND, cycles:",
        };
        let took = self.took.as_secs_f32();
        write!(f, "{:<24} {what} {} ({took:.1} s)", self.name, self.depth)?;
        if !self.as_expected {
            write!(f, "\n{}", self.details)?;
        }
        Ok(())
    }
}

impl Job {
    /// Greater for what takes longer.
    pub fn effort(&self) -> u32 {
        self.weight
            * match self.mode {
                Mode::Prove => 4,
                Mode::Cover => 2,
                Mode::Refute => 1,
            }
    }

    /// Runs it with the tools on this search path.
    pub fn run(&self, search_path: &str) -> Report {
        let directory = tools::work().join(&self.name);
        // What a run before has left would be in sby's way.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("the target directory is writable");
        // A mistake shows late in its cycles; the solver needn't look for it in the early ones.
        let skip = match self.mode {
            Mode::Refute => format!("skip {}\n", self.depth * 3 / 4),
            Mode::Prove | Mode::Cover => String::new(),
        };
        let script = format!(
            "[options]\nmode {}\ndepth {}\n{skip}\n[engines]\nsmtbmc yices\n\n\
             [script]\nread -formal design.v\nprep -flatten -top top\n\n[files]\ndesign.v\n",
            self.mode.option(),
            self.depth,
        );
        std::fs::write(directory.join("design.v"), &self.verilog).expect("it is writable");
        std::fs::write(directory.join("proof.sby"), script).expect("it is writable");
        let begin = Instant::now();
        // The tools see the current directory only.
        let output = Command::new("sby")
            .args(["-f", "proof.sby"])
            .env("PATH", search_path)
            .current_dir(&directory)
            .output()
            .expect("sby is on the search path");
        let took = begin.elapsed();
        let log = String::from_utf8_lossy(&output.stdout);
        // sby names its verdict; its exit code alone doesn't tell a refutation from an error.
        let ended = |word: &str| log.contains(&format!("DONE ({word},"));
        // A name that isn't there would be any value: what is shown of it would mean little.
        let names_are_known =
            !log.contains("implicitly declared") && !log.contains("prep: Warning: Wire");
        let verdict = |word: &str| names_are_known && ended(word);
        let as_expected = match self.mode {
            Mode::Prove => verdict("PASS") && log.contains("successful proof by k-induction"),
            Mode::Cover => verdict("PASS"),
            // By what is promised, which has a name, not by a step of the proof.
            Mode::Refute => {
                verdict("FAIL")
                    && log.contains("failed assertion top.")
                    && !log.contains("assertion top._witness_")
            }
        };
        Report {
            name: self.name.clone(),
            mode: self.mode,
            depth: self.depth,
            took,
            as_expected,
            details: details(&log),
        }
    }
}

/// The lines of a log that say what went wrong.
fn details(log: &str) -> String {
    const TELLING: [&str; 8] = [
        "summary:",
        "ERROR",
        "DONE",
        "Assert failed",
        "Unreached",
        "Warning: Resizing",
        "implicitly declared",
        "prep: Warning: Wire",
    ];
    let lines: Vec<_> = log
        .lines()
        .filter(|line| TELLING.iter().any(|word| line.contains(word)))
        .collect();
    lines.join("\n")
}
