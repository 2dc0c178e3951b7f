//! An image with the border that a window needs, so that every position of the window is inside.
//!
//! ```text
//!  z z z z z
//!  z # # # z     #  image     z  its zero point
//!  z # # # z
//!  z z z z z
//! ```

use super::kernel::{OFFSET, SLACK};
use crate::model::{Tensor, Window};

use super::image;

/// Where a window's positions are in an image with its border.
#[derive(Clone, Debug)]
pub(super) struct Border {
    window: Window,
    input: [usize; 3],
    /// Height and width with the border.
    size: [usize; 2],
    zero_point: u8,
    /// First byte of each output position.
    pub(super) starts: Vec<usize>,
}

impl Border {
    pub(super) fn new(window: Window, input: &Tensor, output: &Tensor) -> Border {
        let [height, width, channels] = image(input);
        let [output_height, output_width, _] = image(output);
        // What windows reach, and all of the image.
        let side = |outputs: usize, stride: usize, kernel: usize, pad: usize, size: usize| {
            ((outputs - 1) * stride + kernel).max(pad + size)
        };
        let size = [
            side(
                output_height,
                window.stride_y,
                window.height,
                window.pad_top,
                height,
            ),
            side(
                output_width,
                window.stride_x,
                window.width,
                window.pad_left,
                width,
            ),
        ];
        let start =
            |y: usize, x: usize| (y * window.stride_y * size[1] + x * window.stride_x) * channels;
        let starts = (0..output_height).flat_map(|y| (0..output_width).map(move |x| start(y, x)));
        Border {
            window,
            input: [height, width, channels],
            size,
            zero_point: (i32::from(input.zero_point) + OFFSET) as u8,
            starts: starts.collect(),
        }
    }

    /// Bytes from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.size[1] * self.input[2]
    }

    /// Bytes of the image with its border, and those behind it that a vector may reach; zero if the
    /// image needs none.
    pub(super) fn bytes(&self) -> usize {
        match self.is_needed() {
            true => self.size[0] * self.stride() + SLACK,
            false => 0,
        }
    }

    fn is_needed(&self) -> bool {
        self.size != self.input[..2]
    }

    /// The image with its border, for which `scratch` has room; the input itself if it needs none.
    pub(super) fn add<'i>(&self, input: &'i [u8], scratch: &'i mut [u8]) -> &'i [u8] {
        if !self.is_needed() {
            return input;
        }
        let [height, width, channels] = self.input;
        let scratch = &mut scratch[..self.bytes()];
        scratch.fill(self.zero_point);
        let left = self.window.pad_left * channels;
        let rows = scratch.chunks_exact_mut(self.stride());
        let rows = rows.skip(self.window.pad_top).take(height);
        for (row, values) in rows.zip(input.chunks_exact(width * channels)) {
            row[left..left + width * channels].copy_from_slice(values);
        }
        scratch
    }
}
