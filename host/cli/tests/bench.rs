//! `systole bench` as a process: measured and simulated figures side by side, and what it says
//! where one of them is missing.

mod common;

use std::path::Path;
use std::process::Command;

use common::{assert_succeeds, systole};
use serde_json::Value;

/// The benchmark of the demo's model in `folder`, as short as can be, where there is neither ONNX
/// Runtime nor LiteRT.
fn bench(folder: &Path) -> Command {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx");
    let mut command = systole();
    command
        .current_dir(folder)
        .env_remove("SYSTOLE_VENV")
        .args(["bench", "--rounds", "2", "--turn", "1", "--batch", "1,5"])
        .args(["--rate", "200,1e7", "--rate-turn", "20"])
        .args(["--output", "out"])
        .arg("--model")
        .arg(model);
    command
}

fn report(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("out/bench.json")).expect("there is a report");
    serde_json::from_str(&text).expect("it is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[test]
fn a_device_is_simulated_beside_the_measured_cpu() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = assert_succeeds(bench(folder.path()).args(["--device", "sim:tiny"]));
    let line = |kind: &str, name: &str| {
        table
            .lines()
            .filter(|line| line.starts_with(kind) && line.contains(name))
            .count()
    };
    // Two batch sizes, then two rates.
    assert_eq!(line("measured", "Systole CPU, 1 thread"), 2, "{table}");
    assert_eq!(line("measured", "Systole CPU, serving"), 2, "{table}");
    assert_eq!(line("simulated", "sim:tiny"), 4, "{table}");
    for missing in ["ONNX Runtime", "LiteRT"] {
        assert_eq!(line("not available", missing), 1, "{table}");
    }

    let report = report(folder.path());
    for one in list(&report["measured"]) {
        assert_eq!(one["kind"], "measured");
    }
    let simulated = list(&report["simulated"]);
    assert_eq!(simulated.len(), 2);
    for (one, batch) in simulated.iter().zip([1_u64, 5]) {
        assert_eq!(one["kind"], "simulated");
        assert_eq!(one["batch"], batch);
        assert_eq!(one["row_bytes"], batch * (64 + 10));
        let number = |name: &str| one[name].as_f64().expect("a number");
        let cycles = one["cycles"][1].as_f64().expect("a number");
        let microseconds = cycles / number("clock_khz") * 1e3;
        let difference = number("median_us") - microseconds - number("link_us");
        assert!(difference.abs() < 1e-6, "{one}");
    }
    for one in list(&report["agreement"]) {
        assert_eq!(one["differing"], 0, "{one}");
    }
    let rates: Vec<_> = list(&report["rates"])
        .iter()
        .filter(|one| one["contender"] == "sim:tiny")
        .collect();
    assert_eq!(rates.len(), 2);
    assert!(rates.iter().all(|one| one["kind"] == "simulated"));
    // 200 rows a second are few even for this device, ten million too many.
    assert_eq!(rates[0]["held"], true, "{}", rates[0]);
    let median = |one: &Value| one["median_us"].as_f64().expect("a number");
    // A latency is in whole nanoseconds.
    assert!(median(&rates[0]["latency"]) >= median(&simulated[0]) - 1e-3);
    assert_eq!(rates[1]["held"], false, "{}", rates[1]);

    let file = |name: &str| {
        std::fs::read_to_string(folder.path().join("out").join(name)).expect("the file is there")
    };
    let page = file("bench.html");
    assert!(page.contains("sim:tiny (simulated)") && page.contains("(measured)"));
    assert!(file("samples.csv").contains("\nsim:tiny,simulated,"));
}

#[test]
fn a_device_without_a_clock_is_an_error_after_the_report() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = bench(folder.path())
        .args(["--device", "model:tiny"])
        .output()
        .expect("the command starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("model:tiny") && said.contains("counts no cycles"),
        "{said}"
    );
    let report = report(folder.path());
    assert_eq!(list(&report["measured"]).len(), 2);
    assert_eq!(list(&report["simulated"]).len(), 0);
}
