//! Triton's clients as they come from PyPI, its load generator, and requests made up from the OpenAPI
//! description.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::server::{Models, Server, pytest, tool};

#[test]
fn tritons_clients_see_what_is_served() {
    let models = Models::new();
    let server = Server::start(&models, &[]);
    pytest(&server, &models, "test_description.py", &[]);
}

#[test]
fn tritons_clients_get_golden_answers() {
    let models = Models::new();
    let server = Server::start(&models, &[]);
    pytest(&server, &models, "test_inference.py", &[]);
}

#[test]
fn tritons_clients_are_told_what_is_wrong() {
    let models = Models::new();
    let server = Server::start(&models, &[]);
    pytest(&server, &models, "test_refusals.py", &[]);
}

#[test]
fn tritons_clients_control_the_repository() {
    let models = Models::new();
    for control in ["poll", "none"] {
        // The folder is looked at all the time, and must not undo what a request said.
        let server = Server::start(&models, &["--model-control", control, "--poll", "50ms"]);
        pytest(&server, &models, "test_control.py", &[]);
    }
}

/// Where `tests/clients/fetch` has put perf_analyzer; nowhere in a plain `cargo test`.
fn perf_analyzer() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("SYSTOLE_CLIENTS") else {
        eprintln!("skipped: SYSTOLE_CLIENTS names no folder with perf_analyzer; `make test` does");
        return None;
    };
    let program = PathBuf::from(folder).join("perf_analyzer");
    assert!(program.exists(), "no {}", program.display());
    Some(program)
}

#[test]
fn perf_analyzer_measures_over_http_and_grpc() {
    let Some(program) = perf_analyzer() else {
        return;
    };
    let models = Models::new();
    let server = Server::start(&models, &[]);
    for (protocol, address, more) in [
        ("http", server.http, vec![]),
        ("grpc", server.grpc, vec![]),
        ("grpc", server.grpc, vec!["--streaming"]),
    ] {
        let report = models.golden().join("report.csv");
        let output = Command::new(&program)
            .args(["-m", "digits", "-i", protocol, "-u", &address.to_string()])
            .args(["-b", "4", "--concurrency-range", "4"])
            .args(["--measurement-interval", "700", "--max-trials", "3"])
            // Whatever the spread: a machine that runs tests never settles.
            .args(["-s", "999", "-f"])
            .arg(&report)
            .args(&more)
            .stdin(Stdio::null())
            .output()
            .expect("perf_analyzer starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{protocol}: {said}");
        let report = std::fs::read_to_string(report).expect("a report");
        let mut lines = report.lines().map(|line| line.split(','));
        let names = lines.next().expect("a line of names");
        let values = lines.next().expect("a line of values");
        let rate = names
            .zip(values)
            .find(|(name, _)| *name == "Inferences/Second");
        let rate: f64 = rate.expect("a rate").1.parse().expect("a number");
        assert!(rate > 0.0, "{protocol}: {said}");
        for word in ["error", "Failed", "failed"] {
            assert!(!said.contains(word), "{protocol}: {said}");
        }
        eprintln!("perf_analyzer over {protocol}{more:?}: {rate} inferences/s");
    }
    assert!(!server.said().contains("panicked"), "{}", server.said());
}

#[test]
fn made_up_requests_get_the_answers_that_the_description_promises() {
    let models = Models::new();
    let server = Server::start(&models, &[]);
    // Models that are hardly ever there, and then what is done with one that is.
    let there = [
        "--include-operation-id-regex",
        "^(metadata|config|statistics|infer|index|load)",
    ];
    for (name, operations) in [("", &[][..]), ("digits", &there[..])] {
        let config = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/clients/schemathesis.toml"
        );
        let mut config = std::fs::read_to_string(config).expect("the configuration");
        if !name.is_empty() {
            config += &format!("\n[parameters]\n\"path.model\" = \"{name}\"\n");
        }
        let output = tool("schemathesis")
            .arg("--config-file")
            .arg(models.write("schemathesis.toml", &config))
            .arg("run")
            .arg(format!("http://{}/openapi.json", server.http))
            .args(["--max-time", "30", "--request-timeout", "20", "--no-color"])
            .args(operations)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // It keeps what it finds in the folder that it runs in.
            .current_dir(models.golden())
            .output()
            .expect("schemathesis starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", server.said());
        assert!(!server.said().contains("panicked"), "{}", server.said());
        assert!(server.get("/v2/health/ready").starts_with("HTTP/1.1 200"));
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        eprintln!("{}", last.unwrap_or_default());
    }
}

#[test]
fn the_description_is_served() {
    let models = Models::new();
    let server = Server::start(&models, &[]);
    let answer = server.get("/openapi.json");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let document: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
}
