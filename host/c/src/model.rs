//! Models: loaded, replaced while they serve, described.

use std::ffi::{CString, c_char};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use systole_bindings::{Code, Options, Source};
use systole_host::serving::BatchingOptions;
use systole_host::signature;

use crate::fleet::Fleet;
use crate::pointer::{place, reference, slice, text};
use crate::status::{call, nanoseconds, sentence};

/// A model that is served.
pub struct Model {
    pub(crate) model: systole_bindings::Model,
    input: Described,
    output: Described,
}

/// Type of the values that a model takes or gives.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    /// Signed bytes.
    Int8 = 0,
    /// Unsigned bytes.
    Uint8 = 1,
    /// 32-bit floats.
    Float32 = 2,
}

/// An input or output. Its pointers are valid as long as the model's handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TensorSpec {
    /// Name in the model file.
    pub name: *const c_char,
    /// Type of the values.
    pub datatype: Datatype,
    /// Sizes of a row, `rank` of them.
    pub row: *const usize,
    /// Number of sizes.
    pub rank: usize,
    /// Values of a row.
    pub elements: usize,
    /// Bytes of a row.
    pub row_bytes: usize,
    /// Real value of a step of the integers.
    pub scale: f64,
    /// Integer that stands for zero.
    pub zero_point: i32,
}

/// What a model takes and gives.
#[repr(C)]
pub struct Signature {
    /// Its one input.
    pub input: TensorSpec,
    /// Its one output.
    pub output: TensorSpec,
}

/// How requests become batches.
#[repr(C)]
pub struct Batching {
    /// Rows of a batch, at most.
    pub rows: usize,
    /// Microseconds that a request may wait for others while a processor is free.
    pub wait_us: u64,
    /// Requests that may wait.
    pub queue: usize,
}

/// How a version comes into service.
#[repr(C)]
pub struct ModelOptions {
    /// Its number, from 1, which answers are stamped with.
    pub version: u32,
    /// `.npy` file of input rows whose answers are known, or `NULL`.
    pub golden_input: *const c_char,
    /// `.npy` file of these answers, or `NULL`. A version that gives others is not served.
    pub golden_output: *const c_char,
    /// Steps of the output's quantization by which answers may be off.
    pub golden_steps: u8,
    /// How requests become batches. A version that replaces another keeps that one's.
    pub batching: Batching,
}

/// What the version that is served now has done so far.
#[repr(C)]
pub struct Counts {
    /// Its number.
    pub version: u32,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were refused or failed.
    pub failed: u64,
    /// Rows of answered requests.
    pub rows: u64,
    /// Batches that were computed.
    pub batches: u64,
    /// Requests that went to another processor, because one had failed.
    pub failovers: u64,
    /// Requests that wait now.
    pub waiting: usize,
    /// Nanoseconds that answered requests have waited, in all.
    pub queued_ns: u64,
    /// Nanoseconds that answered requests were computed, in all.
    pub computed_ns: u64,
}

/// Strings and sizes that a [`TensorSpec`] points to.
struct Described {
    spec: signature::TensorSpec,
    name: CString,
}

impl Described {
    fn new(spec: &signature::TensorSpec) -> Described {
        Described {
            name: sentence(&spec.name),
            spec: spec.clone(),
        }
    }

    fn spec(&self) -> TensorSpec {
        TensorSpec {
            name: self.name.as_ptr(),
            datatype: match self.spec.datatype {
                signature::Datatype::Int8 => Datatype::Int8,
                signature::Datatype::Uint8 => Datatype::Uint8,
                signature::Datatype::Fp32 => Datatype::Float32,
            },
            row: self.spec.row.as_ptr(),
            rank: self.spec.row.len(),
            elements: self.spec.elements(),
            row_bytes: self.spec.row_bytes(),
            scale: self.spec.scale,
            zero_point: self.spec.zero_point,
        }
    }
}

