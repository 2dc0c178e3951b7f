//! The Python package's native part, `systole._native`; `python/systole` is what people import.
//!
//! ```text
//!  ndarray --(int8: its memory; else converted)--> bindings::Model --> Prediction --> ndarray (its memory)
//!                                                       |
//!  asyncio: Inbox <-- answers, from any thread ---------+      eventfd --> the loop takes them out
//! ```
//!
//! Waiting is done without the interpreter's lock, and no thread of Systole's ever takes it.

use pyo3::prelude::*;

mod array;
mod failure;
mod fleet;
mod inbox;
mod model;

#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::fleet::Fleet;
    #[pymodule_export]
    use crate::inbox::{Inbox, Pending};
    #[pymodule_export]
    use crate::model::Model;

    use pyo3::prelude::*;
    use systole_bindings::Code;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let codes = Code::ALL.map(|code| (code.name(), code as i32));
        module.add("CODES", codes.to_vec())?;
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
