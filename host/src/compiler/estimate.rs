//! How many cycles a program takes, as far as the compiler can know: what it chooses block and
//! group sizes by. Measured cycles come from the device; these never stand in for them.
//!
//! ```text
//!  vectors  |block 0: K x b|block 1: K x b|...|block n: K x b|
//!  drain           |C/Q x b |      |C/Q x b |        |C/Q x b |
//!                                                    ^ what is left after the last vector
//! ```
//!
//! The model: a vector enters the array each cycle, K of them for each row and column tile; each
//! row of C sums takes C/Q cycles of requantization; a block's sums are complete only during its
//! last input tile; DMA moves 8 bytes a cycle; instructions follow each other, each with a fixed
//! overhead.

use systole_regs::DATA_BYTES;

use super::Target;

/// Fetching, decoding and checking an instruction.
const CONTROL_CYCLES: u64 = 24;
/// From the last vector to its result in the scratchpad, beyond the rows of the array.
const PIPELINE_CYCLES: u64 = 24;
/// From the request to the first data of a DMA transfer, or from the last data to its response.
const DMA_CYCLES: u64 = 48;
/// Fetching the entry of a command and writing its completion.
const COMMAND_CYCLES: u64 = 150;

/// Size of a matrix instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MatrixShape {
    pub input_tiles: usize,
    pub column_tiles: usize,
}

/// What one instruction does, as far as time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Copies rows of so many bytes.
    Copy(usize),
    /// Multiplies.
    Matrix(MatrixShape),
    /// Ends the pass.
    End,
}

/// Estimates for one target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimator {
    rows: u64,
    /// Cycles that a row of sums takes to be requantized.
    drain: u64,
    accumulator_rows: u64,
}

impl Estimator {
    pub fn new(target: &Target) -> Self {
        Estimator {
            rows: target.rows as u64,
            drain: (target.columns / target.requantize_lanes) as u64,
            accumulator_rows: target.accumulator_rows as u64,
        }
    }

    /// A matrix instruction on `rows` rows in blocks of `block`, beyond its fixed overhead.
    fn matrix(&self, shape: MatrixShape, rows: u64, block: u64) -> u64 {
        let block = block.min(rows);
        let (inputs, tiles) = (shape.input_tiles as u64, shape.column_tiles as u64);
        // If vectors are the limit: what is left to drain after the last of them, of the last
        // block and of the one before, which had this long to drain.
        let last = if rows.is_multiple_of(block) {
            block
        } else {
            rows % block
        };
        let of_last = last * (self.drain - 1);
        let of_both = (block * (self.drain - 1) + last * self.drain).saturating_sub(inputs * last);
        let rest = if tiles * rows > block {
            of_last.max(of_both)
        } else {
            of_last
        };
        let vector_bound = rows * tiles * inputs + rest;
        // If requantization is the limit: it begins when the first block's last input tile does.
        let drain_bound = (inputs - 1) * block + rows * tiles * self.drain;
        vector_bound.max(drain_bound)
    }

    /// The block size, at most half of the accumulators so that one block drains while the next
    /// is summed, that takes fewest cycles; of equals the largest, which reads weights least often.
    pub fn block_rows(&self, shape: MatrixShape, group_rows: u64) -> u64 {
        let most = (self.accumulator_rows / 2).clamp(1, group_rows.max(1));
        (1..=most)
            .rev()
            .min_by_key(|&block| self.matrix(shape, group_rows, block))
            .expect("the range begins with 1 and is not empty")
    }

    /// One pass over `rows` rows of a program whose blocks are chosen for `group_rows`.
    pub fn pass(&self, work: &[Work], rows: u64, group_rows: u64) -> u64 {
        let cycles = |work: &Work| match *work {
            Work::End => CONTROL_CYCLES,
            Work::Copy(bytes) => {
                let beats = (bytes as u64).div_ceil(DATA_BYTES.into());
                CONTROL_CYCLES + DMA_CYCLES + rows * beats
            }
            Work::Matrix(shape) => {
                let block = self.block_rows(shape, group_rows).min(rows);
                CONTROL_CYCLES + PIPELINE_CYCLES + self.rows + self.matrix(shape, rows, block)
            }
        };
        work.iter().map(cycles).sum()
    }

    /// One command of `rows` rows, in passes of `group_rows`.
    pub fn command(&self, work: &[Work], rows: u64, group_rows: u64) -> u64 {
        let mut cycles = COMMAND_CYCLES;
        let (whole, rest) = (rows / group_rows, rows % group_rows);
        if whole > 0 {
            cycles += whole * self.pass(work, group_rows, group_rows);
        }
        if rest > 0 {
            cycles += self.pass(work, rest, group_rows);
        }
        cycles
    }

