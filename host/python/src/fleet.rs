//! Devices and the CPU.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use systole_bindings::{Failure, Options, Source, open};
use systole_host::serving::{self, BatchingOptions};

use crate::failure::OrRaise;
use crate::model::Model;

/// Devices, and the CPU of this machine.
#[pyclass(frozen)]
pub(crate) struct Fleet(Arc<serving::Fleet>);

#[pymethods]
impl Fleet {
    #[new]
    fn new(py: Python<'_>, devices: Vec<String>) -> PyResult<Fleet> {
        py.detach(|| open(&devices)).or_raise(py).map(Fleet)
    }

    /// What each unit does, as dictionaries.
    fn units<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let states = py.detach(|| self.0.states());
        let unit = |state: &serving::UnitState| {
            let unit = PyDict::new(py);
            unit.set_item("name", &state.name)?;
            unit.set_item("is_device", state.is_device)?;
            unit.set_item("lost", &state.lost)?;
            unit.set_item("batches", state.batches)?;
            unit.set_item("busy", (state.busy + state.at_once).as_secs_f64())?;
            unit.set_item("recoveries", state.recoveries)?;
            Ok(unit)
        };
        states.iter().map(unit).collect()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a Python function"
    )]
    fn load(
        &self,
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        name: String,
        version: u32,
        golden: Option<(PathBuf, PathBuf)>,
        golden_steps: u8,
        batch_rows: usize,
        batch_wait: f64,
        queue: usize,
    ) -> PyResult<Model> {
        let options = Options {
            version,
            golden,
            golden_steps,
        };
        let batching = BatchingOptions {
            rows: batch_rows,
            wait: seconds(batch_wait, "batch_wait").or_raise(py)?,
            queue,
        };
        let source = source_of(source, name)?;
        let load = || systole_bindings::Model::load(&self.0, &source, &options, batching);
        py.detach(load).or_raise(py).map(Model)
    }
}

/// A path, or the contents of a file.
pub(crate) fn source_of(source: &Bound<'_, PyAny>, name: String) -> PyResult<Source> {
    match source.cast::<PyBytes>() {
        Ok(contents) => Ok(Source::Bytes {
            name,
            bytes: Bytes::copy_from_slice(contents.as_bytes()),
        }),
        Err(_) => Ok(Source::File(source.extract()?)),
    }
}

/// A time that Python gives in seconds.
pub(crate) fn seconds(seconds: f64, what: &str) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Failure::invalid(format!("{what} is {seconds}: a time in seconds is needed")))
}
