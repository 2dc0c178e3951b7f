//! FULLY_CONNECTED in int8, to the bit as TFLite's reference kernel computes it.
//!
//! The kernel derives its fixed-point multiplier in a certain order of float operations, and so
//! does this module: with one weight scale, the product of the input's and the weights' scale is
//! rounded to 32 bits; with one per channel it isn't.

use super::schema::{activation, element};
use super::{Importer, Operation, Value};
use crate::import::ImportError;
use crate::model::{FullyConnected, Layer, Operation as Computation, Rounding, Scale};

/// How far a bias scale may be from input scale * weight scale, in output steps. TFLite refuses
/// models beyond it.
const BIAS_SCALE_TOLERANCE: f64 = 0.02;

impl Importer<'_> {
    pub(super) fn fully_connected(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read(operation, 0)?;
        for tensor in [operation.input(0)?, operation.output] {
            let kind = self.element(tensor);
            if kind != element::INT8 {
                let (name, kind) = (self.name(tensor), element::name(kind));
                return Err(operation.unsupported(format!("\"{name}\" is {kind}, not int8")));
            }
        }
        let weights_tensor = operation.input(1)?;
        let weights = self.weights(operation, weights_tensor)?;
        let [output_channels, input_channels] = self.dimensions(weights_tensor)?[..] else {
            return Err(operation.damaged("its weights are not a matrix"));
        };
        if weights.len() != output_channels * input_channels {
            return Err(operation.damaged(format!(
                "{output_channels} x {input_channels} weights have {} bytes",
                weights.len()
            )));
        }
        let elements = self.tensors[input.0].elements();
        if elements != input_channels {
            return Err(operation.unsupported(format!(
                "it takes vectors of {input_channels}, but a row of its input has {elements} values"
            )));
        }
        let weight_scales = self.weight_scales(operation, weights_tensor, output_channels)?;
        let output = self.activation(operation.output)?;
        if self.tensors[output.0].elements() != output_channels {
            return Err(operation.damaged(format!(
                "it has {output_channels} output channels, its output is {:?}",
                self.tensors[output.0].shape
            )));
        }
        let (input_scale, _) = self.quantization(operation.input(0)?)?;
        let (output_scale, output_zero_point) = self.quantization(operation.output)?;
        let scales = scales(input_scale, &weight_scales, output_scale, output_channels)
            .ok_or_else(|| operation.unsupported("its scales are out of the range of int8"))?;
        let bias = match operation.inputs.get(2).copied().flatten() {
            Some(tensor) => {
                self.check_bias_scales(
                    operation,
                    tensor,
                    input_scale,
                    &weight_scales,
                    output_scale,
                )?;
                self.bias(operation, tensor, output_channels)?
            }
            None => vec![0; output_channels],
        };
        let (clamp_minimum, clamp_maximum) = clamp(operation, output_scale, output_zero_point)?;
        self.layers.push(Layer {
            name: operation.layer.clone(),
            inputs: vec![input],
            output,
            operation: Computation::FullyConnected(FullyConnected {
                input_channels,
                output_channels,
                weights,
                bias,
                scales,
                rounding: Rounding::Single,
                clamp_minimum,
                clamp_maximum,
            }),
        });
        self.write(operation, Value::Activation(output))
    }

    /// The bytes of a constant tensor.
    fn constant(&self, operation: &Operation, tensor: usize) -> Result<&[u8], ImportError> {
        let source = self.source_tensors[tensor];
        if source.sparsity().is_some() {
            return Err(operation.unsupported(format!("\"{}\" is sparse", self.name(tensor))));
        }
        let buffer = self
            .buffers
            .get(source.buffer().unwrap_or(0) as usize)
            .ok_or_else(|| operation.damaged("a buffer is missing"))?;
        if buffer.offset().unwrap_or(0) > 1 {
            return Err(operation.unsupported("its data lies outside the flatbuffer"));
        }
        match buffer.data() {
            Some(data) if !data.is_empty() => Ok(data.bytes()),
            _ => Err(operation.unsupported(format!("\"{}\" is not a constant", self.name(tensor)))),
        }
    }

    fn weights(&self, operation: &Operation, tensor: usize) -> Result<Vec<i8>, ImportError> {
        let kind = self.element(tensor);
        if kind != element::INT8 {
            let kind = element::name(kind);
            return Err(operation.unsupported(format!("its weights are {kind}, not int8")));
        }
        let options = operation.raw.fully_connected_options();
        if options
            .and_then(|options| options.weights_format())
            .unwrap_or(0)
            != 0
        {
            return Err(operation.unsupported("its weights are shuffled"));
        }
        Ok(self
            .constant(operation, tensor)?
            .iter()
            .map(|&byte| byte as i8)
            .collect())
    }

    /// One scale, or one per output channel.
    fn weight_scales(
        &self,
        operation: &Operation,
        tensor: usize,
        channels: usize,
    ) -> Result<Vec<f32>, ImportError> {
        let quantization = self.source_tensors[tensor]
            .quantization()
            .ok_or_else(|| operation.unsupported("its weights are not quantized"))?;
        let scales: Vec<f32> = quantization.scale().into_iter().flatten().collect();
        if scales.len() != 1 && scales.len() != channels {
            return Err(operation.damaged(format!(
                "{} weight scales for {channels} channels",
                scales.len()
            )));
        }
        if scales.len() > 1 && quantization.dimension().unwrap_or(0) != 0 {
            return Err(operation.unsupported("its weight scales are not per output channel"));
        }
        if let Some(scale) = scales
            .iter()
            .find(|scale| !(scale.is_finite() && **scale > 0.0))
        {
            return Err(operation.damaged(format!("a weight scale is {scale}")));
        }
        if quantization
            .zero_point()
            .into_iter()
            .flatten()
            .any(|zero_point| zero_point != 0)
        {
            return Err(operation.unsupported("its weights have a zero point other than 0"));
        }
        Ok(scales)
    }

    fn bias(
        &self,
        operation: &Operation,
        tensor: usize,
        channels: usize,
    ) -> Result<Vec<i32>, ImportError> {
        let kind = self.element(tensor);
        if kind != element::INT32 {
            let kind = element::name(kind);
            return Err(operation.unsupported(format!("its bias is {kind}, not int32")));
        }
        let (values, rest) = self.constant(operation, tensor)?.as_chunks::<4>();
        if values.len() != channels || !rest.is_empty() {
            return Err(operation.damaged(format!("its bias doesn't have {channels} values")));
        }
        Ok(values
            .iter()
            .map(|&bytes| i32::from_le_bytes(bytes))
            .collect())
    }

    /// Refuses a bias whose scale isn't the accumulator's, as TFLite does.
    fn check_bias_scales(
        &self,
        operation: &Operation,
        tensor: usize,
        input_scale: f32,
        weight_scales: &[f32],
        output_scale: f32,
    ) -> Result<(), ImportError> {
        let quantization = self.source_tensors[tensor].quantization();
        let scales = quantization.and_then(|quantization| quantization.scale());
        for (bias_scale, &weight_scale) in scales.into_iter().flatten().zip(weight_scales) {
            let accumulator_scale = f64::from(input_scale) * f64::from(weight_scale);
            let difference = (accumulator_scale - f64::from(bias_scale)).abs();
            // False for NaN too.
            let close = difference / f64::from(output_scale) <= BIAS_SCALE_TOLERANCE;
            if !close {
                return Err(operation.unsupported(format!(
                    "its bias has the scale {bias_scale} instead of {accumulator_scale}"
                )));
            }
        }
        Ok(())
    }
}

