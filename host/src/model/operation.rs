//! What layers compute, to the bit.
//!
//! ```text
//!  image [h, w, c]                    sum over ky, kx, i          image [h', w', c']
//!  +-----------+     window           + bias[o]                   +---------+
//!  |  +---+    |  at (oy * stride_y   --> scale, round, + zero    |    .    |
//!  |  |   |    |      - pad_top, ..)      point, clamp        --> | (oy,ox) |
//!  |  +---+    |                                                  |         |
//!  +-----------+                                                  +---------+
//! ```
//!
//! Images are `[height, width, channels]` in row-major order, vectors are `[n]`. Sums wrap in 32
//! bits. The arithmetic of each operation is that of TensorFlow Lite's reference kernels; ONNX
//! networks are expressed in it.

use super::{Rounding, Scale};

/// What a layer computes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Fully-connected (dense) layer.
    FullyConnected(FullyConnected),
    /// Convolution of an image over all of its channels.
    Convolution(Convolution),
    /// Convolution of each channel of an image by itself.
    Depthwise(Depthwise),
    /// Sum of two tensors of one shape.
    Add(Add),
    /// Product of two tensors, or of a tensor and constants.
    Multiply(Multiply),
    /// Average or maximum over windows of an image, channel by channel.
    Pool(Pool),
    /// Exponentials of the last dimension, normalized to a sum of 1.
    Softmax(Softmax),
    /// The same values in the same order, in another shape.
    Reshape,
    /// Tensors one behind the other along a dimension.
    Concatenate(Concatenate),
    /// A larger tensor, filled with its zero point around the input.
    Pad(Pad),
}

/// Fully-connected layer. For each output channel `o` of a row `x`:
/// `clamp(output zero point + scale(bias[o] + sum over i of weights[o][i] * (x[i] - input zero point)))`,
/// with wrapping 32-bit sums. The shapes of input and output don't matter, only their lengths do.
#[derive(Clone, Debug, PartialEq)]
pub struct FullyConnected {
    /// Values of an input row.
    pub input_channels: usize,
    /// Values of an output row.
    pub output_channels: usize,
    /// Weights, `[output][input]`, with zero point 0.
    pub weights: Vec<i8>,
    /// One per output channel, as in the file: the input zero point is not folded in.
    pub bias: Vec<i32>,
    /// One per output channel.
    pub scales: Vec<Scale>,
    /// How the scale rounds.
    pub rounding: Rounding,
    /// Least output value.
    pub clamp_minimum: i8,
    /// Greatest output value.
    pub clamp_maximum: i8,
}

/// Where the windows of a convolution or a pooling lie: that of output `(y, x)` covers `height` x
/// `width` input values from `(y * stride_y - pad_top, x * stride_x - pad_left)`. How far it
/// reaches beyond the bottom and the right follows from the output's shape. There is no dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows of the kernel.
    pub height: usize,
    /// Columns of the kernel.
    pub width: usize,
    /// Input rows from one output row to the next.
    pub stride_y: usize,
    /// Input columns from one output column to the next.
    pub stride_x: usize,
    /// Rows of padding above the image, fewer than `height`.
    pub pad_top: usize,
    /// Columns of padding left of the image, fewer than `width`.
    pub pad_left: usize,
}

impl Window {
    /// One value by itself.
    pub const POINT: Window = Window {
        height: 1,
        width: 1,
        stride_y: 1,
        stride_x: 1,
        pad_top: 0,
        pad_left: 0,
    };

    /// Positions of the kernel.
    pub fn area(&self) -> usize {
        self.height * self.width
    }

    /// Input rows that output row `y` covers, of an image with this many rows.
    pub(crate) fn rows(&self, y: usize, height: usize) -> std::ops::Range<usize> {
        covered(y * self.stride_y, self.pad_top, self.height, height)
    }

    /// Input columns that output column `x` covers, of an image with this many columns.
    pub(crate) fn columns(&self, x: usize, width: usize) -> std::ops::Range<usize> {
        covered(x * self.stride_x, self.pad_left, self.width, width)
    }
}

