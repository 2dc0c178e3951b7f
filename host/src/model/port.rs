//! Conversion between the outside's values and int8 rows.
//!
//! ```text
//!  float  --/ scale, round, + zero point, saturate--> int8
//!  uint8  --------------- - 128 ---------------------> int8
//!
//!  [c, h, w] outside --/ transpose, where the port says so --> [h, w, c] inside
//! ```

use super::{Element, Layout, Network, Port, Source, Tensor};

/// Where a float that lies half-way between two integers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ties {
    /// To the even integer: ONNX's QuantizeLinear.
    Even,
    /// Away from zero: TFLite's QUANTIZE.
    Away,
}

impl Source {
    /// How this kind of model rounds floats when it quantizes them.
    pub const fn ties(self) -> Ties {
        match self {
            Source::Tflite => Ties::Away,
            Source::Onnx => Ties::Even,
        }
    }
}

impl Element {
    /// Difference between the external integer and the int8 inside.
    pub const fn offset(self) -> i32 {
        match self {
            Element::I8 => 0,
            Element::U8 => 128,
        }
    }
}

impl Port {
    /// The int8 value inside that stands for zero.
    pub fn inner_zero_point(&self) -> i32 {
        self.quantization.zero_point - self.element.offset()
    }

    /// Quantizes floats to the int8 values inside; what lies outside the range saturates, and
    /// NaN becomes zero. Computed in 32-bit floats, as the reference does.
    pub fn quantize(&self, values: &[f32], ties: Ties) -> Vec<i8> {
        let scale = self.quantization.scale as f32;
        let zero_point = self.inner_zero_point() as f32;
        let quantize = |value: &f32| {
            let steps = value / scale;
            let steps = match ties {
                Ties::Even => steps.round_ties_even(),
                Ties::Away => steps.round(),
            };
            let steps = if steps.is_nan() { 0.0 } else { steps };
            (steps + zero_point).clamp(-128.0, 127.0) as i8
        };
        values.iter().map(quantize).collect()
    }

    /// The real numbers that int8 values inside stand for.
    pub fn dequantize(&self, values: &[i8]) -> Vec<f32> {
        let scale = self.quantization.scale as f32;
        let zero_point = self.inner_zero_point();
        values
            .iter()
            .map(|&value| (i32::from(value) - zero_point) as f32 * scale)
            .collect()
    }
}

impl Port {
    /// Shape of a row outside, `tensor` being the port's.
    pub fn outer_shape(&self, tensor: &Tensor) -> Vec<usize> {
        match (self.layout, &tensor.shape[..]) {
            (Layout::ChannelsFirst, &[height, width, channels]) => vec![channels, height, width],
            (_, shape) => shape.to_vec(),
        }
    }

    /// Brings rows from the outside's order into the inside's; `tensor` is the port's.
    pub fn arrange_inwards<T: Copy>(&self, tensor: &Tensor, values: Vec<T>) -> Vec<T> {
        match (self.layout, &tensor.shape[..]) {
            (Layout::ChannelsFirst, &[height, width, channels]) => {
                transposed(&values, channels, height * width)
            }
            _ => values,
        }
    }

    /// Brings rows from the inside's order into the outside's; `tensor` is the port's.
    pub fn arrange_outwards<T: Copy>(&self, tensor: &Tensor, values: Vec<T>) -> Vec<T> {
        match (self.layout, &tensor.shape[..]) {
            (Layout::ChannelsFirst, &[height, width, channels]) => {
                transposed(&values, height * width, channels)
            }
            _ => values,
        }
    }
}

/// Swaps rows and columns of each matrix of `rows` x `columns` values.
fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    if rows == 1 || columns == 1 {
        return values.to_vec();
    }
    values
        .chunks_exact(rows * columns)
        .flat_map(|matrix| {
            (0..columns)
                .flat_map(move |column| (0..rows).map(move |row| matrix[row * columns + column]))
        })
        .collect()
}

impl Network {
    /// Brings the values of whole input rows from the outside's order ([`Port::layout`]) into the
    /// inside's. It may be done before or after quantization.
    pub fn arrange_input<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        let tensor = self.tensor(self.input.tensor);
        self.input.arrange_inwards(tensor, values)
    }

    /// Brings the values of whole output rows from the inside's order into the outside's
    /// ([`Port::layout`]).
    pub fn arrange_output<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        let tensor = self.tensor(self.output.tensor);
        self.output.arrange_outwards(tensor, values)
    }

    /// Quantizes float input values (any number of rows) as the model file's reference does.
    /// Their order stays as it is.
    pub fn quantize_input(&self, values: &[f32]) -> Vec<i8> {
        self.input.quantize(values, self.source.ties())
    }

    /// The real numbers that int8 outputs stand for.
    pub fn dequantize_output(&self, values: &[i8]) -> Vec<f32> {
        self.output.dequantize(values)
    }
}

/// Unsigned bytes from outside as the int8 values inside.
pub fn from_unsigned(values: &[u8]) -> Vec<i8> {
    values.iter().map(|&value| (value ^ 0x80) as i8).collect()
}

/// Int8 values inside as the unsigned bytes outside.
pub fn to_unsigned(values: &[i8]) -> Vec<u8> {
    values.iter().map(|&value| value as u8 ^ 0x80).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Quantization, TensorId};

    use super::*;

    fn port(element: Element, scale: f64, zero_point: i32) -> Port {
        Port {
            name: "x".into(),
            tensor: TensorId(0),
            element,
            quantization: Quantization { scale, zero_point },
            external_float: true,
            layout: Layout::Same,
        }
    }

    #[test]
    fn ties_go_where_the_reference_sends_them() {
        let port = port(Element::I8, 0.5, 3);
        let values = [0.25, 0.75, -0.25, -0.75, 0.0];
        assert_eq!(port.quantize(&values, Ties::Even), [3, 5, 3, 1, 3]);
        assert_eq!(port.quantize(&values, Ties::Away), [4, 5, 2, 1, 3]);
    }

    #[test]
    fn values_outside_the_range_saturate() {
        let port = port(Element::U8, 0.1, 0);
        let values = [
            -1.0,
            0.0,
            25.5,
            1e9,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        assert_eq!(
            port.quantize(&values, Ties::Even),
            [-128, -128, 127, 127, 127, -128, -128]
        );
    }

    #[test]
    fn channels_first_rows_are_transposed_and_back() {
        let tensor = Tensor {
            name: "x".into(),
            shape: vec![1, 2, 3],
            zero_point: 0,
            scale: 1.0,
        };
        let mut port = port(Element::I8, 1.0, 0);
        let outside = vec![0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51];
        assert_eq!(port.arrange_inwards(&tensor, outside.clone()), outside);
        port.layout = Layout::ChannelsFirst;
        assert_eq!(port.outer_shape(&tensor), [3, 1, 2]);
        let inside = port.arrange_inwards(&tensor, outside.clone());
        assert_eq!(inside, [0, 10, 20, 1, 11, 21, 30, 40, 50, 31, 41, 51]);
        assert_eq!(port.arrange_outwards(&tensor, inside), outside);
    }

    #[test]
    fn quantizing_undoes_dequantizing() {
        let all: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        for port in [
            port(Element::I8, 0.391_015_23, 89),
            port(Element::U8, 0.0124, 117),
        ] {
            assert_eq!(port.quantize(&port.dequantize(&all), Ties::Even), all);
        }
        assert_eq!(from_unsigned(&to_unsigned(&all)), all);
        assert_eq!(from_unsigned(&[0, 128, 255]), [-128, 0, 127]);
    }
}
