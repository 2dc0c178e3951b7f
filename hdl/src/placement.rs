//! Where DSPs and block RAMs belong on an ECP5-85F, so that neighbours in the design are neighbours on
//! the chip. A placer that is left alone scatters them, and all logic between them with them.
//!
//! ```text
//!                 pair 0      pair 1      pair 2 ...      sums move to the right
//!  Y10  DSPs   .  g2 g2 .     g2 g2 .     g2 g2 .         in between: requantization
//!  Y22  RAMs   c  g2 g2 g1    g2 g2 g1    g2 g2 g1        weights
//!  Y34  DSPs   c  g1 g1 g3    g1 g1 g3    g1 g1 g3        activations move from group to group
//!  Y46  RAMs   c  g1 g3 g3    g1 g3 g3    g1 g3 g3
//!  Y58  DSPs   .  g0 g0 g3    g0 g0 g3    g0 g0 g3
//!  Y70  RAMs   c  g0 g0 .     g0 g0 .     g0 g0 .         in between: lanes' weights, parameters
//!  Y82  RAMs   scratchpad ..................  sums for requantization, parameters
//! ```
//!
//! The chip has three rows of 52 DSPs and four of 52 block RAMs. A pair of rows of the array has
//! three columns of them, a group of columns its DSPs in one row as far as they go, and the RAMs that
//! feed it in the next one: half a clock is all that weights have from there into a DSP. Vectors
//! come from the scratchpad below, sums leave on the right. Control (c) belongs to the left, out of
//! the array: what it needs of DSPs and RAMs is what draws it there. Where nothing says how cells
//! are ordered, any order is as good.

use systole_regs::configuration::{ArrayKind, Configuration};

/// DSPs, or block RAMs, of a row.
const ROW: usize = 52;

/// X of the blocks of four DSPs in a row, and of four RAMs.
pub const BLOCKS: [usize; 13] = [4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114];

/// Places in a block of its four DSPs; their names end with the same numbers.
const IN_BLOCK: [usize; 4] = [0, 1, 4, 5];

/// Columns of DSPs and RAMs for a pair of rows.
const SHARE: usize = 3;

/// Places in a row that pairs leave on the left.
const MARGIN: usize = 4;

/// Y and column of the DSPs of a pair, two for each group.
const DSPS: [(usize, usize); 8] = [
    (58, 0),
    (58, 1),
    (34, 0),
    (34, 1),
    (10, 0),
    (10, 1),
    (34, 2),
    (58, 2),
];

/// Y and column of the RAMs of a pair: weights of the even row for each group, then of the odd one.
const RAMS: [(usize, usize); 8] = [
    (70, 0),
    (46, 0),
    (22, 0),
    (46, 1),
    (70, 1),
    (22, 2),
    (22, 1),
    (46, 2),
];

/// Number of a pair's column in its row.
const fn along(pair: usize, column: usize) -> usize {
    MARGIN + pair * SHARE + column
}

/// What pairs leave of their rows: Y10 for DSPs, Y70 for RAMs.
const fn between(pair: usize) -> usize {
    along(pair, SHARE - 1)
}

/// A DSP by its number in a row.
fn dsp(y: usize, index: usize) -> String {
    let place = IN_BLOCK[index % 4];
    format!("X{}/Y{y}/MULT18_{place}", BLOCKS[index / 4] + place)
}

/// A block RAM by its number in a row.
fn ram(y: usize, index: usize) -> String {
    let place = index % 4;
    format!("X{}/Y{y}/EBR{place}", BLOCKS[index / 4] + 2 * place)
}

/// The number in the name of a cell of the flattened netlist that follows a text, and the rest.
fn number<'a>(name: &'a str, before: &str) -> Option<(usize, &'a str)> {
    let (_, rest) = name.split_once(before)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

/// Which of some names is in the name of a cell.
fn one_of(cell: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| cell.contains(name))
}

