//! The netlist after synthesis for ECP5 against the RTL, cycle by cycle at all ports, while both
//! run random programs with bus latency and back-pressure by seed.
//!
//! `SYSTOLE_NETLIST_SEEDS` sets the number of cases, `SYSTOLE_COSIM_SEED` runs one case only.
#![cfg(feature = "netlist")]

mod support;

use std::time::Instant;

use systole_regs::{Configuration, configuration};
use systole_sim::cosim::{Case, compare, run};
use systole_sim::model::FunctionalModel;
use systole_sim::rtl::{Lockstep, RtlCore, RtlOptions};
use systole_sim::verilated::{Inputs, Outputs, Verilated};

use support::number;

/// Cases in an ordinary test run.
const SEEDS: u64 = 60;

/// Takes RTL and netlist through one case; the cycles of it. What they do is also what the
/// functional model does: a netlist may not be equal only because neither does anything.
fn one(configuration: Configuration, seed: u64) -> u64 {
    let name = configuration.name;
    let case = Case::generate(seed, configuration);
    let mut model = FunctionalModel::new(configuration);
    let expected = run(&mut model, &case).unwrap_or_else(|stall| panic!("model: {stall}"));
    let options = RtlOptions {
        seed: (!seed.is_multiple_of(4)).then_some(seed),
        ..RtlOptions::default()
    };
    let (mut rtl, comparison) =
        RtlCore::with_netlist(configuration, options).expect("the netlist is linked in");
    let got = run(&mut rtl, &case);
    let cycles = comparison
        .equal()
        .unwrap_or_else(|difference| panic!("{name} seed {seed}: {difference}"));
    let got = got.unwrap_or_else(|stall| panic!("{name} seed {seed}: RTL: {stall}"));
    compare(&case, &expected, &got)
        .unwrap_or_else(|difference| panic!("{name} seed {seed}: {difference}"));
    assert_eq!(cycles, rtl.cycles(), "every cycle is compared");
    cycles
}

fn equal(configuration: Configuration) {
    let name = configuration.name;
    if let Some(seed) = number("SYSTOLE_COSIM_SEED") {
        println!(
            "{name}: case {seed} is equal, {} cycles",
            one(configuration, seed)
        );
        return;
    }
    let seeds = number("SYSTOLE_NETLIST_SEEDS").unwrap_or(SEEDS);
    let begin = Instant::now();
    let cycles: u64 = (0..seeds).map(|seed| one(configuration, seed)).sum();
    println!(
        "{name}: {seeds} cases are equal in all of {cycles} cycles, {:.1?}",
        begin.elapsed()
    );
}

/// A netlist that once sees another bit than the RTL is found out, and the port and cycle named.
#[cfg(feature = "netlist-tiny")]
#[test]
fn a_difference_of_one_bit_is_found() {
    let configuration = configuration::TINY;
    let mut rtl = Verilated::new(&configuration, 0, None).expect("the RTL is linked in");
    let netlist = Verilated::netlist(&configuration).expect("the netlist is linked in");
    let mut lockstep = Lockstep::new(netlist);
    let comparison = lockstep.comparison();
    let mut outputs = Outputs::default();
    let mut cycle = |inputs: &Inputs, other: &Inputs| {
        rtl.cycle(inputs, &mut outputs);
        lockstep.cycle(other, &outputs);
    };
    let mut inputs = Inputs {
        reset: 1,
        ..Inputs::default()
    };
    (0..8).for_each(|_| cycle(&inputs, &inputs));
    inputs.reset = 0;
    (0..200).for_each(|_| cycle(&inputs, &inputs));
    assert_eq!(comparison.equal(), Ok(208));
    // A register is read: the first one, and the netlist is asked for the next.
    inputs.s_ar_valid = 1;
    inputs.s_r_ready = 1;
    let other = Inputs {
        s_ar_address: 4,
        ..inputs
    };
    (0..20).for_each(|_| cycle(&inputs, &other));
    let difference = comparison.equal().expect_err("the registers differ");
    assert_eq!(difference.port, "s_r_data");
    assert!((208..228).contains(&difference.cycle), "{difference}");
}

#[cfg(feature = "netlist-tiny")]
#[test]
fn the_netlist_of_tiny_equals_the_rtl() {
    equal(configuration::TINY);
}

#[cfg(feature = "netlist-small")]
#[test]
fn the_netlist_of_small_equals_the_rtl() {
    equal(configuration::SMALL);
}

#[cfg(feature = "netlist-ecp5-85f")]
#[test]
fn the_netlist_of_ecp5_85f_equals_the_rtl() {
    equal(configuration::ECP5_85F);
}
