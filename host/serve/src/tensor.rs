//! Tensors of the protocol and rows of a network.
//!
//! ```text
//!  INT8, as inside      ------------------------------> rows (the same memory)
//!  UINT8, FP32, [c,h,w] --/ offset, quantize, transpose--> rows
//! ```

use bytes::Bytes;
use systole_host::Network;
use systole_host::model::{Element, Layout, Port};

/// Element types that networks have outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// Signed bytes.
    Int8,
    /// Unsigned bytes.
    Uint8,
    /// 32-bit floats, little-endian on the wire.
    Fp32,
}

impl Datatype {
    fn of(port: &Port) -> Datatype {
        match (port.external_float, port.element) {
            (true, _) => Datatype::Fp32,
            (false, Element::I8) => Datatype::Int8,
            (false, Element::U8) => Datatype::Uint8,
        }
    }

    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
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

/// An input or output as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Name in the model file.
    pub name: String,
    /// Element type.
    pub datatype: Datatype,
    /// Shape of a row.
    pub row: Vec<usize>,
}

impl Tensor {
    /// Values of a row.
    pub fn elements(&self) -> usize {
        self.row.iter().product()
    }

    /// The shape of so many rows.
    pub fn shape(&self, rows: usize) -> Vec<usize> {
        [&[rows], &self.row[..]].concat()
    }
}

/// What a network takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its one input.
    pub input: Tensor,
    /// Its one output.
    pub output: Tensor,
}

impl Signature {
    /// A network's.
    pub fn of(network: &Network) -> Signature {
        let tensor = |port: &Port| Tensor {
            name: port.name.clone(),
            datatype: Datatype::of(port),
            row: port.outer_shape(network.tensor(port.tensor)),
        };
        Signature {
            input: tensor(&network.input),
            output: tensor(&network.output),
        }
    }

    /// Checks what a request says of its input; the number of rows.
    ///
    /// # Errors
    /// If it is not what the network takes.
    pub fn check_input(
        &self,
        name: &str,
        datatype: &str,
        shape: impl Iterator<Item = i64> + Clone,
    ) -> Result<usize, TensorError> {
        let expected = &self.input;
        if name != expected.name {
            return Err(TensorError::Name {
                what: "input",
                found: name.to_owned(),
                expected: expected.name.clone(),
            });
        }
        if datatype != expected.datatype.name() {
            return Err(TensorError::Type {
                name: name.to_owned(),
                found: datatype.to_owned(),
                expected: expected.datatype.name(),
            });
        }
        let row = expected.row.iter().map(|&size| size as i64);
        let mut sizes = shape.clone();
        let rows = sizes.next().and_then(|rows| usize::try_from(rows).ok());
        let fits = sizes.clone().eq(row) || sizes.eq([expected.elements() as i64]);
        match rows {
            Some(0) => Err(TensorError::NoRows),
            Some(rows) if fits => Ok(rows),
            _ => Err(TensorError::Shape {
                name: name.to_owned(),
                found: format!("{:?}", shape.collect::<Vec<_>>()),
                expected: expected.row.clone(),
            }),
        }
    }
}

/// Why a tensor is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// It has another name.
    #[error("unexpected {what} {found:?}: this model has one, \"{expected}\"")]
    Name {
        /// Input or output.
        what: &'static str,
        /// As requested.
        found: String,
        /// The model's.
        expected: String,
    },
    /// Not one input.
    #[error("{found} inputs: this model takes exactly one, \"{expected}\"")]
    Inputs {
        /// How many.
        found: usize,
        /// The model's.
        expected: String,
    },
    /// It has another type.
    #[error("input \"{name}\" has the datatype {found:?}: this model takes {expected}")]
    Type {
        /// The input.
        name: String,
        /// As requested.
        found: String,
        /// The model's.
        expected: &'static str,
    },
    /// It has another shape.
    #[error("input \"{name}\" has the shape {found}: this model takes rows of {expected:?}, [N{}]", .expected.iter().map(|size| format!(", {size}")).collect::<String>())]
    Shape {
        /// The input.
        name: String,
        /// As requested.
        found: String,
        /// A row of the model.
        expected: Vec<usize>,
    },
    /// Nothing to compute.
    #[error("the input has no rows: send at least one")]
    NoRows,
    /// Too much to compute at once.
    #[error("{found} rows in one request: at most {most} are taken; send them in several")]
    TooManyRows {
        /// As requested.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// The values are not as many as the shape says.
    #[error("input \"{name}\" has {found} {unit} of data, its shape needs {expected}")]
    Length {
        /// The input.
        name: String,
        /// Given.
        found: usize,
        /// Needed.
        expected: usize,
        /// Bytes or values.
        unit: &'static str,
    },
    /// A value can't be.
    #[error(
        "input \"{name}\" holds {value} at position {position}, which is no {datatype} value that can be quantized"
    )]
    Value {
        /// The input.
        name: String,
        /// As written.
        value: String,
        /// Its index.
        position: usize,
        /// The model's type.
        datatype: &'static str,
    },
}

