//! A version of a model that is served: loaded, warmed, and found to answer its golden inputs.

use std::sync::Arc;
use std::time::Duration;

use systole_host::Network;
use systole_host::rows::{self, Rows};
use systole_host::serving::{Deployment, Fleet, Request};

use super::RepositoryError;
use super::config::ModelConfig;
use super::scan::{Print, VersionFolder};
use crate::metrics::Latencies;
use crate::tensor::Signature;

/// Requests of golden inputs are cut into pieces of this many rows.
const GOLDEN_ROWS: usize = 64;

/// A version of a model, ready to serve.
#[derive(Debug)]
pub struct Version {
    /// The model's name in the repository.
    pub name: String,
    /// Its number, as text.
    pub number: String,
    /// What computes.
    pub deployment: Deployment,
    /// Its input and output.
    pub signature: Signature,
    /// How it is served.
    pub config: ModelConfig,
    /// Name of its file.
    pub file: String,
    /// Histograms of its requests.
    pub latencies: Latencies,
    /// What its files looked like when it was loaded.
    pub(super) prints: Vec<(std::path::PathBuf, Print)>,
}

impl Version {
    /// Loads it; nothing is served by it yet.
    pub(super) fn load(
        fleet: &Arc<Fleet>,
        name: &str,
        number: u32,
        folder: &VersionFolder,
        config: &ModelConfig,
    ) -> Result<Version, RepositoryError> {
        let failed = |reason: String| RepositoryError::Load {
            name: name.to_owned(),
            version: number,
            reason,
        };
        let mut network =
            Network::load(&folder.model).map_err(|error| failed(error.to_string()))?;
        // The file's name is the same for all; logs and devices' slots tell models apart by this one.
        network.name = name.to_owned();
        let network = Arc::new(network);
        let deployment = Deployment::new(fleet, Arc::clone(&network), number, config.batching())
            .map_err(|error| failed(error.to_string()))?;
        check_golden(&deployment, folder, config.golden_steps).map_err(failed)?;
        let file = folder.model.file_name();
        Ok(Version {
            name: name.to_owned(),
            number: number.to_string(),
            signature: Signature::of(&network),
            deployment,
            config: config.clone(),
            file: file.map_or_else(String::new, |file| file.to_string_lossy().into_owned()),
            latencies: Latencies::default(),
            prints: folder.prints.clone(),
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        self.deployment.network()
    }

    /// Deadline of a request that names none.
    pub fn timeout(&self) -> Option<Duration> {
        self.config.timeout
    }
}

/// Compares answers with those that lie beside the model.
fn check_golden(deployment: &Deployment, folder: &VersionFolder, steps: u8) -> Result<(), String> {
    let [input, output] =
        ["golden_input.npy", "golden_output.npy"].map(|file| folder.path.join(file));
    match (input.exists(), output.exists()) {
        (false, false) => return Ok(()),
        (true, true) => {}
        _ => return Err("of golden_input.npy and golden_output.npy only one is there".to_owned()),
    }
    let network = deployment.network();
    let read =
        |path: &std::path::Path, error: rows::RowsError| format!("{}: {error}", path.display());
    let rows = Rows::read(&input, network).map_err(|error| read(&input, error))?;
    let golden = Rows::read_outputs(&output, network).map_err(|error| read(&output, error))?;
    if golden.count != rows.count {
        let (inputs, outputs) = (rows.count, golden.count);
        return Err(format!(
            "{inputs} golden inputs, but {outputs} golden outputs"
        ));
    }
    let (width, answer) = (network.input_elements(), network.output_elements());
    let pieces = rows.values.chunks(width * GOLDEN_ROWS);
    for (piece, (rows, golden)) in pieces
        .zip(golden.values.chunks(answer * GOLDEN_ROWS))
        .enumerate()
    {
        let bytes: Vec<u8> = rows.iter().map(|&value| value as u8).collect();
        let found = deployment.submit(Request::new(bytes)).wait();
        let found = found.map_err(|error| error.to_string())?.outputs;
        let differs = |(found, golden): (&i8, &i8)| found.abs_diff(*golden) > steps;
        if let Some(position) = found.iter().zip(golden).position(differs) {
            let row = piece * GOLDEN_ROWS + position / answer;
            return Err(format!(
                "it does not answer its golden inputs: row {row} has {} where {} was expected",
                found[position], golden[position]
            ));
        }
    }
    Ok(())
}
