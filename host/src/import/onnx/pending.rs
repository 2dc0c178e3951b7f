//! Layers in float that wait for the QuantizeLinear which completes them.

use super::node::Node;
use super::view::View;
use super::{Activation, Importer, Value};
use crate::import::ImportError;
use crate::model::{
    Add, Concatenate, Convolution, Depthwise, Element, Factor, FullyConnected, Layer, Multiply,
    Operation, Pad, Pool, PoolKind, Quantization, Requantization, Rounding, Scale, Softmax,
    TensorId, Window,
};
use std::rc::Rc;

/// A layer that waits for the quantization of its output.
#[derive(Clone)]
pub(super) struct Pending {
    pub layer: Rc<Unquantized>,
    /// In steps of the accumulator, for each output channel; empty without weights.
    pub bias: Vec<i64>,
    /// Real value of one step of the accumulator, for each output channel.
    pub scales: Vec<f64>,
    /// Bounds of the float output.
    lower: f32,
    upper: f32,
    /// Relu or Clip was applied: a bias can no longer be added.
    pub bounded: bool,
    /// Scale of a quantization that came before the last bound and is left out.
    first_scale: Option<f64>,
    /// How the file sees an output row.
    pub view: View,
}

/// A layer without the quantization of its output.
pub(super) struct Unquantized {
    pub name: String,
    pub inputs: Vec<TensorId>,
    /// Shape of an output row inside.
    pub shape: Vec<usize>,
    pub body: Body,
}

/// What is computed.
pub(super) enum Body {
    /// Products with weights, `[output][input]`.
    Dense { inputs: usize, weights: Vec<i8> },
    /// Products with weights, `[output][ky][kx][input]`.
    Convolution {
        window: Window,
        inputs: usize,
        weights: Vec<i8>,
    },
    /// Products with weights, `[ky][kx][channel]`.
    Depthwise { window: Window, weights: Vec<i8> },
    /// Sum of two inputs.
    Add,
    /// Product with a second input, or with constants, of this scale.
    Multiply { factor: Factor, scale: f64 },
    /// Pooling; an average is over the values inside the image, or over the whole window.
    Pool {
        kind: PoolKind,
        window: Window,
        whole: bool,
    },
    /// Softmax over the last dimension inside.
    Softmax,
    /// Concatenation along a dimension inside.
    Concatenate { axis: usize },
    /// Padding with zeros.
    Pad { before: Vec<usize> },
}

impl Pending {
    /// A layer without weights.
    pub(super) fn new(layer: Unquantized, view: View) -> Pending {
        Pending {
            layer: Rc::new(layer),
            bias: Vec::new(),
            scales: Vec::new(),
            lower: f32::NEG_INFINITY,
            upper: f32::INFINITY,
            bounded: false,
            first_scale: None,
            view,
        }
    }

    /// A layer with weights, with the real values of the accumulators' steps.
    pub(super) fn weighted(layer: Unquantized, view: View, scales: Vec<f64>) -> Pending {
        Pending {
            bias: vec![0; scales.len()],
            scales,
            ..Pending::new(layer, view)
        }
    }

    /// Bytes of its parameters.
    pub(super) fn bytes(&self) -> usize {
        let weights = match &self.layer.body {
            Body::Dense { weights, .. }
            | Body::Convolution { weights, .. }
            | Body::Depthwise { weights, .. } => weights.len(),
            Body::Multiply {
                factor: Factor::Constant(values),
                ..
            } => size_of_val(&values[..]),
            _ => 0,
        };
        weights + self.scales.len() * (size_of::<f64>() + size_of::<i64>())
    }

    /// Whether it has weights, so that a bias can be added and channels be scaled.
    pub(super) fn has_weights(&self) -> bool {
        !self.scales.is_empty()
    }

    /// Whether its output can be quantized as its input is without a loss.
    fn keeps_values(&self) -> bool {
        let maximum = |body: &Body| {
            matches!(
                body,
                Body::Pool {
                    kind: PoolKind::Maximum,
                    ..
                }
            )
        };
        !self.bounded && (matches!(self.layer.body, Body::Pad { .. }) || maximum(&self.layer.body))
    }

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

