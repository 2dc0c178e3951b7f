//! From the accelerator's Verilog to an FPGA's bitstream, with open tools only.
//!
//! ```text
//!  configuration -> emit (hdl) -+
//!  board -> top, constraints ---+-> yosys -> passes -> nextpnr, seeds -> packer -> bitstream
//!                                                        |
//!                                     resources, clocks, paths -> report (JSON, page, picture)
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`family`], [`part`], [`board`] | targets, as data |
//! | [`clock`], [`top`] | PLL, reset, and what is between the pins |
//! | [`constraints`] | pins and clocks, in the tools' formats |
//! | [`design`] | what is built |
//! | [`mod@build`] | the steps |
//! | [`tool`] | how tools are run and measured |
//! | [`netlist`], [`passes`] | between synthesis and placing |
//! | [`route`], [`timing`] | placing and routing |
//! | [`modules`], [`size`], [`report`] | what came of it |
//! | [`reports`] | what of that is committed |

pub mod board;
pub mod build;
pub mod clock;
pub mod constraints;
pub mod design;
pub mod error;
pub mod family;
pub mod modules;
pub mod netlist;
pub mod part;
pub mod passes;
pub mod report;
pub mod reports;
pub mod route;
pub mod size;
pub mod timing;
pub mod tool;
pub mod top;
pub mod verilog;

pub use board::{BOARDS, Board};
pub use build::{Options, build};
pub use design::Design;
pub use error::FlowError;
pub use part::{PARTS, Part};
pub use report::Report;
pub use tool::{Environment, Event};
