//! Who takes part in the measured figures, and why others don't.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use systole_host::Network;
use systole_host::model::Source;

use crate::command::{Arguments, BenchError};
use crate::cpu::Cpu;
use crate::litert::{self, Litert, LitertError, Python};
use crate::measure::Contender;
use crate::onnx::{self, Onnx, OnnxError, OnnxRuntime, Setting};
use crate::rate::Serving;
use crate::report::Report;

/// Everybody who is measured.
pub(crate) struct Contenders {
    /// The CPU backend first.
    pub(crate) batches: Vec<Box<dyn Contender>>,
    /// ONNX Runtime as the model file has it, which outputs are compared with; it is not measured.
    pub(crate) onnx_reference: Option<Onnx>,
}

impl Contenders {
    /// Opens all; notes versions, and those who can't take part.
    pub(crate) fn open(
        arguments: &Arguments,
        network: &Network,
        report: &mut Report,
    ) -> Result<Contenders, BenchError> {
        let cpu = Cpu::new(network).map_err(|source| BenchError::Model {
            path: arguments.model.clone(),
            source,
        })?;
        let mut contenders = Contenders {
            batches: vec![Box::new(cpu)],
            onnx_reference: None,
        };
        let environment = std::env::var_os("SYSTOLE_VENV").map(PathBuf::from);
        match open_onnx(arguments, network, environment.as_deref()) {
            Ok(onnx) => {
                contenders.batches.extend(onnx.contenders);
                contenders.onnx_reference = Some(onnx.reference);
                report.versions.onnxruntime = Some(onnx.version);
            }
            Err(error) => report.not_available(onnx::NAME, None, &error),
        }
        match open_litert(arguments, network, environment.as_deref()) {
            Ok(all) => {
                report.versions.litert = all.first().map(Litert::version);
                let all = all
                    .into_iter()
                    .map(|one| Box::new(one) as Box<dyn Contender>);
                contenders.batches.extend(all);
            }
            Err(error) => report.not_available(litert::NAME, None, &error),
        }
        Ok(contenders)
    }

    /// Those who serve rows one at a time: the CPU backend as services use it, and all others.
    pub(crate) fn serving(
        self,
        network: &Arc<Network>,
        rows: usize,
        report: &mut Report,
    ) -> Vec<Box<dyn Contender>> {
        let others = self.batches.into_iter().skip(1);
        let serving = match Serving::new(network, rows) {
            Ok(serving) => Some(Box::new(serving) as Box<dyn Contender>),
            Err(error) => {
                report.not_available(Serving::NAME, None, &error);
                None
            }
        };
        serving.into_iter().chain(others).collect()
    }
}

/// ONNX Runtime, ready to take part.
struct OpenOnnx {
    contenders: [Box<dyn Contender>; 2],
    reference: Onnx,
    version: String,
}

fn open_onnx(
    arguments: &Arguments,
    network: &Network,
    environment: Option<&Path>,
) -> Result<OpenOnnx, OnnxError> {
    let model = match &arguments.onnx {
        Some(path) => path,
        None if network.source == Source::Onnx => &arguments.model,
        None => return Err(OnnxError::NoModel),
    };
    let library = match &arguments.onnxruntime {
        Some(path) => path.clone(),
        None => onnx::find_library(environment)?,
    };
    let runtime = OnnxRuntime::load(&library)?;
    let open = |setting| runtime.session(model, network, setting);
    Ok(OpenOnnx {
        contenders: [
            Box::new(open(Setting::OneThread)?),
            Box::new(open(Setting::OwnThreads)?),
        ],
        reference: open(Setting::Unoptimized)?,
        version: runtime.version.clone(),
    })
}

/// With one thread, and with as many as this process may use.
fn open_litert(
    arguments: &Arguments,
    network: &Network,
    environment: Option<&Path>,
) -> Result<Vec<Litert>, LitertError> {
    let model = match &arguments.tflite {
        Some(path) => path,
        None if network.source == Source::Tflite => &arguments.model,
        None => return Err(LitertError::NoModel),
    };
    let python = match &arguments.python {
        Some(program) => Python::new(program),
        None => Python::of_environment(environment),
    };
    let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut numbers = vec![1, most];
    numbers.dedup();
    let start = |threads| Litert::start(&python, model, network, threads);
    numbers.into_iter().map(start).collect()
}
