//! `systole stream` as a process: every event answered once and in order, signals, broken pipes,
//! and a device that dies.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::{ERROR_LIMIT, Served, assert_fails, assert_succeeds, systole};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use systole_host::Network;
use systole_host::cpu::CpuExecutor;

/// The demo's model: 64 pixels of 0 to 16, 10 scores.
fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx")
}

/// The pixels of an event: different for each id.
fn pixels(id: usize) -> Vec<u8> {
    (0..64)
        .map(|pixel| ((id * 31 + pixel * pixel * 7 + id / 17) % 17) as u8)
        .collect()
}

fn event(id: usize) -> String {
    format!("{{\"id\":{id},\"row\":{:?}}}\n", pixels(id))
}

fn events(ids: std::ops::Range<usize>) -> String {
    ids.map(event).collect()
}

fn stream() -> Command {
    let mut command = systole();
    command.arg("stream").arg("--model").arg(digits());
    command
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// A stream between pipes.
struct Running {
    child: Child,
    input: ChildStdin,
    /// Closed where it is `None`.
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        Running {
            input: child.stdin.take().expect("it is piped"),
            output: child.stdout.take().map(BufReader::new),
            child,
        }
    }

    /// Writes events at once: up to 4,096 bytes, which a pipe takes and gives undivided.
    fn send(&mut self, events: &str) {
        assert!(events.len() <= 4096);
        self.input
            .write_all(events.as_bytes())
            .expect("the stream reads");
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        let output = self.output.as_mut().expect("it is not closed");
        output.read_line(&mut line).expect("the stream writes");
        parse(&line)
    }

    /// Waits for the end, which must come soon. Returns how it ended and what it said.
    fn end(&mut self) -> (ExitStatus, String) {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self
                .child
                .try_wait()
                .expect("the process can be waited for")
            {
                break status;
            }
            assert!(
                begin.elapsed() < ERROR_LIMIT,
                "the stream should have ended"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut said).expect("UTF-8");
        assert!(!said.contains("panicked"), "{said}");
        (status, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_hundred_thousand_events_are_answered_once_and_in_order() {
    const EVENTS: usize = 100_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    std::fs::write(&input, events(0..EVENTS)).expect("the folder can be written");
    let stats = assert_succeeds(
        stream()
            .arg("--stats")
            .arg("--input")
            .arg(&input)
            .arg("--output")
            .arg(&output),
    );
    let stats = parse(&stats);
    println!(
        "{} events/s, p99 {} us",
        stats["events_per_second"], stats["latency_us"]["p99"]
    );
    assert_eq!(stats["events"], EVENTS);
    assert_eq!(stats["errors"], 0);
    assert_eq!(stats["device"], "cpu");
    assert_eq!(stats["end"], "input");

    let network = Network::load(digits()).expect("the demo's model is in the repository");
    let executor = CpuExecutor::new(&network).expect("the network is consistent");
    let output = std::fs::read_to_string(output).expect("the output is there");
    assert_eq!(output.lines().count(), EVENTS);
    for (id, line) in output.lines().enumerate() {
        let answer = parse(line);
        assert_eq!(answer["id"], id);
        let row: Vec<f32> = pixels(id).into_iter().map(f32::from).collect();
        let expected = executor.run(&network.quantize_input(&row), 1);
        let given: Vec<f32> = answer["output"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|value| value.as_f64().expect("a number") as f32)
            .collect();
        assert_eq!(given, network.dequantize_output(&expected), "event {id}");
    }
}

#[test]
fn malformed_lines_are_answered_in_their_place() {
    let mut running = Running::start(&mut stream());
    running.send(&format!("{}nonsense\n{}", event(1), event(2)));
    assert_eq!(running.answer()["id"], 1);
    let error = running.answer();
    assert_eq!((&error["line"], &error["id"]), (&2.into(), &Value::Null));
    assert!(
        error["error"]
            .as_str()
            .expect("text")
            .contains("not an event")
    );
    assert_eq!(running.answer()["id"], 2);
}

#[test]
fn sigterm_and_sigint_answer_what_was_read_and_end_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut running =
            Running::start(stream().args(["--max-batch", "4", "--max-wait", "1h", "--stats"]));
        running.send(&events(0..10));
        // Two full batches: the other two events have been read with them, and wait for company.
        for id in 0..8 {
            assert_eq!(running.answer()["id"], id);
        }
        let process = i32::try_from(running.child.id()).expect("a process id");
        kill(Pid::from_raw(process), signal).expect("the process is there");
        assert_eq!(running.answer()["id"], 8);
        assert_eq!(running.answer()["id"], 9);
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let stats = parse(said.lines().last().expect("the statistics"));
        assert_eq!(
            (&stats["events"], &stats["end"]),
            (&10.into(), &"stopped".into())
        );
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("in");
    std::fs::write(&input, events(0..20_000)).expect("the folder can be written");
    let mut running = Running::start(stream().arg("--input").arg(&input));
    assert_eq!(running.answer()["id"], 0);
    running.output = None;
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn a_device_that_dies_leaves_its_events_with_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut served = Served::start(folder.path(), &["--functional"]);
    let mut running = Running::start(stream().arg("--device").arg(served.device()));
    running.send(&events(0..10));
    for id in 0..10 {
        let answer = running.answer();
        assert_eq!(
            (&answer["id"], &answer["error"]),
            (&id.into(), &Value::Null)
        );
    }
    served.child.kill().expect("the device process is there");
    served.child.wait().expect("the device process is ours");
    // The input stays open: the stream must end by itself.
    running.send(&events(10..15));
    for id in 10..15 {
        let answer = running.answer();
        assert_eq!(answer["id"], id);
        assert!(
            answer["error"].as_str().expect("text").contains("device"),
            "{answer}"
        );
    }
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("systole: error:"), "{said}");
}

#[test]
fn predictions_never_overwrite_the_events() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("events");
    std::fs::write(&file, events(0..3)).expect("the folder can be written");
    assert_fails(
        stream()
            .arg("--input")
            .arg(&file)
            .arg("--output")
            .arg(&file),
        1,
        &["is the input too"],
    );
    let kept = std::fs::read_to_string(&file).expect("the file is there");
    assert_eq!(kept, events(0..3));
}
