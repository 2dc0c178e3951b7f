//! Add and Mul of activations, Softmax, Concat and Pad.

use super::constant::{Constant, Data};
use super::node::Node;
use super::pending::{Body, Pending, Unquantized};
use super::view::View;
use super::{Activation, Importer, Value};
use crate::import::ImportError;
use crate::model::{Factor, row_elements};
use std::rc::Rc;

impl Importer {
    /// Sum of two activations.
    pub(super) fn sum(&mut self, node: &Node) -> Result<Value, ImportError> {
        let (left, right) = (self.operand(node, 0)?, self.operand(node, 1)?);
        let same = left.view.shape == right.view.shape && left.view.order() == right.view.order();
        if !same {
            return Err(node.unsupported(format!(
                "it adds rows of shape {:?} to rows of shape {:?}",
                right.view.shape, left.view.shape
            )));
        }
        let shape = self.tensors[left.tensor.0].shape.clone();
        let second = self.shaped(right.tensor, &shape)?;
        Ok(pending(
            node,
            vec![left.tensor, second],
            shape,
            Body::Add,
            left.view,
        ))
    }

    /// Product of an activation with another, with a quantized constant, or of a layer with a
    /// constant for each channel.
    pub(super) fn mul(&mut self, node: &Node) -> Result<Value, ImportError> {
        let values = (self.value(node, 0)?.clone(), self.value(node, 1)?.clone());
        match values {
            (Value::Pending(layer), Value::Constant(constant))
            | (Value::Constant(constant), Value::Pending(layer))
                if layer.has_weights() && !layer.bounded =>
            {
                let factors = constant.reals();
                let factors = factors.filter(|factors| {
                    constant_fits(&constant, &layer.view, factors.len(), layer.scales.len())
                });
                let factors = factors
                    .ok_or_else(|| node.unsupported("its constant is not one float per channel"))?;
                let layer = self.scaled(node, &layer, &factors)?;
                Ok(Value::Pending(Rc::new(layer)))
            }
            (_, Value::Constant(constant)) => self.product(node, 0, Err(&constant)),
            (Value::Constant(constant), _) => self.product(node, 1, Err(&constant)),
            _ => {
                let (left, right) = (self.operand(node, 0)?, self.operand(node, 1)?);
                if right.view.elements() > left.view.elements() {
                    self.product(node, 1, Ok(left))
                } else {
                    self.product(node, 0, Ok(right))
                }
            }
        }
    }

    /// BatchNormalization of a layer with weights: factors and offsets of its channels.
    pub(super) fn normalization(&mut self, node: &Node) -> Result<Value, ImportError> {
        let Value::Pending(layer) = self.value(node, 0)?.clone() else {
            return Err(node.unsupported("it is not applied to a convolution or a dense layer"));
        };
        let channels = layer.scales.len();
        if layer.bounded || channels == 0 {
            return Err(node.unsupported("it is not applied to a convolution or a dense layer"));
        }
        let mut constants = Vec::with_capacity(4);
        for input in 1..5 {
            let reals = self.constant(node, input)?.reals();
            constants.push(
                reals
                    .filter(|reals| reals.len() == channels)
                    .ok_or_else(|| {
                        node.damaged(format!("input {input} is not one float per channel"))
                    })?,
            );
        }
        let epsilon = f64::from(node.float("epsilon", 1e-5));
        let factors: Vec<f64> = std::iter::zip(&constants[0], &constants[3])
            .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
            .collect();
        let mut layer = self.scaled(node, &layer, &factors)?;
        for channel in 0..channels {
            let offset = constants[1][channel] - constants[2][channel] * factors[channel];
            let steps = (offset / layer.scales[channel]).round_ties_even();
            let fits = steps.abs() <= f64::from(i32::MAX);
            if !fits {
                return Err(
                    node.unsupported(format!("its offset of channel {channel} is too large"))
                );
            }
            layer.bias[channel] += steps as i64;
        }
        Ok(Value::Pending(Rc::new(layer)))
    }

    /// A layer with its channels multiplied by positive factors: only its scales change.
    fn scaled(
        &self,
        node: &Node,
        layer: &Pending,
        factors: &[f64],
    ) -> Result<Pending, ImportError> {
        let mut layer = layer.clone();
        for (channel, scale) in layer.scales.iter_mut().enumerate() {
            let factor = factors[if factors.len() == 1 { 0 } else { channel }];
            let product = *scale * factor;
            if !(product.is_finite() && product > 0.0) {
                return Err(node.unsupported(format!(
                    "the factor of channel {channel} is {factor}, not positive; fold it into the \
                     weights before quantizing, with onnxruntime.quantization.quant_pre_process"
                )));
            }
            *scale = product;
        }
        Ok(layer)
    }

