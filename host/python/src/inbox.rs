//! Answers on their way to an event loop.
//!
//! ```text
//!  any thread --put: answer, eventfd--> Inbox --the loop sees the eventfd: take--> futures
//! ```
//!
//! The threads that give answers never wait for Python, and a hundred answers wake the loop once.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyAny;
use systole_bindings::Completion;
use systole_host::serving::Withdrawal;
use systole_host::signature::TensorSpec;

use crate::failure::exception;
use crate::model::answer;

/// An answer, whose it is, and how it looks.
struct Letter {
    future: Py<PyAny>,
    completion: Completion,
    output: TensorSpec,
}

/// What the threads that give answers know of an inbox.
struct Shared {
    letters: Mutex<Vec<Letter>>,
    bell: EventFd,
}

/// The answers of one event loop.
#[pyclass(frozen)]
pub(crate) struct Inbox(Arc<Shared>);

/// Where one answer goes.
pub(crate) struct Address {
    shared: Arc<Shared>,
    future: Py<PyAny>,
    output: TensorSpec,
}

impl Address {
    /// Puts the answer in; any thread may.
    pub fn put(self, completion: Completion) {
        let Address {
            shared,
            future,
            output,
        } = self;
        let letter = Letter {
            future,
            completion,
            output,
        };
        let mut letters = shared
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let first = letters.is_empty();
        letters.push(letter);
        drop(letters);
        if first {
            // A counter at its limit rings all the same.
            let _ = shared.bell.write(1);
        }
    }
}

impl Inbox {
    /// The address of a future's answer.
    pub fn address(&self, future: Py<PyAny>, output: &TensorSpec) -> Address {
        Address {
            shared: Arc::clone(&self.0),
            future,
            output: output.clone(),
        }
    }
}

#[pymethods]
impl Inbox {
    #[new]
    fn new() -> PyResult<Inbox> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_flags(flags).map_err(|error| PyOSError::new_err(error.desc()))?;
        let letters = Mutex::default();
        Ok(Inbox(Arc::new(Shared { letters, bell })))
    }

    /// What the loop has to watch.
    fn fileno(&self) -> i32 {
        self.0.bell.as_fd().as_raw_fd()
    }

    /// Takes the answers out: futures, each with a prediction or an exception.
    fn take(&self, py: Python<'_>) -> Vec<(Py<PyAny>, Py<PyAny>)> {
        // Before the answers: one that comes in between rings again.
        let _ = self.0.bell.read();
        let letters = {
            let mut letters = self
                .0
                .letters
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *letters)
        };
        let open = |letter: Letter| {
            let result = match letter.completion {
                Ok(prediction) => answer(py, prediction, &letter.output),
                Err(failure) => Err(exception(py, &failure)),
            };
            let result = match result {
                Ok(prediction) => prediction.into_any().unbind(),
                Err(error) => error.into_value(py).into_any(),
            };
            (letter.future, result)
        };
        letters.into_iter().map(open).collect()
    }
}

/// A request that was submitted.
#[pyclass(frozen)]
pub(crate) struct Pending(Mutex<Option<Withdrawal>>);

impl Pending {
    pub fn new(withdrawal: Option<Withdrawal>) -> Pending {
        Pending(Mutex::new(withdrawal))
    }
}

#[pymethods]
impl Pending {
    /// Withdraws it, if it has no answer yet.
    fn cancel(&self, py: Python<'_>) {
        let withdrawal = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(withdrawal) = withdrawal {
            py.detach(|| withdrawal.withdraw());
        }
    }
}
