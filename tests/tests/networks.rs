//! Whole networks from the host API through the driver to the RTL: random ones of every kind of
//! layer, and two of shapes that published ones have.

#[path = "../../host/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;

use systole_host::cpu::CpuExecutor;
use systole_host::engine::{Backend, Engine, EngineError, EngineOptions};
use systole_host::model::Network;
use systole_host::rows::Rows;
use systole_regs::Configuration;
use systole_regs::configuration::{SMALL, TINY};
use systole_sim::rtl::RtlOptions;
use systole_tests::Served;

/// Random networks of each configuration.
const NETWORKS: u64 = 60;

/// What the RTL computes, or that the network can't be compiled for it.
fn on_rtl(
    served: &Served,
    network: &Arc<Network>,
    rows: &[i8],
    batch: usize,
) -> Result<Vec<i8>, EngineError> {
    let options = EngineOptions {
        batch,
        ..EngineOptions::default()
    };
    let engine = Engine::new(Arc::clone(network), Backend::Device(served.open()), options)?;
    Ok(engine.infer_batch(rows)?.outputs)
}

fn random_networks(configuration: Configuration) {
    let served = Served::rtl(
        configuration,
        RtlOptions {
            seed: Some(3),
            ..RtlOptions::default()
        },
    );
    let mut refused = 0;
    for seed in 0..NETWORKS {
        let network = Arc::new(support::graphs::network(
            seed,
            1 + seed as usize % 9,
            4 + seed as usize % 13,
        ));
        let count = 1 + seed as usize % 5;
        let rows = support::any_rows(&network, count, seed);
        let expected = CpuExecutor::new(&network)
            .expect("it is consistent")
            .run(&rows, count);
        match on_rtl(&served, &network, &rows, 1 + seed as usize % 3) {
            Ok(outputs) => assert!(outputs == expected, "{} seed {seed}", configuration.name),
            // Layers that no instruction expresses are refused by name; that is tested elsewhere.
            Err(EngineError::Compile(_)) => refused += 1,
            Err(error) => panic!("{} seed {seed}: {error}", configuration.name),
        }
    }
    println!(
        "{}: {} networks are equal, {refused} can't be compiled",
        configuration.name,
        NETWORKS - refused
    );
    assert!(refused * 2 < NETWORKS, "{refused} of {NETWORKS} refused");
}

#[test]
fn random_networks_equal_the_cpu_on_tiny() {
    random_networks(TINY);
}

#[test]
fn random_networks_equal_the_cpu_on_small() {
    random_networks(SMALL);
}

#[test]
fn a_network_that_does_not_fit_streams_weights_and_bands() {
    let network = Arc::new(support::graphs::resnet(1, 40));
    assert!(network.macs() > 70_000_000);
    let rows = support::any_rows(&network, 1, 3);
    let expected = CpuExecutor::new(&network)
        .expect("it is consistent")
        .run(&rows, 1);
    let served = Served::rtl(SMALL, RtlOptions::default());
    let outputs = on_rtl(&served, &network, &rows, 1).expect("it streams");
    assert!(outputs == expected);
}

#[test]
fn a_streaming_wake_word_equals_the_reference_kernels() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tests/fixtures");
    let network = Network::load(fixtures.join("wake_word.tflite")).expect("it is supported");
    let network = Arc::new(network);
    let read = |name: &str| {
        Rows::read(fixtures.join(name), &network)
            .expect("rows of the network")
            .values
    };
    let golden = fixtures.join("wake_word_out.npy");
    let golden: ndarray::ArrayD<i8> = ndarray_npy::read_npy(golden).expect("an array of bytes");
    let golden: Vec<i8> = golden.into_iter().collect();
    let served = Served::rtl(SMALL, RtlOptions::default());
    for batch in [1, 5] {
        let outputs =
            on_rtl(&served, &network, &read("wake_word_in.npy"), batch).expect("it is supported");
        assert!(outputs == golden, "batch {batch}");
    }
}
