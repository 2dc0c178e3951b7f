//! AVX2: bytes widened to 16 bits, whose products never saturate.

mod depthwise;

use std::arch::x86_64::*;

use super::{CHANNELS, GROUP, Runs, Sums, Weights};
use crate::cpu::depthwise::Depthwise;

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
        let mut results = [[[0; CHANNELS]; B]; N];
        // Two positions and a block are what the registers hold.
        for (starts, results) in starts.chunks(2).zip(results.chunks_mut(2)) {
            for (block, weights) in blocks.iter().enumerate() {
                // SAFETY: a `Detected` exists only if the processor has AVX2; every position is inside
                // the image, and every block has the weights that the runs need, as the caller has
                // checked.
                unsafe {
                    match (starts, &mut *results) {
                        (&[left, right], [first, second]) => {
                            [first[block], second[block]] =
                                sums(image, [left, right], runs, weights);
                        }
                        (&[start], [only]) => {
                            [only[block]] = sums(image, [start], runs, weights);
                        }
                        _ => {}
                    }
                }
            }
        }
        results
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
/// Each of `starts` and the runs from there are inside `image`; there are as many weights as the
/// runs have groups.
#[target_feature(enable = "avx2")]
unsafe fn sums<const N: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    weights: &[Weights],
) -> [Sums; N] {
    let mut sums = [[_mm256_setzero_si256(); PARTS]; N];
    for run in 0..runs.count {
        for group in 0..runs.groups {
            let offset = run * runs.stride + group * GROUP;
            let mut inputs = [_mm256_setzero_si256(); N];
            for n in 0..N {
                // SAFETY: the group is inside the runs from `starts[n]`, which are inside the image.
                let input = unsafe { image.as_ptr().add(starts[n] + offset) };
                // SAFETY: so are its four bytes; the read needs no alignment.
                let input = unsafe { input.cast::<i32>().read_unaligned() };
                inputs[n] = _mm256_cvtepu8_epi16(_mm_set1_epi32(input));
            }
            // SAFETY: the index is below the number of weights.
            let weights = unsafe { weights.get_unchecked(run * runs.groups + group) };
            for part in 0..PARTS {
                let channels = widen(weights, part);
                for (sums, &input) in sums.iter_mut().zip(&inputs) {
                    // Two products are at most 2 * 255 * 128: 32 bits hold many of them.
                    let products = _mm256_madd_epi16(channels, input);
                    sums[part] = _mm256_add_epi32(sums[part], products);
                }
            }
        }
    }
    sums.map(|sums| add_pairs(sums))
}

/// A block's sums of four channels a vector, two for each.
type Pairs = [__m256i; PARTS];

/// Adds the two sums of each channel.
#[inline]
#[target_feature(enable = "avx2")]
fn add_pairs(sums: Pairs) -> Sums {
    let mut stored = [0; CHANNELS];
    for half in 0..2 {
        // Channels 0 1 4 5 | 2 3 6 7, then in order.
        let pairs = _mm256_hadd_epi32(sums[half * 2], sums[half * 2 + 1]);
        let channels = _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs);
        let place = &mut stored[half * 8..][..8];
        // SAFETY: the slice has the 32 bytes that are written; the store needs no alignment.
        unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), channels) };
    }
    stored
}

/// The weights of 4 channels as 16-bit integers.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(weights: &Weights, part: usize) -> __m256i {
    let channels: &[[i8; GROUP]] = &weights.0[part * 4..][..4];
    // SAFETY: the slice covers the 16 bytes that are read; the load needs no alignment.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(channels.as_ptr().cast()) })
}