/// Options of a version without golden files, with batches as they form by themselves.
#[unsafe(no_mangle)]
pub extern "C" fn systole_model_options_default() -> ModelOptions {
    let (options, batching) = (Options::default(), BatchingOptions::default());
    ModelOptions {
        version: options.version,
        golden_input: std::ptr::null(),
        golden_output: std::ptr::null(),
        golden_steps: options.golden_steps,
        batching: Batching {
            rows: batching.rows,
            wait_us: u64::try_from(batching.wait.as_micros()).unwrap_or(u64::MAX),
            queue: batching.queue,
        },
    }
}

/// Options as the bindings have them; the defaults for `NULL`.
///
/// # Safety
/// If it is not null, it points to options whose strings are strings or null.
unsafe fn options(
    pointer: *const ModelOptions,
) -> Result<(Options, BatchingOptions), systole_bindings::Failure> {
    // SAFETY: as the caller promises.
    let Some(given) = (unsafe { pointer.as_ref() }) else {
        return Ok((Options::default(), BatchingOptions::default()));
    };
    let golden = match (given.golden_input.is_null(), given.golden_output.is_null()) {
        (true, true) => None,
        // SAFETY: as the caller promises; one that is null is told.
        (..) => Some(unsafe {
            (
                PathBuf::from(text(given.golden_input, "golden_input")?),
                PathBuf::from(text(given.golden_output, "golden_output")?),
            )
        }),
    };
    let options = Options {
        version: given.version,
        golden,
        golden_steps: given.golden_steps,
    };
    let batching = BatchingOptions {
        rows: given.batching.rows,
        wait: Duration::from_micros(given.batching.wait_us),
        queue: given.batching.queue,
    };
    Ok((options, batching))
}

/// A model in memory. Its bytes are copied: what is made of them may outlive the call.
///
/// # Safety
/// `name` is a string, and `bytes` points to `count` of them.
unsafe fn contents(
    name: *const c_char,
    bytes: *const u8,
    count: usize,
) -> Result<Source, systole_bindings::Failure> {
    // SAFETY: as the caller promises.
    let (name, bytes) = unsafe { (text(name, "name")?, slice(bytes, count, "bytes")?) };
    Ok(Source::Bytes {
        name: name.to_owned(),
        bytes: Bytes::copy_from_slice(bytes),
    })
}

/// Loads a model.
///
/// # Safety
/// As [`systole_model_load`], with what `source` reads.
unsafe fn load(
    fleet: *const Fleet,
    source: impl FnOnce() -> Result<Source, systole_bindings::Failure>,
    given: *const ModelOptions,
    model: *mut *mut Model,
) -> Code {
    call(|| {
        // SAFETY: as the caller promises.
        let (fleet, model, (options, batching)) = unsafe {
            (
                reference(fleet, "fleet")?,
                place(model, "model")?,
                options(given)?,
            )
        };
        let loaded = systole_bindings::Model::load(&fleet.0, &source()?, &options, batching)?;
        let signature = loaded.signature();
        model.put(Box::into_raw(Box::new(Model {
            input: Described::new(&signature.input),
            output: Described::new(&signature.output),
            model: loaded,
        })));
        Ok(())
    })
}

/// Reads a quantized .tflite or .onnx file, loads the model wherever it fits, warms it up, and serves it.
/// `options` may be `NULL`.
///
/// # Safety
/// `fleet` is a handle, `path` a string, `options` `NULL` or points to options, and `model` to memory for
/// a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_load(
    fleet: *const Fleet,
    path: *const c_char,
    options: *const ModelOptions,
    model: *mut *mut Model,
) -> Code {
    // SAFETY: as this function's callers promise.
    unsafe {
        let source = || Ok(Source::File(text(path, "path")?.into()));
        load(fleet, source, options, model)
    }
}

