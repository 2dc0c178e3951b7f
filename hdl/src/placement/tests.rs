use std::collections::BTreeSet;

use super::*;
use systole_regs::configuration::{ECP5_85F, SMALL, TINY};

const RAM: &str = "genblk1.blocks.block[0].ram.ram";

fn element(configuration: &Configuration, pair: usize, element: usize) -> String {
    let index = pair * (configuration.columns / 2 + 1) + element;
    format!("dut.compute.array.element${index}")
}

fn shared_dsp(pair: usize, number: usize) -> String {
    format!(
        "{}.multiplier.multiplier.dsp",
        element(&ECP5_85F, pair, number)
    )
}

fn plain_dsp(pair: usize, number: usize, corner: &str) -> String {
    format!("{}.{corner}.dsp", element(&SMALL, pair, number))
}

fn weights(pair: usize, memory: usize) -> String {
    format!("dut.compute.weights.bank${pair}.memory{memory}.{RAM}")
}

fn plain_weights(pair: usize, block: usize) -> String {
    format!(
        "dut.compute.weights.bank${pair}.memory0.parts.lower.genblk1.blocks.block[{block}].ram.ram"
    )
}

/// What both arrays have: names as yosys makes them.
fn common(configuration: &Configuration, banks: usize) -> Vec<String> {
    let mut cells: Vec<String> = (0..configuration.rows * banks)
        .map(|n| {
            let (bank, block) = (n / banks, n % banks);
            format!("dut.scratchpad.bank{bank}.blocks.block[{block}].ram.ram")
        })
        .collect();
    let columns = 0..configuration.columns;
    cells.extend(columns.map(|n| format!("dut.compute.accumulators.drain{n}.{RAM}")));
    cells.extend((0..4).map(|n| format!("dut.program_memory.memory.0.{n}")));
    for lane in 0..4 {
        for part in ["both", "high", "low"] {
            cells.push(format!("dut.compute.requantize.lane${lane}.{part}.dsp"));
        }
        for (part, block) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            cells.push(format!(
                "dut.compute.parameters.memory{lane}_{part}.genblk1.blocks.block[{block}].ram.ram"
            ));
        }
    }
    cells.push("link.buffer.memory.0.0".into());
    for part in ["before_high2", "before_low2", "length_high2", "length_low2"] {
        cells.push(format!(
            "dut.sequencer.extent.{part}_TRELLIS_FF_Q_DI_MULT18X18D_P12"
        ));
    }
    cells
}

/// Every cell of `ecp5-85f` that has a place.
fn shared_cells() -> Vec<String> {
    let mut cells = common(&ECP5_85F, 1);
    for pair in 0..ECP5_85F.rows / 2 {
        cells.extend((0..8).flat_map(|n| [shared_dsp(pair, n), weights(pair, n)]));
    }
    cells.extend((0..8).map(|n| format!("dut.compute.lanes.shared_weights${n}.memory.{RAM}")));
    cells
}

/// Every cell of `small` that has a place.
fn plain_cells() -> Vec<String> {
    let mut cells = common(&SMALL, 2);
    for pair in 0..SMALL.rows / 2 {
        for number in 0..SMALL.columns / 2 {
            for corner in ["left_even", "left_odd", "right_even", "right_odd"] {
                cells.push(plain_dsp(pair, number, corner));
            }
        }
        cells.extend((0..15).map(|block| plain_weights(pair, block)));
    }
    cells
}

#[test]
fn every_cell_has_a_place_of_its_own() {
    for (configuration, cells, count) in [
        (&ECP5_85F, shared_cells(), 349),
        (&SMALL, plain_cells(), 325),
    ] {
        assert_eq!(cells.len(), count, "{}", configuration.name);
        let bels: BTreeSet<String> = cells
            .iter()
            .map(|cell| ecp5_85f(cell, configuration).expect("it has a place"))
            .collect();
        assert_eq!(bels.len(), cells.len(), "{}", configuration.name);
    }
}

#[test]
fn neighbours_are_neighbours() {
    let dsp = |pair, number| ecp5_85f(&shared_dsp(pair, number), &ECP5_85F);
    assert_eq!(dsp(0, 0).as_deref(), Some("X13/Y58/MULT18_0"));
    assert_eq!(dsp(0, 1).as_deref(), Some("X14/Y58/MULT18_1"));
    assert_eq!(dsp(0, 2).as_deref(), Some("X13/Y34/MULT18_0"));
    assert_eq!(dsp(1, 0).as_deref(), Some("X18/Y58/MULT18_5"));
    assert_eq!(dsp(15, 7).as_deref(), Some("X119/Y58/MULT18_5"));
    let ram = |pair, memory| ecp5_85f(&weights(pair, memory), &ECP5_85F);
    assert_eq!(ram(0, 0).as_deref(), Some("X13/Y70/EBR0"));
    assert_eq!(ram(0, 4).as_deref(), Some("X15/Y70/EBR1"));
    assert_eq!(ram(15, 7).as_deref(), Some("X120/Y46/EBR3"));

    let dsp = |pair, number, corner| ecp5_85f(&plain_dsp(pair, number, corner), &SMALL);
    assert_eq!(dsp(0, 0, "left_even").as_deref(), Some("X13/Y58/MULT18_0"));
    assert_eq!(dsp(7, 3, "right_odd").as_deref(), Some("X115/Y10/MULT18_1"));
    let ram = |pair, block| ecp5_85f(&plain_weights(pair, block), &SMALL);
    assert_eq!(ram(0, 0).as_deref(), Some("X13/Y70/EBR0"));
    assert_eq!(ram(0, 7).as_deref(), Some("X15/Y70/EBR1"));
}

#[test]
fn other_cells_are_left_to_the_placer() {
    for other in [
        "link.other.memory.0.0",
        &shared_dsp(3, 8),
        &weights(3, 8),
        "dut.compute.multiplier.dsp",
    ] {
        assert_eq!(ecp5_85f(other, &ECP5_85F), None);
    }
    assert_eq!(ecp5_85f(&plain_weights(3, 15), &SMALL), None);
    for cell in shared_cells().iter().chain(&plain_cells()) {
        assert_eq!(ecp5_85f(cell, &TINY), None);
    }
}
