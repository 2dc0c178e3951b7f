//! Pointers of callers, checked as far as they can be.

use std::ffi::{CStr, c_char};

use systole_bindings::Failure;

/// What a pointer points to.
///
/// # Errors
/// If it is null.
///
/// # Safety
/// If it is not null, it points to a valid `T` that nobody changes during `'a`.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, what: &str) -> Result<&'a T, Failure> {
    // SAFETY: as the caller promises.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// Where a result goes.
///
/// # Errors
/// If it is null.
///
/// # Safety
/// If it is not null, it points to memory for a `T` that is the caller's alone.
pub(crate) unsafe fn place<T>(pointer: *mut T, what: &str) -> Result<Place<T>, Failure> {
    match pointer.is_null() {
        true => Err(null(what)),
        false => Ok(Place(pointer)),
    }
}

/// Memory for a result.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// Writes the result.
    pub fn put(self, value: T) {
        // SAFETY: whoever made it promised that there is room for a `T`. What is there may be
        // uninitialized, so it isn't dropped.
        unsafe { self.0.write(value) }
    }
}

/// Text that ends with a zero byte.
///
/// # Errors
/// If it is null or not UTF-8.
///
/// # Safety
/// If it is not null, it points to bytes that end with zero and that nobody changes during `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: it is not null, and the caller promises the rest.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Failure::invalid(format!("{what} is not UTF-8")))
}

/// Values that lie in a row.
///
/// # Errors
/// If it is null and there should be some.
///
/// # Safety
/// If `count` is not 0 and it is not null, it points to as many valid values, which nobody changes
/// during `'a`.
pub(crate) unsafe fn slice<'a, T>(
    pointer: *const T,
    count: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(what));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::invalid(format!(
            "{what}: no memory is {count} long"
        )));
    }
    // SAFETY: it is not null, no longer than memory can be, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// What is missing.
pub(crate) fn null(what: &str) -> Failure {
    Failure::invalid(format!("{what} is NULL"))
}
