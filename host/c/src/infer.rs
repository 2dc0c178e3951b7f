//! Inference on the caller's memory.
//!
//! ```text
//!  input --(int8: in place; else converted)--> processors --> output, then the callback
//!           \________ both have happened: answered, input released ________/
//! ```

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use systole_bindings::{Code, Completion, Failure, Prediction};
use systole_host::serving::Withdrawal;

use crate::model::Model;
use crate::pointer::{null, place, reference, slice};
use crate::status::{call, nanoseconds, sentence};

/// How soon an answer is wanted.
#[repr(C)]
pub struct Urgency {
    /// Requests with a lower number go first; those without this are of 128.
    pub priority: u8,
    /// Microseconds after which the answer is of no use; 0 for none.
    pub timeout_us: u64,
}

/// Where the time of a request went.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Nanoseconds from its arrival to the start of its batch.
    pub queued_ns: u64,
    /// Nanoseconds from the start of its batch to its end.
    pub computed_ns: u64,
    /// Rows that were computed together, those of other requests included.
    pub batch: usize,
    /// Version of the model that computed it.
    pub version: u32,
}

/// Is told what became of a request, exactly once, whatever happens: with `SYSTOLE_STATUS_OK` when the
/// output is written, else with the reason. Called by the thread that submits or by one of Systole's; it
/// must not block. `message` and `timing` are valid during the call; `message` is empty and `timing` not
/// `NULL` if it went well.
pub type Callback = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        status: Code,
        message: *const c_char,
        timing: *const Timing,
    ),
>;

/// A request that was submitted.
pub struct Request(Mutex<Option<Withdrawal>>);

/// The caller's memory for an answer.
struct Output {
    address: *mut u8,
    bytes: usize,
}

// SAFETY: until the request has ended, the memory is this request's alone.
unsafe impl Send for Output {}

/// The caller's memory of the rows.
struct Input {
    address: *const u8,
    bytes: usize,
    /// Told when nothing looks at it any more.
    job: Arc<Job>,
}

// SAFETY: until the request has ended, nobody changes the memory.
unsafe impl Send for Input {}

impl AsRef<[u8]> for Input {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: there are as many bytes, checked where this was made; the caller keeps them as they
        // are until the job has ended, which it doesn't before this is dropped.
        unsafe { std::slice::from_raw_parts(self.address, self.bytes) }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.job.part_done();
    }
}

type End = Box<dyn FnOnce(Completion) + Send>;

/// A request from its start to the moment when the caller's memory is the caller's again.
struct Job {
    /// The answer, and the release of the input.
    parts: AtomicUsize,
    state: Mutex<(Option<Completion>, Option<End>)>,
}

impl Job {
    fn answered(&self, completion: Completion) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(completion);
        self.part_done();
    }

    fn part_done(&self) {
        if self.parts.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let (completion, end) =
            std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner));
        if let (Some(completion), Some(end)) = (completion, end) {
            end(completion);
        }
    }
}

/// Starts a request; `end` is called when it is over, here or elsewhere.
///
/// # Safety
/// `input` points to `input_bytes` bytes that stay as they are until `end` is called.
unsafe fn start(
    model: &Model,
    input: *const u8,
    input_bytes: usize,
    urgency: *const Urgency,
    end: impl FnOnce(Completion) + Send + 'static,
) -> Result<Option<Withdrawal>, Failure> {
    // SAFETY: as the caller promises. The slice is for its checks.
    unsafe { slice(input, input_bytes, "input") }?;
    // SAFETY: null, or a valid one.
    let urgency = match unsafe { urgency.as_ref() } {
        None => systole_bindings::Urgency::default(),
        Some(given) => systole_bindings::Urgency {
            priority: given.priority,
            timeout: (given.timeout_us > 0).then(|| Duration::from_micros(given.timeout_us)),
        },
    };
    let job = Arc::new(Job {
        parts: AtomicUsize::new(2),
        state: Mutex::new((None, Some(Box::new(end)))),
    });
    let bytes = match input_bytes {
        // Nothing to borrow.
        0 => {
            job.part_done();
            Bytes::new()
        }
        bytes => Bytes::from_owner(Input {
            address: input,
            bytes,
            job: Arc::clone(&job),
        }),
    };
    let done = move |completion| job.answered(completion);
    Ok(model.model.infer_then(bytes, urgency, done))
}

impl Output {
    /// Memory that has room for the answers to so many bytes of input.
    fn new(
        model: &Model,
        input_bytes: usize,
        address: *mut c_void,
        bytes: usize,
    ) -> Result<Output, Failure> {
        if address.is_null() {
            return Err(null("output"));
        }
        let signature = model.model.signature();
        let rows = input_bytes / signature.input.row_bytes();
        let needed = rows.saturating_mul(signature.output.row_bytes());
        if bytes != needed {
            return Err(Failure::invalid(format!(
                "the output has {bytes} bytes, {rows} rows of it have {needed}"
            )));
        }
        Ok(Output {
            address: address.cast(),
            bytes,
        })
    }

