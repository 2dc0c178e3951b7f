//! Host runtime of Systole: quantized models from files, and what runs them.
//!
//! ```text
//!  .tflite, .onnx --import--> Network --+--> cpu (exact reference, same bytes as the device)
//!                                       |
//!                                       +--> compiler --> engine --> device
//! ```
//!
//! [`guide`] has an example for each thing that a service does.
//!
//! Everything inside is int8: a [`model::Port`] says how the outside's int8, uint8 or float
//! values become the network's int8 rows and back.

pub mod compiler;
pub mod cpu;
pub mod engine;
pub mod guide;
pub mod import;
pub mod model;
pub mod profile;
pub mod rows;
pub mod serving;
pub mod signature;
mod wait;

pub use import::ImportError;
pub use model::Network;
