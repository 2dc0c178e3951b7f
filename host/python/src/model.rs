//! Models: inference, versions, description.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyTuple};
use systole_bindings::{Options, Prediction, Urgency};
use systole_host::serving::DEFAULT_PRIORITY;
use systole_host::signature::TensorSpec;

use crate::array::{array_of, rows_of};
use crate::failure::OrRaise;
use crate::fleet::{seconds, source_of};
use crate::inbox::{Inbox, Pending};

/// A model that is served.
#[pyclass(frozen)]
pub(crate) struct Model(pub systole_bindings::Model);

/// `(values, version, queued, computed, batch)`, times in seconds.
pub(crate) fn answer<'py>(
    py: Python<'py>,
    prediction: Prediction,
    output: &TensorSpec,
) -> PyResult<Bound<'py, PyTuple>> {
    let timing = prediction.timing;
    let values = array_of(py, prediction.values, output)?;
    let (queued, computed) = (timing.queued.as_secs_f64(), timing.computed.as_secs_f64());
    (values, prediction.version, queued, computed, timing.batch).into_pyobject(py)
}

fn urgency(py: Python<'_>, priority: Option<u8>, timeout: Option<f64>) -> PyResult<Urgency> {
    let timeout = timeout
        .map(|timeout| seconds(timeout, "timeout"))
        .transpose();
    Ok(Urgency {
        priority: priority.unwrap_or(DEFAULT_PRIORITY),
        timeout: timeout.or_raise(py)?,
    })
}

#[pymethods]
impl Model {
    fn infer<'py>(
        &self,
        py: Python<'py>,
        array: &Bound<'py, PyAny>,
        priority: Option<u8>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let signature = self.0.signature();
        let rows = rows_of(array, &signature.input)?;
        let urgency = urgency(py, priority, timeout)?;
        let completion = py.detach(|| self.0.infer(rows, urgency));
        answer(py, completion.or_raise(py)?, &signature.output)
    }

    fn submit(
        &self,
        py: Python<'_>,
        array: &Bound<'_, PyAny>,
        priority: Option<u8>,
        timeout: Option<f64>,
        inbox: &Inbox,
        future: Py<PyAny>,
    ) -> PyResult<Pending> {
        let signature = self.0.signature();
        let rows = rows_of(array, &signature.input)?;
        let urgency = urgency(py, priority, timeout)?;
        let address = inbox.address(future, &signature.output);
        let done = |completion| address.put(completion);
        let withdrawal = py.detach(|| self.0.infer_then(rows, urgency, done));
        Ok(Pending::new(withdrawal))
    }

    fn replace(
        &self,
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        name: String,
        version: u32,
        golden: Option<(PathBuf, PathBuf)>,
        golden_steps: u8,
    ) -> PyResult<()> {
        let options = Options {
            version,
            golden,
            golden_steps,
        };
        let source = source_of(source, name)?;
        py.detach(|| self.0.replace(&source, &options)).or_raise(py)
    }

    fn roll_back(&self, py: Python<'_>) -> PyResult<u32> {
        py.detach(|| self.0.roll_back()).or_raise(py)
    }

    fn version(&self) -> u32 {
        self.0.current().version()
    }

    /// `(name, dtype, shape of a row, scale, zero point)` of the input and of the output.
    fn signature<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyTuple>)> {
        let tensor = |spec: &TensorSpec| {
            let row = PyTuple::new(py, &spec.row)?;
            let datatype = spec.datatype.to_string();
            (&spec.name, datatype, row, spec.scale, spec.zero_point).into_pyobject(py)
        };
        let signature = self.0.signature();
        Ok((tensor(&signature.input)?, tensor(&signature.output)?))
    }

    /// What the version that is served now has done, as a dictionary.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let deployment = self.0.current();
        let times = deployment.times();
        let counts = PyDict::new(py);
        counts.set_item("version", deployment.version())?;
        counts.set_item("answered", times.answered.count)?;
        counts.set_item("failed", times.failed.count)?;
        counts.set_item("rows", times.rows)?;
        counts.set_item("batches", times.batches)?;
        counts.set_item("failovers", times.failovers.values().sum::<u64>())?;
        counts.set_item("waiting", deployment.waiting().0)?;
        counts.set_item("queued", times.queued.time.as_secs_f64())?;
        counts.set_item("computed", times.computed.time.as_secs_f64())?;
        Ok(counts)
    }
}
