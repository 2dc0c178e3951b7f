//! What a computation writes: the sums of a pixel, requantized, with a residual added or not.
//!
//! ```text
//!  sums --requantize (parameters of the channels)--> p ------------------------> output
//!                                                    p --(+ q, parameters F, S, T)--> output
//!                                   second_address --> q
//! ```

use systole_regs::Configuration;
use systole_regs::image::Parameter;
use systole_regs::instructions::{Compute, flag, rounding};

use crate::model::arithmetic::{Requantization, Residual};

/// How the results of one instruction are finished.
pub(super) struct Output<'a> {
    requantization: Requantization,
    channels: &'a [Parameter],
    residual: Option<Residual>,
}

impl<'a> Output<'a> {
    /// `parameters` begin with the instruction's first; the instruction has passed its checks.
    pub fn new(
        i: &Compute,
        parameters: &'a [Parameter],
        configuration: &Configuration,
    ) -> Output<'a> {
        let double = i.flags & flag::DOUBLE_ROUNDING != 0;
        let (channels, rest) = parameters.split_at(usize::from(i.channels));
        let residual = (i.flags & flag::RESIDUAL != 0).then(|| {
            let lanes = configuration.requantize_lanes;
            let gap = channels.len().next_multiple_of(lanes) - channels.len();
            Residual {
                first: rest[gap],
                second: rest[gap + 1],
                total: rest[gap + 2],
                zero_point: i.sum_zero_point,
                minimum: i.sum_minimum,
                maximum: i.sum_maximum,
            }
        });
        Output {
            requantization: Requantization {
                rounding: if double {
                    rounding::DOUBLE
                } else {
                    rounding::SINGLE
                },
                zero_point: i.output_zero_point,
                minimum: i.clamp_minimum,
                maximum: i.clamp_maximum,
            },
            channels,
            residual,
        }
    }

    /// Writes the pixel whose results lie `offset` bytes from the output address.
    pub fn write(&self, i: &Compute, offset: usize, sums: &[i32], scratchpad: &mut [i8]) {
        let output = i.output_address as usize + offset;
        let second = i.second_address as usize + offset;
        for (c, (&sum, parameter)) in sums.iter().zip(self.channels).enumerate() {
            let result = self.requantization.apply(sum, parameter);
            scratchpad[output + c] = match &self.residual {
                Some(residual) => residual.apply(result, scratchpad[second + c]),
                None => result,
            };
        }
    }
}

/// Bytes from the output address to the results of pixel (oy, ox) of row `b`.
pub(super) fn offset(i: &Compute, b: usize, oy: usize, ox: usize) -> usize {
    b * i.output_batch_stride as usize
        + oy * usize::from(i.output_row_stride)
        + ox * usize::from(i.output_pixel_stride)
}
