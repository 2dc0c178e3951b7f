//! How a node becomes an instruction: which mode, which way round, how many pixels in a vector.
//!
//! ```text
//!  shared:  each input column is read once        side by side: few channels, several pixels
//!   columns  0 1 2 3 4                              lanes |c c c|c c c|c c c|
//!   pixel 0  w w w                                         pixel 0  1     2
//!   pixel 1    w w w                              swapped: rows are taken for columns, so that
//!   pixel 2      w w w                              the longer side is the one that is shared
//! ```
//!
//! MATRIX can take several pixels at once as well, if they have fewer channels than the array has
//! columns: the window then covers all of theirs, and weights are zero where it isn't the pixel's
//! own. In the same way it carries out depthwise convolutions, which pays for few channels.
//!
//! Of the ways that are possible the one with the fewest estimated cycles is taken.

use systole_regs::instructions::{DEPTHWISE_STEPS_MAX, KERNEL_COLUMNS_MAX};

use super::estimate::{Duration, Estimator};
use super::graph::{Kernel, Node, Strides};
use super::{CompileError, Target};

/// Greatest value of a 16-bit field.
const FIELD_MAX: usize = u16::MAX as usize;

/// The way in which a node is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// MATRIX, else DEPTHWISE or POOL.
    pub matrix: bool,
    /// MATRIX: tiles of a window. Others: kernel columns.
    pub input_tiles: usize,
    /// MATRIX: bytes of a window row, the kernel's and more that meet weights of zero.
    pub window_bytes: usize,
    /// Input columns from pixel to pixel in shared mode; 0 in direct mode.
    pub phases: usize,
    /// Rows and columns change roles (not MATRIX).
    pub swapped: bool,
    /// Pixels that are computed together, as one of as many times the channels.
    pub pixels: usize,
}

impl Method {
    /// The cheapest way for a node between tensors with these strides.
    pub fn choose(
        node: &Node,
        input: Strides,
        output: Strides,
        target: &Target,
        estimator: &Estimator,
    ) -> Result<Method, CompileError> {
        let mut candidates = Vec::new();
        if matches!(node.kernel, Kernel::Matrix(_) | Kernel::Depthwise(_)) {
            candidates.extend(Method::matrix(node, input, output, target));
        }
        if !matches!(node.kernel, Kernel::Matrix(_)) {
            candidates.extend(Method::by_channel(node, input, output, target));
        }
        candidates
            .into_iter()
            .min_by_key(|method| {
                method
                    .duration(node, node.output.height, estimator)
                    .alone(1)
            })
            .ok_or_else(|| {
                node.refuse(format!(
                    "no instruction takes a kernel of {} x {} over rows of {} bytes",
                    node.window.height, node.window.width, input.row
                ))
            })
    }

    /// Ways of MATRIX.
    fn matrix(
        node: &Node,
        input: Strides,
        output: Strides,
        target: &Target,
    ) -> impl Iterator<Item = Method> {
        let window = &node.window;
        let channels = node.input.channels;
        let most = (target.columns / node.output.channels).max(1);
        (1..=most)
            .filter(move |&pixels| pixels == 1 || node.can_join(pixels, output))
            .map(move |pixels| {
                let columns = window.width - 1 + (pixels - 1) * window.stride_x;
                let bytes = columns * input.pixel + channels;
                let window_bytes = match window.height {
                    1 => bytes,
                    _ => window_bytes(bytes, input.row, target),
                };
                Method {
                    matrix: true,
                    input_tiles: (window.height * window_bytes).div_ceil(target.rows),
                    window_bytes,
                    phases: 0,
                    swapped: false,
                    pixels,
                }
            })
            .filter(|method| method.input_tiles.max(method.window_bytes) <= FIELD_MAX)
    }

    /// Ways of DEPTHWISE and POOL.
    fn by_channel(node: &Node, input: Strides, output: Strides, target: &Target) -> Vec<Method> {
        let mut ways = Vec::new();
        let window_x = node.window.stride_x;
        for swapped in [false, true] {
            let (rows, columns, stride) = node.sides(swapped);
            let step = if swapped { input.row } else { input.pixel };
            let reach = (node.input.height - 1) * input.row + input.pixel;
            let fits = rows <= u8::MAX.into()
                && columns <= KERNEL_COLUMNS_MAX.into()
                && step * stride.max(columns) <= FIELD_MAX
                && (!swapped || reach <= FIELD_MAX);
            if !fits {
                continue;
            }
            let weighted = matches!(node.kernel, Kernel::Depthwise(_));
            let way = |phases, pixels| Method {
                matrix: false,
                input_tiles: columns,
                window_bytes: step,
                phases,
                swapped,
                pixels,
            };
            if !weighted || rows * columns <= DEPTHWISE_STEPS_MAX {
                ways.push(way(0, 1));
                ways.extend(
                    (2..=target.rows / node.input.channels.min(target.rows))
                        .filter(|&pixels| {
                            !swapped
                                && window_x == 1
                                && input.pixel == node.input.channels
                                && node.can_join(pixels, output)
                        })
                        .map(|pixels| way(0, pixels)),
                );
            }
            let shared = target.shared_columns();
            if weighted
                && stride <= columns
                && columns <= shared * stride
                && rows * stride <= DEPTHWISE_STEPS_MAX
                && target.columns >= shared
            {
                ways.push(way(stride, 1));
            }
        }
        ways
    }

