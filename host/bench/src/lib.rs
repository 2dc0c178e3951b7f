//! `systole bench`: how long a batch takes, and how long requests wait, on the CPU backend, with ONNX
//! Runtime, with LiteRT and on the device.
//!
//! ```text
//!  random rows --+--> CPU backend   --+
//!                +--> ONNX Runtime  --+--> wall clock, energy -----> measured  --+
//!                +--> LiteRT        --+                                          +--> HTML, JSON, CSV,
//!                |                                                               |    table
//!                +--> device -----------> cycles / clock + link ---> simulated --+
//! ```
//!
//! What is measured and what is simulated is never mixed: every figure carries its [`Kind`], in
//! the report, in its tables and in its plots.
//!
//! Measured figures are medians over rounds in which all contenders of a batch size take turns,
//! so that a machine that changes its pace changes it for all of them. Simulated figures are
//! clock cycles of the device, divided by the clock that it states, plus a stated model of the
//! link ([`Link`]). At a given rate, requests arrive by themselves: measured contenders get them on
//! the clock, simulated ones in a queue that is computed.
//!
//! What the driver adds is measured apart, with a device that takes no time ([`Immediate`]).

mod command;
mod comparison;
mod contenders;
mod cpu;
mod criterion;
mod device;
mod energy;
mod html;
mod immediate;
mod link;
mod litert;
mod load;
mod machine;
mod measure;
mod onnx;
mod overhead;
mod plot;
mod provenance;
mod rate;
mod report;
mod samples;
mod statistics;
#[cfg(test)]
mod testing;
mod values;

pub use command::{Arguments, BenchError, NamedDevice, run};
pub use criterion::{CriterionError, Estimate};
pub use immediate::{Immediate, Pace};
pub use link::Link;
pub use machine::Machine;
pub use measure::{Contender, ContenderError, Plan};
pub use overhead::RoundTrip;
pub use rate::Served;
pub use report::{
    Agreement, Energy, EnergySource, Kind, Measurement, ModelSummary, NotAvailable, RateFigure,
    Report, Simulation, Timing,
};
