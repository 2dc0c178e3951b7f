//! The link between host and device, as a few numbers.
//!
//! ```text
//!  host    doorbell            entry            rows                results  completion
//!            \                 ^  \             ^  \                  ^         ^
//!   posted    \       round   /    \   round   /    \                /         / posted
//!              v      trip   /      v  trip   /      v  cycles      /         /
//!  device       ------------'        --------'        -------------'---------'
//! ```
//!
//! A batch waits for two posted writes, for two reads of which each needs the other's data, and
//! for its bytes at the link's rate. The simulated bus answers within cycles, and the device's
//! cycles include that; so the model adds a little more than a real link would.

use serde::Serialize;

/// A model of a PCIe link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Link {
    /// What is modelled.
    pub name: &'static str,
    /// Time of a posted write from one end to the other, in microseconds.
    pub posted_write_us: f64,
    /// Posted writes that a batch waits for: the doorbell and the completion.
    pub posted_writes: u32,
    /// Time of a read from the device's request to the data, in microseconds.
    pub read_round_trip_us: f64,
    /// Reads that a batch waits for one after the other: the queue entry, then its first rows.
    pub read_round_trips: u32,
    /// Payload in a microsecond, in bytes.
    pub bytes_per_us: f64,
    /// What is left out.
    pub leaves_out: &'static str,
}

/// Bytes of the queue entry and the completion.
const QUEUE_BYTES: u64 = 64 + 16;

impl Link {
    /// One lane at 5 GT/s, what an ECP5's transceiver does: 500 bytes/us after 8b/10b coding, of
    /// which headers leave 400 at payloads of 128 bytes. The times are what DMA of small packets
    /// takes on servers (Neugebauer et al., Understanding PCIe performance for end host
    /// networking, SIGCOMM 2018), rounded up.
    pub const GEN2_X1: Link = Link {
        name: "PCIe, 5 GT/s, one lane",
        posted_write_us: 0.4,
        posted_writes: 2,
        read_round_trip_us: 1.0,
        read_round_trips: 2,
        bytes_per_us: 400.0,
        leaves_out: "software of the driver, contention, interrupts (completions are polled)",
    };

    /// Time that the link adds to a batch with this many bytes of rows in and out, in
    /// microseconds.
    pub fn microseconds(&self, row_bytes: u64) -> f64 {
        f64::from(self.posted_writes) * self.posted_write_us
            + f64::from(self.read_round_trips) * self.read_round_trip_us
            + (row_bytes + QUEUE_BYTES) as f64 / self.bytes_per_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_batches_cost_round_trips_and_large_ones_their_bytes() {
        let link = Link::GEN2_X1;
        assert!((link.microseconds(0) - 3.0).abs() < 1e-9);
        assert!((link.microseconds(400_000) - 1003.0).abs() < 1e-9);
    }
}
