//! TFLite models: int8 networks as the TFLite converter writes them.
//!
//! ```text
//!  operators in order:   QUANTIZE -> CONV_2D, ADD, RESHAPE, ...   -> DEQUANTIZE
//!                        (input port)  (layers, or nothing to do)     (output port)
//! ```
//!
//! The walk keeps, for each tensor of the file, what it is in the network. Each operator is a
//! function from what its inputs are to what its output is, in a module of its own where it is
//! more than a few lines.

mod convolution;
mod elementwise;
mod ends;
mod fully_connected;
mod operators;
mod parameters;
mod pool;
mod schema;
mod shape;

use super::budget::Budget;
use super::{Format, ImportError};
use crate::model::{
    Layer, Network, Operation as Computation, PoolKind, Port, Source, Tensor, TensorId,
    row_elements,
};
use ends::{External, PLAIN};
use flatbuffers::VerifierOptions;
use schema::{Buffer, Model, OperatorCode, SubGraph, activation, element};

/// What the messages say that is supported.
const SUPPORTED: &str = "CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, MUL, AVERAGE_POOL_2D, \
     MAX_POOL_2D, MEAN over height and width, SOFTMAX, CONCATENATION, PAD, RESHAPE, SQUEEZE, \
     EXPAND_DIMS, RELU, RELU6 and RELU_N1_TO_1 (also fused), all in int8; QUANTIZE and DEQUANTIZE \
     at the ends";

/// Turns the bytes of a TFLite file into a network.
pub(super) fn import(name: &str, bytes: &[u8]) -> Result<Network, ImportError> {
    // Tables and vectors may be shared. As often as they are used, the file is that much larger.
    let options = VerifierOptions {
        max_apparent_size: bytes.len().saturating_mul(8).saturating_add(1 << 20),
        ..VerifierOptions::default()
    };
    let model = flatbuffers::root_with_opts::<Model>(&options, bytes)
        .map_err(|error| damaged(error.to_string()))?;
    match model.version() {
        Some(3) => Importer::new(model, Budget::new(bytes.len()))?.run(name),
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
    budget: Budget,
    tensors: Vec<Tensor>,
    layers: Vec<Layer>,
    input: usize,
    input_port: Option<Port>,
}

impl<'a> Importer<'a> {
    fn new(model: Model<'a>, budget: Budget) -> Result<Self, ImportError> {
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
            budget,
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
                operators::CONV_2D => self.convolution(&operation)?,
                operators::DEPTHWISE_CONV_2D => self.depthwise(&operation)?,
                operators::ADD => self.add(&operation)?,
                operators::MUL => self.multiply(&operation)?,
                operators::AVERAGE_POOL_2D => self.pool(&operation, PoolKind::Average)?,
                operators::MAX_POOL_2D => self.pool(&operation, PoolKind::Maximum)?,
                operators::MEAN => self.mean(&operation)?,
                operators::SOFTMAX => self.softmax(&operation)?,
                operators::CONCATENATION => self.concatenate(&operation)?,
                operators::PAD => self.pad(&operation)?,
                operators::RESHAPE | operators::SQUEEZE | operators::EXPAND_DIMS => {
                    self.reshape(&operation)?;
                }
                operators::RELU => self.bound(&operation, activation::RELU)?,
                operators::RELU6 => self.bound(&operation, activation::RELU6)?,
                operators::RELU_N1_TO_1 => self.bound(&operation, activation::RELU_N1_TO_1)?,
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

    /// The activation that an operation reads, as rows of the shape that the file gives it.
    fn read_shaped(
        &mut self,
        operation: &Operation,
        input: usize,
    ) -> Result<TensorId, ImportError> {
        let id = self.read(operation, input)?;
        let source = operation.input(input)?;
        let (_, shape) = self.shape(source)?;
        self.shaped(operation, id, shape)
    }

    /// An activation with another shape of as many values.
    fn shaped(
        &mut self,
        operation: &Operation,
        id: TensorId,
        shape: Vec<usize>,
    ) -> Result<TensorId, ImportError> {
        let tensor = &self.tensors[id.0];
        if tensor.shape == shape {
            return Ok(id);
        }
        if row_elements(&shape) != Some(tensor.elements()) {
            return Err(operation.damaged(format!(
                "\"{}\" is of shape {:?} and not {shape:?}",
                tensor.name, tensor.shape
            )));
        }
        let tensor = Tensor {
            shape,
            ..tensor.clone()
        };
        self.spend(2 * tensor.name.len())?;
        self.tensors.push(tensor);
        let output = TensorId(self.tensors.len() - 1);
        self.layers.push(Layer {
            name: self.tensors[id.0].name.clone(),
            inputs: vec![id],
            output,
            operation: Computation::Reshape,
        });
        Ok(output)
    }

    /// Counts what is copied.
    fn spend(&mut self, bytes: usize) -> Result<(), ImportError> {
        self.budget.spend(bytes).map_err(unsupported_model)
    }

    /// Adds a layer whose output has the shape that the file gives it.
    fn layer(
        &mut self,
        operation: &Operation,
        inputs: Vec<TensorId>,
        computation: Computation,
    ) -> Result<(), ImportError> {
        let output = self.activation(operation.output)?;
        self.layers.push(Layer {
            name: operation.layer.clone(),
            inputs,
            output,
            operation: computation,
        });
        self.write(operation, Value::Activation(output))
    }

    /// The activation that an operation reads, in whatever shape.
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
            Value::Unknown if self.constant(operation, tensor).is_ok() => {
                Err(operation
                    .unsupported(format!("its input \"{}\" is a constant", self.name(tensor))))
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
}
