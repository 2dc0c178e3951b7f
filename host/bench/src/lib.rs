//! `systole bench`: how long a batch takes, on the CPU backend, with ONNX Runtime and on the device.
//!
//! ```text
//!  random rows --+--> CPU backend   --+
//!                +--> ONNX Runtime  --+--> wall clock -------------> measured  --+
//!                |                                                              +--> JSON, SVG, table
//!                +--> device -----------> cycles / clock + link ---> simulated --+
//! ```
//!
//! What is measured and what is simulated is never mixed: every figure carries its [`Kind`], in
//! the report, in the table and in the plot.
//!
//! Measured figures are medians over rounds in which all contenders of a batch size take turns,
//! so that a machine that changes its pace changes it for all of them. Simulated figures are
//! clock cycles of the device, divided by the clock that it states, plus a stated model of the
//! link ([`Link`]).
//!
//! What the driver adds is measured apart, with a device that takes no time ([`Immediate`]).

mod command;
mod cpu;
mod device;
mod immediate;
mod link;
mod machine;
mod measure;
mod onnx;
mod overhead;
mod plot;
mod report;

pub use command::{Arguments, BenchError, NamedDevice, run};
pub use immediate::{Immediate, Pace};
pub use link::Link;
pub use machine::Machine;
pub use measure::{Contender, ContenderError, Plan};
pub use overhead::RoundTrip;
pub use report::{Agreement, Kind, ModelSummary, NotAvailable, Report, Timing};
