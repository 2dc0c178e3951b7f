//! TFLite models: int8 networks as the TFLite converter writes them.
//!
//! ```text
//!  operators in order:   QUANTIZE -> FULLY_CONNECTED, RESHAPE, ... -> DEQUANTIZE
//!                        (input port)  (layers, or nothing to do)     (output port)
//! ```
//!
//! The walk keeps, for each tensor of the file, what it is in the network. Each operator is a
//! function from what its inputs are to what its output is, in a module of its own where it is
//! more than a few lines.

mod fully_connected;
mod operators;
mod schema;

use super::{Format, ImportError};
use crate::model::{
    Element, Layer, Layout, Network, Port, Quantization, Source, Tensor, TensorId, row_elements,
};
use schema::{Buffer, Model, OperatorCode, SubGraph, element};

/// What the messages say that is supported.
const SUPPORTED: &str = "FULLY_CONNECTED with int8 activations and weights and fused NONE, RELU, \
     RELU6 or RELU_N1_TO_1; RESHAPE that flattens; QUANTIZE and DEQUANTIZE at the ends";

/// Turns the bytes of a TFLite file into a network.
pub(super) fn import(name: &str, bytes: &[u8]) -> Result<Network, ImportError> {
    let model = flatbuffers::root::<Model>(bytes).map_err(|error| damaged(error.to_string()))?;
    match model.version() {
        Some(3) => Importer::new(model)?.run(name),
        version => Err(unsupported_model(format!(
            "its schema version is {}, only 3 is known",
            version.unwrap_or(0)
        ))),
    }
}

fn damaged(reason: impl Into<String>) -> ImportError {
    ImportError::Damaged {
        format: Format::Tflite,
        reason: reason.into(),
    }
}

fn unsupported_model(reason: impl Into<String>) -> ImportError {
    ImportError::UnsupportedModel {
        format: Format::Tflite,
        reason: reason.into(),
    }
}

/// What a tensor of the file is in the network.
#[derive(Clone, Copy)]
enum Value {
    /// Nothing yet.
    Unknown,
    /// The model's input, in a type that a QUANTIZE converts.
    UnquantizedInput,
    /// An activation.
    Activation(TensorId),
    /// An activation after the conversion that ends the model.
    Output(TensorId, External),
}

/// What a port looks like from outside.
#[derive(Clone, Copy)]
struct External {
    element: Element,
    float: bool,
}

const PLAIN: External = External {
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

/// One operation of the file, with its tensors looked up.
struct Operation<'a> {
    raw: schema::Operator<'a>,
    operator: String,
    inputs: Vec<Option<usize>>,
    output: usize,
    layer: String,
}

impl Operation<'_> {
    fn unsupported(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Unsupported {
            layer: self.layer.clone(),
            operator: self.operator.clone(),
            reason: reason.into(),
            supported: SUPPORTED,
        }
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> ImportError {
        damaged(format!(
            "layer \"{}\" ({}): {reason}",
            self.layer, self.operator
        ))
    }

    /// The tensor of an input that must be there.
    fn input(&self, index: usize) -> Result<usize, ImportError> {
        let tensor = self.inputs.get(index).copied().flatten();
        tensor.ok_or_else(|| self.damaged(format!("input {index} is missing")))
    }
}

struct Importer<'a> {
    codes: Vec<OperatorCode<'a>>,
    buffers: Vec<Buffer<'a>>,
    graph: SubGraph<'a>,
    source_tensors: Vec<schema::Tensor<'a>>,
    values: Vec<Value>,
    batch: usize,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
    input: usize,
    input_port: Option<Port>,
}

impl<'a> Importer<'a> {
    fn new(model: Model<'a>) -> Result<Self, ImportError> {
        let subgraphs = model
            .subgraphs()
            .ok_or_else(|| damaged("it has no graph"))?;
        if subgraphs.len() != 1 {
            let reason = format!("it has {} graphs, only one is supported", subgraphs.len());
            return Err(unsupported_model(reason));
        }
        let graph = subgraphs.get(0);
        let source_tensors: Vec<_> = graph.tensors().into_iter().flatten().collect();
        let mut importer = Importer {
            codes: model.operator_codes().into_iter().flatten().collect(),
            buffers: model.buffers().into_iter().flatten().collect(),
            graph,
            values: vec![Value::Unknown; source_tensors.len()],
            source_tensors,
            batch: 1,
            tensors: Vec::new(),
            layers: Vec::new(),
            input: 0,
            input_port: None,
        };
        importer.start()?;
        Ok(importer)
    }

