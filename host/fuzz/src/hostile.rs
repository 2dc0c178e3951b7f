//! Small files that ask for a lot: whatever they say, an import takes memory and time in proportion.

mod allocations;
mod onnx;
mod tflite;

use systole_host::{ImportError, Network};

/// Bytes that an import of any file may have at a time: what layers may copy, and as much again while
/// they are made.
const ANY_FILE: usize = 400 << 20;

/// Bytes that an import of a file that is refused at once may have.
const REFUSED: usize = 4 << 20;

/// Imports a file with at most so many bytes at a time beside 32 for each of the file.
fn import(file: &[u8], most: usize) -> Result<Network, ImportError> {
    let (result, peak) = allocations::peak(|| Network::from_bytes("hostile", file));
    let most = most + 32 * file.len();
    assert!(peak <= most, "{} bytes made {peak}", file.len());
    result
}

/// What a file is refused with, with at most so many bytes at a time.
fn refusal(file: &[u8], most: usize) -> String {
    let error = import(file, most).expect_err("it asks for too much");
    error.to_string()
}
