//! Faults injected into the Verilated RTL: each kind in each phase of a command, at a random moment,
//! on a bus with random latency and back-pressure. Each must end as documented, and what comes after
//! it must be as if it hadn't been.
#![cfg(feature = "rtl")]

use systole_regs::{Configuration, configuration};
use systole_sim::cosim::inject::{Fault, Table, injections, strike};

/// Faults of each kind in each phase.
const EACH: u64 = 4;
/// Faults of each thing that can be wrong with an entry or an instruction.
const MALFORMED: u64 = 1;
/// Faults that a configuration must have met in all.
const LEAST: u32 = 450;
/// Seeds that are tried until one gives occasion for a fault.
const TRIES: u64 = 200;

fn inject(configuration: Configuration) {
    let mut table = Table::new(configuration);
    for (index, injection) in injections(&configuration).iter().enumerate() {
        let mut seed = index as u64 * 10_007;
        let wanted = match injection.malformation {
            Some(_) => MALFORMED,
            None => EACH,
        };
        let mut tries = 0;
        let mut met = 0;
        while met < wanted {
            let fault = Fault {
                configuration,
                phase: injection.phase,
                kind: injection.kind,
                malformation: injection.malformation,
                seed,
                state_seed: None,
            };
            assert!(tries < TRIES, "{fault}: no occasion");
            let struck = strike(&fault).unwrap_or_else(|failure| panic!("{fault}: {failure}"));
            if let Some(struck) = struck {
                table.count(injection, &struck);
                met += 1;
            }
            seed += 1;
            tries += 1;
        }
    }
    println!("{}:\n{table}", configuration.name);
    assert!(
        table.missing(EACH as u32).is_empty(),
        "{:?}",
        table.missing(EACH as u32)
    );
    assert!(table.total() >= LEAST, "{} faults", table.total());
    // Resets in phases of the bus come while a burst is outstanding.
    assert!(table.outstanding() > 100, "{}", table.outstanding());
}

#[test]
fn tiny_survives_every_fault() {
    inject(configuration::TINY);
}

#[test]
fn small_survives_every_fault() {
    inject(configuration::SMALL);
}