    /// Finds the input and, if it is int8, makes its port.
    fn start(&mut self) -> Result<(), ImportError> {
        let inputs: Vec<i32> = self.graph.inputs().into_iter().flatten().collect();
        let [input] = inputs[..] else {
            let reason = format!("it has {} inputs, only one is supported", inputs.len());
            return Err(unsupported_model(reason));
        };
        self.input = self.index(input)?;
        let (batch, _) = self.shape(self.input)?;
        self.batch = batch;
        match self.element(self.input) {
            element::INT8 => {
                let id = self.activation(self.input)?;
                self.values[self.input] = Value::Activation(id);
                self.input_port = Some(self.port(self.input, id, PLAIN));
            }
            element::FLOAT32 | element::UINT8 => {
                self.values[self.input] = Value::UnquantizedInput;
            }
            other => {
                return Err(unsupported_model(format!(
                    "its input \"{}\" is {}, supported are int8, uint8 and float32",
                    self.name(self.input),
                    element::name(other)
                )));
            }
        }
        Ok(())
    }

    fn run(mut self, name: &str) -> Result<Network, ImportError> {
        for raw in self.graph.operators().into_iter().flatten() {
            let (code, operation) = self.operation(raw)?;
            match code {
                operators::FULLY_CONNECTED => self.fully_connected(&operation)?,
                operators::RESHAPE => self.reshape(&operation)?,
                operators::QUANTIZE => self.quantize(&operation)?,
                operators::DEQUANTIZE => self.dequantize(&operation)?,
                _ => return Err(operation.unsupported("this version has no such layer")),
            }
        }
        let outputs: Vec<i32> = self.graph.outputs().into_iter().flatten().collect();
        let [output] = outputs[..] else {
            let reason = format!("it has {} outputs, only one is supported", outputs.len());
            return Err(unsupported_model(reason));
        };
        let output = self.index(output)?;
        let (id, external) = match self.values[output] {
            Value::Activation(id) => (id, PLAIN),
            Value::Output(id, external) => (id, external),
            Value::Unknown | Value::UnquantizedInput => {
                return Err(damaged(format!(
                    "nothing computes the output \"{}\"",
                    self.name(output)
                )));
            }
        };
        let output_port = self.port(output, id, external);
        let Some(input_port) = self.input_port else {
            return Err(unsupported_model("its input is never quantized"));
        };
        Ok(Network {
            name: name.into(),
            source: Source::Tflite,
            tensors: self.tensors,
            layers: self.layers,
            input: input_port,
            output: output_port,
        })
    }

    /// Looks an operation's tensors up.
    fn operation(&self, raw: schema::Operator<'a>) -> Result<(i32, Operation<'a>), ImportError> {
        let code = self
            .codes
            .get(raw.code().unwrap_or(0) as usize)
            .ok_or_else(|| damaged("an operation has an operator that is not listed"))?;
        let builtin = code
            .builtin_code()
            .unwrap_or(0)
            .max(code.deprecated_builtin_code().unwrap_or(0).into());
        let operator = operators::name(builtin, code.custom_code());
        let inputs = raw
            .inputs()
            .into_iter()
            .flatten()
            .map(|index| {
                if index == -1 {
                    Ok(None)
                } else {
                    self.index(index).map(Some)
                }
            })
            .collect::<Result<_, _>>()?;
        let outputs = raw
            .outputs()
            .into_iter()
            .flatten()
            .map(|index| self.index(index))
            .collect::<Result<Vec<_>, _>>()?;
        let Some(&output) = outputs.first() else {
            return Err(damaged(format!("an operation ({operator}) has no output")));
        };
        let layer = self.name(output);
        let operation = Operation {
            raw,
            operator,
            inputs,
            output,
            layer,
        };
        if outputs.len() > 1 {
            return Err(operation.unsupported("it has more than one output"));
        }
        Ok((builtin, operation))
    }

    fn index(&self, index: i32) -> Result<usize, ImportError> {
        usize::try_from(index)
            .ok()
            .filter(|&index| index < self.source_tensors.len())
            .ok_or_else(|| damaged(format!("there is no tensor {index}")))
    }

    fn name(&self, tensor: usize) -> String {
        match self.source_tensors[tensor].name() {
            Some(name) if !name.is_empty() => name.into(),
            _ => format!("tensor {tensor}"),
        }
    }

    fn element(&self, tensor: usize) -> i8 {
        self.source_tensors[tensor]
            .element()
            .unwrap_or(element::FLOAT32)
    }

    /// Dimensions of a tensor, all positive.
    fn dimensions(&self, tensor: usize) -> Result<Vec<usize>, ImportError> {
        let shape = self.source_tensors[tensor].shape().into_iter().flatten();
        shape
            .map(|dimension| {
                usize::try_from(dimension)
                    .ok()
                    .filter(|&dimension| dimension > 0)
            })
            .collect::<Option<Vec<_>>>()
            .filter(|shape| row_elements(shape).is_some())
            .ok_or_else(|| damaged(format!("\"{}\" has an impossible shape", self.name(tensor))))
    }

