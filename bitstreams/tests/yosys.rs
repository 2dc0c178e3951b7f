//! The real yosys on a design small enough for every test run.

use std::path::PathBuf;

use systole_bitstreams::{Part, SynthesisError, count_cells};

fn environment() -> PathBuf {
    std::env::var_os("SYSTOLE_VENV").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv"),
        PathBuf::from,
    )
}

#[test]
fn a_requantization_lane_takes_multipliers() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let lane = systole_hdl::emit::tidy(&systole_hdl::emit::verilog_of(Box::new(
        systole_hdl::requantize::lane::Lane::default(),
    )));
    std::fs::write(directory.path().join("lane.v"), lane)
        .expect("there is room for temporary files");
    let part = Part::by_name("lfe5um5g-85f").expect("the part is known");
    let cells = count_cells("lane", "top", &part, &environment(), directory.path())
        .expect("yosys synthesizes a lane");
    // 32 x 32 bits are four products of 18 x 18.
    assert_eq!(cells.get("MULT18X18D"), Some(&4));
    assert!(cells["TRELLIS_FF"] > 100);
}

#[test]
fn a_broken_design_shows_the_end_of_the_log() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    std::fs::write(directory.path().join("broken.v"), "module top(; endmodule")
        .expect("there is room for temporary files");
    let part = Part::by_name("lfe5um5g-85f").expect("the part is known");
    let error = count_cells("broken", "top", &part, &environment(), directory.path())
        .expect_err("the design is broken");
    assert!(error.to_string().contains("syntax error"), "{error}");
}

#[test]
fn a_missing_tool_says_what_to_do() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let part = Part::by_name("lfe5um5g-85f").expect("the part is known");
    let error = count_cells("x", "top", &part, directory.path(), directory.path())
        .expect_err("there is no yosys");
    assert!(
        matches!(error, SynthesisError::Tool { .. }) && error.to_string().contains("make setup")
    );
}
