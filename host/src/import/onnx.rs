//! ONNX models in QDQ form: float operators between DequantizeLinear and QuantizeLinear.
//!
//! ```text
//!  x (int8) --DequantizeLinear--+
//!                               Gemm or MatMul [+ Add] [+ Relu, Clip] --QuantizeLinear--> y (int8)
//!  weights  --DequantizeLinear--+           \______ pending ______/
//! ```
//!
//! The walk keeps, for each name of the graph, what it is: a constant, an int8 activation, the
//! float that it stands for, or a layer that waits for the QuantizeLinear which completes it.
//! The reference is ONNX Runtime with its float scales; the fixed-point scales here are within
//! 2^-31 of them, so a layer's output differs by at most one step, and only next to a tie. Layers
//! behind it may make more of that step.

mod activation;
mod constant;
mod elementwise;
mod image;
mod linear;
mod node;
mod pending;
mod proto;
mod quantize;
mod scan;
mod shape;
mod view;

use super::budget::Budget;
use super::{Format, ImportError};
use crate::model::{
    Element, Layer, Layout, Network, Operation, PoolKind, Port, Quantization, Source, Tensor,
    TensorId, row_elements,
};
use constant::Constant;
use node::Node;
use pending::Pending;
use prost::Message;
use proto::{GraphProto, ModelProto, ValueInfoProto, data_type};
use std::collections::HashMap;
use std::rc::Rc;
use view::View;

/// What the messages say that is supported.
const SUPPORTED: &str = "Conv, Gemm and MatMul with quantized constant weights and a bias, Add, \
     Mul, AveragePool, MaxPool, GlobalAveragePool, GlobalMaxPool, ReduceMean over height and width, \
     Softmax, Concat, Pad with zeros, Relu and Clip, each layer between DequantizeLinear and \
     QuantizeLinear in int8 or uint8; BatchNormalization and Mul by constants behind Conv; Flatten, \
     Reshape, Squeeze, Unsqueeze and Transpose that keep each row's values in order";

/// Turns the bytes of an ONNX file into a network.
pub(super) fn import(name: &str, bytes: &[u8]) -> Result<Network, ImportError> {
    // Any short or odd file may happen to be valid protobuf, and a damaged model isn't: its first
    // field, the version of the format, tells them apart.
    const IR_VERSION_TAG: u8 = 0x08;
    let looks_right = bytes.first() == Some(&IR_VERSION_TAG);
    if scan::has_too_many_parts(bytes) {
        return Err(damaged("it has more nodes and names than any network"));
    }
    let model = match ModelProto::decode(bytes) {
        Ok(model) => model,
        Err(error) if looks_right => return Err(damaged(error.to_string())),
        Err(_) => return Err(ImportError::Unrecognized),
    };
    let (Some(graph), Some(_), false) =
        (model.graph, model.ir_version, model.opset_import.is_empty())
    else {
        return Err(match looks_right {
            true => damaged("it has no graph or no operator set"),
            false => ImportError::Unrecognized,
        });
    };
    let importer = Importer {
        values: HashMap::new(),
        budget: Budget::new(bytes.len()),
        batch: None,
        input_name: String::new(),
        input_view: View::same(Vec::new()),
        input_port: None,
        tensors: Vec::new(),
        layers: Vec::new(),
    };
    importer.run(name, graph)
}

fn damaged(reason: impl Into<String>) -> ImportError {
    ImportError::Damaged {
        format: Format::Onnx,
        reason: reason.into(),
    }
}

fn unsupported_model(reason: impl Into<String>) -> ImportError {
    ImportError::UnsupportedModel {
        format: Format::Onnx,
        reason: reason.into(),
    }
}

/// What a name of the graph stands for. Shapes are of one row, without the batch.
#[derive(Clone)]
enum Value {
    /// A constant that isn't readable, and why. An error only if it is used.
    Unreadable(Rc<str>),
    Constant(Rc<Constant>),
    /// The graph's input in float, before QuantizeLinear.
    FloatInput(View),
    /// The graph's input in int8 or uint8, before DequantizeLinear says what it means.
    IntegerInput(View, Element),
    /// An activation as integers.
    Quantized(Activation),
    /// An activation as the floats that it stands for.
    Dequantized(Activation),
    /// A layer without its output's quantization.
    Pending(Rc<Pending>),
}

impl Value {
    /// Bytes of what doesn't have a bounded size.
    fn bytes(&self) -> usize {
        match self {
            Value::Constant(constant) => constant.bytes(),
            Value::Pending(pending) => pending.bytes(),
            _ => 0,
        }
    }
}

/// An int8 activation.
#[derive(Clone)]
struct Activation {
    tensor: TensorId,
    element: Element,
    /// How the file sees a row.
    view: View,
    /// The layer that computes it.
    origin: Option<Rc<Pending>>,
}

struct Importer {
    values: HashMap<String, Value>,
    budget: Budget,
    /// Number of rows, where the file fixes it.
    batch: Option<usize>,
    input_name: String,
    input_view: View,
    input_port: Option<Port>,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
}

