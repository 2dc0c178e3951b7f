//! ADD, MUL, RELU and its relatives, and SOFTMAX.
//!
//! The reference kernels compute their multipliers in different orders of float operations: ADD
//! in doubles, MUL and RELU in 32-bit floats.

use super::parameters::fused_clamp;
use super::schema::element;
use super::{Importer, Operation, Value};
use crate::import::ImportError;
use crate::model::{
    Add, Factor, Multiply, Operation as Computation, Pool, PoolKind, Requantization, Rounding,
    Scale, Softmax, Window,
};

impl Importer<'_> {
    /// Whether a tensor of the file is computed, not constant.
    fn is_activation(&self, tensor: usize) -> bool {
        !matches!(self.values[tensor], Value::Unknown)
    }

    pub(super) fn add(&mut self, operation: &Operation) -> Result<(), ImportError> {
        /// Bits that TFLite's kernel gains for int8.
        const LEFT_SHIFT: u8 = 20;
        let inputs = vec![
            self.read_shaped(operation, 0)?,
            self.read_shaped(operation, 1)?,
        ];
        self.check_int8(operation)?;
        let (_, shape) = self.shape(operation.output)?;
        if inputs.iter().any(|id| self.tensors[id.0].shape != shape) {
            return Err(operation.unsupported("its inputs have different shapes"));
        }
        let (left, _) = self.quantization(operation.input(0)?)?;
        let (right, _) = self.quantization(operation.input(1)?)?;
        let (output, zero_point) = self.quantization(operation.output)?;
        let fused = operation.raw.add_options();
        let fused = fused.and_then(|options| options.activation());
        let (clamp_minimum, clamp_maximum) = fused_clamp(operation, fused, output, zero_point)?;
        let add = Add::from_scales(left.into(), right.into(), output.into(), LEFT_SHIFT)
            .ok_or_else(|| operation.unsupported("its scales are out of range"))?;
        let add = Add {
            clamp_minimum,
            clamp_maximum,
            ..add
        };
        self.layer(operation, inputs, Computation::Add(add))
    }

    pub(super) fn multiply(&mut self, operation: &Operation) -> Result<(), ImportError> {
        self.check_int8(operation)?;
        // A constant may be on either side; the larger of two activations comes first.
        let is_value = |input| {
            operation
                .input(input)
                .map(|tensor| self.is_activation(tensor))
        };
        let size = |input: usize| -> Result<usize, ImportError> {
            Ok(self.dimensions(operation.input(input)?)?.iter().product())
        };
        let (first, second) = match (is_value(0)?, is_value(1)?) {
            (true, true) if size(1)? > size(0)? => (1, 0),
            (true, _) => (0, 1),
            (false, _) => (1, 0),
        };
        let left = self.read_shaped(operation, first)?;
        let mut inputs = vec![left];
        let factor_tensor = operation.input(second)?;
        let (factor_scale, factor_zero) = self.quantization(factor_tensor)?;
        let factor = if self.is_activation(factor_tensor) {
            inputs.push(self.read(operation, second)?);
            Factor::Tensor
        } else {
            if self.element(factor_tensor) != element::INT8 {
                return Err(operation.unsupported("its constant is not int8"));
            }
            let zero_point = i8::try_from(factor_zero)
                .map_err(|_| operation.damaged(format!("its zero point is {factor_zero}")))?;
            let values = self.int8_constant(operation, factor_tensor)?;
            let difference = |value: i8| i16::from(value) - i16::from(zero_point);
            Factor::Constant(values.into_iter().map(difference).collect())
        };
        let (_, factor_shape) = match self.dimensions(factor_tensor)?[..] {
            [] => (1, vec![]),
            [only] => (1, vec![only]),
            [batch, ref row @ ..] => (batch, row.to_vec()),
        };
        let shape = &self.tensors[left.0].shape;
        let broadcasts = factor_shape == *shape
            || match factor_shape.split_last() {
                None => true,
                Some((last, outer)) => {
                    (*last == 1 || Some(last) == shape.last())
                        && outer.iter().all(|&size| size == 1)
                }
            };
        if !broadcasts || self.shape(operation.output)?.1 != *shape {
            return Err(
                operation.unsupported(format!("it multiplies {shape:?} by {factor_shape:?}"))
            );
        }
        let (input_scale, _) = self.quantization(operation.input(first)?)?;
        let (output_scale, zero_point) = self.quantization(operation.output)?;
        let real = f64::from(input_scale * factor_scale / output_scale);
        let scale = Scale::from_real(real)
            .ok_or_else(|| operation.unsupported("its scales are out of range"))?;
        let fused = operation.raw.multiply_options();
        let fused = fused.and_then(|options| options.activation());
        let (clamp_minimum, clamp_maximum) =
            fused_clamp(operation, fused, output_scale, zero_point)?;
        let multiply = Multiply {
            factor,
            scale,
            rounding: Rounding::Double,
            clamp_minimum,
            clamp_maximum,
        };
        self.layer(operation, inputs, Computation::Multiply(multiply))
    }

    /// RELU, RELU6 or RELU_N1_TO_1 by itself, `activation` being its code when it is fused: a
    /// maximum over windows of one value.
    pub(super) fn bound(
        &mut self,
        operation: &Operation,
        activation: i8,
    ) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        let (_, shape) = self.shape(operation.output)?;
        let elements = self.tensors[input.0].elements();
        if shape.iter().product::<usize>() != elements {
            return Err(operation.damaged("its output has another shape than its input"));
        }
        let (input_scale, input_zero) = self.quantization(operation.input(0)?)?;
        let (output_scale, zero_point) = self.quantization(operation.output)?;
        let requantization = if (input_scale, input_zero) == (output_scale, zero_point) {
            None
        } else {
            let scale = Scale::from_real(f64::from(input_scale / output_scale))
                .ok_or_else(|| operation.unsupported("its scales are out of range"))?;
            Some(Requantization {
                scale,
                rounding: Rounding::Double,
            })
        };
        let (clamp_minimum, clamp_maximum) =
            fused_clamp(operation, Some(activation), output_scale, zero_point)?;
        // Whatever the shape, a row is an image of one line.
        let channels = shape.last().copied().unwrap_or(1);
        let image = match shape[..] {
            [height, width, channels] => vec![height, width, channels],
            _ => vec![1, elements / channels, channels],
        };
        let input = self.shaped(operation, input, image.clone())?;
        let output = self.activation(operation.output)?;
        self.tensors[output.0].shape = image;
        self.layers.push(crate::model::Layer {
            name: operation.layer.clone(),
            inputs: vec![input],
            output,
            operation: Computation::Pool(Pool {
                kind: PoolKind::Maximum,
                window: Window::POINT,
                requantization,
                clamp_minimum,
                clamp_maximum,
            }),
        });
        self.write(operation, Value::Activation(output))
    }

    pub(super) fn softmax(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        let options = operation.raw.softmax_options();
        let beta = options.and_then(|options| options.beta()).unwrap_or(0.0);
        let (input_scale, _) = self.quantization(operation.input(0)?)?;
        let softmax = Softmax::fixed(input_scale.into(), beta.into()).ok_or_else(|| {
            operation.unsupported(format!(
                "its scale {input_scale} or beta {beta} is out of range"
            ))
        })?;
        self.layer(operation, vec![input], Computation::Softmax(softmax))
    }
}
