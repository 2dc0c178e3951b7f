//! What the integration tests share: where files are, reading them, comparing bytes.

#![allow(dead_code)] // Each test binary uses a part.

use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use std::path::{Path, PathBuf};

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Path of a reference model or of its golden data in the repository.
pub fn model(name: &str) -> PathBuf {
    workspace().join("tests/models").join(name)
}

/// Path of a fixture of these tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Path of a reference model that is too large for the repository: in the folder that the
/// environment variable SYSTOLE_SHARED names, or in `shared` beside the workspace. `None`, with a
/// note, if it isn't there.
pub fn shared_model(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SYSTOLE_SHARED")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let path = folder.join("mlperf-tiny").join(name);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Values of a `.npy` file in row-major order.
pub fn values<T: ReadableElement + Clone>(path: &Path) -> Vec<T> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let array = ArrayD::<T>::read_npy(&bytes[..])
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    array.iter().cloned().collect()
}

/// How many values differ, and by how much at most.
pub fn differences(left: &[i8], right: &[i8]) -> (usize, i32) {
    assert_eq!(left.len(), right.len());
    let steps = left
        .iter()
        .zip(right)
        .map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs());
    (
        steps.clone().filter(|&step| step > 0).count(),
        steps.max().unwrap_or(0),
    )
}
