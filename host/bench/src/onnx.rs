//! ONNX Runtime as a contender: the library that many services compute with today.
//!
//! It is not linked but loaded when the benchmark runs, from the Python package that `make setup`
//! installs, so that nothing else of Systole depends on it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Tensor, TensorElementType, ValueType};
use systole_host::Network;
use systole_host::signature::{Datatype, Values};

use crate::measure::{Contender, ContenderError};
use crate::values::{for_runtime, from_runtime, network_of};

/// Name in the report, without the number of threads.
pub(crate) const NAME: &str = "ONNX Runtime";

/// Folder of the virtual environment where none is named.
pub(crate) const ENVIRONMENT: &str = ".venv";

/// Why ONNX Runtime can't take part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OnnxError {
    #[error(
        "there is no libonnxruntime in {}; run `make setup`, or name the library with --onnxruntime",
        folder.display()
    )]
    NoLibrary { folder: PathBuf },
    #[error("it needs an ONNX file: name the model's with --onnx")]
    NoModel,
    #[error("cannot load {}: {reason}; name another library with --onnxruntime", path.display())]
    Load { path: PathBuf, reason: String },
    #[error("cannot use {}: {reason}", path.display())]
    Model { path: PathBuf, reason: String },
    #[error("{reason}")]
    Run { reason: String },
}

/// Reason of an error of the `ort` crate, whose type is not `Sync`.
fn run_error(error: ort::Error) -> OnnxError {
    OnnxError::Run {
        reason: error.to_string(),
    }
}

/// How a session computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Setting {
    /// As services do, with one thread within an operation.
    OneThread,
    /// As services do, with as many threads as ONNX Runtime takes itself.
    OwnThreads,
    /// Operation by operation as the model file has them: slow, but the reference. The optimized
    /// kernels saturate intermediate sums on x86 processors without VNNI.
    Unoptimized,
}

impl Setting {
    fn text(self) -> &'static str {
        match self {
            Setting::OneThread => "1 thread",
            Setting::OwnThreads => "its own threads",
            Setting::Unoptimized => "not optimized",
        }
    }
}

/// The library of the Python package in a virtual environment; the project's if none is named.
pub(crate) fn find_library(environment: Option<&Path>) -> Result<PathBuf, OnnxError> {
    let folder = environment.unwrap_or(Path::new(ENVIRONMENT)).join("lib");
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries(&folder)
        .flat_map(|python| entries(&python.path().join("site-packages/onnxruntime/capi")))
        .map(|entry| entry.path())
        .filter(|path| is_library(path))
        .max()
        .ok_or(OnnxError::NoLibrary { folder })
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("libonnxruntime.so") || name == "libonnxruntime.dylib"
}

/// The library that this process has loaded.
static LOADED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The loaded library.
pub(crate) struct OnnxRuntime {
    environment: Environment,
    /// The library's file name, and what it says about its build.
    pub(crate) version: String,
}

impl OnnxRuntime {
    pub(crate) fn load(library: &Path) -> Result<OnnxRuntime, OnnxError> {
        let error = |reason: String| OnnxError::Load {
            path: library.to_owned(),
            reason,
        };
        // The crate looks for relative paths beside the program first.
        let path = library
            .canonicalize()
            .map_err(|cause| error(cause.to_string()))?;
        // Asked for another one, the crate would stay with the first without a word.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = loaded.as_ref().filter(|other| **other != path) {
            return Err(error(format!(
                "this process has loaded {} already, and can load one only",
                other.display()
            )));
        }
        let environment = ort::init_from(&path)
            .map_err(|cause| error(cause.to_string()))?
            .with_name("systole-bench")
            .with_telemetry(false)
            .build()
            .map_err(|cause| error(cause.to_string()))?;
        *loaded = Some(path);
        // The build's description lacks the version, which the file's name has.
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        Ok(OnnxRuntime {
            environment,
            version: format!("{name}, {}", ort::info()),
        })
    }

    /// A session on a model.
    pub(crate) fn session(
        &self,
        model: &Path,
        network: &Network,
        setting: Setting,
    ) -> Result<Onnx, OnnxError> {
        let error = |reason: String| OnnxError::Model {
            path: model.to_owned(),
            reason,
        };
        let mut builder =
            Session::builder(&self.environment).map_err(|cause| error(cause.to_string()))?;
        builder = match setting {
            Setting::OneThread => builder.with_intra_threads(1),
            Setting::OwnThreads => Ok(builder),
            Setting::Unoptimized => {
                builder.with_optimization_level(GraphOptimizationLevel::Disable)
            }
        }
        .map_err(|cause| error(cause.to_string()))?;
        let session = builder
            .commit_from_file(model)
            .map_err(|cause| error(cause.to_string()))?;
        let (element, shape) = input_of(&session).map_err(error)?;
        let row: i64 = shape[1..].iter().product();
        if usize::try_from(row) != Ok(network.input_elements()) {
            return Err(error(format!(
                "a row of its input has {row} values, the model's has {}; is it the same model?",
                network.input_elements()
            )));
        }
        Ok(Onnx {
            name: format!("{NAME}, {}", setting.text()),
            session,
            element,
            shape,
            network: network_of(model, network),
            input: None,
            outputs: Values::Int8(Vec::new()),
        })
    }
}