impl Importer {
    fn run(mut self, name: &str, mut graph: GraphProto) -> Result<Network, ImportError> {
        for tensor in std::mem::take(&mut graph.initializer) {
            let name = tensor.name.clone().unwrap_or_default();
            let value = match Constant::read(tensor) {
                Ok(constant) => Value::Constant(Rc::new(constant)),
                Err(reason) => Value::Unreadable(reason.into()),
            };
            self.define(name, value)?;
        }
        self.start(&graph)?;
        for node in graph.node {
            let node = Node::new(node)?;
            let value = self.evaluate(&node)?;
            self.spend(value.bytes())?;
            self.define(node.output.clone(), value)?;
        }
        self.finish(name, &graph.output)
    }

    /// Counts what is copied.
    fn spend(&mut self, bytes: usize) -> Result<(), ImportError> {
        self.budget.spend(bytes).map_err(unsupported_model)
    }

    fn define(&mut self, name: String, value: Value) -> Result<(), ImportError> {
        if self.values.insert(name.clone(), value).is_some() {
            return Err(damaged(format!("\"{name}\" is defined twice")));
        }
        Ok(())
    }

    /// Finds the one input that is not a constant.
    fn start(&mut self, graph: &GraphProto) -> Result<(), ImportError> {
        let name = |input: &ValueInfoProto| input.name.clone().unwrap_or_default();
        let inputs: Vec<_> = graph
            .input
            .iter()
            .filter(|input| !self.values.contains_key(&name(input)))
            .collect();
        let [input] = inputs[..] else {
            let reason = format!("it has {} inputs, only one is supported", inputs.len());
            return Err(unsupported_model(reason));
        };
        self.input_name = name(input);
        let kind = input
            .kind
            .as_ref()
            .and_then(|kind| kind.tensor_type.as_ref());
        let dimensions = kind
            .and_then(|kind| kind.shape.as_ref())
            .map(|shape| &shape.dim[..]);
        let (batch, row) = dimensions
            .and_then(|dimensions| dimensions.split_first())
            .ok_or_else(|| {
                unsupported_model("the shape of its input, batch first, is not in the file")
            })?;
        let fixed = |value: Option<i64>| value.and_then(|value| usize::try_from(value).ok());
        self.batch = fixed(batch.dim_value).filter(|&batch| batch > 0);
        let shape = row
            .iter()
            .map(|dimension| fixed(dimension.dim_value))
            .collect::<Option<Vec<_>>>()
            .filter(|shape| !shape.is_empty() && row_elements(shape).is_some())
            .ok_or_else(|| {
                unsupported_model("only the first dimension of its input, the batch, may be open")
            })?;
        let is_image = matches!(shape.len(), 2 | 3)
            && Importer::starts_with_image(&graph.node, &self.input_name);
        self.input_view = match is_image {
            true => View::channels_first(shape),
            false => View::same(shape),
        };
        let view = self.input_view.clone();
        let value = match kind.and_then(|kind| kind.elem_type).unwrap_or(0) {
            data_type::FLOAT => Value::FloatInput(view),
            data_type::INT8 => Value::IntegerInput(view, Element::I8),
            data_type::UINT8 => Value::IntegerInput(view, Element::U8),
            other => {
                return Err(unsupported_model(format!(
                    "its input \"{}\" is {}, supported are float, int8 and uint8",
                    self.input_name,
                    data_type::name(other)
                )));
            }
        };
        self.define(self.input_name.clone(), value)
    }

