//! Where the tests find the tools that `make setup` installs.

use std::path::PathBuf;

/// The project's virtual environment, or the one that SYSTOLE_VENV names.
pub fn environment() -> PathBuf {
    std::env::var_os("SYSTOLE_VENV").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv"),
        PathBuf::from,
    )
}
