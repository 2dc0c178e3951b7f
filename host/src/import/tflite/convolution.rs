//! CONV_2D and DEPTHWISE_CONV_2D, to the bit as TFLite's reference kernels compute them: with a
//! scale per channel from the unrounded product of the input's and the weights' scale, rounded
//! twice.

use super::parameters::fused_clamp;
use super::schema::padding;
use super::{Importer, Operation};
use crate::import::ImportError;
use crate::model::{
    Convolution, Depthwise, Operation as Computation, ROW_ELEMENTS_MAX, Rounding, Scale, Window,
};

/// Geometry options of a convolution or pooling layer, as they are in the file.
pub(super) struct Geometry {
    pub(super) padding: Option<i8>,
    pub(super) kernel: [usize; 2],
    pub(super) strides: [Option<i32>; 2],
}

/// What convolutions of both kinds have beside their weights.
struct Parts {
    bias: Vec<i32>,
    scales: Vec<Scale>,
    clamp_minimum: i8,
    clamp_maximum: i8,
}

impl Importer<'_> {
    pub(super) fn convolution(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        let weights_tensor = operation.input(1)?;
        let weights = self.int8_constant(operation, weights_tensor)?;
        let [output_channels, height, width, input_channels] = self.dimensions(weights_tensor)?[..]
        else {
            return Err(operation.damaged("its weights don't have 4 dimensions"));
        };
        let options = operation
            .raw
            .convolution_options()
            .ok_or_else(|| operation.damaged("it has no options"))?;
        check_dilation(operation, [options.dilation_y(), options.dilation_x()])?;
        let channels = self.tensors[input.0].shape.last();
        if channels.is_some_and(|&channels| channels != input_channels) {
            return Err(operation.unsupported(format!(
                "it is in groups: its weights have {input_channels} input channels, its input {:?}",
                self.tensors[input.0].shape
            )));
        }
        let geometry = Geometry {
            padding: options.padding(),
            kernel: [height, width],
            strides: [options.stride_y(), options.stride_x()],
        };
        let window = self.window(operation, &geometry)?;
        let parts = self.parts(operation, output_channels, 0, options.activation())?;
        let convolution = Convolution {
            window,
            input_channels,
            output_channels,
            weights,
            bias: parts.bias,
            scales: parts.scales,
            rounding: Rounding::Double,
            clamp_minimum: parts.clamp_minimum,
            clamp_maximum: parts.clamp_maximum,
        };
        self.layer(
            operation,
            vec![input],
            Computation::Convolution(convolution),
        )
    }

    pub(super) fn depthwise(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = self.read_shaped(operation, 0)?;
        self.check_int8(operation)?;
        let weights_tensor = operation.input(1)?;
        let weights = self.int8_constant(operation, weights_tensor)?;
        let [1, height, width, output_channels] = self.dimensions(weights_tensor)?[..] else {
            return Err(operation.damaged("its weights don't have the shape [1, h, w, channels]"));
        };
        let options = operation
            .raw
            .depthwise_options()
            .ok_or_else(|| operation.damaged("it has no options"))?;
        check_dilation(operation, [options.dilation_y(), options.dilation_x()])?;
        let geometry = Geometry {
            padding: options.padding(),
            kernel: [height, width],
            strides: [options.stride_y(), options.stride_x()],
        };
        let window = self.window(operation, &geometry)?;
        let parts = self.parts(operation, output_channels, 3, options.activation())?;
        let input_channels = self.tensors[input.0].shape.last().copied().unwrap_or(1);
        let computation = if input_channels == output_channels {
            Computation::Depthwise(Depthwise {
                window,
                channels: output_channels,
                weights,
                bias: parts.bias,
                scales: parts.scales,
                rounding: Rounding::Double,
                clamp_minimum: parts.clamp_minimum,
                clamp_maximum: parts.clamp_maximum,
            })
        } else {
            self.spend(weights.len().saturating_mul(input_channels))?;
            let expanded = expand(&weights, window.area(), input_channels, output_channels);
            Computation::Convolution(Convolution {
                window,
                input_channels,
                output_channels,
                weights: expanded.ok_or_else(|| {
                    operation.unsupported(format!(
                        "it makes {output_channels} channels of {input_channels}"
                    ))
                })?,
                bias: parts.bias,
                scales: parts.scales,
                rounding: Rounding::Double,
                clamp_minimum: parts.clamp_minimum,
                clamp_maximum: parts.clamp_maximum,
            })
        };
        self.layer(operation, vec![input], computation)
    }

    /// Bias, scales and clamp; `axis` is the dimension of the weights' output channels.
    fn parts(
        &mut self,
        operation: &Operation,
        channels: usize,
        axis: i32,
        fused: Option<i8>,
    ) -> Result<Parts, ImportError> {
        // A bias and a scale.
        self.spend(channels.saturating_mul(size_of::<i32>() + size_of::<Scale>()))?;
        let weight_scales = self.weight_scales(operation, operation.input(1)?, channels, axis)?;
        let (input_scale, _) = self.quantization(operation.input(0)?)?;
        let (output_scale, zero_point) = self.quantization(operation.output)?;
        let scale = |channel: usize| {
            let weight_scale = weight_scales[if weight_scales.len() == 1 { 0 } else { channel }];
            let product = f64::from(input_scale) * f64::from(weight_scale);
            Scale::from_real(product / f64::from(output_scale))
        };
        let scales = (0..channels)
            .map(scale)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| operation.unsupported("its scales are out of the range of int8"))?;
        let bias = self.bias(
            operation,
            channels,
            input_scale,
            &weight_scales,
            output_scale,
        )?;
        let (clamp_minimum, clamp_maximum) =
            fused_clamp(operation, fused, output_scale, zero_point)?;
        Ok(Parts {
            bias,
            scales,
            clamp_minimum,
            clamp_maximum,
        })
    }

    /// Window of an operation from its options and the shapes of its first input and output.
    pub(super) fn window(
        &self,
        operation: &Operation,
        geometry: &Geometry,
    ) -> Result<Window, ImportError> {
        let (_, inside) = self.shape(operation.input(0)?)?;
        let (_, outside) = self.shape(operation.output)?;
        let ([input_height, input_width, _], [output_height, output_width, _]) =
            (&inside[..], &outside[..])
        else {
            return Err(operation.unsupported(format!(
                "it makes {outside:?} of {inside:?}, which are not images"
            )));
        };
        let side = |index: usize, input: usize, output: usize| {
            let kernel = geometry.kernel[index];
            let stride = usize::try_from(geometry.strides[index].unwrap_or(0)).unwrap_or(0);
            if stride == 0 {
                return Err(operation.damaged("its stride is not positive"));
            }
            let (expected, pad) = match geometry.padding.unwrap_or(padding::SAME) {
                padding::SAME => {
                    let expected = input.div_ceil(stride);
                    let reach = (expected - 1).saturating_mul(stride).saturating_add(kernel);
                    (expected, reach.saturating_sub(input) / 2)
                }
                padding::VALID => ((input + stride).saturating_sub(kernel) / stride, 0),
                other => return Err(operation.damaged(format!("its padding has the code {other}"))),
            };
            if expected != output {
                return Err(operation.damaged(format!(
                    "{input} values give {expected} outputs, not {output}"
                )));
            }
            Ok((stride, pad))
        };
        let (stride_y, pad_top) = side(0, *input_height, *output_height)?;
        let (stride_x, pad_left) = side(1, *input_width, *output_width)?;
        Ok(Window {
            height: geometry.kernel[0],
            width: geometry.kernel[1],
            stride_y,
            stride_x,
            pad_top,
            pad_left,
        })
    }
}

