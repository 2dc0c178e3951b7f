//! The sum of two tensors in AVX-512, 16 values at a time.

use std::arch::x86_64::*;

use super::finish::double_high;
use crate::cpu::elementwise::{Add, Term};
use crate::cpu::kernel::CHANNELS;

/// Two roundings of a scale whose shift is to the right, of values below 2^30.
#[derive(Clone, Copy)]
struct Scaled {
    multiplier: __m512i,
    half: __m512i,
    any: __m512i,
    right: __m128i,
}

impl Scaled {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(multiplier: i32, right: u32) -> Scaled {
        Scaled {
            multiplier: _mm512_set1_epi32(multiplier),
            half: _mm512_set1_epi32((1 << right) >> 1),
            any: _mm512_set1_epi32(-i32::from(right > 0)),
            right: _mm_set_epi64x(0, right.into()),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn apply(self, values: __m512i) -> __m512i {
        let high = double_high(values, self.multiplier);
        let negative = _mm512_and_si512(_mm512_srai_epi32::<31>(high), self.any);
        let nudged = _mm512_add_epi32(high, _mm512_add_epi32(self.half, negative));
        _mm512_sra_epi32(nudged, self.right)
    }
}

/// An input's way to its place in the sum.
#[derive(Clone, Copy)]
struct Side {
    zero_point: __m512i,
    shift: __m128i,
    scaled: Scaled,
}

impl Side {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(term: Term, right: u32) -> Side {
        Side {
            zero_point: _mm512_set1_epi32(term.zero_point),
            shift: _mm_set_epi64x(0, term.shift.into()),
            scaled: Scaled::new(term.scale.multiplier, right),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn apply(self, values: &[u8; CHANNELS]) -> __m512i {
        // SAFETY: the reference covers the 16 bytes that are read; the load needs no alignment.
        let bytes = unsafe { _mm_loadu_si128(values.as_ptr().cast()) };
        let difference = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), self.zero_point);
        self.scaled.apply(_mm512_sll_epi32(difference, self.shift))
    }
}

/// Adds as many whole vectors as there are; how many values that is. Nothing if a scale is not of the
/// usual kind.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn add(layer: &Add, left: &[u8], right: &[u8], output: &mut [u8]) -> usize {
    let Some([first, second, last]) = layer.short_shifts() else {
        return 0;
    };
    let (first, second) = (Side::new(layer.left, first), Side::new(layer.right, second));
    let scaled = Scaled::new(layer.scale.multiplier, last);
    let low = _mm512_set1_epi32(layer.range.low);
    let high = _mm512_set1_epi32(layer.range.high);
    let zero_point = _mm512_set1_epi32(layer.range.zero_point);
    let inputs = left.as_chunks().0.iter().zip(right.as_chunks().0);
    let outputs = output.as_chunks_mut::<CHANNELS>().0;
    for (output, (left, right)) in outputs.iter_mut().zip(inputs) {
        let sum = _mm512_add_epi32(first.apply(left), second.apply(right));
        let clamped = _mm512_max_epi32(scaled.apply(sum), low);
        let values = _mm512_add_epi32(_mm512_min_epi32(clamped, high), zero_point);
        // SAFETY: the array has the 16 bytes that are written; the store needs no alignment.
        unsafe { _mm_storeu_si128(output.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(values)) };
    }
    outputs.len() * CHANNELS
}