/// Element type and shape of the only input, with the batch as the first dimension.
fn input_of(session: &Session) -> Result<(TensorElementType, Vec<i64>), String> {
    let ([input], [_]) = (session.inputs(), session.outputs()) else {
        return Err(format!(
            "it has {} inputs and {} outputs, one of each is needed",
            session.inputs().len(),
            session.outputs().len()
        ));
    };
    match input.dtype() {
        ValueType::Tensor { ty, shape, .. } if !shape.is_empty() => Ok((*ty, shape.to_vec())),
        other => Err(format!(
            "its input is {other:?}, a tensor of rows is needed"
        )),
    }
}

/// A prepared batch.
enum Input {
    I8(Tensor<i8>),
    U8(Tensor<u8>),
    F32(Tensor<f32>),
}

/// A session of ONNX Runtime.
pub(crate) struct Onnx {
    name: String,
    session: Session,
    element: TensorElementType,
    shape: Vec<i64>,
    network: Network,
    input: Option<Input>,
    outputs: Values,
}

impl Contender for Onnx {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self, rows: &[i8], count: usize) -> Result<(), ContenderError> {
        let batch = i64::try_from(count)?;
        if self.shape[0] >= 0 && self.shape[0] != batch {
            return Err(format!(
                "the ONNX file takes batches of {} only; convert it with a free batch size",
                self.shape[0]
            )
            .into());
        }
        let mut shape = self.shape.clone();
        shape[0] = batch;
        let element = match self.element {
            TensorElementType::Float32 => Datatype::Fp32,
            TensorElementType::Int8 => Datatype::Int8,
            TensorElementType::Uint8 => Datatype::Uint8,
            other => {
                return Err(format!(
                    "its input is of type {other}; float, int8 and uint8 are known"
                )
                .into());
            }
        };
        let input = match for_runtime(&self.network, element, rows) {
            Values::Int8(values) => Tensor::from_array((shape, values)).map(Input::I8),
            Values::Uint8(values) => Tensor::from_array((shape, values)).map(Input::U8),
            Values::Fp32(values) => Tensor::from_array((shape, values)).map(Input::F32),
        };
        let input = input.map_err(run_error)?;
        self.input = Some(input);
        Ok(())
    }

    fn compute(&mut self) -> Result<(), ContenderError> {
        let Some(input) = &self.input else {
            return Err("no batch has been prepared".into());
        };
        let result = match input {
            Input::I8(tensor) => self.session.run(ort::inputs![tensor]),
            Input::U8(tensor) => self.session.run(ort::inputs![tensor]),
            Input::F32(tensor) => self.session.run(ort::inputs![tensor]),
        };
        let outputs = result.map_err(run_error)?;
        let output = &outputs[0];
        // Taking the values out is part of the time, as it is for the CPU backend.
        self.outputs = if let Ok((_, values)) = output.try_extract_tensor::<f32>() {
            Values::Fp32(values.to_vec())
        } else if let Ok((_, values)) = output.try_extract_tensor::<i8>() {
            Values::Int8(values.to_vec())
        } else {
            let (_, values) = output.try_extract_tensor::<u8>().map_err(run_error)?;
            Values::Uint8(values.to_vec())
        };
        Ok(())
    }

    fn outputs(&mut self) -> Result<Vec<i8>, ContenderError> {
        let outputs = std::mem::replace(&mut self.outputs, Values::Int8(Vec::new()));
        Ok(from_runtime(&self.network, outputs))
    }
}