fn check_dilation(operation: &Operation, dilations: [Option<i32>; 2]) -> Result<(), ImportError> {
    let [vertical, horizontal] = dilations.map(|dilation| dilation.unwrap_or(1));
    if (vertical, horizontal) != (1, 1) {
        return Err(operation.unsupported(format!(
            "its kernel is dilated by {vertical} x {horizontal}"
        )));
    }
    Ok(())
}

/// Weights `[output][ky][kx][input]` with zeros for all inputs but one from depthwise weights
/// `[ky][kx][output]`, whose outputs `input * multiplier ..` belong to an input.
fn expand(weights: &[i8], area: usize, inputs: usize, outputs: usize) -> Option<Vec<i8>> {
    let length = area.checked_mul(inputs)?.checked_mul(outputs)?;
    let fits = inputs > 0 && outputs.is_multiple_of(inputs) && length <= ROW_ELEMENTS_MAX;
    if !fits || weights.len() != area * outputs {
        return None;
    }
    let multiplier = outputs / inputs;
    let mut expanded = vec![0; length];
    for (position, weights) in weights.chunks_exact(outputs).enumerate() {
        for (output, &weight) in weights.iter().enumerate() {
            expanded[(output * area + position) * inputs + output / multiplier] = weight;
        }
    }
    Some(expanded)
}
