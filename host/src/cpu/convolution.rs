//! Convolution: the values under each position of the kernel become a vector, two of which are
//! multiplied by the weights at a time.
//!
//! ```text
//!  image [h, w, c]        patch: kernel rows one behind the other
//!   . . . . .
//!   . # # # .     -->     # # # | # # # | # # #  0 0   x  weights  -->  output [y][x][..]
//!   . # # # .             (outside the image: the zero point)
//!   . # # # .
//! ```

use super::dot::Kernel;
use super::matrix::Matrix;
use super::{Range, image};
use crate::model::{self, Tensor, Window};

/// A convolution.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    window: Window,
    input: [usize; 3],
    output: [usize; 3],
    zero_point: i16,
    matrix: Matrix,
}

impl Convolution {
    pub(super) fn new(layer: &model::Convolution, input: &Tensor, output: &Tensor) -> Convolution {
        let range = Range::new(output, layer.clamp_minimum, layer.clamp_maximum);
        Convolution {
            window: layer.window,
            input: image(input),
            output: image(output),
            zero_point: input.zero_point.into(),
            matrix: Matrix::convolution(layer, input.zero_point, range),
        }
    }

    pub(super) fn run(&self, kernel: Kernel, input: &[i16], output: &mut [i16]) {
        let [_, width, channels] = self.output;
        let mut patches = [(); 2].map(|()| vec![0; self.matrix.padded_inputs()]);
        let mut positions = output.chunks_exact_mut(channels).enumerate();
        while let Some((first, output)) = positions.next() {
            self.gather(input, first / width, first % width, &mut patches[0]);
            let [left, right] = &mut patches;
            match positions.next() {
                Some((second, second_output)) => {
                    self.gather(input, second / width, second % width, right);
                    let inputs = [&left[..], &right[..]];
                    self.matrix
                        .multiply(kernel, inputs, [output, second_output]);
                }
                None => self.matrix.multiply(kernel, [&left[..]], [output]),
            }
        }
    }

    /// Copies what lies under the kernel at output position `(y, x)`. The patch's padding is left
    /// as it is.
    fn gather(&self, input: &[i16], y: usize, x: usize, patch: &mut [i16]) {
        let [height, width, channels] = self.input;
        let (rows, columns) = (self.window.rows(y, height), self.window.columns(x, width));
        let whole = rows.len() * columns.len() == self.window.area();
        if !whole {
            patch[..self.window.area() * channels].fill(self.zero_point);
        }
        // Position of the window's first value inside the image, in the kernel's coordinates.
        let ky = rows.start + self.window.pad_top - y * self.window.stride_y;
        let kx = columns.start + self.window.pad_left - x * self.window.stride_x;
        let length = columns.len() * channels;
        for (index, row) in rows.enumerate() {
            let from = (row * width + columns.start) * channels;
            let to = ((ky + index) * self.window.width + kx) * channels;
            patch[to..to + length].copy_from_slice(&input[from..from + length]);
        }
    }
}
