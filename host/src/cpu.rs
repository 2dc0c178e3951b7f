//! Exact CPU backend: the same bytes as the device, and the answer that the device is held to.
//!
//! ```text
//!  rows (i8) --+ 128--> tensor 0 (u8) --layer--> tensor 1 --layer--> ... --> rows (i8)
//!                            |
//!        dense, convolution: +--> positions x weights (i8) x 16 channels --> i32 sums --> scale, clamp
//! ```
//!
//! Buffers of tensors are readable a little behind their end, so that no loop needs a remainder. One
//! call uses one thread; spreading rows over threads is the engine's business.

mod border;
mod convolution;
mod depthwise;
mod elementwise;
mod finish;
mod kernel;
mod matrix;
mod movement;
mod pool;
mod positions;

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{ModelError, Network, Operation, Softmax, Tensor};
use convolution::Convolution;
use depthwise::Depthwise;
use elementwise::{Add, Multiply};
use kernel::{GROUP, Kernel, OFFSET, SLACK};
use matrix::Matrix;
use movement::{Concatenate, Pad};
use pool::Pool;

/// Rows that are computed together at most: in dense layers they share each weight.
const ROWS: usize = 8;

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
    /// Bytes that a layer needs besides its tensors.
    scratch: usize,
    kernel: Kernel,
    /// Buffers that no call is using.
    arenas: Arc<Mutex<Vec<Arena>>>,
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

/// Buffers of one call.
#[derive(Debug)]
struct Arena {
    /// For each tensor, the bytes of [`ROWS`] rows.
    tensors: Vec<Vec<u8>>,
    scratch: Vec<u8>,
    /// Rows that there is room for.
    rows: usize,
}

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
                computation: prepare(
                    &layer.operation,
                    &inputs,
                    network.tensor(layer.output),
                    kernel,
                ),
            }
        });
        let steps: Vec<Step> = steps.collect();
        Ok(CpuExecutor {
            scratch: steps.iter().map(Step::scratch).max().unwrap_or(0),
            steps,
            elements: network.tensors.iter().map(Tensor::elements).collect(),
            input: network.input.tensor.0,
            output: network.output.tensor.0,
            kernel,
            arenas: Arc::default(),
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
        let mut arena = self.take_arena(count.min(ROWS));
        for block in rows.chunks(ROWS * input) {
            let block_rows = block.len() / input;
            let (tensors, stride) = (&mut arena.tensors, self.stride(self.input));
            let places = tensors[self.input].chunks_exact_mut(stride);
            for (place, row) in places.zip(block.chunks_exact(input)) {
                for (byte, &value) in place.iter_mut().zip(row) {
                    *byte = value as u8 ^ OFFSET as u8;
                }
            }
            for step in &self.steps {
                self.run_step(step, &mut arena, block_rows);
            }
            let results = arena.tensors[self.output].chunks_exact(self.stride(self.output));
            for row in results.take(block_rows) {
                let values = row[..output].iter();
                outputs.extend(values.map(|&byte| (byte ^ OFFSET as u8) as i8));
            }
        }
        self.arenas().push(arena);
        outputs
    }

    /// Buffers for this many rows.
    fn take_arena(&self, rows: usize) -> Arena {
        // One that is too small makes room for its successor, so there are never more than calls at once.
        let arena = self.arenas().pop();
        if let Some(arena) = arena.filter(|arena| arena.rows >= rows) {
            return arena;
        }
        let tensors = 0..self.elements.len();
        Arena {
            tensors: tensors
                .map(|tensor| vec![0; rows * self.stride(tensor) + SLACK])
                .collect(),
            scratch: vec![0; self.scratch],
            rows,
        }
    }

    fn arenas(&self) -> std::sync::MutexGuard<'_, Vec<Arena>> {
        // Buffers are whole whatever happened to who had them.
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes from one row of a tensor to the next.
    fn stride(&self, tensor: usize) -> usize {
        self.elements[tensor].next_multiple_of(GROUP)
    }

    fn run_step(&self, step: &Step, arena: &mut Arena, rows: usize) {
        let Arena {
            tensors, scratch, ..
        } = arena;
        let mut output = std::mem::take(&mut tensors[step.output]);
        let (stride, elements) = (self.stride(step.output), self.elements[step.output]);
        if let Computation::Dense(matrix) = &step.computation {
            let input = step.inputs[0];
            let starts: [usize; ROWS] = std::array::from_fn(|row| row * self.stride(input));
            let (image, starts) = (&tensors[input], &starts[..rows]);
            positions::in_turn(matrix, self.kernel, image, starts, &mut output, stride);
        } else {
            for row in 0..rows {
                let values = &mut output[row * stride..][..elements];
                // With what is readable behind it, and without.
                let from = |index: usize| {
                    let tensor = step.inputs[index];
                    &tensors[tensor][row * self.stride(tensor)..]
                };
                let input = |index: usize| &from(index)[..self.elements[step.inputs[index]]];
                self.run_row(
                    &step.computation,
                    step.inputs.len(),
                    &from,
                    &input,
                    values,
                    scratch,
                );
            }
        }
        tensors[step.output] = output;
    }

    fn run_row<'t>(
        &self,
        computation: &Computation,
        inputs: usize,
        from: &dyn Fn(usize) -> &'t [u8],
        input: &dyn Fn(usize) -> &'t [u8],
        values: &mut [u8],
        scratch: &mut [u8],
    ) {
        let kernel = self.kernel;
        match computation {
            Computation::Dense(_) => {}
            Computation::Convolution(layer) => layer.run(kernel, from(0), values, scratch),
            Computation::Depthwise(layer) => layer.run(kernel, from(0), values, scratch),
            Computation::Add(layer) => layer.run(kernel, input(0), input(1), values),
            Computation::Multiply(layer) => {
                let right = (inputs > 1).then(|| input(1));
                layer.run(kernel, input(0), right, values);
            }
            Computation::Pool(layer) => layer.run(kernel, input(0), values),
            Computation::Softmax(layer, tensors) => {
                let [input_tensor, output_tensor] = &**tensors;
                let signed = |&byte: &u8| (byte ^ OFFSET as u8) as i8;
                let row: Vec<i8> = input(0).iter().map(signed).collect();
                let results = layer.apply(&row, input_tensor, output_tensor);
                for (value, result) in values.iter_mut().zip(results) {
                    *value = result as u8 ^ OFFSET as u8;
                }
            }
            Computation::Copy => values.copy_from_slice(input(0)),
            Computation::Concatenate(layer) => {
                let inputs: Vec<&[u8]> = (0..inputs).map(input).collect();
                layer.run(&inputs, values);
            }
            Computation::Pad(layer) => layer.run(input(0), values),
        }
    }
}

impl Step {
    /// Bytes that the layer needs besides its tensors.
    fn scratch(&self) -> usize {
        match &self.computation {
            Computation::Convolution(layer) => layer.scratch(),
            Computation::Depthwise(layer) => layer.scratch(),
            _ => 0,
        }
    }
}

/// Prepares one layer of a consistent network.
fn prepare(
    operation: &Operation,
    inputs: &[&Tensor],
    output: &Tensor,
    kernel: Kernel,
) -> Computation {
    let input = inputs[0];
    match operation {
        Operation::FullyConnected(dense) => {
            Computation::Dense(Matrix::dense(dense, input, output, kernel))
        }
        Operation::Convolution(layer) => {
            Computation::Convolution(Convolution::new(layer, input, output, kernel))
        }
        Operation::Depthwise(layer) => {
            Computation::Depthwise(Depthwise::new(layer, input, output, kernel))
        }
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

#[cfg(test)]
mod tests;
