//! AVX2: bytes widened to 16 bits, whose products never saturate.

mod depthwise;
mod finish;
mod pairs;
mod positions;

use std::arch::x86_64::*;

use super::{CHANNELS, GROUP, Runs, Sums, Weights};
use crate::cpu::depthwise::Depthwise;
use crate::cpu::matrix::Matrix;
pub(crate) use depthwise::TapPairs;
use finish::Ordered;
pub(crate) use pairs::PairWeights;
pub(super) use positions::WIDENED;

/// Proof that the processor has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detected(());

/// Vectors of a block's widened weights, and of its sums: 4 channels each, two sums for a channel.
const PARTS: usize = 4;

impl Detected {
    pub(super) fn new() -> Option<Detected> {
        is_x86_feature_detected!("avx2").then_some(Detected(()))
    }

    /// See [`Kernel::sums`](super::Kernel::sums), which has checked the bounds.
    #[inline]
    pub(super) fn sums<const N: usize, const B: usize>(
        self,
        image: &[u8],
        starts: [usize; N],
        runs: Runs,
        blocks: [&[Weights]; B],
    ) -> [[Sums; B]; N] {
        // SAFETY: a `Detected` exists only if the processor has AVX2; every position is inside the
        // image, and every block has the weights that the runs need, as the caller has checked.
        unsafe { sums(image, starts, runs, blocks) }
    }

    /// See [`Kernel::positions`](super::Kernel::positions), which has checked the bounds.
    #[inline]
    pub(super) fn positions(
        self,
        matrix: &Matrix,
        image: &[u8],
        starts: &[usize],
        output: &mut [u8],
        stride: usize,
    ) {
        // SAFETY: a `Detected` exists only if the processor has AVX2; the caller has checked the bounds.
        unsafe { positions::positions(matrix, image, starts, output, stride) }
    }

    /// See [`Kernel::depthwise`](super::Kernel::depthwise), which has checked the bounds.
    #[inline]
    pub(super) fn depthwise(self, layer: &Depthwise, image: &[u8], output: &mut [u8]) {
        // SAFETY: a `Detected` exists only if the processor has AVX2; the caller has checked the bounds.
        unsafe { depthwise::depthwise(layer, image, output) }
    }

    /// See [`Kernel::compile`](super::Kernel::compile).
    #[inline]
    pub(super) fn compile<R>(self, loops: impl FnOnce() -> R) -> R {
        // SAFETY: a `Detected` exists only if the processor has AVX2.
        unsafe { compile(loops) }
    }
}

#[target_feature(enable = "avx2")]
fn compile<R>(loops: impl FnOnce() -> R) -> R {
    loops()
}

/// # Safety
/// Each of `starts` and the runs from there are inside `image`; each block has as many weights as
/// the runs have groups.
#[target_feature(enable = "avx2")]
unsafe fn sums<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[Sums; B]; N] {
    let mut stored = [[[0; CHANNELS]; B]; N];
    for (b, weights) in blocks.iter().enumerate() {
        for (n, &start) in starts.iter().enumerate() {
            // SAFETY: the caller vouches for all bounds.
            stored[n][b] = finish::store(unsafe { accumulate(image, start, runs, weights) });
        }
    }
    stored
}

/// Sums of one position and one block.
///
/// # Safety
/// As [`sums`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn accumulate(image: &[u8], start: usize, runs: Runs, weights: &[Weights]) -> Ordered {
    let mut sums = [_mm256_setzero_si256(); PARTS];
    for (run, weights) in weights.chunks_exact(runs.groups).enumerate() {
        for (group, weights) in weights.iter().enumerate() {
            let offset = start + run * runs.stride + group * GROUP;
            // SAFETY: the group is inside the runs from `start`, which are inside the image.
            let input = unsafe { load_group(image, offset) };
            for (part, sums) in sums.iter_mut().enumerate() {
                // Two products are at most 2 * 255 * 128: 32 bits hold many of them.
                let products = _mm256_madd_epi16(widen(weights, part), input);
                *sums = _mm256_add_epi32(*sums, products);
            }
        }
    }
    in_order(sums)
}

/// Four inputs as 16-bit integers, again and again.
///
/// # Safety
/// From `offset` on, there are four bytes in the image.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_group(image: &[u8], offset: usize) -> __m256i {
    // SAFETY: the caller vouches for the offset.
    let bytes = unsafe { image.as_ptr().add(offset) };
    // SAFETY: the caller vouches for the four bytes; the read needs no alignment.
    let bytes = unsafe { bytes.cast::<i32>().read_unaligned() };
    _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes))
}

/// A block's sums of four channels a vector, two for each.
type Pairs = [__m256i; PARTS];

/// Adds the two sums of each channel.
#[inline]
#[target_feature(enable = "avx2")]
fn in_order(sums: Pairs) -> Ordered {
    // Channels 0 1 4 5 | 2 3 6 7, then in order.
    let low = _mm256_hadd_epi32(sums[0], sums[1]);
    let high = _mm256_hadd_epi32(sums[2], sums[3]);
    [
        _mm256_permute4x64_epi64::<0b11_01_10_00>(low),
        _mm256_permute4x64_epi64::<0b11_01_10_00>(high),
    ]
}

/// The weights of 4 channels as 16-bit integers.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(weights: &Weights, part: usize) -> __m256i {
    let channels: &[[i8; GROUP]] = &weights.0[part * 4..][..4];
    // SAFETY: the slice covers the 16 bytes that are read; the load needs no alignment.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(channels.as_ptr().cast()) })
}
