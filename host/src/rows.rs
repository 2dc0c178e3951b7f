//! Rows of values in NumPy's `.npy` files: what a network takes and gives.
//!
//! ```text
//!  X.npy --type, shape, order--> int8 rows --network--> int8 rows --same kind of type--> Y.npy
//!  int8, uint8, float32
//! ```

use crate::model::{Element, Network, Port, Tensor, from_unsigned, to_unsigned};
use crate::signature::Datatype;
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::npy::header::Header;
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

/// Largest file of rows that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 30;

/// Rows as the network takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Int8 values, row after row.
    pub values: Vec<i8>,
    /// Number of rows.
    pub count: usize,
    /// Type that they had in the file.
    pub element: Datatype,
}

/// Why a file of rows couldn't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A directory, a pipe or a device.
    #[error("it is not a regular file; give a .npy file")]
    NotAFile,
    /// Above [`FILE_BYTES_MAX`].
    #[error("it has {0} bytes, more than the limit of {FILE_BYTES_MAX}")]
    TooLarge(u64),
    /// Not what NumPy writes.
    #[error("it is not a complete .npy file: {0}")]
    Damaged(String),
    /// The rows don't fit the network.
    #[error("expected rows of {elements} (shape {expected}), found shape {found}")]
    Shape {
        /// Values of a row.
        elements: usize,
        /// Shapes that fit.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The values don't fit the network.
    #[error("the network takes {expected}, the file holds {found}")]
    Type {
        /// Types that fit.
        expected: String,
        /// The file's.
        found: String,
    },
    /// NaN or an infinity.
    #[error("row {row} holds {value}, which can't be quantized")]
    NotFinite {
        /// Which row, from 0.
        row: usize,
        /// The value.
        value: f32,
    },
}

impl Rows {
    /// Reads the input rows of a network from a `.npy` file: integers of the network's external
    /// type, or floats, which are quantized. The shape is `[rows, values]` or `[rows, ...]` with
    /// the shape of the network's input, in the order of its port ([`Port::layout`]).
    ///
    /// # Errors
    /// If the file can't be read, is damaged, or doesn't fit the network.
    pub fn read(path: impl AsRef<Path>, network: &Network) -> Result<Rows, RowsError> {
        Rows::from_npy(&read_file(path.as_ref())?, network)
    }

    /// Reads output rows of a network, as another framework or [`write_outputs`] has written them:
    /// integers of the external type, or floats, which become the nearest integers.
    ///
    /// # Errors
    /// If the file can't be read, is damaged, or doesn't fit the network.
    pub fn read_outputs(path: impl AsRef<Path>, network: &Network) -> Result<Rows, RowsError> {
        let port = &network.output;
        let quantize = |values: &[f32]| port.quantize(values, network.source.ties());
        let tensor = network.tensor(port.tensor);
        decode_rows(&read_file(path.as_ref())?, port, tensor, quantize)
    }

    /// As [`Rows::read`], from memory.
    ///
    /// # Errors
    /// If the bytes are damaged or don't fit the network.
    pub fn from_npy(bytes: &[u8], network: &Network) -> Result<Rows, RowsError> {
        let port = &network.input;
        let quantize = |values: &[f32]| network.quantize_input(values);
        decode_rows(bytes, port, network.tensor(port.tensor), quantize)
    }
}

/// Reads a regular file of a sane size.
fn read_file(path: &Path) -> Result<Vec<u8>, RowsError> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(RowsError::NotAFile);
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(RowsError::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Rows of one end of a network.
fn decode_rows(
    bytes: &[u8],
    port: &Port,
    tensor: &Tensor,
    quantize: impl Fn(&[f32]) -> Vec<i8>,
) -> Result<Rows, RowsError> {
    let mut data = bytes;
    let header = Header::from_reader(&mut data).map_err(damaged)?;
    let element = element(&header, port)?;
    let count = count(&header.shape, port, tensor)?;
    // Checked before anything is allocated for it.
    let needed = count.checked_mul(tensor.elements() * element.bytes());
    if needed != Some(data.len()) {
        return Err(damaged(format!(
            "shape {} doesn't fit its {} bytes of data",
            shape_text(&header.shape),
            data.len()
        )));
    }
    let values = match element {
        Datatype::Int8 => decode::<i8>(bytes)?,
        Datatype::Uint8 => from_unsigned(&decode::<u8>(bytes)?),
        Datatype::Fp32 => {
            let values = decode::<f32>(bytes)?;
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let row = index / tensor.elements();
                return Err(RowsError::NotFinite {
                    row,
                    value: values[index],
                });
            }
            quantize(&values)
        }
    };
    Ok(Rows {
        values: port.arrange_inwards(tensor, values),
        count,
        element,
    })
}

