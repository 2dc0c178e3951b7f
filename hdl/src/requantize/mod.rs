//! Requantization: from 32-bit sums back to 8-bit activations, `Q` outputs a cycle, and the sums
//! of residual connections.

pub mod drain;
pub mod entries;
pub mod lane;
pub mod operand;
pub mod unit;
