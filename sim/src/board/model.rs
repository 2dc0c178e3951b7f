//! The Verilated board, linked in: one cycle at a time through a C interface.

use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

use crate::verilated::VerilatedError;

unsafe extern "C" {
    fn systole_board_tiny_create(seed: u32, trace_path: *const c_char) -> *mut c_void;
    fn systole_board_tiny_destroy(handle: *mut c_void);
    fn systole_board_tiny_cycle(handle: *mut c_void, reset: u8, rx: u8) -> u8;
}

/// Outputs of one cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The line to the host.
    pub tx: bool,
    /// The accelerator has something to do.
    pub active: bool,
}

/// One Verilated board.
pub struct BoardModel {
    handle: NonNull<c_void>,
}

// SAFETY: the model has no thread affinity; it is owned by one value and used through `&mut`.
unsafe impl Send for BoardModel {}

impl BoardModel {
    /// A board after power-on. A `seed` other than zero randomizes all state that the design
    /// leaves open; `trace` is a file for the waveform (FST).
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn new(seed: u32, trace: Option<&Path>) -> Result<Self, VerilatedError> {
        let trace_error = || VerilatedError::Trace {
            path: trace
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
        };
        let path = trace
            .map(|path| CString::new(path.as_os_str().as_encoded_bytes()))
            .transpose()
            .map_err(|_| trace_error())?;
        if let Some(path) = trace {
            // The tracer only notices an unwritable file later.
            std::fs::File::create(path).map_err(|_| trace_error())?;
        }
        let pointer = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
        // SAFETY: the path is null or a C string that outlives the call.
        let handle = unsafe { systole_board_tiny_create(seed, pointer) };
        let handle = NonNull::new(handle).ok_or_else(trace_error)?;
        Ok(Self { handle })
    }

    /// Runs one clock cycle with these inputs.
    pub fn cycle(&mut self, reset: bool, rx: bool) -> Pins {
        // SAFETY: the handle is a live board.
        let outputs = unsafe {
            systole_board_tiny_cycle(self.handle.as_ptr(), u8::from(reset), u8::from(rx))
        };
        Pins {
            tx: outputs & 1 != 0,
            active: outputs & 2 != 0,
        }
    }
}

impl Drop for BoardModel {
    fn drop(&mut self) {
        // SAFETY: the handle is a live board and not used again.
        unsafe { systole_board_tiny_destroy(self.handle.as_ptr()) }
    }
}
