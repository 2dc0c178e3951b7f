//! The Systole accelerator in RustHDL.
//!
//! A weight-stationary systolic array of int8 multipliers with its memories, requantization,
//! sequencer, DMA and queues. What software sees of it is described in `systole_regs`; this
//! crate is the hardware behind it, and [`emit`] writes its Verilog.
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@array`] | processing elements and the array |
//! | [`primitive`] | multipliers and memories that technologies build in their own ways |
//! | [`window`] | the order in which windows are read |
//! | [`depthwise`] | lanes for depthwise convolution and pooling |
//! | [`memory`] | scratchpad, weights, parameters, program, accumulators |
//! | [`requantize`] | from sums back to 8 bits |
//! | [`compute`] | the compute unit: all of the above, wired up |
//! | [`control`] | sequencer, decoder, bounds |
//! | [`dma`] | AXI4 master |
//! | [`queue`] | rings, entries, slots |
//! | [`bar`] | AXI4-Lite slave, registers, counters |
//! | [`accelerator`] | the whole |
//! | [`link`] | a bridge from the accelerator's ports to a UART |
//!
//! [`mod@emit`] writes the Verilog, [`netlist`] takes back what synthesis makes of it.

#![allow(
    clippy::collapsible_if,
    reason = "in a kernel, conditions are hardware; merging them hides what is decoded from what is tested"
)]

pub mod accelerator;
pub mod array;
pub mod bar;
pub mod bits;
pub mod compute;
pub mod control;
pub mod delay;
pub mod depthwise;
pub mod dma;
pub mod emit;
pub mod fixed;
pub mod join;
pub mod link;
pub mod memory;
pub mod netlist;
pub mod placement;
pub mod primitive;
pub mod queue;
pub mod reference;
pub mod requantize;
pub mod walk;
pub mod window;
