//! The accelerator without hardware: something that computes behind BAR0 (a [`Core`]), and the
//! PCIe function around it, served over vfio-user as if it sat in a slot.
//!
//! ```text
//!  driver process                      this crate
//!  +-----------+  vfio-user socket  +---------+   registers   +------------------+
//!  | systole-  | <----------------> | serve + | ------------> | Core:            |
//!  | driver    |  config, BARs, IRQ | pcie    | <------------ |  functional model|
//!  +-----------+                    | function|   DMA, MSI-X  |  or Verilated RTL|
//!  | DMA memory| <================= +---------+               +------------------+
//!  +-----------+   shared memory
//! ```
//!
//! - [`model`]: the accelerator in plain Rust, exact to the instruction, without a clock.
//! - `rtl` (with the feature of that name): the Verilated RTL with bus models, cycle by cycle.
//! - `board` (with the feature `rtl-board`): the same behind a serial link, on a pseudo terminal.
//! - [`pcie`]: configuration space, MSI-X and the table of DMA mappings of one function.
//! - [`serve()`]: the vfio-user server that lets one client at a time drive a core; [`Background`]: the same
//!   on a thread of this process.
//! - [`cosim`]: random programs, and a runner to compare two cores on them byte for byte.

mod background;
#[cfg(feature = "rtl-board")]
pub mod board;
mod core;
pub mod cosim;
pub mod model;
pub mod pcie;
#[cfg(feature = "rtl")]
pub mod rtl;
mod serve;
#[cfg(feature = "rtl")]
pub mod verilated;

pub use crate::background::Background;
pub use crate::core::{Activity, Core, DmaError, Host};
pub use crate::serve::{Ready, ServeError, ServeOptions, Stop, serve};
