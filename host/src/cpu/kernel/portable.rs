//! Plain loops, for any processor.

use super::{CHANNELS, GROUP, Runs, Sums, Weights};
use crate::cpu::depthwise::Depthwise;
use crate::cpu::finish::put;

/// See [`Kernel::sums`](super::Kernel::sums).
pub(super) fn sums<const N: usize, const B: usize>(
    image: &[u8],
    starts: [usize; N],
    runs: Runs,
    blocks: [&[Weights]; B],
) -> [[Sums; B]; N] {
    starts.map(|start| blocks.map(|weights| position(&image[start..], runs, weights)))
}

/// The sums of one position and one block.
fn position(image: &[u8], runs: Runs, weights: &[Weights]) -> Sums {
    let mut sums = [0_i32; CHANNELS];
    for (run, weights) in weights.chunks_exact(runs.groups).enumerate() {
        let bytes = &image[run * runs.stride..];
        for (input, weights) in bytes.as_chunks::<GROUP>().0.iter().zip(weights) {
            // Pairs of 16-bit integers, which most processors multiply and add at once.
            let [a, b, c, d] = input.map(i16::from);
            for (sum, weights) in sums.iter_mut().zip(&weights.0) {
                let [e, f, g, h] = weights.map(i16::from);
                let product = |left: i16, right: i16| i32::from(left) * i32::from(right);
                let first = product(a, e) + product(b, f);
                let second = product(c, g) + product(d, h);
                *sum = sum.wrapping_add(first).wrapping_add(second);
            }
        }
    }
    sums
}

/// See [`Kernel::depthwise`](super::Kernel::depthwise).
#[inline(always)]
pub(super) fn depthwise(layer: &Depthwise, image: &[u8], output: &mut [u8]) {
    let (sweep, starts) = (layer.sweep, &layer.border.starts);
    let groups = sweep.groups();
    for (&start, output) in starts.iter().zip(output.chunks_exact_mut(sweep.channels)) {
        let blocks = layer.blocks.iter().zip(layer.weights.chunks_exact(groups));
        for (index, ((block, weights), output)) in
            blocks.zip(output.chunks_mut(CHANNELS)).enumerate()
        {
            let mut sums = [0_i32; CHANNELS];
            for ky in 0..sweep.height {
                for kx in 0..sweep.width {
                    let weights = &weights[ky * sweep.row_groups() + kx / GROUP].0;
                    let from = start + ky * sweep.row + kx * sweep.neighbour + index * CHANNELS;
                    // What is read behind the last channel has no weight.
                    let values = &image[from..][..CHANNELS];
                    for (channel, sum) in sums.iter_mut().enumerate() {
                        let weight = i32::from(weights[channel][kx % GROUP]);
                        *sum = sum.wrapping_add(i32::from(values[channel]) * weight);
                    }
                }
            }
            put(&block.finish(&sums, layer.range), output);
        }
    }
}