    /// Weight tiles of so many output channels, a multiple of [`Method::block`] or all.
    pub fn tiles(&self, node: &Node, channels: usize, target: &Target) -> usize {
        let blocks = (channels * self.pixels).div_ceil(self.block(target));
        blocks * self.block_tiles(node, target)
    }

    /// Output channels that share weight tiles.
    pub fn block(&self, target: &Target) -> usize {
        if self.matrix {
            target.columns
        } else {
            target.rows
        }
    }

    /// Weight tiles of one block of channels.
    pub fn block_tiles(&self, node: &Node, target: &Target) -> usize {
        match node.kernel {
            _ if self.matrix => self.input_tiles,
            Kernel::Sum | Kernel::Maximum => 0,
            _ if self.phases == 0 => self.block_steps(node).div_ceil(target.tile_steps()),
            _ => self.block_steps(node),
        }
    }

    /// Steps of one block of channels that have weights of their own, channel by channel.
    fn block_steps(&self, node: &Node) -> usize {
        let (rows, columns, _) = node.sides(self.swapped);
        rows * if self.phases == 0 {
            columns
        } else {
            self.phases
        }
    }

    /// Time for so many rows of the output and all its channels.
    pub fn duration(&self, node: &Node, rows: usize, estimator: &Estimator) -> Duration {
        self.duration_of(node, rows, node.output.channels, estimator)
    }

    /// Time for some rows and channels of the output.
    pub fn duration_of(
        &self,
        node: &Node,
        height: usize,
        channels: usize,
        estimator: &Estimator,
    ) -> Duration {
        let residual = node.residual.is_some();
        if self.matrix {
            let pixels = height * node.output.width / self.pixels;
            let channels = channels * self.pixels;
            return estimator.matrix(pixels, channels, self.input_tiles, residual);
        }
        let (kernel_rows, columns, stride) = node.sides(self.swapped);
        let (rows, width) = if self.swapped {
            (node.output.width, height)
        } else {
            (height, node.output.width / self.pixels)
        };
        let reads = if self.phases == 0 {
            width * columns
        } else {
            (width - 1) * stride + columns
        };
        let steps = match node.kernel {
            Kernel::Depthwise(_) => self.block_steps(node),
            _ => 1,
        };
        estimator.by_channel(
            channels * self.pixels,
            steps,
            rows * kernel_rows * reads,
            rows * width,
            residual,
        )
    }
}

impl Node<'_> {
    /// Kernel rows, kernel columns, and columns from pixel to pixel.
    pub fn sides(&self, swapped: bool) -> (usize, usize, usize) {
        let window = &self.window;
        if swapped {
            (window.width, window.height, window.stride_y)
        } else {
            (window.height, window.width, window.stride_x)
        }
    }

    /// Whether so many neighbouring pixels of the output can be written as one.
    fn can_join(&self, pixels: usize, output: Strides) -> bool {
        output.pixel == self.output.channels && self.output.width.is_multiple_of(pixels)
    }

    /// The error that this node can't be compiled.
    pub fn refuse(&self, reason: impl Into<String>) -> CompileError {
        CompileError::Layer {
            layer: self.label.clone(),
            reason: reason.into(),
        }
    }
}

/// The least window row of at least `bytes` that suits rows `pitch` apart: window rows have to
/// follow each other without a gap, modulo the scratchpad's word.
pub(super) fn window_bytes(bytes: usize, pitch: usize, target: &Target) -> usize {
    let word = target.word_bytes();
    let least = bytes.max(target.rows.div_ceil(4));
    least + (pitch + word - least % word) % word
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_regs::configuration::{SMALL, TINY};

    #[test]
    fn window_rows_follow_each_other_modulo_the_word() {
        for target in [Target::from(&TINY), Target::from(&SMALL)] {
            for bytes in 1..100 {
                for pitch in 100..140 {
                    let window = window_bytes(bytes, pitch, &target);
                    assert!(window >= bytes && window * 4 >= target.rows);
                    assert!(window < bytes.max(target.rows / 4) + target.word_bytes());
                    assert!(pitch.abs_diff(window).is_multiple_of(target.word_bytes()));
                }
            }
        }
    }
}
