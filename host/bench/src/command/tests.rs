use super::*;
use crate::onnx::{self, OnnxRuntime};
use crate::report::Kind;
use crate::testing::{self, network, parse};
use crate::{comparison, cpu, litert, rate::Serving};

/// Arguments of a benchmark of the demo's model, as short as can be.
fn arguments(more: &[&str]) -> Arguments {
    let model = testing::model();
    let model = ["--model", model.to_str().expect("the path is UTF-8")];
    let short = ["--rounds", "2", "--turn", "1", "--rate-turn", "10"];
    let all: Vec<&str> = short.iter().chain(&model).chain(more).copied().collect();
    parse(&all).expect("valid arguments")
}

/// Without devices, and on a machine without counters of energy.
fn bench(arguments: &Arguments) -> Report {
    let powercap = Path::new("/does/not/exist");
    comparison::compare(arguments, &Arc::new(network()), &[], powercap)
        .expect("the CPU backend always takes part")
}

#[test]
fn batch_sizes_are_numbers_within_the_devices_limit() {
    let parsed = arguments(&["--output", "x", "--batch", "1,7, 196"]);
    assert_eq!(parsed.batch, [1, 7, 196]);
    assert_eq!(arguments(&["--output", "x"]).batch, [1, 16, 64]);
    for wrong in ["0", "65536", "many", "1,,2", ""] {
        assert!(
            parse(&["--output", "x", "--batch", wrong]).is_err(),
            "{wrong:?}"
        );
    }
}

#[test]
fn without_other_runtimes_the_report_says_what_to_do() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let output = folder.path().join("a/b");
    let missing = folder.path().join("libonnxruntime.so");
    let report = run(
        &arguments(&[
            "--batch",
            "3,1,3",
            "--output",
            output.to_str().expect("the path is UTF-8"),
            "--onnxruntime",
            missing.to_str().expect("the path is UTF-8"),
            "--rate",
            "2000,500",
        ]),
        &[],
    )
    .expect("the CPU backend always takes part");

    let batches: Vec<_> = report.measured.iter().map(|one| one.batch).collect();
    assert_eq!(batches, [1, 3]);
    assert!(report.measured.iter().all(|one| one.kind == Kind::Measured));
    let [onnx_runtime, litert] = &report.not_available[..] else {
        panic!("{:?}", report.not_available);
    };
    assert_eq!(
        (&onnx_runtime.contender[..], &litert.contender[..]),
        (onnx::NAME, litert::NAME)
    );
    assert!(
        onnx_runtime.reason.contains("--onnxruntime"),
        "{onnx_runtime:?}"
    );
    assert!(litert.reason.contains("--tflite"), "{litert:?}");
    let rates: Vec<_> = report.rates.iter().map(|one| one.rate).collect();
    assert_eq!(rates, [500.0, 2000.0]);
    assert!(
        report
            .rates
            .iter()
            .all(|one| one.contender == Serving::NAME)
    );

    let json = fs::read_to_string(output.join(REPORT)).expect("the report is there");
    let json: serde_json::Value = serde_json::from_str(&json).expect("the report is JSON");
    assert_eq!(json["measured"][0]["kind"], "measured");
    assert_eq!(json["measured"][0]["contender"], cpu::NAME);
    assert!(json["measured"][1]["median_us"].as_f64() > Some(0.0));
    assert_eq!(
        json["measured"][1]["round_medians_us"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let page = fs::read_to_string(output.join(PAGE)).expect("the page is there");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("(measured)"));
    assert!(!page.contains("(simulated)"));
    let samples = fs::read_to_string(output.join(SAMPLES)).expect("the samples are there");
    let mut lines = samples.lines();
    assert_eq!(
        lines.next(),
        Some("contender,kind,batch,rate,round,microseconds")
    );
    assert!(samples.contains("\n\"Systole CPU, 1 thread\",measured,3,,2,"));
    assert!(samples.contains("\n\"Systole CPU, serving\",measured,,2000,1,"));
}

#[test]
fn files_that_are_no_library_are_not_loaded() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let library = folder.path().join("libonnxruntime.so");
    fs::write(&library, "no library").expect("temporary files can be written");
    let error = OnnxRuntime::load(&library).err().expect("it is no library");
    assert!(error.to_string().contains("libonnxruntime.so"), "{error}");
}

#[test]
fn the_library_is_found_in_a_virtual_environment() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let error = onnx::find_library(Some(folder.path())).expect_err("there is none");
    assert!(error.to_string().contains("make setup"), "{error}");
    let capi = folder
        .path()
        .join("lib/python3.12/site-packages/onnxruntime/capi");
    fs::create_dir_all(&capi).expect("temporary folders can be made");
    for name in [
        "libonnxruntime_providers_shared.so",
        "libonnxruntime.so.1.32.0",
    ] {
        fs::write(capi.join(name), "").expect("temporary files can be written");
    }
    let found = onnx::find_library(Some(folder.path())).expect("there is one");
    assert_eq!(found, capi.join("libonnxruntime.so.1.32.0"));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_before_the_work() {
    let error = run(&arguments(&["--output", "/dev/null/x"]), &[]).expect_err("it cannot be made");
    assert!(
        error.to_string().contains("cannot write /dev/null/x"),
        "{error}"
    );
}