/// As `systole_model_load`, with the contents of a file in memory; `name` is for logs.
///
/// # Safety
/// As `systole_model_load`; `name` is a string, and `bytes` points to `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_load_bytes(
    fleet: *const Fleet,
    name: *const c_char,
    bytes: *const u8,
    count: usize,
    options: *const ModelOptions,
    model: *mut *mut Model,
) -> Code {
    // SAFETY: as this function's callers promise.
    unsafe { load(fleet, || contents(name, bytes, count), options, model) }
}

/// Replaces a version.
///
/// # Safety
/// As [`systole_model_replace`], with what `source` reads.
unsafe fn replace(
    model: *const Model,
    source: impl FnOnce() -> Result<Source, systole_bindings::Failure>,
    given: *const ModelOptions,
) -> Code {
    call(|| {
        // SAFETY: as the caller promises.
        let (model, (options, _)) = unsafe { (reference(model, "model")?, options(given)?) };
        model.model.replace(&source()?, &options)
    })
}

/// Serves another file from now on. It is loaded and warmed beside the old version, which serves
/// meanwhile, and still does if this fails; no request notices. It has to take and give the same.
///
/// # Safety
/// `model` is a handle, `path` a string, `options` `NULL` or points to options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_replace(
    model: *const Model,
    path: *const c_char,
    options: *const ModelOptions,
) -> Code {
    // SAFETY: as this function's callers promise.
    unsafe {
        let source = || Ok(Source::File(text(path, "path")?.into()));
        replace(model, source, options)
    }
}

/// As `systole_model_replace`, with the contents of a file in memory; `name` is for logs.
///
/// # Safety
/// As `systole_model_replace`; `name` is a string, and `bytes` points to `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_replace_bytes(
    model: *const Model,
    name: *const c_char,
    bytes: *const u8,
    count: usize,
    options: *const ModelOptions,
) -> Code {
    // SAFETY: as this function's callers promise.
    unsafe { replace(model, || contents(name, bytes, count), options) }
}

/// Serves the version again that was served before this one; `version`, if it is not `NULL`, gets its
/// number. A second call undoes the first.
///
/// # Safety
/// `model` is a handle, `version` `NULL` or points to memory for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_roll_back(model: *const Model, version: *mut u32) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let model = unsafe { reference(model, "model")? };
        let number = model.model.roll_back()?;
        if !version.is_null() {
            // SAFETY: it is not null, and as this function's callers promise.
            unsafe { place(version, "version") }?.put(number);
        }
        Ok(())
    })
}

/// What the model takes and gives, in every version. Pointers in it are valid until the handle is freed.
///
/// # Safety
/// `model` is a handle, `signature` points to memory for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_signature(
    model: *const Model,
    signature: *mut Signature,
) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let (model, place) =
            unsafe { (reference(model, "model")?, place(signature, "signature")?) };
        place.put(Signature {
            input: model.input.spec(),
            output: model.output.spec(),
        });
        Ok(())
    })
}

/// What the version that is served now has done so far.
///
/// # Safety
/// `model` is a handle, `counts` points to memory for them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_counts(model: *const Model, counts: *mut Counts) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let (model, place) = unsafe { (reference(model, "model")?, place(counts, "counts")?) };
        let deployment = model.model.current();
        let times = deployment.times();
        place.put(Counts {
            version: deployment.version(),
            answered: times.answered.count,
            failed: times.failed.count,
            rows: times.rows,
            batches: times.batches,
            failovers: times.failovers.values().sum(),
            waiting: deployment.waiting().0,
            queued_ns: nanoseconds(times.queued.time),
            computed_ns: nanoseconds(times.computed.time),
        });
        Ok(())
    })
}

/// Gives a handle back. What was submitted is still computed. `NULL` is fine.
///
/// # Safety
/// `model` is a handle that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_model_free(model: *mut Model) {
    if !model.is_null() {
        // SAFETY: it came out of a box, and is given back once.
        let model = unsafe { Box::from_raw(model) };
        call(|| {
            drop(model);
            Ok(())
        });
    }
}