/// Whether the configuration is of the shape that this is made for.
fn is_placed(configuration: &Configuration) -> bool {
    let ArrayKind::InnerProduct {
        dsp_columns,
        shares_dsps,
        group_columns,
    } = configuration.array
    else {
        return false;
    };
    let dsps = if shares_dsps {
        dsp_columns / 2
    } else {
        dsp_columns
    };
    let of_group = dsps * group_columns / configuration.columns;
    let pairs = configuration.rows / 2;
    dsps == DSPS.len()
        && of_group == 2
        && configuration.column_groups() * 2 == RAMS.len()
        && MARGIN + pairs * SHARE <= ROW
        && configuration.rows + configuration.columns <= ROW
        && configuration.requantize_lanes == 4
        && configuration.shared_columns == 1
}

/// `...array.element$17.multiplier...`
fn inner_product(cell: &str, configuration: &Configuration) -> Option<String> {
    let (_, array) = cell.split_once("array")?;
    let (index, _) = number(array, "element$")?;
    let elements = configuration.columns / 2 + 1;
    let (y, column) = *DSPS.get(index % elements)?;
    Some(dsp(y, along(index / elements, column)))
}

/// `...weights.bank$3.memory5...`
fn weights(cell: &str) -> Option<String> {
    let (_, weights) = cell.split_once("weights")?;
    let (pair, bank) = number(weights, "bank$")?;
    let (part, _) = number(bank, "memory")?;
    let (y, column) = *RAMS.get(part)?;
    Some(ram(y, along(pair, column)))
}

/// `...scratchpad.bank7...`, and right of it `...accumulators.drain3...`
fn bank(cell: &str, configuration: &Configuration) -> Option<String> {
    let index = match number(cell, "scratchpad.bank") {
        Some((bank, _)) => bank,
        None => configuration.rows + number(cell, "accumulators.drain")?.0,
    };
    (index < configuration.rows + configuration.columns).then(|| ram(82, index))
}

/// `...requantize.lane$2.high...`: on the right, where sums come from.
fn requantization(cell: &str) -> Option<String> {
    let (_, requantize) = cell.split_once("requantize.")?;
    let (lane, multiplication) = number(requantize, "lane$")?;
    let index = lane * 3 + one_of(multiplication, &["both", "high", "low"])?;
    (index < 12).then(|| dsp(10, between(4 + index)))
}

/// `...parameters.memory1_0...block[1]...`: as near to requantization as there are places.
fn parameters(cell: &str, configuration: &Configuration) -> Option<String> {
    let (_, parameters) = cell.split_once("parameters.")?;
    let (lane, rest) = number(parameters, "memory")?;
    let (part, rest) = number(rest, "_")?;
    let (block, _) = number(rest, "block[")?;
    let index = lane * 4 + part * 2 + block;
    let first = configuration.rows + configuration.columns;
    match index {
        0..4 => Some(ram(82, first + index)),
        4..16 => Some(ram(70, between(index))),
        _ => None,
    }
}

/// `...lanes.shared_weights$5...`
fn lane_weights(cell: &str) -> Option<String> {
    let (index, _) = number(cell, "lanes.shared_weights$")?;
    match index {
        0..4 => Some(ram(70, between(index))),
        4..7 => Some(ram(70, index - 4)),
        7 => Some(ram(22, MARGIN - 1)),
        _ => None,
    }
}

/// `...sequencer.extent.length_low2...`
fn extent(cell: &str) -> Option<String> {
    let (_, extent) = cell.split_once("sequencer.extent.")?;
    let index = one_of(
        extent,
        &["before_high", "before_low", "length_high", "length_low"],
    )?;
    Some(dsp(34, index))
}

/// `...program_memory.memory.0.3`
fn program(cell: &str) -> Option<String> {
    let (_, program) = cell.split_once("program_memory.memory.")?;
    let (index, _) = number(program, ".")?;
    (index < MARGIN).then(|| ram(46, index))
}

