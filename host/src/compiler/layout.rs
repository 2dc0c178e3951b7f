//! Lifetimes of tensors, and where that puts them in the scratchpad.
//!
//! ```text
//!  step 0      1        2              L        L + 1       L + 2
//!  LOAD_ROWS   layer 0  layer 1  ...   layer L-1  STORE_ROWS  END
//!      |---- input ---|
//!              |-- tensor 1 --|
//!                                        |--- output ---|
//! ```

use super::allocate::{Allocation, Request, allocate};
use super::{Buffer, CompileError, Memory, Target};
use crate::model::{Network, TensorId};

/// Where every tensor that is computed lives.
#[derive(Debug)]
pub(super) struct Layout {
    tensors: Vec<TensorId>,
    requests: Vec<Request>,
    allocation: Allocation,
}

impl Layout {
    /// Places the tensors of a consistent network.
    pub fn new(network: &Network, target: &Target) -> Result<Layout, CompileError> {
        let alignment = target.alignment();
        let store = network.layers.len() + 1;
        let mut tensors = vec![network.input.tensor];
        tensors.extend(network.layers.iter().map(|layer| layer.output));
        let requests: Vec<Request> = tensors
            .iter()
            .enumerate()
            .map(|(first, &id)| {
                let readers = network
                    .layers
                    .iter()
                    .rposition(|layer| layer.inputs.contains(&id));
                let last = if id == network.output.tensor {
                    Some(store)
                } else {
                    readers.map(|index| index + 1)
                };
                Request {
                    bytes: network.tensor(id).elements().next_multiple_of(alignment),
                    first,
                    last: last.unwrap_or(first).max(first),
                }
            })
            .collect();
        let allocation = allocate(&requests);
        let layout = Layout {
            tensors,
            requests,
            allocation,
        };
        if layout.row_bytes() > target.scratchpad_bytes {
            return Err(layout.does_not_fit(network, target));
        }
        Ok(layout)
    }

    /// Bytes of the scratchpad that each row of a pass takes.
    pub fn row_bytes(&self) -> usize {
        self.allocation.peak
    }

    /// First byte and stride of a tensor's rows in passes of `group_rows`.
    ///
    /// # Panics
    /// If nothing computes the tensor.
    pub fn place(&self, id: TensorId, group_rows: u16) -> (usize, usize) {
        let index = self
            .tensors
            .iter()
            .position(|&tensor| tensor == id)
            .expect("a consistent network reads only what it has computed");
        let offset = self.allocation.offsets[index];
        (offset * usize::from(group_rows), self.requests[index].bytes)
    }

    /// All tensors, for people.
    pub fn buffers(&self, network: &Network, group_rows: u16) -> Vec<Buffer> {
        let buffer = |(&id, request): (&TensorId, &Request)| {
            let (address, stride) = self.place(id, group_rows);
            Buffer {
                tensor: network.tensor(id).name.clone(),
                address,
                stride,
                first: request.first,
                last: request.last,
            }
        };
        self.tensors
            .iter()
            .zip(&self.requests)
            .map(buffer)
            .collect()
    }

    fn does_not_fit(&self, network: &Network, target: &Target) -> CompileError {
        let alive = |step: usize| -> usize {
            let alive = self
                .requests
                .iter()
                .filter(|r| r.first <= step && step <= r.last);
            alive.map(|request| request.bytes).sum()
        };
        let (index, layer) = network
            .layers
            .iter()
            .enumerate()
            .max_by_key(|(index, _)| alive(index + 1))
            .expect("a consistent network has layers");
        CompileError::DoesNotFit {
            memory: Memory::Scratchpad,
            needed: self.row_bytes(),
            available: target.scratchpad_bytes,
            layer: layer.name.clone(),
            layer_needed: alive(index + 1),
            target: target.name.clone(),
        }
    }
}
