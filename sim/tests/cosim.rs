//! The RTL against the functional model: random programs and commands with extreme values, bus
//! latency and back-pressure by seed, unknown state randomized.
//!
//! `SYSTOLE_COSIM_SEEDS` sets the cases of the smaller configurations, of which the larger ones run
//! a part; each holds several commands. `make soak` sets it to ten thousand.
//!
//! `SYSTOLE_COSIM_SEED` runs one case only, and writes every signal to `NAME-SEED.fst` in the
//! folder that `SYSTOLE_COSIM_WAVES` names, if it is set.
#![cfg(feature = "rtl")]

mod support;

use std::path::{Path, PathBuf};
use std::time::Instant;

use systole_regs::{Configuration, configuration};
use systole_sim::cosim::{Case, Coverage, Trace, compare, run};
use systole_sim::model::FunctionalModel;
use systole_sim::rtl::{RtlCore, RtlOptions};

use support::number;

/// Cases of the smaller configurations in an ordinary test run: with these, every field and edge
/// that `Coverage` knows of is met.
const SEEDS: u64 = 800;

/// Cases between two lines that say how far a long run has come.
const PROGRESS: u64 = 500;

/// Takes both cores through one case, and compares what they did.
fn one(configuration: Configuration, seed: u64, waveform: Option<PathBuf>) -> (Case, Trace) {
    let name = configuration.name;
    let case = Case::generate(seed, configuration);
    let mut model = FunctionalModel::new(configuration);
    let expected = run(&mut model, &case).unwrap_or_else(|stall| panic!("model: {stall}"));
    // Every fourth case on a steady bus, to see the pipelines at full speed.
    let options = RtlOptions {
        seed: (!seed.is_multiple_of(4)).then_some(seed),
        trace: waveform,
        ..RtlOptions::default()
    };
    let mut rtl = RtlCore::new(configuration, options).expect("the RTL is linked in");
    let got =
        run(&mut rtl, &case).unwrap_or_else(|stall| panic!("{name} seed {seed}: RTL: {stall}"));
    compare(&case, &expected, &got)
        .unwrap_or_else(|difference| panic!("{name} seed {seed}: {difference}"));
    (case, expected)
}

/// Runs one in `share` of the seeds: a larger array takes longer to simulate, and differs from
/// the smaller ones in its dimensions and elements only.
fn equal(configuration: Configuration, share: u64) {
    if let Some(seed) = number("SYSTOLE_COSIM_SEED") {
        let waveform = std::env::var_os("SYSTOLE_COSIM_WAVES")
            .map(|folder| Path::new(&folder).join(format!("{}-{seed}.fst", configuration.name)));
        one(configuration, seed, waveform);
        println!("{}: case {seed} is equal", configuration.name);
        return;
    }
    let seeds = number("SYSTOLE_COSIM_SEEDS")
        .unwrap_or(SEEDS)
        .div_ceil(share);
    let mut coverage = Coverage::new();
    let begin = Instant::now();
    for seed in 0..seeds {
        if seed > 0 && seed.is_multiple_of(PROGRESS) {
            let seconds = begin.elapsed().as_secs();
            println!(
                "{}: {seed} of {seeds} cases are equal, {seconds} s",
                configuration.name
            );
        }
        let (case, expected) = one(configuration, seed, None);
        coverage.record(&case, &expected);
    }
    println!(
        "{}: all {seeds} cases are equal, {} s\n{coverage}",
        configuration.name,
        begin.elapsed().as_secs()
    );
    if seeds >= SEEDS {
        assert!(
            coverage.missing().is_empty(),
            "not covered: {:?}",
            coverage.missing()
        );
    }
}

#[test]
fn tiny_equals_the_functional_model() {
    equal(configuration::TINY, 1);
}

#[test]
fn small_equals_the_functional_model() {
    equal(configuration::SMALL, 1);
}

#[cfg(feature = "rtl-ecp5-85f")]
#[test]
fn ecp5_85f_equals_the_functional_model() {
    equal(configuration::ECP5_85F, 2);
}

#[cfg(feature = "rtl-large")]
#[test]
fn large_equals_the_functional_model() {
    equal(configuration::LARGE, 4);
}
