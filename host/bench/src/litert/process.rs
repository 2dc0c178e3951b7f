//! A process that answers requests through its pipes, and is not waited for without end.
//!
//! ```text
//!  ask --(channel)--> thread: line of JSON, bytes --> stdin   process
//!   ^                         line of JSON, bytes <-- stdout
//!   +-- answer, or its time is up: the process is killed, and the thread's pipes end
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// Bytes of a line, at most, and of what follows it.
const LINE_MAX: u64 = 1 << 16;
const DATA_MAX: u64 = 1 << 30;

/// What is kept of the end of standard error.
const STDERR_BYTES: usize = 4096;

/// Longest wait for the end of it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Lines of it in an error.
const STDERR_LINES: usize = 3;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("cannot start {program}: {reason}")]
    Start { program: String, reason: String },
    #[error("the process has ended{said}")]
    Ended { said: String },
    #[error("the process gave no answer within {} s, and was ended{said}", limit.as_secs_f64())]
    TimeOut { limit: Duration, said: String },
    #[error("the process answers nonsense: {what}")]
    Nonsense { what: String },
    #[error("{text}")]
    Refused {
        text: String,
        /// Whether a package is what is missing.
        missing: bool,
    },
}

/// A line of JSON and the bytes after it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) header: Map<String, Value>,
    pub(crate) data: Vec<u8>,
}

impl Message {
    /// A request.
    pub(crate) fn new(what: &str) -> Message {
        let mut header = Map::new();
        header.insert("do".into(), what.into());
        Message {
            header,
            data: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: u64) -> Message {
        self.header.insert(name.into(), value.into());
        self
    }

    pub(crate) fn with_data(mut self, data: Vec<u8>) -> Message {
        self.data = data;
        self
    }

    /// Times in nanoseconds that are the bytes.
    pub(crate) fn times(&self) -> Result<Vec<Duration>, ProcessError> {
        let (times, rest) = self.data.as_chunks::<8>();
        if !rest.is_empty() {
            let what = format!("{} bytes are no whole times", self.data.len());
            return Err(ProcessError::Nonsense { what });
        }
        let nanoseconds = times.iter().map(|&bytes| u64::from_ne_bytes(bytes));
        Ok(nanoseconds.map(Duration::from_nanos).collect())
    }

    /// The header, as a type of its own.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(self) -> Result<T, ProcessError> {
        serde_json::from_value(Value::Object(self.header)).map_err(|error| ProcessError::Nonsense {
            what: error.to_string(),
        })
    }
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    requests: Sender<Message>,
    answers: Receiver<Result<Message, ProcessError>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    stderr_reader: JoinHandle<()>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Process, ProcessError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let error = |reason: String| ProcessError::Start {
            program: program.clone(),
            reason,
        };
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|cause| error(cause.to_string()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(error("it has no pipes".into()));
        };
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let stderr_reader = thread::spawn(move || keep_end(stderr, &keep));
        let (requests, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        thread::spawn(move || converse(stdin, stdout, &asked, &answer));
        Ok(Process {
            child,
            requests,
            answers,
            stderr: kept,
            stderr_reader,
        })
    }

    /// Asks, and waits for the answer; for `limit` at most, after which the process is ended.
    pub(crate) fn ask(
        &mut self,
        request: Message,
        limit: Duration,
    ) -> Result<Message, ProcessError> {
        // If the thread has gone, so has its end of the answers.
        let _ = self.requests.send(request);
        let answer = match self.answers.recv_timeout(limit) {
            Ok(answer) => answer?,
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                return Err(ProcessError::TimeOut {
                    limit,
                    said: self.said(),
                });
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.end();
                return Err(ProcessError::Ended { said: self.said() });
            }
        };
        match answer.header.get("error") {
            None => Ok(answer),
            Some(text) => Err(ProcessError::Refused {
                text: text
                    .as_str()
                    .map_or_else(|| text.to_string(), str::to_owned),
                missing: answer.header.get("missing") == Some(&Value::Bool(true)),
            }),
        }
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines of standard error, of a process that has ended.
    fn said(&self) -> String {
        // What it wrote may still be in the pipe; which a process of its own may hold open, though.
        let begin = Instant::now();
        while !self.stderr_reader.is_finished() && begin.elapsed() < LAST_WORDS {
            thread::sleep(Duration::from_millis(1));
        }
        let bytes = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        match &lines[lines.len().saturating_sub(STDERR_LINES)..] {
            [] => String::new(),
            lines => format!("; it said: {}", lines.join(" / ")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Passes requests and answers on until either side ends.
fn converse(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    requests: &Receiver<Message>,
    answers: &Sender<Result<Message, ProcessError>>,
) {
    let mut stdout = BufReader::new(stdout);
    for mut request in requests {
        let bytes = request.data.len();
        request.header.insert("bytes".into(), bytes.into());
        let mut line = Value::Object(request.header).to_string();
        line.push('\n');
        let written = stdin
            .write_all(line.as_bytes())
            .and_then(|()| stdin.write_all(&request.data))
            .and_then(|()| stdin.flush());
        // A process that could not begin says why before it ends, so its answer is read all the same.
        let answer = read(&mut stdout);
        let ends = written.is_err() || !matches!(answer, Some(Ok(_)));
        if let Some(answer) = answer {
            let _ = answers.send(answer);
        }
        if ends {
            return;
        }
    }
}

/// Reads an answer; `None` at the end of the pipe.
fn read(stdout: &mut impl BufRead) -> Option<Result<Message, ProcessError>> {
    let nonsense = |what: String| Some(Err(ProcessError::Nonsense { what }));
    let mut line = Vec::new();
    match stdout.take(LINE_MAX).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => return None,
        Ok(_) => {}
    }
    let Ok(Value::Object(header)) = serde_json::from_slice(&line) else {
        let text: String = String::from_utf8_lossy(&line).chars().take(80).collect();
        return nonsense(format!("{:?} is no object of JSON", text.trim_end()));
    };
    let bytes = header.get("bytes").and_then(Value::as_u64);
    let Some(bytes) = bytes.filter(|&bytes| bytes <= DATA_MAX) else {
        return nonsense("it does not say how many bytes follow".into());
    };
    let mut data = Vec::new();
    match stdout.take(bytes).read_to_end(&mut data) {
        Ok(read) if read as u64 == bytes => Some(Ok(Message { header, data })),
        _ => None,
    }
}

/// Keeps the end of what is written to standard error.
fn keep_end(mut stderr: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(STDERR_BYTES);
        kept.drain(..surplus);
    }
}
