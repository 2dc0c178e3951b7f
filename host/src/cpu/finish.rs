//! What happens to a block's sums: bias, scale, rounding, zero point, clamp; exactly as
//! [`Scale::apply`] does it, in loops that compile to vectors.

use super::kernel::{CHANNELS, OFFSET, Sums};
use crate::model::{Rounding, Scale, Tensor};

/// Zero point and clamp of a layer's output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The zero point as a byte.
    pub(super) zero_point: i32,
    /// Clamp of what has no zero point yet.
    pub(super) low: i32,
    /// The other end.
    pub(super) high: i32,
}

impl Range {
    pub(super) fn new(output: &Tensor, minimum: i8, maximum: i8) -> Range {
        let zero_point = i32::from(output.zero_point);
        Range {
            zero_point: zero_point + OFFSET,
            low: i32::from(minimum) - zero_point,
            high: i32::from(maximum) - zero_point,
        }
    }

    /// A scaled integer as an output byte.
    #[inline(always)]
    pub(super) fn finish(self, scaled: i64) -> u8 {
        let clamped = scaled.clamp(self.low.into(), self.high.into()) as i32;
        (clamped + self.zero_point) as u8
    }

    /// The same for one that 32 bits hold.
    #[inline(always)]
    pub(super) fn finish_short(self, scaled: i32) -> u8 {
        (scaled.clamp(self.low, self.high) + self.zero_point) as u8
    }
}

/// Biases and scales of a block of channels, in the form of its rounding.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) bias: Sums,
    pub(super) multiplier: Sums,
    pub(super) shifts: Shifts,
}

/// Shifts of a block of channels.
#[derive(Clone, Debug)]
pub(super) enum Shifts {
    /// What is added before the shift to the right, and the shift.
    Single([i64; CHANNELS], [i64; CHANNELS]),
    /// Shift to the left before the multiplication, and to the right after it.
    Double(Sums, Sums),
    /// The same where no result within the clamp needs more than 30 bits before the shift to the right.
    Short {
        left: Sums,
        /// Half of what is shifted out.
        half: Sums,
        /// Whether anything is shifted out, as a mask.
        any: Sums,
        right: Sums,
    },
}

/// Greatest shift with which 2^30 is still beyond every clamp.
const SHORT_MAX: i8 = 21;

/// What [`Shifts::Short`] is clamped to before its shift.
pub(super) const SHORT_LIMIT: i32 = 1 << 30;

/// Whether [`Shifts::Short`] can stand for these.
fn is_short(channels: &[(i32, Scale)]) -> bool {
    let mut shifts = channels.iter().map(|(_, scale)| scale.shift);
    shifts.all(|shift| shift >= -SHORT_MAX)
}

/// Writes the bytes that there is room for.
#[inline(always)]
pub(super) fn put(bytes: &[u8; CHANNELS], output: &mut [u8]) {
    if let Some(whole) = output.first_chunk_mut() {
        *whole = *bytes;
        return;
    }
    // Halves of halves: each a move, where one for any length is a call.
    let mut rest = (&bytes[..output.len()], output);
    rest = put_part::<8>(rest);
    rest = put_part::<4>(rest);
    rest = put_part::<2>(rest);
    put_part::<1>(rest);
}

/// Moves `N` bytes if there are as many; what is left.
#[inline(always)]
fn put_part<'b, const N: usize>(
    (bytes, output): (&'b [u8], &'b mut [u8]),
) -> (&'b [u8], &'b mut [u8]) {
    match (bytes.split_first_chunk::<N>(), output.len() >= N) {
        (Some((now, bytes)), true) => {
            let (place, output) = output.split_at_mut(N);
            place.copy_from_slice(now);
            (bytes, output)
        }
        _ => (bytes, output),
    }
}

impl Block {
    /// Up to [`CHANNELS`] channels: bias, with all that is constant in it, and scale. The others give
    /// the zero point.
    pub(super) fn new(channels: &[(i32, Scale)], rounding: Rounding) -> Block {
        let nothing = (
            0,
            Scale {
                multiplier: 0,
                shift: 0,
            },
        );
        let channel = |index: usize| *channels.get(index).unwrap_or(&nothing);
        let each = |value: &dyn Fn(Scale) -> i32| -> Sums {
            std::array::from_fn(|index| value(channel(index).1))
        };
        let right = |scale: Scale| 31 - i64::from(scale.shift);
        Block {
            bias: std::array::from_fn(|index| channel(index).0),
            multiplier: each(&|scale| scale.multiplier),
            shifts: match rounding {
                Rounding::Single => Shifts::Single(
                    std::array::from_fn(|index| 1 << (right(channel(index).1) - 1)),
                    std::array::from_fn(|index| right(channel(index).1)),
                ),
                Rounding::Double if is_short(channels) => Shifts::Short {
                    left: each(&|scale| scale.shift.max(0).into()),
                    half: each(&|scale| (1 << -scale.shift.min(0)) >> 1),
                    any: each(&|scale| -i32::from(scale.shift < 0)),
                    right: each(&|scale| (-scale.shift.min(0)).into()),
                },
                Rounding::Double => Shifts::Double(
                    each(&|scale| scale.shift.max(0).into()),
                    each(&|scale| -i32::from(scale.shift.min(0))),
                ),
            },
        }
    }

    /// Output bytes of sums.
    #[inline(always)]
    pub(super) fn finish(&self, sums: &Sums, range: Range) -> [u8; CHANNELS] {
        let mut biased = [0; CHANNELS];
        for (index, biased) in biased.iter_mut().enumerate() {
            *biased = sums[index].wrapping_add(self.bias[index]);
        }
        let mut bytes = [0; CHANNELS];
        match &self.shifts {
            Shifts::Single(half, shift) => {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let product = i64::from(biased[index]) * i64::from(self.multiplier[index]);
                    *byte = range.finish((product + half[index]) >> shift[index]);
                }
            }
            Shifts::Short {
                left,
                half,
                any,
                right,
            } => {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let shifted = biased[index].wrapping_shl(left[index] as u32);
                    let high = Scale::double_high(shifted, self.multiplier[index]);
                    let high = high.clamp(-SHORT_LIMIT, SHORT_LIMIT);
                    // Ties away from zero: less than half for what is negative.
                    let nudge = half[index] + ((high >> 31) & any[index]);
                    *byte = range.finish_short((high + nudge) >> right[index]);
                }
            }
            Shifts::Double(left, right) => {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let shifted = biased[index].wrapping_shl(left[index] as u32);
                    let high = Scale::double_high(shifted, self.multiplier[index]);
                    *byte = range.finish_short(Scale::divide_by_power(high, right[index] as u32));
                }
            }
        }
        bytes
    }
}
