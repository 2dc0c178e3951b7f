//! FULLY_CONNECTED in int8, to the bit as TFLite's reference kernel computes it.
//!
//! The kernel derives its fixed-point multiplier in a certain order of float operations, and so
//! does this module: with one weight scale, the product of the input's and the weights' scale is
//! rounded to 32 bits; with one per channel it isn't.

use super::parameters::fused_clamp;
use super::{Importer, Operation, Value};
use crate::import::ImportError;
use crate::model::{FullyConnected, Layer, Operation as Computation, Rounding, Scale};

impl Importer<'_> {
    pub(super) fn fully_connected(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read(operation, 0)?;
        self.check_int8(operation)?;
        let weights_tensor = operation.input(1)?;
        let weights = self.dense_weights(operation, weights_tensor)?;
        let [output_channels, input_channels] = self.dimensions(weights_tensor)?[..] else {
            return Err(operation.damaged("its weights are not a matrix"));
        };
        let elements = self.tensors[input.0].elements();
        if elements != input_channels {
            return Err(operation.unsupported(format!(
                "it takes vectors of {input_channels}, but a row of its input has {elements} values"
            )));
        }
        // A bias and a scale.
        self.spend(output_channels * (size_of::<i32>() + size_of::<Scale>()))?;
        let weight_scales = self.weight_scales(operation, weights_tensor, output_channels, 0)?;
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
        let bias = self.bias(
            operation,
            output_channels,
            input_scale,
            &weight_scales,
            output_scale,
        )?;
        let options = operation.raw.fully_connected_options();
        let fused = options.and_then(|options| options.activation());
        let (clamp_minimum, clamp_maximum) =
            fused_clamp(operation, fused, output_scale, output_zero_point)?;
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

    fn dense_weights(
        &mut self,
        operation: &Operation,
        tensor: usize,
    ) -> Result<Vec<i8>, ImportError> {
        let options = operation.raw.fully_connected_options();
        if options
            .and_then(|options| options.weights_format())
            .unwrap_or(0)
            != 0
        {
            return Err(operation.unsupported("its weights are shuffled"));
        }
        self.int8_constant(operation, tensor)
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
