//! Gemm and MatMul with a bias: fully-connected layers.

use super::constant::{Constant, Data};
use super::node::Node;
use super::{Activation, Importer, Value};
use crate::import::ImportError;
use crate::model::{
    Element, FullyConnected, Layer, Operation, Quantization, Rounding, Scale, TensorId,
};
use std::rc::Rc;

/// A layer that waits for the quantization of its output.
#[derive(Clone)]
pub(super) struct Pending {
    linear: Rc<Linear>,
    /// In steps of the accumulator.
    bias: Vec<i64>,
    /// Bounds of the float output.
    lower: f32,
    upper: f32,
    /// Relu or Clip was applied: a bias can no longer be added.
    bounded: bool,
    /// Scale of a quantization that came before the last bound and is left out.
    first_scale: Option<f64>,
    /// Shape of an output row.
    pub shape: Vec<usize>,
}

/// Inputs and weights of a layer.
struct Linear {
    name: String,
    input: TensorId,
    input_channels: usize,
    output_channels: usize,
    /// `[output][input]`.
    weights: Vec<i8>,
    /// Real value of one step of the accumulator, for each output channel.
    scales: Vec<f64>,
}

impl Pending {
    /// With another Relu or Clip.
    pub(super) fn bounded(&self, lower: f32, upper: f32) -> Pending {
        // Not `clamp`: the bounds of Clip are applied one after the other.
        Pending {
            lower: self.lower.max(lower).min(upper),
            upper: self.upper.max(lower).min(upper),
            bounded: true,
            ..self.clone()
        }
    }

    /// With its rows seen in another shape of as many values.
    pub(super) fn shaped(self, shape: Vec<usize>) -> Pending {
        Pending { shape, ..self }
    }

    /// With a quantization of this scale left out.
    pub(super) fn quantized_before(self, scale: f64) -> Pending {
        Pending {
            first_scale: Some(scale),
            ..self
        }
    }
}

