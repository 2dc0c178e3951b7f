//! A device that can fail, with an engine on top, and work for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_driver::{Address, CompletionMode, Device, OpenOptions, Transport, VfioUser};
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineOptions};
use systole_regs::configuration::TINY;
use systole_sim::model::FunctionalModel;

use super::Faulty;
use crate::Served;

/// Longest time that a device may take for one thing before it counts as failed.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// Rows of a batch, and of a command.
pub const ROWS: (usize, usize) = (11, 2);

/// A network, rows for it, and their answers.
pub struct Work {
    network: Arc<Network>,
    rows: Vec<i8>,
    answers: Vec<i8>,
}

impl Work {
    /// The demo's network, and random rows, which the CPU backend has answered.
    ///
    /// # Panics
    /// If the network is not there.
    #[expect(clippy::new_without_default, reason = "it reads a file")]
    pub fn new() -> Work {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/digits.onnx");
        let network = Arc::new(Network::load(&path).expect("the demo's model is supported"));
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let rows: Vec<i8> = (0..ROWS.0 * 64).map(|_| random.random()).collect();
        let answers = CpuExecutor::new(&network)
            .expect("it is consistent")
            .run(&rows, ROWS.0);
        Work {
            network,
            rows,
            answers,
        }
    }

    /// Rows from number `first` on, and then those before it, so that batches differ.
    pub fn batch(&self, first: usize) -> Vec<i8> {
        turned(&self.rows, first)
    }

    /// The answer to [`batch`](Self::batch).
    pub fn answer(&self, first: usize) -> Vec<i8> {
        turned(&self.answers, first)
    }
}

/// Rows from number `first` on, and then those before it.
fn turned(values: &[i8], first: usize) -> Vec<i8> {
    let width = values.len() / ROWS.0;
    let mut values = values.to_vec();
    values.rotate_left(first % ROWS.0 * width);
    values
}

/// A served functional model, the proxy before it, and an engine on top.
pub struct Rig {
    /// The engine.
    pub engine: Engine,
    /// The proxy.
    pub faulty: Arc<Faulty>,
    /// The device; the engine's device has vanished when it is dropped.
    pub served: Served,
}

impl Rig {
    /// Serves a device and makes an engine on it.
    ///
    /// # Panics
    /// If that fails.
    pub fn new(work: &Work, mode: CompletionMode) -> Rig {
        let served = Served::core(FunctionalModel::new(TINY));
        let Address::VfioUser(socket) = served.address() else {
            panic!("it is served at a socket");
        };
        let transport = VfioUser::connect(socket, Duration::from_secs(5)).expect("it answers");
        let faulty = Faulty::new(Arc::new(transport));
        let engine = Self::engine(work, &faulty, mode);
        Rig {
            engine,
            faulty,
            served,
        }
    }

    /// A new engine on the device behind a proxy, which no other engine has any more.
    ///
    /// # Panics
    /// If the device does not open, or the network does not fit.
    pub fn engine(work: &Work, faulty: &Arc<Faulty>, mode: CompletionMode) -> Engine {
        let options = OpenOptions { timeout: PATIENCE };
        let device =
            Device::over(Arc::clone(faulty) as Arc<dyn Transport>, options).expect("it opens");
        let options = EngineOptions {
            batch: ROWS.1,
            mode,
            timeout: PATIENCE,
            ..EngineOptions::default()
        };
        let network = Arc::clone(&work.network);
        Engine::new(network, Backend::Device(device), options).expect("it fits")
    }
}
