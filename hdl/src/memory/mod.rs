//! On-chip memories. Each is a leaf with hand-written Verilog in the form that yosys infers as
//! block RAM: synchronous reads with an output register (two cycles), one write port.
//!
//! ```text
//!                 DMA beats (8 bytes)
//!        +-----------+---------+-----------+
//!        v           v         v           v
//!   scratchpad    weights  parameters   program
//!    |   ^           |         |           |
//!    v   |           v         v           v
//!   array vectors  tiles   requantize   sequencer
//! ```

pub mod accumulators;
pub mod parameters;
pub mod program;
pub mod scratchpad;
pub mod weights;
