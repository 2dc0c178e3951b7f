//! Many positions of a matrix in AVX2: what is widened to 16 bits once is multiplied many times, the
//! weights when the network is prepared, the inputs for all channels.
//!
//! ```text
//!  image (u8) --widen--> inputs of 4 positions (i16) --pairs--+
//!                                                             v
//!  weights (i16), a pair of inputs each for 16 channels ---> products, added in pairs ---> 16 sums
//! ```

use std::arch::x86_64::*;

use super::finish::{self, Ordered};
use super::pairs::PairWeights;
use crate::cpu::finish::put;
use crate::cpu::kernel::{CHANNELS, GROUP, Runs};
use crate::cpu::matrix::Matrix;

/// Positions that are computed together: with a block, they are what the registers hold.
const TOGETHER: usize = 4;

/// Inputs that are widened at once.
pub(in crate::cpu::kernel) const WIDENED: usize = 16;

/// See [`Kernel::positions`](crate::cpu::kernel::Kernel::positions).
///
/// # Safety
/// Each of `starts` and the matrix's runs from there are inside `image`, with [`WIDENED`] bytes from
/// their last group on; each block has the weights of as many pairs as the runs have.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn positions(
    matrix: &Matrix,
    image: &[u8],
    starts: &[usize],
    output: &mut [u8],
    stride: usize,
) {
    let length = matrix.runs.all_groups() * GROUP;
    // A run's last inputs are widened with what is behind them, over which the next run is written.
    let mut inputs = vec![0_i16; TOGETHER * length + WIDENED];
    let (together, rest) = starts.as_chunks::<TOGETHER>();
    let (first, last) = output.split_at_mut(together.len() * TOGETHER * stride);
    for (starts, output) in together
        .iter()
        .zip(first.chunks_exact_mut(TOGETHER * stride))
    {
        // SAFETY: the caller vouches for all bounds; there is room for the inputs.
        unsafe { tile(matrix, image, starts, &mut inputs, output, stride) };
    }
    for (start, output) in rest.iter().zip(last.chunks_mut(stride)) {
        // SAFETY: the caller vouches for all bounds; there is room for the inputs.
        unsafe { tile(matrix, image, &[*start], &mut inputs, output, stride) };
    }
}

/// All channels of a few positions.
///
/// # Safety
/// As [`positions`]; `inputs` has room for those of `N` positions and for [`WIDENED`] more.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile<const N: usize>(
    matrix: &Matrix,
    image: &[u8],
    starts: &[usize; N],
    inputs: &mut [i16],
    output: &mut [u8],
    stride: usize,
) {
    let length = matrix.runs.all_groups() * GROUP;
    for (n, &start) in starts.iter().enumerate() {
        // SAFETY: the caller vouches for all bounds.
        unsafe { widen(image, start, matrix.runs, &mut inputs[n * length..]) };
    }
    let pairs = length / 2;
    let blocks = matrix.blocks.iter().zip(matrix.wide.chunks_exact(pairs));
    for (index, (block, weights)) in blocks.enumerate() {
        // SAFETY: there are the inputs of all pairs.
        let sums = unsafe { accumulate::<N>(inputs, weights) };
        let mut bytes = [[0; CHANNELS]; N];
        for n in 0..N {
            bytes[n] = finish::finish(block, matrix.range, sums[n]);
        }
        for (bytes, output) in bytes.iter().zip(output.chunks_mut(stride)) {
            put(bytes, &mut output[index * CHANNELS..matrix.channels]);
        }
    }
}

/// Widens the inputs of one position.
///
/// # Safety
/// As [`positions`]; `inputs` has room for those of a position and for [`WIDENED`] more.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(image: &[u8], start: usize, runs: Runs, inputs: &mut [i16]) {
    let length = runs.groups * GROUP;
    for run in 0..runs.count {
        for column in (0..length).step_by(WIDENED) {
            // SAFETY: these are at most so many bytes from the run's last group on, which the caller
            // vouches for; the read needs no alignment.
            let bytes = unsafe {
                let from = image.as_ptr().add(start + run * runs.stride + column);
                _mm_loadu_si128(from.cast())
            };
            // SAFETY: the first place is the position's, and there is room for as many behind the last
            // one; the store needs no alignment.
            unsafe {
                let to = inputs.as_mut_ptr().add(run * length + column);
                _mm256_storeu_si256(to.cast(), _mm256_cvtepu8_epi16(bytes));
            }
        }
    }
}

/// Sums of one block in registers, for `N` positions whose inputs are one behind the other.
///
/// # Safety
/// `inputs` has `N` times two for each pair of weights.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn accumulate<const N: usize>(inputs: &[i16], weights: &[PairWeights]) -> [Ordered; N] {
    let mut sums: [Ordered; N] = [[_mm256_setzero_si256(); 2]; N];
    for (index, pair) in weights.iter().enumerate() {
        let halves = [pair.load(0), pair.load(1)];
        for (n, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller vouches for the inputs; the read needs no alignment.
            let input = unsafe {
                let from = inputs.as_ptr().add(2 * (n * weights.len() + index));
                from.cast::<i32>().read_unaligned()
            };
            let input = _mm256_set1_epi32(input);
            for half in 0..2 {
                // Two products are at most 2 * 255 * 128: 32 bits hold many of them.
                let products = _mm256_madd_epi16(halves[half], input);
                sums[half] = _mm256_add_epi32(sums[half], products);
            }
        }
    }
    sums
}
