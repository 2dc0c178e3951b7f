//! Relu and Clip: bounds of a pending layer.

use super::constant::{Constant, Data};
use super::node::Node;
use super::pending::{Body, Pending, Unquantized};
use super::{Importer, Value};
use crate::import::ImportError;
use crate::model::{PoolKind, Window};
use std::rc::Rc;

impl Importer {
    pub(super) fn relu(&mut self, node: &Node) -> Result<Value, ImportError> {
        self.bound(node, 0.0, f32::INFINITY)
    }

    pub(super) fn clip(&mut self, node: &Node) -> Result<Value, ImportError> {
        // Bounds are attributes before operator set 11.
        let lower = self
            .limit(node, 1)?
            .unwrap_or(node.float("min", f32::NEG_INFINITY));
        let upper = self
            .limit(node, 2)?
            .unwrap_or(node.float("max", f32::INFINITY));
        if lower.is_nan() || upper.is_nan() || lower > upper {
            return Err(node.damaged(format!("it clips to {lower} .. {upper}")));
        }
        self.bound(node, lower, upper)
    }

    fn limit(&self, node: &Node, index: usize) -> Result<Option<f32>, ImportError> {
        if node.optional_input(index).is_none() {
            return Ok(None);
        }
        let constant: &Constant = self.constant(node, index)?;
        match constant.reals().as_deref() {
            Some(&[limit]) if !matches!(constant.data, Data::I64(_)) => Ok(Some(limit as f32)),
            _ => Err(node.damaged("its limit is not one float")),
        }
    }

    fn bound(&mut self, node: &Node, lower: f32, upper: f32) -> Result<Value, ImportError> {
        let pending = match self.value(node, 0)? {
            Value::Pending(pending) => pending.bounded(lower, upper),
            Value::Dequantized(activation) => {
                // Quantized before and after the bound. One quantization, the last, is left.
                let Some(origin) = activation.origin.clone() else {
                    return Ok(Value::Pending(Rc::new(
                        self.point(node)?.bounded(lower, upper),
                    )));
                };
                let quantization = self.quantization(activation);
                let scale = quantization.scale as f32;
                let zero_point = quantization.zero_point - activation.element.offset();
                let real = |value: i8| (i32::from(value) - zero_point) as f32 * scale;
                let first = origin.bounded(real(i8::MIN), real(i8::MAX));
                first
                    .bounded(lower, upper)
                    .quantized_before(quantization.scale)
                    .viewed(activation.view.clone())
            }
            _ => return Err(node.unsupported("it is applied to something that is not a layer")),
        };
        Ok(Value::Pending(Rc::new(pending)))
    }

    /// An activation as it is, to be bounded or quantized again: a maximum over windows of one
    /// value.
    pub(super) fn point(&mut self, node: &Node) -> Result<Pending, ImportError> {
        let activation = self.operand(node, 0)?;
        let shape = match self.tensors[activation.tensor.0].shape[..] {
            [height, width, channels] => vec![height, width, channels],
            ref shape => {
                let channels = shape.last().copied().unwrap_or(1);
                let elements = shape.iter().product::<usize>();
                vec![1, elements / channels, channels]
            }
        };
        let layer = Unquantized {
            name: node.layer.clone(),
            inputs: vec![self.shaped(activation.tensor, &shape)?],
            shape,
            body: Body::Pool {
                kind: PoolKind::Maximum,
                window: Window::POINT,
                whole: false,
            },
        };
        Ok(Pending::new(layer, activation.view))
    }
}
