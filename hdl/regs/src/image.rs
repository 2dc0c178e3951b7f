//! Layout of a model image in host memory, as `LoadEntry` reads it.
//!
//! ```text
//!  image_address
//!  | program_count x 64 bytes   | parameter_count x 16 bytes | weight_count x R x C bytes |
//!  | instructions               | parameters                 | weight tiles               |
//! ```
//!
//! Sections follow each other without gaps; each is a multiple of 8 bytes long. A weight tile is
//! stored row by row: byte `r * C + c` is the weight from input channel `r` to output channel `c`.

use crate::layout::layout;

layout! {
    /// Requantization of one output channel. With the accumulator `a` (wrapping 32-bit sums),
    /// the output is `clamp(scale(a + bias) + zero point)`; see `instructions::rounding` for
    /// `scale`, and the instruction for zero point and clamp.
    pub struct Parameter : 16 {
        /// Added to the accumulator (wrapping). Input zero points are folded into it:
        /// bias - zero_point * sum of the channel's weights.
        bias: i32,
        /// Multiplier, a fixed-point number with 31 fractional bits; 0 to 2^31 - 1.
        multiplier: i32,
        /// Power of two of the scale, -31 to 30: above zero shifts left, below zero right.
        shift: i8,
        /// Must be zero.
        reserved: [u8; 7],
    }
}
