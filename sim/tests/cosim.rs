//! The RTL against the functional model: random programs and commands with extreme values, bus
//! latency and back-pressure by seed, unknown state randomized.
//!
//! `SYSTOLE_COSIM_SEEDS` sets the scenarios per configuration; each holds four to nine commands.
#![cfg(feature = "rtl")]

use systole_regs::{Configuration, configuration};
use systole_sim::cosim::{Coverage, Scenario, run};
use systole_sim::model::FunctionalModel;
use systole_sim::rtl::{RtlCore, RtlOptions};

/// Scenarios per configuration in an ordinary test run.
const SEEDS: u64 = 600;

fn seeds() -> u64 {
    std::env::var("SYSTOLE_COSIM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEEDS)
}

fn compare(configuration: Configuration) {
    let mut coverage = Coverage::default();
    let mut failed = 0;
    for seed in 0..seeds() {
        let (scenario, covered) = Scenario::new(configuration, seed);
        coverage.add(&covered);
        let mut model = FunctionalModel::new(configuration);
        let expected = run(&mut model, &scenario).expect("the functional model answers everything");
        // Every other seed on a steady bus, to see the pipelines at full speed.
        let options = RtlOptions {
            seed: seed.is_multiple_of(2).then_some(seed),
            ..RtlOptions::default()
        };
        let mut rtl = RtlCore::new(configuration, options).expect("the RTL is linked in");
        let got = run(&mut rtl, &scenario)
            .unwrap_or_else(|error| panic!("{} seed {seed}: {error}", configuration.name));
        for (index, (got, expected)) in got
            .completions
            .iter()
            .zip(&expected.completions)
            .enumerate()
        {
            assert_eq!(
                got, expected,
                "{} seed {seed}: completion {index}",
                configuration.name
            );
        }
        failed += expected
            .completions
            .iter()
            .filter(|completion| completion.status != 0)
            .count();
        assert_eq!(
            got.statistics, expected.statistics,
            "{} seed {seed}",
            configuration.name
        );
        assert_eq!(
            got.registers, expected.registers,
            "{} seed {seed}",
            configuration.name
        );
        assert_eq!(
            got.interrupts, expected.interrupts,
            "{} seed {seed}",
            configuration.name
        );
        assert!(
            got.memory == expected.memory,
            "{} seed {seed}: memory differs",
            configuration.name
        );
    }
    println!(
        "{}: {} scenarios, {failed} commands with an error status\n{coverage}",
        configuration.name,
        seeds()
    );
    if seeds() >= SEEDS {
        for what in [
            "run of a correct program",
            "run of a faulty program",
            "run with a last group that isn't full",
            "rounding once",
            "rounding twice",
            "blocks of one row",
            "zero point -128",
            "zero point 127",
            "bias at an end of i32",
            "shift -31",
            "shift 30",
            "weight -128",
            "refused: load over the other slot",
            "reset between commands",
        ] {
            assert!(coverage.count(what) > 0, "nothing covered `{what}`");
        }
    }
}

#[test]
fn tiny_equals_the_functional_model() {
    compare(configuration::TINY);
}

#[test]
fn small_equals_the_functional_model() {
    compare(configuration::SMALL);
}
