//! Random models: programs that read only what they have written, their weights and parameters.
//!
//! ```text
//!  LOAD_ROWS ------> buffers --+--> MATRIX, DEPTHWISE, POOL --> buffers --+--> STORE_ROWS
//!  LOAD_WORKSPACE ->           |                 ^                        +--> STORE_WORKSPACE
//!                              +-----------------|------------------------'
//!                               LOAD_WEIGHTS ----'
//! ```
//!
//! An instruction's output never overlaps what it reads, but for a sum that replaces what it adds,
//! so no result depends on the order in which hardware works inside an instruction. `overlap.rs`
//! then finds out which instructions may run side by side.

mod buffers;
mod compute;
mod numbers;
mod overlap;
mod results;
mod transfers;

#[cfg(test)]
mod tests;

use systole_regs::Configuration;
use systole_regs::image::Parameter;
use systole_regs::instructions::Transfer;

use super::case::Model;
use super::random::Random;
use buffers::Buffer;
use overlap::Step;

/// Bytes of weights of a model, about: loading them must not take longer than using them.
const WEIGHT_BYTES: usize = 6 * 1024;

/// A model under construction.
pub(super) struct ModelBuilder<'a> {
    configuration: &'a Configuration,
    random: &'a mut Random,
    group_rows: u32,
    steps: Vec<Step>,
    parameters: Vec<Parameter>,
    /// Weight tiles of the region.
    tiles: usize,
    /// Tiles that were streamed: address and count.
    streamed: Vec<(usize, usize)>,
    /// What a pass has written so far.
    buffers: Vec<Buffer>,
    /// Parts of the scratchpad that nothing else may overwrite: start and end.
    kept: Vec<(u32, u32)>,
    /// The loading of a first group, whose next groups are loaded ahead.
    ahead: Option<Step>,
    input_bytes: u32,
    output_bytes: u32,
    workspace_bytes: u32,
    stream_bytes: usize,
}

impl<'a> ModelBuilder<'a> {
    /// A model that works. Its image is not placed yet.
    pub fn build(configuration: &'a Configuration, random: &'a mut Random) -> Model {
        // Sometimes more rows than there are accumulators.
        let large = random.chance(4);
        let group_rows = match large {
            true => configuration.accumulator_rows as u32 + random.size(1, 5),
            false => random.pick(&[1, 1, 2, 3, 4, 5, 7, 11]),
        };
        let mut builder = ModelBuilder {
            configuration,
            random,
            group_rows,
            steps: Vec::new(),
            parameters: Vec::new(),
            tiles: 0,
            streamed: Vec::new(),
            buffers: Vec::new(),
            kept: Vec::new(),
            ahead: None,
            input_bytes: 0,
            output_bytes: 0,
            workspace_bytes: 0,
            stream_bytes: 0,
        };
        builder.program(if large { 1 } else { 4 });
        builder.finish()
    }

    fn program(&mut self, layers: usize) {
        let ahead = self.random.chance(35);
        self.load_rows(ahead);
        if self.random.chance(30) {
            self.load_rows(false);
        }
        let layers = match self.random.chance(8) {
            true => 0,
            false => self.random.range(1, layers),
        };
        for _ in 0..layers {
            if self.random.chance(25) {
                self.load_weights();
            }
            self.compute();
            if self.random.chance(12) {
                self.store_workspace();
            }
            if self.random.chance(15) {
                self.load_workspace();
            }
            if self.random.chance(20) {
                self.store_rows(&self.buffers[self.buffers.len() - 1].clone());
            }
            if self.random.chance(10) {
                self.load_rows(false);
            }
        }
        self.store_rows(&self.buffers[self.buffers.len() - 1].clone());
        if self.random.chance(25) {
            let any = self.pick_buffer();
            self.store_rows(&any);
        }
        while self.output_bytes == 0 {
            // What is outside in whole words can't be stored, but another buffer can.
            self.load_rows(false);
            self.store_rows(&self.buffers[self.buffers.len() - 1].clone());
        }
        self.load_ahead();
        self.steps.push(Step {
            instruction: Transfer::default(),
            accesses: Vec::new(),
        });
    }

    fn finish(mut self) -> Model {
        let overlapped = self.random.chance(60);
        if overlapped {
            overlap::relax(&mut self.steps, self.random);
        }
        let mut program: Vec<Transfer> = self.steps.iter().map(|step| step.instruction).collect();
        if self.random.chance(20) {
            // Never reached, so it may be anything.
            let mut junk = Transfer::default();
            self.random.fill(bytemuck::bytes_of_mut(&mut junk));
            program.push(junk);
        }
        let tile_bytes = self.configuration.tile_bytes();
        let mut tiles = |bytes: usize| {
            let mut tiles = vec![0; bytes];
            for tile in tiles.chunks_mut(tile_bytes) {
                self.random.signed_bytes(tile);
            }
            tiles
        };
        let weights = tiles(self.tiles * tile_bytes);
        let stream = tiles(self.stream_bytes);
        Model {
            image_address: 0,
            stream_address: 0,
            program,
            parameters: self.parameters,
            weights: bytemuck::cast_slice(&weights).to_vec(),
            stream: bytemuck::cast_slice(&stream).to_vec(),
            group_rows: self.group_rows as u16,
            input_bytes: self.input_bytes as usize,
            output_bytes: self.output_bytes as usize,
            workspace_bytes: self.workspace_bytes as usize,
            overlapped,
            fault: None,
        }
    }

    fn rows(&self) -> u32 {
        self.configuration.rows as u32
    }

    fn columns(&self) -> u32 {
        self.configuration.columns as u32
    }

    /// Weight tiles that a computation may take.
    fn tiles_max(&self) -> u32 {
        let most = (WEIGHT_BYTES / self.configuration.tile_bytes()) as u32;
        most.min(compute::VECTORS_MAX / self.group_rows)
    }

    /// One of the buffers, the last one more often.
    fn pick_buffer(&mut self) -> Buffer {
        let last = self.buffers.len() - 1;
        let any = self.random.range(0, last);
        self.buffers[self.random.pick(&[last, any])]
    }

    /// Whether a part of the scratchpad must stay as it is.
    fn is_kept(&self, start: u32, end: u32) -> bool {
        self.kept
            .iter()
            .any(|&(first, last)| start < last && first < end)
    }

    /// A place in the scratchpad apart from what the instruction reads, mostly a free one, often
    /// at one of the ends. `None` if there is hardly any.
    fn place(&mut self, bytes: u32, reads: &[(u64, u64)]) -> Option<u32> {
        let last = (self.configuration.scratchpad_bytes as u32).checked_sub(bytes)?;
        let reuse = self.random.chance(15);
        for tries in 0..200 {
            let address = match self.random.range(0, 6) {
                0 => 0,
                1 => last,
                2 => self.random.size(0, last) & !7,
                _ => self.random.size(0, last),
            };
            let end = address + bytes;
            let apart = reads
                .iter()
                .all(|&(first, last)| u64::from(end) <= first || last <= u64::from(address));
            let free = !self.buffers.iter().any(|buffer| buffer.meets(address, end));
            if apart && !self.is_kept(address, end) && (free || reuse || tries > 100) {
                return Some(address);
            }
        }
        None
    }

    /// Forgets what is overwritten.
    fn overwrite(&mut self, start: u32, end: u32) {
        self.buffers.retain(|buffer| !buffer.meets(start, end));
    }
}
