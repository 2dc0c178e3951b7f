//! Random choices with a taste for the edges.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A seeded source of choices; the same on every machine.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number of `low..=high`.
    pub fn range(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }

    /// A number of `low..=high`, as the fields of instructions want it.
    pub fn size(&mut self, low: u32, high: u32) -> u32 {
        self.0.random_range(low..=high)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }

    /// One of a few.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices
            .choose(&mut self.0)
            .expect("callers pass lists that are not empty")
    }

    pub fn word(&mut self) -> u32 {
        self.0.random()
    }

    pub fn wide(&mut self) -> u64 {
        self.0.random()
    }

    /// A byte that is not zero.
    pub fn nonzero_byte(&mut self) -> u8 {
        self.0.random_range(1..=u8::MAX)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Bytes as rows or weights have them: now random, now all at one end of the range.
    pub fn signed_bytes(&mut self, bytes: &mut [u8]) {
        match self.range(0, 9) {
            0 => bytes.fill(0x80),
            1 => bytes.fill(0x7f),
            2 => {
                for byte in bytes {
                    *byte = self.pick(&[0x80, 0x7f]);
                }
            }
            3 => {
                for byte in bytes {
                    *byte = self.pick(&[0x80, 0x81, 0xff, 0, 1, 0x7e, 0x7f]);
                }
            }
            4 => bytes.fill(0),
            _ => self.fill(bytes),
        }
    }

    /// A 32-bit number near one of the edges, or anywhere.
    pub fn extreme(&mut self) -> i32 {
        match self.range(0, 3) {
            0 => self.pick(&[i32::MIN, i32::MIN + 1, i32::MAX, i32::MAX - 1]),
            1 => self.pick(&[0, 1, -1, 1 << 30, -(1 << 30), (1 << 30) - 1]),
            2 => self.0.random_range(-100_000..=100_000),
            _ => self.0.random(),
        }
    }
}
