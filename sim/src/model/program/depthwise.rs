//! DEPTHWISE and POOL: each channel of the image has sums of its own.
//!
//! ```text
//!  image row   |ch 0..n|ch 0..n|ch 0..n|ch 0..n|     n = window_bytes
//!               column j = 0    1       2            x weights of (i, j), or 1, or maximum
//!                                                    --> sum of each channel
//! ```

use systole_regs::Configuration;
use systole_regs::entries::Statistics;
use systole_regs::instructions::{Compute, flag, opcode};

use super::Pass;
use super::matrix::vectors;
use super::output::{self, Output};
use super::window::{Image, corner};
use crate::model::memories::Memories;

impl Pass<'_> {
    /// Carries out DEPTHWISE or POOL, which has passed its checks.
    pub(super) fn depthwise(&mut self, i: &Compute, statistics: &mut Statistics) {
        let channels = usize::from(i.channels);
        let kernel = Kernel::new(i, self.configuration);
        let Memories {
            parameters,
            weights,
            scratchpad,
            ..
        } = &mut *self.memories;
        let first_tile = self.slot.weights.start() + usize::from(i.weight_address);
        let first_byte = first_tile * self.configuration.tile_bytes();
        // Channel by channel for each row and column of the kernel. POOL has no weights.
        let weights = if i.opcode == opcode::DEPTHWISE {
            kernel.weights(&weights[first_byte..], channels)
        } else {
            Vec::new()
        };
        let first_parameter = self.slot.parameters.start() + usize::from(i.parameter_address);
        let output = Output::new(i, &parameters[first_parameter..], self.configuration);

        let mut values = vec![0_i8; channels];
        let mut sums = vec![0_i32; channels];
        for b in 0..self.rows as usize {
            for oy in 0..usize::from(i.output_height) {
                for ox in 0..usize::from(i.output_width) {
                    let (y, x) = corner(i, oy, ox, kernel.step);
                    let image = Image::new(i, b, scratchpad);
                    let mut weights = weights.chunks_exact(channels);
                    let maximum = i.flags & flag::MAXIMUM != 0;
                    sums.fill(if maximum { i32::MIN } else { 0 });
                    for row in 0..kernel.height {
                        for column in 0..kernel.width {
                            let x = x + (column * kernel.column_bytes) as i64;
                            image.copy(y + row as i64, x, &mut values);
                            match weights.next() {
                                Some(weights) => multiply(&mut sums, &values, weights),
                                None if maximum => take_greatest(&mut sums, &values),
                                None => add(&mut sums, &values),
                            }
                        }
                    }
                    let offset = output::offset(i, b, oy, ox);
                    output.write(i, offset, &sums, scratchpad);
                }
            }
        }
        let vectors = kernel.vectors_of_block(self.rows, i);
        let blocks = channels.div_ceil(self.configuration.rows) as u32;
        statistics.depthwise_vectors = statistics
            .depthwise_vectors
            .wrapping_add(vectors.wrapping_mul(blocks));
    }
}

/// The kernel of an instruction and how its weights lie.
struct Kernel {
    height: usize,
    width: usize,
    /// Columns from pixel to pixel in shared mode, 0 in direct mode.
    phases: usize,
    /// Bytes from pixel to pixel.
    step: usize,
    /// Bytes from column to column.
    column_bytes: usize,
    rows: usize,
    columns: usize,
    /// Steps of direct mode whose weights share a tile.
    tile_steps: usize,
}

impl Kernel {
    fn new(i: &Compute, configuration: &Configuration) -> Self {
        let phases = usize::from(i.phases);
        let column_bytes = usize::from(i.window_bytes);
        Kernel {
            height: usize::from(i.kernel_height),
            width: usize::from(i.input_tiles),
            phases,
            step: if phases > 0 {
                phases * column_bytes
            } else {
                usize::from(i.column_step)
            },
            column_bytes,
            rows: configuration.rows,
            columns: configuration.columns,
            tile_steps: configuration.tile_steps(),
        }
    }

    /// The weights of all channels for kernel row 0 and column 0, then for column 1, and so on.
    fn weights(&self, tiles: &[i8], channels: usize) -> Vec<i8> {
        let mut weights = Vec::with_capacity(self.height * self.width * channels);
        for row in 0..self.height {
            for column in 0..self.width {
                weights.extend((0..channels).map(|channel| {
                    let (block, lane) = (channel / self.rows, channel % self.rows);
                    let (tile, byte) = self.place(block, row, column);
                    tiles[tile * self.rows * self.columns + lane * self.columns + byte]
                }));
            }
        }
        weights
    }

    /// Tile and byte of a lane that hold the weight of a kernel row and column.
    fn place(&self, block: usize, row: usize, column: usize) -> (usize, usize) {
        match self.phases {
            0 => {
                let block_tiles = (self.height * self.width).div_ceil(self.tile_steps);
                let step = row * self.width + column;
                (
                    block * block_tiles + step / self.tile_steps,
                    step % self.tile_steps,
                )
            }
            phases => (
                (block * self.height + row) * phases + column % phases,
                column / phases,
            ),
        }
    }

    /// Vectors that a block of channels reads; in shared mode each input column is read once.
    fn vectors_of_block(&self, rows: u32, i: &Compute) -> u32 {
        let lines = if self.phases > 0 {
            let columns = self.phases * (usize::from(i.output_width) - 1) + self.width;
            rows.wrapping_mul(u32::from(i.output_height))
                .wrapping_mul(columns as u32)
        } else {
            vectors(rows, i).wrapping_mul(self.width as u32)
        };
        lines.wrapping_mul(self.height as u32)
    }
}

fn multiply(sums: &mut [i32], values: &[i8], weights: &[i8]) {
    for ((sum, &value), &weight) in sums.iter_mut().zip(values).zip(weights) {
        *sum = sum.wrapping_add(i32::from(value) * i32::from(weight));
    }
}

fn add(sums: &mut [i32], values: &[i8]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(i32::from(value));
    }
}

fn take_greatest(sums: &mut [i32], values: &[i8]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum = (*sum).max(i32::from(value));
    }
}
