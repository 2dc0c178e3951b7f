//! QuantizeLinear and DequantizeLinear: the borders between floats and integers.

use super::constant::{Affine, Constant, Data};
use super::node::Node;
use super::proto::data_type;
use super::{Activation, Importer, Value};
use crate::import::ImportError;
use crate::model::{Element, Quantization};
use std::rc::Rc;

/// Scale and zero point of one QuantizeLinear or DequantizeLinear.
struct Parameters {
    affine: Affine,
    /// Type of the zero point; it is the type of the integers.
    zero_points: Option<Data>,
}

impl Importer {
    pub(super) fn quantize_linear(&mut self, node: &Node) -> Result<Value, ImportError> {
        let parameters = self.parameters(node)?;
        let element = match (
            &parameters.zero_points,
            node.integer("output_dtype", 0) as i32,
        ) {
            (Some(Data::I8(_)), _) | (None, data_type::INT8) => Element::I8,
            (Some(Data::U8(_)), _) | (None, 0 | data_type::UINT8) => Element::U8,
            _ => return Err(node.unsupported("it quantizes to other types than int8 and uint8")),
        };
        match self.value(node, 0)?.clone() {
            Value::Constant(constant) => {
                let affine = per_axis(node, parameters.affine, &constant.shape)?;
                let constant =
                    Rc::unwrap_or_clone(constant).quantize(&affine, element == Element::U8);
                let constant = constant.ok_or_else(|| node.damaged("its input is not float"))?;
                Ok(Value::Constant(Rc::new(constant)))
            }
            Value::FloatInput(view) => {
                let quantization = per_tensor(node, &parameters.affine)?;
                let tensor = self.input(node, element, quantization, true)?;
                Ok(Value::Quantized(Activation {
                    tensor,
                    element,
                    view,
                    origin: None,
                }))
            }
            Value::Dequantized(activation) => {
                let quantization = per_tensor(node, &parameters.affine)?;
                if (activation.element, self.quantization(&activation)) != (element, quantization) {
                    let pending = self.point(node)?;
                    let tensor = self.complete(node, &pending, element, quantization)?;
                    return Ok(Value::Quantized(Activation {
                        tensor,
                        element,
                        view: pending.view,
                        origin: None,
                    }));
                }
                Ok(Value::Quantized(activation))
            }
            Value::Pending(pending) => {
                let quantization = per_tensor(node, &parameters.affine)?;
                let tensor = self.complete(node, &pending, element, quantization)?;
                let view = pending.view.clone();
                Ok(Value::Quantized(Activation {
                    tensor,
                    element,
                    view,
                    origin: Some(pending),
                }))
            }
            Value::Quantized(_) | Value::IntegerInput(..) | Value::Unreadable(_) => {
                Err(node.damaged("its input is not float"))
            }
        }
    }

    pub(super) fn dequantize_linear(&mut self, node: &Node) -> Result<Value, ImportError> {
        let parameters = self.parameters(node)?;
        match self.value(node, 0)?.clone() {
            Value::Constant(constant) => {
                let affine = per_axis(node, parameters.affine, &constant.shape)?;
                let constant = Rc::unwrap_or_clone(constant).dequantize(affine);
                let constant = constant
                    .ok_or_else(|| node.unsupported("its input is not int8, uint8 or int32"))?;
                Ok(Value::Constant(Rc::new(constant)))
            }
            Value::IntegerInput(view, element) => {
                check_type(node, &parameters, element)?;
                let quantization = per_tensor(node, &parameters.affine)?;
                let tensor = self.input(node, element, quantization, false)?;
                Ok(Value::Dequantized(Activation {
                    tensor,
                    element,
                    view,
                    origin: None,
                }))
            }
            Value::Quantized(activation) => {
                check_type(node, &parameters, activation.element)?;
                if self.quantization(&activation) != per_tensor(node, &parameters.affine)? {
                    return Err(node.unsupported(
                        "its scale or zero point differs from that of its QuantizeLinear",
                    ));
                }
                Ok(Value::Dequantized(activation))
            }
            Value::FloatInput(_)
            | Value::Dequantized(_)
            | Value::Pending(_)
            | Value::Unreadable(_) => Err(node.damaged("its input is not an integer")),
        }
    }

    /// External quantization of an activation.
    pub(super) fn quantization(&self, activation: &Activation) -> Quantization {
        let tensor = &self.tensors[activation.tensor.0];
        let zero_point = i32::from(tensor.zero_point) + activation.element.offset();
        Quantization {
            scale: tensor.scale,
            zero_point,
        }
    }

    fn parameters(&self, node: &Node) -> Result<Parameters, ImportError> {
        if node.integer("block_size", 0) != 0 {
            return Err(node.unsupported("it is quantized in blocks"));
        }
        let scale = self.constant(node, 1)?;
        let Constant {
            data: Data::F32(scales),
            shape,
            affine: None,
        } = &**scale
        else {
            return Err(node.unsupported("its scale is not float32"));
        };
        if shape.len() > 1 || scales.is_empty() {
            return Err(node.unsupported(format!("its scale has the shape {shape:?}")));
        }
        if let Some(scale) = scales
            .iter()
            .find(|scale| !(scale.is_finite() && **scale > 0.0))
        {
            return Err(node.damaged(format!("its scale is {scale}, not a positive number")));
        }
        let data = match node.optional_input(2) {
            Some(_) => Some(self.constant(node, 2)?.data.clone()),
            None => None,
        };
        let zero_points = match &data {
            Some(data) => data
                .integers()
                .ok_or_else(|| node.unsupported("its zero point is not int8, uint8 or int32"))?,
            None => vec![0; scales.len()],
        };
        if zero_points.len() != scales.len() {
            let (scales, zero_points) = (scales.len(), zero_points.len());
            return Err(node.damaged(format!("{scales} scales and {zero_points} zero points")));
        }
        let affine = Affine {
            scales: scales.clone(),
            zero_points,
            axis: 0,
        };
        Ok(Parameters {
            affine,
            zero_points: data,
        })
    }
}

/// The parameters of a constant, with their axis.
fn per_axis(node: &Node, affine: Affine, shape: &[usize]) -> Result<Affine, ImportError> {
    if affine.scales.len() == 1 {
        return Ok(affine);
    }
    let axis = node.integer("axis", 1);
    let rank = shape.len() as i64;
    let axis = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    let axis = usize::try_from(axis).ok().filter(|&axis| {
        shape
            .get(axis)
            .is_some_and(|&dimension| dimension == affine.scales.len())
    });
    match axis {
        Some(axis) => Ok(Affine { axis, ..affine }),
        None => Err(node.damaged(format!(
            "{} scales don't fit the shape {shape:?}",
            affine.scales.len()
        ))),
    }
}

/// The parameters of an activation.
fn per_tensor(node: &Node, affine: &Affine) -> Result<Quantization, ImportError> {
    match (&affine.scales[..], &affine.zero_points[..]) {
        (&[scale], &[zero_point]) => Ok(Quantization {
            scale: scale.into(),
            zero_point,
        }),
        _ => Err(node.unsupported("activations must be quantized with one scale")),
    }
}

fn check_type(node: &Node, parameters: &Parameters, element: Element) -> Result<(), ImportError> {
    match (&parameters.zero_points, element) {
        (None, _) | (Some(Data::I8(_)), Element::I8) | (Some(Data::U8(_)), Element::U8) => Ok(()),
        _ => Err(node.damaged("its zero point has another type than its input")),
    }
}
