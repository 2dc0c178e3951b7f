//! A running `systole serve` with a repository of its own, and Python programs as its clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::common::{assert_succeeds, golden, model, references_are_there, systole};

/// A server must be ready within this time.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A folder of models: `digits` in two versions of the same file, and `ad` and `kws` where the reference
/// models are.
pub struct Models {
    folder: TempDir,
}

impl Models {
    /// Makes it, with `golden/MODEL_in.npy` and `golden/MODEL_out.npy` beside the repository.
    pub fn new() -> Models {
        let models = Models {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        std::fs::create_dir(models.golden()).expect("the folder can be written");
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx");
        models.put("digits", 1, &digits);
        models.put("digits", 2, &digits);
        models.digits_golden(&digits);
        if references_are_there() {
            for (name, file, golden_name) in [
                ("ad", "ad01_int8.onnx", "ad01_int8"),
                ("kws", "kws_ref_model.tflite", "kws_dscnn_int8"),
            ] {
                models.put(name, 1, &model(file));
                for side in ["in", "out"] {
                    let there = models.golden().join(format!("{name}_{side}.npy"));
                    std::fs::copy(golden(&format!("{golden_name}_{side}.npy")), there)
                        .expect("a copy");
                }
            }
        }
        models
    }

    /// The repository.
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The folder of inputs and what they give.
    pub fn golden(&self) -> PathBuf {
        self.folder.path().join("golden")
    }

    /// A file beside them.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    fn put(&self, name: &str, version: u32, file: &Path) {
        let folder = self.repository().join(name).join(version.to_string());
        std::fs::create_dir_all(&folder).expect("the folder can be written");
        let extension = file.extension().unwrap_or_default();
        let there = folder.join("model").with_extension(extension);
        std::fs::copy(file, there).expect("a copy");
    }

    /// Rows of pixels, and what `systole infer` says of them.
    fn digits_golden(&self, digits: &Path) {
        let (rows, width) = (40, 64);
        let pixel = |index: usize| (index * 31 + (index % width) * (index / width) * 7) % 17;
        let pixels = (0..rows * width).flat_map(|index| (pixel(index) as f32).to_le_bytes());
        let pixels: Vec<u8> = pixels.collect();
        let [input, output] =
            ["digits_in.npy", "digits_out.npy"].map(|file| self.golden().join(file));
        crate::common::write_npy(&input, "<f4", &format!("({rows}, {width})"), &pixels);
        assert_succeeds(
            systole()
                .args(["infer", "--device", "cpu", "--model"])
                .arg(digits)
                .arg("--input")
                .arg(input)
                .arg("--output")
                .arg(output),
        );
    }
}

/// A server's process, killed when dropped.
pub struct Server {
    /// The process.
    pub child: Child,
    /// Where it answers HTTP first.
    pub http: SocketAddr,
    /// Where it answers gRPC first.
    pub grpc: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts it on ports of the system's choice, with further arguments, and waits until it is ready.
    pub fn start(models: &Models, arguments: &[&str]) -> Server {
        let server = Server::start_unready(models, arguments);
        let begin = Instant::now();
        while !server.get("/v2/health/ready").starts_with("HTTP/1.1 200") {
            assert!(begin.elapsed() < READY_LIMIT, "the server should be ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// The same without the wait, for one that doesn't speak plain HTTP.
    pub fn start_unready(models: &Models, arguments: &[&str]) -> Server {
        let mut child = systole()
            .arg("serve")
            .arg("--repository")
            .arg(models.repository())
            .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("it is text");
        let addresses = first.trim().strip_prefix("systole: listening at ");
        let addresses = addresses.and_then(|text| text.split_once(" and "));
        let (http, grpc) = addresses.unwrap_or_else(|| panic!("it should listen: {first}"));
        let parse = |text: &str| text.parse().expect("an address");
        let (http, grpc) = (parse(http), parse(grpc));
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                heard
                    .lock()
                    .expect("nobody panics")
                    .push_str(&(line + "\n"));
            }
        });
        Server {
            child,
            http,
            grpc,
            said,
        }
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.said.lock().expect("nobody panics").clone()
    }

    /// A connection for HTTP.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).expect("the server listens");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("a timeout");
        stream.set_write_timeout(limit).expect("a timeout");
        stream
    }

    /// Sends these bytes on a connection of their own; what comes back until the server closes it.
    pub fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        // A server that refuses may close the connection before all is written.
        let _ = stream.write_all(request);
        read_all(&mut stream)
    }

    /// GETs a path.
    pub fn get(&self, path: &str) -> String {
        self.exchange(
            format!("GET {path} HTTP/1.1\r\nHost: systole\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    }

    /// Asks it to go down.
    pub fn terminate(&self) {
        let id = i32::try_from(self.child.id()).expect("a process's id");
        kill(Pid::from_raw(id), Signal::SIGTERM).expect("it runs");
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(begin.elapsed() < limit, "the server should have ended");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a connection brings until its end, or until the server breaks it off.
pub fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A program of the project's virtual environment, which `make setup` makes.
pub fn tool(name: &str) -> Command {
    let environment = std::env::var_os("SYSTOLE_VENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv"),
        PathBuf::from,
    );
    let path = environment.join("bin").join(name);
    assert!(path.exists(), "no {}: run `make setup`", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

/// Runs tests in Python from `tests/clients` against a server.
pub fn pytest(server: &Server, models: &Models, file: &str, environment: &[(&str, &str)]) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
    let output = tool("python")
        .args(["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"])
        .arg(clients.join(file))
        // Other packages' plugins take their time, and none is needed.
        .env("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SYSTOLE_HTTP", server.http.to_string())
        .env("SYSTOLE_GRPC", server.grpc.to_string())
        .env("SYSTOLE_PID", server.child.id().to_string())
        .env("SYSTOLE_GOLDEN", models.golden())
        .envs(environment.iter().copied())
        .output()
        .expect("Python starts");
    assert!(
        output.status.success(),
        "{}{}\nThe server said:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        server.said()
    );
    assert!(!server.said().contains("panicked"), "{}", server.said());
    print!("{}", String::from_utf8_lossy(&output.stdout));
}
