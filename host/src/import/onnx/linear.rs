//! Gemm and MatMul with a bias: fully-connected layers.

use super::constant::{Constant, Data};
use super::elementwise::constant_fits;
use super::node::Node;
use super::pending::{Body, Pending, Unquantized};
use super::view::View;
use super::{Importer, Value};
use crate::import::ImportError;
use crate::model::ROW_ELEMENTS_MAX;
use std::rc::Rc;

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
        if pending.view.shape.len() != 1 {
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
            (Value::Constant(_), _) | (_, Value::Constant(_)) => {
                return Err(node.unsupported("it adds a constant to something that is not a layer"));
            }
            _ => return self.sum(node),
        };
        if !pending.has_weights() {
            return Err(node.unsupported("only a layer with weights can have a bias"));
        }
        if pending.bounded {
            return Err(node.unsupported("it adds to a layer after its activation function"));
        }
        let pending = Pending::clone(pending);
        Ok(Value::Pending(Rc::new(
            self.with_bias(node, pending, bias)?,
        )))
    }

    /// Input 0 times input 1, or its transpose.
    fn linear(&mut self, node: &Node, transposed: bool) -> Result<Pending, ImportError> {
        let activation = self.operand(node, 0)?;
        let constant = Rc::clone(self.constant(node, 1)?);
        let [first, second] = constant.shape[..] else {
            return Err(node.unsupported("its weights are not a matrix"));
        };
        let (output_axis, inputs, outputs) = if transposed {
            (0, second, first)
        } else {
            (1, first, second)
        };
        let view = &activation.view;
        if outputs == 0 || outputs > ROW_ELEMENTS_MAX {
            return Err(node.damaged(format!("it makes vectors of {outputs}")));
        }
        if view.shape.last() != Some(&inputs) || view.elements() != inputs {
            return Err(node.unsupported(format!(
                "it takes vectors of {inputs}, but a row of its input is {:?}",
                view.shape
            )));
        }
        let (values, weight_scales) = weight_values(node, &constant, output_axis)?;
        // Where the file has an input value, and where it is inside.
        let (channels, pixels) = match view.order() {
            Some(channels) => (channels, inputs / channels),
            None => (1, inputs),
        };
        let (output_stride, input_stride) = if transposed {
            (inputs, 1)
        } else {
            (1, outputs)
        };
        let weights = (0..outputs)
            .flat_map(|output| {
                (0..inputs).map(move |inside| {
                    let input = inside % channels * pixels + inside / channels;
                    output * output_stride + input * input_stride
                })
            })
            .map(|index| values[index])
            .collect();
        let input_scale = self.tensors[activation.tensor.0].scale;
        let scales = (0..outputs)
            .map(|channel| {
                let index = if weight_scales.len() == 1 { 0 } else { channel };
                input_scale * f64::from(weight_scales[index])
            })
            .collect();
        let mut shape = view.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        let layer = Unquantized {
            name: node.layer.clone(),
            inputs: vec![activation.tensor],
            shape: shape.clone(),
            body: Body::Dense { inputs, weights },
        };
        Ok(Pending::weighted(layer, View::same(shape), scales))
    }

    /// Adds the bias at an input of the node, in steps of the accumulator.
    pub(super) fn with_bias(
        &self,
        node: &Node,
        mut pending: Pending,
        input: usize,
    ) -> Result<Pending, ImportError> {
        let constant = self.constant(node, input)?;
        let channels = pending.scales.len();
        let count = constant.data.len();
        // Input 2 of a layer is a vector; one that is added has the shape of an output.
        let fits = match input {
            2 => constant.shape == [channels] || count == 1,
            _ => constant_fits(constant, &pending.view, count, channels),
        };
        if !fits {
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
            let scale = pending.scales[channel];
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

/// Quantized constant weights with zero point 0 and their scales: one, or one for each index of
/// the dimension `axis`.
pub(super) fn weight_values(
    node: &Node,
    constant: &Constant,
    axis: usize,
) -> Result<(Vec<i8>, Vec<f32>), ImportError> {
    let Some(affine) = &constant.affine else {
        return Err(node.unsupported("its weights are not quantized"));
    };
    if affine.scales.len() > 1 && affine.axis != axis {
        return Err(node.unsupported("its weight scales are not per output channel"));
    }
    let zero_point = |expected| affine.zero_points.iter().all(|&zero| zero == expected);
    let values = match &constant.data {
        Data::I8(values) if zero_point(0) => values.clone(),
        Data::U8(values) if zero_point(128) => crate::model::from_unsigned(values),
        Data::I8(_) | Data::U8(_) => {
            return Err(node.unsupported(
                "its weights have a zero point; quantize them symmetrically to int8",
            ));
        }
        _ => return Err(node.unsupported("its weights are not int8 or uint8")),
    };
    Ok((values, affine.scales.clone()))
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
