//! MATRIX: convolution, and with a window of one row the fully-connected layer.
//!
//! ```text
//!  window of a pixel    |  R bytes  |  R bytes  | ... input_tiles
//!                             x           x
//!  channels m*C ..      | R x C tile| R x C tile| ...            --> C sums
//! ```
//!
//! In an array of inner products the sums carry the products of the weights of rows 2i and 2i + 1.

use systole_regs::entries::Statistics;
use systole_regs::instructions::Compute;

use super::Pass;
use super::output::{self, Output};
use super::window::{Image, corner};
use crate::model::memories::Memories;

impl Pass<'_> {
    /// Carries out MATRIX, which has passed its checks.
    pub(super) fn matrix(&mut self, i: &Compute, statistics: &mut Statistics) {
        let (r, c) = (self.configuration.rows, self.configuration.columns);
        let (input_tiles, channels) = (usize::from(i.input_tiles), usize::from(i.channels));
        let blocks = channels.div_ceil(c);
        let Memories {
            parameters,
            weights,
            scratchpad,
            ..
        } = &mut *self.memories;
        let first_tile = self.slot.weights.start() + usize::from(i.weight_address);
        let weights = &weights[first_tile * r * c..][..blocks * input_tiles * r * c];
        let first_parameter = self.slot.parameters.start() + usize::from(i.parameter_address);
        let output = Output::new(i, &parameters[first_parameter..], self.configuration);

        let products = if self.configuration.takes_inner_products() {
            weight_products(weights, input_tiles * r, c)
        } else {
            vec![0; blocks * c]
        };
        let mut window = vec![0_i8; input_tiles * r];
        let mut sums = vec![0_i32; blocks * c];
        for b in 0..self.rows as usize {
            for oy in 0..usize::from(i.output_height) {
                for ox in 0..usize::from(i.output_width) {
                    let (y, x) = corner(i, oy, ox, usize::from(i.column_step));
                    Image::new(i, b, scratchpad).gather(i, y, x, &mut window);
                    multiply(&window, weights, &mut sums, c);
                    for (sum, &product) in sums.iter_mut().zip(&products) {
                        *sum = sum.wrapping_add(product);
                    }
                    let offset = output::offset(i, b, oy, ox);
                    output.write(i, offset, &sums[..channels], scratchpad);
                }
            }
        }
        let vectors = vectors(self.rows, i).wrapping_mul((blocks * input_tiles) as u32);
        statistics.vectors = statistics.vectors.wrapping_add(vectors);
    }
}

/// Output pixels of all rows of the group.
pub(super) fn vectors(rows: u32, i: &Compute) -> u32 {
    rows.wrapping_mul(u32::from(i.output_height))
        .wrapping_mul(u32::from(i.output_width))
}

/// For each channel the sum of w(2i) w(2i + 1) over the rows of its tiles.
fn weight_products(weights: &[i8], window: usize, c: usize) -> Vec<i32> {
    let blocks = weights.chunks_exact(window * c);
    blocks
        .flat_map(|tiles| {
            let mut sums = vec![0_i32; c];
            for pair in tiles.chunks_exact(2 * c) {
                for (column, sum) in sums.iter_mut().enumerate() {
                    let product = i32::from(pair[column]) * i32::from(pair[c + column]);
                    *sum = sum.wrapping_add(product);
                }
            }
            sums
        })
        .collect()
}

/// Sums of all channels, `c` at a time. Byte r of the window's part k meets row r of tile k: the
/// tiles lie as the window does, so one pass over both is enough.
fn multiply(window: &[i8], weights: &[i8], sums: &mut [i32], c: usize) {
    let tiles = weights.chunks_exact(window.len() * c);
    for (sums, tiles) in sums.chunks_exact_mut(c).zip(tiles) {
        match c {
            4 => columns::<4>(window, tiles, sums),
            8 => columns::<8>(window, tiles, sums),
            16 => columns::<16>(window, tiles, sums),
            32 => columns::<32>(window, tiles, sums),
            _ => {
                sums.fill(0);
                for (&value, row) in window.iter().zip(tiles.chunks_exact(c)) {
                    accumulate(value, row, sums);
                }
            }
        }
    }
}

/// The same for a width that the compiler knows, so that the sums stay in registers.
fn columns<const C: usize>(window: &[i8], tiles: &[i8], sums: &mut [i32]) {
    let mut local = [0_i32; C];
    for (&value, row) in window.iter().zip(tiles.as_chunks::<C>().0) {
        accumulate(value, row, &mut local);
    }
    sums.copy_from_slice(&local);
}

fn accumulate(value: i8, weights: &[i8], sums: &mut [i32]) {
    for (sum, &weight) in sums.iter_mut().zip(weights) {
        *sum = sum.wrapping_add(i32::from(value) * i32::from(weight));
    }
}
