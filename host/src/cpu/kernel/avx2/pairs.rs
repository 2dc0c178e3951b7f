//! Weights that are multiplied in pairs, widened to 16 bits when a network is prepared.

use std::arch::x86_64::*;

use crate::cpu::kernel::{CHANNELS, GROUP, Weights};

/// Weights of a block for two inputs.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct PairWeights(pub(super) [[i16; 2]; CHANNELS]);

impl PairWeights {
    /// Those of each two of a group of inputs.
    pub(crate) fn of_group(weights: &Weights) -> [PairWeights; GROUP / 2] {
        std::array::from_fn(|pair| {
            let two = |channel: [i8; GROUP]| [0, 1].map(|input| channel[2 * pair + input].into());
            PairWeights(weights.0.map(two))
        })
    }

    /// The weights of the first or the second eight channels.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn load(&self, half: usize) -> __m256i {
        let channels = &self.0[half * 8..][..8];
        // SAFETY: the slice covers the 32 bytes that are read, and is aligned.
        unsafe { _mm256_load_si256(channels.as_ptr().cast()) }
    }
}
