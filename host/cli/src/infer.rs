//! `systole infer`: rows from a file through a model on a device, answers to a file.
//!
//! ```text
//!  X.npy --quantize if float--> int8 rows --engine, N rows a command--> int8 --> Y.npy
//! ```

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use systole_driver::CompletionMode;
use systole_host::Network;
use systole_host::engine::{Backend, CommandReport, Engine, EngineOptions};
use systole_host::rows::{self, Rows};

use crate::device::{DeviceName, OpenDevice};
use crate::input;
use crate::output;
use crate::stats::{Basis, Stats};

/// Commands that are handed to the engine before the first answer is waited for.
const COMMANDS_AHEAD: usize = 32;

/// Computes a model's answers to the rows of a NumPy file.
///
/// Integer rows go in as they are; float rows are quantized with the scale of the model's input,
/// and then the answers are floats too.
#[derive(clap::Args)]
pub struct Arguments {
    /// Quantized model: .tflite, or .onnx in QDQ form.
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Rows: int8, uint8 or float32, of shape (N, ...) with the model's row shape, or (N, elements).
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,
    /// File to write the answers to.
    #[arg(long, value_name = "Y.npy")]
    output: PathBuf,
    /// Device: cpu, sim[:CONFIG], model[:CONFIG], vfio:ADDRESS, vfio-user:SOCKET or
    /// serial:PORT.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceName,
    /// Rows per device command, at most.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// How completions are noticed.
    #[arg(long, value_enum, default_value_t = Completion::Polling)]
    completion: Completion,
    /// Print cycles, utilization and the device's counters as one JSON object on standard output.
    #[arg(long)]
    stats: bool,
}

/// How completions are noticed.
#[derive(Clone, Copy, ValueEnum)]
enum Completion {
    /// By reading the completion ring.
    Polling,
    /// By MSI-X.
    Interrupt,
}

impl From<Completion> for CompletionMode {
    fn from(completion: Completion) -> CompletionMode {
        match completion {
            Completion::Polling => CompletionMode::Polling,
            Completion::Interrupt => CompletionMode::Interrupt,
        }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let network = Arc::new(input::load(&arguments.model)?);
    let input = Rows::read(&arguments.input, &network)
        .with_context(|| format!("cannot use {}", arguments.input.display()))?;
    let folder = arguments
        .output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(folder) = folder {
        ensure!(
            folder.is_dir(),
            "cannot write {}: there is no folder {}",
            arguments.output.display(),
            folder.display()
        );
    }

    let mut device = OpenDevice::open(&arguments.device)?;
    let mut basis = Basis {
        macs_per_row: network.macs(),
        array: None,
    };
    let backend = match &device {
        None => Backend::Cpu,
        Some(open) => {
            let identity = open.device().identity();
            let elements = identity.array_rows as u64 * identity.array_columns as u64;
            basis.array = Some((elements, identity.clock_khz));
            Backend::Device(open.device().clone())
        }
    };
    let begin = Instant::now();
    let answers = compute(arguments, &network, backend, &input);
    let elapsed = begin.elapsed();
    let answers = match (answers, &mut device) {
        (Err(error), Some(device)) => return Err(device.explain(error)),
        (answers, _) => answers?,
    };

    rows::write_outputs(
        &arguments.output,
        &network,
        input.element,
        input.count,
        &answers.outputs,
    )
    .with_context(|| format!("cannot write {}", arguments.output.display()))?;

    if arguments.stats {
        let commands: Vec<_> = answers
            .commands
            .iter()
            .map(|report| basis.command(report))
            .collect();
        let total = basis.total(&commands);
        let stats = Stats {
            model: network.name.clone(),
            version: answers.version,
            device: arguments.device.to_string(),
            rows: input.count,
            batch: usize::from(arguments.batch),
            macs: total.macs,
            elements: basis.array.map(|(elements, _)| elements),
            cycles: total.cycles,
            utilization: total.utilization,
            clock_khz: basis.array.map(|(_, khz)| khz),
            simulated_seconds: total.seconds,
            elapsed_seconds: elapsed.as_secs_f64(),
            commands,
        };
        output::print(&format!("{}\n", serde_json::to_string(&stats)?))?;
    }
    Ok(())
}

/// Answers to all rows.
struct Answers {
    outputs: Vec<i8>,
    version: u32,
    commands: Vec<CommandReport>,
}

/// Sends the rows through the engine, one command's worth at a time with several under way, and
/// shows the progress.
fn compute(
    arguments: &Arguments,
    network: &Arc<Network>,
    backend: Backend,
    input: &Rows,
) -> anyhow::Result<Answers> {
    let batch = usize::from(arguments.batch);
    let options = EngineOptions {
        batch,
        mode: arguments.completion.into(),
        statistics: arguments.stats,
        ..EngineOptions::default()
    };
    let version = options.version;
    let engine = Engine::new(Arc::clone(network), backend, options)?;
    let mut answers = Answers {
        outputs: Vec::with_capacity(input.count * network.output_elements()),
        version,
        commands: Vec::with_capacity(input.count.div_ceil(batch)),
    };
    let bar = output::progress(input.count as u64, "infer");
    let mut pending = VecDeque::new();
    let mut chunks = input.values.chunks(batch * network.input_elements());
    loop {
        while pending.len() < COMMANDS_AHEAD
            && let Some(chunk) = chunks.next()
        {
            pending.push_back(engine.submit(chunk.to_vec()));
        }
        let Some(oldest) = pending.pop_front() else {
            break;
        };
        let result = oldest.wait()?;
        bar.inc(
            result
                .commands
                .iter()
                .map(|command| command.rows as u64)
                .sum(),
        );
        answers.version = result.version;
        answers.outputs.extend_from_slice(&result.outputs);
        answers.commands.extend(result.commands);
    }
    bar.finish_and_clear();
    Ok(answers)
}