/// One scale per output channel, in the reference kernel's order of float operations.
fn scales(
    input_scale: f32,
    weight_scales: &[f32],
    output_scale: f32,
    channels: usize,
) -> Option<Vec<Scale>> {
    if let [weight_scale] = *weight_scales {
        let product = f64::from(input_scale * weight_scale);
        return Some(vec![
            Scale::from_real(product / f64::from(output_scale))?;
            channels
        ]);
    }
    let real = |&weight_scale: &f32| {
        f64::from(input_scale) * f64::from(weight_scale) / f64::from(output_scale)
    };
    weight_scales
        .iter()
        .map(real)
        .map(Scale::from_real)
        .collect()
}

/// Output range of the fused activation function.
fn clamp(operation: &Operation, scale: f32, zero_point: i64) -> Result<(i8, i8), ImportError> {
    let quantize = |real: f32| {
        let value = ((real / scale).round() as i64).saturating_add(zero_point);
        value.clamp(i8::MIN.into(), i8::MAX.into()) as i8
    };
    let options = operation.raw.fully_connected_options();
    match options
        .and_then(|options| options.activation())
        .unwrap_or(activation::NONE)
    {
        activation::NONE => Ok((i8::MIN, i8::MAX)),
        activation::RELU => Ok((quantize(0.0), i8::MAX)),
        activation::RELU6 => Ok((quantize(0.0), quantize(6.0))),
        activation::RELU_N1_TO_1 => Ok((quantize(-1.0), quantize(1.0))),
        other => Err(operation.unsupported(format!("its fused activation has the code {other}"))),
    }
}
