//! Gives registers that many cells read copies, each for readers that are named alike.
//!
//! ```text
//!         +-> FF -------> lane 0 ... lane 3
//!  D -----+-> FF copy 1 -> lane 4 ... lane 7
//!         +-> FF copy 2 -> lane 8 ...
//! ```
//!
//! One register that a whole array of units reads has a wire across the chip between itself and
//! them. A copy is placed beside its readers; the wire is then before the register, where there is
//! nothing else in the cycle if what comes is a register, too. Synthesis has merged what the design
//! had copied, and joins it again whenever it looks the same.
//!
//! A register that is always given the same constant has a copy for each cell that reads it: synthesis
//! makes one of all of them, wherever they are, and then their readers have nothing in common.
//!
//! Only names of numbered units tell neighbours: copies whose readers are all over the chip would
//! have as many wires across it. (Copies of the registers that choose a row of accumulators or turn
//! a word of the scratchpad made all wires together 10% longer.)

use std::collections::{BTreeMap, BTreeSet};

use crate::netlist::{Bit, Cell, Module, Net};

/// Readers of one copy.
const READERS: usize = 64;

/// Cells of which a copy does the same: their only output, `Q`, follows from their inputs and their
/// state, and copies begin with the same state.
const REGISTER: &str = "TRELLIS_FF";

/// A pin that reads a net.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reader {
    /// Number of the unit that the cell is in, if it is in one.
    unit: Option<usize>,
    cell: String,
    port: String,
    index: usize,
}

/// Copies registers; returns how many were added.
pub(super) fn copy_registers(module: &mut Module) -> usize {
    let mut readers = readers(module);
    let registers: Vec<(String, u64, bool)> = module
        .cells
        .iter()
        .filter(|(_, cell)| cell.kind == REGISTER)
        .filter_map(|(name, cell)| match cell.connections.get("Q")?[..] {
            [Bit::Net(net)] => Some((name.clone(), net, is_given_a_constant(cell))),
            _ => None,
        })
        .collect();
    let mut next = module.next_net();
    let mut added = 0;
    for (name, net, is_constant) in registers {
        let Some(mut pins) = readers.remove(&net) else {
            continue;
        };
        pins.sort();
        let shares = if is_constant {
            pins.chunk_by(|one, other| one.cell == other.cell).collect()
        } else if pins.len() > READERS && are_of_units(&pins) {
            shares(&pins)
        } else {
            continue;
        };
        for (number, chunk) in shares.into_iter().enumerate().skip(1) {
            copy(module, &name, number, next, chunk);
            next += 1;
            added += 1;
        }
    }
    added
}

/// Whether a register takes the same constant in each cycle.
fn is_given_a_constant(register: &Cell) -> bool {
    let input = register.connections.get("DI");
    matches!(input.map(Vec::as_slice), Some([Bit::Constant(_)]))
}

/// A copy of a register whose output is a new net, which these pins read.
fn copy(module: &mut Module, register: &str, number: usize, net: u64, readers: &[Reader]) {
    let Some(mut copy) = module.cells.get(register).cloned() else {
        return;
    };
    copy.connections.insert("Q".to_owned(), vec![Bit::Net(net)]);
    let name = format!("{register}_copy{number}");
    module.netnames.insert(format!("{name}_Q"), Net::wire(net));
    for reader in readers {
        let pin = module
            .cells
            .get_mut(&reader.cell)
            .and_then(|cell| cell.connections.get_mut(&reader.port))
            .and_then(|bits| bits.get_mut(reader.index));
        if let Some(pin) = pin {
            *pin = Bit::Net(net);
        }
    }
    // A register that reads itself is read by its copies, too: they copied the pin before it changed.
    module.cells.insert(name, copy);
}

/// Pins that read each net.
fn readers(module: &Module) -> BTreeMap<u64, Vec<Reader>> {
    let mut readers = BTreeMap::<u64, Vec<Reader>>::new();
    for (cell, port, index, bit) in module.reading_pins() {
        if let Bit::Net(net) = bit {
            readers.entry(*net).or_default().push(Reader {
                unit: unit(cell),
                cell: cell.to_owned(),
                port: port.to_owned(),
                index,
            });
        }
    }
    readers
}

/// The first number of a unit in a cell's name: 20 of `lanes.lane$20.adder0.sum`, which yosys may
/// write `lanes.lane$20$sum`.
fn unit(name: &str) -> Option<usize> {
    name.split('.').find_map(|part| {
        let (_, rest) = part.split_once('$')?;
        rest.split('$').next()?.parse().ok()
    })
}

/// Whether nearly all pins are in units, and these are several.
fn are_of_units(pins: &[Reader]) -> bool {
    let units: BTreeSet<_> = pins.iter().filter_map(|pin| pin.unit).collect();
    let outside = pins.iter().filter(|pin| pin.unit.is_none()).count();
    units.len() > 1 && outside * 8 <= pins.len()
}