    fn evaluate(&mut self, node: &Node) -> Result<Value, ImportError> {
        match node.operator.as_str() {
            "QuantizeLinear" => self.quantize_linear(node),
            "DequantizeLinear" => self.dequantize_linear(node),
            "Conv" => self.convolution(node),
            "AveragePool" => self.pool(node, PoolKind::Average),
            "MaxPool" => self.pool(node, PoolKind::Maximum),
            "GlobalAveragePool" => self.global_pool(node, PoolKind::Average),
            "GlobalMaxPool" => self.global_pool(node, PoolKind::Maximum),
            "ReduceMean" => self.reduce_mean(node),
            "Mul" => self.mul(node),
            "BatchNormalization" => self.normalization(node),
            "Softmax" => self.softmax(node),
            "Concat" => self.concat(node),
            "Pad" => self.pad(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "Add" => self.add(node),
            "Relu" => self.relu(node),
            "Clip" => self.clip(node),
            "Flatten" => self.flatten(node),
            "Reshape" => self.reshape(node),
            "Squeeze" => self.squeeze(node),
            "Unsqueeze" => self.unsqueeze(node),
            "Transpose" => self.transpose(node),
            "Identity" => self.value(node, 0).cloned(),
            "Constant" => node.constant(),
            _ => Err(node.unsupported("this version has no such layer")),
        }
    }

    /// What an input of a node stands for.
    fn value(&self, node: &Node, index: usize) -> Result<&Value, ImportError> {
        let name = node.input(index)?;
        match self.values.get(name) {
            Some(Value::Unreadable(reason)) => {
                Err(node.unsupported(format!("its constant \"{name}\" can't be used: {reason}")))
            }
            Some(value) => Ok(value),
            None => Err(node.damaged(format!("\"{name}\" is not computed before it"))),
        }
    }

    /// An input that must be a constant.
    fn constant(&self, node: &Node, index: usize) -> Result<&Rc<Constant>, ImportError> {
        match self.value(node, index)? {
            Value::Constant(constant) => Ok(constant),
            _ => Err(node.unsupported(format!("\"{}\" is not a constant", node.input(index)?))),
        }
    }

    /// The network's input in this quantization. Its port is made at the first call; the others
    /// must ask for the same.
    fn input(
        &mut self,
        node: &Node,
        element: Element,
        quantization: Quantization,
        external_float: bool,
    ) -> Result<TensorId, ImportError> {
        if let Some(port) = &self.input_port {
            if (port.element, port.quantization) != (element, quantization) {
                return Err(node.unsupported("the input is quantized in two different ways"));
            }
            return Ok(port.tensor);
        }
        let (shape, layout) = match (self.input_view.channels, &self.input_view.shape[..]) {
            (Some(_), &[channels, height, width]) => {
                (vec![height, width, channels], Layout::ChannelsFirst)
            }
            (Some(_), &[channels, width]) => (vec![1, width, channels], Layout::ChannelsFirst),
            (_, shape) => (shape.to_vec(), Layout::Same),
        };
        let tensor = self.tensor(&self.input_name.clone(), shape, element, quantization);
        self.input_port = Some(Port {
            name: self.input_name.clone(),
            tensor,
            element,
            quantization,
            external_float,
            layout,
        });
        Ok(tensor)
    }

    /// Adds a tensor; the zero point was checked against the element type.
    fn tensor(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        element: Element,
        quantization: Quantization,
    ) -> TensorId {
        let zero_point = i8::try_from(quantization.zero_point - element.offset())
            .expect("a zero point of the element type");
        let scale = quantization.scale;
        self.tensors.push(Tensor {
            name: name.into(),
            shape,
            zero_point,
            scale,
        });
        TensorId(self.tensors.len() - 1)
    }

    /// The tensor and the order of the output, in the shape that the file gives it.
    fn output_tensor(
        &mut self,
        name: &str,
        activation: &Activation,
        input: TensorId,
    ) -> Result<(TensorId, Layout), ImportError> {
        let (id, shape) = (activation.tensor, &activation.view.shape);
        if activation.view.order().is_some() {
            let &[channels, height, width] = &shape[..] else {
                return Err(unsupported_model(format!(
                    "its output \"{name}\" is an image whose channels come first, in the shape \
                     {shape:?}"
                )));
            };
            let id = self.shaped(id, &[height, width, channels])?;
            return Ok((id, Layout::ChannelsFirst));
        }
        let is_read = self.layers.iter().any(|layer| layer.inputs.contains(&id));
        let dense = |layer: &Layer| matches!(layer.operation, Operation::FullyConnected(_));
        let is_dense = self
            .layers
            .iter()
            .any(|layer| layer.output == id && dense(layer));
        if is_dense && !is_read {
            self.tensors[id.0].shape = shape.clone();
        }
        if id == input {
            return Ok((id, Layout::Same));
        }
        Ok((self.shaped(id, shape)?, Layout::Same))
    }

    fn finish(mut self, name: &str, outputs: &[ValueInfoProto]) -> Result<Network, ImportError> {
        let [output] = outputs else {
            let reason = format!("it has {} outputs, only one is supported", outputs.len());
            return Err(unsupported_model(reason));
        };
        let output = output.name.clone().unwrap_or_default();
        let (activation, external_float) = match self.values.remove(&output) {
            Some(Value::Quantized(activation)) => (activation, false),
            Some(Value::Dequantized(activation)) => (activation, true),
            Some(_) => {
                return Err(unsupported_model(format!(
                    "its output \"{output}\" is not quantized: the last layer must end in \
                     QuantizeLinear"
                )));
            }
            None => return Err(damaged(format!("nothing computes the output \"{output}\""))),
        };
        let Some(input) = self.input_port.take() else {
            return Err(unsupported_model("its input is never quantized"));
        };
        let (id, layout) = self.output_tensor(&output, &activation, input.tensor)?;
        let tensor = &self.tensors[id.0];
        let quantization = Quantization {
            scale: tensor.scale,
            zero_point: i32::from(tensor.zero_point) + activation.element.offset(),
        };
        let output = Port {
            name: output,
            tensor: id,
            element: activation.element,
            quantization,
            external_float,
            layout,
        };
        let (tensors, layers) = (self.tensors, self.layers);
        Ok(Network {
            name: name.into(),
            source: Source::Onnx,
            tensors,
            layers,
            input,
            output,
        })
    }
}
