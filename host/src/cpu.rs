//! Exact CPU backend: the same bytes as the device, and the answer that the device is held to.
//!
//! ```text
//!  rows (i8) --widen--> arena (i16, zero-padded) --dense--> arena --dense--> ... --> rows (i8)
//!                                  ^                 |
//!                  weights (i8, padded) x 4 outputs  +-- i32 sums, scale, clamp
//! ```
//!
//! Activations are kept as 16-bit integers, padded with zeros to whole vectors, so that a dot
//! product is one widening multiply-add per 16 weights and never needs a remainder loop. One call
//! uses one thread; spreading rows over threads is the engine's business.

mod dense;
mod dot;

use crate::model::{ModelError, Network, Operation, TensorId};
use dense::Dense;
use dot::{Kernel, ROWS};

/// Int8 values of one vector of the dot product; rows are padded to a multiple of it.
pub(crate) const LANES: usize = 16;

/// Runs a network on the CPU.
#[derive(Clone, Debug)]
pub struct CpuExecutor {
    layers: Vec<Dense>,
    /// Values of the arena that holds one row of every tensor.
    arena: usize,
    input: Span,
    output: Span,
    kernel: Kernel,
}

/// Part of an arena: one tensor's row, without its padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: usize,
    elements: usize,
}

impl Span {
    /// The range that includes the padding.
    fn padded(self) -> std::ops::Range<usize> {
        self.start..self.start + self.elements.next_multiple_of(LANES)
    }

    fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.elements
    }
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
        let mut offsets = Vec::with_capacity(network.tensors.len());
        let mut arena = 0;
        for tensor in &network.tensors {
            offsets.push(arena);
            arena += tensor.elements().next_multiple_of(LANES);
        }
        let span = |id: TensorId| Span {
            start: offsets[id.0],
            elements: network.tensor(id).elements(),
        };
        let layers = network
            .layers
            .iter()
            .map(|layer| match &layer.operation {
                Operation::FullyConnected(dense) => Dense::new(
                    dense,
                    span(layer.inputs[0]),
                    span(layer.output),
                    network.tensor(layer.inputs[0]).zero_point,
                    network.tensor(layer.output).zero_point,
                ),
                _ => todo!(),
            })
            .collect();
        Ok(CpuExecutor {
            layers,
            arena,
            input: span(network.input.tensor),
            output: span(network.output.tensor),
            kernel,
        })
    }

    /// Values of an input row.
    pub fn input_elements(&self) -> usize {
        self.input.elements
    }

    /// Values of an output row.
    pub fn output_elements(&self) -> usize {
        self.output.elements
    }

    /// Runs `count` rows, one after the other in `rows`, and returns as many output rows.
    ///
    /// # Panics
    /// If `rows` is not `count` input rows long.
    pub fn run(&self, rows: &[i8], count: usize) -> Vec<i8> {
        assert_eq!(
            Some(rows.len()),
            count.checked_mul(self.input.elements),
            "rows must hold {count} rows of {}",
            self.input.elements
        );
        let mut outputs = Vec::with_capacity(count * self.output.elements);
        let mut arenas: [Vec<i16>; ROWS] = std::array::from_fn(|_| vec![0; self.arena]);
        for block in rows.chunks(ROWS * self.input.elements) {
            let block_rows = block.len() / self.input.elements;
            for (row, arena) in block.chunks_exact(self.input.elements).zip(&mut arenas) {
                for (wide, &value) in arena[self.input.range()].iter_mut().zip(row) {
                    *wide = value.into();
                }
            }
            for layer in &self.layers {
                layer.run(self.kernel, &mut arenas[..block_rows]);
            }
            for arena in &arenas[..block_rows] {
                outputs.extend(arena[self.output.range()].iter().map(|&value| value as i8));
            }
        }
        outputs
    }
}

#[cfg(test)]
mod tests;
