//! NEON: dot products of four bytes where the processor has them, else products widened to 16 bits.
//!
//! ```text
//!  USDOT (i8mm)       u8 x i8: as bytes and weights are
//!  SDOT (dotprod)     i8 x i8: bytes with 128 taken off; 128 for each weight is added in the end
//!  SMULL, SADALP      the same, with a product and a sum of pairs for half as many bytes
//! ```

mod depthwise;
mod dot;

use std::arch::aarch64::*;

use super::{CHANNELS, GROUP, OFFSET, Runs, Sums, Weights};
use crate::cpu::depthwise::Depthwise;
use dot::{Dot, Mixed, Signed, Widening};

/// Vectors of a block's weights, and of its sums: 4 channels each.
const PARTS: usize = 4;

/// Proof that the processor has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detected(Instructions);

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    Widening,
    Signed,
    Mixed,
}

impl Detected {
    /// All that this processor has, the slowest first.
    pub(super) fn all() -> impl Iterator<Item = Detected> {
        // Lanes of vectors are only ever tested in this order.
        let little = cfg!(target_endian = "little");
        let has = [
            (Instructions::Widening, little),
            (
                Instructions::Signed,
                little && std::arch::is_aarch64_feature_detected!("dotprod"),
            ),
            (
                Instructions::Mixed,
                little && std::arch::is_aarch64_feature_detected!("i8mm"),
            ),
        ];
        let has = has.into_iter().filter(|(_, has)| *has);
        has.map(|(instructions, _)| Detected(instructions))
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
        // SAFETY: a `Detected` exists only if the processor has its instructions; every position is
        // inside the image, and every block has the weights that the runs need, as the caller has
        // checked.
        unsafe {
            match self.0 {
                Instructions::Widening => all_sums::<Widening, N, B>(image, starts, runs, blocks),
                Instructions::Signed => signed_sums(image, starts, runs, blocks),
                Instructions::Mixed => mixed_sums(image, starts, runs, blocks),
            }
        }
    }

    /// See [`Kernel::depthwise`](super::Kernel::depthwise), which has checked the bounds.
    pub(super) fn depthwise(self, layer: &Depthwise, image: &[u8], output: &mut [u8]) {
        // SAFETY: a `Detected` exists only if the processor has its instructions; the caller has
        // checked the bounds.
        unsafe {
            match self.0 {
                Instructions::Widening => depthwise::all::<Widening>(layer, image, output),
                Instructions::Signed => depthwise::signed(layer, image, output),
                Instructions::Mixed => depthwise::mixed(layer, image, output),
            }
        }
    }
}

/// # Safety
/// As [`all_sums`]; the processor has `dotprod`.
#[target_feature(enable = "neon,dotprod")]
unsafe fn signed_sums<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[Sums; B]; N] {
    // SAFETY: the caller vouches for all of it.
    unsafe { all_sums::<Signed, N, B>(image, starts, runs, blocks) }
}

/// # Safety
/// As [`all_sums`]; the processor has `i8mm`.
#[target_feature(enable = "neon,i8mm")]
unsafe fn mixed_sums<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[Sums; B]; N] {
    // SAFETY: the caller vouches for all of it.
    unsafe { all_sums::<Mixed, N, B>(image, starts, runs, blocks) }
}

/// Sums of all positions and blocks, of as many positions at a time as the registers hold.
///
/// # Safety
/// Each of `starts` and the runs from there are inside `image`; each block has as many weights as the
/// runs have groups; the processor has the instructions of `D`.
#[inline(always)]
unsafe fn all_sums<D: Dot, const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[Sums; B]; N] {
    let mut results = [[[0; CHANNELS]; B]; N];
    for (block, weights) in blocks.into_iter().enumerate() {
        let mut first = 0;
        while first < N {
            // SAFETY: the caller vouches for all of it.
            let count = unsafe {
                match &starts[first..] {
                    &[a, b, c, d, ..] if D::POSITIONS >= 4 => {
                        let sums = sums::<D, 4>(image, [a, b, c, d], runs, weights);
                        put(sums, &mut results[first..], block)
                    }
                    &[a, b, ..] => {
                        let sums = sums::<D, 2>(image, [a, b], runs, weights);
                        put(sums, &mut results[first..], block)
                    }
                    rest => {
                        let sums = sums::<D, 1>(image, [rest[0]], runs, weights);
                        put(sums, &mut results[first..], block)
                    }
                }
            };
            first += count;
        }
    }
    results
}

