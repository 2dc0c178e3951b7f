//! The three ways to multiply 16 bytes by 16 weights and add each four products.
//!
//! The functions for the dot products are not stable in Rust, the instructions in assembly are.

use std::arch::aarch64::*;
use std::arch::asm;

use super::offset_bytes;

/// No sums yet.
// SAFETY: all bits zero are a vector of zeros.
pub(super) const ZERO: int32x4_t = unsafe { std::mem::zeroed() };

/// A way to multiply. What it takes off inputs it makes up for by the totals of weights.
pub(super) trait Dot {
    /// Sums of 4 channels.
    type Sums: Copy;

    /// No sums yet.
    const ZERO: Self::Sums;

    /// How many positions' sums the registers hold.
    const POSITIONS: usize;

    /// Bytes as they are multiplied.
    fn input(bytes: uint8x16_t) -> uint8x16_t;

    /// Adds products of four inputs and weights to each of 4 channels.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn add(sums: Self::Sums, input: uint8x16_t, weights: int8x16_t) -> Self::Sums;

    /// Adds the weights of each of 4 channels.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn total(total: int32x4_t, weights: int8x16_t) -> int32x4_t;

    /// The sums of 4 channels, for which inputs are what they were.
    fn finish(sums: Self::Sums, total: int32x4_t) -> int32x4_t;
}

/// Unsigned by signed bytes.
pub(super) enum Mixed {}

impl Dot for Mixed {
    type Sums = int32x4_t;

    const ZERO: int32x4_t = ZERO;
    const POSITIONS: usize = 4;

    #[inline(always)]
    fn input(bytes: uint8x16_t) -> uint8x16_t {
        bytes
    }

    #[inline]
    #[target_feature(enable = "neon,i8mm")]
    unsafe fn add(mut sums: int32x4_t, input: uint8x16_t, weights: int8x16_t) -> int32x4_t {
        // SAFETY: the instruction is one of i8mm; it changes the sums only.
        unsafe {
            asm!(
                "usdot {sums:v}.4s, {input:v}.16b, {weights:v}.16b",
                sums = inout(vreg) sums,
                input = in(vreg) input,
                weights = in(vreg) weights,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }

    #[inline(always)]
    unsafe fn total(total: int32x4_t, _: int8x16_t) -> int32x4_t {
        total
    }

    #[inline(always)]
    fn finish(sums: int32x4_t, _: int32x4_t) -> int32x4_t {
        sums
    }
}

/// Signed bytes.
pub(super) enum Signed {}

impl Dot for Signed {
    type Sums = int32x4_t;

    const ZERO: int32x4_t = ZERO;
    const POSITIONS: usize = 4;

    #[inline(always)]
    fn input(bytes: uint8x16_t) -> uint8x16_t {
        signed(bytes)
    }

    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn add(mut sums: int32x4_t, input: uint8x16_t, weights: int8x16_t) -> int32x4_t {
        // SAFETY: the instruction is one of dotprod; it changes the sums only.
        unsafe {
            asm!(
                "sdot {sums:v}.4s, {input:v}.16b, {weights:v}.16b",
                sums = inout(vreg) sums,
                input = in(vreg) input,
                weights = in(vreg) weights,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }

    #[inline(always)]
    unsafe fn total(total: int32x4_t, weights: int8x16_t) -> int32x4_t {
        // SAFETY: the caller vouches for the instructions; every aarch64 has NEON.
        unsafe { Self::add(total, vdupq_n_u8(1), weights) }
    }

    #[inline(always)]
    fn finish(sums: int32x4_t, total: int32x4_t) -> int32x4_t {
        with_offset(sums, total)
    }
}

/// Signed bytes, without dot products.
pub(super) enum Widening {}

impl Dot for Widening {
    /// Two sums for each channel: of channels 0 and 1, and of 2 and 3.
    type Sums = [int32x4_t; 2];

    const ZERO: [int32x4_t; 2] = [ZERO; 2];
    const POSITIONS: usize = 2;

    #[inline(always)]
    fn input(bytes: uint8x16_t) -> uint8x16_t {
        signed(bytes)
    }

    #[inline(always)]
    unsafe fn add(
        [first, second]: [int32x4_t; 2],
        input: uint8x16_t,
        weights: int8x16_t,
    ) -> [int32x4_t; 2] {
        // SAFETY: every aarch64 has NEON.
        unsafe {
            let input = vreinterpretq_s8_u8(input);
            // A product is at most 128 * 128: 16 bits hold one, but not the sum of two.
            let low = vmull_s8(vget_low_s8(input), vget_low_s8(weights));
            let high = vmull_high_s8(input, weights);
            [vpadalq_s16(first, low), vpadalq_s16(second, high)]
        }
    }

    #[inline(always)]
    unsafe fn total(total: int32x4_t, weights: int8x16_t) -> int32x4_t {
        // SAFETY: every aarch64 has NEON.
        unsafe { vpadalq_s16(total, vpaddlq_s8(weights)) }
    }

    #[inline(always)]
    fn finish([first, second]: [int32x4_t; 2], total: int32x4_t) -> int32x4_t {
        // SAFETY: every aarch64 has NEON.
        with_offset(unsafe { vpaddq_s32(first, second) }, total)
    }
}

/// Bytes less 128, as signed bytes.
#[inline(always)]
fn signed(bytes: uint8x16_t) -> uint8x16_t {
    // SAFETY: every aarch64 has NEON.
    unsafe { veorq_u8(bytes, offset_bytes()) }
}

/// Sums of inputs less 128, with 128 times the weights.
#[inline(always)]
fn with_offset(sums: int32x4_t, total: int32x4_t) -> int32x4_t {
    // SAFETY: every aarch64 has NEON.
    unsafe { vaddq_s32(sums, vshlq_n_s32::<7>(total)) }
}
