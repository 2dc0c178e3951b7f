//! Exact CPU backend: the same bytes as the device, and the answer that the device is held to.
//!
//! ```text
//!  rows (i8) --widen--> tensor 0 (i16, zero-padded) --layer--> tensor 1 --layer--> ... --> rows (i8)
//!                            |
//!        dense, convolution: +--> vectors x weights (i8, padded) x 4 outputs --> i32 sums, scale, clamp
//! ```
//!
//! Activations are kept as 16-bit integers, each tensor's row padded with zeros to whole vectors,
//! so that a dot product is one widening multiply-add per 16 weights and never needs a remainder
//! loop. The other layers are plain loops. One call uses one thread; spreading rows over threads is
//! the engine's business.

mod convolution;
mod depthwise;
mod dot;
mod elementwise;
mod matrix;
mod movement;
mod pool;

use crate::model::{ModelError, Network, Operation, Softmax, Tensor};
use convolution::Convolution;
use depthwise::Depthwise;
use dot::{Kernel, ROWS};
use elementwise::{Add, Multiply};
use matrix::Matrix;
use movement::{Concatenate, Pad};
use pool::Pool;

/// Int8 values of one vector of the dot product; rows are padded to a multiple of it.
pub(crate) const LANES: usize = 16;

/// Runs a network on the CPU.
#[derive(Clone, Debug)]
pub struct CpuExecutor {
    steps: Vec<Step>,
    /// Values of one row of each tensor.
    elements: Vec<usize>,
    /// Index of the tensor that is filled.
    input: usize,
    /// Index of the tensor that is read.
    output: usize,
    kernel: Kernel,
}

/// One layer.
#[derive(Clone, Debug)]
struct Step {
    /// Indices of the tensors that are read.
    inputs: Vec<usize>,
    /// Index of the tensor that is written.
    output: usize,
    computation: Computation,
}

/// A layer's parameters, prepared.
#[derive(Clone, Debug)]
enum Computation {
    Dense(Matrix),
    Convolution(Convolution),
    Depthwise(Depthwise),
    Add(Add),
    Multiply(Multiply),
    Pool(Pool),
    Softmax(Softmax, Box<[Tensor; 2]>),
    Copy,
    Concatenate(Concatenate),
    Pad(Pad),
}

/// One row of every tensor, each padded to whole vectors. The padding stays zero.
type Arena = Vec<Vec<i16>>;

impl CpuExecutor {
    /// Prepares a network: packs its weights and folds input zero points into its biases.
    ///
    /// # Errors
    /// If the network is inconsistent ([`Network::validate`]).
    pub fn new(network: &Network) -> Result<CpuExecutor, ModelError> {
        Self::with_kernel(network, Kernel::detect())
    }

    fn with_kernel(network: &Network, kernel: Kernel) -> Result<CpuExecutor, ModelError> {
        network.validate()?;
        let steps = network.layers.iter().map(|layer| {
            let inputs: Vec<&Tensor> = layer.inputs.iter().map(|&id| network.tensor(id)).collect();
            Step {
                inputs: layer.inputs.iter().map(|id| id.0).collect(),
                output: layer.output.0,
                computation: prepare(&layer.operation, &inputs, network.tensor(layer.output)),
            }
        });
        Ok(CpuExecutor {
            steps: steps.collect(),
            elements: network.tensors.iter().map(Tensor::elements).collect(),
            input: network.input.tensor.0,
            output: network.output.tensor.0,
            kernel,
        })
    }

    /// Values of an input row.
    pub fn input_elements(&self) -> usize {
        self.elements[self.input]
    }

    /// Values of an output row.
    pub fn output_elements(&self) -> usize {
        self.elements[self.output]
    }

    /// Runs `count` rows, one after the other in `rows`, and returns as many output rows.
    ///
    /// # Panics
    /// If `rows` is not `count` input rows long.
    pub fn run(&self, rows: &[i8], count: usize) -> Vec<i8> {
        let (input, output) = (self.input_elements(), self.output_elements());
        assert_eq!(
            Some(rows.len()),
            count.checked_mul(input),
            "rows must hold {count} rows of {input}"
        );
        let mut outputs = Vec::with_capacity(count * output);
        let arena = || -> Arena {
            let padded = self
                .elements
                .iter()
                .map(|size| size.next_multiple_of(LANES));
            padded.map(|size| vec![0; size]).collect()
        };
        let mut arenas: Vec<Arena> = (0..count.min(ROWS)).map(|_| arena()).collect();
        for block in rows.chunks(ROWS * input) {
            let block_rows = block.len() / input;
            for (row, arena) in block.chunks_exact(input).zip(&mut arenas) {
                for (wide, &value) in arena[self.input].iter_mut().zip(row) {
                    *wide = value.into();
                }
            }
            for step in &self.steps {
                self.run_step(step, &mut arenas[..block_rows]);
            }
            for arena in &arenas[..block_rows] {
                let row = &arena[self.output][..output];
                outputs.extend(row.iter().map(|&value| value as i8));
            }
        }
        outputs
    }

