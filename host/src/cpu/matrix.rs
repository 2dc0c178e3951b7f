//! Weights packed for the dot-product kernel: a fully-connected layer, or what a convolution does
//! to the values under one position of its kernel.

use super::dot::{COLUMNS, Kernel, Step};
use super::{LANES, Range};
use crate::model::{Convolution, FullyConnected, Rounding, Scale};

/// A matrix with what happens to its sums.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// A block of steps for each [`COLUMNS`] output channels; padding is zero.
    weights: Vec<Step>,
    /// Steps of a block: the input's vectors.
    steps: usize,
    /// One per output channel.
    channels: Vec<Channel>,
    rounding: Rounding,
    range: Range,
}

/// What one output channel does with its sum.
#[derive(Clone, Copy, Debug)]
struct Channel {
    /// With the input zero point folded in.
    bias: i32,
    scale: Scale,
}

impl Matrix {
    /// The matrix of a fully-connected layer.
    pub(super) fn dense(layer: &FullyConnected, input_zero_point: i8, zero_point: i8) -> Matrix {
        Matrix {
            rounding: layer.rounding,
            range: Range {
                zero_point: zero_point.into(),
                minimum: layer.clamp_minimum.into(),
                maximum: layer.clamp_maximum.into(),
            },
            ..Matrix::pack(
                &layer.weights,
                layer.input_channels,
                &layer.bias,
                &layer.scales,
                input_zero_point,
            )
        }
    }

    /// The matrix of a convolution: its inputs are `[ky][kx][input channel]`.
    pub(super) fn convolution(layer: &Convolution, input_zero_point: i8, range: Range) -> Matrix {
        Matrix {
            rounding: layer.rounding,
            range,
            ..Matrix::pack(
                &layer.weights,
                layer.window.area() * layer.input_channels,
                &layer.bias,
                &layer.scales,
                input_zero_point,
            )
        }
    }

    fn pack(
        weights: &[i8],
        inputs: usize,
        bias: &[i32],
        scales: &[Scale],
        input_zero_point: i8,
    ) -> Matrix {
        let steps = inputs.div_ceil(LANES);
        let blocks = bias.len().div_ceil(COLUMNS);
        let rows = weights.chunks_exact(inputs);
        let mut weights: Vec<Step> = vec![[[0; LANES]; COLUMNS]; blocks * steps];
        for (channel, row) in rows.clone().enumerate() {
            let block = &mut weights[channel / COLUMNS * steps..][..steps];
            for (step, values) in block.iter_mut().zip(row.chunks(LANES)) {
                step[channel % COLUMNS][..values.len()].copy_from_slice(values);
            }
        }
        let channels = rows
            .zip(bias)
            .zip(scales)
            .map(|((row, &bias), &scale)| {
                let sum = row
                    .iter()
                    .fold(0_i32, |sum, &weight| sum.wrapping_add(weight.into()));
                let folded = sum.wrapping_mul(input_zero_point.into());
                Channel {
                    bias: bias.wrapping_sub(folded),
                    scale,
                }
            })
            .collect();
        Matrix {
            weights,
            steps,
            channels,
            rounding: Rounding::Single,
            range: Range {
                zero_point: 0,
                minimum: 0,
                maximum: 0,
            },
        }
    }

    /// Values of an input vector, with its padding.
    pub(super) fn padded_inputs(&self) -> usize {
        self.steps * LANES
    }

    /// Multiplies vectors, padded with zeros, and writes an output value per channel for each.
    pub(super) fn multiply<const N: usize>(
        &self,
        kernel: Kernel,
        inputs: [&[i16]; N],
        mut outputs: [&mut [i16]; N],
    ) {
        let blocks = self
            .weights
            .chunks_exact(self.steps)
            .zip(self.channels.chunks(COLUMNS));
        for (block, (weights, channels)) in blocks.enumerate() {
            let sums: [[i32; COLUMNS]; N] = kernel.dot(inputs, weights);
            let start = block * COLUMNS;
            for (outputs, sums) in outputs.iter_mut().zip(sums) {
                let outputs = &mut outputs[start..start + channels.len()];
                for ((output, channel), sum) in outputs.iter_mut().zip(channels).zip(sums) {
                    let sum = sum.wrapping_add(channel.bias);
                    *output = self.range.finish(channel.scale.apply(sum, self.rounding));
                }
            }
        }
    }
}
