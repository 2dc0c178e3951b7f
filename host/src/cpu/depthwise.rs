//! Depthwise convolution: each position of the kernel adds its products to the sums of all
//! channels, which lie one behind the other.

use super::{Range, image};
use crate::model::{self, Rounding, Scale, Tensor, Window};

/// A depthwise convolution.
#[derive(Clone, Debug)]
pub(super) struct Depthwise {
    window: Window,
    input: [usize; 3],
    output: [usize; 3],
    zero_point: i32,
    /// `[ky][kx][channel]`.
    weights: Vec<i32>,
    bias: Vec<i32>,
    scales: Vec<Scale>,
    rounding: Rounding,
    range: Range,
}

impl Depthwise {
    pub(super) fn new(layer: &model::Depthwise, input: &Tensor, output: &Tensor) -> Depthwise {
        Depthwise {
            window: layer.window,
            input: image(input),
            output: image(output),
            zero_point: input.zero_point.into(),
            weights: layer.weights.iter().map(|&weight| weight.into()).collect(),
            bias: layer.bias.clone(),
            scales: layer.scales.clone(),
            rounding: layer.rounding,
            range: Range::new(output, layer.clamp_minimum, layer.clamp_maximum),
        }
    }

    pub(super) fn run(&self, input: &[i16], output: &mut [i16]) {
        let [height, width, channels] = self.input;
        let mut sums = vec![0; channels];
        for (position, output) in output.chunks_exact_mut(channels).enumerate() {
            let (y, x) = (position / self.output[1], position % self.output[1]);
            sums.copy_from_slice(&self.bias);
            for row in self.window.rows(y, height) {
                let ky = row + self.window.pad_top - y * self.window.stride_y;
                for column in self.window.columns(x, width) {
                    let kx = column + self.window.pad_left - x * self.window.stride_x;
                    let values = &input[(row * width + column) * channels..][..channels];
                    let weights =
                        &self.weights[(ky * self.window.width + kx) * channels..][..channels];
                    for ((sum, &value), &weight) in sums.iter_mut().zip(values).zip(weights) {
                        let difference = i32::from(value) - self.zero_point;
                        *sum = sum.wrapping_add(difference * weight);
                    }
                }
            }
            for ((output, &sum), scale) in output.iter_mut().zip(&sums).zip(&self.scales) {
                *output = self.range.finish(scale.apply(sum, self.rounding));
            }
        }
    }
}
