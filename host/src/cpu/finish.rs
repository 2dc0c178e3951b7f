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
    /// The same for sums that are [`SMALL`]; of the channels with even and with odd numbers.
    SmallSingle {
        half: [[i64; CHANNELS / 2]; 2],
        right: [[i64; CHANNELS / 2]; 2],
    },
    /// Shift to the left before the multiplication, and to the right after it.
    Double(Sums, Sums),
    /// The same for sums that are [`SMALL`].
    SmallDouble {
        left: Sums,
        /// Half of what is shifted out.
        half: Sums,
        /// Whether anything is shifted out, as a mask.
        any: Sums,
        right: Sums,
    },
}

/// Sums are small if they stay below this when they have been shifted to the left: no step after that
/// needs more than 32 bits for a result.
const SMALL: u64 = 1 << 30;

/// An output channel: how its sums are finished, and how great they can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    bias: i32,
    scale: Scale,
    /// Greatest magnitude of a sum with its bias.
    bound: u64,
}

impl Channel {
    /// A channel with these weights, of inputs with a zero point, which is a byte.
    pub(super) fn new<'w>(
        bias: i32,
        scale: Scale,
        weights: impl Iterator<Item = &'w i8>,
        zero_point: i32,
    ) -> Channel {
        let (mut sum, mut magnitude) = (0_i32, 0_u64);
        for &weight in weights {
            sum = sum.wrapping_add(weight.into());
            magnitude += u64::from(weight.unsigned_abs());
        }
        Channel {
            // The zero point's products are constant.
            bias: bias.wrapping_sub(sum.wrapping_mul(zero_point)),
            scale,
            bound: u64::from(bias.unsigned_abs()) + magnitude * 255,
        }
    }

    fn is_small(&self) -> bool {
        self.bound << self.scale.shift.max(0) < SMALL
    }
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
    /// Up to [`CHANNELS`] channels. What the others give is of no use.
    pub(super) fn new(channels: &[Channel], rounding: Rounding) -> Block {
        let nothing = Channel {
            bias: 0,
            scale: Scale {
                multiplier: 0,
                shift: 0,
            },
            bound: 0,
        };
        let channel = |index: usize| *channels.get(index).unwrap_or(&nothing);
        let each = |value: &dyn Fn(Scale) -> i32| -> Sums {
            std::array::from_fn(|index| value(channel(index).scale))
        };
        let small = channels.iter().all(Channel::is_small);
        let left = |scale: Scale| scale.shift.max(0).into();
        let right = |scale: Scale| (-scale.shift.min(0)).into();
        let all = |index: usize| 31 - i64::from(channel(index).scale.shift);
        // Even ones, then odd ones.
        let turns = |value: &dyn Fn(i64) -> i64| {
            [0, 1].map(|odd| std::array::from_fn(|index| value(all(index * 2 + odd))))
        };
        Block {
            bias: std::array::from_fn(|index| channel(index).bias),
            multiplier: each(&|scale| scale.multiplier),
            shifts: match (rounding, small) {
                (Rounding::Single, true) => Shifts::SmallSingle {
                    half: turns(&|shift| 1 << (shift - 1)),
                    right: turns(&|shift| shift),
                },
                (Rounding::Single, false) => Shifts::Single(
                    std::array::from_fn(|index| 1 << (all(index) - 1)),
                    std::array::from_fn(all),
                ),
                (Rounding::Double, true) => Shifts::SmallDouble {
                    left: each(&left),
                    half: each(&|scale| ((1_u32 << -scale.shift.min(0)) >> 1) as i32),
                    any: each(&|scale| -i32::from(scale.shift < 0)),
                    right: each(&right),
                },
                (Rounding::Double, false) => Shifts::Double(each(&left), each(&right)),
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
            Shifts::SmallSingle { half, right } => {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let product = i64::from(biased[index]) * i64::from(self.multiplier[index]);
                    let (half, right) = (half[index % 2], right[index % 2]);
                    *byte = range.finish((product + half[index / 2]) >> right[index / 2]);
                }
            }
            Shifts::SmallDouble {
                left,
                half,
                any,
                right,
            } => {
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let shifted = biased[index].wrapping_shl(left[index] as u32);
                    let high = Scale::double_high(shifted, self.multiplier[index]);
                    // Ties away from zero: less than half for what is negative.
                    let nudge = half[index].wrapping_add((high >> 31) & any[index]);
                    *byte = range.finish_short(high.wrapping_add(nudge) >> right[index]);
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
