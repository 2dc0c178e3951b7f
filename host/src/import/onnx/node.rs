//! One node of an ONNX graph with its attributes looked up by name.

use super::constant::{Constant, Data};
use super::proto::{AttributeProto, NodeProto};
use super::{SUPPORTED, Value, damaged};
use crate::import::ImportError;
use std::rc::Rc;

/// A node.
pub(super) struct Node {
    /// Its name, or that of its output.
    pub layer: String,
    pub operator: String,
    /// Name of its first output.
    pub output: String,
    inputs: Vec<String>,
    attributes: Vec<AttributeProto>,
}

impl Node {
    pub(super) fn new(node: NodeProto) -> Result<Node, ImportError> {
        let operator = node.op_type.unwrap_or_default();
        let operator = match node.domain.as_deref() {
            // Quantization operators are the same in ONNX Runtime's own domain.
            None | Some("" | "ai.onnx") => operator,
            Some("com.microsoft")
                if matches!(operator.as_str(), "QuantizeLinear" | "DequantizeLinear") =>
            {
                operator
            }
            Some(domain) => format!("{domain}.{operator}"),
        };
        let mut outputs = node.output.into_iter();
        let output = outputs.next().filter(|output| !output.is_empty());
        let Some(output) = output else {
            return Err(damaged(format!("a node ({operator}) has no output")));
        };
        let layer = node
            .name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| output.clone());
        let node = Node {
            layer,
            operator,
            output,
            inputs: node.input,
            attributes: node.attribute,
        };
        if outputs.any(|output| !output.is_empty()) {
            return Err(node.unsupported("it has more than one output"));
        }
        Ok(node)
    }

    pub(super) fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported {
            layer: self.layer.clone(),
            operator: self.operator.clone(),
            reason: reason.into(),
            supported: SUPPORTED,
        }
    }

    pub(super) fn damaged(&self, reason: impl std::fmt::Display) -> ImportError {
        damaged(format!(
            "layer \"{}\" ({}): {reason}",
            self.layer, self.operator
        ))
    }

    /// Name of an input that must be there.
    pub(super) fn input(&self, index: usize) -> Result<&str, ImportError> {
        self.optional_input(index)
            .ok_or_else(|| self.damaged(format!("input {index} is missing")))
    }

    /// Name of an input that may be left out.
    pub(super) fn optional_input(&self, index: usize) -> Option<&str> {
        self.inputs
            .get(index)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.as_deref() == Some(name))
    }

    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.i.unwrap_or(0))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.f.unwrap_or(0.0))
    }

    /// A string, empty if it isn't there.
    pub(super) fn text(&self, name: &str) -> String {
        let bytes = self
            .attribute(name)
            .and_then(|attribute| attribute.s.as_deref());
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    }

    /// Number of inputs that are listed.
    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    pub(super) fn integers(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| &attribute.ints[..])
    }

    /// The value of a Constant node.
    pub(super) fn constant(&self) -> Result<Value, ImportError> {
        let constant = if let Some(attribute) = self.attribute("value") {
            let tensor = attribute
                .t
                .clone()
                .ok_or_else(|| self.damaged("it has no value"))?;
            Constant::read(tensor).map_err(|reason| self.unsupported(reason))?
        } else if let Some(values) = self.integers("value_ints") {
            let data = Data::I64(values.to_vec());
            Constant {
                shape: vec![values.len()],
                data,
                affine: None,
            }
        } else if self.attribute("value_int").is_some() {
            let data = Data::I64(vec![self.integer("value_int", 0)]);
            Constant {
                shape: vec![],
                data,
                affine: None,
            }
        } else if self.attribute("value_float").is_some() {
            let data = Data::F32(vec![self.float("value_float", 0.0)]);
            Constant {
                shape: vec![],
                data,
                affine: None,
            }
        } else {
            return Err(self.unsupported("its value is neither a tensor nor a number"));
        };
        Ok(Value::Constant(Rc::new(constant)))
    }
}