/// The part of a window's range that lies inside the image.
fn covered(start: usize, pad: usize, kernel: usize, size: usize) -> std::ops::Range<usize> {
    let end = (start + kernel).saturating_sub(pad).min(size);
    start.saturating_sub(pad).min(end)..end
}

/// Convolution. For each position `(y, x)` and output channel `o`:
/// `clamp(output zero point + scale(bias[o] + sum over ky, kx, i of weights[o][ky][kx][i] *
/// (input[y * stride_y - pad_top + ky][x * stride_x - pad_left + kx][i] - input zero point)))`,
/// where what lies outside the image counts as its zero point.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Kernel, strides and padding.
    pub window: Window,
    /// Channels of the input image.
    pub input_channels: usize,
    /// Channels of the output image.
    pub output_channels: usize,
    /// Weights, `[output][ky][kx][input]`, with zero point 0.
    pub weights: Vec<i8>,
    /// One per output channel, as in the file: the input zero point is not folded in.
    pub bias: Vec<i32>,
    /// One per output channel.
    pub scales: Vec<Scale>,
    /// How the scale rounds.
    pub rounding: Rounding,
    /// Least output value.
    pub clamp_minimum: i8,
    /// Greatest output value.
    pub clamp_maximum: i8,
}

/// Depthwise convolution: as [`Convolution`], but output channel `c` sums over channel `c` of the
/// input only. There are as many output channels as input channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// Kernel, strides and padding.
    pub window: Window,
    /// Channels of the input and of the output image.
    pub channels: usize,
    /// Weights, `[ky][kx][channel]`, with zero point 0.
    pub weights: Vec<i8>,
    /// One per channel, as in the file: the input zero point is not folded in.
    pub bias: Vec<i32>,
    /// One per channel.
    pub scales: Vec<Scale>,
    /// How the scale rounds.
    pub rounding: Rounding,
    /// Least output value.
    pub clamp_minimum: i8,
    /// Greatest output value.
    pub clamp_maximum: i8,
}

/// Sum of two tensors with as many values. With `round` the double rounding
/// ([`Rounding::Double`]):
/// `clamp(output zero point + round(output, round(left, (l - left zero point) << left_shift) +
/// round(right, (r - right zero point) << left_shift)))`.
///
/// This is TFLite's reference `ADD`. Its scales are below 1: none has a positive shift.
#[derive(Clone, Debug, PartialEq)]
pub struct Add {
    /// Bits that the inputs gain before they are scaled, at most 20.
    pub left_shift: u8,
    /// Scale of the first input.
    pub left: Scale,
    /// Scale of the second input.
    pub right: Scale,
    /// Scale of the sum.
    pub output: Scale,
    /// Least output value.
    pub clamp_minimum: i8,
    /// Greatest output value.
    pub clamp_maximum: i8,
}

impl Add {
    /// The sum of tensors with these scales, with the multipliers of TFLite's kernel: both inputs
    /// are brought to twice the greater of their scales. Its clamp is the whole range.
    ///
    /// `None` if a scale is not in range.
    pub fn from_scales(left: f64, right: f64, output: f64, left_shift: u8) -> Option<Add> {
        let twice = 2.0 * left.max(right);
        let unit = (1_u64 << left_shift.min(63)) as f64;
        let below_one = |real| Scale::from_real(real).filter(|scale| scale.shift <= 0);
        Some(Add {
            left_shift,
            left: below_one(left / twice)?,
            right: below_one(right / twice)?,
            output: below_one(twice / (unit * output))?,
            clamp_minimum: i8::MIN,
            clamp_maximum: i8::MAX,
        })
    }
}

/// Product of a tensor and something else, value by value:
/// `clamp(output zero point + scale((l - left zero point) * factor))`, where a factor that is a
/// tensor is `r - right zero point`.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiply {
    /// What the first input is multiplied by. It has as many values as the input, or one for each
    /// index of the input's last dimension (its channels), or one.
    pub factor: Factor,
    /// Scale of the product.
    pub scale: Scale,
    /// How the scale rounds.
    pub rounding: Rounding,
    /// Least output value.
    pub clamp_minimum: i8,
    /// Greatest output value.
    pub clamp_maximum: i8,
}

