//! The streaming service: events in, one a line, predictions out, in the order of the events.
//!
//! ```text
//!            reader thread                            writer thread
//!  input --> lines --> events --> batch (by size  --> oldest batch --> answers --> output
//!                                 or by time)    |         ^
//!                                    | submit    +---------+ bounded: batches in flight
//!                                    v                     | wait
//!                                  engine -----------------+
//! ```
//!
//! Each line of the input is answered by exactly one line of the output, in the same order,
//! malformed lines too. Memory is bounded: with all batches in flight, the reader stops reading
//! until the oldest one is written, and whoever feeds the service waits.
//!
//! # Events
//!
//! One JSON object on each line (UTF-8, at most [`StreamOptions::line_bytes`] long):
//!
//! | field | type | meaning |
//! |---|---|---|
//! | `id` | string or number, required | returned as it was written; at most 1,024 bytes |
//! | `row` | array of numbers, required | one row of the model's input, flat |
//! | `quantized` | boolean | whether `row` holds the model's input integers (-128 to 127, or 0 to 255 for a uint8 model) rather than real numbers; [`StreamOptions::quantized`] if absent |
//!
//! Real numbers are quantized with the model's input scale and zero point; what lies outside the
//! range saturates. Other fields are ignored.
//!
//! # Answers
//!
//! | field | meaning |
//! |---|---|
//! | `id` | the event's |
//! | `output` | the model's output: real numbers, or integers for a quantized event |
//! | `argmax` | index of the greatest output, the first one of equals |
//! | `latency_us` | from the arrival of the line to its answer, in microseconds |
//! | `model_version` | version of the model that computed it |
//!
//! A line that is no valid event, or that a failed device left uncomputed, is answered with
//! `line` (its number in the input, from 1), `id` (null if it could not be read) and `error`.
//!
//! # Ends
//!
//! At the end of the input, and when [`Stop`] is triggered or a signal that it watches arrives,
//! everything that was read is answered. When a device fails, what had been answered stays
//! answered and the rest of what was read is answered with the error. When the output's reader
//! has gone, the service ends.

mod answer;
mod batch;
pub mod command;
mod event;
mod lines;
mod predictor;
mod reader;
mod service;
mod stop;
mod summary;
mod writer;

pub use event::{EventError, ID_BYTES_MAX};
pub use predictor::{Prediction, Predictor};
pub use service::{Outcome, Service, StreamError, StreamOptions};
pub use stop::Stop;
pub use summary::{Array, End, Latency, Summary};