    fn run_step(&self, step: &Step, arenas: &mut [Arena]) {
        if let (Computation::Dense(matrix), [first, second]) = (&step.computation, &mut *arenas) {
            // Two rows share each weight.
            let [mut left, mut right] =
                [&mut *first, &mut *second].map(|arena| std::mem::take(&mut arena[step.output]));
            let inputs = [&first[step.inputs[0]][..], &second[step.inputs[0]][..]];
            matrix.multiply(self.kernel, inputs, [&mut left[..], &mut right[..]]);
            first[step.output] = left;
            second[step.output] = right;
            return;
        }
        for arena in arenas {
            let mut output = std::mem::take(&mut arena[step.output]);
            let values = &mut output[..self.elements[step.output]];
            // With padding, and without.
            let padded = |index: usize| &arena[step.inputs[index]][..];
            let input = |index: usize| &padded(index)[..self.elements[step.inputs[index]]];
            match &step.computation {
                Computation::Dense(matrix) => matrix.multiply(self.kernel, [padded(0)], [values]),
                Computation::Convolution(layer) => layer.run(self.kernel, input(0), values),
                Computation::Depthwise(layer) => layer.run(input(0), values),
                Computation::Add(layer) => layer.run(input(0), input(1), values),
                Computation::Multiply(layer) => {
                    let right = step.inputs.get(1).map(|_| input(1));
                    layer.run(input(0), right, values);
                }
                Computation::Pool(layer) => layer.run(input(0), values),
                Computation::Softmax(layer, tensors) => {
                    let [input_tensor, output_tensor] = &**tensors;
                    let row: Vec<i8> = input(0).iter().map(|&value| value as i8).collect();
                    let results = layer.apply(&row, input_tensor, output_tensor);
                    for (output, result) in values.iter_mut().zip(results) {
                        *output = result.into();
                    }
                }
                Computation::Copy => values.copy_from_slice(input(0)),
                Computation::Concatenate(layer) => {
                    let inputs: Vec<&[i16]> = (0..step.inputs.len()).map(input).collect();
                    layer.run(&inputs, values);
                }
                Computation::Pad(layer) => layer.run(input(0), values),
            }
            arena[step.output] = output;
        }
    }
}

/// Prepares one layer of a consistent network.
fn prepare(operation: &Operation, inputs: &[&Tensor], output: &Tensor) -> Computation {
    let input = inputs[0];
    match operation {
        Operation::FullyConnected(dense) => {
            Computation::Dense(Matrix::dense(dense, input.zero_point, output.zero_point))
        }
        Operation::Convolution(layer) => {
            Computation::Convolution(Convolution::new(layer, input, output))
        }
        Operation::Depthwise(layer) => Computation::Depthwise(Depthwise::new(layer, input, output)),
        Operation::Add(layer) => Computation::Add(Add::new(layer, input, inputs[1], output)),
        Operation::Multiply(layer) => Computation::Multiply(Multiply::new(layer, inputs, output)),
        Operation::Pool(layer) => Computation::Pool(Pool::new(layer, input, output)),
        Operation::Softmax(layer) => {
            Computation::Softmax(*layer, Box::new([input.clone(), output.clone()]))
        }
        Operation::Reshape => Computation::Copy,
        Operation::Concatenate(layer) => {
            Computation::Concatenate(Concatenate::new(layer, inputs, output))
        }
        Operation::Pad(layer) => Computation::Pad(Pad::new(layer, input, output)),
    }
}

/// Height, width and channels of an image of a consistent network.
fn image(tensor: &Tensor) -> [usize; 3] {
    <[usize; 3]>::try_from(&tensor.shape[..]).expect("images were checked to have 3 dimensions")
}

/// What the tails of all layers have in common: zero point and clamp.
#[derive(Clone, Copy, Debug)]
struct Range {
    zero_point: i64,
    minimum: i64,
    maximum: i64,
}

impl Range {
    fn new(output: &Tensor, minimum: i8, maximum: i8) -> Range {
        Range {
            zero_point: output.zero_point.into(),
            minimum: minimum.into(),
            maximum: maximum.into(),
        }
    }

    /// A scaled integer as an output value.
    #[inline]
    fn finish(self, scaled: i64) -> i16 {
        (scaled + self.zero_point).clamp(self.minimum, self.maximum) as i16
    }
}

#[cfg(test)]
mod tests;
