//! DMA: an AXI4 master with a read and a write engine.
//!
//! Both move rows: `rows` pieces of `row_bytes` bytes, a stride apart in host memory and another
//! stride apart on the chip. Transfers are split into bursts of at most 64 beats (512 bytes) that
//! never cross a 4 KiB boundary, as AXI demands.

pub mod fifo;
pub mod reader;
pub mod writer;

/// Beats of the longest burst.
pub const BURST_BEATS: u64 = 64;

/// Bursts that may be outstanding in each direction.
pub const OUTSTANDING: u64 = 8;

/// Where a read's data goes, or a write's data comes from.
pub mod port {
    /// The registers that hold the submission entry (reads).
    pub const ENTRY: u64 = 0;
    /// Program memory (reads).
    pub const PROGRAM: u64 = 1;
    /// Parameter memory (reads).
    pub const PARAMETERS: u64 = 2;
    /// Weight memory (reads).
    pub const WEIGHTS: u64 = 3;
    /// Scratchpad (reads and writes).
    pub const SCRATCHPAD: u64 = 4;
    /// The words of the completion entry (writes).
    pub const COMPLETION: u64 = 5;
    /// The words of the statistics block (writes).
    pub const STATISTICS: u64 = 6;
    /// The words of a trace record (writes).
    pub const TRACE: u64 = 7;
}