    /// The group size up to `most` that takes fewest cycles for a command of `batch` rows, or,
    /// without one, for each row; of equals the smallest.
    pub fn group_rows(&self, work: &[Work], most: u64, batch: Option<u64>) -> u64 {
        let candidates = 1..=most;
        let best = match batch {
            Some(batch) => {
                let batch = batch.max(1);
                candidates
                    .take_while(|&rows| rows <= batch)
                    .min_by_key(|&rows| self.command(work, batch, rows))
            }
            None => candidates.min_by(|&left, &right| {
                let [a, b] = [left, right].map(|rows| u128::from(self.pass(work, rows, rows)));
                (a * u128::from(right)).cmp(&(b * u128::from(left)))
            }),
        };
        best.unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_regs::configuration::SMALL;

    fn small() -> Estimator {
        Estimator::new(&Target::from(&SMALL))
    }

    fn shape(input_tiles: usize, column_tiles: usize) -> MatrixShape {
        MatrixShape {
            input_tiles,
            column_tiles,
        }
    }

    /// Cycle by cycle: vectors enter in order, sums of a row are drained in order.
    fn simulate(estimator: &Estimator, shape: MatrixShape, rows: u64, block: u64) -> u64 {
        let (mut now, mut drained) = (0, 0_u64);
        let mut freed = std::collections::VecDeque::new();
        for _ in 0..shape.column_tiles {
            let mut left = rows;
            while left > 0 {
                let size = block.min(left);
                left -= size;
                while freed.len() as u64 + size > estimator.accumulator_rows {
                    now = now.max(freed.pop_front().expect("a block fits the accumulators"));
                }
                now += (shape.input_tiles as u64 - 1) * size;
                for _ in 0..size {
                    now += 1;
                    drained = drained.max(now - 1) + estimator.drain;
                    freed.push_back(drained);
                }
            }
        }
        now.max(drained)
    }

    #[test]
    fn the_formula_is_what_a_simulation_of_blocks_gives() {
        let estimator = small();
        for inputs in 1..6 {
            for tiles in 1..5 {
                for rows in 1..70 {
                    for block in 1..=32.min(rows) {
                        let shape = shape(inputs, tiles);
                        let simulated = simulate(&estimator, shape, rows, block);
                        let estimated = estimator.matrix(shape, rows, block);
                        assert_eq!(estimated, simulated, "{shape:?}, {rows} rows by {block}");
                    }
                }
            }
        }
    }

    #[test]
    fn requantization_limits_layers_of_few_inputs() {
        // C / Q = 2 cycles for each row and column tile, but one vector only.
        assert_eq!(small().matrix(shape(1, 16), 8, 1), 8 * 16 * 2);
        assert_eq!(small().matrix(shape(4, 16), 8, 1), 8 * 16 * 4 + 1);
    }

    #[test]
    fn blocks_are_chosen_by_time_then_by_size() {
        assert_eq!(small().block_rows(shape(8, 16), 16), 5);
        assert_eq!(
            small().matrix(shape(8, 16), 16, 5),
            small().matrix(shape(8, 16), 16, 1)
        );
        let wide = Estimator {
            drain: 1,
            ..small()
        };
        assert_eq!(wide.block_rows(shape(8, 16), 64), 32);
        assert_eq!(wide.block_rows(shape(8, 16), 5), 5);
    }

    #[test]
    fn groups_follow_the_batch() {
        let work = [
            Work::Copy(640),
            Work::Matrix(shape(40, 16)),
            Work::Copy(128),
            Work::End,
        ];
        let estimator = small();
        assert_eq!(estimator.group_rows(&work, 85, Some(16)), 16);
        assert_eq!(estimator.group_rows(&work, 85, Some(0)), 1);
        assert_eq!(estimator.group_rows(&work, 85, None), 85);
        assert_eq!(estimator.group_rows(&work, 3, Some(1000)), 3);
        // Two passes whatever the size: of equals the smallest.
        assert_eq!(estimator.group_rows(&work, 15, Some(16)), 8);
    }

    #[test]
    fn a_command_is_its_passes() {
        let work = [Work::Matrix(shape(2, 2)), Work::End];
        let estimator = small();
        let pass = |rows| estimator.pass(&work, rows, 8);
        assert_eq!(
            estimator.command(&work, 20, 8),
            COMMAND_CYCLES + 2 * pass(8) + pass(4)
        );
    }
}
