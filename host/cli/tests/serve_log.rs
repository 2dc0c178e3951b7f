//! `systole serve` as a process: what it logs, and how it ends.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use common::{assert_fails, systole};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let version = folder.path().join("wake_word").join("1");
    std::fs::create_dir_all(&version).expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    std::fs::copy(
        fixtures.join("wake_word.tflite"),
        version.join("model.tflite"),
    )
    .expect("a model");
    folder
}

fn serve(folder: &TempDir, arguments: &[&str]) -> Child {
    let mut command = systole();
    command.args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
    command.arg("--repository").arg(folder.path());
    command.args(arguments).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// What the server logs until it is told to stop, once it is ready, and has done so.
fn log_of(mut server: Child) -> Vec<String> {
    let log = BufReader::new(server.stderr.take().expect("it is a pipe"));
    let mut lines = Vec::new();
    for line in log.lines() {
        let line = line.expect("it is Unicode");
        if line.contains("ready") {
            let pid = Pid::from_raw(server.id().cast_signed());
            kill(pid, Signal::SIGTERM).expect("it is there");
        }
        lines.push(line);
    }
    assert!(server.wait().expect("it ends").success(), "{lines:?}");
    lines
}

#[test]
fn the_log_in_json_is_an_object_on_each_line() {
    let folder = repository();
    let lines = log_of(serve(&folder, &["--log-format", "json"]));
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let said = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {lines:?}"))
    };
    let addresses = said("listening")["addresses"].as_str().expect("a text");
    assert!(addresses.starts_with("127.0.0.1:"), "{addresses}");
    assert_eq!(said("serving")["model"], "wake_word");
    assert_eq!(said("ready")["level"], "INFO");
    assert_eq!(said("going down: requests finish first")["requests"], 0);
}

#[test]
fn the_log_in_text_tells_people_the_address_and_the_models() {
    let folder = repository();
    let lines = log_of(serve(&folder, &[])).join("\n");
    for told in [
        "systole: listening at 127.0.0.1:",
        "INFO",
        "model=\"wake_word\"",
    ] {
        assert!(lines.contains(told), "{told}: {lines}");
    }
    assert!(!lines.contains('\u{1b}'), "a pipe has no colours: {lines}");
}

#[test]
fn an_endpoint_for_traces_that_is_no_url_is_refused_at_once() {
    let folder = repository();
    let mut command = systole();
    command.args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
    command.arg("--repository").arg(folder.path());
    command.args(["--otlp", "http://no url"]);
    assert_fails(&mut command, 1, &["traces", "http://no url"]);
}
