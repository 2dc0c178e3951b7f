//! The process of a simulated device: started for one command, on a socket that nobody else
//! sees, and ended with it however it ends.
//!
//! ```text
//!  systole infer --device sim                      systole sim serve --socket TEMP/device
//!    | spawn (--parent: the process id) -----------> | ends when the parent does
//!    | wait for the address <-- standard output ---- | listens
//!    | open the device <======= vfio-user =========> |
//!    | remove TEMP                                   |
//!    | SIGKILL on drop ----------------------------> x
//! ```

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use systole_regs::Configuration;
use tempfile::TempDir;

/// How long a device may take to listen on its socket. Resetting the largest configuration takes
/// well under a second; the rest is for busy machines.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long to wait for the exit status of a process whose socket has broken.
const END_LIMIT: Duration = Duration::from_millis(500);

/// How often to look for it.
const END_POLL: Duration = Duration::from_millis(5);

/// Lines of the process's standard error that are kept for error messages.
const KEPT_LINES: usize = 5;

/// A running `systole sim serve`.
pub struct DeviceProcess {
    child: Child,
    folder: Option<TempDir>,
    socket: PathBuf,
    said: Arc<Mutex<VecDeque<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl DeviceProcess {
    /// Starts a device and waits until it listens.
    ///
    /// Call this on the main thread: the device ends with the thread that started it.
    ///
    /// # Errors
    /// If the process cannot be started, or ends or stays silent instead of listening.
    pub fn start(configuration: &Configuration, functional: bool) -> anyhow::Result<DeviceProcess> {
        let program = std::env::current_exe().context("cannot find the systole command itself")?;
        let folder = tempfile::Builder::new()
            .prefix("systole-")
            .tempdir()
            .context("cannot make a temporary folder for the device's socket")?;
        let socket = folder.path().join("device");
        let mut command = Command::new(program);
        command
            .args(["sim", "serve", "--once", "--config", configuration.name])
            .arg("--parent")
            .arg(std::process::id().to_string())
            .arg("--socket")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C is for the command, which may still need the device.
            .process_group(0);
        if functional {
            command.arg("--functional");
        }
        let mut child = command
            .spawn()
            .context("cannot start the simulated device")?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let stderr = child.stderr.take().expect("standard error is piped");
        let said = Arc::default();
        let mut process = DeviceProcess {
            child,
            folder: Some(folder),
            socket,
            listener: Some(keep_last_lines(stderr, Arc::clone(&said))),
            said,
        };
        process.wait_until_listening(&first_line(stdout))?;
        Ok(process)
    }

    /// Path of the socket.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Removes the socket, once it is connected: then nothing is left behind, however this ends.
    pub fn hide(&mut self) {
        self.folder = None;
    }

    fn wait_until_listening(&mut self, address: &Receiver<()>) -> anyhow::Result<()> {
        match address.recv_timeout(START_LIMIT) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => bail!(
                "the simulated device does not listen after {} s: {}",
                START_LIMIT.as_secs(),
                self.last_words()
            ),
            Err(RecvTimeoutError::Disconnected) => {
                Err(self.explain(anyhow!("the simulated device did not start")))
            }
        }
    }

    /// Adds to an error how the process ended and what it said last, if it has ended.
    pub fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let begin = Instant::now();
        while begin.elapsed() < END_LIMIT {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let words = self.last_words();
                    return anyhow!("the simulated device has ended ({status}): {words}")
                        .context(error.to_string());
                }
                Ok(None) => thread::sleep(END_POLL),
                Err(_) => break,
            }
        }
        error
    }

    /// The last lines that the process wrote, as one.
    fn last_words(&mut self) -> String {
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        if let Some(listener) = self.listener.take_if(|_| ended) {
            // The pipe is closed by now, so this ends; a panic there would only cost the text.
            let _ = listener.join();
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_empty() {
            return "it said nothing".to_owned();
        }
        said.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" / ")
    }
}

impl Drop for DeviceProcess {
    fn drop(&mut self) {
        // Both fail only if the process has already ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells when a process has written its first line; disconnects if it ends before.
fn first_line(stdout: impl Read + Send + 'static) -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout)
            .read_line(&mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            // Whoever waited may have given up.
            let _ = sender.send(());
        }
    });
    receiver
}

/// Reads a process's standard error to its end on a thread of its own, so that the process never
/// blocks on it, and keeps the last lines.
fn keep_last_lines(
    stderr: impl Read + Send + 'static,
    said: Arc<Mutex<VecDeque<String>>>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let Ok(line) = line else { break };
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() == KEPT_LINES {
                said.pop_front();
            }
            said.push_back(line);
        }
    })
}
