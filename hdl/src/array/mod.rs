//! The systolic array: R/2 x C processing elements, each for two rows.

pub mod element;
pub mod outlet;
pub mod systolic;
