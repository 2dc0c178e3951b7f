//! Nothing that software can see depends on what registers and memories hold when the power comes
//! on: the same commands on the same bus take the same cycles and leave the same bytes.
//!
//! ```text
//!  bus seed fixed, state seed 1 --> trace with cycles --+
//!  bus seed fixed, state seed 2 --> trace with cycles --+--> equal
//!  bus seed fixed, all zeros    --> trace with cycles --+
//! ```
#![cfg(feature = "rtl")]

use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, opcode};
use systole_regs::instructions::{self, Transfer};
use systole_regs::{Configuration, Status, configuration, registers};
use systole_sim::cosim::inject::{Fault, Kind, Phase, strike};
use systole_sim::cosim::{Case, Memory, Region, compare, run_timed};
use systole_sim::rtl::{BusTiming, RtlCore, RtlOptions};
use systole_sim::{Activity, Core};

/// Seeds of the state; 0 stands for zeros everywhere.
const STATES: [u64; 4] = [0, 1, 0x2545_f491, 0x7a5b_c3d1];

/// The accelerator with this state on the bus of another seed.
fn rtl(configuration: Configuration, bus: u64, state: u64) -> RtlCore {
    let options = RtlOptions {
        seed: Some(bus),
        state_seed: Some(state),
        timing: Some(match bus % 3 {
            0 => BusTiming::STEADY,
            _ => BusTiming::random(),
        }),
        ..RtlOptions::default()
    };
    RtlCore::new(configuration, options).expect("the RTL is linked in")
}

fn equal(configuration: Configuration, cases: u64) {
    for seed in 0..cases {
        // Not those of the comparison with the functional model.
        let case = Case::generate(seed + 1_000_000, configuration);
        let mut first = None;
        for state in STATES {
            let mut core = rtl(configuration, seed, state);
            let trace = run_timed(&mut core, &case).unwrap_or_else(|stall| panic!("{stall}"));
            let cycles = core.cycles();
            let (expected, expected_cycles) = first.get_or_insert_with(|| (trace.clone(), cycles));
            compare(&case, expected, &trace)
                .unwrap_or_else(|difference| panic!("state {state}: {difference}"));
            assert_eq!(cycles, *expected_cycles, "seed {seed}, state {state}");
        }
    }
}

#[test]
fn cycles_and_results_of_tiny_do_not_depend_on_unknown_state() {
    equal(configuration::TINY, 60);
}

#[test]
fn cycles_and_results_of_small_do_not_depend_on_unknown_state() {
    equal(configuration::SMALL, 60);
}

/// What a failed command leaves behind is no better than what power-on does.
#[test]
fn recovering_from_a_fault_takes_the_same_cycles_whatever_the_state() {
    for (index, (phase, kind)) in [
        (Phase::Weights, Kind::LastBeat),
        (Phase::Input, Kind::FirstBeat),
        (Phase::Output, Kind::Response),
        (Phase::Matrix, Kind::ControlReset),
        (Phase::Depthwise, Kind::FunctionReset),
        (Phase::Residual, Kind::ControlReset),
        (Phase::Drain, Kind::FunctionReset),
    ]
    .into_iter()
    .enumerate()
    {
        let mut met = 0;
        for seed in 0..12 {
            let strikes = STATES.map(|state| {
                let fault = Fault {
                    configuration: configuration::TINY,
                    phase,
                    kind,
                    malformation: None,
                    seed: 1 + 4 * (seed + 100 * index as u64),
                    state_seed: Some(state),
                };
                strike(&fault).unwrap_or_else(|failure| panic!("{fault}: {failure}"))
            });
            met += u32::from(strikes[0].is_some());
            assert!(
                strikes.iter().all(|other| *other == strikes[0]),
                "{strikes:?}"
            );
        }
        assert!(met > 0, "{phase:?}, {kind:?}");
    }
}

const SUBMISSION: u64 = 0x0000;
const COMPLETION: u64 = 0x1000;
const IMAGE: u64 = 0x2000;
const OUTPUT: u64 = 0x3000;
const BYTES: usize = 1024;

/// The first bytes of the scratchpad, which nothing has written.
fn scratchpad(state: u64) -> Vec<u8> {
    let program = [
        Transfer {
            opcode: instructions::opcode::STORE_ROWS,
            row_bytes: BYTES as u32,
            ..Transfer::default()
        },
        Transfer::default(),
    ];
    let load = LoadEntry {
        opcode: opcode::LOAD,
        image_address: IMAGE,
        program_count: program.len() as u16,
        group_rows: 1,
        ..LoadEntry::default()
    };
    let run = RunEntry {
        opcode: opcode::RUN,
        output_address: OUTPUT,
        rows: 1,
        ..RunEntry::default()
    };
    let mut memory = Memory::new(vec![Region {
        base: 0,
        bytes: vec![0; 0x4000],
    }]);
    let mut put = |address: u64, bytes: &[u8]| {
        memory
            .bytes_mut(address, bytes.len())
            .expect("it is mapped")
            .copy_from_slice(bytes);
    };
    put(IMAGE, bytemuck::cast_slice(&program));
    put(SUBMISSION, bytemuck::bytes_of(&load));
    put(SUBMISSION + 64, bytemuck::bytes_of(&run));
    let mut core = rtl(configuration::TINY, 3, state);
    for (offset, value) in [
        (registers::SUBMISSION_BASE_LOW, SUBMISSION as u32),
        (registers::SUBMISSION_ENTRIES, 4),
        (registers::COMPLETION_BASE_LOW, COMPLETION as u32),
        (registers::COMPLETION_ENTRIES, 4),
        (registers::CONTROL, registers::control::ENABLE),
        (registers::SUBMISSION_TAIL_DOORBELL, 2),
    ] {
        core.write_register(offset, value);
    }
    while core.advance(&mut memory) == Activity::Busy {}
    let bytes = memory.bytes(COMPLETION + 16, 16).expect("it is mapped");
    let completion: CompletionEntry = bytemuck::pod_read_unaligned(bytes);
    assert_eq!(
        (completion.status, completion.phase),
        (Status::Success as u8, 1)
    );
    memory.bytes(OUTPUT, BYTES).expect("it is mapped").to_vec()
}

/// The tests above show something only if the state really is unknown.
#[test]
fn a_seed_randomizes_what_the_design_leaves_open() {
    assert!(scratchpad(0).iter().all(|&byte| byte == 0));
    let [a, b, c] = [1, 2, 1].map(scratchpad);
    assert_eq!(a, c);
    let differing = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    assert!(
        differing > BYTES * 9 / 10,
        "{differing} of {BYTES} bytes differ"
    );
    let values: std::collections::BTreeSet<u8> = a.iter().copied().collect();
    assert!(values.len() > 200, "only {} values", values.len());
}
