//! Comparing two cores on random commands: the functional model against the RTL, or any two
//! devices that claim to be the same.
//!
//! ```text
//!  seed --> scenario: rings, images, rows, commands (some of them wrong)
//!             |                        |
//!             v                        v
//!          run on core A           run on core B
//!             |                        |
//!             +--> trace  ==  trace <--+     completions, statistics, registers, memory
//! ```
//!
//! What is compared is what is architectural: everything but cycle counts and, for a command
//! that failed, what it left in its output and in its statistics.

mod commands;
mod memory;
mod programs;
mod runner;
mod scenario;

pub use commands::Coverage;
pub use memory::{Memory, Region};
pub use runner::{Trace, TraceError, run};
pub use scenario::{Command, Scenario};
