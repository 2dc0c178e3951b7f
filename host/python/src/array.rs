//! NumPy's arrays as rows, and answers as arrays, in the same memory where that is possible.

use bytes::Bytes;
use numpy::{
    Element, IntoPyArray, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use systole_bindings::Failure;
use systole_host::signature::{Datatype, TensorSpec, Values};

use crate::failure::OrRaise;

/// The memory of an array, which stays as long as this does.
struct Borrowed<T> {
    array: Py<PyArrayDyn<T>>,
    address: *const u8,
    bytes: usize,
}

// SAFETY: the address belongs to the array, which any thread may hold; whoever submits it promises not
// to change it until the answer is there.
unsafe impl<T> Send for Borrowed<T> {}

impl<T> AsRef<[u8]> for Borrowed<T> {
    fn as_ref(&self) -> &[u8] {
        let _ = &self.array;
        // SAFETY: the array is contiguous, has so many bytes, and lives as long as its handle here.
        unsafe { std::slice::from_raw_parts(self.address, self.bytes) }
    }
}

/// The bytes of an array of whole rows. They are the array's own memory.
///
/// # Errors
/// If it isn't an array of this type and shape, or its values don't lie one after the other.
pub(crate) fn rows_of(array: &Bound<'_, PyAny>, spec: &TensorSpec) -> PyResult<Bytes> {
    let untyped = array.cast::<PyUntypedArray>();
    let untyped = untyped.map_err(|_| {
        let found = array.get_type();
        Failure::invalid(format!(
            "a NumPy array of {spec} rows is needed, not {found}: numpy.asarray makes one"
        ))
    });
    let untyped = untyped.or_raise(array.py())?;
    let shape = untyped.shape();
    let fits = match shape {
        [_, row @ ..] => *row == spec.row[..] || *row == [spec.elements()],
        [] => false,
    };
    if !fits {
        let sizes: String = spec.row.iter().map(|size| format!(", {size}")).collect();
        let text = format!("the array has the shape {shape:?}: this model takes rows, [N{sizes}]");
        return Err(Failure::invalid(text)).or_raise(array.py());
    }
    match spec.datatype {
        Datatype::Int8 => borrow::<i8>(array, spec),
        Datatype::Uint8 => borrow::<u8>(array, spec),
        Datatype::Fp32 => borrow::<f32>(array, spec),
    }
}

fn borrow<T: Element + 'static>(array: &Bound<'_, PyAny>, spec: &TensorSpec) -> PyResult<Bytes> {
    let py = array.py();
    let typed = array.cast::<PyArrayDyn<T>>().map_err(|_| {
        let found = array
            .getattr("dtype")
            .map_or_else(|_| "something else".to_owned(), |dtype| dtype.to_string());
        Failure::invalid(format!(
            "the array holds {found}: this model takes {0}; .astype(numpy.{0}) makes that of it",
            spec.datatype
        ))
    });
    let typed = typed.or_raise(py)?;
    if !typed.is_c_contiguous() {
        let text = "the array's values don't lie one after the other: numpy.ascontiguousarray \
                    makes such an array";
        return Err(Failure::invalid(text)).or_raise(py);
    }
    let borrowed = Borrowed {
        address: typed.data().cast_const().cast(),
        bytes: typed.len() * size_of::<T>(),
        array: typed.clone().unbind(),
    };
    match borrowed.bytes {
        // Its address may be anything.
        0 => Ok(Bytes::new()),
        _ => Ok(Bytes::from_owner(borrowed)),
    }
}

/// An answer as an array of its rows, in the memory that the answer came in.
pub(crate) fn array_of<'py>(
    py: Python<'py>,
    values: Values,
    spec: &TensorSpec,
) -> PyResult<Bound<'py, PyAny>> {
    match values {
        Values::Int8(values) => shaped(py, values, spec),
        Values::Uint8(values) => shaped(py, values, spec),
        Values::Fp32(values) => shaped(py, values, spec),
    }
}

fn shaped<'py, T: Element + 'static>(
    py: Python<'py>,
    values: Vec<T>,
    spec: &TensorSpec,
) -> PyResult<Bound<'py, PyAny>> {
    let rows = values.len() / spec.elements();
    let array = values.into_pyarray(py);
    Ok(array.reshape(spec.shape(rows))?.into_any())
}
