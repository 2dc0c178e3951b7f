//! What the tests share.

use std::path::PathBuf;

use systole_bitstreams::{Board, Design, Environment, Options};

/// The tools of the project, or of the virtual environment that SYSTOLE_VENV names.
pub fn environment() -> Environment {
    let folder = std::env::var_os("SYSTOLE_VENV").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv"),
        PathBuf::from,
    );
    Environment::new(&folder).expect("the working directory is there")
}

/// One block of the accelerator that has all kinds of logic: multipliers, carries, registers.
pub fn lane(board: &Board, clock_khz: u32) -> Design {
    let verilog = systole_hdl::emit::tidy(&systole_hdl::emit::verilog_of(Box::new(
        systole_hdl::requantize::lane::Lane::default(),
    )));
    Design::block("lane", &verilog, "top", board, clock_khz).expect("the lane has ports")
}

/// One seed into this folder.
pub fn options(output: &std::path::Path) -> Options {
    Options {
        seeds: 1,
        jobs: 1,
        allow_missed_clock: false,
        output: output.to_owned(),
    }
}
