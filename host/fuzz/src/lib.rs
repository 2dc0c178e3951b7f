//! Model files come from anywhere, and importers trust none of what they say. These bodies let them
//! read files that a fuzzer makes up, and check what they make of them.
//!
//! ```text
//!  bytes of the fuzzer --+-- a file as it is -------------------------------+--> import --> check
//!                        +-- choices --> a model of them --> written --> damaged
//! ```
//!
//! Bytes that begin as a file of the target's kind are taken as one. All others are choices, from which
//! a model is made that mostly makes sense, so that the fuzzer gets behind the parser: to agree on
//! shapes, lengths and offsets by chance is hopeless. `make fuzz` runs the targets under libFuzzer and
//! AddressSanitizer; tests run them on the corpora and on bytes at random.

mod check;
mod choices;
#[cfg(test)]
mod hostile;
mod onnx;
mod tflite;

use check::check;
pub use onnx::onnx;
pub use tflite::tflite;

/// What is run on bytes of the fuzzer's choice; whether they are a network.
pub type Body = fn(&[u8]) -> bool;

/// The bodies with the names of their corpora.
pub const TARGETS: [(&str, Body); 2] = [("tflite", tflite), ("onnx", onnx)];
