//! Where DSPs and block RAMs belong on an ECP5-85F, so that neighbours in the design are neighbours on
//! the chip. A placer that is left alone scatters them, and all logic between them with them.
//!
//! ```text
//!  name of a cell -> what it is of (cells) -> floorplan of the array (shared, plain) -> BEL
//! ```
//!
//! The chip has three rows of 52 DSPs and four of 52 block RAMs. Pairs of rows of the array follow each
//! other from left to right; vectors come from the scratchpad below, sums leave on the right. Control
//! belongs to the left, out of the array: what it needs of DSPs and RAMs is what draws it there.

mod cells;
mod plain;
mod shared;

use systole_regs::configuration::Configuration;

use cells::Cell;

/// DSPs, or block RAMs, of a row.
const ROW: usize = 52;

/// X of the blocks of four DSPs in a row, and of four RAMs.
pub const BLOCKS: [usize; 13] = [4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114];

/// Places in a block of its four DSPs; their names end with the same numbers.
const IN_BLOCK: [usize; 4] = [0, 1, 4, 5];

/// Places in a row that pairs leave on the left, for control.
const MARGIN: usize = 4;

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

/// The control's, in every floorplan. The link's buffer has no output register: the link is beside it.
fn control(cell: Cell) -> Option<String> {
    match cell {
        Cell::Extent(index) if index < MARGIN => Some(dsp(34, index)),
        Cell::Program(index) if index < MARGIN => Some(ram(46, index)),
        Cell::LinkBuffer => Some(ram(70, MARGIN - 1)),
        _ => None,
    }
}

/// BEL for a MULT18X18D or a DP16KD of the netlist, by its name; none if it is left to the placer, as
/// all are in a configuration whose array no floorplan is made for.
pub fn ecp5_85f(name: &str, configuration: &Configuration) -> Option<String> {
    let place = if shared::is_made_for(configuration) {
        shared::place
    } else if plain::is_made_for(configuration) {
        plain::place
    } else {
        return None;
    };
    let cell = Cell::named(name, configuration)?;
    control(cell).or_else(|| place(cell, configuration))
}

#[cfg(test)]
mod tests;
