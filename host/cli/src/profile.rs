//! `systole profile`: where the cycles of a command go, layer by layer, and when.
//!
//! ```text
//!  model --engine, one traced command--> records --> table (or JSON) on standard output
//!                                               \--> timeline for a trace viewer, to a file
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use systole_host::Network;
use systole_host::compiler::{self, CompileOptions, Target};
use systole_host::engine::{Backend, CommandReport, Engine, EngineOptions};
use systole_host::profile::{Cause, Cost, Profile};
use systole_host::rows::Rows;

use crate::device::{DeviceName, OpenDevice};
use crate::input;
use crate::output;

/// Runs one command of a model with a trace and accounts for each of its cycles: a table of the
/// layers with cycles, MACs, utilization and lost cycles by cause, and a timeline.
#[derive(clap::Args)]
pub struct Arguments {
    /// Quantized model: .tflite, or .onnx in QDQ form.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Device with a clock: sim[:CONFIG] or vfio-user:SOCKET.
    #[arg(long, value_name = "DEVICE", default_value = "sim")]
    device: DeviceName,
    /// Rows of the command.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Rows to compute, as for `systole infer`; zeros by default, because cycles don't depend on values.
    #[arg(long, value_name = "X.npy")]
    input: Option<PathBuf>,
    /// File to write the timeline to (Chrome trace JSON: open it in chrome://tracing or
    /// ui.perfetto.dev); MODEL.trace.json in the current folder by default.
    #[arg(long, value_name = "OUT.json")]
    timeline: Option<PathBuf>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let network = Arc::new(input::load(&arguments.model)?);
    let rows = rows(arguments, &network)?;
    // Opened first, so that a bad path is known before the work.
    let path = timeline_path(arguments);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let profile = match profile(arguments, &network, &rows) {
        Ok(profile) => profile,
        Err(error) => {
            // Nothing was written to it.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
    };
    let mut writer = BufWriter::new(file);
    profile
        .write_timeline(&mut writer)
        .and_then(|()| writer.flush())
        .with_context(|| format!("cannot write {}", path.display()))?;
    if arguments.json {
        let report = Report::new(&profile, arguments, &path);
        return output::print(&format!("{}\n", serde_json::to_string(&report)?));
    }
    let kind = match arguments.device {
        DeviceName::Simulated { .. } => ", simulated",
        _ => "",
    };
    output::print(&format!(
        "{profile}\ndevice: {}{kind}\ntimeline: {}\n",
        arguments.device,
        path.display()
    ))
}

fn timeline_path(arguments: &Arguments) -> PathBuf {
    arguments.timeline.clone().unwrap_or_else(|| {
        let mut name = arguments.model.file_stem().unwrap_or_default().to_owned();
        name.push(".trace.json");
        name.into()
    })
}

/// Values for the command's rows.
fn rows(arguments: &Arguments, network: &Network) -> anyhow::Result<Vec<i8>> {
    let batch = usize::from(arguments.batch);
    let Some(path) = &arguments.input else {
        return Ok(vec![0; batch * network.input_elements()]);
    };
    let mut rows =
        Rows::read(path, network).with_context(|| format!("cannot use {}", path.display()))?;
    ensure!(
        rows.count >= batch,
        "{} has {} rows, fewer than the {batch} of --batch",
        path.display(),
        rows.count
    );
    rows.values.truncate(batch * network.input_elements());
    Ok(rows.values)
}

fn profile(arguments: &Arguments, network: &Arc<Network>, rows: &[i8]) -> anyhow::Result<Profile> {
    match &arguments.device {
        DeviceName::Cpu => bail!(
            "the CPU has no accelerator cycles to account for: use sim[:CONFIG] or vfio-user:SOCKET"
        ),
        DeviceName::Simulated {
            functional: true, ..
        } => bail!(
            "the functional model has no clock: use sim[:CONFIG], the simulated hardware, or \
             vfio-user:SOCKET"
        ),
        _ => {}
    }
    let mut open = OpenDevice::open(&arguments.device)?.context("the device has no address")?;
    let batch = usize::from(arguments.batch);
    let target = Target::from(open.device().identity());
    // The engine compiles the same program for the same options.
    let options = CompileOptions { batch: Some(batch) };
    let program = compiler::compile_with(network, &target, options)
        .with_context(|| format!("cannot compile {}", arguments.model.display()))?;
    let report = command(network, Backend::Device(open.device().clone()), batch, rows)
        .map_err(|error| open.explain(error))?;
    Profile::new(&program, &report).context("the device's trace cannot be used")
}

/// One traced command.
fn command(
    network: &Arc<Network>,
    backend: Backend,
    batch: usize,
    rows: &[i8],
) -> anyhow::Result<CommandReport> {
    let options = EngineOptions {
        batch,
        statistics: true,
        trace: true,
        ..EngineOptions::default()
    };
    let engine = Engine::new(Arc::clone(network), backend, options)?;
    let result = engine.infer_batch(rows)?;
    let mut commands = result.commands.into_iter();
    commands.next().context("the engine ran no command")
}

/// The profile as JSON.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    device: String,
    batch: usize,
    macs: u64,
    elements: u64,
    cycles: u64,
    utilization: f64,
    clock_khz: u32,
    /// Cycles at that clock, in seconds: what the device would take, not what was measured.
    simulated_seconds: f64,
    /// Cycles by cause, as attributed to the layers.
    causes: BTreeMap<&'static str, u64>,
    /// The same as the device's counters have it.
    counters: BTreeMap<&'static str, u64>,
    layers: Vec<LayerReport<'a>>,
    timeline: &'a Path,
}

#[derive(Serialize)]
struct LayerReport<'a> {
    name: &'a str,
    macs: u64,
    cycles: u64,
    utilization: f64,
    causes: BTreeMap<&'static str, u64>,
}

impl<'a> Report<'a> {
    fn new(profile: &'a Profile, arguments: &Arguments, timeline: &'a Path) -> Report<'a> {
        Report {
            model: &profile.model,
            device: arguments.device.to_string(),
            batch: profile.rows,
            macs: profile.macs(),
            elements: profile.elements,
            cycles: profile.cycles,
            utilization: profile.utilization(profile.macs(), profile.cycles),
            clock_khz: profile.clock_khz,
            simulated_seconds: profile.cycles as f64 / (f64::from(profile.clock_khz) * 1e3),
            causes: causes(&profile.total()),
            counters: causes(&profile.counted()),
            layers: (profile.layers.iter())
                .map(|layer| LayerReport {
                    name: &layer.name,
                    macs: layer.macs,
                    cycles: layer.cost.cycles(),
                    utilization: profile.utilization(layer.macs, layer.cost.cycles()),
                    causes: causes(&layer.cost),
                })
                .collect(),
            timeline,
        }
    }
}

fn causes(cost: &Cost) -> BTreeMap<&'static str, u64> {
    Cause::ALL
        .into_iter()
        .map(|cause| (cause.name(), cost[cause]))
        .collect()
}
