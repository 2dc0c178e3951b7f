//! A machine for one computation: scratchpad, weights and parameters full of random bytes, so that
//! whatever it reads or writes beyond what it should shows.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::core::{DmaError, Host};
use crate::model::memories::{Memories, Region, Slot};
use crate::model::program::Pass;

/// One group of rows in a machine.
pub struct Machine {
    pub configuration: Configuration,
    pub memories: Memories,
    pub slot: Slot,
    pub rows: u32,
}

pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Fills megabytes in a test that isn't optimized as a whole (xorshift, Marsaglia 2003).
fn fill(bytes: &mut [i8], random: &mut ChaCha8Rng) {
    let mut state = random.random_range(1..=u64::MAX);
    for byte in bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = (state >> 32) as i8;
    }
}

impl Machine {
    /// All memories are the model's, but for a few entries before it.
    pub fn new(configuration: Configuration, rows: u32, random: &mut ChaCha8Rng) -> Self {
        let mut memories = Memories::new(&configuration);
        fill(&mut memories.scratchpad, random);
        fill(&mut memories.weights, random);
        for parameter in &mut memories.parameters {
            *parameter = Parameter {
                bias: random.random_range(-20_000..20_000),
                multiplier: random.random_range(1 << 30..=i32::MAX),
                shift: random.random_range(-10..=-6),
                ..Parameter::default()
            };
        }
        let lanes = configuration.requantize_lanes as u16;
        let slot = Slot {
            valid: true,
            program: Region { base: 5, count: 2 },
            parameters: Region {
                base: 3 * lanes,
                count: configuration.parameter_entries as u16 - 3 * lanes,
            },
            weights: Region {
                base: 7,
                count: configuration.weight_tiles as u16 - 7,
            },
            group_rows: rows as u16,
            ..Slot::default()
        };
        Machine {
            configuration,
            memories,
            slot,
            rows,
        }
    }

    /// Carries out one instruction.
    pub fn run(&mut self, compute: Compute) -> Statistics {
        self.memories.program[5] = word(compute);
        self.memories.program[6] = end();
        let mut statistics = Statistics::zeroed();
        let pass = Pass {
            configuration: &self.configuration,
            memories: &mut self.memories,
            slot: &self.slot,
            entry: &run_entry(self.rows),
            first_row: 0,
            rows: self.rows,
        };
        let result = pass.run(&mut Nowhere, &mut statistics);
        assert_eq!(result, Ok(()), "{compute:?}");
        statistics
    }

    /// Byte `byte` of a weight tile of the model.
    pub fn weight(&mut self, tile: usize, byte: usize) -> &mut i8 {
        let tile_bytes = self.configuration.tile_bytes();
        &mut self.memories.weights[(7 + tile) * tile_bytes + byte]
    }

    /// A parameter entry of the model.
    pub fn parameter(&self, index: usize) -> Parameter {
        self.memories.parameters[self.slot.parameters.start() + index]
    }

    /// The scratchpad as it should be after a computation: each result at its place. A result is
    /// computed from row, output row, output column and channel.
    pub fn expect(&self, i: &Compute, mut result: impl FnMut([usize; 4]) -> i8) -> Vec<i8> {
        let mut scratchpad = self.memories.scratchpad.clone();
        for b in 0..self.rows as usize {
            for oy in 0..usize::from(i.output_height) {
                for ox in 0..usize::from(i.output_width) {
                    for channel in 0..usize::from(i.channels) {
                        let address = i.output_address as usize
                            + b * i.output_batch_stride as usize
                            + oy * usize::from(i.output_row_stride)
                            + ox * usize::from(i.output_pixel_stride)
                            + channel;
                        scratchpad[address] = result([b, oy, ox, channel]);
                    }
                }
            }
        }
        scratchpad
    }

    /// Lays the output tensor out from `address` on with random gaps.
    pub fn place_output(&self, i: &mut Compute, address: u32, random: &mut ChaCha8Rng) {
        i.output_address = address + random.random_range(0..8);
        i.output_pixel_stride = i.channels + random.random_range(0..4);
        i.output_row_stride = i.output_width * i.output_pixel_stride + random.random_range(0..4);
        i.output_batch_stride =
            u32::from(i.output_height) * u32::from(i.output_row_stride) + random.random_range(0..4);
    }

    /// Compares the scratchpad with what it should be.
    pub fn check(&self, i: &Compute, expected: &[i8]) {
        let wrong = self
            .memories
            .scratchpad
            .iter()
            .zip(expected)
            .position(|(a, b)| a != b);
        assert_eq!(wrong, None, "{} rows, {i:?}", self.rows);
    }
}

/// A host that a computation has no business with.
struct Nowhere;

impl Host for Nowhere {
    fn dma_read(&mut self, address: u64, _: &mut [u8]) -> Result<(), DmaError> {
        Err(DmaError::Unmapped { address })
    }
    fn dma_write(&mut self, address: u64, _: &[u8]) -> Result<(), DmaError> {
        Err(DmaError::Unmapped { address })
    }
    fn interrupt(&mut self, _: u16) {}
}