/// The second factor of a [`Multiply`].
#[derive(Clone, Debug, PartialEq)]
pub enum Factor {
    /// The layer's second input.
    Tensor,
    /// Constants, their zero point already subtracted: -255 to 255.
    Constant(Vec<i16>),
}

/// Pooling over the part of each window that lies inside the image, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What is computed over a window.
    pub kind: PoolKind,
    /// Kernel, strides and padding.
    pub window: Window,
    /// How the result becomes the output. `None` if input and output have the same scale and zero
    /// point, so that integers are averaged or compared as they are.
    pub requantization: Option<Requantization>,
    /// Least output value.
    pub clamp_minimum: i8,
    /// Greatest output value.
    pub clamp_maximum: i8,
}

/// What a [`Pool`] computes over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Without requantization: `sum of x / number of x`, rounded to nearest, ties away from zero
    /// (TFLite's `AVERAGE_POOL_2D`). With requantization:
    /// `output zero point + scale(sum of (x - input zero point))`: the division is in the scale,
    /// also where a window is partly outside (TFLite's `MEAN`).
    Average,
    /// Without requantization: `maximum of x`. With requantization:
    /// `output zero point + scale(maximum of x - input zero point)`.
    Maximum,
}

/// From an integer with zero point 0 to the output's quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantization {
    /// Factor.
    pub scale: Scale,
    /// How it rounds.
    pub rounding: Rounding,
}

/// Softmax over the last dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Softmax {
    /// TFLite's reference kernel, in fixed point. The output has scale 1/256 and zero point -128.
    Fixed {
        /// Multiplier of the differences to the maximum, with 31 fractional bits.
        multiplier: i32,
        /// Bits that the differences gain before that: input scale * beta * 2^26 =
        /// multiplier * 2^(left_shift - 31). At most 22, so that no difference overflows.
        left_shift: u8,
        /// Lower differences count as an exponential of zero. Negative or zero.
        difference_minimum: i32,
    },
    /// ONNX's: computed in floats from what the input's integers stand for, then quantized.
    Float,
}

/// Concatenation.
#[derive(Clone, Debug, PartialEq)]
pub struct Concatenate {
    /// Dimension of a row along which the inputs lie one behind the other.
    pub axis: usize,
    /// One per input, `None` if its quantization is the output's:
    /// `saturate(output zero point + scale(x - input zero point))`.
    pub requantizations: Vec<Option<Requantization>>,
}

/// Padding with the zero point, which is the same for input and output.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Values in front of the input, for each dimension; those behind follow from the output's
    /// shape.
    pub before: Vec<usize>,
}

impl Operation {
    /// What kind of layer it is, for messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Operation::FullyConnected(_) => "fully-connected",
            Operation::Convolution(_) => "convolution",
            Operation::Depthwise(_) => "depthwise convolution",
            Operation::Add(_) => "add",
            Operation::Multiply(_) => "multiply",
            Operation::Pool(Pool {
                kind: PoolKind::Average,
                ..
            }) => "average pooling",
            Operation::Pool(Pool {
                kind: PoolKind::Maximum,
                ..
            }) => "maximum pooling",
            Operation::Softmax(_) => "softmax",
            Operation::Reshape => "reshape",
            Operation::Concatenate(_) => "concatenate",
            Operation::Pad(_) => "pad",
        }
    }

    /// Products of weights and activations that each output value sums.
    pub(crate) fn products(&self) -> u64 {
        match self {
            Operation::FullyConnected(dense) => dense.input_channels as u64,
            Operation::Convolution(convolution) => {
                let area = convolution.window.area() as u64;
                area.saturating_mul(convolution.input_channels as u64)
            }
            Operation::Depthwise(depthwise) => depthwise.window.area() as u64,
            _ => 0,
        }
    }
}
