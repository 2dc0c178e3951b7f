//! Average and maximum over windows of an image.

use super::finish::Range;
use super::image;
use super::kernel::{Kernel, OFFSET};
use crate::model::{self, PoolKind, Requantization, Tensor, Window};

/// A pooling layer.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    kind: PoolKind,
    window: Window,
    input: [usize; 3],
    output: [usize; 3],
    input_zero_point: i32,
    requantization: Option<Requantization>,
    range: Range,
}

impl Pool {
    pub(super) fn new(layer: &model::Pool, input: &Tensor, output: &Tensor) -> Pool {
        Pool {
            kind: layer.kind,
            window: layer.window,
            input: image(input),
            output: image(output),
            input_zero_point: i32::from(input.zero_point) + OFFSET,
            requantization: layer.requantization,
            range: Range::new(output, layer.clamp_minimum, layer.clamp_maximum),
        }
    }

    pub(super) fn run(&self, kernel: Kernel, input: &[u8], output: &mut [u8]) {
        kernel.compile(
            #[inline(always)]
            || self.loops(input, output),
        );
    }

    #[inline(always)]
    fn loops(&self, input: &[u8], output: &mut [u8]) {
        let [height, width, channels] = self.input;
        let mut results = vec![0; channels];
        for (position, output) in output.chunks_exact_mut(channels).enumerate() {
            let (y, x) = (position / self.output[1], position % self.output[1]);
            let (rows, columns) = (self.window.rows(y, height), self.window.columns(x, width));
            let count = (rows.len() * columns.len()) as i32;
            results.fill(match self.kind {
                PoolKind::Average => 0,
                PoolKind::Maximum => i32::MIN,
            });
            for row in rows {
                for column in columns.clone() {
                    let values = &input[(row * width + column) * channels..][..channels];
                    for (result, &value) in results.iter_mut().zip(values) {
                        *result = match self.kind {
                            PoolKind::Average => *result + i32::from(value),
                            PoolKind::Maximum => (*result).max(value.into()),
                        };
                    }
                }
            }
            for (output, &result) in output.iter_mut().zip(&results) {
                *output = self.finish(result, count);
            }
        }
    }

    /// An output value from the sum or maximum over `count` values.
    fn finish(&self, result: i32, count: i32) -> u8 {
        let zero_points = match self.kind {
            PoolKind::Average => count * self.input_zero_point,
            PoolKind::Maximum => self.input_zero_point,
        };
        match self.requantization {
            Some(Requantization { scale, rounding }) => self
                .range
                .finish(scale.apply(result - zero_points, rounding)),
            None => {
                // Rounding is of the values themselves, which have a sign.
                let value = match self.kind {
                    PoolKind::Average => divide(result - count * OFFSET, count),
                    PoolKind::Maximum => result - OFFSET,
                };
                // The zero point is in the values.
                self.range
                    .finish_short(value + OFFSET - self.range.zero_point)
            }
        }
    }
}

/// To nearest, ties away from zero; `divisor` is positive.
fn divide(dividend: i32, divisor: i32) -> i32 {
    let half = if dividend > 0 {
        divisor / 2
    } else {
        -(divisor / 2)
    };
    (dividend + half) / divisor
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn averages_are_rounded_as_real_numbers_are() {
        for divisor in 1..200 {
            for dividend in -40 * divisor..40 * divisor {
                let real = f64::from(dividend) / f64::from(divisor);
                assert_eq!(f64::from(divide(dividend, divisor)), real.round());
            }
        }
    }
}