impl Importer {
    pub(super) fn gemm(&mut self, node: &Node) -> Result<Value, ImportError> {
        if node.integer("transA", 0) != 0 {
            return Err(node.unsupported("transA is set, which mixes the rows of a batch"));
        }
        let has_bias = node.optional_input(2).is_some();
        let beta = if has_bias {
            node.float("beta", 1.0)
        } else {
            1.0
        };
        if (node.float("alpha", 1.0), beta) != (1.0, 1.0) {
            return Err(node.unsupported("alpha and beta must be 1"));
        }
        let transposed = node.integer("transB", 0) != 0;
        let pending = self.linear(node, transposed)?;
        if pending.shape.len() != 1 {
            return Err(node.damaged("its input is not a matrix"));
        }
        let pending = match has_bias {
            true => self.with_bias(node, pending, 2)?,
            false => pending,
        };
        Ok(Value::Pending(Rc::new(pending)))
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<Value, ImportError> {
        Ok(Value::Pending(Rc::new(self.linear(node, false)?)))
    }

    pub(super) fn add(&mut self, node: &Node) -> Result<Value, ImportError> {
        let (pending, bias) = match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Pending(pending), Value::Constant(_)) => (pending, 1),
            (Value::Constant(_), Value::Pending(pending)) => (pending, 0),
            (Value::Dequantized(_), Value::Constant(_))
            | (Value::Constant(_), Value::Dequantized(_)) => {
                return Err(node.unsupported(
                    "the MatMul in front of this bias is quantized on its own; fuse both into a \
                     Gemm before quantizing, with onnxruntime.quantization.quant_pre_process",
                ));
            }
            _ => return Err(node.unsupported("only a constant bias can be added to a layer")),
        };
        if pending.bounded {
            return Err(node.unsupported("it adds to a layer after its activation function"));
        }
        let pending = Pending::clone(pending);
        Ok(Value::Pending(Rc::new(
            self.with_bias(node, pending, bias)?,
        )))
    }

    /// Completes a layer with the quantization of its output.
    pub(super) fn complete(
        &mut self,
        node: &Node,
        pending: &Pending,
        element: Element,
        quantization: Quantization,
    ) -> Result<TensorId, ImportError> {
        let linear = &*pending.linear;
        // Leaving a first quantization out moves an output by half a step of its scale.
        if pending
            .first_scale
            .is_some_and(|first| first >= 2.0 * quantization.scale)
        {
            return Err(node.unsupported(
                "the quantization in front of its activation function is far coarser than the \
                 one behind it; quantize with asymmetric activations",
            ));
        }
        let scales = linear
            .scales
            .iter()
            .map(|scale| Scale::from_real(scale / quantization.scale))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| node.unsupported("its scales are out of the range of int8"))?;
        let bias = pending
            .bias
            .iter()
            .map(|&bias| i32::try_from(bias).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| node.unsupported("a bias is out of the range of the accumulator"))?;
        let zero_point = (quantization.zero_point - element.offset()) as f32;
        let quantize = |real: f32| {
            let steps = (real / quantization.scale as f32).round_ties_even();
            (steps + zero_point).clamp(-128.0, 127.0) as i8
        };
        let (clamp_minimum, clamp_maximum) = (quantize(pending.lower), quantize(pending.upper));
        let output = self.tensor(&node.output, pending.shape.clone(), element, quantization);
        self.layers.push(Layer {
            name: linear.name.clone(),
            inputs: vec![linear.input],
            output,
            operation: Operation::FullyConnected(FullyConnected {
                input_channels: linear.input_channels,
                output_channels: linear.output_channels,
                weights: linear.weights.clone(),
                bias,
                scales,
                rounding: Rounding::Single,
                clamp_minimum,
                clamp_maximum,
            }),
        });
        Ok(output)
    }

    /// Input 0 times input 1, or its transpose.
    fn linear(&self, node: &Node, transposed: bool) -> Result<Pending, ImportError> {
        let Value::Dequantized(activation) = self.value(node, 0)? else {
            return Err(node.unsupported(format!(
                "its input \"{}\" is not an int8 or uint8 activation behind DequantizeLinear",
                node.input(0)?
            )));
        };
        let weights = self.constant(node, 1)?;
        let [first, second] = weights.shape[..] else {
            return Err(node.unsupported("its weights are not a matrix"));
        };
        let (output_axis, input_channels, output_channels) = if transposed {
            (0, second, first)
        } else {
            (1, first, second)
        };
        let Activation { tensor, shape, .. } = activation;
        if shape.last() != Some(&input_channels)
            || shape.iter().product::<usize>() != input_channels
        {
            return Err(node.unsupported(format!(
                "it takes vectors of {input_channels}, but a row of its input is {shape:?}"
            )));
        }
        let Some(affine) = &weights.affine else {
            return Err(node.unsupported("its weights are not quantized"));
        };
        if affine.scales.len() > 1 && affine.axis != output_axis {
            return Err(node.unsupported("its weight scales are not per output channel"));
        }
        let zero_point = |expected| affine.zero_points.iter().all(|&zero| zero == expected);
        let values: Vec<i8> = match &weights.data {
            Data::I8(values) if zero_point(0) => values.clone(),
            Data::U8(values) if zero_point(128) => crate::model::from_unsigned(values),
            Data::I8(_) | Data::U8(_) => {
                return Err(node.unsupported(
                    "its weights have a zero point; quantize them symmetrically to int8",
                ));
            }
            _ => return Err(node.unsupported("its weights are not int8 or uint8")),
        };
        let weights = if transposed {
            values
        } else {
            let matrix = Constant {
                shape: vec![first, second],
                data: Data::I8(values),
                affine: None,
            };
            match matrix.transpose() {
                Some(Constant {
                    data: Data::I8(values),
                    ..
                }) => values,
                _ => unreachable!("a matrix stays a matrix of int8"),
            }
        };
        let input_scale = self.tensors[tensor.0].scale;
        let scales = (0..output_channels)
            .map(|channel| {
                let index = if affine.scales.len() == 1 { 0 } else { channel };
                input_scale * f64::from(affine.scales[index])
            })
            .collect();
        let mut output_shape = shape.clone();
        if let Some(last) = output_shape.last_mut() {
            *last = output_channels;
        }
        Ok(Pending {
            linear: Rc::new(Linear {
                name: node.layer.clone(),
                input: *tensor,
                input_channels,
                output_channels,
                weights,
                scales,
            }),
            bias: vec![0; output_channels],
            lower: f32::NEG_INFINITY,
            upper: f32::INFINITY,
            bounded: false,
            first_scale: None,
            shape: output_shape,
        })
    }

    /// Adds the bias at an input of the node, in steps of the accumulator.
    fn with_bias(
        &self,
        node: &Node,
        mut pending: Pending,
        input: usize,
    ) -> Result<Pending, ImportError> {
        let constant = self.constant(node, input)?;
        let channels = pending.linear.output_channels;
        let count = constant.data.len();
        let broadcasts = match constant.shape.split_last() {
            Some((&last, outer)) => last == count && outer.iter().all(|&size| size == 1),
            None => true,
        };
        if !broadcasts || (count != channels && count != 1) {
            return Err(node.unsupported(format!(
                "a bias of shape {:?} doesn't fit {channels} channels",
                constant.shape
            )));
        }
        let reals = constant
            .reals()
            .ok_or_else(|| node.unsupported("its bias is neither float nor dequantized"))?;
        for (channel, sum) in pending.bias.iter_mut().enumerate() {
            let index = if count == 1 { 0 } else { channel };
            let scale = pending.linear.scales[channel];
            let steps = match stored_steps(constant, index, scale) {
                Some(steps) => steps,
                None => {
                    let steps = (reals[index] / scale).round_ties_even();
                    let fits = steps.abs() <= f64::from(i32::MAX);
                    if !fits {
                        return Err(node.unsupported(format!(
                            "the bias {} of channel {channel} is out of the accumulator's range",
                            reals[index]
                        )));
                    }
                    steps as i64
                }
            };
            *sum += steps;
        }
        Ok(pending)
    }
}

/// The integer of an int32 bias whose scale is the accumulator's (but for rounding to float):
/// computing it from the real number could miss it by some steps where it is large.
fn stored_steps(constant: &Constant, index: usize, scale: f64) -> Option<i64> {
    const TOLERANCE: f64 = 1.0 / (1 << 21) as f64;
    let (Data::I32(values), Some(affine)) = (&constant.data, &constant.affine) else {
        return None;
    };
    let channel = affine.channel(&constant.shape, index);
    let same = (f64::from(affine.scales[channel]) / scale - 1.0).abs() <= TOLERANCE;
    same.then(|| i64::from(values[index]) - i64::from(affine.zero_points[channel]))
}
