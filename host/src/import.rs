//! Model files: TFLite flatbuffers and ONNX protobufs become a [`Network`].
//!
//! ```text
//!  file --size, kind--> bytes --"TFL3" at byte 4?--+--> tflite --+--> validate --> fold --> Network
//!                                                  +--> onnx ----+
//! ```
//!
//! Files come from anywhere: whatever they hold, the answer is a network or an [`ImportError`],
//! never a panic, and it takes memory in proportion to the file.

mod budget;
mod fold;
mod onnx;
mod tflite;

use crate::model::{ModelError, Network};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest model file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// Kind of model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TensorFlow Lite.
    Tflite,
    /// Open Neural Network Exchange.
    Onnx,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Tflite => "TFLite",
            Format::Onnx => "ONNX",
        })
    }
}

/// Why a file didn't become a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The operating system refused.
    #[error("cannot read the model file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory, a pipe or a device.
    #[error("{} is not a regular file; give a .tflite or .onnx file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// No bytes.
    #[error("the model file is empty")]
    Empty,
    /// Above [`FILE_BYTES_MAX`].
    #[error("the model file has {bytes} bytes, more than the limit of {FILE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Neither kind of model.
    #[error("this is neither a TFLite model nor an ONNX model")]
    Unrecognized,
    /// The kind was recognized, but the content breaks its rules.
    #[error("the {format} model is damaged or incomplete: {reason}")]
    Damaged {
        /// Kind of file.
        format: Format,
        /// Which rule.
        reason: String,
    },
    /// A layer that is valid but not supported.
    #[error("layer \"{layer}\" ({operator}) is not supported: {reason}. Supported: {supported}")]
    Unsupported {
        /// Name of the layer in the file.
        layer: String,
        /// Its operator.
        operator: String,
        /// What exactly isn't supported.
        reason: String,
        /// What is.
        supported: &'static str,
    },
    /// A property of the whole model that is valid but not supported.
    #[error("this {format} model is not supported: {reason}")]
    UnsupportedModel {
        /// Kind of file.
        format: Format,
        /// What exactly isn't supported.
        reason: String,
    },
    /// The layers don't fit together.
    #[error("the model is inconsistent: {0}")]
    Invalid(#[from] ModelError),
}

impl Network {
    /// Reads a model file. Its kind is found by its content, not by its name.
    ///
    /// # Errors
    /// If the file can't be read, isn't a model, or holds layers that aren't supported.
    pub fn load(path: impl AsRef<Path>) -> Result<Network, ImportError> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        Network::from_bytes(&name.unwrap_or_default(), &bytes)
    }

    /// Reads a model from memory; `name` becomes the network's name.
    ///
    /// # Errors
    /// If the bytes aren't a model or hold layers that aren't supported.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Network, ImportError> {
        if bytes.is_empty() {
            return Err(ImportError::Empty);
        }
        let mut network = if bytes.get(4..8) == Some(b"TFL3") {
            tflite::import(name, bytes)?
        } else {
            onnx::import(name, bytes)?
        };
        network.validate()?;
        fold::fold(&mut network);
        network.validate()?;
        Ok(network)
    }
}

/// Reads a regular file of a sane size. Others are refused before they are opened: opening a pipe
/// would wait for its writer.
fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    let fail = |source| ImportError::Read {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(ImportError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    // The file may grow while it is read, so the limit is on what is read.
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    let size = size.max(bytes.len() as u64);
    if size > FILE_BYTES_MAX {
        return Err(ImportError::TooLarge { bytes: size });
    }
    Ok(bytes)
}
