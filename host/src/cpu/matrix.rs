//! Weights packed for the kernels: a fully-connected layer, or what a convolution does to the values
//! under each position of its kernel.

use super::finish::{Block, Channel, Range, put};
#[cfg(target_arch = "x86_64")]
use super::kernel::PairWeights;
use super::kernel::{CHANNELS, GROUP, Kernel, OFFSET, Runs, Weights};
use crate::model::{Convolution, FullyConnected, Rounding, Scale, Tensor};

/// A matrix with what happens to its sums.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// For each block of [`CHANNELS`] output channels, its weights for each group of inputs.
    weights: Vec<Weights>,
    /// The same weights for AVX2, if that is what computes.
    #[cfg(target_arch = "x86_64")]
    pub(super) wide: Vec<PairWeights>,
    /// Biases and scales of each block.
    pub(super) blocks: Vec<Block>,
    /// Output channels.
    pub(super) channels: usize,
    pub(super) runs: Runs,
    pub(super) range: Range,
}

/// Weights and what belongs to them, one row of weights an output channel.
struct Rows<'w> {
    weights: &'w [i8],
    bias: &'w [i32],
    scales: &'w [Scale],
    rounding: Rounding,
    input_zero_point: i8,
}

impl Matrix {
    /// The matrix of a fully-connected layer.
    pub(super) fn dense(
        layer: &FullyConnected,
        input: &Tensor,
        output: &Tensor,
        kernel: Kernel,
    ) -> Matrix {
        let rows = Rows {
            weights: &layer.weights,
            bias: &layer.bias,
            scales: &layer.scales,
            rounding: layer.rounding,
            input_zero_point: input.zero_point,
        };
        let range = Range::new(output, layer.clamp_minimum, layer.clamp_maximum);
        rows.pack(1, layer.input_channels, 0, range, kernel)
    }

    /// The matrix of a convolution over an image whose rows are `stride` bytes apart.
    pub(super) fn convolution(
        layer: &Convolution,
        input: &Tensor,
        stride: usize,
        range: Range,
        kernel: Kernel,
    ) -> Matrix {
        let rows = Rows {
            weights: &layer.weights,
            bias: &layer.bias,
            scales: &layer.scales,
            rounding: layer.rounding,
            input_zero_point: input.zero_point,
        };
        let window = layer.window;
        rows.pack(
            window.height,
            window.width * layer.input_channels,
            stride,
            range,
            kernel,
        )
    }

    /// Multiplies positions of an image, which begin at `starts`, and writes the channels of each to
    /// its part of the output.
    #[inline]
    pub(super) fn multiply<const N: usize>(
        &self,
        kernel: Kernel,
        image: &[u8],
        starts: [usize; N],
        outputs: &mut [&mut [u8]; N],
    ) {
        let length = self.runs.all_groups();
        let mut first = 0;
        // Blocks share each input that is read, positions each weight.
        let together = if N == 1 { 8 } else { 2 };
        while first < self.blocks.len() {
            let weights = &self.weights[first * length..];
            let count = together.min(self.blocks.len() - first);
            first += match (N, count) {
                (1, 8) => self.several::<N, 8>(kernel, image, starts, weights, first, outputs),
                (1, 4..8) => self.several::<N, 4>(kernel, image, starts, weights, first, outputs),
                (_, 2..) => self.several::<N, 2>(kernel, image, starts, weights, first, outputs),
                _ => self.several::<N, 1>(kernel, image, starts, weights, first, outputs),
            };
        }
    }

    /// Does so for `B` blocks from number `first` on, whose weights come first; how many that is.
    #[inline]
    fn several<const N: usize, const B: usize>(
        &self,
        kernel: Kernel,
        image: &[u8],
        starts: [usize; N],
        weights: &[Weights],
        first: usize,
        outputs: &mut [&mut [u8]; N],
    ) -> usize {
        let length = self.runs.all_groups();
        let weights = std::array::from_fn(|b| &weights[b * length..][..length]);
        let blocks = std::array::from_fn(|b| &self.blocks[first + b]);
        let bytes: [[[u8; CHANNELS]; B]; N] =
            kernel.multiply(image, starts, self.runs, weights, blocks, self.range);
        for (output, bytes) in outputs.iter_mut().zip(&bytes) {
            for (b, bytes) in bytes.iter().enumerate() {
                put(bytes, &mut output[(first + b) * CHANNELS..self.channels]);
            }
        }
        B
    }
}

impl Rows<'_> {
    /// Packs rows of weights that meet `count` runs of `inputs` bytes, `stride` bytes apart.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    fn pack(
        self,
        count: usize,
        inputs: usize,
        stride: usize,
        range: Range,
        kernel: Kernel,
    ) -> Matrix {
        let runs = Runs {
            count,
            groups: inputs.div_ceil(GROUP),
            stride,
        };
        let length = runs.all_groups();
        let blocks = self.bias.len().div_ceil(CHANNELS);
        let mut weights = vec![Weights::ZERO; blocks * length];
        let rows = self.weights.chunks_exact(count * inputs);
        for (channel, row) in rows.clone().enumerate() {
            let block = &mut weights[channel / CHANNELS * length..][..length];
            let groups = row.chunks(inputs).flat_map(|run| run.chunks(GROUP));
            for (weights, values) in block.iter_mut().zip(groups) {
                weights.0[channel % CHANNELS][..values.len()].copy_from_slice(values);
            }
        }
        let zero_point = i32::from(self.input_zero_point) + OFFSET;
        let channels: Vec<Channel> = rows
            .zip(self.bias)
            .zip(self.scales)
            .map(|((row, &bias), &scale)| Channel::new(bias, scale, row.iter(), zero_point))
            .collect();
        let blocks = channels.chunks(CHANNELS);
        Matrix {
            #[cfg(target_arch = "x86_64")]
            wide: kernel.widen(&weights),
            weights,
            blocks: blocks
                .map(|channels| Block::new(channels, self.rounding))
                .collect(),
            channels: self.bias.len(),
            runs,
            range,
        }
    }
}
