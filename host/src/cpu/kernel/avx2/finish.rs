//! [`Block::finish`] in AVX2, for sums that are in registers.

use std::arch::x86_64::*;

use crate::cpu::finish::{Block, Range, Shifts};
use crate::cpu::kernel::{CHANNELS, Sums};

/// A block's sums, in the order of its channels.
pub(super) type Ordered = [__m256i; 2];

/// Output bytes of a block's sums.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn finish(block: &Block, range: Range, sums: Ordered) -> [u8; CHANNELS] {
    // Loops, not closures: these would be called from functions that have no vectors of this size.
    let mut scaled = sums;
    match &block.shifts {
        Shifts::SmallDouble {
            left, half, right, ..
        } => {
            for (part, scaled) in scaled.iter_mut().enumerate() {
                let high = multiply(block, part, left, *scaled);
                // Ties away from zero are ties upwards of the magnitude.
                let magnitude = _mm256_add_epi32(_mm256_abs_epi32(high), load(half, part));
                let shifted = _mm256_srlv_epi32(magnitude, load(right, part));
                *scaled = _mm256_sign_epi32(shifted, high);
            }
        }
        Shifts::Double(left, right) => {
            for (part, scaled) in scaled.iter_mut().enumerate() {
                let high = multiply(block, part, left, *scaled);
                *scaled = divide_by_power(high, load(right, part));
            }
        }
        Shifts::Single(..) | Shifts::SmallSingle { .. } => {
            return finish_rare(block, range, sums);
        }
    }
    // Saturation to 16 bits and to a byte leaves alone what the clamp leaves alone.
    let short = _mm256_packs_epi32(scaled[0], scaled[1]);
    let short = _mm256_adds_epi16(short, _mm256_set1_epi16(range.zero_point as i16));
    let bytes = _mm256_packus_epi16(short, short);
    // Channels 0 to 3 and 8 to 11 are in the lower half, the others in the upper one.
    let bytes = _mm_unpacklo_epi32(
        _mm256_castsi256_si128(bytes),
        _mm256_extracti128_si256::<1>(bytes),
    );
    let low = _mm_set1_epi8((range.low + range.zero_point) as i8);
    let high = _mm_set1_epi8((range.high + range.zero_point) as i8);
    let bytes = _mm_min_epu8(_mm_max_epu8(bytes, low), high);
    let mut stored = [0; CHANNELS];
    // SAFETY: the array has the 16 bytes that are written; the store needs no alignment.
    unsafe { _mm_storeu_si128(stored.as_mut_ptr().cast(), bytes) };
    stored
}

/// The same for shifts that fewer layers have.
#[inline(never)]
#[target_feature(enable = "avx2")]
fn finish_rare(block: &Block, range: Range, sums: Ordered) -> [u8; CHANNELS] {
    block.finish(&store(sums), range)
}

/// Sums as an array.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(sums: Ordered) -> Sums {
    let mut stored = [0; CHANNELS];
    for (part, &sums) in sums.iter().enumerate() {
        let place = &mut stored[part * 8..][..8];
        // SAFETY: the slice has the 32 bytes that are written; the store needs no alignment.
        unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), sums) };
    }
    stored
}

/// Eight channels' sums with their bias, shifted to the left and multiplied.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply(block: &Block, part: usize, left: &Sums, sums: __m256i) -> __m256i {
    let biased = _mm256_add_epi32(sums, load(&block.bias, part));
    let shifted = _mm256_sllv_epi32(biased, load(left, part));
    double_high(shifted, load(&block.multiplier, part))
}

/// [`Scale::double_high`](crate::model::Scale::double_high) of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn double_high(values: __m256i, multipliers: __m256i) -> __m256i {
    let half = _mm256_set1_epi64x(1 << 30);
    let even = _mm256_mul_epi32(values, multipliers);
    let odd = _mm256_mul_epi32(
        _mm256_srli_epi64::<32>(values),
        _mm256_srli_epi64::<32>(multipliers),
    );
    // Bits 31 to 62 of each product, the odd ones' in the upper half.
    let even = _mm256_srli_epi64::<31>(_mm256_add_epi64(even, half));
    let odd = _mm256_slli_epi64::<1>(_mm256_add_epi64(odd, half));
    _mm256_blend_epi32::<0b1010_1010>(even, odd)
}

/// [`Scale::divide_by_power`](crate::model::Scale::divide_by_power) of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn divide_by_power(values: __m256i, powers: __m256i) -> __m256i {
    let ones = _mm256_set1_epi32(-1);
    let mask = _mm256_xor_si256(_mm256_sllv_epi32(ones, powers), ones);
    let remainder = _mm256_and_si256(values, mask);
    // One more for what is negative.
    let negative = _mm256_srai_epi32::<31>(values);
    let threshold = _mm256_sub_epi32(_mm256_srli_epi32::<1>(mask), negative);
    let above = _mm256_cmpgt_epi32(remainder, threshold);
    _mm256_sub_epi32(_mm256_srav_epi32(values, powers), above)
}

/// Eight channels' constants.
#[inline]
#[target_feature(enable = "avx2")]
fn load(values: &Sums, part: usize) -> __m256i {
    let values = &values[part * 8..][..8];
    // SAFETY: the slice covers the 32 bytes that are read; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}
