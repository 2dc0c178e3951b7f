//! Consistency of a network, whoever built it: after this check no backend meets an index, a
//! length or a scale that it can't handle.

use super::{FullyConnected, Layer, Network, Operation, Port, Tensor, TensorId};

/// Most int8 values that one row of a tensor may have.
pub const ROW_ELEMENTS_MAX: usize = 1 << 24;

/// What is inconsistent in a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Nothing is computed.
    #[error("the network has no layers")]
    NoLayers,
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
        match &layer.operation {
            Operation::FullyConnected(dense) => {
                let [input] = layer.inputs[..] else {
                    return Err(format!("needs one input, has {}", layer.inputs.len()));
                };
                validate_fully_connected(dense, find(input)?, output)
            }
        }
    }
}

fn validate_tensor(tensor: &Tensor) -> Result<(), ModelError> {
    let elements = row_elements(&tensor.shape);
    let reason = if elements.is_none() {
        format!(
            "shape {:?} is empty or has more than {ROW_ELEMENTS_MAX} values",
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

fn validate_fully_connected(
    dense: &FullyConnected,
    input: &Tensor,
    output: &Tensor,
) -> Result<(), String> {
    let (inputs, outputs) = (dense.input_channels, dense.output_channels);
    if input.elements() != inputs {
        return Err(format!(
            "takes rows of {inputs}, its input has {}",
            input.elements()
        ));
    }
    if output.elements() != outputs {
        return Err(format!(
            "gives rows of {outputs}, its output has {}",
            output.elements()
        ));
    }
    if inputs.checked_mul(outputs) != Some(dense.weights.len()) {
        return Err(format!(
            "needs {outputs} x {inputs} weights, has {}",
            dense.weights.len()
        ));
    }
    if dense.bias.len() != outputs || dense.scales.len() != outputs {
        return Err(format!(
            "needs a bias and a scale for each of {outputs} channels, has {} and {}",
            dense.bias.len(),
            dense.scales.len()
        ));
    }
    if let Some(channel) = dense.scales.iter().position(|scale| !scale.is_valid()) {
        return Err(format!("the scale of channel {channel} is out of range"));
    }
    if dense.clamp_minimum > dense.clamp_maximum {
        return Err(format!(
            "clamps to an empty range, {} to {}",
            dense.clamp_minimum, dense.clamp_maximum
        ));
    }
    Ok(())
}

/// Product of the dimensions if it is between 1 and [`ROW_ELEMENTS_MAX`].
pub(crate) fn row_elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, &dimension| {
            product.checked_mul(dimension)
        })
        .filter(|elements| (1..=ROW_ELEMENTS_MAX).contains(elements))
}
