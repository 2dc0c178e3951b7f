//! Consistency of a network, whoever built it: after this check no backend meets an index, a
//! length or a scale that it can't handle.

mod layer;

use super::{Layer, Layout, Network, Port, Tensor, TensorId};

/// Most int8 values that one row of a tensor may have.
pub const ROW_ELEMENTS_MAX: usize = 1 << 24;

/// Most int8 values that one row of all tensors of a network may have together.
pub const NETWORK_ELEMENTS_MAX: usize = 1 << 26;

/// Most dimensions of a row.
pub(crate) const RANK_MAX: usize = 16;

/// Most positions of a kernel, and its greatest height, width, stride and padding.
pub const WINDOW_MAX: usize = 1 << 16;

/// What is inconsistent in a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nothing is computed.
    #[error("the network has no layers")]
    NoLayers,
    /// More activations than any network for which this is meant.
    #[error("one row needs {elements} values in all tensors, more than {NETWORK_ELEMENTS_MAX}")]
    TooLarge {
        /// How many.
        elements: usize,
    },
    /// A tensor's shape or quantization is impossible.
    #[error("tensor \"{tensor}\": {reason}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A layer doesn't fit its tensors or its own parameters.
    #[error("layer \"{layer}\": {reason}")]
    Layer {
        /// Its name.
        layer: String,
        /// What is wrong.
        reason: String,
    },
    /// An input or output doesn't fit its tensor.
    #[error("port \"{port}\": {reason}")]
    Port {
        /// Its name.
        port: String,
        /// What is wrong.
        reason: String,
    },
}

impl Network {
    /// Checks everything that backends rely on: indices, order of layers, shapes, lengths of
    /// weights and parameters, scales.
    ///
    /// # Errors
    /// The first inconsistency.
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.layers.is_empty() {
            return Err(ModelError::NoLayers);
        }
        self.tensors.iter().try_for_each(validate_tensor)?;
        let elements = self
            .tensors
            .iter()
            .fold(0_usize, |sum, tensor| sum.saturating_add(tensor.elements()));
        if elements > NETWORK_ELEMENTS_MAX {
            return Err(ModelError::TooLarge { elements });
        }
        self.validate_port(&self.input)?;
        let mut written = vec![false; self.tensors.len()];
        written[self.input.tensor.0] = true;
        for layer in &self.layers {
            self.validate_layer(layer, &mut written)
                .map_err(|reason| ModelError::Layer {
                    layer: layer.name.clone(),
                    reason,
                })?;
        }
        self.validate_port(&self.output)?;
        if !written[self.output.tensor.0] {
            return Err(ModelError::Port {
                port: self.output.name.clone(),
                reason: "no layer computes it".into(),
            });
        }
        Ok(())
    }

    fn validate_port(&self, port: &Port) -> Result<(), ModelError> {
        let fail = |reason: String| ModelError::Port {
            port: port.name.clone(),
            reason,
        };
        let tensor = self
            .tensors
            .get(port.tensor.0)
            .ok_or_else(|| fail(format!("there is no tensor {}", port.tensor.0)))?;
        if port.inner_zero_point() != i32::from(tensor.zero_point)
            || port.quantization.scale != tensor.scale
        {
            return Err(fail("its quantization differs from its tensor's".into()));
        }
        if port.layout == Layout::ChannelsFirst && tensor.shape.len() != 3 {
            return Err(fail(format!(
                "its values are channels first, but rows of shape {:?} are not images",
                tensor.shape
            )));
        }
        Ok(())
    }

    fn validate_layer(&self, layer: &Layer, written: &mut [bool]) -> Result<(), String> {
        let find = |id: TensorId| {
            self.tensors
                .get(id.0)
                .ok_or_else(|| format!("there is no tensor {}", id.0))
        };
        for &input in &layer.inputs {
            if !written[find(input).map(|_| input.0)?] {
                return Err(format!(
                    "reads \"{}\" before it is computed",
                    self.tensors[input.0].name
                ));
            }
        }
        let output = find(layer.output)?;
        if std::mem::replace(&mut written[layer.output.0], true) {
            return Err(format!("computes \"{}\" a second time", output.name));
        }
        let inputs: Vec<&Tensor> = layer.inputs.iter().map(|&id| self.tensor(id)).collect();
        layer::validate(&layer.operation, &inputs, output)
    }
}

fn validate_tensor(tensor: &Tensor) -> Result<(), ModelError> {
    let elements = row_elements(&tensor.shape);
    let reason = if elements.is_none() {
        format!(
            "shape {:?} is empty, or has more than {RANK_MAX} dimensions or {ROW_ELEMENTS_MAX} values",
            tensor.shape
        )
    } else if !(tensor.scale.is_finite() && tensor.scale > 0.0) {
        format!("scale {} is not a positive number", tensor.scale)
    } else {
        return Ok(());
    };
    Err(ModelError::Tensor {
        tensor: tensor.name.clone(),
        reason,
    })
}

/// Product of the dimensions if it is between 1 and [`ROW_ELEMENTS_MAX`], and there are not more
/// than [`RANK_MAX`].
pub(crate) fn row_elements(shape: &[usize]) -> Option<usize> {
    if shape.len() > RANK_MAX {
        return None;
    }
    shape
        .iter()
        .try_fold(1_usize, |product, &dimension| {
            product.checked_mul(dimension)
        })
        .filter(|elements| (1..=ROW_ELEMENTS_MAX).contains(elements))
}
