//! Weights and parameters in the order in which the device reads them.
//!
//! ```text
//!  weights[o][i]                    tile (n, k), at n * K + k
//!        i ->  k=0   k=1            +------------ c ->
//!   o n=0 [ R x C | R x C ]         | w[nC+c][kR+r]     byte r * C + c;
//!   | n=1 [       |       ]   -->   r                   zero outside the layer
//!   v                               v
//! ```

use systole_regs::image::Parameter;

use super::Target;
use super::estimate::MatrixShape;
use crate::model::FullyConnected;

/// Tiles that a fully-connected layer takes on this target.
pub(super) fn shape(dense: &FullyConnected, target: &Target) -> MatrixShape {
    MatrixShape {
        input_tiles: dense.input_channels.div_ceil(target.rows),
        column_tiles: dense.output_channels.div_ceil(target.columns),
    }
}

/// Appends a layer's weight tiles.
pub(super) fn append_weights(dense: &FullyConnected, target: &Target, image: &mut Vec<i8>) {
    let (rows, columns) = (target.rows, target.columns);
    let shape = shape(dense, target);
    let start = image.len();
    let tiles = shape.input_tiles * shape.column_tiles;
    image.resize(start + tiles * target.tile_bytes(), 0);
    for (output, weights) in dense.weights.chunks_exact(dense.input_channels).enumerate() {
        let (n, c) = (output / columns, output % columns);
        for (k, part) in weights.chunks(rows).enumerate() {
            let tile = start + (n * shape.input_tiles + k) * target.tile_bytes();
            for (r, &weight) in part.iter().enumerate() {
                image[tile + r * columns + c] = weight;
            }
        }
    }
}

/// Appends a layer's parameters, with the input zero point folded into the bias, and zeros up to a
/// whole column tile.
pub(super) fn append_parameters(
    dense: &FullyConnected,
    input_zero_point: i8,
    target: &Target,
    image: &mut Vec<Parameter>,
) {
    let end = image.len() + shape(dense, target).column_tiles * target.columns;
    let channels = dense.weights.chunks_exact(dense.input_channels);
    for ((weights, &bias), scale) in channels.zip(&dense.bias).zip(&dense.scales) {
        let sum = weights
            .iter()
            .fold(0_i32, |sum, &weight| sum.wrapping_add(weight.into()));
        image.push(Parameter {
            bias: bias.wrapping_sub(sum.wrapping_mul(input_zero_point.into())),
            multiplier: scale.multiplier,
            shift: scale.shift,
            reserved: [0; 7],
        });
    }
    image.resize(end, Parameter::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Rounding, Scale};
    use systole_regs::configuration::TINY;

    /// 5 inputs, 6 outputs: weight of (output o, input i) is 10 o + i + 1.
    fn dense() -> FullyConnected {
        FullyConnected {
            input_channels: 5,
            output_channels: 6,
            weights: (0..6)
                .flat_map(|o| (1..=5).map(move |i| 10 * o + i))
                .collect(),
            bias: vec![i32::MIN, 1, 2, 3, 4, 5],
            scales: vec![
                Scale {
                    multiplier: 1 << 30,
                    shift: -3
                };
                6
            ],
            rounding: Rounding::Single,
            clamp_minimum: -128,
            clamp_maximum: 127,
        }
    }

    #[test]
    fn weights_lie_tile_by_tile_and_are_padded_with_zeros() {
        let mut image = vec![99];
        append_weights(&dense(), &Target::from(&TINY), &mut image);
        assert_eq!(image.len(), 1 + 4 * 16);
        let tile = |index: usize| &image[1 + index * 16..][..16];
        #[rustfmt::skip]
        assert_eq!(tile(0), [1, 11, 21, 31,  2, 12, 22, 32,  3, 13, 23, 33,  4, 14, 24, 34]);
        assert_eq!(tile(1), [5, 15, 25, 35, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            tile(2),
            [41, 51, 0, 0, 42, 52, 0, 0, 43, 53, 0, 0, 44, 54, 0, 0]
        );
        assert_eq!(tile(3), [45, 55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_input_zero_point_is_folded_into_the_bias() {
        let mut image = Vec::new();
        append_parameters(&dense(), 3, &Target::from(&TINY), &mut image);
        assert_eq!(image.len(), 8);
        // The first sum is 15; its bias wraps.
        assert_eq!(image[0].bias, i32::MIN.wrapping_sub(45));
        assert_eq!(image[1].bias, 1 - 3 * 65);
        assert_eq!((image[5].multiplier, image[5].shift), (1 << 30, -3));
        assert_eq!(image[6..], [Parameter::default(); 2]);
    }
}
