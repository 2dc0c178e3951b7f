//! What layers with weights have in common: constants, scales, biases, fused activations.

use super::schema::{activation, element};
use super::{Importer, Operation};
use crate::import::ImportError;
use crate::model::RANK_MAX;

/// How far a bias scale may be from input scale * weight scale, in output steps. TFLite refuses
/// models beyond it.
const BIAS_SCALE_TOLERANCE: f64 = 0.02;

impl Importer<'_> {
    /// Refuses an operation whose first input or output is not int8.
    pub(super) fn check_int8(&self, operation: &Operation) -> Result<(), ImportError> {
        for tensor in [operation.input(0)?, operation.output] {
            let kind = self.element(tensor);
            if kind != element::INT8 {
                let (name, kind) = (self.name(tensor), element::name(kind));
                return Err(operation.unsupported(format!("\"{name}\" is {kind}, not int8")));
            }
        }
        Ok(())
    }

    /// The values of constant weights, as many as their shape says.
    pub(super) fn int8_constant(
        &mut self,
        operation: &Operation,
        tensor: usize,
    ) -> Result<Vec<i8>, ImportError> {
        let kind = self.element(tensor);
        if kind != element::INT8 {
            let (name, kind) = (self.name(tensor), element::name(kind));
            return Err(
                operation.unsupported(format!("its weights \"{name}\" are {kind}, not int8"))
            );
        }
        let shape = self.dimensions(tensor)?;
        let length = self.constant(operation, tensor)?.len();
        if length != shape.iter().product::<usize>() {
            return Err(
                operation.damaged(format!("weights of shape {shape:?} have {length} bytes"))
            );
        }
        self.spend(length)?;
        let bytes = self.constant(operation, tensor)?;
        Ok(bytes.iter().map(|&byte| byte as i8).collect())
    }

    /// The values of constant axes, shapes or paddings: two for each dimension at most.
    pub(super) fn integers(
        &self,
        operation: &Operation,
        tensor: usize,
    ) -> Result<Vec<i64>, ImportError> {
        let bytes = self.constant(operation, tensor)?;
        if bytes.len() > 2 * RANK_MAX * size_of::<i64>() {
            let (name, length) = (self.name(tensor), bytes.len());
            return Err(operation.damaged(format!("\"{name}\" has {length} bytes")));
        }
        match self.element(tensor) {
            element::INT32 => {
                let (values, _) = bytes.as_chunks::<4>();
                let values = values.iter().map(|&bytes| i32::from_le_bytes(bytes).into());
                Ok(values.collect())
            }
            element::INT64 => {
                let (values, _) = bytes.as_chunks::<8>();
                Ok(values
                    .iter()
                    .map(|&bytes| i64::from_le_bytes(bytes))
                    .collect())
            }
            other => Err(operation.unsupported(format!(
                "\"{}\" is {}, not int32",
                self.name(tensor),
                element::name(other)
            ))),
        }
    }

    /// The bias at input 2, or zeros.
    pub(super) fn bias(
        &self,
        operation: &Operation,
        channels: usize,
        input_scale: f32,
        weight_scales: &[f32],
        output_scale: f32,
    ) -> Result<Vec<i32>, ImportError> {
        let Some(tensor) = operation.inputs.get(2).copied().flatten() else {
            return Ok(vec![0; channels]);
        };
        self.check_bias_scales(operation, tensor, input_scale, weight_scales, output_scale)?;
        self.bias_values(operation, tensor, channels)
    }

    /// The bytes of a constant tensor.
    pub(super) fn constant(
        &self,
        operation: &Operation,
        tensor: usize,
    ) -> Result<&[u8], ImportError> {
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

    /// One scale, or one per output channel, which is dimension `axis` of the weights.
    pub(super) fn weight_scales(
        &self,
        operation: &Operation,
        tensor: usize,
        channels: usize,
        axis: i32,
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
        if scales.len() > 1 && quantization.dimension().unwrap_or(0) != axis {
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

    fn bias_values(
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

/// Output range of the fused activation function.
pub(super) fn fused_clamp(
    operation: &Operation,
    fused: Option<i8>,
    scale: f32,
    zero_point: i64,
) -> Result<(i8, i8), ImportError> {
    let quantize = |real: f32| {
        let value = ((real / scale).round() as i64).saturating_add(zero_point);
        value.clamp(i8::MIN.into(), i8::MAX.into()) as i8
    };
    match fused.unwrap_or(activation::NONE) {
        activation::NONE => Ok((i8::MIN, i8::MAX)),
        activation::RELU => Ok((quantize(0.0), i8::MAX)),
        activation::RELU6 => Ok((quantize(0.0), quantize(6.0))),
        activation::RELU_N1_TO_1 => Ok((quantize(-1.0), quantize(1.0))),
        other => Err(operation.unsupported(format!("its fused activation has the code {other}"))),
    }
}
