//! `systole stream`: the streaming service on a device that the command opens.

use std::error::Error;
use std::sync::Arc;

use systole_host::Network;
use systole_host::engine::{Backend, Engine, EngineOptions, PendingBatch};
use systole_stream::{Array, Prediction, Predictor, command};

use crate::device::{DeviceName, OpenDevice};
use crate::input;

/// The streaming service's arguments, and the device.
#[derive(clap::Args)]
// The flattened arguments are a group of the same name.
#[group(skip)]
pub struct Arguments {
    /// Device: cpu, sim[:CONFIG], model[:CONFIG], vfio:ADDRESS, vfio-user:SOCKET or
    /// serial:PORT.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceName,
    #[command(flatten)]
    stream: command::Arguments,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let network = Arc::new(input::load(&arguments.stream.model)?);
    let mut device = OpenDevice::open(&arguments.device)?;
    let (backend, array) = match &device {
        None => (Backend::Cpu, None),
        Some(open) => {
            let identity = open.device().identity();
            let array = Array {
                elements: identity.array_rows as u64 * identity.array_columns as u64,
                clock_khz: identity.clock_khz,
            };
            (Backend::Device(open.device().clone()), Some(array))
        }
    };
    let result = serve(arguments, &network, backend, array);
    match (result, &mut device) {
        (Err(error), Some(device)) => Err(device.explain(error)),
        (result, _) => result,
    }
}

fn serve(
    arguments: &Arguments,
    network: &Arc<Network>,
    backend: Backend,
    array: Option<Array>,
) -> anyhow::Result<()> {
    let options = EngineOptions {
        batch: usize::from(arguments.stream.max_batch),
        ..EngineOptions::default()
    };
    let engine = Engine::new(Arc::clone(network), backend, options)?;
    let device = arguments.device.to_string();
    command::run(
        &arguments.stream,
        network,
        &EnginePredictor(engine),
        array,
        &device,
    )?;
    Ok(())
}

/// The engine as the service sees it.
struct EnginePredictor(Engine);

impl Predictor for EnginePredictor {
    type Pending = PendingBatch;

    fn submit(&self, rows: Vec<i8>) -> PendingBatch {
        self.0.submit(rows)
    }

    fn wait(&self, pending: PendingBatch) -> Result<Prediction, Box<dyn Error + Send + Sync>> {
        let result = pending.wait()?;
        let cycles = result.commands.iter().map(|command| command.cycles).sum();
        Ok(Prediction {
            outputs: result.outputs,
            version: result.version,
            cycles,
        })
    }
}
