//! A server in this process, and a repository for it.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use systole_host::Network;
use systole_host::engine::EngineOptions;
use systole_host::serving::Fleet;
use systole_serve::protocol::grpc_inference_service_client::GrpcInferenceServiceClient;
use systole_serve::protocol::model_infer_request::InferInputTensor;
use systole_serve::protocol::{ModelInferRequest, ModelInferResponse};
use systole_serve::{Control, Repository, Server, ServerOptions};
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};

/// The client that the protocol's description yields.
pub type Client = GrpcInferenceServiceClient<Channel>;

/// The demo's network.
pub fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx")
}

/// Another network of the same shape: the first one with a weight turned around, which is a byte of the
/// file.
pub fn other_digits() -> Vec<u8> {
    let file = std::fs::read(digits()).expect("the demo's model is there");
    let original = Network::from_bytes("digits", &file).expect("it is supported");
    for position in (0..file.len()).rev() {
        let mut other = file.clone();
        other[position] ^= 0x55;
        // Names and shapes have to stay; what differs is computed.
        let changed = Network::from_bytes("digits", &other).is_ok_and(|network| {
            network.input == original.input
                && network.output == original.output
                && network.layers != original.layers
        });
        if changed {
            return other;
        }
    }
    panic!("the file has weights");
}

/// A repository that ends with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("there is room for temporary files"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file below a version's folder.
    pub fn write(&self, model: &str, version: &str, file: &str, content: &[u8]) {
        let folder = self.path().join(model).join(version);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        // At once, as an operator would do it.
        let unfinished = folder.join(".unfinished");
        std::fs::write(&unfinished, content).expect("it is written");
        std::fs::rename(unfinished, folder.join(file)).expect("it is renamed");
    }
}

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub repository: Arc<Repository>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// A server of a folder on the CPU.
    pub fn start(folder: &Folder, control: Control) -> Running {
        Self::start_on(folder, control, Vec::new())
    }

    /// A server of a folder on devices.
    pub fn start_on(
        folder: &Folder,
        control: Control,
        devices: Vec<(String, systole_host::engine::Backend)>,
    ) -> Running {
        let fleet = Fleet::new(devices, EngineOptions::default()).expect("threads start");
        let repository = Arc::new(Repository::open(folder.path(), fleet).expect("it is a folder"));
        let (stop, stopped) = oneshot::channel();
        let (sender, receiver) = std::sync::mpsc::channel();
        let served = Arc::clone(&repository);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("it starts");
            runtime.block_on(async {
                let options = ServerOptions {
                    addresses: vec!["127.0.0.1:0".parse().expect("an address")],
                    control: Some(control),
                    poll: Duration::from_millis(50),
                    // The test's client can't say goodbye while the test waits for the end.
                    drain: Duration::from_millis(200),
                    ..ServerOptions::default()
                };
                let server = Server::bind(served, options).await.expect("it binds");
                sender.send(server.addresses()[0]).expect("the test waits");
                let stop = async { drop(stopped.await) };
                server.run(stop).await.expect("it runs");
            });
        });
        Running {
            address: receiver.recv().expect("it is bound"),
            repository,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A client on a connection of its own; the server is ready.
    pub async fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        let channel = endpoint.expect("an address").connect().await;
        let mut client = Client::new(channel.expect("it listens"));
        for _ in 0..1000 {
            let ready = client.server_ready(systole_serve::protocol::ServerReadyRequest {});
            if ready.await.is_ok_and(|ready| ready.into_inner().ready) {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server is not ready");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A request for rows of `digits`, as floats.
pub fn request(model: &str, rows: &[f32]) -> ModelInferRequest {
    ModelInferRequest {
        model_name: model.to_owned(),
        inputs: vec![InferInputTensor {
            name: network().input.name,
            datatype: "FP32".to_owned(),
            shape: vec![rows.len() as i64 / 64, 64],
            ..InferInputTensor::default()
        }],
        raw_input_contents: vec![
            rows.iter()
                .flat_map(|value| value.to_le_bytes())
                .collect::<Vec<u8>>()
                .into(),
        ],
        ..ModelInferRequest::default()
    }
}

/// The floats of an answer.
pub fn floats(response: &ModelInferResponse) -> Vec<f32> {
    let bytes = response.raw_output_contents[0].chunks_exact(4);
    bytes
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect()
}

/// The demo's network.
pub fn network() -> Network {
    Network::load(digits()).expect("the demo's model is supported")
}

/// Some rows.
pub fn rows(seed: usize, count: usize) -> Vec<f32> {
    let values = 0..count * 64;
    values
        .map(|index| ((index * 31 + seed * 17) % 97) as f32 / 6.0)
        .collect()
}

/// What a network answers to rows.
pub fn golden(network: &Network, rows: &[f32]) -> Vec<f32> {
    let executor = systole_host::cpu::CpuExecutor::new(network).expect("it is consistent");
    let inputs = network.quantize_input(rows);
    network.dequantize_output(&executor.run(&inputs, rows.len() / 64))
}
