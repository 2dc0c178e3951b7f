//! Comparing two cores.
mod memory;
pub use memory::{Memory, Region};
