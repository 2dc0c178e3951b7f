//! A published network on the netlist after synthesis for ECP5, in lockstep with the RTL: all ports
//! in every cycle, and every byte of the result.
//!
//! ```text
//!  host --> driver --> PCIe --> +-- RTL ------+ --> outputs: those of the reference kernels
//!                               +-- netlist --+ --> ports: equal in every cycle
//! ```
//!
//! `SYSTOLE_NETLIST_ROWS` sets how many rows of the anomaly detector's input are taken.
#![cfg(any(
    feature = "netlist-tiny",
    feature = "netlist-small",
    feature = "netlist-ecp5-85f"
))]

use std::sync::Arc;
use std::time::Instant;

use systole_host::Network;
use systole_host::engine::{Backend, Engine, EngineOptions};
use systole_host::rows::Rows;
use systole_regs::Configuration;
use systole_sim::rtl::{RtlCore, RtlOptions};
use systole_tests::{Served, references};

/// Rows in an ordinary test run: two commands, of which the second overlaps with the first.
const ROWS: usize = 6;

/// Rows of one command.
const BATCH: usize = 4;

fn anomaly_detection(configuration: Configuration) {
    let Some(folder) = references() else { return };
    let network =
        Arc::new(Network::load(folder.join("ad01_int8.tflite")).expect("it is supported"));
    let count = std::env::var("SYSTOLE_NETLIST_ROWS").map_or(ROWS, |text| {
        text.parse().expect("SYSTOLE_NETLIST_ROWS is a number")
    });
    let read = |name: &str| {
        let path = folder
            .join("golden")
            .join(format!("ad01_int8_real_{name}.npy"));
        let rows = Rows::read(&path, &network).expect("the rows have the network's shape");
        let length = rows.values.len() / rows.count;
        rows.values[..count.min(rows.count) * length].to_vec()
    };
    let (input, golden) = (read("in"), read("out"));
    let (core, comparison) = RtlCore::with_netlist(configuration, RtlOptions::default())
        .expect("the netlist is linked in");
    let served = Served::core(core);
    let options = EngineOptions {
        batch: BATCH,
        ..EngineOptions::default()
    };
    let engine = Engine::new(network, Backend::Device(served.open()), options).expect("it fits");
    let begin = Instant::now();
    let result = engine.infer_batch(&input);
    let elapsed = begin.elapsed();
    let cycles = comparison
        .equal()
        .unwrap_or_else(|difference| panic!("{}: {difference}", configuration.name));
    assert!(
        result.expect("the device computes").outputs == golden,
        "it differs from the reference kernels"
    );
    // The array's work alone takes that long.
    let least = count as u64 * 264_192 / configuration.elements() as u64;
    assert!(cycles > least, "only {cycles} cycles were compared");
    println!(
        "{}: anomaly detection, {count} rows, RTL and netlist are equal in all of {cycles} cycles, \
         {elapsed:.1?}",
        configuration.name
    );
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
