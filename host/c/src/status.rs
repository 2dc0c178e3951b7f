//! What a call tells: a status, and a sentence for the thread that made it.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use systole_bindings::{Code, Failure};

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// A sentence as C has it; what a message can't hold is left out.
pub(crate) fn sentence(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().filter(|&byte| byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

/// Nanoseconds as C has them.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Does the work of a call.
pub(crate) fn call(work: impl FnOnce() -> Result<(), Failure>) -> Code {
    let result = catch_unwind(AssertUnwindSafe(work));
    let failure = match result {
        Ok(Ok(())) => return Code::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::new(
            Code::Internal,
            format!("this is a defect of Systole: {}", text_of(&*panic)),
        ),
    };
    LAST.set(sentence(&failure.message));
    failure.code
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}

/// What went wrong with the last call of this thread that failed, for people. Never `NULL`; valid until
/// the next call of this thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn systole_last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

/// The name of a status, such as "QUEUE_FULL"; "UNKNOWN" for a number that is none. Never `NULL`.
#[unsafe(no_mangle)]
pub extern "C" fn systole_status_name(status: i32) -> *const c_char {
    let code = usize::try_from(status)
        .ok()
        .and_then(|status| Code::ALL.get(status));
    code.map_or(c"UNKNOWN", |code| code.c_name()).as_ptr()
}

/// The version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn systole_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn text(pointer: *const c_char) -> String {
        // SAFETY: these functions return strings that end with zero and are valid here.
        let text = unsafe { CStr::from_ptr(pointer) };
        text.to_str().expect("it is UTF-8").to_owned()
    }

    #[test]
    fn names_are_those_of_the_codes() {
        for code in Code::ALL {
            assert_eq!(text(systole_status_name(code as i32)), code.name());
        }
        for unknown in [-1, Code::ALL.len() as i32, i32::MIN, i32::MAX] {
            assert_eq!(text(systole_status_name(unknown)), "UNKNOWN");
        }
        assert_eq!(text(systole_version()), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn a_panic_is_a_status_with_a_sentence() {
        let code = call(|| panic!("the {} is gone\0", "floor"));
        assert_eq!(code, Code::Internal);
        let last = text(systole_last_error());
        assert!(last.ends_with("the floor is gone"), "{last}");
        assert_eq!(call(|| Ok(())), Code::Ok);
        assert_eq!(text(systole_last_error()), last);
    }
}
