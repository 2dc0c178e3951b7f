//! Where the array's DSPs belong on an ECP5-85F, so that neighbours in the array are neighbours on
//! the chip. A placer that is left alone scatters them over the chip.
//!
//! ```text
//!  row of DSPs  Y34   pair 0: c 0 1 2 | pair 1: c 0 1 2 | pair 2 ...     sums move to the right,
//!               Y58   pair 0: c 3 4 5 | pair 1: c 3 4 5 | ...            activations up and down
//! ```
//!
//! The chip has three rows of 52; columns of the array are dealt to them evenly, and pairs of rows
//! lie along them. What is left is for others, and for the placer to choose.

use systole_regs::configuration::{ArrayKind, Configuration};

/// DSPs of a row.
const ROW: usize = 52;

/// Y of the rows of DSPs.
const ROWS: [usize; 3] = [10, 34, 58];

/// X of the blocks of four DSPs in a row.
const BLOCKS: [usize; 13] = [4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114];

/// Places in a block of its four DSPs; their names end with the same numbers.
const IN_BLOCK: [usize; 4] = [0, 1, 4, 5];

/// Name of a DSP of the chip, as nextpnr's attribute BEL takes it.
fn bel(row: usize, index: usize) -> String {
    let place = IN_BLOCK[index % 4];
    format!(
        "X{}/Y{}/MULT18_{place}",
        BLOCKS[index / 4] + place,
        ROWS[row]
    )
}

/// Pair and column of the element that a cell of the flattened netlist belongs to:
/// `...array.element$17.multiplier.dsp`, whatever separates the names of instances.
fn element(cell: &str, configuration: &Configuration) -> Option<(usize, usize)> {
    let (_, rest) = cell.split_once("array")?;
    let (_, rest) = rest.split_once("element$")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let index: usize = rest[..end].parse().ok()?;
    let columns = configuration.columns + 1;
    Some((index / columns, index % columns))
}

/// BEL for a MULT18X18D of the netlist, by its name; none if it isn't one of the array's inner
/// products, or if the array is not of a size that fits the chip's rows.
pub fn ecp5_85f(cell: &str, configuration: &Configuration) -> Option<String> {
    let ArrayKind::InnerProduct { dsp_columns, .. } = configuration.array else {
        return None;
    };
    let (pair, column) = element(cell, configuration)?;
    let share = dsp_columns.div_ceil(ROWS.len());
    let used = share * configuration.rows / 2;
    if column >= dsp_columns || used > ROW {
        return None;
    }
    let margin = (ROW - used) / 2;
    Some(bel(column / share, margin + pair * share + column % share))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use systole_regs::configuration::{ECP5_85F, SMALL};

    fn name(pair: usize, column: usize) -> String {
        let index = pair * (ECP5_85F.columns + 1) + column;
        format!("dut.compute.array.element${index}.multiplier.dsp")
    }

    #[test]
    fn every_dsp_of_the_array_has_a_place_of_its_own() {
        let bels: BTreeSet<String> = (0..ECP5_85F.rows / 2)
            .flat_map(|pair| (0..8).map(move |column| (pair, column)))
            .map(|(pair, column)| ecp5_85f(&name(pair, column), &ECP5_85F).expect("it has a place"))
            .collect();
        assert_eq!(bels.len(), 128);
    }

    #[test]
    fn neighbours_are_neighbours() {
        let at = |pair, column| ecp5_85f(&name(pair, column), &ECP5_85F);
        assert_eq!(at(0, 0).as_deref(), Some("X8/Y10/MULT18_4"));
        assert_eq!(at(0, 1).as_deref(), Some("X9/Y10/MULT18_5"));
        assert_eq!(at(0, 2).as_deref(), Some("X13/Y10/MULT18_0"));
        assert_eq!(at(1, 0).as_deref(), Some("X14/Y10/MULT18_1"));
        assert_eq!(at(0, 3).as_deref(), Some("X8/Y34/MULT18_4"));
        assert_eq!(at(15, 7).as_deref(), Some("X114/Y58/MULT18_0"));
    }

    #[test]
    fn other_multipliers_are_left_to_the_placer() {
        for other in [
            "compute.requantize.lane$3.multiplier.dsp",
            &name(3, 8),
            &name(3, 16),
        ] {
            assert_eq!(ecp5_85f(other, &ECP5_85F), None);
        }
        assert_eq!(ecp5_85f(&name(0, 0), &SMALL), None);
    }
}
