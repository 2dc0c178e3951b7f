//! Proofs about the emitted Verilog, with SymbiYosys (sby) and an SMT solver. What each shows, and
//! under which assumptions, is in `docs/formal.md`; the properties are in `hdl/formal`.
//!
//! ```text
//!  block (RustHDL) --Verilog--+--> NAME.v --> sby: prove, cover, and refute mutations
//!  hdl/formal/NAME.sv --------+
//! ```
//!
//! The properties' text is put into the emitted module, before its end, so that it sees what is
//! inside. Each set of properties is also tried on a block with a mistake in it, and must fail
//! there: a proof that can't fail shows nothing.
//!
//! `SYSTOLE_PROOFS=writer` runs only the jobs whose names contain that.

mod job;
mod proofs;
mod tools;

use std::sync::Mutex;
use std::time::Instant;

use job::Job;

/// Jobs that run side by side.
const WORKERS: usize = 2;

#[test]
fn the_blocks_keep_their_promises() {
    let tools = tools::prepare();
    let begin = Instant::now();
    let mut jobs: Vec<Job> = proofs::all().iter().flat_map(proofs::Proof::jobs).collect();
    if let Ok(part) = std::env::var("SYSTOLE_PROOFS") {
        jobs.retain(|job| job.name.contains(&part));
        assert!(!jobs.is_empty(), "no proof's name contains `{part}`");
    }
    // The longest first, so that the workers end together.
    let mut waiting: Vec<&Job> = jobs.iter().collect();
    waiting.sort_by_key(|job| job.effort());
    let waiting = Mutex::new(waiting);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(job) = waiting.lock().expect("no worker panics").pop() else {
                        break;
                    };
                    let report = job.run(&tools);
                    println!("{report}");
                    if !report.as_expected {
                        failures
                            .lock()
                            .expect("no worker panics")
                            .push(report.to_string());
                    }
                }
            });
        }
    });
    println!("{} jobs in {:.0?}", jobs.len(), begin.elapsed());
    let failures = failures.into_inner().expect("no worker panics");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
