//! The inner loops, for the instructions that the processor has: sums of products of bytes.
//!
//! ```text
//!  image (u8: value + 128)          weights (i8)                       sums (i32)
//!  position n: run, run, ...   x    [16 channels][4 inputs], ...   =   [n][16 channels]
//!              4 bytes at a time    one vector of AVX-512
//! ```
//!
//! Activations are kept as bytes with 128 added, because the processor's instructions multiply
//! unsigned by signed bytes (`vpdpbusd`); biases make up for it. Every path gives the same sums:
//! products added in wrapping 32-bit arithmetic, where order doesn't matter.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::{PairWeights, TapPairs};

use super::depthwise::Depthwise;
use super::elementwise::Add;
use super::finish::{Block, Range};
use super::matrix::Matrix;

/// Output channels of a block.
pub(crate) const CHANNELS: usize = 16;

/// Inputs that meet their weights together.
pub(crate) const GROUP: usize = 4;

/// Bytes that are readable behind what is used of every buffer: a vector may begin at the last one.
pub(crate) const SLACK: usize = 64;

/// What has been added to an int8 value to make it a byte.
pub(crate) const OFFSET: i32 = 128;

/// Weights of a block for one group of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Weights(pub(crate) [[i8; GROUP]; CHANNELS]);

impl Weights {
    /// Weights that add nothing.
    pub(crate) const ZERO: Weights = Weights([[0; GROUP]; CHANNELS]);
}

/// A sum for each channel of a block.
pub(crate) type Sums = [i32; CHANNELS];

/// What a position is multiplied with: runs of bytes, each of whole groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runs {
    /// Number of runs.
    pub(crate) count: usize,
    /// Groups of a run.
    pub(crate) groups: usize,
    /// Bytes from one run to the next.
    pub(crate) stride: usize,
}

impl Runs {
    /// Groups of all runs: a block of channels has weights for each.
    pub(crate) fn all_groups(&self) -> usize {
        self.count * self.groups
    }

    /// Bytes from the first to behind the last.
    fn span(&self) -> usize {
        self.count.saturating_sub(1) * self.stride + self.groups * GROUP
    }
}

/// What a position of a depthwise convolution is multiplied with: rows of neighbours, each with all
/// channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// Rows of the kernel.
    pub(crate) height: usize,
    /// Neighbours in a row.
    pub(crate) width: usize,
    /// Channels of the image.
    pub(crate) channels: usize,
    /// Bytes from one row to the next.
    pub(crate) row: usize,
    /// Bytes from one neighbour to the next.
    pub(crate) neighbour: usize,
}

impl Sweep {
    /// Groups of neighbours in a row.
    pub(crate) fn row_groups(&self) -> usize {
        self.width.div_ceil(GROUP)
    }

    /// Groups of neighbours.
    pub(crate) fn groups(&self) -> usize {
        self.height * self.row_groups()
    }

    /// Bytes from the first to behind the last.
    fn span(&self) -> usize {
        (self.height - 1) * self.row + (self.width - 1) * self.neighbour + self.channels
    }
}

/// Which instructions compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Any processor.
    Portable,
    /// x86-64 with AVX2. Constructed only after the processor was asked.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Detected),
    /// x86-64 with AVX-512 and its multiplications of bytes (VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Detected),
    /// 64-bit Arm, with the multiplications of bytes that its processor has.
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Detected),
}

impl Kernel {
    /// The fastest that this processor has.
    pub(crate) fn detect() -> Kernel {
        Kernel::all().last().copied().unwrap_or(Kernel::Portable)
    }

    /// All that this processor has, the slowest first.
    pub(crate) fn all() -> Vec<Kernel> {
        let portable = Kernel::Portable;
        #[cfg(target_arch = "x86_64")]
        return std::iter::once(portable)
            .chain(avx2::Detected::new().map(Kernel::Avx2))
            .chain(avx512::Detected::new().map(Kernel::Avx512))
            .collect();
        #[cfg(target_arch = "aarch64")]
        return std::iter::once(portable)
            .chain(neon::Detected::all().map(Kernel::Neon))
            .collect();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        vec![portable]
    }

