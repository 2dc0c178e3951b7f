//! Faults at a chosen moment: errors on the bus, resets, malformed entries and instructions, each in
//! each phase of a command.
//!
//! ```text
//!  LOAD, RUN bystander (slot 0)   works
//!  LOAD, RUN victim (slot 1)      one of them meets the fault: the documented answer
//!  RUN bystander                  as before        | or after a reset: LOAD, RUN again
//!  RUN victim (LOAD if it failed) as without fault |
//! ```
//!
//! After each fault, all of host memory and the counters are what the functional model leaves after
//! the same commands without it.

mod driver;
mod malformed;
mod phase;
mod plan;
mod strike;
mod table;

use std::fmt::{self, Debug};

use systole_regs::Configuration;

pub use malformed::Malformation;
pub use phase::{Kind, Phase};
pub use strike::strike;
pub use table::{Injection, Table, injections};

/// Something that is not as documented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {expected} expected, but got {got}")]
pub struct Failure {
    /// What was looked at.
    pub what: String,
    /// What the documentation says.
    pub expected: String,
    /// What the device did.
    pub got: String,
}

impl Failure {
    /// Compares a value with the documented one.
    fn check<T: PartialEq + Debug>(
        what: impl Into<String>,
        expected: T,
        got: T,
    ) -> Result<(), Failure> {
        if expected == got {
            return Ok(());
        }
        Err(Failure {
            what: what.into(),
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        })
    }
}

/// What a case has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// Bursts that were outstanding when a reset came.
    pub outstanding: usize,
    /// The status that the command ended with, if it ended.
    pub status: Option<systole_regs::Status>,
    /// Cycles of the whole case.
    pub cycles: u64,
}

/// A fault of one case.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Dimensions of the device.
    pub configuration: Configuration,
    /// When it strikes.
    pub phase: Phase,
    /// What it is.
    pub kind: Kind,
    /// Of a malformed entry or instruction: what is wrong.
    pub malformation: Option<Malformation>,
    /// Everything else.
    pub seed: u64,
    /// Seed of the unknown state, if it is to be another one; 0 stands for zeros.
    pub state_seed: Option<u64>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            configuration,
            phase,
            kind,
            malformation,
            seed,
            ..
        } = self;
        write!(
            f,
            "{}, seed {seed}: {phase:?}, {kind:?}",
            configuration.name
        )?;
        match malformation {
            Some(malformation) => write!(f, " ({malformation})"),
            None => Ok(()),
        }
    }
}
