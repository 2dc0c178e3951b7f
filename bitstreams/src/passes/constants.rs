//! Gives each block of placed multipliers constants of its own.
//!
//! A constant at a control pin would be one net across the chip, which the router leads to every
//! block. A LUT beside the block does the same locally: the four multipliers of a block share a
//! pair of them.

use std::collections::BTreeMap;

use systole_hdl::placement::BLOCKS;

use crate::netlist::{BEL, Bit, Cell, Direction, Module, Net};

/// Control pins: clock enables, resets, signs and sources.
const CONTROL: [&str; 5] = ["CE", "RST", "SIGNEDA", "SIGNEDB", "SOURCE"];

/// Where a block is, and which of its two constants.
type Key = (usize, usize, bool);

/// Replaces constants at control pins of placed multipliers; returns how many LUTs were added.
/// Multipliers that nothing has placed are left alone: where they will be is not known yet.
pub(super) fn localize(module: &mut Module) -> usize {
    let mut next = module.next_net();
    let mut constants = BTreeMap::<Key, u64>::new();
    for cell in module.cells.values_mut() {
        if cell.kind != "MULT18X18D" {
            continue;
        }
        let Some((column, row)) = cell
            .attributes
            .get(BEL)
            .and_then(|bel| block(bel.as_str()?))
        else {
            continue;
        };
        for (port, bits) in &mut cell.connections {
            if !CONTROL.iter().any(|control| port.starts_with(control)) {
                continue;
            }
            for bit in bits {
                let value = match bit {
                    Bit::Constant(value) if value == "0" => false,
                    Bit::Constant(value) if value == "1" => true,
                    _ => continue,
                };
                let net = *constants.entry((column, row, value)).or_insert_with(|| {
                    next += 1;
                    next - 1
                });
                *bit = Bit::Net(net);
            }
        }
    }
    for ((column, row, value), net) in &constants {
        let name = format!("local_constant_{column}_{row}_{}", u8::from(*value));
        module
            .cells
            .insert(format!("{name}_lut"), lut(*value, *net));
        module.netnames.insert(name, Net::wire(*net));
    }
    constants.len()
}

/// Column and row of the block that a BEL such as `X4/Y10/MULT18_0` belongs to.
fn block(bel: &str) -> Option<(usize, usize)> {
    let mut parts = bel.split('/');
    let x: usize = parts.next()?.strip_prefix('X')?.parse().ok()?;
    let y: usize = parts.next()?.strip_prefix('Y')?.parse().ok()?;
    let column = BLOCKS.into_iter().filter(|column| *column <= x).max()?;
    Some((column, y))
}

/// A LUT that is always this value.
fn lut(value: bool, output: u64) -> Cell {
    let bit = if value { "1" } else { "0" };
    Cell {
        hide_name: 0,
        kind: "LUT4".into(),
        parameters: BTreeMap::from([("INIT".into(), bit.repeat(16).into())]),
        attributes: BTreeMap::new(),
        port_directions: BTreeMap::from([("Z".into(), Direction::Output)]),
        connections: BTreeMap::from([("Z".into(), vec![Bit::Net(output)])]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::fixtures::cell;

    fn multiplier(bel: Option<&str>) -> Cell {
        let mut multiplier = cell(
            "MULT18X18D",
            &[
                ("A0", Direction::Input, Bit::constant("0")),
                ("CE0", Direction::Input, Bit::constant("1")),
                ("RST0", Direction::Input, Bit::constant("0")),
                ("SIGNEDA", Direction::Input, Bit::constant("1")),
                ("P0", Direction::Output, Bit::Net(7)),
            ],
        );
        if let Some(bel) = bel {
            multiplier.attributes.insert(BEL.into(), bel.into());
        }
        multiplier
    }

    fn module(bels: &[Option<&str>]) -> Module {
        let mut module = Module::default();
        for (index, bel) in bels.iter().enumerate() {
            module.cells.insert(format!("m{index}"), multiplier(*bel));
        }
        module
    }

    #[test]
    fn a_block_shares_a_pair_of_constants() {
        let mut module = module(&[Some("X4/Y10/MULT18_0"), Some("X9/Y10/MULT18_5")]);
        assert_eq!(localize(&mut module), 2);
        let (first, second) = (&module.cells["m0"], &module.cells["m1"]);
        assert_eq!(first.connections["CE0"], first.connections["SIGNEDA"]);
        assert_eq!(first.connections["CE0"], second.connections["CE0"]);
        assert_ne!(first.connections["CE0"], first.connections["RST0"]);
        // Data stays: its constants are part of the function.
        assert_eq!(first.connections["A0"], [Bit::constant("0")]);
    }

    #[test]
    fn the_luts_drive_what_they_stand_for() {
        let mut module = module(&[Some("X13/Y34/MULT18_1")]);
        localize(&mut module);
        let one = &module.cells["local_constant_13_34_1_lut"];
        let zero = &module.cells["local_constant_13_34_0_lut"];
        assert_eq!(one.parameters["INIT"], "1111111111111111");
        assert_eq!(zero.parameters["INIT"], "0000000000000000");
        assert_eq!(one.connections["Z"], module.cells["m0"].connections["CE0"]);
        assert_eq!(
            zero.connections["Z"],
            module.cells["m0"].connections["RST0"]
        );
        // Its net is a new one.
        assert_ne!(one.connections["Z"], [Bit::Net(7)]);
    }

    #[test]
    fn blocks_have_their_own() {
        let mut other = module(&[Some("X4/Y10/MULT18_0"), Some("X4/Y34/MULT18_0")]);
        assert_eq!(localize(&mut other), 4);
        let mut unplaced = module(&[None]);
        let before = unplaced.clone();
        assert_eq!(localize(&mut unplaced), 0);
        assert_eq!(unplaced, before);
    }
}