/// Puts the sums of some positions into their places; of how many.
#[inline(always)]
fn put<const N: usize, const B: usize>(
    sums: [Sums; N],
    results: &mut [[Sums; B]],
    block: usize,
) -> usize {
    for (result, sums) in results.iter_mut().zip(sums) {
        result[block] = sums;
    }
    N
}

/// Sums of some positions and one block.
///
/// # Safety
/// As [`all_sums`].
#[inline(always)]
unsafe fn sums<D: Dot, const N: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    weights: &[Weights],
) -> [Sums; N] {
    let mut sums = [[D::ZERO; PARTS]; N];
    let mut totals = [dot::ZERO; PARTS];
    for run in 0..runs.count {
        for group in 0..runs.groups {
            let offset = run * runs.stride + group * GROUP;
            let mut inputs = [offset_bytes(); N];
            for n in 0..N {
                // SAFETY: the group is inside the runs from `starts[n]`, which are inside the image; the
                // load needs no alignment.
                let bytes = unsafe { load_group(image.as_ptr().add(starts[n] + offset)) };
                inputs[n] = D::input(bytes);
            }
            // SAFETY: the index is below the number of weights.
            let weights = unsafe { weights.get_unchecked(run * runs.groups + group) };
            for part in 0..PARTS {
                let weights = load_weights(weights, part);
                // SAFETY: the caller vouches for the instructions.
                unsafe {
                    totals[part] = D::total(totals[part], weights);
                    for n in 0..N {
                        sums[n][part] = D::add(sums[n][part], inputs[n], weights);
                    }
                }
            }
        }
    }
    let mut stored = [[0; CHANNELS]; N];
    for n in 0..N {
        stored[n] = finish::<D>(&sums[n], &totals);
    }
    stored
}

/// The sums of a block, with what was taken off its inputs.
#[inline(always)]
fn finish<D: Dot>(sums: &[D::Sums; PARTS], totals: &[int32x4_t; PARTS]) -> Sums {
    let mut stored = [0; CHANNELS];
    for part in 0..PARTS {
        let sums = D::finish(sums[part], totals[part]);
        let place = &mut stored[part * 4..][..4];
        // SAFETY: the slice has the 16 bytes that are written; every aarch64 has NEON.
        unsafe { vst1q_s32(place.as_mut_ptr(), sums) };
    }
    stored
}

/// Four bytes, four times.
///
/// # Safety
/// Four bytes are readable.
#[inline(always)]
unsafe fn load_group(from: *const u8) -> uint8x16_t {
    // SAFETY: the caller vouches for the bytes; every aarch64 has NEON.
    unsafe { vreinterpretq_u8_u32(vdupq_n_u32(from.cast::<u32>().read_unaligned())) }
}

/// The weights of 4 channels.
#[inline(always)]
fn load_weights(weights: &Weights, part: usize) -> int8x16_t {
    let channels = &weights.0.as_flattened()[part * 16..][..16];
    // SAFETY: the slice covers the 16 bytes that are read; every aarch64 has NEON.
    unsafe { vld1q_s8(channels.as_ptr()) }
}

/// 128 in each byte: the difference between a byte and its value.
#[inline(always)]
fn offset_bytes() -> uint8x16_t {
    // SAFETY: every aarch64 has NEON.
    unsafe { vdupq_n_u8(OFFSET as u8) }
}