/// `link.buffer.memory.0.0`, which has no output register: the link is beside it.
fn link_buffer(cell: &str) -> Option<String> {
    cell.starts_with("link.buffer.memory.0.0")
        .then(|| ram(70, MARGIN - 1))
}

/// BEL for a MULT18X18D or a DP16KD of the netlist, by its name; none if it is left to the placer, as
/// all are in a configuration of another shape than this one.
pub fn ecp5_85f(cell: &str, configuration: &Configuration) -> Option<String> {
    if !is_placed(configuration) {
        return None;
    }
    inner_product(cell, configuration)
        .or_else(|| lane_weights(cell))
        .or_else(|| weights(cell))
        .or_else(|| bank(cell, configuration))
        .or_else(|| requantization(cell))
        .or_else(|| extent(cell))
        .or_else(|| parameters(cell, configuration))
        .or_else(|| program(cell))
        .or_else(|| link_buffer(cell))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use systole_regs::configuration::{ECP5_85F, SMALL};

    fn multiplier(pair: usize, element: usize) -> String {
        let index = pair * (ECP5_85F.columns / 2 + 1) + element;
        format!("dut.compute.array.element${index}.multiplier.multiplier.dsp")
    }

    fn memory(pair: usize, part: usize) -> String {
        format!("dut.compute.weights.bank${pair}.memory{part}.genblk1.blocks.block[0].ram.ram")
    }

    /// Names of all cells that have a place, as yosys makes them.
    fn placed() -> Vec<String> {
        const RAM: &str = "genblk1.blocks.block[0].ram.ram";
        let pairs = 0..ECP5_85F.rows / 2;
        let mut cells: Vec<String> = pairs
            .flat_map(|pair| (0..8).flat_map(move |d| [multiplier(pair, d), memory(pair, d)]))
            .collect();
        cells.extend((0..32).map(|n| format!("dut.scratchpad.bank{n}.blocks.block[0].ram.ram")));
        cells.extend((0..16).map(|n| format!("dut.compute.accumulators.drain{n}.{RAM}")));
        cells.extend((0..8).map(|n| format!("dut.compute.lanes.shared_weights${n}.memory.{RAM}")));
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

    #[test]
    fn every_cell_has_a_place_of_its_own() {
        let cells = placed();
        let bels: BTreeSet<String> = cells
            .iter()
            .map(|cell| ecp5_85f(cell, &ECP5_85F).expect("it has a place"))
            .collect();
        assert_eq!(bels.len(), cells.len());
    }

    #[test]
    fn neighbours_are_neighbours() {
        let dsp = |pair, element| ecp5_85f(&multiplier(pair, element), &ECP5_85F);
        assert_eq!(dsp(0, 0).as_deref(), Some("X13/Y58/MULT18_0"));
        assert_eq!(dsp(0, 1).as_deref(), Some("X14/Y58/MULT18_1"));
        assert_eq!(dsp(0, 2).as_deref(), Some("X13/Y34/MULT18_0"));
        assert_eq!(dsp(1, 0).as_deref(), Some("X18/Y58/MULT18_5"));
        assert_eq!(dsp(15, 7).as_deref(), Some("X119/Y58/MULT18_5"));
        let ram = |pair, part| ecp5_85f(&memory(pair, part), &ECP5_85F);
        assert_eq!(ram(0, 0).as_deref(), Some("X13/Y70/EBR0"));
        assert_eq!(ram(0, 4).as_deref(), Some("X15/Y70/EBR1"));
        assert_eq!(ram(15, 7).as_deref(), Some("X120/Y46/EBR3"));
    }

    #[test]
    fn other_cells_are_left_to_the_placer() {
        for other in ["link.other.memory.0.0", &multiplier(3, 8), &memory(3, 8)] {
            assert_eq!(ecp5_85f(other, &ECP5_85F), None);
        }
        for cell in placed() {
            assert_eq!(ecp5_85f(&cell, &SMALL), None);
        }
    }
}
