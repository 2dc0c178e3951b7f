//! Depthwise convolution in AVX2: two neighbours at a time, whose bytes are put beside each other,
//! widened to 16 bits and multiplied with both weights of their channel.
//!
//! ```text
//!  image:      a0 a1 .. a15 | b0 b1 .. b15        (2 positions of the kernel, 16 channels)
//!  interleave: a0 b0 a1 b1 .. | a8 b8 a9 b9 ..    x  weights  -->  8 sums | 8 sums
//! ```

use std::arch::x86_64::*;

use super::finish::{self, Ordered};
use super::pairs::PairWeights;
use crate::cpu::depthwise::Depthwise;
use crate::cpu::finish::{Block, put};
use crate::cpu::kernel::{CHANNELS, GROUP, Sweep, Weights};

/// Pairs of a kernel of 3 by 3, the most usual one.
const USUAL: usize = 5;

/// The positions of a kernel in pairs; where their number is odd, the last one has a partner without
/// weight.
#[derive(Clone, Debug, Default)]
pub(crate) struct TapPairs {
    /// Bytes from where the kernel begins to each of the two.
    offsets: Vec<[usize; 2]>,
    /// For each block of channels, the weights of each pair.
    weights: Vec<PairWeights>,
}

impl TapPairs {
    /// Pairs the positions of a kernel, whose weights come in groups, as [`Sweep::groups`] counts them.
    pub(in crate::cpu::kernel) fn new(sweep: Sweep, weights: &[Weights]) -> TapPairs {
        let columns = |row| (0..sweep.width).map(move |column| (row, column));
        let taps: Vec<(usize, usize)> = (0..sweep.height).flat_map(columns).collect();
        let offset = |&(row, column): &(usize, usize)| row * sweep.row + column * sweep.neighbour;
        let pairs = taps.chunks(2);
        let of_block = |block: &[Weights]| -> Vec<PairWeights> {
            let weight = |channel: usize, tap: Option<&(usize, usize)>| {
                tap.map_or(0, |&(row, column)| {
                    let group = &block[row * sweep.row_groups() + column / GROUP];
                    group.0[channel][column % GROUP].into()
                })
            };
            let pairs = pairs.clone();
            pairs
                .map(|pair| {
                    let of_channel = |channel| [0, 1].map(|tap| weight(channel, pair.get(tap)));
                    PairWeights(std::array::from_fn(of_channel))
                })
                .collect()
        };
        TapPairs {
            offsets: pairs
                .clone()
                .map(|pair| [offset(&pair[0]), offset(&pair[pair.len() - 1])])
                .collect(),
            weights: weights
                .chunks_exact(sweep.groups())
                .flat_map(of_block)
                .collect(),
        }
    }
}

/// See [`Kernel::depthwise`](crate::cpu::kernel::Kernel::depthwise).
///
/// # Safety
/// From each start, the sweep and [`SLACK`](crate::cpu::kernel::SLACK) bytes are inside the image.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn depthwise(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    let pairs = &layer.pairs;
    let weights = pairs.weights.chunks_exact(pairs.offsets.len());
    for (index, (block, weights)) in layer.blocks.iter().zip(weights).enumerate() {
        let first = index * CHANNELS;
        // SAFETY: the caller vouches for all bounds; each pair has its weights.
        unsafe {
            match (layer.sweep.channels - first, pairs.offsets.len()) {
                (..=8, USUAL) => channels::<USUAL, 1>(layer, block, weights, first, image, output),
                (..=8, _) => channels::<0, 1>(layer, block, weights, first, image, output),
                (_, USUAL) => channels::<USUAL, 2>(layer, block, weights, first, image, output),
                (_, _) => channels::<0, 2>(layer, block, weights, first, image, output),
            }
        }
    }
}

/// The channels of a block, from `first` on, of all positions. `P` is the number of pairs, or zero for
/// any; `H` how many halves of the block there are.
///
/// # Safety
/// As [`depthwise`]; there are as many weights as pairs.
#[target_feature(enable = "avx2")]
unsafe fn channels<const P: usize, const H: usize>(
    layer: &Depthwise,
    block: &Block,
    weights: &[PairWeights],
    first: usize,
    image: &[u8],
    output: &mut [u8],
) {
    let count = layer.sweep.channels;
    let some = CHANNELS.min(count - first);
    let offsets = match P {
        0 => &layer.pairs.offsets[..],
        _ => &layer.pairs.offsets[..P],
    };
    let outputs = output.chunks_exact_mut(count);
    for (&start, output) in layer.border.starts.iter().zip(outputs) {
        let mut sums: Ordered = [_mm256_setzero_si256(); 2];
        for (&offsets, weights) in offsets.iter().zip(weights) {
            // SAFETY: both are inside the sweep, which is inside the image; what is loaded beyond it is
            // within the slack.
            let (left, right) = unsafe {
                let from = image.as_ptr().add(start + first);
                (
                    _mm_loadu_si128(from.add(offsets[0]).cast()),
                    _mm_loadu_si128(from.add(offsets[1]).cast()),
                )
            };
            let inputs = [
                _mm_unpacklo_epi8(left, right),
                _mm_unpackhi_epi8(left, right),
            ];
            for half in 0..H {
                let products =
                    _mm256_madd_epi16(_mm256_cvtepu8_epi16(inputs[half]), weights.load(half));
                // Two products are at most 2 * 255 * 128: 32 bits hold many of them.
                sums[half] = _mm256_add_epi32(sums[half], products);
            }
        }
        let bytes = finish::finish(block, layer.range, sums);
        put(&bytes, &mut output[first..first + some]);
    }
}