/// Rows of a network from the bytes of a tensor that was checked.
///
/// # Errors
/// If there are not as many bytes as `rows` need, or a float is not finite.
pub fn rows_from_bytes(
    network: &Network,
    input: &Tensor,
    rows: usize,
    bytes: Bytes,
) -> Result<Bytes, TensorError> {
    let needed = rows.saturating_mul(input.elements() * input.datatype.bytes());
    if bytes.len() != needed {
        return Err(TensorError::Length {
            name: input.name.clone(),
            found: bytes.len(),
            expected: needed,
            unit: "bytes",
        });
    }
    match input.datatype {
        Datatype::Int8 if network.input.layout == Layout::Same => Ok(bytes),
        Datatype::Int8 => Ok(into_bytes(network.arrange_input(bytes.to_vec()))),
        Datatype::Uint8 => {
            let inner = bytes.iter().map(|byte| byte ^ 0x80).collect();
            Ok(into_bytes(network.arrange_input(inner)))
        }
        Datatype::Fp32 => match bytemuck::try_cast_slice(&bytes) {
            Ok(floats) if cfg!(target_endian = "little") => {
                rows_from_floats(network, input, floats)
            }
            _ => {
                let floats = bytes.chunks_exact(4);
                let floats: Vec<f32> = floats
                    .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                    .collect();
                rows_from_floats(network, input, &floats)
            }
        },
    }
}

/// Rows of a network from floats, as many as were checked.
///
/// # Errors
/// If one is not finite.
pub fn rows_from_floats(
    network: &Network,
    input: &Tensor,
    floats: &[f32],
) -> Result<Bytes, TensorError> {
    if let Some(position) = floats.iter().position(|value| !value.is_finite()) {
        return Err(TensorError::Value {
            name: input.name.clone(),
            value: floats[position].to_string(),
            position,
            datatype: input.datatype.name(),
        });
    }
    let inner = network.arrange_input(network.quantize_input(floats));
    Ok(into_bytes(bytemuck::allocation::cast_vec(inner)))
}

/// Values of an output as clients get them.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Signed bytes.
    Int8(Vec<i8>),
    /// Unsigned bytes.
    Uint8(Vec<u8>),
    /// Floats.
    Fp32(Vec<f32>),
}

impl Values {
    /// What a network's output rows are outside.
    pub fn of(network: &Network, outputs: Vec<i8>) -> Values {
        let outputs = network.arrange_output(outputs);
        match Datatype::of(&network.output) {
            Datatype::Int8 => Values::Int8(outputs),
            Datatype::Uint8 => {
                Values::Uint8(outputs.iter().map(|&value| value as u8 ^ 0x80).collect())
            }
            Datatype::Fp32 => Values::Fp32(network.dequantize_output(&outputs)),
        }
    }

    /// Their bytes on the wire.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Values::Int8(values) => into_bytes(bytemuck::allocation::cast_vec(values)),
            Values::Uint8(values) => into_bytes(values),
            Values::Fp32(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                into_bytes(bytes.collect())
            }
        }
    }
}

impl serde::Serialize for Values {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Values::Int8(values) => values.serialize(serializer),
            Values::Uint8(values) => serializer.collect_seq(values),
            Values::Fp32(values) => values.serialize(serializer),
        }
    }
}

fn into_bytes(values: Vec<u8>) -> Bytes {
    Bytes::from(values)
}
