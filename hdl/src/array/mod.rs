//! The systolic array: R x C processing elements.

pub mod element;
pub mod systolic;
