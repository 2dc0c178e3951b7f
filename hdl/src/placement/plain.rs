//! The array of `small`: pairs of rows of sixteen DSPs, one for each weight.
//!
//! ```text
//!                 pair 0               pair 1 ...           sums move to the right
//!  Y10  DSPs   .  e3 e3 e3 e3 .  .     e3 e3 e3 e3 .  .     in between: requantization
//!  Y22  RAMs   c  e3 e3 e3 e3 e3 .     e3 e3 e3 e3 e3 .     weights
//!  Y34  DSPs   c  e1 e1 e2 e2 e2 e2    e1 e1 e2 e2 e2 e2    activations move from element to element
//!  Y46  RAMs   c  e2 e2 e2 e2 .  .     e2 e2 e2 e2 .  .     in between: parameters
//!  Y58  DSPs   .  e0 e0 e0 e0 e1 e1    e0 e0 e0 e0 e1 e1
//!  Y70  RAMs   c  e0 e0 e0 e0 e1 e1    e0 e0 e0 e0 e1 e1
//!  Y82  RAMs   scratchpad .............  sums for requantization, parameters
//! ```
//!
//! A pair of rows has six columns of DSPs and RAMs; a word of its weights, the even row's before the
//! odd one's, is in fifteen blocks of nine bits.

use systole_regs::configuration::{ArrayKind, Configuration};

use super::cells::Cell;
use super::{MARGIN, ROW, dsp, ram};

/// Columns of DSPs and RAMs for a pair of rows.
const SHARE: usize = 6;

/// Y and column of the DSPs of a pair, four for each of its elements.
const DSPS: [(usize, usize); 16] = [
    (58, 0),
    (58, 1),
    (58, 2),
    (58, 3),
    (58, 4),
    (58, 5),
    (34, 0),
    (34, 1),
    (34, 2),
    (34, 3),
    (34, 4),
    (34, 5),
    (10, 0),
    (10, 1),
    (10, 2),
    (10, 3),
];

/// Y and column of the blocks of a pair's weights.
const RAMS: [(usize, usize); 15] = [
    (70, 0),
    (70, 2),
    (70, 4),
    (46, 0),
    (46, 2),
    (22, 0),
    (22, 2),
    (70, 1),
    (70, 3),
    (70, 5),
    (46, 1),
    (46, 3),
    (22, 1),
    (22, 3),
    (22, 4),
];

/// Number of a pair's column in its row.
const fn along(pair: usize, column: usize) -> usize {
    MARGIN + pair * SHARE + column
}

/// What pairs leave of their rows, two for each: Y10 for DSPs, Y46 for RAMs.
const fn between(index: usize) -> usize {
    along(index / 2, 4 + index % 2)
}

/// Whether the configuration is of the shape that this is made for.
pub(super) fn is_made_for(configuration: &Configuration) -> bool {
    configuration.array == ArrayKind::Plain
        && configuration.columns * 2 == DSPS.len()
        && MARGIN + configuration.rows / 2 * SHARE <= ROW
        && (2048..=4096).contains(&configuration.weight_tiles)
        && configuration.requantize_lanes == 4
}

/// Where a cell belongs.
pub(super) fn place(cell: Cell, configuration: &Configuration) -> Option<String> {
    // Y82: two blocks of each bank of the scratchpad, then one of each column's sums, then parameters.
    let sums = 2 * configuration.rows;
    let parameters = sums + configuration.columns;
    let last = |index: usize| (index < ROW).then(|| ram(82, index));
    match cell {
        Cell::Product {
            pair,
            element,
            corner,
        } => {
            let (y, column) = *DSPS.get(4 * element + corner)?;
            Some(dsp(y, along(pair, column)))
        }
        Cell::Weights {
            pair,
            memory: 0,
            block,
        } => {
            let (y, column) = *RAMS.get(block)?;
            Some(ram(y, along(pair, column)))
        }
        Cell::Scratchpad { bank, block } => last(2 * bank + block),
        Cell::Sums(column) => last(sums + column),
        Cell::Parameters(index) => last(parameters + index)
            .or_else(|| Some(ram(46, between(8 + parameters + index - ROW)))),
        // On the right, where sums come from.
        Cell::Requantization(index @ 0..12) => Some(dsp(10, between(4 + index))),
        _ => None,
    }
}
