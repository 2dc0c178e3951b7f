//! Depthwise convolution in AVX-512: up to four neighbours in a row of the kernel are one
//! multiplication, after their bytes have been put beside each other.
//!
//! ```text
//!  image:  a0 a1 .. a15 | b0 b1 .. b15 | c0 .. | d0 ..      (4 positions of the kernel, 16 channels)
//!  vpermb: a0 b0 c0 d0 | a1 b1 c1 d1 | ...              x  weights  -->  16 sums
//! ```

use std::arch::x86_64::*;

use super::finish::{self, Double};
use crate::cpu::depthwise::Depthwise;
use crate::cpu::finish::{Block, Range, put};
use crate::cpu::kernel::{CHANNELS, GROUP, Sweep, Weights};

/// Bytes of a vector.
const VECTOR: usize = 64;

/// Where a layer's positions are, and where their outputs go.
struct Positions<'l> {
    image: &'l [u8],
    starts: &'l [usize],
    sweep: Sweep,
    /// Where each byte of a vector comes from.
    places: __m512i,
}

/// See [`Kernel::depthwise`](crate::cpu::kernel::Kernel::depthwise).
///
/// # Safety
/// From each start, the sweep's rows and [`SLACK`](crate::cpu::kernel::SLACK) bytes are inside the
/// image; each block has as many weights as the sweep has groups; the processor has VBMI.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn depthwise(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    let (sweep, range) = (layer.sweep, layer.range);
    // Neighbours that lie within a vector are loaded at once.
    let near = (GROUP - 1) * sweep.neighbour + CHANNELS <= VECTOR;
    let apart = if near { sweep.neighbour } else { CHANNELS };
    let mut places = [0_u8; VECTOR];
    for (index, place) in places.iter_mut().enumerate() {
        *place = (index % GROUP * apart + index / GROUP) as u8;
    }
    let all = Positions {
        image,
        starts: &layer.border.starts,
        sweep,
        // SAFETY: the array has the 64 bytes that are read; the load needs no alignment.
        places: unsafe { _mm512_loadu_si512(places.as_ptr().cast()) },
    };
    let weights = layer.weights.chunks_exact(sweep.groups());
    for (index, (block, weights)) in layer.blocks.iter().zip(weights).enumerate() {
        let first = index * CHANNELS;
        // SAFETY: the caller vouches for all bounds.
        unsafe {
            match (sweep.height, sweep.width, near) {
                (3, 3, true) => all.block::<3, 3, true>(first, weights, block, range, output),
                (3, 3, false) => all.block::<3, 3, false>(first, weights, block, range, output),
                (_, _, true) => all.block::<0, 0, true>(first, weights, block, range, output),
                (_, _, false) => all.block::<0, 0, false>(first, weights, block, range, output),
            }
        }
    }
}

impl Positions<'_> {
    /// The channels from `first` on of all positions. `H` and `W` are the sweep's height and width, or
    /// zero for any.
    ///
    /// # Safety
    /// As [`depthwise`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn block<const H: usize, const W: usize, const NEAR: bool>(
        &self,
        first: usize,
        weights: &[Weights],
        block: &Block,
        range: Range,
        output: &mut [u8],
    ) {
        let channels = self.sweep.channels;
        let some = CHANNELS.min(channels - first);
        let double = Double::new(block, range);
        let outputs = output.chunks_exact_mut(channels);
        for (&start, output) in self.starts.iter().zip(outputs) {
            // SAFETY: the caller vouches for all bounds.
            let sums = unsafe { self.sums::<H, W, NEAR>(start + first, weights) };
            let bytes = match double {
                Some(double) => double.apply(sums),
                None => finish::any(block, range, sums),
            };
            put(&bytes, &mut output[first..first + some]);
        }
    }

    /// Sums of 16 channels that begin at `start`.
    ///
    /// # Safety
    /// As [`depthwise`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn sums<const H: usize, const W: usize, const NEAR: bool>(
        &self,
        start: usize,
        weights: &[Weights],
    ) -> __m512i {
        let sweep = self.sweep;
        let height = if H > 0 { H } else { sweep.height };
        let width = if W > 0 { W } else { sweep.width };
        let mut sums = _mm512_setzero_si512();
        let mut index = 0;
        for row in 0..height {
            let mut column = 0;
            while column < width {
                let offset = start + row * sweep.row + column * sweep.neighbour;
                // SAFETY: the offset is inside the sweep, which is inside the image; what is loaded
                // beyond it is within the slack.
                let bytes = unsafe {
                    let from = self.image.as_ptr().add(offset);
                    match NEAR {
                        true => _mm512_loadu_si512(from.cast()),
                        false => load_far(from, sweep.neighbour, width - column),
                    }
                };
                let bytes = _mm512_permutexvar_epi8(self.places, bytes);
                // SAFETY: there are as many weights as groups.
                let weights = unsafe { super::load(weights, index) };
                sums = _mm512_dpbusd_epi32(sums, bytes, weights);
                index += 1;
                column += GROUP;
            }
        }
        sums
    }
}

/// Loads 16 channels of each of up to four neighbours; those that are not `inside` the kernel's row
/// are zero.
///
/// # Safety
/// From `from` on, 16 bytes are readable at each neighbour that is inside.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn load_far(from: *const u8, neighbour: usize, inside: usize) -> __m512i {
    let part = |index: usize| match index < inside {
        // SAFETY: the caller vouches for the neighbours that are inside.
        true => unsafe { _mm_loadu_si128(from.add(index * neighbour).cast()) },
        false => _mm_setzero_si128(),
    };
    let bytes = _mm512_castsi128_si512(part(0));
    let bytes = _mm512_inserti32x4::<1>(bytes, part(1));
    let bytes = _mm512_inserti32x4::<2>(bytes, part(2));
    _mm512_inserti32x4::<3>(bytes, part(3))
}
