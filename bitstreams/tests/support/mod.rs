//! What the tests share.

use std::path::PathBuf;

use systole_bitstreams::{Board, Design, Environment, Options};

/// The project's virtual environment, or the one that SYSTOLE_VENV names.
fn folder() -> PathBuf {
    std::env::var_os("SYSTOLE_VENV").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv"),
        PathBuf::from,
    )
}

/// A tool in it.
pub fn tool(name: &str) -> PathBuf {
    folder().join("bin").join(name)
}

/// The tools in it.
pub fn environment() -> Environment {
    Environment::new(&folder()).expect("the working directory is there")
}

fn verilog<B: rust_hdl::core::prelude::Block>(block: B) -> String {
    systole_hdl::emit::tidy(&systole_hdl::emit::verilog_of(Box::new(block)))
}

/// The smallest thing that is worth building: one element of the array.
pub fn element(board: &Board, clock_khz: u32) -> Design {
    let verilog = verilog(systole_hdl::array::element::PairElement::<20>::default());
    Design::block("element", &verilog, "top", board, clock_khz).expect("the element has ports")
}

/// One block of the accelerator that has all kinds of logic: multipliers, carries, registers.
pub fn lane(board: &Board, clock_khz: u32) -> Design {
    let verilog = verilog(systole_hdl::requantize::lane::Lane::default());
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
