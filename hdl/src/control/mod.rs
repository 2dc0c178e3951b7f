//! Control: what turns commands and programs into addresses and flags, cycle by cycle.
//!
//! ```text
//!  queue engine -> sequencer -> matrix issue -> scratchpad, weights, array, accumulators
//!                     |                             drain -> requantization -> scratchpad
//!                     +-> DMA engines
//! ```

pub mod decode;
pub mod extent;
pub mod fields;
pub mod issue;
pub mod sequencer;
