//! The board's serial line, seen from the host's adapter: bytes to levels and back, with a clock
//! of its own that may differ from the board's.
//!
//! Written after the definition of a UART, not after the hardware that is at the other end.

use std::collections::VecDeque;

/// Bits of a byte on the line: start, data, stop.
const FRAME_BITS: usize = 10;

/// Sends bytes as levels.
#[derive(Debug)]
pub struct LineSender {
    bit_cycles: f64,
    queue: VecDeque<u8>,
    current: Option<u8>,
    elapsed: f64,
}

impl LineSender {
    /// A sender whose bits last this many cycles of the board's clock.
    pub fn new(bit_cycles: f64) -> Self {
        Self {
            bit_cycles,
            queue: VecDeque::new(),
            current: None,
            elapsed: 0.0,
        }
    }

    /// Appends bytes to what is to be sent.
    pub fn send(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
    }

    /// Bytes that have not been sent to their ends.
    pub fn pending(&self) -> usize {
        self.queue.len() + usize::from(self.current.is_some())
    }

    /// The line's level in the next cycle.
    pub fn level(&mut self) -> bool {
        if self.current.is_none() {
            self.current = self.queue.pop_front();
        }
        let Some(byte) = self.current else {
            return true;
        };
        let index = (self.elapsed / self.bit_cycles) as usize;
        self.elapsed += 1.0;
        let length = self.bit_cycles * FRAME_BITS as f64;
        if self.elapsed >= length {
            // The next byte begins where this one ends, between two cycles perhaps.
            self.current = self.queue.pop_front();
            self.elapsed = if self.current.is_some() {
                self.elapsed - length
            } else {
                0.0
            };
        }
        match index {
            0 => false,
            1..=8 => byte >> (index - 1) & 1 == 1,
            _ => true,
        }
    }
}

/// Receives bytes from levels.
#[derive(Debug)]
pub struct LineReceiver {
    bit_cycles: f64,
    /// Cycles since the start bit's edge, and the bits sampled so far.
    started: Option<(f64, u32, u32)>,
}

impl LineReceiver {
    /// A receiver whose bits last this many cycles of the board's clock.
    pub fn new(bit_cycles: f64) -> Self {
        Self {
            bit_cycles,
            started: None,
        }
    }

    /// Whether no byte is under way.
    pub fn is_idle(&self) -> bool {
        self.started.is_none()
    }

    /// Takes the level of one cycle; a byte whose stop bit is low is dropped.
    pub fn sample(&mut self, level: bool) -> Option<u8> {
        let Some((elapsed, mut bits, mut count)) = self.started else {
            if !level {
                self.started = Some((1.0, 0, 0));
            }
            return None;
        };
        let due = (f64::from(count) + 0.5) * self.bit_cycles;
        if elapsed >= due {
            bits |= u32::from(level) << count;
            count += 1;
        }
        if count as usize == FRAME_BITS {
            self.started = None;
            let framed = bits & 1 == 0 && bits >> 9 == 1;
            return framed.then_some((bits >> 1) as u8);
        }
        self.started = Some((elapsed + 1.0, bits, count));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_a_difference_of_clocks() {
        let bytes: Vec<u8> = (0..=255).collect();
        for deviation in [0.97, 1.0, 1.03] {
            let mut sender = LineSender::new(8.0 * deviation);
            let mut receiver = LineReceiver::new(8.0);
            sender.send(&bytes);
            let mut received = Vec::new();
            while sender.pending() > 0 {
                received.extend(receiver.sample(sender.level()));
            }
            received.extend((0..100).filter_map(|_| receiver.sample(true)));
            assert_eq!(received, bytes, "{deviation}");
        }
    }
}
