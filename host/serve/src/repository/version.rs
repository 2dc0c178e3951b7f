//! A version of a model that is served: loaded, warmed, and found to answer its golden inputs.

use std::sync::Arc;
use std::time::Duration;

use systole_host::Network;
use systole_host::serving::{Deployment, Fleet, Golden};
use systole_host::signature::Signature;

use super::RepositoryError;
use super::config::ModelConfig;
use super::scan::{Print, VersionFolder};
use crate::metrics::Latencies;

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
    let golden = Golden::read(deployment.network(), &input, &output, steps);
    golden
        .and_then(|golden| golden.check(deployment))
        .map_err(|error| error.to_string())
}