    fn product(
        &mut self,
        node: &Node,
        first: usize,
        second: Result<Activation, &Constant>,
    ) -> Result<Value, ImportError> {
        let left = self.operand(node, first)?;
        let shape = self.tensors[left.tensor.0].shape.clone();
        let channels = shape.last().copied().unwrap_or(1);
        let mut inputs = vec![left.tensor];
        let (factor, scale, factor_view) = match second {
            Ok(right) => {
                inputs.push(right.tensor);
                let scale = self.tensors[right.tensor.0].scale;
                (Factor::Tensor, scale, right.view)
            }
            Err(constant) => {
                let affine = constant
                    .affine
                    .as_ref()
                    .filter(|affine| affine.scales.len() == 1);
                let (Some(affine), Data::I8(_) | Data::U8(_)) = (affine, &constant.data) else {
                    return Err(node.unsupported("its constant is not quantized with one scale"));
                };
                let zero_point = affine.zero_points[0];
                let values = constant.data.integers().unwrap_or_default();
                let values = values
                    .into_iter()
                    .map(|value| i16::try_from(value.checked_sub(zero_point)?).ok())
                    .collect::<Option<Vec<_>>>()
                    .ok_or_else(|| node.damaged("its zero point is out of range"))?;
                let row = match &constant.shape[..] {
                    [1, row @ ..] if row.len() == left.view.shape.len() => row,
                    shape => shape,
                };
                (
                    Factor::Constant(values),
                    affine.scales[0].into(),
                    View::same(row.to_vec()),
                )
            }
        };
        let elements = factor_view.elements();
        let per_channel = match left.view.order() {
            Some(_) => factor_view.shape.first() == Some(&elements) && factor_view.shape.len() > 1,
            None => factor_view.shape.last() == Some(&elements),
        } && elements == channels;
        let same = factor_view.shape == left.view.shape && factor_view.order() == left.view.order();
        if elements != 1 && !per_channel && !same {
            return Err(node.unsupported(format!(
                "it multiplies rows of shape {:?} by {:?}",
                left.view.shape, factor_view.shape
            )));
        }
        Ok(pending(
            node,
            inputs,
            shape,
            Body::Multiply { factor, scale },
            left.view,
        ))
    }

    pub(super) fn softmax(&mut self, node: &Node) -> Result<Value, ImportError> {
        let activation = self.operand(node, 0)?;
        let view = activation.view;
        let rank = view.shape.len() as i64 + 1;
        let axis = node.integer("axis", -1);
        if (axis != -1 && axis != rank - 1) || view.order().is_some() {
            return Err(node.unsupported("it is not over the last dimension"));
        }
        let input = self.shaped(activation.tensor, &view.shape)?;
        Ok(pending(
            node,
            vec![input],
            view.shape.clone(),
            Body::Softmax,
            view,
        ))
    }

