//! What the integration tests share: where files are, reading them, comparing bytes.

#![allow(dead_code)] // Each test binary uses a part.

use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use std::path::{Path, PathBuf};

/// The folder of reference models: `mlperf-tiny` in the folder that the environment variable
/// SYSTOLE_SHARED names, or in `shared` beside the workspace.
fn references() -> PathBuf {
    std::env::var_os("SYSTOLE_SHARED")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            PathBuf::from,
        )
        .join("mlperf-tiny")
}

/// Whether the reference models are there. Tests that need them end early, with a note, if not.
pub fn references_are_there() -> bool {
    let folder = references();
    let there = folder.is_dir();
    if !there {
        eprintln!(
            "skipped: the reference models are not in {}",
            folder.display()
        );
    }
    there
}

/// Path of a reference model or of its golden data.
pub fn model(name: &str) -> PathBuf {
    references().join(name)
}

/// Path of a fixture of these tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
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
