//! Weights in the order in which the device reads them.
//!
//! ```text
//!  MATRIX   window bytes n -> k=0   k=1     tile (m, k), at m * K + k
//!    channels m=0           [ R x C | R x C ]   byte r * C + c: weight of window byte kR + r
//!             m=1           [       |       ]   for channel mC + c; zero outside the window
//!
//!  DEPTHWISE  channel gR + r, kernel row and column s, at byte r * C + s mod D of tile s / D of its
//!             block; in shared mode at byte r * C + m of the tile of the row and phase q, for
//!             column q + phases * m
//! ```

use std::ops::Range;

use super::Target;
use super::graph::{Kernel, Node};
use super::method::Method;

/// The weight tiles of some output channels of a node.
pub(super) fn tiles(
    node: &Node,
    method: &Method,
    channels: &Range<usize>,
    pixel: usize,
    target: &Target,
) -> Vec<i8> {
    let count = method.tiles(node, channels.len(), target);
    let mut tiles = vec![0; count * target.tile_bytes()];
    match &node.kernel {
        Kernel::Matrix(_) | Kernel::Depthwise(_) if method.matrix => {
            matrix(node, method, channels, pixel, target, &mut tiles);
        }
        Kernel::Matrix(weights) | Kernel::Depthwise(weights) => {
            depthwise(node, method, weights, channels, target, &mut tiles);
        }
        Kernel::Sum | Kernel::Maximum => {}
    }
    tiles
}

fn matrix(
    node: &Node,
    method: &Method,
    channels: &Range<usize>,
    pixel: usize,
    target: &Target,
    tiles: &mut [i8],
) {
    let (rows, columns) = (target.rows, target.columns);
    let (window, inputs) = (&node.window, node.input.channels);
    let taps = window.height * window.width;
    let mut set = |output: usize, n: usize, weight: i8| {
        let tile = output / columns * method.input_tiles + n / rows;
        tiles[tile * target.tile_bytes() + n % rows * columns + output % columns] = weight;
    };
    for output in 0..channels.len() * method.pixels {
        let channel = channels.start + output % channels.len();
        let shift = output / channels.len() * window.stride_x;
        for tap in 0..taps {
            let (y, x) = (tap / window.width, tap % window.width + shift);
            let first = y * method.window_bytes + x * pixel;
            match &node.kernel {
                Kernel::Matrix(weights) => {
                    let weights = &weights[(channel * taps + tap) * inputs..][..inputs];
                    for (n, &weight) in (first..).zip(weights) {
                        set(output, n, weight);
                    }
                }
                Kernel::Depthwise(weights) => {
                    set(output, first + channel, weights[tap * inputs + channel]);
                }
                Kernel::Sum | Kernel::Maximum => {}
            }
        }
    }
}

fn depthwise(
    node: &Node,
    method: &Method,
    weights: &[i8],
    channels: &Range<usize>,
    target: &Target,
    tiles: &mut [i8],
) {
    let (kernel_rows, kernel_columns, _) = node.sides(method.swapped);
    let all = node.output.channels;
    for lane in 0..channels.len() * method.pixels {
        let channel = channels.start + lane % channels.len();
        let (block, r) = (lane / target.rows, lane % target.rows);
        for i in 0..kernel_rows {
            for j in 0..kernel_columns {
                let (y, x) = if method.swapped { (j, i) } else { (i, j) };
                let weight = weights[(y * node.window.width + x) * all + channel];
                let line = block * kernel_rows + i;
                let (tile, m) = match method.phases {
                    0 => {
                        let (together, step) = (target.tile_steps(), i * method.input_tiles + j);
                        let tiles = (kernel_rows * method.input_tiles).div_ceil(together);
                        (block * tiles + step / together, step % together)
                    }
                    phases => (line * phases + j % phases, j / phases),
                };
                tiles[tile * target.tile_bytes() + r * target.columns + m] = weight;
            }
        }
    }
}
