//! Positions of a matrix, several at a time: they share each weight that is read.

use super::kernel::Kernel;
use super::matrix::Matrix;

/// Multiplies all positions, whose outputs are `stride` bytes apart.
pub(super) fn in_turn(
    matrix: &Matrix,
    kernel: Kernel,
    image: &[u8],
    mut starts: &[usize],
    mut output: &mut [u8],
    stride: usize,
) {
    if kernel.positions(matrix, image, starts, output, stride) {
        return;
    }
    while let Some(rest) = step::<8>(matrix, kernel, image, starts, &mut output, stride) {
        starts = rest;
    }
    while let Some(rest) = step::<4>(matrix, kernel, image, starts, &mut output, stride) {
        starts = rest;
    }
    while let Some(rest) = step::<2>(matrix, kernel, image, starts, &mut output, stride) {
        starts = rest;
    }
    while let Some(rest) = step::<1>(matrix, kernel, image, starts, &mut output, stride) {
        starts = rest;
    }
}

/// Multiplies the first `N` positions, if there are as many; the positions that are left.
fn step<'s, const N: usize>(
    matrix: &Matrix,
    kernel: Kernel,
    image: &[u8],
    starts: &'s [usize],
    output: &mut &mut [u8],
    stride: usize,
) -> Option<&'s [usize]> {
    let (now, rest) = starts.split_first_chunk::<N>()?;
    let (written, later) = std::mem::take(output).split_at_mut(N * stride);
    *output = later;
    let mut parts = written.chunks_exact_mut(stride);
    let mut outputs: [&mut [u8]; N] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    matrix.multiply(kernel, image, *now, &mut outputs);
    Some(rest)
}
