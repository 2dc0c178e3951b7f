//! The array of `ecp5-85f`: pairs of rows of eight DSPs, each of which makes four products of two columns.
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
//! A pair of rows has three columns of DSPs and RAMs, a group of columns its DSPs in one row as far as
//! they go, and the RAMs that feed it in the next one: half a clock is all that weights have from
//! there into a DSP.

use systole_regs::configuration::{ArrayKind, Configuration};

use super::cells::Cell;
use super::{MARGIN, ROW, dsp, ram};

/// Columns of DSPs and RAMs for a pair of rows.
const SHARE: usize = 3;

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

/// Whether the configuration is of the shape that this is made for.
pub(super) fn is_made_for(configuration: &Configuration) -> bool {
    let ArrayKind::InnerProduct {
        dsp_columns,
        shares_dsps: true,
        group_columns,
    } = configuration.array
    else {
        return false;
    };
    let dsps = dsp_columns / 2;
    dsps == DSPS.len()
        && dsps * group_columns == 2 * configuration.columns
        && configuration.column_groups() * 2 == RAMS.len()
        && MARGIN + configuration.rows / 2 * SHARE <= ROW
        && configuration.rows + configuration.columns <= ROW
        && configuration.requantize_lanes == 4
        && configuration.shared_columns == 1
}

/// Where a cell belongs.
pub(super) fn place(cell: Cell, configuration: &Configuration) -> Option<String> {
    let of_pair = |table: &[(usize, usize); 8], pair, index: usize| {
        table
            .get(index)
            .map(|&(y, column)| (y, along(pair, column)))
    };
    let (rows, columns) = (configuration.rows, configuration.columns);
    match cell {
        Cell::Product { pair, element, .. } => {
            of_pair(&DSPS, pair, element).map(|(y, index)| dsp(y, index))
        }
        Cell::Weights { pair, memory, .. } => {
            of_pair(&RAMS, pair, memory).map(|(y, index)| ram(y, index))
        }
        Cell::Scratchpad { bank, .. } => (bank < rows).then(|| ram(82, bank)),
        Cell::Sums(column) => (column < columns).then(|| ram(82, rows + column)),
        // As near to requantization as there are places.
        Cell::Parameters(index @ 0..4) => Some(ram(82, rows + columns + index)),
        Cell::Parameters(index @ 4..16) => Some(ram(70, between(index))),
        Cell::LaneWeights(index @ 0..4) => Some(ram(70, between(index))),
        Cell::LaneWeights(index @ 4..7) => Some(ram(70, index - 4)),
        Cell::LaneWeights(7) => Some(ram(22, MARGIN - 1)),
        // On the right, where sums come from.
        Cell::Requantization(index @ 0..12) => Some(dsp(10, between(4 + index))),
        _ => None,
    }
}
