//! Depthwise convolution in NEON: the bytes of up to four neighbours in a row of the kernel are put
//! beside each other, and then multiplied as those of any other position.

use std::arch::aarch64::*;

use super::dot::{self, Dot, Mixed, Signed};
use super::{PARTS, finish, load_weights};
use crate::cpu::depthwise::Depthwise;
use crate::cpu::finish::put;
use crate::cpu::kernel::{CHANNELS, GROUP, Sums, Sweep, Weights};

/// # Safety
/// As [`all`]; the processor has `dotprod`.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn signed(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    // SAFETY: the caller vouches for all of it.
    unsafe { all::<Signed>(layer, image, output) }
}

/// # Safety
/// As [`all`]; the processor has `i8mm`.
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn mixed(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    // SAFETY: the caller vouches for all of it.
    unsafe { all::<Mixed>(layer, image, output) }
}

/// See [`Kernel::depthwise`](crate::cpu::kernel::Kernel::depthwise).
///
/// # Safety
/// From each start, the sweep's rows and [`SLACK`](crate::cpu::kernel::SLACK) bytes are inside the
/// image; each block has as many weights as the sweep has groups; the processor has the instructions
/// of `D`.
#[inline(always)]
pub(super) unsafe fn all<D: Dot>(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    let sweep = layer.sweep;
    let weights = layer.weights.chunks_exact(sweep.groups());
    for (index, (block, weights)) in layer.blocks.iter().zip(weights).enumerate() {
        let first = index * CHANNELS;
        let some = CHANNELS.min(sweep.channels - first);
        let outputs = output.chunks_exact_mut(sweep.channels);
        for (&start, output) in layer.border.starts.iter().zip(outputs) {
            // SAFETY: the caller vouches for all of it.
            let sums = unsafe { sums::<D>(image, start + first, sweep, weights) };
            put(
                &block.finish(&sums, layer.range),
                &mut output[first..first + some],
            );
        }
    }
}

/// Sums of 16 channels that begin at `start`.
///
/// # Safety
/// As [`all`].
#[inline(always)]
unsafe fn sums<D: Dot>(image: &[u8], start: usize, sweep: Sweep, weights: &[Weights]) -> Sums {
    let mut sums = [D::ZERO; PARTS];
    let mut totals = [dot::ZERO; PARTS];
    let mut weights = weights.iter();
    for row in 0..sweep.height {
        let mut column = 0;
        while column < sweep.width {
            let offset = start + row * sweep.row + column * sweep.neighbour;
            // SAFETY: the offset is inside the sweep, which is inside the image; what is loaded beyond
            // it is within the slack.
            let inputs = unsafe {
                let from = image.as_ptr().add(offset);
                gather(from, sweep.neighbour, sweep.width - column)
            };
            if let Some(weights) = weights.next() {
                for part in 0..PARTS {
                    let weights = load_weights(weights, part);
                    // SAFETY: the caller vouches for the instructions.
                    unsafe {
                        totals[part] = D::total(totals[part], weights);
                        sums[part] = D::add(sums[part], D::input(inputs[part]), weights);
                    }
                }
            }
            column += GROUP;
        }
    }
    finish::<D>(&sums, &totals)
}

/// 16 channels of each of up to four neighbours, four channels a vector; those that are not `inside`
/// the kernel's row are zero, as their weights are.
///
/// # Safety
/// From `from` on, 16 bytes are readable at each neighbour that is inside.
#[inline(always)]
unsafe fn gather(from: *const u8, neighbour: usize, inside: usize) -> [uint8x16_t; PARTS] {
    let load = |index: usize| match index < inside {
        // SAFETY: the caller vouches for the neighbours that are inside.
        true => unsafe { vld1q_u8(from.add(index * neighbour)) },
        // SAFETY: every aarch64 has NEON.
        false => unsafe { vdupq_n_u8(0) },
    };
    let [a, b, c, d] = [load(0), load(1), load(2), load(3)];
    // SAFETY: every aarch64 has NEON.
    unsafe {
        let pairs = |low: bool, left, right| {
            vreinterpretq_u16_u8(match low {
                true => vzip1q_u8(left, right),
                false => vzip2q_u8(left, right),
            })
        };
        let (ab, cd) = (pairs(true, a, b), pairs(true, c, d));
        let (ab_high, cd_high) = (pairs(false, a, b), pairs(false, c, d));
        [
            vreinterpretq_u8_u16(vzip1q_u16(ab, cd)),
            vreinterpretq_u8_u16(vzip2q_u16(ab, cd)),
            vreinterpretq_u8_u16(vzip1q_u16(ab_high, cd_high)),
            vreinterpretq_u8_u16(vzip2q_u16(ab_high, cd_high)),
        ]
    }
}
