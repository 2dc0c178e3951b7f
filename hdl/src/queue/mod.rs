//! Queues: submission entries in, completions out, model slots between.
//!
//! ```text
//!  doorbell -> engine -> fetch entry -> look up slot, check -> LOAD: image -> memories, slot table
//!                                                           \-> RUN: sequencer
//!              engine <- statistics, completion, interrupt <-/
//! ```

pub mod engine;
pub mod entry;
pub mod slots;
