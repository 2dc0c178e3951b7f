//! Convolution: each position of the kernel is a few runs of the image, which are multiplied where
//! they are.
//!
//! ```text
//!  image with border            runs of a position: kernel rows
//!   . . . . .
//!   . # # # .     -->     # # # | # # # | # # #     x  weights  -->  output [y][x][..]
//!   . # # # .
//!   . # # # .
//! ```

use super::border::Border;
use super::finish::Range;
use super::kernel::Kernel;
use super::matrix::Matrix;
use super::positions::in_turn;
use crate::model::{self, Tensor};

/// A convolution.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    border: Border,
    channels: usize,
    matrix: Matrix,
}

impl Convolution {
    pub(super) fn new(
        layer: &model::Convolution,
        input: &Tensor,
        output: &Tensor,
        kernel: Kernel,
    ) -> Convolution {
        let range = Range::new(output, layer.clamp_minimum, layer.clamp_maximum);
        let border = Border::new(layer.window, input, output);
        Convolution {
            matrix: Matrix::convolution(layer, input, border.stride(), range, kernel),
            channels: layer.output_channels,
            border,
        }
    }

    /// Bytes that it needs besides input and output.
    pub(super) fn scratch(&self) -> usize {
        self.border.bytes()
    }

    pub(super) fn run(&self, kernel: Kernel, input: &[u8], output: &mut [u8], scratch: &mut [u8]) {
        let image = self.border.add(input, scratch);
        in_turn(
            &self.matrix,
            kernel,
            image,
            &self.border.starts,
            output,
            self.channels,
        );
    }
}
