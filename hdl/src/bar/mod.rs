//! BAR0: registers behind an AXI4-Lite slave, and the counters that they show.

pub mod counters;
pub mod registers;
