//! The graph of a made-up model: nodes and constants, and what is known of each value.

use super::wire::Message;
use crate::choices::Choices;

/// Element types.
pub(crate) const FLOAT: i64 = 1;
pub(crate) const UINT8: i64 = 2;
pub(crate) const INT8: i64 = 3;
pub(crate) const INT32: i64 = 6;
pub(crate) const INT64: i64 = 7;

/// Values of a made-up constant at most; more make nothing new, and slow the fuzzer down.
const CONSTANT_VALUES: usize = 1 << 12;

/// A value that is computed.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) name: String,
    /// With the batch.
    pub(crate) shape: Vec<i64>,
    pub(crate) scale: f32,
}

/// An attribute of a node.
pub(crate) enum Attribute<'a> {
    Int(&'a str, i64),
    Float(&'a str, f32),
    Ints(&'a str, &'a [i64]),
    Text(&'a str, &'a str),
}

/// A graph that is being made.
pub(crate) struct Graph<'c, 'd> {
    pub(crate) choices: &'c mut Choices<'d>,
    message: Message,
    /// Values as floats, behind DequantizeLinear.
    pub(crate) values: Vec<Value>,
    names: usize,
}

impl<'c, 'd> Graph<'c, 'd> {
    pub(crate) fn new(choices: &'c mut Choices<'d>) -> Self {
        Graph {
            choices,
            message: Message::default(),
            values: Vec::new(),
            names: 0,
        }
    }

    /// Writes the model with the input and output of these names.
    pub(crate) fn finish(self, input: &Value, element: i64, output: &str) -> Vec<u8> {
        let mut shape = Message::default();
        for (index, &size) in input.shape.iter().enumerate() {
            let dimension = match (index, size) {
                (0, 0) => Message::default().text(2, "N"),
                _ => Message::default().int(1, size),
            };
            shape = shape.message(1, dimension);
        }
        let kind = Message::default().int(1, element).message(2, shape);
        let kind = Message::default().message(1, kind);
        let input = Message::default().text(1, &input.name).message(2, kind);
        let output = Message::default().text(1, output);
        let graph = self.message.message(11, input).message(12, output);
        let opset = Message::default().int(2, 17);
        let model = Message::default().int(1, 8).message(7, graph);
        model.message(8, opset).into_bytes()
    }

    pub(crate) fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// A value that is computed, mostly the last.
    pub(crate) fn value(&mut self) -> Value {
        let from_end = match self.choices.below(4) {
            3 => self.choices.below(self.values.len()),
            _ => 0,
        };
        self.values[self.values.len() - 1 - from_end].clone()
    }

    /// Adds a constant of so many values, given as raw bytes.
    pub(crate) fn constant(&mut self, element: i64, shape: &[i64], raw: &[u8]) -> String {
        let name = self.name();
        let mut shape = shape.to_vec();
        if self.choices.rarely() {
            let at = self.choices.below(shape.len() + 1);
            let number = self.choices.number();
            match shape.get_mut(at) {
                Some(place) => *place = number,
                None => shape.push(number),
            }
        }
        let element = self.choices.mostly(element);
        let tensor = Message::default().ints(1, &shape).int(2, element);
        let tensor = tensor.text(8, &name).bytes(9, raw);
        self.message = std::mem::take(&mut self.message).message(5, tensor);
        name
    }

    pub(crate) fn floats(&mut self, shape: &[i64], values: &[f32]) -> String {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(FLOAT, shape, &raw)
    }

    pub(crate) fn integers(&mut self, values: &[i64]) -> String {
        let values: Vec<i64> = values
            .iter()
            .map(|&value| self.choices.mostly(value))
            .collect();
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(INT64, &[values.len() as i64], &raw)
    }

    /// Adds quantized weights behind DequantizeLinear, with a scale or one for each index of `axis`.
    /// Gives the name and the scales.
    pub(crate) fn weights(&mut self, shape: &[i64], axis: usize) -> (String, Vec<f32>) {
        let product = |product: usize, &size: &i64| product.saturating_mul(size as usize);
        let count = shape.iter().fold(1, product).min(CONSTANT_VALUES);
        let raw = self.choices.bytes(count);
        let unsigned = self.choices.rarely();
        let element = if unsigned { UINT8 } else { INT8 };
        let weights = self.constant(element, shape, &raw);
        let channels = (shape.get(axis).copied().unwrap_or(1) as usize).min(CONSTANT_VALUES);
        let scales = match self.choices.coin() {
            true => vec![self.choices.scale()],
            false => {
                let pair = [self.choices.scale(), self.choices.scale()];
                pair.into_iter().cycle().take(channels).collect()
            }
        };
        let zero_point = self.choices.mostly(if unsigned { 128 } else { 0 }) as u8;
        let zero_points = vec![zero_point; scales.len()];
        let dimensions: &[i64] = if scales.len() == 1 {
            &[]
        } else {
            &[scales.len() as i64]
        };
        let scale = self.floats(dimensions, &scales);
        let zero = self.constant(element, dimensions, &zero_points);
        let axis = self.choices.mostly(axis as i64);
        let attributes = [Attribute::Int("axis", axis)];
        let name = self.node("DequantizeLinear", &[&weights, &scale, &zero], &attributes);
        (name, scales)
    }

    /// Adds a bias: int32 behind DequantizeLinear with the accumulator's scales, or floats.
    pub(crate) fn bias(&mut self, channels: i64, input: f32, scales: &[f32]) -> String {
        let count = self.choices.mostly(channels).clamp(0, 1 << 10) as usize;
        let raw = self.choices.bytes(4 * count);
        let shape = [count as i64];
        if self.choices.coin() {
            let values: Vec<f32> = raw
                .iter()
                .step_by(4)
                .map(|&byte| f32::from(byte as i8) / 64.0)
                .collect();
            return self.floats(&shape, &values);
        }
        let bias = self.constant(INT32, &shape, &raw);
        let scales: Vec<f32> = scales.iter().map(|scale| scale * input).collect();
        let dimensions: &[i64] = if scales.len() == 1 {
            &[]
        } else {
            &[scales.len() as i64]
        };
        let scale = self.floats(dimensions, &scales);
        let axis = [Attribute::Int("axis", 0)];
        self.node("DequantizeLinear", &[&bias, &scale], &axis)
    }

    /// Adds a node; gives the name of its output.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[Attribute],
    ) -> String {
        let output = self.name();
        let mut node = Message::default();
        let wrong = self.choices.rarely().then(|| self.choices.below(4));
        for (index, input) in inputs.iter().enumerate() {
            if wrong == Some(index) {
                let name = format!("v{}", self.choices.below(self.names + 1));
                node = node.text(1, &name);
            } else {
                node = node.text(1, input);
            }
        }
        node = node.text(2, &output).text(4, operator);
        for attribute in attributes {
            if self.choices.rarely() {
                continue;
            }
            let attribute = match *attribute {
                Attribute::Int(name, value) => Message::default().text(1, name).int(3, value),
                Attribute::Float(name, value) => Message::default().text(1, name).float(2, value),
                Attribute::Ints(name, values) => {
                    let values: Vec<i64> = values
                        .iter()
                        .map(|&value| self.choices.mostly(value))
                        .collect();
                    Message::default().text(1, name).ints(8, &values)
                }
                Attribute::Text(name, value) => Message::default().text(1, name).text(4, value),
            };
            node = node.message(5, attribute);
        }
        self.message = std::mem::take(&mut self.message).message(1, node);
        output
    }

    /// Quantizes a float value, and dequantizes it again.
    pub(crate) fn quantize(&mut self, float: &str, shape: Vec<i64>, like: Option<f32>) -> Value {
        let scale = like.unwrap_or_else(|| self.choices.scale());
        let scale_name = self.floats(&[], &[scale]);
        let mut inputs = vec![float, &scale_name];
        let zero_point = match self.choices.below(4) {
            0 => None,
            1 => Some((INT8, self.choices.byte())),
            2 => Some((INT8, 0)),
            _ => Some((UINT8, self.choices.byte())),
        };
        let zero = zero_point.map(|(element, zero)| self.constant(element, &[], &[zero]));
        inputs.extend(zero.as_deref());
        let integer = self.node("QuantizeLinear", &inputs, &[]);
        inputs[0] = &integer;
        let name = self.node("DequantizeLinear", &inputs, &[]);
        let value = Value { name, shape, scale };
        self.values.push(value.clone());
        value
    }
}
