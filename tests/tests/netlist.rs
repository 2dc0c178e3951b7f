//! Networks on the netlist after synthesis for ECP5, in lockstep with the RTL: all ports in every
//! cycle, and every byte of the result.
//!
//! ```text
//!  host --> driver --> PCIe --> +-- RTL ------+ --> outputs: those of the reference
//!                               +-- netlist --+ --> ports: equal in every cycle
//! ```
//!
//! The anomaly detector of MLPerf Tiny takes as many rows as `SYSTOLE_NETLIST_ROWS` says; `tiny`
//! takes the demo's digits too.
#![cfg(any(
    feature = "netlist-tiny",
    feature = "netlist-small",
    feature = "netlist-ecp5-85f"
))]

use std::sync::Arc;
use std::time::{Duration, Instant};

use systole_driver::OpenOptions;
use systole_host::Network;
use systole_host::engine::{Backend, Engine, EngineOptions};
use systole_regs::Configuration;
use systole_sim::rtl::{RtlCore, RtlOptions};
use systole_tests::Served;

/// Rows in an ordinary test run: two commands, of which the second overlaps with the first.
const ROWS: usize = 6;

/// Rows of one command.
const BATCH: usize = 4;

/// How many rows are to be taken.
fn rows() -> usize {
    std::env::var("SYSTOLE_NETLIST_ROWS").map_or(ROWS, |text| {
        text.parse().expect("SYSTOLE_NETLIST_ROWS is a number")
    })
}

/// Runs a network on RTL and netlist.
fn equal(configuration: Configuration, network: &Arc<Network>, input: &[i8], expected: &[i8]) {
    let name = configuration.name;
    let (core, comparison) = RtlCore::with_netlist(configuration, RtlOptions::default())
        .expect("the netlist is linked in");
    let served = Served::core(core);
    let options = EngineOptions {
        batch: BATCH,
        ..EngineOptions::default()
    };
    // A register answers between thousands of cycles, each of which may take a millisecond.
    let device = Backend::Device(served.open_with(OpenOptions {
        timeout: Duration::from_secs(60),
    }));
    let engine = Engine::new(Arc::clone(network), device, options).expect("it fits");
    let begin = Instant::now();
    let result = engine.infer_batch(input);
    let elapsed = begin.elapsed();
    let cycles = comparison
        .equal()
        .unwrap_or_else(|difference| panic!("{name}: {difference}"));
    assert!(
        result.expect("the device computes").outputs == expected,
        "{name}: the result differs from the reference"
    );
    // The array's work alone takes that long.
    let least = rows() as u64 * network.macs() / configuration.elements() as u64;
    assert!(cycles > least, "only {cycles} cycles were compared");
    println!("{name}: RTL and netlist are equal in all of {cycles} cycles, {elapsed:.1?}");
}

/// Digits of the demo; the reference is the CPU backend.
#[cfg(feature = "netlist-tiny")]
#[test]
fn digits_are_exact_on_the_netlist_of_tiny() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/demo/digits.onnx");
    let network = Arc::new(Network::load(&path).expect("the demo's model is supported"));
    let input: Vec<i8> = (0..64 * rows())
        .map(|index| (index * 37 % 256) as u8 as i8)
        .collect();
    let expected = systole_host::cpu::CpuExecutor::new(&network)
        .expect("it is consistent")
        .run(&input, rows());
    equal(
        systole_regs::configuration::TINY,
        &network,
        &input,
        &expected,
    );
}

/// Anomaly detection; the reference are TFLite's reference kernels.
fn anomaly_detection(configuration: Configuration) {
    use systole_host::rows::Rows;

    let Some(folder) = systole_tests::references() else {
        return;
    };
    let network =
        Arc::new(Network::load(folder.join("ad01_int8.tflite")).expect("it is supported"));
    let read = |name: &str| {
        let path = folder
            .join("golden")
            .join(format!("ad01_int8_real_{name}.npy"));
        let all = Rows::read(&path, &network).expect("the rows have the network's shape");
        let length = all.values.len() / all.count;
        all.values[..rows() * length].to_vec()
    };
    equal(configuration, &network, &read("in"), &read("out"));
}

#[cfg(feature = "netlist-tiny")]
#[test]
fn anomaly_detection_is_exact_on_the_netlist_of_tiny() {
    anomaly_detection(systole_regs::configuration::TINY);
}

#[cfg(feature = "netlist-small")]
#[test]
fn anomaly_detection_is_exact_on_the_netlist_of_small() {
    anomaly_detection(systole_regs::configuration::SMALL);
}

#[cfg(feature = "netlist-ecp5-85f")]
#[test]
fn anomaly_detection_is_exact_on_the_netlist_of_ecp5_85f() {
    anomaly_detection(systole_regs::configuration::ECP5_85F);
}
