//! Quantized networks in memory: what every importer produces and every backend takes.
//!
//! ```text
//!  input port --> tensor 0 --layer 0--> tensor 1 --layer 1--> tensor 2 --> output port
//! ```
//!
//! A network is a graph in execution order. Tensors hold one row (one element of the batch) of
//! int8 values; real value = scale * (quantized - zero_point). The arithmetic is exact: a layer's
//! output is defined to the bit by its weights, bias, [`Scale`]s and [`Rounding`].

mod operation;
mod port;
mod scale;
mod softmax;
mod tail;
mod validate;

pub use operation::{
    Add, Concatenate, Convolution, Depthwise, Factor, FullyConnected, Multiply, Operation, Pad,
    Pool, PoolKind, Requantization, Softmax, Window,
};
pub use port::{Ties, from_unsigned, to_unsigned};
pub use tail::Tail;
pub use validate::{ModelError, NETWORK_ELEMENTS_MAX, ROW_ELEMENTS_MAX, WINDOW_MAX};
pub(crate) use validate::{RANK_MAX, row_elements};

use systole_regs::instructions::rounding;

/// Type of the elements that a port takes or gives outside. Inside, everything is int8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Signed bytes, as they are inside.
    I8,
    /// Unsigned bytes: the inside value is 128 less.
    U8,
}

/// How integers stand for real numbers: real = scale * (integer - zero_point).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real value of one step; finite and positive.
    pub scale: f64,
    /// Integer that stands for zero, in the external element type.
    pub zero_point: i32,
}

/// Index of a tensor in [`Network::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub usize);

/// Activations between layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name in the model file.
    pub name: String,
    /// Shape of one row, without the batch dimension: `[height, width, channels]` of an image.
    pub shape: Vec<usize>,
    /// Int8 value that stands for zero.
    pub zero_point: i8,
    /// Real value of one step.
    pub scale: f64,
}

impl Tensor {
    /// Number of int8 values of one row.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Where the network meets the outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Name in the model file.
    pub name: String,
    /// Tensor that is filled or read.
    pub tensor: TensorId,
    /// Integer type of the outside.
    pub element: Element,
    /// Quantization of the outside's integers.
    pub quantization: Quantization,
    /// Whether the model file takes or gives float values here (converted with `quantization`).
    pub external_float: bool,
    /// Order of the outside's values in a row.
    pub layout: Layout,
}

/// Order of the values of a row outside, as against `[height, width, channels]` inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// As inside.
    #[default]
    Same,
    /// `[channels, height, width]`: the tensor has three dimensions, and rows are transposed on
    /// their way in or out.
    ChannelsFirst,
}

/// Kind of file that a network came from; it names the reference arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// TensorFlow Lite: the reference kernels, to the bit.
    Tflite,
    /// ONNX with QuantizeLinear and DequantizeLinear: ONNX Runtime, within one step.
    Onnx,
}

/// A quantized network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Name for people: the graph's, or the file's stem.
    pub name: String,
    /// Kind of file that it came from.
    pub source: Source,
    /// Activations.
    pub tensors: Vec<Tensor>,
    /// Layers in execution order.
    pub layers: Vec<Layer>,
    /// Input.
    pub input: Port,
    /// Output.
    pub output: Port,
}

/// One operation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name in the model file.
    pub name: String,
    /// Tensors that are read.
    pub inputs: Vec<TensorId>,
    /// Tensor that is written.
    pub output: TensorId,
    /// What is computed.
    pub operation: Operation,
}

/// A positive real number in fixed point: multiplier * 2^(shift - 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Fraction with 31 fractional bits, not negative. All 31 are in use in a
    /// [`Scale::from_real`] that isn't zero.
    pub multiplier: i32,
    /// Power of two, -31 to 30.
    pub shift: i8,
}

/// How a scaled accumulator is rounded to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// Once, ties upwards: `(x * m + 2^(30 - s)) >> (31 - s)`.
    Single,
    /// Twice, as gemmlowp does: after the high multiply and after the right shift.
    Double,
}

impl Rounding {
    /// The code in an instruction's `rounding` field.
    pub const fn code(self) -> u8 {
        match self {
            Rounding::Single => rounding::SINGLE,
            Rounding::Double => rounding::DOUBLE,
        }
    }
}

impl Network {
    /// Multiply-accumulates of one row in convolutions and dense layers: output values times
    /// products of each, those with an image's padding included.
    pub fn macs(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| {
                let outputs = self.tensor(layer.output).elements() as u64;
                outputs.saturating_mul(layer.operation.products())
            })
            .fold(0, u64::saturating_add)
    }

    /// The tensor with this id.
    ///
    /// # Panics
    /// If the id is not one of this network's.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// Int8 values of one input row.
    pub fn input_elements(&self) -> usize {
        self.tensor(self.input.tensor).elements()
    }

    /// Int8 values of one output row.
    pub fn output_elements(&self) -> usize {
        self.tensor(self.output.tensor).elements()
    }
}
