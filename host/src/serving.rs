//! Serving: many callers, a few processors, batches that form by themselves.
//!
//! ```text
//!  request --+--> cheap, and a CPU serves: computed on the caller's thread
//!            |
//!            +--> queue (bound, priority, deadline) --> dispatcher --> least-loaded unit --> answers
//!                   ^      of one deployment           batch of many     device | CPU           |
//!                   +---- a unit has failed: its requests come back, to go to another ----------+
//! ```
//!
//! A [`Fleet`] is what computes: devices, and this machine's CPU, which gives the same bytes. A
//! [`Deployment`] is one version of a network on a fleet, with its queue. A request is computed by the
//! deployment that it was submitted to, so a swap is a pointer: what was submitted to the old one finishes
//! there, and nothing waits. A [`Model`] holds that pointer and the way back.

mod counts;
mod deployment;
mod dispatcher;
mod fleet;
mod golden;
mod model;
mod queue;
mod request;
mod seat;
mod then;

pub use counts::{Count, Times};
pub use deployment::{BatchingOptions, DeployError, Deployment};
pub use fleet::{Fleet, UnitState};
pub use golden::{Golden, GoldenError};
pub use model::Model;
pub use request::{
    Answer, DEFAULT_PRIORITY, PendingAnswer, Refusal, Request, RequestError, Timing,
};
pub use then::Withdrawal;
