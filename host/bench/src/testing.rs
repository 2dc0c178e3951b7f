//! What several tests need.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use systole_host::Network;

use crate::command::Arguments;
use crate::criterion::Estimate;
use crate::energy::Meter;
use crate::provenance;
use crate::report::{Agreement, Kind, Measurement, NotAvailable, RateFigure, Report, Simulation};
use crate::statistics::summarize;

/// The project's Python environment, or the one that SYSTOLE_VENV names.
pub(crate) fn environment() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match std::env::var_os("SYSTOLE_VENV") {
        Some(environment) => project.join(environment),
        None => project.join(".venv"),
    }
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    bench: Arguments,
}

/// Parses arguments, or says why it can't.
pub(crate) fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
    let all = ["bench"].iter().chain(arguments);
    Command::try_parse_from(all).map(|command| command.bench)
}

/// The demo's model.
pub(crate) fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/digits.onnx")
}

pub(crate) fn network() -> Network {
    Network::load(model()).expect("the demo's model is there")
}

/// A device's times, made up.
pub(crate) fn simulation() -> Simulation {
    Simulation {
        contender: "sim:small".into(),
        kind: Kind::Simulated,
        batch: 1,
        median_us: 12.5,
        link_us: 3.0,
        rows_per_second: 80_000.0,
        cycles: vec![1425, 1425, 1430],
        clock_khz: 150_000,
        macs: 1,
        elements: 128,
        utilization: 0.1,
        row_bytes: 80,
    }
}

/// Somebody's times, made up.
pub(crate) fn measurement(contender: &str, batch: usize) -> Measurement {
    let rounds = vec![vec![Duration::from_micros(20), Duration::from_micros(40)]; 2];
    Measurement {
        contender: contender.into(),
        kind: Kind::Measured,
        batch,
        timing: summarize(&rounds),
        rows_per_second: 3125.4,
        energy: None,
        rounds,
    }
}

/// Latencies at a rate, made up; without dropped requests, it was held.
pub(crate) fn rate(contender: &str, kind: Kind, dropped: usize) -> RateFigure {
    let rounds = vec![vec![Duration::from_micros(70), Duration::from_micros(90)]; 2];
    RateFigure {
        contender: contender.into(),
        kind,
        rate: 1000.0,
        held: dropped == 0,
        reached: 990.0,
        dropped,
        latency: (dropped == 0).then(|| summarize(&rounds)),
        energy: None,
        rounds,
    }
}

/// A report with figures of every sort, made up.
pub(crate) fn report() -> Report {
    let arguments = parse(&["--output", "x"]).expect("valid arguments");
    let meter = Meter::open(Path::new("/does/not/exist"));
    let cpu = "Systole CPU, 1 thread";
    Report {
        command: "systole bench --output x".into(),
        begun: "2026-01-02T03:04:05Z".into(),
        measured: vec![measurement(cpu, 1), measurement(cpu, 4)],
        simulated: vec![
            simulation(),
            Simulation {
                batch: 4,
                ..simulation()
            },
        ],
        rates: vec![
            rate(cpu, Kind::Measured, 0),
            rate("slow", Kind::Measured, 17),
            rate("sim:small", Kind::Simulated, 0),
        ],
        overhead: vec![measurement("driver, polling", 1)],
        agreement: vec![Agreement {
            contender: "sim:small".into(),
            kind: Kind::Simulated,
            batch: 1,
            values: 10,
            differing: 0,
            greatest_difference: 0,
        }],
        criterion: vec![Estimate {
            name: "layers/128x8/1".into(),
            kind: Kind::Measured,
            estimate_ns: 100.0,
            interval_ns: [90.0, 110.0],
            confidence: 0.95,
            per_second: Some(1e9),
            unit: Some("elements"),
        }],
        not_available: vec![NotAvailable {
            contender: "LiteRT".into(),
            batch: None,
            reason: "install it".into(),
        }],
        ..provenance::empty_report(&arguments, &network(), &meter)
    }
}