    /// With its rows seen in another way.
    pub(super) fn viewed(self, view: View) -> Pending {
        Pending { view, ..self }
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
    /// The activation that a node reads. A padding or a maximum in front of it that isn't
    /// quantized by itself gets the quantization of its input, which loses nothing.
    pub(super) fn operand(&mut self, node: &Node, index: usize) -> Result<Activation, ImportError> {
        match self.value(node, index)?.clone() {
            Value::Dequantized(activation) => Ok(activation),
            Value::Pending(pending) if pending.keeps_values() => {
                let input = self.tensors[pending.layer.inputs[0].0].clone();
                let quantization = Quantization {
                    scale: input.scale,
                    zero_point: input.zero_point.into(),
                };
                let tensor = self.complete(node, &pending, Element::I8, quantization)?;
                Ok(Activation {
                    tensor,
                    element: Element::I8,
                    view: pending.view.clone(),
                    origin: None,
                })
            }
            _ => Err(node.unsupported(format!(
                "its input \"{}\" is not an int8 or uint8 activation behind DequantizeLinear",
                node.input(index)?
            ))),
        }
    }

    /// Completes a layer with the quantization of its output.
    pub(super) fn complete(
        &mut self,
        node: &Node,
        pending: &Pending,
        element: Element,
        quantization: Quantization,
    ) -> Result<TensorId, ImportError> {
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
        self.spend(pending.bytes())?;
        let zero_point = (quantization.zero_point - element.offset()) as f32;
        let quantize = |real: f32| {
            let steps = (real / quantization.scale as f32).round_ties_even();
            (steps + zero_point).clamp(-128.0, 127.0) as i8
        };
        let clamp = (quantize(pending.lower), quantize(pending.upper));
        let layer = &*pending.layer;
        let output = self.tensor(&node.output, layer.shape.clone(), element, quantization);
        let operation = self.operation(node, pending, output, clamp)?;
        self.layers.push(Layer {
            name: layer.name.clone(),
            inputs: layer.inputs.clone(),
            output,
            operation,
        });
        Ok(output)
    }

    fn operation(
        &self,
        node: &Node,
        pending: &Pending,
        output: TensorId,
        (clamp_minimum, clamp_maximum): (i8, i8),
    ) -> Result<Operation, ImportError> {
        let out_of_range = || node.unsupported("its scales are out of the range of int8");
        let rounding = Rounding::Single;
        let layer = &*pending.layer;
        let output = &self.tensors[output.0];
        let input = |index: usize| &self.tensors[layer.inputs[index].0];
        let same = |index: usize| {
            (input(index).scale, input(index).zero_point) == (output.scale, output.zero_point)
        };
        let scales = pending
            .scales
            .iter()
            .map(|scale| Scale::from_real(scale / output.scale))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(out_of_range)?;
        let bias = pending
            .bias
            .iter()
            .map(|&bias| i32::try_from(bias).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| node.unsupported("a bias is out of the range of the accumulator"))?;
        let rescale = |real: f64| {
            let scale = Scale::from_real(real).ok_or_else(out_of_range)?;
            Ok(Requantization { scale, rounding })
        };
        Ok(match &layer.body {
            Body::Dense { inputs, weights } => Operation::FullyConnected(FullyConnected {
                input_channels: *inputs,
                output_channels: scales.len(),
                weights: weights.clone(),
                bias,
                scales,
                rounding,
                clamp_minimum,
                clamp_maximum,
            }),
            Body::Convolution {
                window,
                inputs,
                weights,
            } => Operation::Convolution(Convolution {
                window: *window,
                input_channels: *inputs,
                output_channels: scales.len(),
                weights: weights.clone(),
                bias,
                scales,
                rounding,
                clamp_minimum,
                clamp_maximum,
            }),
            Body::Depthwise { window, weights } => Operation::Depthwise(Depthwise {
                window: *window,
                channels: scales.len(),
                weights: weights.clone(),
                bias,
                scales,
                rounding,
                clamp_minimum,
                clamp_maximum,
            }),
            Body::Add => {
                const LEFT_SHIFT: u8 = 20;
                let add =
                    Add::from_scales(input(0).scale, input(1).scale, output.scale, LEFT_SHIFT);
                Operation::Add(Add {
                    clamp_minimum,
                    clamp_maximum,
                    ..add.ok_or_else(out_of_range)?
                })
            }
            Body::Multiply { factor, scale } => Operation::Multiply(Multiply {
                factor: factor.clone(),
                scale: rescale(input(0).scale * scale / output.scale)?.scale,
                rounding,
                clamp_minimum,
                clamp_maximum,
            }),
            Body::Pool {
                kind,
                window,
                whole,
            } => {
                let ratio = input(0).scale / output.scale;
                let requantization = match kind {
                    PoolKind::Maximum if same(0) => None,
                    PoolKind::Maximum => Some(rescale(ratio)?),
                    PoolKind::Average if same(0) && !whole => None,
                    PoolKind::Average
                        if *whole || covers(window, &input(0).shape, &output.shape) =>
                    {
                        Some(rescale(ratio / window.area() as f64)?)
                    }
                    PoolKind::Average => {
                        return Err(node.unsupported(
                            "it averages windows that are partly outside, and its output is \
                             quantized differently from its input",
                        ));
                    }
                };
                Operation::Pool(Pool {
                    kind: *kind,
                    window: *window,
                    requantization,
                    clamp_minimum,
                    clamp_maximum,
                })
            }
            Body::Softmax if pending.bounded => {
                return Err(node.unsupported("a softmax is bounded"));
            }
            Body::Softmax => Operation::Softmax(Softmax::Float),
            Body::Concatenate { .. } | Body::Pad { .. } if pending.bounded => {
                return Err(node.unsupported("a bound is applied to it; put it behind its inputs"));
            }
            Body::Concatenate { axis } => Operation::Concatenate(Concatenate {
                axis: *axis,
                requantizations: (0..layer.inputs.len())
                    .map(|index| match same(index) {
                        true => Ok(None),
                        false => rescale(input(index).scale / output.scale).map(Some),
                    })
                    .collect::<Result<_, ImportError>>()?,
            }),
            Body::Pad { .. } if !same(0) => {
                return Err(node.unsupported("a padding is quantized differently from its input"));
            }
            Body::Pad { before } => Operation::Pad(Pad {
                before: before.clone(),
            }),
        })
    }
}

/// Whether all windows lie inside the image.
fn covers(window: &Window, inside: &[usize], outside: &[usize]) -> bool {
    let end = |outputs: usize, stride: usize, size: usize| (outputs - 1) * stride + size;
    (window.pad_top, window.pad_left) == (0, 0)
        && end(outside[0], window.stride_y, window.height) <= inside[0]
        && end(outside[1], window.stride_x, window.width) <= inside[1]
}
