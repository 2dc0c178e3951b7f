//! Where the tests find Verilator.

use std::path::PathBuf;
use std::process::Command;

#[path = "environment.rs"]
mod environment;

pub use environment::environment;

/// Verilator's directory in the project's virtual environment.
pub fn root() -> PathBuf {
    std::fs::read_dir(environment().join("lib"))
        .ok()
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("site-packages/verilator"))
        .find(|path| path.join("bin/verilator").is_file())
        .expect("Verilator is in .venv: run `make setup`")
}

/// Verilator, ready for arguments.
pub fn command() -> Command {
    let root = root();
    let mut command = Command::new("perl");
    command
        .arg(root.join("bin/verilator"))
        .env("VERILATOR_ROOT", &root);
    command
}
