//! [`Block::finish`] in AVX-512, for sums that are in a register.

use std::arch::x86_64::*;

use crate::cpu::finish::{Block, Range, Shifts};
use crate::cpu::kernel::{CHANNELS, Sums};

/// A block's constants, and the clamp, in registers.
#[derive(Clone, Copy)]
pub(super) struct Double {
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

impl Double {
    /// `None` if the block has other shifts than [`Shifts::SmallDouble`].
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(block: &Block, range: Range) -> Option<Double> {
        let Shifts::SmallDouble {
            left,
            half,
            any,
            right,
        } = &block.shifts
        else {
            return None;
        };
        Some(Double {
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
        let negative = _mm512_and_si512(_mm512_srai_epi32::<31>(high), self.any);
        let nudged = _mm512_add_epi32(high, _mm512_add_epi32(self.half, negative));
        let scaled = _mm512_srav_epi32(nudged, self.right);
        let clamped = _mm512_min_epi32(_mm512_max_epi32(scaled, self.low), self.high);
        store(_mm512_add_epi32(clamped, self.zero_point))
    }
}

/// Output bytes for shifts that fewer layers have.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn any(block: &Block, range: Range, sums: __m512i) -> [u8; CHANNELS] {
    if let Shifts::SmallSingle { half, right } = &block.shifts {
        let half = [load_long(&half[0]), load_long(&half[1])];
        let right = [load_long(&right[0]), load_long(&right[1])];
        let biased = _mm512_add_epi32(sums, load(&block.bias));
        let scaled = single(biased, load(&block.multiplier), half, right);
        let (low, high) = (_mm512_set1_epi32(range.low), _mm512_set1_epi32(range.high));
        let clamped = _mm512_min_epi32(_mm512_max_epi32(scaled, low), high);
        return store(_mm512_add_epi32(
            clamped,
            _mm512_set1_epi32(range.zero_point),
        ));
    }
    let mut stored: Sums = [0; CHANNELS];
    // SAFETY: the array has the 64 bytes that are written; the store needs no alignment.
    unsafe { _mm512_storeu_si512(stored.as_mut_ptr().cast(), sums) };
    block.finish(&stored, range)
}

/// The lowest bytes of all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn store(lanes: __m512i) -> [u8; CHANNELS] {
    let mut stored = [0; CHANNELS];
    // SAFETY: the array has the 16 bytes that are written; the store needs no alignment.
    unsafe { _mm_storeu_si128(stored.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(lanes)) };
    stored
}

/// `(value * multiplier + half) >> right` of each lane, whose result 32 bits hold; constants of the
/// even lanes, then of the odd ones.
#[inline]
#[target_feature(enable = "avx512f")]
fn single(
    values: __m512i,
    multipliers: __m512i,
    half: [__m512i; 2],
    right: [__m512i; 2],
) -> __m512i {
    let [even, odd] = products(values, multipliers);
    let even = _mm512_srav_epi64(_mm512_add_epi64(even, half[0]), right[0]);
    let odd = _mm512_srav_epi64(_mm512_add_epi64(odd, half[1]), right[1]);
    _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64::<32>(odd))
}

/// [`Scale::double_high`](crate::model::Scale::double_high) of each lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn double_high(values: __m512i, multipliers: __m512i) -> __m512i {
    let half = _mm512_set1_epi64(1 << 30);
    let [even, odd] = products(values, multipliers);
    // Bits 31 to 62 of each product, the odd ones' in the upper half.
    let even = _mm512_srli_epi64::<31>(_mm512_add_epi64(even, half));
    let odd = _mm512_slli_epi64::<1>(_mm512_add_epi64(odd, half));
    _mm512_mask_blend_epi32(0xaaaa, even, odd)
}

/// Products of the even and of the odd lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn products(values: __m512i, multipliers: __m512i) -> [__m512i; 2] {
    let even = _mm512_mul_epi32(values, multipliers);
    let values = _mm512_srli_epi64::<32>(values);
    let odd = _mm512_mul_epi32(values, _mm512_srli_epi64::<32>(multipliers));
    [even, odd]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &Sums) -> __m512i {
    // SAFETY: the reference covers the 64 bytes that are read; the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_long(values: &[i64; CHANNELS / 2]) -> __m512i {
    // SAFETY: the reference covers the 64 bytes that are read; the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}