/// Writes output rows to a `.npy` file of shape `[rows, ...]`: as floats if `input` was floats,
/// else in the integer type of the network's output.
///
/// # Errors
/// If the file can't be written.
///
/// # Panics
/// If `outputs` is not `count` output rows long.
pub fn write_outputs(
    path: impl AsRef<Path>,
    network: &Network,
    input: Datatype,
    count: usize,
    outputs: &[i8],
) -> Result<(), RowsError> {
    let mut file = BufWriter::new(File::create(path)?);
    encode_outputs(&mut file, network, input, count, outputs)?;
    file.flush()?;
    Ok(())
}

fn encode_outputs(
    writer: impl Write,
    network: &Network,
    input: Datatype,
    count: usize,
    outputs: &[i8],
) -> Result<(), RowsError> {
    assert_eq!(
        outputs.len(),
        count * network.output_elements(),
        "not {count} output rows"
    );
    let mut shape = vec![count];
    let tensor = network.tensor(network.output.tensor);
    shape.extend(network.output.outer_shape(tensor));
    let outputs = &network.arrange_output(outputs.to_vec())[..];
    match (input, network.output.element) {
        (Datatype::Fp32, _) => encode(writer, shape, network.dequantize_output(outputs)),
        (_, Element::I8) => encode(writer, shape, outputs.to_vec()),
        (_, Element::U8) => encode(writer, shape, to_unsigned(outputs)),
    }
}

fn damaged(reason: impl fmt::Display) -> RowsError {
    RowsError::Damaged(reason.to_string())
}

fn element(header: &Header, port: &Port) -> Result<Datatype, RowsError> {
    let descriptor = header.type_descriptor.to_string();
    let expected = match port.element {
        Element::I8 => Datatype::Int8,
        Element::U8 => Datatype::Uint8,
    };
    let found = match descriptor.trim_matches('\'') {
        "|i1" | "i1" => Datatype::Int8,
        "|u1" | "u1" => Datatype::Uint8,
        "<f4" | ">f4" => return Ok(Datatype::Fp32),
        other => {
            return Err(RowsError::Type {
                expected: format!("{expected} or float32"),
                found: match other {
                    "<f8" | ">f8" => "float64; save it with .astype(numpy.float32)".into(),
                    other => format!("\"{other}\""),
                },
            });
        }
    };
    if found != expected {
        let expected = format!("{expected} or float32");
        return Err(RowsError::Type {
            expected,
            found: found.to_string(),
        });
    }
    Ok(found)
}

fn count(shape: &[usize], port: &Port, tensor: &Tensor) -> Result<usize, RowsError> {
    let elements = tensor.elements();
    let row_shape = &port.outer_shape(tensor);
    match shape {
        [count, row @ ..] if row == row_shape || row == [elements] => Ok(*count),
        _ => {
            let mut expected = format!("[N, {elements}]");
            if *row_shape != [elements] {
                let row: String = row_shape.iter().map(|size| format!(", {size}")).collect();
                expected += &format!(" or [N{row}]");
            }
            Err(RowsError::Shape {
                elements,
                expected,
                found: shape_text(shape),
            })
        }
    }
}

fn shape_text(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// The values in row-major order, whatever their order in the file.
fn decode<T: ReadableElement + Clone>(bytes: &[u8]) -> Result<Vec<T>, RowsError> {
    let array = ArrayD::<T>::read_npy(bytes).map_err(damaged)?;
    if array.is_standard_layout() {
        Ok(array.into_raw_vec_and_offset().0)
    } else {
        Ok(array.iter().cloned().collect())
    }
}

fn encode<T: WritableElement>(
    writer: impl Write,
    shape: Vec<usize>,
    values: Vec<T>,
) -> Result<(), RowsError> {
    let array = ArrayD::from_shape_vec(IxDyn(&shape), values)
        .expect("the number of values was checked against the shape");
    array.write_npy(writer).map_err(|error| match error {
        ndarray_npy::WriteNpyError::Io(error) => RowsError::Io(error),
        other => RowsError::Io(std::io::Error::other(other)),
    })
}

#[cfg(test)]
mod tests;