    /// Output bytes of `N` positions of an image, which begin at `starts`, and `B` blocks of channels.
    ///
    /// # Panics
    /// As [`sums`](Self::sums).
    #[inline]
    pub(crate) fn multiply<const N: usize, const B: usize>(
        self,
        image: &[u8],
        starts: [usize; N],
        runs: Runs,
        weights: [&[Weights]; B],
        blocks: [&Block; B],
        range: Range,
    ) -> [[[u8; CHANNELS]; B]; N] {
        #[cfg(target_arch = "x86_64")]
        if let Kernel::Avx512(detected) = self {
            check(image, starts, runs, weights);
            return detected.multiply(image, starts, runs, weights, blocks, range);
        }
        let sums = self.sums(image, starts, runs, weights);
        let mut bytes = [[[0; CHANNELS]; B]; N];
        self.compile(
            #[inline(always)]
            || {
                for (bytes, sums) in bytes.iter_mut().zip(&sums) {
                    for ((bytes, sums), block) in bytes.iter_mut().zip(sums).zip(blocks) {
                        *bytes = block.finish(sums, range);
                    }
                }
            },
        );
        bytes
    }

    /// Sums for `N` positions of an image, which begin at `starts`, and `B` blocks of channels.
    ///
    /// # Panics
    /// If a position reaches beyond the image, or a block has other weights than the runs need.
    #[inline]
    pub(crate) fn sums<const N: usize, const B: usize>(
        self,
        image: &[u8],
        starts: [usize; N],
        runs: Runs,
        blocks: [&[Weights]; B],
    ) -> [[Sums; B]; N] {
        check(image, starts, runs, blocks);
        match self {
            Kernel::Portable => portable::sums(image, starts, runs, blocks),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(detected) => detected.sums(image, starts, runs, blocks),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(detected) => detected.sums(image, starts, runs, blocks),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon(detected) => detected.sums(image, starts, runs, blocks),
        }
    }

    /// Output bytes of all positions, if there are instructions for which that is better than to take
    /// some at a time; whether there are.
    ///
    /// # Panics
    /// If a position reaches beyond the image.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    pub(crate) fn positions(
        self,
        matrix: &Matrix,
        image: &[u8],
        starts: &[usize],
        output: &mut [u8],
        stride: usize,
    ) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(detected) if starts.len() > 1 => {
                let last = starts.iter().max().copied().unwrap_or(0);
                // The last group is loaded with what is behind it.
                let end = last + matrix.runs.span() - GROUP + avx2::WIDENED;
                assert!(end <= image.len(), "a position is in the image");
                let pairs = matrix.runs.all_groups() * GROUP / 2;
                assert_eq!(matrix.wide.len(), matrix.blocks.len() * pairs);
                detected.positions(matrix, image, starts, output, stride);
                true
            }
            _ => false,
        }
    }

    /// The weights as [`positions`](Self::positions) needs them; none if it needs none.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn widen(self, weights: &[Weights]) -> Vec<PairWeights> {
        match self {
            Kernel::Avx2(_) => weights.iter().flat_map(PairWeights::of_group).collect(),
            _ => Vec::new(),
        }
    }

    /// The weights of a depthwise convolution as [`depthwise`](Self::depthwise) needs them in pairs; none
    /// if it needs none.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn pair(self, sweep: Sweep, weights: &[Weights]) -> TapPairs {
        match self {
            Kernel::Avx2(_) => TapPairs::new(sweep, weights),
            _ => TapPairs::default(),
        }
    }

    /// Output bytes of a depthwise convolution: of all channels for each position.
    ///
    /// # Panics
    /// If a position reaches beyond the image, or there are not the weights that the sweep needs.
    pub(crate) fn depthwise(self, layer: &Depthwise, image: &[u8], output: &mut [u8]) {
        let sweep = layer.sweep;
        let last = layer.border.starts.iter().max().copied().unwrap_or(0);
        let end = last + sweep.span() + SLACK;
        assert!(end <= image.len(), "a position is in the image");
        assert_eq!(layer.weights.len(), layer.blocks.len() * sweep.groups());
        #[cfg(target_arch = "x86_64")]
        match self {
            Kernel::Avx512(detected) if detected.permutes() => {
                return detected.depthwise(layer, image, output);
            }
            Kernel::Avx2(detected) => {
                return detected.depthwise(layer, image, output);
            }
            _ => {}
        }
        #[cfg(target_arch = "aarch64")]
        if let Kernel::Neon(detected) = self {
            return detected.depthwise(layer, image, output);
        }
        self.compile(
            #[inline(always)]
            || portable::depthwise(layer, image, output),
        );
    }

    /// Adds the first values of two tensors, if there are instructions for it; how many.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    pub(crate) fn add(self, layer: &Add, left: &[u8], right: &[u8], output: &mut [u8]) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(detected) => detected.add(layer, left, right, output),
            _ => 0,
        }
    }

    /// Runs plain loops, compiled for the instructions.
    #[inline]
    pub(crate) fn compile<R>(self, loops: impl FnOnce() -> R) -> R {
        match self {
            Kernel::Portable => loops(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(detected) => detected.compile(loops),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(detected) => detected.compile(loops),
            // What plain loops are compiled for anyway.
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon(_) => loops(),
        }
    }
}

