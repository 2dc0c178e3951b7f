//! C programs against the installed interface, as its users have it: header, pkg-config, shared and static
//! library.
//!
//! ```text
//!  cargo's libraries --install--> prefix --pkg-config, cc--> program --> CPU, and a served device
//! ```

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_regs::configuration::TINY;
use systole_sim::Background;
use systole_sim::model::FunctionalModel;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} does not start: {error}");
    });
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    output
}

/// The interface in a folder of its own.
struct Installed(tempfile::TempDir);

impl Installed {
    fn new() -> Installed {
        let prefix = tempfile::tempdir().expect("there is room for temporary files");
        // The libraries lie beside this test.
        let test = std::env::current_exe().expect("the test has a path");
        let libraries = test.parent().expect("it lies in a folder");
        run(Command::new(folder().join("install")).args([libraries, prefix.path()]));
        Installed(prefix)
    }

    fn flags(&self, arguments: &[&str]) -> Vec<String> {
        let output = run(Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", self.0.path().join("lib/pkgconfig"))
            .args(arguments)
            .arg("systole"));
        let text = String::from_utf8(output.stdout).expect("flags are text");
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles a program, strictly; `library` are the flags that link.
    fn compile(&self, source: &str, library: &[String]) -> PathBuf {
        let source = folder().join(source);
        let program = self.0.path().join(source.file_stem().unwrap_or_default());
        run(Command::new("cc")
            .args([
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Werror",
                "-g",
                "-pthread",
            ])
            .args(self.flags(&["--cflags"]))
            .args([source.as_os_str(), OsStr::new("-o"), program.as_os_str()])
            .args(library));
        program
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.0.path().join("lib"));
        command
    }
}

/// A device that another process could have served, and its address.
fn served(folder: &Path) -> (Background, String) {
    let socket = folder.join("device.sock");
    let device = Background::start(FunctionalModel::new(TINY), &socket).expect("it is served");
    (device, format!("vfio-user:{}", socket.display()))
}

fn digits() -> PathBuf {
    folder().join("../demo/digits.onnx")
}

/// The demo's model with another weight: the file with one byte of its largest tensor changed.
fn other(prefix: &Path) -> PathBuf {
    let mut bytes = std::fs::read(digits()).expect("the demo's model is there");
    let network = Network::load(digits()).expect("the demo's model is one");
    let rows: Vec<i8> = (0..64 * network.input_elements())
        .map(|i| (i * 31) as i8)
        .collect();
    let executor = CpuExecutor::new(&network).expect("it is consistent");
    let answers = executor.run(&rows, 64);
    let path = prefix.join("other.onnx");
    // Somewhere in the file are weights.
    for position in (0..bytes.len()).step_by(97) {
        let before = std::mem::replace(&mut bytes[position], 100);
        let changed = Network::from_bytes("other", &bytes).ok();
        let differs = changed.is_some_and(|changed| {
            let like = changed.input == network.input && changed.output == network.output;
            let executor = CpuExecutor::new(&changed).ok().filter(|_| like);
            executor.is_some_and(|executor| executor.run(&rows, 64) != answers)
        });
        if differs {
            std::fs::write(&path, &bytes).expect("there is room for temporary files");
            return path;
        }
        bytes[position] = before;
    }
    panic!("no weight was found in the demo's model");
}

#[test]
fn the_example_classifies_as_the_cpu_backend_does() {
    let installed = Installed::new();
    let network = Network::load(digits()).expect("the demo's model is one");
    let floats: Vec<f32> = (0..50 * network.input_elements())
        .map(|index| (index * 7919 % 17) as f32)
        .collect();
    let path = installed.0.path().join("rows");
    let bytes: Vec<u8> = floats
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect();
    std::fs::write(&path, bytes).expect("there is room for temporary files");
    let executor = CpuExecutor::new(&network).expect("it is consistent");
    let rows = network.rows_from_floats(&floats).expect("they are finite");
    let rows: Vec<i8> = rows.iter().map(|&byte| byte as i8).collect();
    let answers = executor.run(&rows, 50);
    let expected: String = answers
        .chunks(network.output_elements())
        .enumerate()
        .map(|(row, values)| {
            let greatest = values.iter().max().expect("there are classes");
            let class = values.iter().position(|value| value == greatest);
            format!("{row} {}\n", class.expect("it is one of them"))
        })
        .collect();

    let shared = installed.compile("examples/classify.c", &installed.flags(&["--libs"]));
    let (_device, address) = served(installed.0.path());
    for devices in [&[][..], &["cpu"], &[&address], &[&address, "cpu"]] {
        let output = run(installed
            .command(&shared)
            .args([&digits(), &path])
            .args(devices));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{devices:?}"
        );
    }
    let library = installed.0.path().join("lib/libsystole.a");
    let mut flags = vec![library.display().to_string()];
    let private = installed.flags(&["--static", "--libs-only-l"]);
    flags.extend(private.into_iter().filter(|flag| flag != "-lsystole"));
    let whole = installed.compile("examples/classify.c", &flags);
    let output = run(Command::new(whole).args([&digits(), &path]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn every_call_does_what_the_header_says() {
    let installed = Installed::new();
    let program = installed.compile("tests/calls.c", &installed.flags(&["--libs"]));
    let other = other(installed.0.path());
    let (_device, address) = served(installed.0.path());
    for device in ["cpu", &address] {
        let output = run(installed
            .command(&program)
            .arg(device)
            .args([&digits(), &other]));
        print!("{device}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_header_is_cpp_too() {
    let header = folder().join("include/systole.h");
    run(Command::new("c++")
        .args([
            "-std=c++17",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-x",
            "c++",
        ])
        .arg(header));
}
