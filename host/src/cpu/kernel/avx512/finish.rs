//! [`Block::finish`] in AVX-512, for sums that are in a register.

use std::arch::x86_64::*;

use crate::cpu::finish::{Block, Range, SHORT_LIMIT, Shifts};
use crate::cpu::kernel::{CHANNELS, Sums};

/// A block with [`Shifts::Short`], and the clamp, in registers.
#[derive(Clone, Copy)]
pub(super) struct Short {
    bias: __m512i,
    multiplier: __m512i,
    left: __m512i,
    half: __m512i,
    any: __m512i,
    right: __m512i,
    low: __m512i,
    high: __m512i,
    zero_point: __m512i,
}

impl Short {
    /// `None` if the block has other shifts.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(block: &Block, range: Range) -> Option<Short> {
        let Shifts::Short {
            left,
            half,
            any,
            right,
        } = &block.shifts
        else {
            return None;
        };
        Some(Short {
            bias: load(&block.bias),
            multiplier: load(&block.multiplier),
            left: load(left),
            half: load(half),
            any: load(any),
            right: load(right),
            low: _mm512_set1_epi32(range.low),
            high: _mm512_set1_epi32(range.high),
            zero_point: _mm512_set1_epi32(range.zero_point),
        })
    }

    /// Output bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn apply(self, sums: __m512i) -> [u8; CHANNELS] {
        let biased = _mm512_sllv_epi32(_mm512_add_epi32(sums, self.bias), self.left);
        let high = double_high(biased, self.multiplier);
        let high = _mm512_max_epi32(high, _mm512_set1_epi32(-SHORT_LIMIT));
        let high = _mm512_min_epi32(high, _mm512_set1_epi32(SHORT_LIMIT));
        let negative = _mm512_and_si512(_mm512_srai_epi32::<31>(high), self.any);
        let nudged = _mm512_add_epi32(high, _mm512_add_epi32(self.half, negative));
        let scaled = _mm512_srav_epi32(nudged, self.right);
        let clamped = _mm512_min_epi32(_mm512_max_epi32(scaled, self.low), self.high);
        let bytes = _mm512_cvtepi32_epi8(_mm512_add_epi32(clamped, self.zero_point));
        let mut stored = [0; CHANNELS];
        // SAFETY: the array has the 16 bytes that are written; the store needs no alignment.
        unsafe { _mm_storeu_si128(stored.as_mut_ptr().cast(), bytes) };
        stored
    }
}

/// Output bytes for shifts that few layers have.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn any(block: &Block, range: Range, sums: __m512i) -> [u8; CHANNELS] {
    let mut stored: Sums = [0; CHANNELS];
    // SAFETY: the array has the 64 bytes that are written; the store needs no alignment.
    unsafe { _mm512_storeu_si512(stored.as_mut_ptr().cast(), sums) };
    block.finish(&stored, range)
}

/// [`Scale::double_high`](crate::model::Scale::double_high) of each lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn double_high(values: __m512i, multipliers: __m512i) -> __m512i {
    let half = _mm512_set1_epi64(1 << 30);
    let upper = |lanes: __m512i| _mm512_srli_epi64::<32>(lanes);
    let even = _mm512_add_epi64(_mm512_mul_epi32(values, multipliers), half);
    let odd = _mm512_mul_epi32(upper(values), upper(multipliers));
    let odd = _mm512_add_epi64(odd, half);
    // Bits 31 to 62 of each product, the odd ones' in the upper half.
    let (even, odd) = (_mm512_srli_epi64::<31>(even), _mm512_slli_epi64::<1>(odd));
    _mm512_mask_blend_epi32(0xaaaa, even, odd)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &Sums) -> __m512i {
    // SAFETY: the reference covers the 64 bytes that are read; the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}
