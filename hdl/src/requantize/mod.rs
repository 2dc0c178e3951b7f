//! Requantization: from 32-bit sums back to 8-bit activations, `Q` outputs a cycle.

pub mod drain;
pub mod lane;
pub mod unit;
