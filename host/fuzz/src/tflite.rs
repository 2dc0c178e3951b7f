//! TFLite models: flatbuffers as they are, or made of choices.
//!
//! ```text
//!  input --> one of 20 operators, with weights and an output that mostly fit --> ... --> output
//! ```

pub(crate) mod file;
mod operators;

use crate::check;
use crate::choices::Choices;
use file::{Field, File, Operator, Tensor};

/// Operators of a made-up model at most.
const OPERATORS: usize = 12;

/// Values of a made-up constant at most; more make nothing new, and slow the fuzzer down.
const CONSTANT_VALUES: usize = 1 << 12;

/// Element types of the schema.
const FLOAT32: i8 = 0;
const INT32: i8 = 2;
const UINT8: i8 = 3;
const INT64: i8 = 4;
const INT8: i8 = 9;

/// Reads a TFLite file that is `data` or made of it; whether it is a network.
///
/// # Panics
/// If the importer, or what uses its networks, does what it must not do.
pub fn tflite(data: &[u8]) -> bool {
    if data.get(4..8) == Some(b"TFL3") {
        return check(data);
    }
    let mut choices = Choices::new(data);
    let file = Maker::new(&mut choices).run().write();
    check(&choices.damage(file))
}

/// A model that is being made.
struct Maker<'c, 'd> {
    choices: &'c mut Choices<'d>,
    tensors: Vec<Tensor>,
    operators: Vec<Operator>,
    /// Tensors that are computed.
    activations: Vec<i32>,
}

impl<'c, 'd> Maker<'c, 'd> {
    fn new(choices: &'c mut Choices<'d>) -> Self {
        Maker {
            choices,
            tensors: Vec::new(),
            operators: Vec::new(),
            activations: Vec::new(),
        }
    }

    fn run(mut self) -> File {
        let rank = self.choices.pick(&[4, 2, 3, 4, 4, 4, 1, 5]);
        let mut shape = vec![1];
        for _ in 1..rank {
            let size = 1 + self.choices.below(12) as i64;
            shape.push(self.choices.mostly(size) as i32);
        }
        if self.choices.rarely() {
            shape[0] = self.choices.number() as i32;
        }
        let element = self.choices.pick(&[INT8, INT8, INT8, FLOAT32, UINT8]);
        let input = self.activation(shape, None);
        if element != INT8 {
            self.tensors[input as usize].element = element;
            let quantized = self.activation(self.shape(input), Some(input));
            if element == UINT8 {
                let shifted = self.tensors[quantized as usize].zero_points.iter();
                self.tensors[input as usize].zero_points =
                    shifted.map(|zero| zero.wrapping_add(128)).collect();
            }
            self.operator(operators::QUANTIZE, &[input], quantized, None);
        }
        for _ in 0..OPERATORS {
            self.any_operator();
            if self.choices.is_over() {
                break;
            }
        }
        let output = self.value();
        let mut outputs = vec![output];
        match self.choices.below(8) {
            6 => outputs[0] = self.end(output, FLOAT32),
            7 => outputs[0] = self.end(output, UINT8),
            _ => {}
        }
        if self.choices.rarely() {
            outputs = vec![self.choices.number() as i32; self.choices.below(3)];
        }
        let mut inputs = vec![input];
        if self.choices.rarely() {
            inputs = vec![self.choices.number() as i32; self.choices.below(3)];
        }
        File {
            version: self.choices.mostly(3) as u32,
            tensors: self.tensors,
            operators: self.operators,
            inputs,
            outputs,
        }
    }

    /// Adds an activation, quantized as another one or in its own way.
    fn activation(&mut self, mut shape: Vec<i32>, like: Option<i32>) -> i32 {
        if self.choices.rarely() {
            let at = self.choices.below(shape.len() + 1);
            let number = self.choices.number() as i32;
            match shape.get_mut(at) {
                Some(place) => *place = number,
                None => shape.push(number),
            }
        }
        let (scales, zero_points) = match like.map(|like| &self.tensors[like as usize]) {
            Some(like) => (like.scales.clone(), like.zero_points.clone()),
            None => {
                let zero_point = i64::from(self.choices.byte() as i8);
                (
                    vec![self.choices.scale()],
                    vec![self.choices.mostly(zero_point)],
                )
            }
        };
        let element = match self.choices.rarely() {
            true => self.choices.pick(&[UINT8, FLOAT32, INT32, 7, -1]),
            false => INT8,
        };
        let id = self.tensor(Tensor {
            shape,
            element,
            scales,
            zero_points,
            axis: 0,
            data: None,
            name: format!("value {}", self.tensors.len()),
        });
        self.activations.push(id);
        id
    }

    fn tensor(&mut self, tensor: Tensor) -> i32 {
        self.tensors.push(tensor);
        self.tensors.len() as i32 - 1
    }

