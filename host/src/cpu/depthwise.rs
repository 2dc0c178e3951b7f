//! Depthwise convolution: each position of the kernel adds its products to the sums of all
//! channels, which lie one behind the other.

use super::border::Border;
use super::finish::{Block, Channel, Range};
#[cfg(target_arch = "x86_64")]
use super::kernel::TapPairs;
use super::kernel::{CHANNELS, GROUP, Kernel, OFFSET, Sweep, Weights};
use crate::model::{self, Tensor};

/// A depthwise convolution.
#[derive(Clone, Debug)]
pub(super) struct Depthwise {
    pub(super) border: Border,
    pub(super) sweep: Sweep,
    /// For each block of channels, the weights of each group of neighbours, four for a channel.
    pub(super) weights: Vec<Weights>,
    /// The same weights for AVX2, if that is what computes.
    #[cfg(target_arch = "x86_64")]
    pub(super) pairs: TapPairs,
    pub(super) blocks: Vec<Block>,
    pub(super) range: Range,
}

impl Depthwise {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    pub(super) fn new(
        layer: &model::Depthwise,
        input: &Tensor,
        output: &Tensor,
        kernel: Kernel,
    ) -> Depthwise {
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
        let finished: Vec<Channel> = (0..channels)
            .map(|channel| {
                // `[ky][kx][channel]` in the model.
                let weights = layer.weights.iter().skip(channel).step_by(channels);
                let (bias, scale) = (layer.bias[channel], layer.scales[channel]);
                Channel::new(bias, scale, weights, zero_point)
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
            #[cfg(target_arch = "x86_64")]
            pairs: kernel.pair(sweep, &weights),
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
        kernel.depthwise(self, image, output);
    }
}
