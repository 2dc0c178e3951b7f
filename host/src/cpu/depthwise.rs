//! Depthwise convolution: each position of the kernel adds its products to the sums of all
//! channels, which lie one behind the other.

use super::border::Border;
use super::finish::{Block, Range};
use super::kernel::{CHANNELS, GROUP, Kernel, OFFSET, Sweep, Weights};
use super::matrix::fold;
use crate::model::{self, Scale, Tensor};

/// A depthwise convolution.
#[derive(Clone, Debug)]
pub(super) struct Depthwise {
    border: Border,
    sweep: Sweep,
    /// For each block of channels, the weights of each group of neighbours.
    weights: Vec<Weights>,
    blocks: Vec<Block>,
    range: Range,
}

impl Depthwise {
    pub(super) fn new(layer: &model::Depthwise, input: &Tensor, output: &Tensor) -> Depthwise {
        let border = Border::new(layer.window, input, output);
        let channels = layer.bias.len();
        let window = layer.window;
        let sweep = Sweep {
            height: window.height,
            width: window.width,
            channels,
            row: border.stride(),
            neighbour: channels,
        };
        let zero_point = i32::from(input.zero_point) + OFFSET;
        // `[ky][kx][channel]` in the model.
        let of_channel = |channel: usize| -> Vec<i8> {
            let weights = layer.weights.iter().skip(channel).step_by(channels);
            weights.copied().collect()
        };
        let finished: Vec<(i32, Scale)> = (0..channels)
            .map(|channel| {
                let bias = fold(layer.bias[channel], &of_channel(channel), zero_point);
                (bias, layer.scales[channel])
            })
            .collect();
        let mut weights = vec![Weights::ZERO; channels.div_ceil(CHANNELS) * sweep.groups()];
        for (tap, values) in layer.weights.chunks_exact(channels).enumerate() {
            let (ky, kx) = (tap / window.width, tap % window.width);
            let group = ky * sweep.row_groups() + kx / GROUP;
            for (channel, &weight) in values.iter().enumerate() {
                let weights = &mut weights[channel / CHANNELS * sweep.groups() + group];
                weights.0[channel % CHANNELS][kx % GROUP] = weight;
            }
        }
        Depthwise {
            sweep,
            weights,
            blocks: finished
                .chunks(CHANNELS)
                .map(|channels| Block::new(channels, layer.rounding))
                .collect(),
            range: Range::new(output, layer.clamp_minimum, layer.clamp_maximum),
            border,
        }
    }

    /// Bytes that it needs besides input and output.
    pub(super) fn scratch(&self) -> usize {
        self.border.bytes()
    }

    pub(super) fn run(&self, kernel: Kernel, input: &[u8], output: &mut [u8], scratch: &mut [u8]) {
        let image = self.border.add(input, scratch);
        kernel.depthwise(
            image,
            &self.border.starts,
            self.sweep,
            &self.weights,
            &self.blocks,
            self.range,
            output,
        );
    }
}