    /// Batch and shape of one row of an activation.
    fn shape(&self, tensor: usize) -> Result<(usize, Vec<usize>), ImportError> {
        match *self.dimensions(tensor)? {
            [batch, ref row @ ..] if !row.is_empty() => Ok((batch, row.to_vec())),
            _ => Err(unsupported_model(format!(
                "\"{}\" has no batch dimension: its shape is {:?}",
                self.name(tensor),
                self.dimensions(tensor)?
            ))),
        }
    }

    /// Scale and zero point of a tensor that is quantized as a whole.
    fn quantization(&self, tensor: usize) -> Result<(f32, i64), ImportError> {
        let quantization = self.source_tensors[tensor].quantization();
        let scales: Vec<f32> = quantization
            .and_then(|q| q.scale())
            .into_iter()
            .flatten()
            .collect();
        let zero_points: Vec<i64> = quantization
            .and_then(|q| q.zero_point())
            .into_iter()
            .flatten()
            .collect();
        match (&scales[..], &zero_points[..]) {
            (&[scale], &[zero_point]) if scale.is_finite() && scale > 0.0 => {
                Ok((scale, zero_point))
            }
            (&[scale], &[]) if scale.is_finite() && scale > 0.0 => Ok((scale, 0)),
            _ => Err(unsupported_model(format!(
                "\"{}\" needs one positive scale and one zero point, it has scales {scales:?} and \
                 zero points {zero_points:?}; quantize the whole model to int8",
                self.name(tensor)
            ))),
        }
    }

    /// Adds an int8 tensor of the file to the network.
    fn activation(&mut self, tensor: usize) -> Result<TensorId, ImportError> {
        let (batch, shape) = self.shape(tensor)?;
        if batch != self.batch {
            return Err(unsupported_model(format!(
                "\"{}\" has {batch} rows where the input has {}",
                self.name(tensor),
                self.batch
            )));
        }
        let (scale, zero_point) = self.quantization(tensor)?;
        let zero_point = i8::try_from(zero_point).map_err(|_| {
            damaged(format!(
                "\"{}\" has the zero point {zero_point}",
                self.name(tensor)
            ))
        })?;
        let name = self.name(tensor);
        self.tensors.push(Tensor {
            name,
            shape,
            zero_point,
            scale: scale.into(),
        });
        Ok(TensorId(self.tensors.len() - 1))
    }

    fn port(&self, source: usize, id: TensorId, external: External) -> Port {
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

    /// The activation that an operation reads.
    fn read(&self, operation: &Operation, input: usize) -> Result<TensorId, ImportError> {
        let tensor = operation.input(input)?;
        match self.values[tensor] {
            Value::Activation(id) => Ok(id),
            Value::UnquantizedInput | Value::Output(..) => {
                let element = element::name(self.element(tensor));
                Err(operation.unsupported(format!(
                    "its input \"{}\" is {element}; quantize the whole model to int8",
                    self.name(tensor)
                )))
            }
            Value::Unknown => Err(operation.damaged(format!(
                "its input \"{}\" is not computed before it",
                self.name(tensor)
            ))),
        }
    }

    /// Notes what an operation's output is. Each tensor is computed once.
    fn write(&mut self, operation: &Operation, value: Value) -> Result<(), ImportError> {
        if !matches!(self.values[operation.output], Value::Unknown) {
            return Err(operation.damaged("its output is computed a second time"));
        }
        self.values[operation.output] = value;
        Ok(())
    }

    /// RESHAPE: rows are contiguous, so that flattening them moves nothing.
    fn reshape(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let id = self.read(operation, 0)?;
        let input = operation.input(0)?;
        let (batch, shape) = self.shape(operation.output)?;
        let elements = self.tensors[id.0].elements();
        if batch != self.batch || shape != [elements] {
            return Err(operation.unsupported(format!(
                "it makes {shape:?} of rows of {elements}, only flattening is supported"
            )));
        }
        if self.quantization(input)? != self.quantization(operation.output)? {
            return Err(operation.unsupported("its output is quantized differently"));
        }
        self.write(operation, Value::Activation(id))
    }

    /// QUANTIZE: from the model's float or uint8 input, or to its uint8 output.
    fn quantize(&mut self, operation: &Operation) -> Result<(), ImportError> {
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
    fn dequantize(&mut self, operation: &Operation) -> Result<(), ImportError> {
        let id = self.read(operation, 0)?;
        if self.element(operation.output) != element::FLOAT32 {
            let to = element::name(self.element(operation.output));
            return Err(operation.unsupported(format!("it converts to {to}")));
        }
        self.write(operation, Value::Output(id, FLOAT))
    }
}
