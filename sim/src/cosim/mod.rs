//! Comparing two cores: random cases, a driver that takes a core through one, and the comparison
//! of what it saw.
//!
//! ```text
//!           +--> run(functional model) --> Trace --+
//!  seed --> Case                                   +--> compare --> equal, or the first difference
//!           +--> run(RTL) ---------------> Trace --+
//!                   |
//!                   +--> Coverage: which fields and edges the cases have met
//! ```
//!
//! A case holds nothing whose result depends on time or on the order in which hardware works
//! inside an instruction. Instructions run side by side as far as their limits leave the result
//! alone, and no read and write that may overlap both fail. What the interface leaves undefined after a failure is not compared.

mod case;
mod compare;
mod cost;
mod coverage;
mod faults;
mod generate;
#[cfg(feature = "rtl")]
pub mod inject;
mod layout;
mod memory;
mod model;
mod mutations;
mod random;
mod run;
mod trace;

#[cfg(test)]
mod tests;

pub use case::{Case, Command, Ending, Episode, Intent, Model, QueueSetup};
pub use compare::{Difference, compare};
pub use coverage::Coverage;
pub use memory::{Memory, Region};
pub use run::{run, run_timed};
pub use trace::{CompletionTrace, EpisodeTrace, Reading, Stall, Trace};