/// Sees to it that kernels stay inside the image and the weights.
#[inline]
fn check<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) {
    let span = runs.span();
    for start in starts {
        assert!(start + span <= image.len(), "a position is in the image");
    }
    for weights in blocks {
        assert_eq!(weights.len(), runs.all_groups());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_byte() -> impl Strategy<Value = u8> {
        prop_oneof![any::<u8>(), Just(0), Just(255), Just(128)]
    }

    /// The definition, for one position and channel.
    fn plain(image: &[u8], start: usize, runs: Runs, weights: &[Weights], channel: usize) -> i32 {
        let mut sum = 0_i32;
        for run in 0..runs.count {
            for byte in 0..runs.groups * GROUP {
                let value = image[start + run * runs.stride + byte];
                let weights = &weights[run * runs.groups + byte / GROUP];
                let weight = weights.0[channel][byte % GROUP];
                sum = sum.wrapping_add(i32::from(value) * i32::from(weight));
            }
        }
        sum
    }

    fn check<const N: usize, const B: usize>(image: &[u8], runs: Runs, weights: &[Weights]) {
        let last = image.len() - runs.span();
        let starts: [usize; N] = std::array::from_fn(|n| (n * 7).min(last));
        let length = runs.all_groups();
        let blocks: [&[Weights]; B] = std::array::from_fn(|b| &weights[b * length..][..length]);
        for kernel in Kernel::all() {
            let sums = kernel.sums(image, starts, runs, blocks);
            for (n, &start) in starts.iter().enumerate() {
                for (b, weights) in blocks.iter().enumerate() {
                    let plain = |channel| plain(image, start, runs, weights, channel);
                    let expected: Sums = std::array::from_fn(plain);
                    assert_eq!(sums[n][b], expected, "{kernel:?} {n} {b}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_kernel_gives_the_plain_sums(
            count in 1_usize..4,
            groups in 1_usize..6,
            gap in 0_usize..9,
            image in proptest::collection::vec(any_byte(), 256),
            weights in proptest::collection::vec(any_byte(), 64 * 3 * 5 * 8),
        ) {
            let runs = Runs { count, groups, stride: groups * GROUP + gap };
            let weights: Vec<Weights> = weights
                .as_chunks::<64>()
                .0
                .iter()
                .map(|bytes| Weights(std::array::from_fn(|channel| {
                    std::array::from_fn(|input| bytes[channel * GROUP + input] as i8)
                })))
                .collect();
            check::<1, 1>(&image, runs, &weights);
            check::<1, 8>(&image, runs, &weights);
            check::<2, 2>(&image, runs, &weights);
            check::<3, 1>(&image, runs, &weights);
            check::<8, 2>(&image, runs, &weights);
        }
    }

    #[test]
    #[should_panic(expected = "a position is in the image")]
    fn a_position_beyond_the_image_is_refused() {
        let runs = Runs {
            count: 2,
            groups: 1,
            stride: 10,
        };
        let weights = [Weights::ZERO; 2];
        Kernel::detect().sums(&[0; 20], [7], runs, [&weights]);
    }
}
