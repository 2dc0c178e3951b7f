use super::*;
use clap::Parser;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    bench: Arguments,
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx")
}

fn arguments(more: &[&str]) -> Arguments {
    let model = model();
    let fixed = ["bench", "--rounds", "2", "--turn", "1"];
    let model = ["--model", model.to_str().expect("the path is UTF-8")];
    let all = fixed.iter().chain(&model).chain(more);
    Command::try_parse_from(all).expect("valid arguments").bench
}

#[test]
fn batch_sizes_are_numbers_within_the_devices_limit() {
    let parsed = arguments(&["--output", "x", "--batch", "1,7, 196"]);
    assert_eq!(parsed.batch, [1, 7, 196]);
    assert_eq!(arguments(&["--output", "x"]).batch, [1, 16, 64]);
    for wrong in ["0", "65536", "many", "1,,2", ""] {
        assert!(
            Command::try_parse_from(["bench", "--output", "x", "--batch", wrong]).is_err(),
            "{wrong:?}"
        );
    }
}

#[test]
fn without_onnx_runtime_the_report_says_what_to_do() {
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
        ]),
        &[],
    )
    .expect("the CPU backend always takes part");

    let batches: Vec<_> = report.measured.iter().map(|one| one.batch).collect();
    assert_eq!(batches, [1, 3]);
    assert!(report.measured.iter().all(|one| one.kind == Kind::Measured));
    let [missing] = &report.not_available[..] else {
        panic!("{:?}", report.not_available);
    };
    assert_eq!(missing.contender, onnx::NAME);
    assert!(
        missing.reason.contains("--onnxruntime"),
        "{}",
        missing.reason
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
    let svg = fs::read_to_string(output.join(PLOT)).expect("the plot is there");
    assert!(svg.starts_with("<svg") && svg.contains("(measured)"));
    assert!(!svg.contains("(simulated)"));
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
fn simulated_figures_are_drawn_apart_from_measured_ones() {
    let folder = tempfile::tempdir().expect("temporary folders can be made");
    let mut report = bench(
        &arguments(&["--output", "x", "--batch", "1"]),
        &network(),
        &[],
    )
    .expect("the CPU backend always takes part");
    report.simulated.push(crate::report::Simulation {
        contender: "sim:small".into(),
        kind: Kind::Simulated,
        batch: 1,
        median_us: 12.5,
        link_us: 3.0,
        cycles: vec![1425],
        clock_khz: 150_000,
        macs: 1,
        elements: 128,
        utilization: 0.1,
        row_bytes: 80,
    });
    let path = folder.path().join("plot.svg");
    plot::draw(&report, &path).expect("there are figures");
    let svg = fs::read_to_string(path).expect("the plot is there");
    assert!(svg.contains("sim:small (simulated)"));
    let table = report.to_string();
    let line = table
        .lines()
        .find(|line| line.contains("sim:small"))
        .expect("it is in the table");
    assert!(
        line.starts_with("simulated") && line.contains("12.50"),
        "{line}"
    );
}

fn network() -> Arc<Network> {
    Arc::new(Network::load(model()).expect("the demo's model is there"))
}

/// Needs the project's Python environment, which `make setup` makes.
#[test]
fn onnx_runtime_takes_part_and_agrees_within_a_step() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let environment = match std::env::var_os("SYSTOLE_VENV") {
        Some(environment) => project.join(environment),
        None => project.join(".venv"),
    };
    let library = onnx::find_library(Some(&environment)).expect("`make setup` installs it");
    let library = library.to_str().expect("the path is UTF-8");
    let report = bench(
        &arguments(&["--output", "x", "--batch", "1,16", "--onnxruntime", library]),
        &network(),
        &[],
    )
    .expect("the CPU backend always takes part");
    assert_eq!(report.not_available, []);
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
