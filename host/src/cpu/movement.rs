//! Layers that move values: concatenation and padding.

use super::finish::Range;
use super::kernel::OFFSET;
use crate::model::{self, Requantization, Tensor};

/// A concatenation: each index of the dimensions in front of the axis has a run of each input.
#[derive(Clone, Debug)]
pub(super) struct Concatenate {
    parts: Vec<Part>,
    range: Range,
}

/// One input of a concatenation.
#[derive(Clone, Debug)]
struct Part {
    /// Values of a run.
    length: usize,
    zero_point: i32,
    requantization: Option<Requantization>,
}

impl Concatenate {
    pub(super) fn new(
        layer: &model::Concatenate,
        inputs: &[&Tensor],
        output: &Tensor,
    ) -> Concatenate {
        let parts = inputs
            .iter()
            .zip(&layer.requantizations)
            .map(|(input, &requantization)| Part {
                length: input.shape[layer.axis..].iter().product(),
                zero_point: i32::from(input.zero_point) + OFFSET,
                requantization,
            });
        Concatenate {
            parts: parts.collect(),
            range: Range::new(output, i8::MIN, i8::MAX),
        }
    }

    pub(super) fn run(&self, inputs: &[&[u8]], output: &mut [u8]) {
        let length = self.parts.iter().map(|part| part.length).sum();
        for (index, mut run) in output.chunks_exact_mut(length).enumerate() {
            for (part, input) in self.parts.iter().zip(inputs) {
                let (outputs, rest) = run.split_at_mut(part.length);
                let values = &input[index * part.length..][..part.length];
                match part.requantization {
                    None => outputs.copy_from_slice(values),
                    Some(Requantization { scale, rounding }) => {
                        for (output, &value) in outputs.iter_mut().zip(values) {
                            let difference = i32::from(value) - part.zero_point;
                            *output = self.range.finish(scale.apply(difference, rounding));
                        }
                    }
                }
                run = rest;
            }
        }
    }
}

/// A padding.
#[derive(Clone, Debug)]
pub(super) struct Pad {
    input: Vec<usize>,
    output: Vec<usize>,
    before: Vec<usize>,
    zero_point: u8,
}

impl Pad {
    pub(super) fn new(layer: &model::Pad, input: &Tensor, output: &Tensor) -> Pad {
        Pad {
            input: input.shape.clone(),
            output: output.shape.clone(),
            before: layer.before.clone(),
            zero_point: (i32::from(output.zero_point) + OFFSET) as u8,
        }
    }

    pub(super) fn run(&self, input: &[u8], output: &mut [u8]) {
        output.fill(self.zero_point);
        let length = self.input.last().copied().unwrap_or(1);
        for (index, values) in input.chunks_exact(length).enumerate() {
            let start = self.place(index * length);
            output[start..start + length].copy_from_slice(values);
        }
    }

    /// Where an input value goes.
    fn place(&self, mut index: usize) -> usize {
        let (mut place, mut stride) = (0, 1);
        let dimensions = self.input.iter().zip(&self.output).zip(&self.before);
        for ((&inside, &outside), &before) in dimensions.rev() {
            place += (index % inside + before) * stride;
            index /= inside;
            stride *= outside;
        }
        place
    }
}
