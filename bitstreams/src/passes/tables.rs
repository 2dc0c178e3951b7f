//! Folds constant inputs of carry cells into their tables.
//!
//! An input of a LUT that is constant costs nothing: nextpnr drops the pin. That of a carry cell stays,
//! and is a wire from wherever the constant is made. Here the table repeats what it has for the
//! constant, so that the pin doesn't matter, and the pin is left open.
//!
//! A carry cell's generate signal is what A and B choose of its table's lowest four entries. Folding
//! one of these two changes the table and the signal alike; C and D are no inputs of it, and nextpnr
//! ties them where they are used.

use crate::netlist::{Bit, Module};

/// Inputs that both the table and the generate signal have.
const INPUTS: [char; 2] = ['A', 'B'];

/// Entries of a table.
const ENTRIES: usize = 16;

/// Folds constants away; returns how many pins were opened.
pub(super) fn fold(module: &mut Module) -> usize {
    let mut folded = 0;
    for cell in module
        .cells
        .values_mut()
        .filter(|cell| cell.kind == "CCU2C")
    {
        for half in 0..2 {
            for (input, letter) in INPUTS.into_iter().enumerate() {
                let pin = format!("{letter}{half}");
                let Some([Bit::Constant(value)]) = cell.connections.get(&pin).map(|bits| &bits[..])
                else {
                    continue;
                };
                let value = match value.as_str() {
                    "0" => 0,
                    "1" => 1,
                    _ => continue,
                };
                let parameter = format!("INIT{half}");
                let Some(table) = cell
                    .parameters
                    .get(&parameter)
                    .and_then(|table| entries(table.as_str()?))
                else {
                    continue;
                };
                let table = without(table, input, value);
                cell.parameters.insert(parameter, text(table).into());
                cell.connections.insert(pin, vec![Bit::constant("x")]);
                folded += 1;
            }
        }
    }
    folded
}

/// A table that is the same for both values of an input: as it was for this one.
fn without(table: [bool; ENTRIES], input: usize, value: usize) -> [bool; ENTRIES] {
    let bit = 1 << input;
    std::array::from_fn(|entry| table[(entry & !bit) | (value * bit)])
}

/// Entries of a table, the lowest first, from yosys's string of bits.
fn entries(text: &str) -> Option<[bool; ENTRIES]> {
    let bits: Vec<bool> = text
        .chars()
        .rev()
        .map(|c| match c {
            '0' => Some(false),
            '1' => Some(true),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bits.try_into().ok()
}

fn text(table: [bool; ENTRIES]) -> String {
    let bits = table.iter().rev();
    bits.map(|entry| if *entry { '1' } else { '0' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::Direction;
    use crate::passes::fixtures::cell;

    #[test]
    fn a_table_no_longer_asks_for_a_constant() {
        // A xor B: with A = 1 it is not B.
        let xor: [bool; ENTRIES] = std::array::from_fn(|entry| (entry & 1) != (entry >> 1 & 1));
        let one = without(xor, 0, 1);
        for (entry, value) in one.into_iter().enumerate() {
            assert_eq!(value, entry >> 1 & 1 == 0);
        }
        let zero = without(xor, 1, 0);
        for (entry, value) in zero.into_iter().enumerate() {
            assert_eq!(value, entry & 1 == 1);
        }
        assert_eq!(entries(&text(xor)), Some(xor));
    }

    #[test]
    fn constants_of_carry_cells_are_folded_once() {
        let mut module = Module::default();
        let mut carry = cell(
            "CCU2C",
            &[
                ("A0", Direction::Input, Bit::constant("0")),
                ("B0", Direction::Input, Bit::Net(2)),
                ("A1", Direction::Input, Bit::Net(3)),
                ("C1", Direction::Input, Bit::constant("0")),
            ],
        );
        for half in ["INIT0", "INIT1"] {
            let table = "0110011001100110";
            carry.parameters.insert(half.into(), table.into());
        }
        module.cells.insert("carry".into(), carry);
        assert_eq!(fold(&mut module), 1);
        let carry = &module.cells["carry"];
        assert_eq!(carry.connections["A0"], [Bit::constant("x")]);
        assert_eq!(carry.parameters["INIT0"], "1100110011001100");
        assert_eq!(carry.parameters["INIT1"], "0110011001100110");
        assert_eq!(fold(&mut module), 0);
    }
}