    pub(super) fn concat(&mut self, node: &Node) -> Result<Value, ImportError> {
        let mut parts = Vec::with_capacity(node.input_count());
        for index in 0..node.input_count() {
            parts.push(self.operand(node, index)?);
        }
        let Some(first) = parts.first().cloned() else {
            return Err(node.damaged("it has no inputs"));
        };
        let rank = first.view.shape.len();
        let axis = node.integer("axis", 1);
        let normal = if axis < 0 {
            axis.saturating_add(rank as i64 + 1)
        } else {
            axis
        };
        let axis = usize::try_from(normal.saturating_sub(1))
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| node.unsupported(format!("it is along dimension {axis}")))?;
        // Images have their channels first or last; which of both, they must agree on.
        let images = rank == 3
            && parts
                .iter()
                .all(|part| part.view.channels == part.view.shape.first().copied());
        let plain = parts.iter().all(|part| part.view.order().is_none());
        let mut shape = first.view.shape.clone();
        shape[axis] = 0;
        let mut inputs = Vec::with_capacity(parts.len());
        for part in &parts {
            let fits = part.view.shape.len() == rank
                && (0..rank).all(|index| index == axis || part.view.shape[index] == shape[index]);
            if !fits || !(images || plain) {
                return Err(node.unsupported("its inputs have different shapes or orders"));
            }
            shape[axis] = shape[axis]
                .checked_add(part.view.shape[axis])
                .ok_or_else(|| node.damaged("it is too long"))?;
            let inside = if images {
                inner(&part.view.shape)
            } else {
                part.view.shape.clone()
            };
            inputs.push(self.shaped(part.tensor, &inside)?);
        }
        if row_elements(&shape).is_none() {
            return Err(node.unsupported("its output is too large"));
        }
        let (inside, axis, view) = match images {
            true => (inner(&shape), (axis + 2) % 3, View::channels_first(shape)),
            false => (shape.clone(), axis, View::same(shape)),
        };
        Ok(pending(
            node,
            inputs,
            inside,
            Body::Concatenate { axis },
            view,
        ))
    }

    pub(super) fn pad(&mut self, node: &Node) -> Result<Value, ImportError> {
        let activation = self.operand(node, 0)?;
        let mode = node.text("mode");
        if !matches!(mode.as_str(), "" | "constant") || node.optional_input(3).is_some() {
            return Err(node.unsupported("only padding of all dimensions with zeros is supported"));
        }
        let value = match node.optional_input(2) {
            Some(_) => self.constant(node, 2)?.reals().unwrap_or_default(),
            None => vec![node.float("value", 0.0).into()],
        };
        if value.iter().any(|&value| value != 0.0) || value.len() != 1 {
            return Err(node.unsupported("it doesn't pad with zeros"));
        }
        let pads = match node.integers("pads") {
            Some(pads) => pads.to_vec(),
            None => match &self.constant(node, 1)?.data {
                Data::I64(pads) => pads.clone(),
                _ => return Err(node.damaged("its pads are not int64")),
            },
        };
        let rank = activation.view.shape.len();
        if pads.len() != 2 * (rank + 1) || pads[0] != 0 || pads[rank + 1] != 0 {
            return Err(node.unsupported(format!("its pads are {pads:?}")));
        }
        let mut shape = activation.view.shape.clone();
        let mut before = Vec::with_capacity(rank);
        for (index, size) in shape.iter_mut().enumerate() {
            let sides = [pads[index + 1], pads[index + 2 + rank]].map(usize::try_from);
            let [Ok(front), Ok(back)] = sides else {
                return Err(node.unsupported("it removes values"));
            };
            let sum = size
                .checked_add(front)
                .and_then(|size| size.checked_add(back));
            *size = sum.ok_or_else(|| node.damaged("its pads are too large"))?;
            before.push(front);
        }
        if row_elements(&shape).is_none() {
            return Err(node.unsupported("its output is too large"));
        }
        let first = activation.view.channels == activation.view.shape.first().copied();
        let (inside, before, view) = match (rank, activation.view.order()) {
            (3, _) if first => (inner(&shape), inner(&before), View::channels_first(shape)),
            (_, None) => (shape.clone(), before, View::same(shape)),
            _ => return Err(node.unsupported("its input is not in order")),
        };
        let source = &activation.view.shape;
        let source = if view.channels.is_some() {
            inner(source)
        } else {
            source.clone()
        };
        let input = self.shaped(activation.tensor, &source)?;
        Ok(pending(
            node,
            vec![input],
            inside,
            Body::Pad { before },
            view,
        ))
    }
}

/// `[c, h, w]` as `[h, w, c]`.
fn inner(shape: &[usize]) -> Vec<usize> {
    let mut inner = shape.to_vec();
    inner.rotate_left(1);
    inner
}

/// Whether a constant has one value, or one for each channel of a layer.
pub(super) fn constant_fits(
    constant: &Constant,
    view: &View,
    count: usize,
    channels: usize,
) -> bool {
    if count == 1 {
        return true;
    }
    // The channels are the first dimension of a row that is an image, else the last.
    let behind = if view.channels.is_some() {
        view.shape.len() - 1
    } else {
        0
    };
    let shape = &constant.shape;
    let place = shape.len().checked_sub(behind + 1);
    count == channels
        && place
            .is_some_and(|place| shape[place] == count && shape.iter().product::<usize>() == count)
}

fn pending(
    node: &Node,
    inputs: Vec<crate::model::TensorId>,
    shape: Vec<usize>,
    body: Body,
    view: View,
) -> Value {
    let layer = Unquantized {
        name: node.layer.clone(),
        inputs,
        shape,
        body,
    };
    Value::Pending(Rc::new(Pending::new(layer, view)))
}
