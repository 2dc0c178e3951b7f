//! Sum and product of tensors, value by value.

use super::finish::Range;
use super::kernel::{Kernel, OFFSET};
use crate::model::{self, Factor, Rounding, Scale, Tensor};

/// A sum.
#[derive(Clone, Debug)]
pub(super) struct Add {
    pub(super) left: Term,
    pub(super) right: Term,
    pub(super) scale: Scale,
    pub(super) range: Range,
}

/// What happens to an input before it is added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    /// As a byte.
    pub(super) zero_point: i32,
    pub(super) shift: u32,
    pub(super) scale: Scale,
}

impl Term {
    #[inline(always)]
    fn apply(self, value: u8) -> i32 {
        let difference = (i32::from(value) - self.zero_point) << self.shift;
        // Scales below one keep it within 32 bits.
        self.scale.apply(difference, Rounding::Double) as i32
    }
}

impl Add {
    pub(super) fn new(layer: &model::Add, left: &Tensor, right: &Tensor, output: &Tensor) -> Add {
        let term = |tensor: &Tensor, scale: Scale| Term {
            zero_point: i32::from(tensor.zero_point) + OFFSET,
            shift: layer.left_shift.into(),
            scale,
        };
        Add {
            left: term(left, layer.left),
            right: term(right, layer.right),
            scale: layer.output,
            range: Range::new(output, layer.clamp_minimum, layer.clamp_maximum),
        }
    }

    /// Shifts to the right of the two inputs' scales and of the sum's, if nothing is shifted to the
    /// left and 31 bits hold all that comes before a shift.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    pub(super) fn short_shifts(&self) -> Option<[u32; 3]> {
        // Differences are below 2^8, what is scaled by less than one no greater than before.
        let small = self.left.shift.max(self.right.shift) + 8 < 30;
        let right = |scale: Scale| match scale.shift {
            -29..=0 => Some(u32::from(scale.shift.unsigned_abs())),
            _ => None,
        };
        let shifts = [
            right(self.left.scale)?,
            right(self.right.scale)?,
            right(self.scale)?,
        ];
        small.then_some(shifts)
    }

    pub(super) fn run(&self, kernel: Kernel, left: &[u8], right: &[u8], output: &mut [u8]) {
        let done = kernel.add(self, left, right, output);
        let (left, right, output) = (&left[done..], &right[done..], &mut output[done..]);
        kernel.compile(
            #[inline(always)]
            || {
                let Add { scale, range, .. } = *self;
                let (first, second) = (self.left, self.right);
                for ((output, &l), &r) in output.iter_mut().zip(left).zip(right) {
                    let sum = first.apply(l).wrapping_add(second.apply(r));
                    let scaled = scale.apply(sum, Rounding::Double) as i32;
                    *output = range.finish_short(scaled);
                }
            },
        );
    }
}

/// A product.
#[derive(Clone, Debug)]
pub(super) struct Multiply {
    /// As a byte.
    left_zero_point: i32,
    right_zero_point: i32,
    constants: Vec<i16>,
    scale: Scale,
    rounding: Rounding,
    range: Range,
}

impl Multiply {
    pub(super) fn new(layer: &model::Multiply, inputs: &[&Tensor], output: &Tensor) -> Multiply {
        Multiply {
            left_zero_point: i32::from(inputs[0].zero_point) + OFFSET,
            right_zero_point: inputs
                .get(1)
                .map_or(0, |right| i32::from(right.zero_point) + OFFSET),
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
    pub(super) fn run(&self, kernel: Kernel, left: &[u8], right: Option<&[u8]>, output: &mut [u8]) {
        kernel.compile(
            #[inline(always)]
            || match right {
                Some(right) => {
                    let factor = |value: u8| i32::from(value) - self.right_zero_point;
                    self.repeat(left, right, factor, output);
                }
                None => self.repeat(left, &self.constants, i32::from, output),
            },
        );
    }

    /// Factors are as many as values, or are used over and over.
    #[inline(always)]
    fn repeat<F: Copy>(
        &self,
        left: &[u8],
        factors: &[F],
        factor: impl Fn(F) -> i32 + Copy,
        output: &mut [u8],
    ) {
        let length = factors.len();
        for (output, left) in output.chunks_mut(length).zip(left.chunks(length)) {
            self.multiply(left, factors, factor, output);
        }
    }

    #[inline(always)]
    fn multiply<F: Copy>(
        &self,
        left: &[u8],
        factors: &[F],
        factor: impl Fn(F) -> i32,
        output: &mut [u8],
    ) {
        for ((output, &value), &other) in output.iter_mut().zip(left).zip(factors) {
            let difference = i32::from(value) - self.left_zero_point;
            let scaled = self.scale.apply(difference * factor(other), self.rounding);
            *output = self.range.finish(scaled);
        }
    }
}
