//! A server in the test's process, and the plainest HTTP client there is.

#![allow(dead_code, reason = "each test uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use systole_host::serving::Fleet;
use systole_serve::{Control, Repository, Server, ServerOptions, Telemetry};
use tempfile::TempDir;

/// A folder of models that holds this one under these names, in version 1.
pub fn repository(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in names {
        let version = folder.path().join(name).join("1");
        std::fs::create_dir_all(&version).expect("a folder");
        std::fs::copy(fixture("wake_word.tflite"), version.join("model.tflite")).expect("a model");
    }
    folder
}

fn fixture(file: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    fixtures.join(file)
}

/// A server that runs until this is dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Serves a folder, with an endpoint for traces or without.
    pub fn start(
        folder: &Path,
        fleet: Arc<Fleet>,
        mut options: ServerOptions,
        otlp: Option<String>,
    ) -> Running {
        let repository = Repository::open(folder, fleet).expect("the folder is there");
        let (bound, address) = channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("threads");
            runtime.block_on(async {
                options.addresses = vec![([127, 0, 0, 1], 0).into()];
                options.control = Some(Control::None);
                options.drain = Duration::from_secs(10);
                options.telemetry = otlp.map(|otlp| Telemetry::otlp(&otlp).expect("it is a URL"));
                let server = Server::bind(Arc::new(repository), options).await;
                let server = server.expect("a port is free");
                bound.send(server.addresses()[0]).expect("the test waits");
                let stop = async {
                    let _ = stopped.await;
                };
                server.run(stop).await.expect("the server runs");
            });
        });
        let address = address.recv().expect("it is bound");
        let running = Running {
            address,
            stop: Some(stop),
            thread: Some(thread),
        };
        let begin = Instant::now();
        while running.get("/v2/health/ready").status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(60), "it gets ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        stream.write_all(body.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Reply {
            status: status.expect("a status"),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    /// An inference of so many rows of zeros.
    pub fn infer(&self, model: &str, rows: usize, headers: &[(&str, &str)]) -> Reply {
        let body = self.inference(model, rows);
        self.ask("POST", &format!("/v2/models/{model}/infer"), headers, &body)
    }

    /// The body of such a request.
    pub fn inference(&self, model: &str, rows: usize) -> String {
        let metadata = self.get(&format!("/v2/models/{model}")).json();
        let input = &metadata["inputs"][0];
        let shape = input["shape"].as_array().expect("a shape");
        let row: Vec<usize> = shape[1..]
            .iter()
            .map(|size| size.as_u64().expect("a size") as usize)
            .collect();
        let values = rows * row.iter().product::<usize>();
        let shape = [vec![rows], row].concat();
        json!({"inputs": [{
            "name": input["name"],
            "datatype": input["datatype"],
            "shape": shape,
            "data": vec![0; values],
        }]})
        .to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server has panicked");
        }
    }
}

/// An answer.
pub struct Reply {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}
