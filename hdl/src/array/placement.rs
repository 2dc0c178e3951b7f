//! Where the array's DSPs and its weights' block RAMs belong on an ECP5-85F, so that neighbours in
//! the array are neighbours on the chip. A placer that is left alone scatters them over the chip.
//!
//! ```text
//!              pair 0      pair 1      pair 2 ...      sums move to the right
//!  Y10  DSPs   g0 g0 .     g0 g0 .     g0 g0 .
//!  Y22  RAMs   g0 g0 g1    g0 g0 g1    g0 g0 g1        activations move from group to group
//!  Y34  DSPs   g1 g1 g3    g1 g1 g3    g1 g1 g3
//!  Y46  RAMs   g1 g3 g3    g1 g3 g3    g1 g3 g3
//!  Y58  DSPs   g2 g2 g3    g2 g2 g3    g2 g2 g3
//!  Y70  RAMs   g2 g2 .     g2 g2 .     g2 g2 .
//! ```
//!
//! The chip has three rows of 52 DSPs and four of 52 block RAMs. A pair of rows of the array has
//! three columns of them, a group of columns its DSPs in one row as far as they go, and the RAMs that
//! feed it next to them. What is left is for others, and for the placer to choose.

use systole_regs::configuration::{ArrayKind, Configuration};

/// DSPs, or block RAMs, of a row.
const ROW: usize = 52;

/// X of the blocks of four DSPs in a row, and of four RAMs.
pub const BLOCKS: [usize; 13] = [4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114];

/// Places in a block of its four DSPs; their names end with the same numbers.
const IN_BLOCK: [usize; 4] = [0, 1, 4, 5];

/// Columns of DSPs and RAMs for a pair of rows.
const SHARE: usize = 3;

/// Y and column of the DSPs of a pair, two for each group.
const DSPS: [(usize, usize); 8] = [
    (10, 0),
    (10, 1),
    (34, 0),
    (34, 1),
    (58, 0),
    (58, 1),
    (34, 2),
    (58, 2),
];

/// Y and column of the RAMs of a pair: weights of the even row for each group, then of the odd one.
const RAMS: [(usize, usize); 8] = [
    (22, 0),
    (22, 2),
    (70, 0),
    (46, 1),
    (22, 1),
    (46, 0),
    (70, 1),
    (46, 2),
];

/// A number in the name of a cell of the flattened netlist, and what follows it.
fn number<'a>(name: &'a str, before: &str) -> Option<(usize, &'a str)> {
    let (_, rest) = name.split_once(before)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

/// Where a column of a pair is along the row.
fn along(pair: usize, column: usize, configuration: &Configuration) -> usize {
    let margin = (ROW - configuration.rows / 2 * SHARE) / 2;
    margin + pair * SHARE + column
}

/// Whether the configuration's array is the one that this is made for.
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
    dsps == DSPS.len()
        && of_group == 2
        && configuration.column_groups() * 2 == RAMS.len()
        && configuration.rows / 2 * SHARE <= ROW
}

/// `...array.element$17.multiplier...`
fn dsp(cell: &str, configuration: &Configuration) -> Option<String> {
    let (_, array) = cell.split_once("array")?;
    let (index, _) = number(array, "element$")?;
    let elements = configuration.columns / 2 + 1;
    let (y, column) = *DSPS.get(index % elements)?;
    let index = along(index / elements, column, configuration);
    let place = IN_BLOCK[index % 4];
    Some(format!(
        "X{}/Y{y}/MULT18_{place}",
        BLOCKS[index / 4] + place
    ))
}

/// `...weights.bank$3.memory5...`
fn ram(cell: &str, configuration: &Configuration) -> Option<String> {
    let (_, weights) = cell.split_once("weights")?;
    let (pair, bank) = number(weights, "bank$")?;
    let (part, _) = number(bank, "memory")?;
    let (y, column) = *RAMS.get(part)?;
    let index = along(pair, column, configuration);
    let place = index % 4;
    Some(format!(
        "X{}/Y{y}/EBR{place}",
        BLOCKS[index / 4] + 2 * place
    ))
}

/// BEL for a MULT18X18D or a DP16KD of the netlist, by its name; none if it is neither one of the
/// array's inner products nor of its weights, or if the array has another shape than this one.
pub fn ecp5_85f(cell: &str, configuration: &Configuration) -> Option<String> {
    if !is_placed(configuration) {
        return None;
    }
    dsp(cell, configuration).or_else(|| ram(cell, configuration))
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

    #[test]
    fn every_cell_of_the_array_has_a_place_of_its_own() {
        let pairs = 0..ECP5_85F.rows / 2;
        let bels: BTreeSet<String> = pairs
            .flat_map(|pair| (0..8).flat_map(move |d| [multiplier(pair, d), memory(pair, d)]))
            .map(|cell| ecp5_85f(&cell, &ECP5_85F).expect("it has a place"))
            .collect();
        assert_eq!(bels.len(), 256);
    }

    #[test]
    fn neighbours_are_neighbours() {
        let dsp = |pair, element| ecp5_85f(&multiplier(pair, element), &ECP5_85F);
        assert_eq!(dsp(0, 0).as_deref(), Some("X8/Y10/MULT18_4"));
        assert_eq!(dsp(0, 1).as_deref(), Some("X9/Y10/MULT18_5"));
        assert_eq!(dsp(0, 2).as_deref(), Some("X8/Y34/MULT18_4"));
        assert_eq!(dsp(1, 0).as_deref(), Some("X14/Y10/MULT18_1"));
        assert_eq!(dsp(15, 7).as_deref(), Some("X115/Y58/MULT18_1"));
        let ram = |pair, part| ecp5_85f(&memory(pair, part), &ECP5_85F);
        assert_eq!(ram(0, 0).as_deref(), Some("X8/Y22/EBR2"));
        assert_eq!(ram(0, 4).as_deref(), Some("X10/Y22/EBR3"));
        assert_eq!(ram(15, 7).as_deref(), Some("X116/Y46/EBR1"));
    }

    #[test]
    fn other_cells_are_left_to_the_placer() {
        for other in [
            "compute.requantize.lane$3.multiplier.dsp",
            "scratchpad.bank3.blocks.block[0].ram",
            &multiplier(3, 8),
            &memory(3, 8),
        ] {
            assert_eq!(ecp5_85f(other, &ECP5_85F), None);
        }
        assert_eq!(ecp5_85f(&multiplier(0, 0), &SMALL), None);
    }
}