#[test]
fn simulated_figures_are_apart_in_the_table_and_in_the_samples() {
    let report = testing::report();
    let table = report.to_string();
    let line = |kind: &str, name: &str| {
        table
            .lines()
            .find(|line| line.starts_with(kind) && line.contains(name))
            .unwrap_or_else(|| panic!("{kind} {name}: {table}"))
    };
    assert!(line("simulated", "sim:small").contains("12.50"));
    assert!(line("measured", "slow").contains("not held: 990 reached"));
    assert!(
        !table
            .lines()
            .any(|line| line.starts_with("measured") && line.contains("sim:"))
    );
    let mut samples = Vec::new();
    samples::write(&report, &mut samples).expect("memory can be written");
    let samples = String::from_utf8(samples).expect("it is text");
    let lines: Vec<&str> = samples
        .lines()
        .filter(|line| line.contains("sim:small"))
        .collect();
    // Three commands at two sizes, four requests at a rate.
    assert_eq!(lines.len(), 10);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("sim:small,simulated,"))
    );
    assert!(
        lines.contains(&"sim:small,simulated,4,,1,12.533"),
        "{lines:?}"
    );
}

#[test]
fn many_samples_are_thinned_out_but_not_the_figures() {
    let mut report = testing::report();
    let rounds = vec![vec![std::time::Duration::from_micros(1); 2500]];
    report.measured[0].rounds = rounds;
    let mut samples = Vec::new();
    samples::write(&report, &mut samples).expect("memory can be written");
    let samples = String::from_utf8(samples).expect("it is text");
    let count = samples
        .lines()
        .filter(|line| line.contains("measured,1,"))
        .count();
    assert!(
        (samples::SAMPLES_A_ROUND / 2..=samples::SAMPLES_A_ROUND).contains(&count),
        "{count}"
    );
}

#[test]
fn rates_are_numbers_above_zero() {
    let parsed = parse(&["--output", "x", "--rate", "100, 2.5e3"]).expect("they are numbers");
    assert_eq!(parsed.rate, [100.0, 2500.0]);
    for wrong in ["0", "-1", "1e9", "NaN", "many", ""] {
        assert!(
            parse(&["--output", "x", "--rate", wrong]).is_err(),
            "{wrong:?}"
        );
    }
}

#[test]
fn without_rates_they_follow_from_what_the_slowest_computes() {
    let report = bench(&arguments(&[
        "--output",
        "x",
        "--batch",
        "1",
        "--onnxruntime",
        "/none",
    ]));
    // There is one only, so it is the fastest, too.
    assert_eq!(report.rates.len(), 3);
    assert!(
        report
            .rates
            .is_sorted_by(|one, other| one.rate < other.rate)
    );
    assert!(
        report
            .energy
            .reason
            .is_some_and(|reason| reason.contains("reports no energy"))
    );
}

#[test]
fn results_of_criterion_that_are_missing_are_an_error() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let folder = folder.path().to_str().expect("the path is UTF-8");
    let error = run(
        &arguments(&["--output", folder, "--criterion", folder]),
        &[],
    );
    let error = error.expect_err("there are none").to_string();
    assert!(error.contains("cargo bench"), "{error}");
}

/// Needs the project's Python environment, which `make setup` makes.
#[test]
fn onnx_runtime_takes_part_and_agrees_within_a_step() {
    let environment = testing::environment();
    let library = onnx::find_library(Some(&environment)).expect("`make setup` installs it");
    let library = library.to_str().expect("the path is UTF-8");
    let words = [
        "--output",
        "x",
        "--batch",
        "1,16",
        "--rate",
        "100",
        "--onnxruntime",
        library,
    ];
    let report = bench(&arguments(&words));
    let missing = report
        .not_available
        .iter()
        .map(|one| one.contender.as_str());
    assert_eq!(missing.collect::<Vec<_>>(), [litert::NAME]);
    assert!(report.versions.onnxruntime.is_some());
    let names: Vec<_> = report
        .measured
        .iter()
        .map(|one| one.contender.as_str())
        .collect();
    let expected = [
        cpu::NAME,
        "ONNX Runtime, 1 thread",
        "ONNX Runtime, its own threads",
    ];
    assert_eq!(names, [expected, expected].concat());
    // The optimized kernels may saturate, the model file's own operations may not.
    let exact: Vec<_> = report
        .agreement
        .iter()
        .filter(|one| one.contender == "ONNX Runtime, not optimized")
        .collect();
    assert_eq!(exact.len(), 2);
    for one in exact {
        assert!(one.values > 0 && one.greatest_difference <= 1, "{one:?}");
    }
}

/// Needs the project's Python environment, which `make setup` makes.
#[test]
fn litert_takes_part_and_agrees_within_a_step() {
    let python = testing::environment().join("bin/python");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/float_ports.tflite");
    let words = [
        "--output",
        "x",
        "--batch",
        "1,3",
        "--rate",
        "100",
        "--onnxruntime",
        "/none",
    ];
    let mut arguments = arguments(&words);
    arguments.model = fixture;
    arguments.python = Some(python);
    let powercap = Path::new("/does/not/exist");
    let network = Arc::new(Network::load(&arguments.model).expect("the fixture is there"));
    let report = comparison::compare(&arguments, &network, &[], powercap)
        .expect("the CPU backend always takes part");
    let missing = report
        .not_available
        .iter()
        .map(|one| one.contender.as_str());
    assert_eq!(
        missing.collect::<Vec<_>>(),
        [onnx::NAME],
        "`make setup` installs LiteRT"
    );
    let version = report.versions.litert.expect("it took part");
    assert!(version.contains("XNNPACK"), "{version}");
    let own = report
        .measured
        .iter()
        .filter(|one| one.contender.starts_with("LiteRT, "));
    // On a machine with one processor there is one of them.
    assert!([2, 4].contains(&own.clone().count()));
    assert!(
        own.clone()
            .all(|one| one.timing.calls > 0 && one.rows_per_second > 0.0)
    );
    assert!(
        report
            .rates
            .iter()
            .any(|one| one.contender == "LiteRT, 1 thread")
    );
    for one in &report.agreement {
        assert!(one.values > 0 && one.greatest_difference <= 1, "{one:?}");
    }
}
