//! RESHAPE and its relatives, CONCATENATION and PAD.

use super::schema::activation;
use super::{Importer, Operation, Value};
use crate::import::ImportError;
use crate::model::{Concatenate, Operation as Computation, Pad};

impl Importer<'_> {
    /// RESHAPE, SQUEEZE, EXPAND_DIMS: values stay where they are. A layer that needs the new shape
    /// makes a reshape of its own.
    pub(super) fn reshape(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let id = self.read(operation, 0)?;
        let input = operation.input(0)?;
        let (batch, shape) = self.shape(operation.output)?;
        let elements = self.tensors[id.0].elements();
        if batch != self.batch || shape.iter().product::<usize>() != elements {
            return Err(operation.unsupported(format!(
                "it makes {batch} rows of {shape:?} of {} rows of {elements}",
                self.batch
            )));
        }
        if self.quantization(input)? != self.quantization(operation.output)? {
            return Err(operation.unsupported("its output is quantized differently"));
        }
        self.write(operation, Value::Activation(id))
    }

    pub(super) fn concatenate(&mut self, operation: &Operation) -> Result<(), ImportError> {
        self.check_int8(operation)?;
        let options = operation.raw.concatenation_options();
        let fused = options.and_then(|options| options.activation());
        if fused.unwrap_or(activation::NONE) != activation::NONE {
            return Err(operation.unsupported("it has a fused activation"));
        }
        let quantization = self.quantization(operation.output)?;
        let mut inputs = Vec::with_capacity(operation.inputs.len());
        for input in 0..operation.inputs.len() {
            inputs.push(self.read_shaped(operation, input)?);
            if self.quantization(operation.input(input)?)? != quantization {
                return Err(operation.unsupported("its inputs are quantized differently"));
            }
        }
        let (_, shape) = self.shape(operation.output)?;
        let axis = i64::from(options.and_then(|options| options.axis()).unwrap_or(0));
        let rank = shape.len() as i64 + 1;
        let normal = if axis < 0 { axis + rank } else { axis };
        let axis = usize::try_from(normal - 1)
            .ok()
            .filter(|&axis| axis < shape.len())
            .ok_or_else(|| operation.unsupported(format!("it is along dimension {axis}")))?;
        let requantizations = vec![None; inputs.len()];
        let concatenate = Concatenate {
            axis,
            requantizations,
        };
        self.layer(operation, inputs, Computation::Concatenate(concatenate))
    }

    pub(super) fn pad(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        let inside = self.tensors[input.0].shape.clone();
        let (_, outside) = self.shape(operation.output)?;
        let paddings = self.integers(operation, operation.input(1)?)?;
        let (pairs, rest) = paddings.as_chunks::<2>();
        let Some(([0, 0], pairs)) = pairs.split_first() else {
            return Err(operation.unsupported("it pads the batch"));
        };
        if pairs.len() != inside.len() || outside.len() != inside.len() || !rest.is_empty() {
            return Err(operation.damaged("its paddings don't fit its input"));
        }
        let mut before = Vec::with_capacity(pairs.len());
        for ((&[front, back], &inside), &outside) in pairs.iter().zip(&inside).zip(&outside) {
            let end = i128::from(front) + inside as i128 + i128::from(back);
            match usize::try_from(front) {
                Ok(front) if back >= 0 && end == outside as i128 => before.push(front),
                _ => {
                    return Err(operation.damaged(format!(
                        "it pads {inside} with {front} and {back} to {outside}"
                    )));
                }
            }
        }
        if self.quantization(operation.input(0)?)? != self.quantization(operation.output)? {
            return Err(operation.unsupported("its output is quantized differently"));
        }
        self.layer(operation, vec![input], Computation::Pad(Pad { before }))
    }
}
