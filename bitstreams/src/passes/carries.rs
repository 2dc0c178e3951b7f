//! Drops carry outputs that nobody reads. nextpnr would lead each out of its chain with one more
//! carry cell, two LUTs a chain.

use std::collections::BTreeSet;

use crate::netlist::{Bit, Module};

/// Disconnects unread carry outputs; returns how many.
pub(super) fn drop_unused(module: &mut Module) -> usize {
    let read = read_bits(module);
    let mut dropped = 0;
    for cell in module
        .cells
        .values_mut()
        .filter(|cell| cell.kind == "CCU2C")
    {
        if let Some(carry) = cell.connections.get_mut("COUT")
            && carry
                .iter()
                .all(|bit| matches!(bit, Bit::Net(_)) && !read.contains(bit))
            && !carry.is_empty()
        {
            carry.fill(Bit::constant("x"));
            dropped += 1;
        }
    }
    dropped
}

/// Bits that a cell or a port of the module reads.
fn read_bits(module: &Module) -> BTreeSet<Bit> {
    let cells = module.reading_pins().map(|(_, _, _, bit)| bit);
    let ports = module.ports.values().flat_map(|port| &port.bits);
    cells.chain(ports).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::{Direction, Port};
    use crate::passes::fixtures::cell;

    fn carry(input: u64, output: u64) -> crate::netlist::Cell {
        cell(
            "CCU2C",
            &[
                ("CIN", Direction::Input, Bit::Net(input)),
                ("COUT", Direction::Output, Bit::Net(output)),
            ],
        )
    }

    #[test]
    fn only_the_end_of_a_chain_is_dropped() {
        let mut module = Module::default();
        module.cells.insert("first".into(), carry(2, 3));
        module.cells.insert("last".into(), carry(3, 4));
        assert_eq!(drop_unused(&mut module), 1);
        assert_eq!(module.cells["first"].connections["COUT"], [Bit::Net(3)]);
        assert_eq!(
            module.cells["last"].connections["COUT"],
            [Bit::constant("x")]
        );
        assert_eq!(drop_unused(&mut module), 0, "once is enough");
    }

    #[test]
    fn a_carry_that_leaves_the_module_stays() {
        let mut module = Module::default();
        module.cells.insert("last".into(), carry(3, 4));
        module.ports.insert(
            "carry".into(),
            Port {
                direction: Direction::Output,
                bits: vec![Bit::Net(4)],
                offset: 0,
                upto: 0,
                signed: 0,
            },
        );
        assert_eq!(drop_unused(&mut module), 0);
    }
}
