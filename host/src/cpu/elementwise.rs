//! Sum and product of tensors, value by value.

use super::Range;
use crate::model::{self, Factor, Rounding, Scale, Tensor};

/// A sum. Each input has only 256 values, whose scaled forms are computed beforehand.
#[derive(Clone, Debug)]
pub(super) struct Add {
    /// Scaled form of -128, -127, ..., 127.
    left: Vec<i32>,
    right: Vec<i32>,
    scale: Scale,
    range: Range,
}

impl Add {
    pub(super) fn new(layer: &model::Add, left: &Tensor, right: &Tensor, output: &Tensor) -> Add {
        let table = |tensor: &Tensor, scale: Scale| {
            let scaled = |value: i8| {
                let difference = i32::from(value) - i32::from(tensor.zero_point);
                // Scales below one keep it within 32 bits.
                scale.apply(difference << layer.left_shift, Rounding::Double) as i32
            };
            (i8::MIN..=i8::MAX).map(scaled).collect()
        };
        Add {
            left: table(left, layer.left),
            right: table(right, layer.right),
            scale: layer.output,
            range: Range::new(output, layer.clamp_minimum, layer.clamp_maximum),
        }
    }

    pub(super) fn run(&self, left: &[i16], right: &[i16], output: &mut [i16]) {
        let place = |value: i16| usize::from((value + 128) as u8);
        for ((output, &l), &r) in output.iter_mut().zip(left).zip(right) {
            let sum = self.left[place(l)].wrapping_add(self.right[place(r)]);
            *output = self.range.finish(self.scale.apply(sum, Rounding::Double));
        }
    }
}

/// A product.
#[derive(Clone, Debug)]
pub(super) struct Multiply {
    left_zero_point: i32,
    right_zero_point: i16,
    constants: Vec<i16>,
    scale: Scale,
    rounding: Rounding,
    range: Range,
}

impl Multiply {
    pub(super) fn new(layer: &model::Multiply, inputs: &[&Tensor], output: &Tensor) -> Multiply {
        Multiply {
            left_zero_point: inputs[0].zero_point.into(),
            right_zero_point: inputs.get(1).map_or(0, |right| right.zero_point.into()),
            constants: match &layer.factor {
                Factor::Tensor => Vec::new(),
                Factor::Constant(values) => values.clone(),
            },
            scale: layer.scale,
            rounding: layer.rounding,
            range: Range::new(output, layer.clamp_minimum, layer.clamp_maximum),
        }
    }

    /// `right` is the second input, unless the factors are constants.
    pub(super) fn run(&self, left: &[i16], right: Option<&[i16]>, output: &mut [i16]) {
        let factors = right.unwrap_or(&self.constants);
        for (outputs, values) in output
            .chunks_mut(factors.len())
            .zip(left.chunks(factors.len()))
        {
            for ((output, &value), &factor) in outputs.iter_mut().zip(values).zip(factors) {
                let difference = i32::from(value) - self.left_zero_point;
                let factor = i32::from(factor - self.right_zero_point);
                let scaled = self.scale.apply(difference * factor, self.rounding);
                *output = self.range.finish(scaled);
            }
        }
    }
}