/// Sorted pins in shares of about [`READERS`]; those of a unit stay together.
fn shares(pins: &[Reader]) -> Vec<&[Reader]> {
    let mut shares = Vec::new();
    let mut begin = 0;
    for end in 1..=pins.len() {
        let is_boundary = pins
            .get(end)
            .is_none_or(|next| next.unit != pins[end - 1].unit);
        if is_boundary && (end == pins.len() || end - begin >= READERS) {
            shares.push(&pins[begin..end]);
            begin = end;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::Direction;
    use crate::passes::fixtures::cell;

    /// One register, net 3 from net 2, that so many LUTs read.
    fn module(luts: usize) -> Module {
        let mut module = Module::default();
        let register = [
            ("DI", Direction::Input, Bit::Net(2)),
            ("Q", Direction::Output, Bit::Net(3)),
        ];
        module.cells.insert("r".into(), cell(REGISTER, &register));
        for lut in 0..luts {
            let read = [
                ("A", Direction::Input, Bit::Net(3)),
                ("Z", Direction::Output, Bit::Net(4 + lut as u64)),
            ];
            module
                .cells
                .insert(format!("lane${lut}.lut"), cell("LUT4", &read));
        }
        module
    }

    #[test]
    fn few_readers_need_no_copy() {
        assert_eq!(copy_registers(&mut module(READERS)), 0);
    }

    #[test]
    fn copies_do_the_same_for_readers_of_neighbouring_numbers() {
        let mut module = module(3 * READERS);
        assert_eq!(copy_registers(&mut module), 2);
        let read = |module: &Module, lut: usize| {
            module.cells[&format!("lane${lut}.lut")].connections["A"][0].clone()
        };
        assert_eq!(read(&module, 0), Bit::Net(3));
        for first in [READERS, 2 * READERS] {
            let net = read(&module, first);
            assert_ne!(net, Bit::Net(3));
            for lut in first..first + READERS {
                assert_eq!(read(&module, lut), net);
            }
            let drivers: Vec<_> = module
                .cells
                .values()
                .filter(|cell| cell.connections.get("Q").is_some_and(|q| q[0] == net))
                .collect();
            assert_eq!(drivers.len(), 1);
            assert_eq!(drivers[0].connections["DI"], [Bit::Net(2)]);
        }
        assert_eq!(copy_registers(&mut module), 0, "once is enough");
    }

    #[test]
    fn a_register_that_reads_itself_has_copies_that_follow_it() {
        let mut module = module(2 * READERS - 1);
        let register = module.cells.get_mut("r").expect("it is there");
        register.connections.insert("DI".into(), vec![Bit::Net(3)]);
        assert_eq!(copy_registers(&mut module), 1);
        let copy = &module.cells["r_copy1"];
        let original = &module.cells["r"];
        let outputs = [&original.connections["Q"], &copy.connections["Q"]];
        for register in [original, copy] {
            assert!(outputs.contains(&&register.connections["DI"]));
        }
    }

    #[test]
    fn each_reader_of_a_constant_register_has_its_own() {
        let mut module = module(5);
        let register = module.cells.get_mut("r").expect("it is there");
        register
            .connections
            .insert("DI".into(), vec![Bit::constant("1")]);
        assert_eq!(copy_registers(&mut module), 4);
        let nets: BTreeSet<_> = (0..5)
            .map(|lut| {
                format!(
                    "{:?}",
                    module.cells[&format!("lane${lut}.lut")].connections["A"]
                )
            })
            .collect();
        assert_eq!(nets.len(), 5);
        assert_eq!(copy_registers(&mut module), 0, "once is enough");
    }

    #[test]
    fn readers_outside_of_units_need_no_copies() {
        let mut module = module(3 * READERS);
        let cells = std::mem::take(&mut module.cells);
        let rename = |(name, cell): (String, _)| (name.replace(['$', '.'], "_"), cell);
        module.cells = cells.into_iter().map(rename).collect();
        assert_eq!(copy_registers(&mut module), 0);
    }

    #[test]
    fn a_units_readers_stay_together() {
        let pin = |unit| Reader {
            unit: Some(unit),
            cell: String::new(),
            port: String::new(),
            index: 0,
        };
        let mut pins = Vec::new();
        for unit in 0..3 {
            pins.extend(vec![pin(unit); READERS / 2 + 1]);
        }
        let lengths: Vec<_> = shares(&pins).iter().map(|share| share.len()).collect();
        assert_eq!(lengths, [READERS + 2, READERS / 2 + 1]);
    }

    #[test]
    fn units_have_the_numbers_of_their_instances() {
        assert_eq!(unit("a.lane$20.adder0.sum_LUT4_Z"), Some(20));
        assert_eq!(unit("a.lane$22$result_TRELLIS_FF_Q_9_DI_LUT4_Z"), Some(22));
        assert_eq!(unit("a.accumulators.memory5.0.1"), None);
        assert_eq!(unit("a.scratchpad.offset5_TRELLIS_FF_Q_4"), None);
    }
}
