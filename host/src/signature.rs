//! What a network takes and gives, as callers see it: names, element types, shapes, and their values.
//!
//! ```text
//!  int8, as inside       ------------------------------> rows (the same memory)
//!  uint8, float, [c,h,w] --/ offset, quantize, transpose--> rows --network--> rows --> Values
//! ```

use std::fmt;

use bytes::Bytes;

use crate::model::{Element, Layout, Network, Port, from_unsigned, to_unsigned};

/// Element types that networks have outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Datatype {
    /// Signed bytes.
    Int8,
    /// Unsigned bytes.
    Uint8,
    /// 32-bit floats.
    #[serde(rename = "float32")]
    Fp32,
}

impl Datatype {
    /// The type that a port has in its model file.
    pub const fn of(port: &Port) -> Datatype {
        match (port.external_float, port.element) {
            (true, _) => Datatype::Fp32,
            (false, Element::I8) => Datatype::Int8,
            (false, Element::U8) => Datatype::Uint8,
        }
    }

    /// Its name in the Open Inference Protocol.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Datatype::Int8 => "INT8",
            Datatype::Uint8 => "UINT8",
            Datatype::Fp32 => "FP32",
        }
    }

    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Datatype::Int8 | Datatype::Uint8 => 1,
            Datatype::Fp32 => 4,
        }
    }
}

/// NumPy's name.
impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Datatype::Int8 => "int8",
            Datatype::Uint8 => "uint8",
            Datatype::Fp32 => "float32",
        })
    }
}

/// An input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Name in the model file.
    pub name: String,
    /// Element type.
    pub datatype: Datatype,
    /// Shape of a row.
    pub row: Vec<usize>,
    /// Real value of a step of the integers.
    pub scale: f64,
    /// Integer that stands for zero, in the integer type outside.
    pub zero_point: i32,
}

impl TensorSpec {
    fn of(network: &Network, port: &Port) -> TensorSpec {
        TensorSpec {
            name: port.name.clone(),
            datatype: Datatype::of(port),
            row: port.outer_shape(network.tensor(port.tensor)),
            scale: port.quantization.scale,
            zero_point: port.quantization.zero_point,
        }
    }

    /// Values of a row.
    pub fn elements(&self) -> usize {
        self.row.iter().product()
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.elements() * self.datatype.bytes()
    }

    /// Whether the same values fit, by their type and shape.
    pub fn is_like(&self, other: &TensorSpec) -> bool {
        (self.datatype, &self.row) == (other.datatype, &other.row)
    }

    /// The shape of so many rows.
    pub fn shape(&self, rows: usize) -> Vec<usize> {
        [&[rows], &self.row[..]].concat()
    }
}

/// Name, type and shape of a row: `"x" float32[8, 8, 1]`.
impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" {}{:?}", self.name, self.datatype, self.row)
    }
}

/// What a network takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// Its one input.
    pub input: TensorSpec,
    /// Its one output.
    pub output: TensorSpec,
}

impl Signature {
    /// A network's.
    pub fn of(network: &Network) -> Signature {
        Signature {
            input: TensorSpec::of(network, &network.input),
            output: TensorSpec::of(network, &network.output),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {} and output {}", self.input, self.output)
    }
}

/// Why values are no rows of a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// Not whole rows.
    #[error("{bytes} bytes are not whole rows: a row of this network has {row} bytes")]
    Length {
        /// As given.
        bytes: usize,
        /// Of a row.
        row: usize,
    },
    /// NaN or an infinity.
    #[error("the value at position {position} is {value}, which can't be quantized")]
    NotFinite {
        /// Its index.
        position: usize,
        /// The value.
        value: f32,
    },
}

impl Network {
    /// Input rows from the bytes of values in the input's own type ([`Datatype::of`]) and order;
    /// floats in the machine's byte order. Int8 values in the network's order stay where they are.
    ///
    /// # Errors
    /// If the bytes are not whole rows, or a float is not finite.
    pub fn rows_from_bytes(&self, bytes: Bytes) -> Result<Bytes, ValuesError> {
        let datatype = Datatype::of(&self.input);
        let row = self.input_elements() * datatype.bytes();
        if !bytes.len().is_multiple_of(row) {
            let bytes = bytes.len();
            return Err(ValuesError::Length { bytes, row });
        }
        match datatype {
            Datatype::Int8 if self.input.layout == Layout::Same => Ok(bytes),
            Datatype::Int8 => Ok(self.arrange_input(bytes.to_vec()).into()),
            Datatype::Uint8 => Ok(as_bytes(self.arrange_input(from_unsigned(&bytes)))),
            Datatype::Fp32 => match bytemuck::try_cast_slice(&bytes) {
                Ok(floats) => self.rows_from_floats(floats),
                // They may lie anywhere in a message.
                Err(_) => self.rows_from_floats(&bytemuck::pod_collect_to_vec(&bytes)),
            },
        }
    }

    /// Input rows from floats, quantized as the model file's reference does.
    ///
    /// # Errors
    /// If one is not finite, or they are not whole rows.
    pub fn rows_from_floats(&self, floats: &[f32]) -> Result<Bytes, ValuesError> {
        let row = self.input_elements();
        if !floats.len().is_multiple_of(row) {
            return Err(ValuesError::Length {
                bytes: size_of_val(floats),
                row: row * size_of::<f32>(),
            });
        }
        if let Some(position) = floats.iter().position(|value| !value.is_finite()) {
            let value = floats[position];
            return Err(ValuesError::NotFinite { position, value });
        }
        Ok(as_bytes(self.arrange_input(self.quantize_input(floats))))
    }
}

fn as_bytes(values: Vec<i8>) -> Bytes {
    Bytes::from(bytemuck::allocation::cast_vec::<i8, u8>(values))
}

/// Values of an output as callers get them, row after row.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Values {
    /// Signed bytes.
    Int8(Vec<i8>),
    /// Unsigned bytes.
    Uint8(Vec<u8>),
    /// Floats.
    Fp32(Vec<f32>),
}

impl Values {
    /// What a network's output rows are outside. Int8 rows in the network's order stay where they are.
    pub fn of(network: &Network, outputs: Vec<i8>) -> Values {
        let outputs = network.arrange_output(outputs);
        match Datatype::of(&network.output) {
            Datatype::Int8 => Values::Int8(outputs),
            Datatype::Uint8 => Values::Uint8(to_unsigned(&outputs)),
            Datatype::Fp32 => Values::Fp32(network.dequantize_output(&outputs)),
        }
    }

    /// The same memory as bytes.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

/// Their bytes, floats in the machine's order.
impl AsRef<[u8]> for Values {
    fn as_ref(&self) -> &[u8] {
        match self {
            Values::Int8(values) => bytemuck::cast_slice(values),
            Values::Uint8(values) => values,
            Values::Fp32(values) => bytemuck::cast_slice(values),
        }
    }
}

#[cfg(test)]
mod tests;
