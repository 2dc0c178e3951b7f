//! Fully-connected layer, packed for the dot-product kernel.

use super::dot::{COLUMNS, Kernel, Step};
use super::{LANES, Span};
use crate::model::{FullyConnected, Rounding, Scale};

/// One fully-connected layer.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    input: Span,
    output: Span,
    /// A block of steps for each [`COLUMNS`] output channels; padding is zero.
    weights: Vec<Step>,
    /// Steps of a block: the input's vectors.
    steps: usize,
    /// One per output channel.
    channels: Vec<Channel>,
    rounding: Rounding,
    zero_point: i64,
    minimum: i64,
    maximum: i64,
}

/// What one output channel does with its sum.
#[derive(Clone, Copy, Debug)]
struct Channel {
    /// With the input zero point folded in.
    bias: i32,
    scale: Scale,
}

impl Dense {
    pub(super) fn new(
        layer: &FullyConnected,
        input: Span,
        output: Span,
        input_zero_point: i8,
        output_zero_point: i8,
    ) -> Dense {
        let steps = layer.input_channels.div_ceil(LANES);
        let blocks = layer.output_channels.div_ceil(COLUMNS);
        let mut weights: Vec<Step> = vec![[[0; LANES]; COLUMNS]; blocks * steps];
        let rows = layer.weights.chunks_exact(layer.input_channels);
        for (channel, row) in rows.clone().enumerate() {
            let block = &mut weights[channel / COLUMNS * steps..][..steps];
            for (step, values) in block.iter_mut().zip(row.chunks(LANES)) {
                step[channel % COLUMNS][..values.len()].copy_from_slice(values);
            }
        }
        let channels = rows
            .zip(&layer.bias)
            .zip(&layer.scales)
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
        Dense {
            input,
            output,
            weights,
            steps,
            channels,
            rounding: layer.rounding,
            zero_point: output_zero_point.into(),
            minimum: layer.clamp_minimum.into(),
            maximum: layer.clamp_maximum.into(),
        }
    }

    /// Computes the layer for each arena, which holds one row of every tensor.
    pub(super) fn run(&self, kernel: Kernel, arenas: &mut [Vec<i16>]) {
        match arenas {
            [one] => self.run_rows(kernel, [one]),
            [first, second] => self.run_rows(kernel, [first, second]),
            _ => unreachable!("a block has one or two rows"),
        }
    }

    fn run_rows<const N: usize>(&self, kernel: Kernel, arenas: [&mut Vec<i16>; N]) {
        let blocks = self
            .weights
            .chunks_exact(self.steps)
            .zip(self.channels.chunks(COLUMNS));
        for (block, (weights, channels)) in blocks.enumerate() {
            let inputs = std::array::from_fn(|row| &arenas[row][self.input.padded()]);
            let sums: [[i32; COLUMNS]; N] = kernel.dot(inputs, weights);
            let start = self.output.start + block * COLUMNS;
            for row in 0..N {
                let outputs = &mut arenas[row][start..start + channels.len()];
                for ((output, channel), sum) in outputs.iter_mut().zip(channels).zip(sums[row]) {
                    *output = self.finish(*channel, sum);
                }
            }
        }
    }

    #[inline]
    fn finish(&self, channel: Channel, sum: i32) -> i16 {
        let scaled = channel
            .scale
            .apply(sum.wrapping_add(channel.bias), self.rounding);
        (scaled + self.zero_point).clamp(self.minimum, self.maximum) as i16
    }
}
