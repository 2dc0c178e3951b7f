//! What a computation reads: bytes of the input image, and the padding around it.
//!
//! ```text
//!           x = 0         input_row_bytes
//!    pad pad |##############| pad         y = 0
//!    pad [===|====]#########| pad           a piece that begins left of the image
//!    pad pad |##############| pad         input_height - 1
//! ```

use systole_regs::instructions::Compute;

/// The input image of one row of the group.
pub(super) struct Image<'a> {
    scratchpad: &'a [i8],
    /// First byte in the scratchpad.
    start: usize,
    row_stride: usize,
    height: i64,
    row_bytes: i64,
    pad_value: i8,
}

impl<'a> Image<'a> {
    /// The image of row `b`. The instruction has passed its checks, so it is in the scratchpad.
    pub fn new(i: &Compute, b: usize, scratchpad: &'a [i8]) -> Self {
        Image {
            scratchpad,
            start: i.input_address as usize + b * i.input_batch_stride as usize,
            row_stride: usize::from(i.input_row_stride),
            height: i64::from(i.input_height),
            row_bytes: i64::from(i.input_row_bytes),
            pad_value: i.pad_value,
        }
    }

    /// Copies the bytes from `x` on of image row `y`.
    pub fn copy(&self, y: i64, x: i64, target: &mut [i8]) {
        if !(0..self.height).contains(&y) {
            target.fill(self.pad_value);
            return;
        }
        let length = target.len() as i64;
        let left = (-x).clamp(0, length);
        let right = (self.row_bytes - x).clamp(left, length);
        let (left_pad, rest) = target.split_at_mut(left as usize);
        let (inside, right_pad) = rest.split_at_mut((right - left) as usize);
        left_pad.fill(self.pad_value);
        right_pad.fill(self.pad_value);
        if !inside.is_empty() {
            // Not empty: `y` and `x + left` are inside the image, so not negative.
            let from = self.start + y as usize * self.row_stride + (x + left) as usize;
            inside.copy_from_slice(&self.scratchpad[from..from + inside.len()]);
        }
    }

    /// Gathers the window of a pixel of MATRIX whose first byte is byte `x` of image row `y`.
    pub fn gather(&self, i: &Compute, y: i64, x: i64, window: &mut [i8]) {
        let rows = window.chunks_mut(usize::from(i.window_bytes));
        for (s, target) in rows.enumerate() {
            if s < usize::from(i.kernel_height) {
                self.copy(y + s as i64, x, target);
            } else {
                target.fill(self.pad_value);
            }
        }
    }
}

/// Row and byte of the image at which the window of pixel (oy, ox) begins; `step` is the bytes
/// from pixel to pixel.
pub(super) fn corner(i: &Compute, oy: usize, ox: usize, step: usize) -> (i64, i64) {
    let y = oy as i64 * i64::from(i.stride_y) - i64::from(i.pad_top);
    let x = ox as i64 * step as i64 - i64::from(i.pad_left);
    (y, x)
}
