//! Dot products of int8 values: portable, and with AVX2 where the processor has it.
//!
//! ```text
//!  up to 2 rows (i16)   x   4 weight columns (i8, widened)   =   2 x 4 sums (i32)
//! ```
//!
//! Every path gives the same sums: products of two int8 values added in wrapping 32-bit
//! arithmetic, where order doesn't matter.

use super::LANES;

/// Rows of a block at most: they share each widened weight vector.
pub(crate) const ROWS: usize = 2;
/// Output channels of a block: they share each input vector.
pub(crate) const COLUMNS: usize = 4;

/// Weights of one step of a dot product: a vector for each column.
pub(crate) type Step = [[i8; LANES]; COLUMNS];

/// Which instructions compute dot products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Any processor.
    Portable,
    /// x86-64 with AVX2. Constructed only after the processor was asked.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Detected),
}

impl Kernel {
    /// The fastest that this processor has.
    pub(crate) fn detect() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        if let Some(detected) = avx2::Detected::new() {
            return Kernel::Avx2(detected);
        }
        Kernel::Portable
    }

    /// Sums for each input row and each of the 4 columns of a block: step `k` of the block meets
    /// values `k * LANES ..` of an input. Inputs have at least as many values.
    #[inline]
    pub(crate) fn dot<const N: usize>(
        self,
        inputs: [&[i16]; N],
        block: &[Step],
    ) -> [[i32; COLUMNS]; N] {
        let inputs = inputs.map(|input| input.as_chunks().0);
        match self {
            Kernel::Portable => portable(inputs, block),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(detected) => detected.dot(inputs, block),
        }
    }
}

fn portable<const N: usize>(inputs: [&[[i16; LANES]]; N], block: &[Step]) -> [[i32; COLUMNS]; N] {
    inputs.map(|input| {
        let mut lanes = [[0_i32; LANES]; COLUMNS];
        for (input, step) in input.iter().zip(block) {
            for (lanes, weights) in lanes.iter_mut().zip(step) {
                for lane in 0..LANES {
                    let product = i32::from(input[lane]) * i32::from(weights[lane]);
                    lanes[lane] = lanes[lane].wrapping_add(product);
                }
            }
        }
        lanes.map(|lanes| {
            lanes
                .iter()
                .fold(0, |sum: i32, &lane| sum.wrapping_add(lane))
        })
    })
}

/// The AVX2 path.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use super::{COLUMNS, LANES, Step};
    use std::arch::x86_64::*;

    /// Proof that the processor has AVX2.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Detected(());

    impl Detected {
        pub(crate) fn new() -> Option<Detected> {
            is_x86_feature_detected!("avx2").then_some(Detected(()))
        }

        #[inline]
        pub(super) fn dot<const N: usize>(
            self,
            inputs: [&[[i16; LANES]]; N],
            block: &[Step],
        ) -> [[i32; COLUMNS]; N] {
            // SAFETY: a `Detected` exists only if the processor has AVX2, which is all that
            // calling this safe function from code without the feature needs.
            unsafe { dot(inputs, block) }
        }
    }

    #[target_feature(enable = "avx2")]
    fn dot<const N: usize>(inputs: [&[[i16; LANES]]; N], block: &[Step]) -> [[i32; COLUMNS]; N] {
        let mut sums = [[_mm256_setzero_si256(); COLUMNS]; N];
        for (index, step) in block.iter().enumerate() {
            for column in 0..COLUMNS {
                let weights = load_weights(&step[column]);
                for row in 0..N {
                    // Pairs of products of int8 values are at most 2^15: the add never saturates.
                    let products = _mm256_madd_epi16(load_inputs(&inputs[row][index]), weights);
                    sums[row][column] = _mm256_add_epi32(sums[row][column], products);
                }
            }
        }
        let mut totals = [[0; COLUMNS]; N];
        for row in 0..N {
            totals[row] = add_lanes(sums[row]);
        }
        totals
    }

    /// Sums the 8 lanes of each of 4 vectors.
    #[target_feature(enable = "avx2")]
    fn add_lanes(sums: [__m256i; COLUMNS]) -> [i32; COLUMNS] {
        let low = _mm256_hadd_epi32(sums[0], sums[1]);
        let high = _mm256_hadd_epi32(sums[2], sums[3]);
        let pairs = _mm256_hadd_epi32(low, high);
        let total = _mm_add_epi32(
            _mm256_castsi256_si128(pairs),
            _mm256_extracti128_si256::<1>(pairs),
        );
        [
            _mm_extract_epi32::<0>(total),
            _mm_extract_epi32::<1>(total),
            _mm_extract_epi32::<2>(total),
            _mm_extract_epi32::<3>(total),
        ]
    }

    #[target_feature(enable = "avx2")]
    fn load_inputs(values: &[i16; LANES]) -> __m256i {
        // SAFETY: the reference covers the 32 bytes that are read, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    fn load_weights(values: &[i8; LANES]) -> __m256i {
        // SAFETY: the reference covers the 16 bytes that are read, and the load needs no alignment.
        _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_kernel_gives_the_plain_sums(
            steps in 1_usize..20,
            seed in proptest::collection::vec(
                prop_oneof![any::<i8>(), Just(-128), Just(127)], 6 * 20 * LANES
            ),
        ) {
            let depth = steps * LANES;
            let (first, rest) = seed.split_at(depth);
            let (second, rest) = rest.split_at(depth);
            let block: Vec<Step> = (0..steps)
                .map(|step| std::array::from_fn(|column| {
                    std::array::from_fn(|lane| rest[column * depth + step * LANES + lane])
                }))
                .collect();
            let wide = [first, second].map(|row| row.iter().map(|&x| x.into()).collect::<Vec<i16>>());
            let expected = [first, second].map(|row| {
                std::array::from_fn::<i32, COLUMNS, _>(|column| {
                    let column = &rest[column * depth..][..depth];
                    row.iter().zip(column).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum()
                })
            });
            for kernel in [Kernel::Portable, Kernel::detect()] {
                prop_assert_eq!(kernel.dot([&wide[0], &wide[1]], &block), expected);
                prop_assert_eq!(kernel.dot([&wide[1]], &block), [expected[1]]);
            }
        }
    }
}
