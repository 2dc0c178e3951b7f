//! Depthwise convolution in AVX2: the bytes of up to four neighbours in a row of the kernel are put
//! beside each other, and then multiplied as those of any other position.

use std::arch::x86_64::*;

use super::{PARTS, Pairs, add_pairs, widen};
use crate::cpu::depthwise::Depthwise;
use crate::cpu::finish::put;
use crate::cpu::kernel::{CHANNELS, GROUP, Sweep, Weights};

/// See [`Kernel::depthwise`](crate::cpu::kernel::Kernel::depthwise).
///
/// # Safety
/// From each start, the sweep's rows and [`SLACK`](crate::cpu::kernel::SLACK) bytes are inside the
/// image; each block has as many weights as the sweep has groups.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn depthwise(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    let sweep = layer.sweep;
    let weights = layer.weights.chunks_exact(sweep.groups());
    for (index, (block, weights)) in layer.blocks.iter().zip(weights).enumerate() {
        let first = index * CHANNELS;
        let some = CHANNELS.min(sweep.channels - first);
        let outputs = output.chunks_exact_mut(sweep.channels);
        for (&start, output) in layer.border.starts.iter().zip(outputs) {
            // SAFETY: the caller vouches for all bounds.
            let sums = unsafe { sums(image, start + first, sweep, weights) };
            let bytes = block.finish(&add_pairs(sums), layer.range);
            put(&bytes, &mut output[first..first + some]);
        }
    }
}

/// Sums of 16 channels that begin at `start`.
///
/// # Safety
/// As [`depthwise`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums(image: &[u8], start: usize, sweep: Sweep, weights: &[Weights]) -> Pairs {
    let mut sums = [_mm256_setzero_si256(); PARTS];
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
                    let values = _mm256_cvtepu8_epi16(inputs[part]);
                    // Two products are at most 2 * 255 * 128: 32 bits hold many of them.
                    let products = _mm256_madd_epi16(widen(weights, part), values);
                    sums[part] = _mm256_add_epi32(sums[part], products);
                }
            }
            column += GROUP;
        }
    }
    sums
}

/// 16 channels of each of up to four neighbours, four channels a vector; those that are not `inside`
/// the kernel's row are zero.
///
/// # Safety
/// From `from` on, 16 bytes are readable at each neighbour that is inside.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn gather(from: *const u8, neighbour: usize, inside: usize) -> [__m128i; PARTS] {
    let load = |index: usize| match index < inside {
        // SAFETY: the caller vouches for the neighbours that are inside.
        true => unsafe { _mm_loadu_si128(from.add(index * neighbour).cast()) },
        false => _mm_setzero_si128(),
    };
    let [a, b, c, d] = [load(0), load(1), load(2), load(3)];
    let (ab, cd) = (_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d));
    let (ab_high, cd_high) = (_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d));
    [
        _mm_unpacklo_epi16(ab, cd),
        _mm_unpackhi_epi16(ab, cd),
        _mm_unpacklo_epi16(ab_high, cd_high),
        _mm_unpackhi_epi16(ab_high, cd_high),
    ]
}