    /// Adds int8 weights, with a scale or one for each index of `axis`.
    fn weights(&mut self, shape: &[i64], axis: usize) -> i32 {
        let product = |product: usize, &size: &i64| product.saturating_mul(size as usize);
        let count = shape.iter().fold(1, product).min(CONSTANT_VALUES);
        let count = self.choices.mostly(count as i64).clamp(0, 1 << 12) as usize;
        let channels = (shape[axis] as usize).min(CONSTANT_VALUES);
        let scales = match self.choices.coin() {
            true => vec![self.choices.scale()],
            false => {
                let pair = [self.choices.scale(), self.choices.scale()];
                pair.into_iter().cycle().take(channels).collect()
            }
        };
        let mut zero_points = vec![0; scales.len()];
        let mut shape: Vec<i32> = shape.iter().map(|&size| size as i32).collect();
        if self.choices.rarely() {
            let at = self.choices.below(shape.len());
            shape[at] = self.choices.number() as i32;
            zero_points.push(self.choices.number());
        }
        let data = Some(self.choices.bytes(count));
        let element = if self.choices.rarely() { UINT8 } else { INT8 };
        let axis = self.choices.mostly(axis as i64) as i32;
        self.tensor(Tensor {
            shape,
            element,
            scales,
            zero_points,
            axis,
            data,
            name: "weights".into(),
        })
    }

    /// Adds an int32 bias for weights, with their scales times the input's, or leaves it out.
    fn bias(&mut self, channels: i64, input: i32, weights: i32) -> i32 {
        if self.choices.below(4) == 0 {
            return -1;
        }
        let input_scale = self.tensors[input as usize].scales.first().copied();
        let scales = self.tensors[weights as usize].scales.iter();
        let scales: Vec<f32> = scales
            .map(|scale| scale * input_scale.unwrap_or(1.0))
            .collect();
        let count = self.choices.mostly(channels).clamp(0, 1 << 12) as usize;
        let data = Some(self.choices.bytes(count.min(CONSTANT_VALUES) * 4));
        let element = self.choices.mostly(INT32.into()) as i8;
        self.tensor(Tensor {
            shape: vec![count as i32],
            element,
            zero_points: vec![0; scales.len()],
            scales,
            axis: 0,
            data,
            name: String::new(),
        })
    }

    /// Adds constant integers.
    fn integers(&mut self, shape: Vec<i32>, values: &[i64]) -> i32 {
        let values: Vec<i64> = values
            .iter()
            .map(|&value| self.choices.mostly(value))
            .collect();
        let wide = self.choices.rarely();
        let data = match wide {
            true => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            false => (values.iter())
                .flat_map(|&value| (value as i32).to_le_bytes())
                .collect(),
        };
        self.tensor(Tensor {
            shape,
            element: if wide { INT64 } else { INT32 },
            scales: Vec::new(),
            zero_points: Vec::new(),
            axis: 0,
            data: Some(data),
            name: "integers".into(),
        })
    }

    fn operator(
        &mut self,
        code: i32,
        inputs: &[i32],
        output: i32,
        options: Option<(u8, Vec<(u16, Field)>)>,
    ) {
        let mut inputs = inputs.to_vec();
        if self.choices.rarely() {
            let at = self.choices.below(inputs.len() + 1);
            let number = self.choices.number() as i32;
            match inputs.get_mut(at) {
                Some(place) => *place = number,
                None => inputs.push(number),
            }
        }
        let outputs = match self.choices.rarely() {
            true => vec![self.choices.number() as i32; self.choices.below(3)],
            false => vec![output],
        };
        self.operators.push(Operator {
            code: self.choices.mostly(code.into()) as i32,
            inputs,
            outputs,
            options: options.filter(|_| !self.choices.rarely()),
        });
    }

    /// Converts the output to another type.
    fn end(&mut self, value: i32, element: i8) -> i32 {
        let output = self.activation(self.shape(value), Some(value));
        let tensor = &mut self.tensors[output as usize];
        tensor.element = element;
        let code = match element {
            UINT8 => {
                for zero in &mut tensor.zero_points {
                    *zero = zero.wrapping_add(128);
                }
                operators::QUANTIZE
            }
            _ => operators::DEQUANTIZE,
        };
        self.operator(code, &[value], output, None);
        output
    }

    /// A tensor that is computed, mostly the last.
    fn value(&mut self) -> i32 {
        let from_end = match self.choices.below(4) {
            3 => self.choices.below(self.activations.len()),
            _ => 0,
        };
        self.activations[self.activations.len() - 1 - from_end]
    }

    fn shape(&self, id: i32) -> Vec<i32> {
        self.tensors[id as usize].shape.clone()
    }
}
