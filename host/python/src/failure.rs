//! Failures as Python's exceptions.

use pyo3::prelude::*;
use systole_bindings::Failure;

/// The exception for a failure: `systole.Error` or one of its subclasses, with the code.
pub(crate) fn exception(py: Python<'_>, failure: &Failure) -> PyErr {
    // The classes are Python's own, where people read them.
    let make = || {
        let module = py.import("systole._errors")?;
        module.call_method1("_make", (failure.code as i32, failure.message.as_str()))
    };
    match make() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// A result as Python has it.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Failure> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|failure| exception(py, &failure))
    }
}
