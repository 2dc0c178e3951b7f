//! Cycles by cause.

use std::ops::{AddAssign, Index, IndexMut};

/// What a cycle was spent on, in the order in which the device's counters look for a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A vector was read, for the array or the lanes.
    Vector,
    /// The computation waited for accumulators: requantization is slower.
    Requantize,
    /// The computation prepared: operands, or weights of a block of channels.
    Prepare,
    /// The last vector was read, its results weren't written yet.
    Drain,
    /// Nothing was computed, and a DMA read was under way.
    DmaRead,
    /// Nothing was computed, and a DMA write was under way.
    DmaWrite,
    /// Everything else: the entry, fetching, decoding and checking instructions.
    Control,
}

impl Cause {
    /// Every cause, in order.
    pub const ALL: [Cause; 7] = [
        Cause::Vector,
        Cause::Requantize,
        Cause::Prepare,
        Cause::Drain,
        Cause::DmaRead,
        Cause::DmaWrite,
        Cause::Control,
    ];

    /// Name for people and for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Vector => "vectors",
            Cause::Requantize => "requantize",
            Cause::Prepare => "prepare",
            Cause::Drain => "drain",
            Cause::DmaRead => "dma_read",
            Cause::DmaWrite => "dma_write",
            Cause::Control => "control",
        }
    }
}

/// Cycles by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost([u64; Cause::ALL.len()]);

impl Cost {
    /// All cycles.
    pub fn cycles(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Index<Cause> for Cost {
    type Output = u64;

    fn index(&self, cause: Cause) -> &u64 {
        &self.0[cause as usize]
    }
}

impl IndexMut<Cause> for Cost {
    fn index_mut(&mut self, cause: Cause) -> &mut u64 {
        &mut self.0[cause as usize]
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        for (sum, cycles) in self.0.iter_mut().zip(other.0) {
            *sum += cycles;
        }
    }
}
