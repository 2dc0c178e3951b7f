//! QUANTIZE and DEQUANTIZE: conversions at the ends of the network.

use super::schema::element;
use super::{Importer, Operation, Value};
use crate::import::ImportError;
use crate::model::{Element, Layout, Port, Quantization, TensorId};

/// What a port looks like from outside.
#[derive(Clone, Copy)]
pub(super) struct External {
    pub(super) element: Element,
    pub(super) float: bool,
}

pub(super) const PLAIN: External = External {
    element: Element::I8,
    float: false,
};
const FLOAT: External = External {
    element: Element::I8,
    float: true,
};
const UNSIGNED: External = External {
    element: Element::U8,
    float: false,
};

impl Importer<'_> {
    /// The network's input or output.
    pub(super) fn port(&self, source: usize, id: TensorId, external: External) -> Port {
        let tensor = &self.tensors[id.0];
        let zero_point = i32::from(tensor.zero_point) + external.element.offset();
        Port {
            name: self.name(source),
            tensor: id,
            element: external.element,
            quantization: Quantization {
                scale: tensor.scale,
                zero_point,
            },
            external_float: external.float,
            layout: Layout::Same,
        }
    }

    /// QUANTIZE: from the model's float or uint8 input, or to its uint8 output.
    pub(super) fn quantize(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let input = operation.input(0)?;
        let (from, to) = (self.element(input), self.element(operation.output));
        match (self.values[input], from, to) {
            (Value::UnquantizedInput, element::FLOAT32 | element::UINT8, element::INT8) => {
                if self.input_port.is_some() {
                    return Err(operation.unsupported("the input is quantized a second time"));
                }
                let external = if from == element::UINT8 {
                    UNSIGNED
                } else {
                    FLOAT
                };
                if from == element::UINT8 {
                    self.check_shifted(operation, input, operation.output)?;
                }
                let (_, shape) = self.shape(input)?;
                let id = self.activation(operation.output)?;
                if self.tensors[id.0].shape != shape {
                    return Err(operation.damaged("it changes the shape"));
                }
                self.input_port = Some(self.port(self.input, id, external));
                self.write(operation, Value::Activation(id))
            }
            (Value::Activation(id), element::INT8, element::UINT8) => {
                self.check_shifted(operation, operation.output, input)?;
                self.write(operation, Value::Output(id, UNSIGNED))
            }
            _ => Err(operation.unsupported(format!(
                "it converts {} to {} in the middle of the network",
                element::name(from),
                element::name(to)
            ))),
        }
    }

    /// Whether two tensors differ only by the 128 between uint8 and int8.
    fn check_shifted(
        &self,
        operation: &Operation,
        unsigned: usize,
        signed: usize,
    ) -> Result<(), ImportError> {
        let (unsigned_scale, unsigned_zero) = self.quantization(unsigned)?;
        let (signed_scale, signed_zero) = self.quantization(signed)?;
        if unsigned_scale != signed_scale || unsigned_zero.checked_sub(128) != Some(signed_zero) {
            return Err(operation.unsupported("it changes scale or zero point, not only the type"));
        }
        Ok(())
    }

    /// DEQUANTIZE: to the model's float output.
    pub(super) fn dequantize(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let id = self.read(operation, 0)?;
        if self.element(operation.output) != element::FLOAT32 {
            let to = element::name(self.element(operation.output));
            return Err(operation.unsupported(format!("it converts to {to}")));
        }
        self.write(operation, Value::Output(id, FLOAT))
    }
}
