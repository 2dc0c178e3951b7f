//! What the commands read: models, with errors that name the file.

use std::path::Path;

use systole_host::{ImportError, Network};

/// Loads a model.
///
/// # Errors
/// What is wrong with the file, and which file it is.
pub fn load(path: &Path) -> anyhow::Result<Network> {
    Network::load(path).map_err(|error| match error {
        // These name the file themselves.
        ImportError::Read { .. } => error.into(),
        _ => anyhow::Error::new(error).context(format!("cannot use {}", path.display())),
    })
}
