//! From Verilog towards an FPGA, with open tools only.
//!
//! ```text
//!  configuration -> emit (hdl) -> NAME.v -> yosys -> netlist, cell counts -> report
//!                                                                            |
//!                                               part: what there is ---------+
//! ```
//!
//! This is the first stretch of the flow: synthesis for a part, and a report of what the design
//! takes of it. Placing, routing and boards build on it.

mod part;
mod report;
mod synthesis;

pub use part::{PARTS, Part};
pub use report::{Report, Usage};
pub use synthesis::{SynthesisError, count_cells, synthesize};
