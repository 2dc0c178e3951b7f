//! Proofs that the netlists of arithmetic leaves are equal to their Verilog, by yosys: what each
//! shows is in `docs/formal.md`.
//!
//! ```text
//!  leaf of `small` --+--> synth_ecp5 --> cells --> models of cells --+
//!                    |                     |                         +--> equal, register by register
//!                    |                     +-- mistakes go in here   |
//!                    +--> with the primitives of ECP5 ---------------+
//! ```
//!
//! A netlist with one wrong lookup table, or with two wires exchanged, must not be equal: a proof
//! that can't fail shows nothing.
//!
//! `SYSTOLE_PROOFS=lane` runs only the leaves whose names contain that.

#[path = "../support/environment.rs"]
mod environment;
mod leaf;
mod mistake;
mod yosys;

use std::sync::Mutex;
use std::time::Instant;

use leaf::Leaf;

/// Leaves that are looked at side by side.
const WORKERS: usize = 2;

/// Proves one leaf, then looks for its mistakes; what went wrong.
fn check(leaf: &Leaf) -> Vec<String> {
    let mut failures = Vec::new();
    let directory = yosys::directory(leaf.name);
    let begin = Instant::now();
    let netlist = yosys::synthesize(&directory, leaf);
    let synthesized = begin.elapsed();
    let begin = Instant::now();
    let outcome = yosys::compare(&directory, "proof", leaf, &netlist);
    println!(
        "{}: {outcome}, synthesis {synthesized:.1?}, proof {:.1?}",
        leaf.name,
        begin.elapsed()
    );
    if !outcome.is_proof() {
        failures.push(format!("{}: {outcome}", leaf.name));
    }
    for mistake in leaf.mistakes {
        let begin = Instant::now();
        let wrong = mistake.plant(&netlist);
        let outcome = yosys::compare(&directory, mistake.name(), leaf, &wrong);
        let title = format!("{}, {}", leaf.name, mistake.name());
        println!("{title}: {outcome}, {:.1?}", begin.elapsed());
        if !outcome.is_refusal() {
            failures.push(format!("{title}: {outcome}"));
        }
    }
    failures
}

#[test]
fn netlists_of_leaves_equal_their_verilog() {
    let part = std::env::var("SYSTOLE_PROOFS").unwrap_or_default();
    let mut leaves = leaf::all();
    leaves.retain(|leaf| leaf.name.contains(&part));
    assert!(!leaves.is_empty(), "no leaf's name contains `{part}`");
    let begin = Instant::now();
    let waiting = Mutex::new(leaves);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(leaf) = waiting.lock().expect("no worker panics").pop() else {
                        break;
                    };
                    let wrong = check(&leaf);
                    failures.lock().expect("no worker panics").extend(wrong);
                }
            });
        }
    });
    println!("all in {:.0?}", begin.elapsed());
    let failures = failures.into_inner().expect("no worker panics");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn lookup_tables_are_those_of_yosys() {
    let outcome = yosys::compare_tables(0);
    assert!(outcome.is_proof(), "{outcome}");
    let outcome = yosys::compare_tables(1);
    assert!(outcome.is_refusal(), "with another bit: {outcome}");
}
