//! What the protocol says of a tensor, held against what a network takes.

use bytes::Bytes;
use systole_host::Network;
use systole_host::signature::{Signature, TensorSpec, ValuesError};

// Floats lie in messages in this order, and are taken from them as they are.
#[cfg(not(target_endian = "little"))]
compile_error!("the protocol's binary tensors are little-endian, and so must the machine be");

/// Checks what a request says of its input; the number of rows.
///
/// # Errors
/// If it is not what the network takes.
pub fn check_input(
    signature: &Signature,
    name: &str,
    datatype: &str,
    shape: &[i64],
) -> Result<usize, TensorError> {
    let expected = &signature.input;
    if name != expected.name {
        return Err(TensorError::Name {
            what: "input",
            found: name.to_owned(),
            expected: expected.name.clone(),
        });
    }
    if datatype != expected.datatype.protocol_name() {
        return Err(TensorError::Type {
            name: name.to_owned(),
            found: datatype.to_owned(),
            expected: expected.datatype.protocol_name(),
        });
    }
    let fits = |sizes: &[i64]| {
        let row = expected.row.iter().map(|&size| size as i64);
        sizes.iter().copied().eq(row) || sizes == [expected.elements() as i64]
    };
    let rows = match shape {
        [rows, sizes @ ..] if fits(sizes) => usize::try_from(*rows).ok(),
        _ => None,
    };
    match rows {
        Some(0) => Err(TensorError::NoRows),
        Some(rows) => Ok(rows),
        None => Err(TensorError::Shape {
            name: name.to_owned(),
            found: format!("{shape:?}"),
            expected: expected.row.clone(),
        }),
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
    /// The values are no rows.
    #[error("input \"{name}\": {error}")]
    Rows {
        /// The input.
        name: String,
        /// Why.
        error: ValuesError,
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
    input: &TensorSpec,
    rows: usize,
    bytes: Bytes,
) -> Result<Bytes, TensorError> {
    let expected = rows.saturating_mul(input.row_bytes());
    if bytes.len() != expected {
        return Err(TensorError::Length {
            name: input.name.clone(),
            found: bytes.len(),
            expected,
            unit: "bytes",
        });
    }
    network
        .rows_from_bytes(bytes)
        .map_err(|error| TensorError::values(input, error))
}

/// Rows of a network from floats, as many as were checked.
///
/// # Errors
/// If one is not finite.
pub fn rows_from_floats(
    network: &Network,
    input: &TensorSpec,
    floats: &[f32],
) -> Result<Bytes, TensorError> {
    network
        .rows_from_floats(floats)
        .map_err(|error| TensorError::values(input, error))
}

impl TensorError {
    fn values(input: &TensorSpec, error: ValuesError) -> TensorError {
        let name = input.name.clone();
        match error {
            ValuesError::NotFinite { position, value } => TensorError::Value {
                name,
                value: value.to_string(),
                position,
                datatype: input.datatype.protocol_name(),
            },
            error => TensorError::Rows { name, error },
        }
    }
}
