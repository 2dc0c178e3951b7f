//! Attribution on records written by hand; the device's own are in the tests of the whole.

use systole_regs::entries::TraceRecord;
use systole_regs::instructions::opcode;

use super::attribute::{Gap, attribute};
use super::{Cause, ProfileError};
use crate::compiler::tests::network;
use crate::compiler::{Program, Target, compile};

fn program() -> Program {
    let target = Target::from(&systole_regs::configuration::SMALL);
    compile(&network(&[40, 30, 20]), &target).expect("it fits")
}

/// A record of the first instruction with this opcode behind `after`.
fn record(program: &Program, code: u8, skip: usize, start: u32, finish: u32) -> TraceRecord {
    let (instruction, _) = (program.instructions().enumerate())
        .filter(|(_, instruction)| instruction.opcode() == code)
        .nth(skip)
        .expect("the program has it");
    TraceRecord {
        instruction: instruction as u16,
        opcode: code,
        start,
        finish,
        ..TraceRecord::default()
    }
}

#[test]
fn every_cycle_has_a_layer_and_a_cause() {
    let program = program();
    let mut first = record(&program, opcode::MATRIX, 0, 30, 80);
    (first.vectors, first.stall_requantize) = (30, 4);
    (first.stall_prepare, first.stall_drain) = (5, 9);
    let mut second = record(&program, opcode::MATRIX, 1, 90, 100);
    second.vectors = 10;
    let records = [
        record(&program, opcode::LOAD_ROWS, 0, 10, 25),
        first,
        second,
        record(&program, opcode::STORE_ROWS, 0, 105, 125),
    ];
    let (costs, gaps) = attribute(&program, &records, 130).expect("they belong together");
    let cycles: u64 = costs.iter().map(super::Cost::cycles).sum();
    assert_eq!(cycles, 130);
    let by_cause = |layer: usize| Cause::ALL.map(|cause| costs[layer][cause]);
    // 30 cycles before it, of which 15 with its rows under way; 2 of its own that nothing counts.
    assert_eq!(by_cause(0), [30, 4, 5, 9, 15, 0, 17]);
    assert_eq!(by_cause(1), [10, 0, 0, 0, 0, 0, 10]);
    assert_eq!(by_cause(2), [0, 0, 0, 0, 0, 20, 10]);
    let cut: Vec<_> = gaps.iter().map(|gap| (gap.start, gap.finish)).collect();
    assert_eq!(
        cut,
        [
            (0, 10),
            (10, 25),
            (25, 30),
            (80, 90),
            (100, 105),
            (105, 125),
            (125, 130)
        ]
    );
    assert_eq!(
        gaps[1],
        Gap {
            start: 10,
            finish: 25,
            cause: Cause::DmaRead,
            layer: 0
        }
    );
}

#[test]
fn a_read_counts_before_a_write() {
    let program = program();
    let records = [
        record(&program, opcode::STORE_ROWS, 0, 0, 20),
        record(&program, opcode::LOAD_ROWS, 0, 5, 12),
        record(&program, opcode::MATRIX, 0, 30, 40),
    ];
    let (costs, _) = attribute(&program, &records, 40).expect("they belong together");
    assert_eq!(costs[0][Cause::DmaRead], 7);
    assert_eq!(costs[0][Cause::DmaWrite], 13);
    assert_eq!(costs[0][Cause::Control], 20);
}

#[test]
fn foreign_records_are_refused() {
    let program = program();
    let mut foreign = record(&program, opcode::MATRIX, 0, 1, 2);
    foreign.instruction = program.steps.len() as u16;
    assert!(matches!(
        attribute(&program, &[foreign], 10),
        Err(ProfileError::OtherProgram { index: 0, .. })
    ));
    for (start, finish) in [(5, 4), (5, 11)] {
        let backwards = record(&program, opcode::MATRIX, 0, start, finish);
        assert!(matches!(
            attribute(&program, &[backwards], 10),
            Err(ProfileError::Time { index: 0, .. })
        ));
    }
}
