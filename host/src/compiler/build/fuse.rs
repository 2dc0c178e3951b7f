//! What becomes of each tensor: which additions are folded into the layer before, which parts are
//! written straight into what they are joined to.
//!
//! ```text
//!  a = conv(x), y computed before:  a + y       one node, at the place of conv
//!  a = conv(x), y computed after:   a + y       one node, at the place of the addition
//!  a, b read by others as well:     a + b       a node of its own
//! ```

use super::shape;
use crate::model::{Network, Operation, TensorId};

/// Roles of layers and tensors.
pub(super) struct Roles {
    /// For each tensor the layers that read it, each as often as it does; the output port counts
    /// as one more, after all layers.
    readers: Vec<Vec<usize>>,
    /// For each tensor the layer that computes it.
    producer: Vec<Option<usize>>,
    /// For each layer the addition that is folded into it.
    pub sum: Vec<Option<Sum>>,
    /// For each tensor the concatenation that it is written straight into, and its place there.
    pub part: Vec<Option<(usize, usize)>>,
}

/// An addition that is folded into the layer that computes one of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// The addition.
    pub layer: usize,
    /// Which of its operands is computed, 0 or 1.
    pub operand: usize,
    /// Where the node comes: the place of its first or of its second layer.
    pub place: usize,
}

impl Roles {
    pub fn new(network: &Network) -> Roles {
        let mut readers = vec![Vec::new(); network.tensors.len()];
        let mut producer = vec![None; network.tensors.len()];
        for (index, layer) in network.layers.iter().enumerate() {
            for input in &layer.inputs {
                readers[input.0].push(index);
            }
            producer[layer.output.0] = Some(index);
        }
        readers[network.output.tensor.0].push(network.layers.len());
        let mut roles = Roles {
            readers,
            producer,
            sum: vec![None; network.layers.len()],
            part: vec![None; network.tensors.len()],
        };
        roles.fold_additions(network);
        roles.find_parts(network);
        roles
    }

    /// The layer that computes a tensor, if it is a kernel's and only `reader` reads it.
    fn only_for(&self, network: &Network, id: TensorId, reader: usize) -> Option<usize> {
        let producer = self.producer[id.0]?;
        let only = self.readers[id.0] == [reader];
        (only && is_kernel(&network.layers[producer].operation)).then_some(producer)
    }

    fn fold_additions(&mut self, network: &Network) {
        for (index, layer) in network.layers.iter().enumerate() {
            let (Operation::Add(_), &[left, right]) = (&layer.operation, &layer.inputs[..]) else {
                continue;
            };
            let shape_of = |id: TensorId| shape(&network.tensor(id).shape);
            if shape_of(left) != shape_of(right) {
                continue;
            }
            let candidates = [(left, right, 0), (right, left, 1)];
            let best = candidates
                .into_iter()
                .filter_map(|(computed, other, operand)| {
                    let producer = self.only_for(network, computed, index)?;
                    let other = self.producer[other.0];
                    let place = if other.is_some_and(|other| other > producer) {
                        index
                    } else {
                        producer
                    };
                    // Where there is more to compute, the addition takes less of the time.
                    let products = network.layers[producer].operation.products();
                    Some((products, producer, operand, place))
                })
                .max();
            if let Some((_, producer, operand, place)) = best {
                self.sum[producer] = Some(Sum {
                    layer: index,
                    operand,
                    place,
                });
            }
        }
    }

    /// The layer that an addition is folded into, and how.
    pub fn folded_into(&self, addition: usize) -> Option<(usize, Sum)> {
        let mut sums = self.sum.iter().enumerate();
        sums.find_map(|(index, sum)| {
            let sum = (*sum)?;
            (sum.layer == addition).then_some((index, sum))
        })
    }

    fn find_parts(&mut self, network: &Network) {
        for (index, layer) in network.layers.iter().enumerate() {
            let Operation::Concatenate(concatenate) = &layer.operation else {
                continue;
            };
            for (position, &input) in layer.inputs.iter().enumerate() {
                // An addition needs its sum alone in an image.
                let producer = self.only_for(network, input, index);
                let alone = producer.is_some_and(|producer| self.sum[producer].is_none());
                if alone && matches!(concatenate.requantizations.get(position), Some(None)) {
                    self.part[input.0] = Some((index, position));
                }
            }
        }
    }

    /// The tensor that a tensor is reshaped to, if nobody reads it otherwise.
    pub fn only_reshape(&self, network: &Network, id: TensorId) -> Option<TensorId> {
        let &[reader] = &self.readers[id.0][..] else {
            return None;
        };
        let layer = network.layers.get(reader)?;
        matches!(layer.operation, Operation::Reshape).then_some(layer.output)
    }
}

/// Whether a layer computes something that an addition or a concatenation can be folded into.
fn is_kernel(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::FullyConnected(_)
            | Operation::Convolution(_)
            | Operation::Depthwise(_)
            | Operation::Pool(_)
    )
}
