//! The Verilated accelerator, linked in: one cycle at a time through a C interface.
//!
//! This is the only place in the crate that calls C++; [`crate::rtl`] makes a device of it.

mod ports;

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;

use systole_regs::Configuration;

pub use ports::{Inputs, Outputs};

type Create = unsafe extern "C" fn(u32, *const c_char) -> *mut c_void;
type Destroy = unsafe extern "C" fn(*mut c_void);
type Cycle = unsafe extern "C" fn(*mut c_void, *const Inputs, *mut Outputs);

/// The functions of one configuration's shim.
#[derive(Clone, Copy)]
struct Shim {
    create: Create,
    destroy: Destroy,
    flush: Destroy,
    cycle: Cycle,
}

macro_rules! shims {
    ($( $(#[$condition:meta])? $name:literal $create:ident $destroy:ident $flush:ident $cycle:ident; )+) => {
        unsafe extern "C" {
            $(
                $(#[$condition])?
                fn $create(seed: u32, trace_path: *const c_char) -> *mut c_void;
                $(#[$condition])?
                fn $destroy(handle: *mut c_void);
                $(#[$condition])?
                fn $flush(handle: *mut c_void);
                $(#[$condition])?
                fn $cycle(handle: *mut c_void, inputs: *const Inputs, outputs: *mut Outputs);
            )+
        }

        fn shim(name: &str) -> Option<Shim> {
            match name {
                $( $(#[$condition])? $name => Some(Shim {
                    create: $create, destroy: $destroy, flush: $flush, cycle: $cycle,
                }), )+
                _ => None,
            }
        }
    };
}

shims! {
    "tiny" systole_tiny_create systole_tiny_destroy systole_tiny_flush systole_tiny_cycle;
    "small" systole_small_create systole_small_destroy systole_small_flush systole_small_cycle;
    #[cfg(feature = "rtl-ecp5-85f")]
    "ecp5-85f" systole_ecp5_85f_create systole_ecp5_85f_destroy systole_ecp5_85f_flush systole_ecp5_85f_cycle;
    #[cfg(feature = "rtl-large")]
    "large" systole_large_create systole_large_destroy systole_large_flush systole_large_cycle;
    #[cfg(feature = "netlist-tiny")]
    "netlist-tiny" systole_netlist_tiny_create systole_netlist_tiny_destroy systole_netlist_tiny_flush systole_netlist_tiny_cycle;
    #[cfg(feature = "netlist-small")]
    "netlist-small" systole_netlist_small_create systole_netlist_small_destroy systole_netlist_small_flush systole_netlist_small_cycle;
    #[cfg(feature = "netlist-ecp5-85f")]
    "netlist-ecp5-85f" systole_netlist_ecp5_85f_create systole_netlist_ecp5_85f_destroy systole_netlist_ecp5_85f_flush systole_netlist_ecp5_85f_cycle;
}

/// Why a Verilated accelerator can't be made.
#[derive(Debug, thiserror::Error)]
pub enum VerilatedError {
    /// This build holds no RTL of that name.
    #[error(
        "the RTL of configuration `{name}` is not part of this program, because it takes minutes to compile: build it in with `make build RTL={name}` (the feature rtl-{name})"
    )]
    UnknownConfiguration {
        /// What was asked for.
        name: String,
    },
    /// This build holds no netlist of that name.
    #[cfg(feature = "netlist")]
    #[error(
        "the netlist of configuration `{name}` is not part of this program: build it in with the feature netlist-{name}"
    )]
    UnknownNetlist {
        /// What was asked for.
        name: String,
    },
    /// The waveform file can't be written.
    #[error("can't write the waveform {path}: check that its directory exists and is writable")]
    Trace {
        /// The file.
        path: String,
    },
}

/// One Verilated accelerator.
pub struct Verilated {
    handle: NonNull<c_void>,
    shim: Shim,
}

// SAFETY: the model has no thread affinity; it is owned by one value and used through `&mut`.
unsafe impl Send for Verilated {}

impl Verilated {
    /// An accelerator after power-on. A `seed` other than zero randomizes all state that the
    /// design leaves open; `trace` is a file for the waveform (FST).
    ///
    /// # Errors
    /// If the configuration isn't linked in, or the file can't be written.
    pub fn new(
        configuration: &Configuration,
        seed: u32,
        trace: Option<&Path>,
    ) -> Result<Self, VerilatedError> {
        let shim =
            shim(configuration.name).ok_or_else(|| VerilatedError::UnknownConfiguration {
                name: configuration.name.to_owned(),
            })?;
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
        Self::create(shim, seed, path.as_deref()).ok_or_else(trace_error)
    }

    /// A device of a shim; none if it can't write the waveform.
    fn create(shim: Shim, seed: u32, trace: Option<&CStr>) -> Option<Self> {
        let path = trace.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: the path is null or a C string that outlives the call.
        let handle = unsafe { (shim.create)(seed, path) };
        NonNull::new(handle).map(|handle| Self { handle, shim })
    }

    /// What synthesis makes of an accelerator, after power-on: all registers have a value then.
    ///
    /// # Errors
    /// If the configuration's netlist isn't linked in.
    #[cfg(feature = "netlist")]
    pub fn netlist(configuration: &Configuration) -> Result<Self, VerilatedError> {
        shim(&format!("netlist-{}", configuration.name))
            .and_then(|shim| Self::create(shim, 0, None))
            .ok_or_else(|| VerilatedError::UnknownNetlist {
                name: configuration.name.to_owned(),
            })
    }

    /// Runs one clock cycle: applies the inputs, reads the outputs, raises the clock.
    pub fn cycle(&mut self, inputs: &Inputs, outputs: &mut Outputs) {
        // SAFETY: the handle is a live device, and both structures have the shim's layout.
        unsafe { (self.shim.cycle)(self.handle.as_ptr(), inputs, outputs) }
    }

    /// Writes the waveform so far to its file.
    pub fn flush(&mut self) {
        // SAFETY: the handle is a live device.
        unsafe { (self.shim.flush)(self.handle.as_ptr()) }
    }
}

impl Drop for Verilated {
    fn drop(&mut self) {
        // SAFETY: the handle is a live device and not used again.
        unsafe { (self.shim.destroy)(self.handle.as_ptr()) }
    }
}
