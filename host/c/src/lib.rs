//! The C interface: `include/systole.h`, which is made from this crate.
//!
//! ```text
//!  systole_fleet_open --> systole_fleet --systole_model_load--> systole_model
//!                                                                 |
//!        caller's input --systole_infer, systole_submit-----------+--> caller's output
//! ```
//!
//! Every call that can fail returns a status and leaves a sentence for `systole_last_error`. Handles are
//! opaque, and may be used by any thread. What a call is given by pointer it needs until it returns;
//! `systole_submit` needs input and output until its callback is called.
//!
//! A panic never leaves this library: it becomes `SYSTOLE_STATUS_INTERNAL`.

mod fleet;
mod infer;
mod model;
mod pointer;
mod status;

pub use fleet::{Fleet, Unit};
pub use infer::{Callback, Request, Timing, Urgency};
pub use model::{Batching, Counts, Datatype, Model, ModelOptions, Signature, TensorSpec};
pub use systole_bindings::Code;