    fn write(&self, prediction: &Prediction) -> Result<Timing, Failure> {
        let values = prediction.values.as_ref();
        if values.len() != self.bytes {
            let text = format!(
                "{} bytes of an answer for {} of memory",
                values.len(),
                self.bytes
            );
            return Err(Failure::new(Code::Internal, text));
        }
        // SAFETY: there is room for as many, and the memory is this request's alone until it ends.
        unsafe {
            self.address
                .copy_from_nonoverlapping(values.as_ptr(), values.len())
        };
        let timing = prediction.timing;
        Ok(Timing {
            queued_ns: nanoseconds(timing.queued),
            computed_ns: nanoseconds(timing.computed),
            batch: timing.batch,
            version: prediction.version,
        })
    }
}

/// Has rows computed, and waits for that. Input and output are whole rows of the model's own types, one
/// after the other. `urgency` and `timing` may be `NULL`.
///
/// # Safety
/// `model` is a handle; `input` and `output` point to as many bytes as said, which don't overlap;
/// `urgency` and `timing` are `NULL` or point to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_infer(
    model: *const Model,
    input: *const c_void,
    input_bytes: usize,
    output: *mut c_void,
    output_bytes: usize,
    urgency: *const Urgency,
    timing: *mut Timing,
) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let model = unsafe { reference(model, "model")? };
        let output = Output::new(model, input_bytes, output, output_bytes)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        // SAFETY: this call lasts until the request has ended.
        unsafe {
            start(
                model,
                input.cast(),
                input_bytes,
                urgency,
                move |completion| {
                    let _ = sender.send(completion);
                },
            )?;
        }
        let completion = receiver.recv();
        let completion = completion
            .map_err(|_| Failure::new(Code::Internal, "a request was lost without an answer"))?;
        let taken = output.write(&completion?)?;
        if !timing.is_null() {
            // SAFETY: it is not null, and as this function's callers promise.
            unsafe { place(timing, "timing") }?.put(taken);
        }
        Ok(())
    })
}

/// As `systole_infer`, but returns at once, and calls `callback` with `context` when the request has ended.
/// Input and output belong to the request until then. If this call itself fails, nothing is submitted
/// and `callback` is not called. `request`, if it is not `NULL`, gets a handle for cancelling.
///
/// # Safety
/// As `systole_infer`, until `callback` is called; `callback` may be called by any thread; `request` is
/// `NULL` or points to memory for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_submit(
    model: *const Model,
    input: *const c_void,
    input_bytes: usize,
    output: *mut c_void,
    output_bytes: usize,
    urgency: *const Urgency,
    callback: Callback,
    context: *mut c_void,
    request: *mut *mut Request,
) -> Code {
    call(|| {
        // SAFETY: as this function's callers promise.
        let model = unsafe { reference(model, "model")? };
        let callback = callback.ok_or_else(|| Failure::invalid("callback is NULL"))?;
        let output = Output::new(model, input_bytes, output, output_bytes)?;
        let context = Context(context);
        let end = move |completion: Completion| {
            let written = completion.and_then(|prediction| output.write(&prediction));
            context.tell(callback, written);
        };
        // SAFETY: as this function's callers promise.
        let withdrawal = unsafe { start(model, input.cast(), input_bytes, urgency, end)? };
        if !request.is_null() {
            let handle = Box::new(Request(Mutex::new(withdrawal)));
            // SAFETY: it is not null, and as this function's callers promise.
            unsafe { place(request, "request") }?.put(Box::into_raw(handle));
        }
        Ok(())
    })
}

/// A value that the caller gets back.
struct Context(*mut c_void);

// SAFETY: it is never looked at here; the caller says that any thread may have it.
unsafe impl Send for Context {}

impl Context {
    fn tell(
        self,
        callback: unsafe extern "C" fn(*mut c_void, Code, *const c_char, *const Timing),
        written: Result<Timing, Failure>,
    ) {
        let (code, message, timing) = match &written {
            Ok(timing) => (Code::Ok, sentence(""), &raw const *timing),
            Err(failure) => (failure.code, sentence(&failure.message), std::ptr::null()),
        };
        // SAFETY: any thread may call it, and this is the only time; the pointers are valid meanwhile.
        unsafe { callback(self.0, code, message.as_ptr(), timing) }
    }
}

/// Withdraws a request, if it has not been answered: its callback is called with
/// `SYSTOLE_STATUS_CANCELLED` as soon as nothing looks at its input any more. The handle is still to be
/// freed. `NULL` is fine.
///
/// # Safety
/// `request` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_request_cancel(request: *const Request) {
    call(|| {
        // SAFETY: as this function's callers promise.
        if let Some(request) = unsafe { request.as_ref() } {
            let withdrawal = request
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(withdrawal) = withdrawal {
                withdrawal.withdraw();
            }
        }
        Ok(())
    });
}

/// Gives a handle back; the request goes on. `NULL` is fine.
///
/// # Safety
/// `request` is a handle that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn systole_request_free(request: *mut Request) {
    if !request.is_null() {
        // SAFETY: it came out of a box, and is given back once.
        let request = unsafe { Box::from_raw(request) };
        call(|| {
            drop(request);
            Ok(())
        });
    }
}
