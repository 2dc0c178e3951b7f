//! AVX-512 with VNNI: 64 products of bytes in an instruction.

use std::arch::x86_64::*;
use std::array;

use super::{CHANNELS, GROUP, Runs, Sums, Weights};
use crate::cpu::depthwise::Depthwise;
use crate::cpu::elementwise::Add;
use crate::cpu::finish::{Block, Range};
use finish::Double;

mod depthwise;
mod finish;
mod sum;

/// Proof that the processor has the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// Whether it can put bytes into any order (VBMI).
    permutes: bool,
}

impl Detected {
    pub(super) fn new() -> Option<Detected> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        has.then(|| Detected {
            permutes: is_x86_feature_detected!("avx512vbmi"),
        })
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
        // SAFETY: a `Detected` exists only if the processor has the features; every position is inside
        // the image, and every block has the weights that the runs need, as the caller has checked.
        unsafe { sums(image, starts, runs, blocks) }
    }

    /// See [`Kernel::multiply`](super::Kernel::multiply), which has checked the bounds.
    #[inline]
    pub(super) fn multiply<const N: usize, const B: usize>(
        self,
        image: &[u8],
        starts: [usize; N],
        runs: Runs,
        weights: [&[Weights]; B],
        blocks: [&Block; B],
        range: Range,
    ) -> [[[u8; CHANNELS]; B]; N] {
        // SAFETY: as in `sums`.
        unsafe { multiply(image, starts, runs, weights, blocks, range) }
    }

    /// Whether [`depthwise`](Self::depthwise) can be called.
    pub(super) fn permutes(self) -> bool {
        self.permutes
    }

    /// See [`Kernel::depthwise`](super::Kernel::depthwise), which has checked the bounds.
    ///
    /// # Panics
    /// If the processor cannot put bytes into any order.
    #[inline]
    pub(super) fn depthwise(self, layer: &Depthwise, image: &[u8], output: &mut [u8]) {
        assert!(self.permutes);
        // SAFETY: the processor has the features; the caller has checked the bounds.
        unsafe { depthwise::depthwise(layer, image, output) }
    }

    /// See [`Kernel::add`](super::Kernel::add).
    pub(super) fn add(self, layer: &Add, left: &[u8], right: &[u8], output: &mut [u8]) -> usize {
        // SAFETY: a `Detected` exists only if the processor has the features.
        unsafe { sum::add(layer, left, right, output) }
    }

    /// See [`Kernel::compile`](super::Kernel::compile).
    #[inline]
    pub(super) fn compile<R>(self, loops: impl FnOnce() -> R) -> R {
        // SAFETY: a `Detected` exists only if the processor has the features.
        unsafe { compile(loops) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn compile<R>(loops: impl FnOnce() -> R) -> R {
    loops()
}

/// # Safety
/// Each of `starts` and the runs from there are inside `image`; each block has as many weights as
/// the runs have groups.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn sums<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[Sums; B]; N] {
    // SAFETY: the caller vouches for all bounds.
    let sums = unsafe { accumulate(image, starts, runs, blocks) };
    let mut stored = [[[0; CHANNELS]; B]; N];
    for n in 0..N {
        for b in 0..B {
            // SAFETY: the array has the 64 bytes that are written; the store needs no alignment.
            unsafe { _mm512_storeu_si512(stored[n][b].as_mut_ptr().cast(), sums[n][b]) };
        }
    }
    stored
}

/// # Safety
/// As [`sums`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn multiply<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    weights: [&[Weights]; B],
    blocks: [&Block; B],
    range: Range,
) -> [[[u8; CHANNELS]; B]; N] {
    // SAFETY: the caller vouches for all bounds.
    let sums = unsafe { accumulate(image, starts, runs, weights) };
    let mut bytes = [[[0; CHANNELS]; B]; N];
    for b in 0..B {
        match Double::new(blocks[b], range) {
            Some(double) => {
                for n in 0..N {
                    bytes[n][b] = double.apply(sums[n][b]);
                }
            }
            None => {
                for n in 0..N {
                    bytes[n][b] = finish::any(blocks[b], range, sums[n][b]);
                }
            }
        }
    }
    bytes
}

/// Sums in registers.
///
/// # Safety
/// As [`sums`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn accumulate<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[__m512i; B]; N] {
    let mut sums = [[_mm512_setzero_si512(); B]; N];
    for run in 0..runs.count {
        for group in 0..runs.groups {
            let index = run * runs.groups + group;
            // SAFETY: `index` is below the number of weights.
            let weights: [__m512i; B] = array::from_fn(|b| unsafe { load(blocks[b], index) });
            let offset = run * runs.stride + group * GROUP;
            for n in 0..N {
                // SAFETY: the group is inside the runs from `starts[n]`, which are inside the image.
                let input = unsafe { image.as_ptr().add(starts[n] + offset) };
                // SAFETY: so are its four bytes; the read needs no alignment.
                let input = _mm512_set1_epi32(unsafe { input.cast::<i32>().read_unaligned() });
                for b in 0..B {
                    sums[n][b] = _mm512_dpbusd_epi32(sums[n][b], input, weights[b]);
                }
            }
        }
    }
    sums
}

/// # Safety
/// `index` is below the number of weights.
#[target_feature(enable = "avx512f")]
unsafe fn load(weights: &[Weights], index: usize) -> __m512i {
    // SAFETY: the caller vouches for the index; weights are as large as a vector and aligned as one.
    unsafe { _mm512_load_si512(weights.as_ptr().add(index).cast()) }
}
