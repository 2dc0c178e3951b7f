//! Control: from a program's words to started units.

pub mod decode;
pub mod extent;
pub mod fields;
pub mod operands;
pub mod sequencer;
pub mod trace;
pub mod transfers;
pub mod units;
