//! A device that can fail, with an engine or several networks on top, and work for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_driver::{Address, CompletionMode, Device, OpenOptions, Transport, VfioUser};
use systole_host::Network;
use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineOptions, Processor, Resident};
use systole_host::model::Operation;
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
        Self::of(Arc::new(digits()))
    }

    /// A network of the same shape that answers differently.
    ///
    /// # Panics
    /// If the network is not there.
    pub fn other() -> Work {
        let mut network = digits();
        for layer in &mut network.layers {
            if let Operation::FullyConnected(dense) = &mut layer.operation {
                dense.weights.reverse();
            }
        }
        let work = Self::of(Arc::new(network));
        assert!(
            work.answers != Work::new().answers,
            "they can be told apart"
        );
        work
    }

    fn of(network: Arc<Network>) -> Work {
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

fn digits() -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/digits.onnx");
    Network::load(&path).expect("the demo's model is supported")
}

/// Rows from number `first` on, and then those before it.
fn turned(values: &[i8], first: usize) -> Vec<i8> {
    let width = values.len() / ROWS.0;
    let mut values = values.to_vec();
    values.rotate_left(first % ROWS.0 * width);
    values
}

/// A served functional model and the proxy before it, through which it answers.
fn serve() -> (Arc<Faulty>, Served) {
    let served = Served::core(FunctionalModel::new(TINY));
    let Address::VfioUser(socket) = served.address() else {
        panic!("it is served at a socket");
    };
    let transport = VfioUser::connect(socket, Duration::from_secs(5)).expect("it answers");
    (Faulty::new(Arc::new(transport)), served)
}

/// The device behind a proxy, opened, and how it is used.
fn open(faulty: &Arc<Faulty>, mode: CompletionMode) -> (Backend, EngineOptions) {
    let options = OpenOptions { timeout: PATIENCE };
    let device = Device::over(Arc::clone(faulty) as Arc<dyn Transport>, options).expect("it opens");
    let options = EngineOptions {
        batch: ROWS.1,
        mode,
        timeout: PATIENCE,
        ..EngineOptions::default()
    };
    (Backend::Device(device), options)
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
        let (faulty, served) = serve();
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
        let (backend, options) = open(faulty, mode);
        Engine::new(Arc::clone(&work.network), backend, options).expect("it fits")
    }
}

/// As [`Rig`], with two networks on the device.
pub struct Pair {
    /// The networks.
    pub residents: [Resident; 2],
    /// The proxy.
    pub faulty: Arc<Faulty>,
    /// The device.
    pub served: Served,
}

impl Pair {
    /// Serves a device and loads the networks of both works, as versions 1 and 2.
    ///
    /// # Panics
    /// If that fails.
    pub fn new(works: &[Work; 2], mode: CompletionMode) -> Pair {
        let (faulty, served) = serve();
        let (backend, options) = open(&faulty, mode);
        let processor = Processor::new(backend, options).expect("it starts");
        let load = |index: usize| {
            let loaded = processor.load(&works[index].network, index as u32 + 1);
            loaded.expect("both fit")
        };
        Pair {
            residents: [load(0), load(1)],
            faulty,
            served,
        }
    }
}
