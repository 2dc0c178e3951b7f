//! Prometheus reads what was counted, with the parser of its own Python client.

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Running, repository};
use serde_json::Value;
use systole_host::engine::EngineOptions;
use systole_host::serving::Fleet;
use systole_serve::{ServerOptions, Tokens};

/// Prints [name, labels, value] of each sample; fails where the text is no OpenMetrics.
const PARSER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
samples = [[s.name, s.labels, s.value] for family in families for s in family.samples]
print(json.dumps([[n, l, repr(v)] for n, l, v in samples]))
";

/// What Prometheus would have.
struct Scrape(Vec<(String, Value, f64)>);

impl Scrape {
    fn of(server: &Running) -> Scrape {
        let reply = server.get("/metrics");
        assert_eq!(reply.status, 200, "{}", reply.body);
        let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert!(reply.head.contains(kind), "{}", reply.head);
        let environment = std::env::var_os("SYSTOLE_VENV").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.venv"),
            PathBuf::from,
        );
        let mut python = Command::new(environment.join("bin/python"))
            .args(["-c", PARSER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is .venv: run `make setup`");
        let mut input = python.stdin.take().expect("it is a pipe");
        input.write_all(reply.body.as_bytes()).expect("it reads");
        drop(input);
        let output = python.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", reply.body);
        let samples: Vec<(String, Value, String)> =
            serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let samples = samples.into_iter().map(|(name, labels, value)| {
            let value = value.parse().expect("a number");
            (name, labels, value)
        });
        Scrape(samples.collect())
    }

    /// The sum of all samples of a name that have these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found = self.0.iter().filter(|(found, has, _)| {
            found == name && labels.iter().all(|(label, value)| has[label] == *value)
        });
        let values: Vec<f64> = found.map(|(_, _, value)| *value).collect();
        assert!(!values.is_empty(), "no {name} with {labels:?}");
        values.iter().sum()
    }
}

#[test]
fn counters_add_up_for_prometheus_itself() {
    let name = "wake \"word\"";
    let path = "wake%20%22word%22";
    let folder = repository(&[name, "idle"]);
    let fleet = Fleet::new(Vec::new(), EngineOptions::default()).expect("the CPU is there");
    let server = Running::start(folder.path(), fleet, ServerOptions::default(), None);
    let before = Scrape::of(&server);
    let model = [("model", name), ("version", "1")];
    assert_eq!(
        before.sum("systole_request_duration_seconds_count", &model),
        0.0
    );
    let golden = before.sum("systole_model_requests_total", &model);

    for rows in [1, 1, 3] {
        let reply = server.infer(path, rows, &[]);
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    for _ in 0..4 {
        let reply = server.ask("POST", &format!("/v2/models/{path}/infer"), &[], "{}");
        assert_eq!(reply.status, 400, "{}", reply.body);
    }
    assert_eq!(
        server
            .ask("POST", "/v2/models/none/infer", &[], "{}")
            .status,
        404
    );

    let after = Scrape::of(&server);
    let added = |name| after.sum(name, &model) - before.sum(name, &model);
    assert_eq!(
        after.sum("systole_model_requests_total", &model) - golden,
        3.0
    );
    assert_eq!(added("systole_model_rows_total"), 5.0);
    assert_eq!(added("systole_model_batches_total"), 3.0);
    assert_eq!(added("systole_batch_rows_sum"), 5.0);
    assert_eq!(added("systole_batch_rows_count"), 3.0);
    for histogram in ["duration", "queue", "compute", "overhead"] {
        let name = |suffix: &str| format!("systole_request_{histogram}_seconds_{suffix}");
        assert_eq!(after.sum(&name("count"), &model), 3.0, "{histogram}");
        let all = [model[0], model[1], ("le", "+Inf")];
        assert_eq!(after.sum(&name("bucket"), &all), 3.0, "{histogram}");
    }
    let seconds = |part: &str| after.sum(&format!("systole_request_{part}_seconds_sum"), &model);
    let parts = seconds("queue") + seconds("compute") + seconds("overhead");
    assert!((seconds("duration") / parts - 1.0).abs() < 1e-6);
    let invalid = [("model", name), ("cause", "invalid")];
    assert_eq!(after.sum("systole_errors_total", &invalid), 4.0);
    let unknown = [("model", ""), ("cause", "not_found")];
    assert_eq!(after.sum("systole_errors_total", &unknown), 1.0);

    assert_eq!(
        after.sum("systole_model_requests_total", &[("model", "idle")]),
        0.0
    );
    assert_eq!(after.sum("systole_model_info", &[]), 2.0);
    assert_eq!(after.sum("systole_ready", &[]), 1.0);
    assert_eq!(
        after.sum("systole_requests_in_progress", &[]),
        1.0,
        "this one"
    );
    assert!(after.sum("systole_connections", &[]) >= 1.0);
    let cpu = [("unit", "0"), ("device", "cpu")];
    assert_eq!(after.sum("systole_unit_lost", &cpu), 0.0);
    let worked = |scrape: &Scrape| {
        scrape.sum("systole_unit_busy_seconds_total", &cpu)
            + scrape.sum("systole_unit_at_once_seconds_total", &cpu)
    };
    assert!(worked(&after) > worked(&before));
    assert!(after.sum("systole_uptime_seconds", &[]) > before.sum("systole_uptime_seconds", &[]));
}

#[test]
fn metrics_and_status_want_the_token_that_inference_wants() {
    let folder = repository(&["wake_word"]);
    let file = folder.path().join("tokens");
    std::fs::write(&file, "infer 0123456789abcdef\n").expect("a file");
    let options = ServerOptions {
        tokens: Some(Tokens::read(&file).expect("it holds a token")),
        ..ServerOptions::default()
    };
    let fleet = Fleet::new(Vec::new(), EngineOptions::default()).expect("the CPU is there");
    let server = Running::start(folder.path(), fleet, options, None);
    let bearer = [("authorization", "Bearer 0123456789abcdef")];
    for path in ["/metrics", "/status.json"] {
        assert_eq!(server.get(path).status, 401, "{path}");
        assert_eq!(server.ask("GET", path, &bearer, "").status, 200, "{path}");
    }
    // It holds nothing, and asks for the token.
    assert_eq!(server.get("/").status, 200);
}
