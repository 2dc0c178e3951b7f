//! `systole profile` on the simulated hardware: every cycle has a layer and a cause, as the
//! device's counters have it, and the timeline is one that trace viewers open.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{assert_fails, assert_succeeds, golden, model, systole};
use serde_json::Value;

fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx")
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("a number: {value}"))
}

/// Profiles a model; returns the report, whose sums have been checked, and the timeline's events.
fn profile(path: &Path, batch: u64, more: &[&str]) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let timeline = folder.path().join("timeline.json");
    let printed = assert_succeeds(
        systole()
            .args(["profile", "--json", "--batch", &batch.to_string()])
            .arg("--model")
            .arg(path)
            .arg("--timeline")
            .arg(&timeline)
            .args(more),
    );
    let report: Value = serde_json::from_str(&printed).expect("one JSON object");
    let layers = report["layers"].as_array().expect("a list");
    let sum = |key: &str| layers.iter().map(|layer| number(&layer[key])).sum::<u64>();
    assert_eq!(sum("cycles"), number(&report["cycles"]));
    assert_eq!(sum("macs"), number(&report["macs"]));
    let causes = report["causes"].as_object().expect("an object");
    for (cause, cycles) in causes {
        let of_layers: u64 = layers
            .iter()
            .map(|layer| number(&layer["causes"][cause]))
            .sum();
        assert_eq!(of_layers, number(cycles), "{cause}");
    }
    let all: u64 = causes.values().map(number).sum();
    assert_eq!(all, number(&report["cycles"]));
    let text = std::fs::read(&timeline).expect("the timeline is there");
    let value: Value = serde_json::from_slice(&text).expect("JSON");
    let events = value["traceEvents"].as_array().expect("a list").clone();
    check_events(&events, number(&report["cycles"]));
    // The device counts the same, but for what it can't know: records of the trace are written
    // between the others' transfers, and the counters end when the statistics are written.
    let counted = |cause: &str| number(&report["counters"][cause]);
    for cause in ["vectors", "requantize", "prepare", "drain"] {
        assert_eq!(number(&causes[cause]), counted(cause), "{cause}");
    }
    let rest = |value: &Value| -> u64 {
        ["dma_read", "dma_write", "control"]
            .iter()
            .map(|cause| number(&value[*cause]))
            .sum()
    };
    let (ours, devices) = (rest(&report["causes"]), rest(&report["counters"]));
    assert!(ours.abs_diff(devices) < 100, "{ours} and {devices} cycles");

    (report, events)
}

/// Slices of a track don't overlap, and lie within the command; tracks have names.
fn check_events(events: &[Value], cycles: u64) {
    let mut tracks: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut names = Vec::new();
    for event in events {
        match event["ph"].as_str() {
            Some("M") => names.push(number(&event["tid"])),
            Some("X") => {
                assert!(
                    event["ts"].is_number() && event["dur"].is_number(),
                    "{event}"
                );
                let start = number(&event["args"]["first cycle"]);
                let span = (start, start + number(&event["args"]["cycles"]));
                tracks.entry(number(&event["tid"])).or_default().push(span);
            }
            _ => panic!("an unknown kind of event: {event}"),
        }
    }
    for (track, mut spans) in tracks {
        assert!(names.contains(&track), "track {track} has no name");
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "track {track}: {pair:?}");
        }
        assert!(spans.iter().all(|&(_, finish)| finish <= cycles));
    }
}

#[test]
fn the_demos_model_is_accounted_for() {
    for (device, batch) in [("sim:tiny", 1), ("sim:small", 1), ("sim:small", 200)] {
        let (report, events) = profile(&digits(), batch, &["--device", device]);
        assert_eq!(report["device"], device);
        assert_eq!(report["batch"], batch);
        let opcodes: Vec<_> = events
            .iter()
            .filter_map(|event| event["args"]["opcode"].as_str())
            .collect();
        for opcode in ["LOAD_ROWS", "MATRIX", "STORE_ROWS"] {
            assert!(opcodes.contains(&opcode), "{device}: {opcodes:?}");
        }
    }
}

#[test]
fn layers_of_published_networks_are_accounted_for() {
    if !common::references_are_there() {
        return;
    }
    for (file, macs, layers) in [
        ("kws_ref_model.tflite", 2_656_768, 12),
        ("pretrainedResnet_quant.tflite", 12_501_632, 12),
        ("vww_96_int8.tflite", 7_489_664, 30),
    ] {
        let (report, _) = profile(&model(file), 1, &["--device", "sim:small"]);
        assert_eq!(number(&report["macs"]), macs);
        let found = report["layers"].as_array().expect("a list").len();
        assert_eq!(found, layers, "{file}");
        // Layers of few sums wait for requantization, and it is said to be that: what is called a
        // drain is the way of the last vectors.
        let causes = &report["causes"];
        if file.starts_with("vww") {
            assert!(
                number(&causes["requantize"]) > 2 * number(&causes["drain"]),
                "{causes}"
            );
        }
        // As without a trace.
        let plain = infer_cycles(file);
        let traced = number(&report["cycles"]);
        assert!(
            traced.abs_diff(plain) * 100 < plain,
            "{file}: {traced}, {plain}"
        );
    }
}

/// Cycles of the first row of a golden input without a trace.
fn infer_cycles(file: &str) -> u64 {
    let key = match &file[..3] {
        "kws" => "kws_dscnn_int8",
        "vww" => "vww_96_int8",
        _ => "ic_resnet8_int8",
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = assert_succeeds(
        systole()
            .args([
                "infer",
                "--stats",
                "--device",
                "sim:small",
                "--batch",
                "1",
                "--model",
            ])
            .arg(model(file))
            .arg("--input")
            .arg(golden(&format!("{key}_in.npy")))
            .arg("--output")
            .arg(folder.path().join("out.npy")),
    );
    let stats: Value = serde_json::from_str(&printed).expect("one JSON object");
    number(&stats["commands"][0]["cycles"])
}

#[test]
fn the_table_names_layers_and_causes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = assert_succeeds(
        systole()
            .current_dir(folder.path())
            .args(["profile", "--device", "sim:tiny", "--model"])
            .arg(digits().canonicalize().expect("the model is there")),
    );
    for word in [
        "layer",
        "cycles",
        "MACs",
        "util",
        "requantize",
        "dma_read",
        "device's counters",
        "sim:tiny, simulated",
    ] {
        assert!(printed.contains(word), "{printed}");
    }
    assert!(folder.path().join("digits.trace.json").is_file());
}

#[test]
fn what_cannot_be_profiled_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let timeline = folder.path().join("timeline.json");
    for (device, hint) in [("cpu", "sim[:CONFIG]"), ("model:tiny", "no clock")] {
        assert_fails(
            systole()
                .args(["profile", "--device", device, "--model"])
                .arg(digits())
                .arg("--timeline")
                .arg(&timeline),
            1,
            &[hint],
        );
        assert!(!timeline.exists());
    }
    assert_fails(
        systole()
            .args(["profile", "--device", "sim:tiny", "--model"])
            .arg(digits())
            .arg("--timeline")
            .arg(folder.path().join("nowhere/timeline.json")),
        1,
        &["nowhere"],
    );
}
