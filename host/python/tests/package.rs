//! The wheel, as people install it: made by maturin, put into a folder, and tested from Python.
//!
//! ```text
//!  crate --maturin--> wheel --pip--> folder --> pytest, mypy
//!                                      CPU, a served device, what other frameworks computed
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use systole_regs::configuration::TINY;
use systole_sim::Background;
use systole_sim::model::FunctionalModel;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A tool of the virtual environment that `make setup` makes.
fn tool(name: &str) -> Command {
    let environment = std::env::var_os("SYSTOLE_VENV")
        .map_or_else(|| folder().join("../../.venv"), PathBuf::from);
    let path = environment.join("bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run make setup",
        path.display()
    );
    Command::new(path)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not start: {error}");
    });
    let (out, error) = (&output.stdout, &output.stderr);
    let text = String::from_utf8_lossy(out) + String::from_utf8_lossy(error);
    assert!(output.status.success(), "{command:?}:\n{text}");
    println!("{}", text.lines().last().unwrap_or_default());
}

#[test]
fn the_wheel_passes_its_tests() {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let (wheels, site) = (
        directory.path().join("wheels"),
        directory.path().join("site"),
    );
    // With the code that the other tests have compiled already.
    run(tool("python")
        .args([
            "-m",
            "maturin",
            "build",
            "--locked",
            "--profile",
            "dev",
            "--out",
        ])
        .arg(&wheels)
        .current_dir(folder()));
    let wheel = std::fs::read_dir(&wheels).expect("maturin has made the folder");
    let wheel = wheel.flatten().next().expect("there is a wheel").path();
    run(tool("python")
        .args([
            "-m",
            "pip",
            "install",
            "--no-deps",
            "--no-index",
            "--quiet",
            "--target",
        ])
        .args([&site, &wheel]));

    let socket = directory.path().join("device.sock");
    let device = Background::start(FunctionalModel::new(TINY), &socket);
    let _device = device.expect("the device is served");
    let address = format!("vfio-user:{}", socket.display());
    run(tool("python")
        .args(["-m", "pytest", "-q", "--import-mode=importlib"])
        .arg(folder().join("tests"))
        .env("PYTHONPATH", &site)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SYSTOLE_TEST_MODEL", folder().join("../demo/digits.onnx"))
        .env("SYSTOLE_TEST_FIXTURES", folder().join("../tests/fixtures"))
        .env("SYSTOLE_TEST_DEVICE", address));
    for checked in [folder().join("tests/typed.py"), site.join("systole")] {
        run(tool("python")
            .args(["-m", "mypy", "--strict", "--cache-dir", "/dev/null"])
            .arg(checked)
            .env("MYPYPATH", &site)
            .current_dir(directory.path()));
    }
    run(tool("python")
        .args(["-m", "mypy.stubtest", "systole._native"])
        .env("PYTHONPATH", &site)
        .env("MYPYPATH", &site)
        .current_dir(directory.path()));
}
