//! Random models: programs that read only what they have written, their weights and parameters.
//!
//! ```text
//!  LOAD_ROWS -> buffer --+--> MATRIX -> buffer --+--> STORE_ROWS -> host
//!                        +--> MATRIX ...         +--> MATRIX ...
//! ```
//!
//! Buffers lie anywhere in the scratchpad without overlap, so that no result depends on the order
//! in which hardware works inside an instruction.

use systole_regs::Configuration;
use systole_regs::image::Parameter;
use systole_regs::instructions::{Instruction, opcode, rounding};

use super::case::Model;
use super::random::Random;

/// What a pass has written to the scratchpad: for each row b, `bytes` bytes at
/// `address + b * stride`.
#[derive(Clone, Copy)]
struct Buffer {
    address: u32,
    stride: u32,
    bytes: u32,
}

/// A way to read a buffer: strides and addresses that the reading instruction allows.
struct View {
    address: u32,
    stride: u32,
    bytes: u32,
}

impl Buffer {
    /// What an instruction that wants multiples of `alignment` can read of it.
    fn view(&self, alignment: u32, random: &mut Random) -> Option<View> {
        let first = self.address.next_multiple_of(alignment);
        let skipped = first - self.address;
        if skipped >= self.bytes {
            return None;
        }
        let stride = if random.chance(8) {
            // Every row reads the first.
            0
        } else if self.stride.is_multiple_of(alignment) {
            self.stride
        } else if self.stride == self.bytes {
            // Rows without gaps: other strides meet other bytes, all of them written.
            self.stride / alignment * alignment
        } else {
            0
        };
        Some(View {
            address: first,
            stride,
            bytes: self.bytes - skipped,
        })
    }
}

pub(super) struct ModelBuilder<'a> {
    configuration: &'a Configuration,
    random: &'a mut Random,
    group_rows: u32,
    program: Vec<Instruction>,
    parameters: Vec<Parameter>,
    tiles: usize,
    taken: Vec<(u32, u32)>,
    buffers: Vec<Buffer>,
    input_bytes: u32,
    output_bytes: u32,
}

impl<'a> ModelBuilder<'a> {
    /// A model that works. Its image is not placed yet.
    pub fn build(configuration: &'a Configuration, random: &'a mut Random) -> Model {
        // Sometimes more rows than there are accumulators.
        let large = random.chance(4);
        let group_rows = match large {
            true => configuration.accumulator_rows as u32 + random.range(1, 5) as u32,
            false => random.pick(&[1, 2, 3, 4, 5, 7, 8, 11]),
        };
        let mut builder = ModelBuilder {
            configuration,
            random,
            group_rows,
            program: Vec::new(),
            parameters: Vec::new(),
            tiles: 0,
            taken: Vec::new(),
            buffers: Vec::new(),
            input_bytes: 0,
            output_bytes: 0,
        };
        builder.program(if large { 1 } else { 3 });
        builder.finish()
    }

    fn program(&mut self, layers: usize) {
        for _ in 0..self.random.range(1, layers.min(2)) {
            self.load_rows();
        }
        for _ in 0..self.random.range(0, layers) {
            self.matrix();
            if self.random.chance(20) {
                self.store_rows(self.buffers.len() - 1);
            }
        }
        self.store_rows(self.buffers.len() - 1);
        if self.random.chance(30) {
            let any = self.random.range(0, self.buffers.len() - 1);
            self.store_rows(any);
        }
        if self.output_bytes == 0 {
            // What was loaded can always be stored.
            self.store_rows(0);
        }
        self.program.push(Instruction {
            opcode: opcode::END,
            ..Default::default()
        });
        if self.random.chance(20) {
            // Never reached, so it may be anything.
            let mut junk = Instruction::default();
            self.random.fill(bytemuck::bytes_of_mut(&mut junk));
            self.program.push(junk);
        }
    }

    fn finish(self) -> Model {
        let mut weights = vec![0; self.tiles * self.configuration.tile_bytes()];
        for tile in weights.chunks_mut(self.configuration.tile_bytes()) {
            self.random.signed_bytes(tile);
        }
        let lanes = self.configuration.requantize_lanes;
        let mut parameters = self.parameters;
        parameters.resize(
            parameters.len().next_multiple_of(lanes),
            Parameter::default(),
        );
        Model {
            image_address: 0,
            program: self.program,
            parameters,
            weights: bytemuck::cast_slice(&weights).to_vec(),
            group_rows: self.group_rows as u16,
            input_bytes: self.input_bytes as usize,
            output_bytes: self.output_bytes as usize,
            fault: None,
        }
    }

    fn load_rows(&mut self) {
        let host_offset = self.input_bytes + 8 * self.random.range(0, 2) as u32;
        let row_bytes = self.random.range(1, 72) as u32;
        let bytes = row_bytes.next_multiple_of(8);
        let stride = bytes + 8 * self.random.pick(&[0, 0, 1, 3]);
        let address = self.place(stride, bytes, 8);
        self.input_bytes = host_offset + bytes;
        self.buffers.push(Buffer {
            address,
            stride,
            bytes,
        });
        self.program.push(Instruction {
            opcode: opcode::LOAD_ROWS,
            output_address: address,
            output_batch_stride: stride,
            row_bytes,
            host_offset,
            ..Default::default()
        });
    }

    fn store_rows(&mut self, buffer: usize) {
        let Some(view) = self.buffers[buffer].view(8, self.random) else {
            return;
        };
        let host_offset =
            self.output_bytes.next_multiple_of(8) + 8 * self.random.range(0, 1) as u32;
        let row_bytes = if self.random.chance(50) {
            view.bytes
        } else {
            self.random.range(1, view.bytes as usize) as u32
        };
        // The bounds are those of whole words.
        let last = view.address + (self.group_rows - 1) * view.stride;
        if (last + row_bytes.next_multiple_of(8)) as usize > self.configuration.scratchpad_bytes {
            return;
        }
        self.output_bytes = host_offset + row_bytes;
        self.program.push(Instruction {
            opcode: opcode::STORE_ROWS,
            input_address: view.address,
            input_batch_stride: view.stride,
            row_bytes,
            host_offset,
            ..Default::default()
        });
    }

    /// A layer on a buffer that is wide enough for one row vector; none if there is none.
    fn matrix(&mut self) {
        let (r, c) = (
            self.configuration.rows as u32,
            self.configuration.columns as u32,
        );
        let lanes = self.configuration.requantize_lanes as u32;
        let source = self.random.range(0, self.buffers.len() - 1);
        let Some(view) = self.buffers[source].view(r, self.random) else {
            return;
        };
        let widest = view.bytes / r;
        if widest == 0 {
            return;
        }
        let input_tiles = self.random.range(1, widest.min(5) as usize) as u32;
        let column_tiles = self.random.range(1, 3) as u32;
        let bytes = column_tiles * c;
        let stride = match self.random.range(0, 3) {
            0 => bytes,
            1 => (bytes + lanes * self.random.range(0, 5) as u32).next_multiple_of(lanes),
            _ => (bytes + 8 * self.random.range(0, 3) as u32).next_multiple_of(r.max(8)),
        };
        let output_address = self.place(stride, bytes, c.max(lanes));
        self.buffers.push(Buffer {
            address: output_address,
            stride,
            bytes,
        });

        let new_tiles = (input_tiles * column_tiles) as usize;
        let weight_address = if self.tiles >= new_tiles && self.random.chance(15) {
            // Shares tiles with an earlier layer.
            self.random.range(0, self.tiles - new_tiles)
        } else {
            self.tiles += self.random.pick(&[0, 0, 0, 1]);
            let address = self.tiles;
            self.tiles += new_tiles;
            address
        };
        let gap = self.random.pick(&[0, 0, 1]) * lanes as usize;
        self.parameters
            .resize(self.parameters.len() + gap, Parameter::default());
        let parameter_address = self.parameters.len();
        let terms = i64::from(input_tiles * r);
        for _ in 0..bytes {
            let parameter = self.parameter(terms);
            self.parameters.push(parameter);
        }

        let accumulators = self.configuration.accumulator_rows;
        let block_rows = match self.random.range(0, 4) {
            0 => 1,
            1 => 2,
            2 => accumulators,
            3 => accumulators / 2,
            _ => self.random.range(1, accumulators),
        };
        let (clamp_minimum, clamp_maximum, output_zero_point) = self.output_range();
        self.program.push(Instruction {
            opcode: opcode::MATRIX,
            rounding: self.random.pick(&[rounding::SINGLE, rounding::DOUBLE]),
            block_rows: block_rows as u16,
            column_tiles: column_tiles as u16,
            input_address: view.address,
            output_address,
            input_batch_stride: view.stride,
            output_batch_stride: stride,
            weight_address: weight_address as u16,
            parameter_address: parameter_address as u16,
            input_tiles: input_tiles as u16,
            output_zero_point,
            clamp_minimum,
            clamp_maximum,
            pad_value: self.random.pick(&[0, -128, 127, 5]),
            kernel_height: 1,
            kernel_width: 1,
            stride_y: 1,
            stride_x: 1,
            input_height: 1,
            input_width: 1,
            output_height: 1,
            output_width: 1,
            ..Default::default()
        });
    }

    fn output_range(&mut self) -> (i8, i8, i8) {
        let random = &mut *self.random;
        let zero_point = match random.range(0, 2) {
            0 => random.pick(&[-128, 127, 0]),
            _ => random.word() as i8,
        };
        let (minimum, maximum) = match random.range(0, 5) {
            0 => (zero_point, 127),
            1 => random.pick(&[(-128, -128), (127, 127), (0, 0)]),
            2 => {
                let (a, b) = (random.word() as i8, random.word() as i8);
                (a.min(b), a.max(b))
            }
            _ => (-128, 127),
        };
        (minimum, maximum, zero_point)
    }

    /// Parameters of a channel that sums `terms` products: mostly a scale that brings the sums
    /// into the range of a byte, else anything.
    fn parameter(&mut self, terms: i64) -> Parameter {
        let random = &mut *self.random;
        let mut parameter = Parameter::default();
        if random.chance(60) {
            // Random bytes make sums of about 5,000 * sqrt(terms); 2^shift brings them below 128.
            let size = 5_000 * terms.isqrt();
            let bits = 64 - (size / 64).leading_zeros() as i32;
            parameter.bias = random.range(0, 2 * size as usize) as i32 - size as i32;
            parameter.multiplier = random.range(1 << 30, i32::MAX as usize) as i32;
            parameter.shift = (random.range(0, 4) as i32 - bits - 1) as i8;
        } else {
            parameter.bias = random.extreme();
            parameter.multiplier = match random.range(0, 5) {
                0 => 0,
                1 => 1,
                2 => i32::MAX,
                3 => 1 << 30,
                // Beyond what models have; the hardware takes it as signed all the same.
                4 if random.chance(30) => random.pick(&[i32::MIN, -1, -(1 << 30)]),
                _ => random.range(0, i32::MAX as usize) as i32,
            };
            parameter.shift = if random.chance(4) {
                random.pick(&[i8::MIN, -32, 31, i8::MAX])
            } else {
                random.range(0, 61) as i8 - 31
            };
        }
        parameter
    }

    /// A free place in the scratchpad for the group's rows, often at one of its ends.
    fn place(&mut self, stride: u32, bytes: u32, alignment: u32) -> u32 {
        // Whole words, as they are read in words.
        let extent = ((self.group_rows - 1) * stride + bytes).next_multiple_of(8);
        let last = (self.configuration.scratchpad_bytes as u32 - extent) / alignment * alignment;
        let step = (last / alignment) as usize;
        let mut tries = 0;
        loop {
            let address = match self.random.range(0, 4) {
                0 => 0,
                1 => last,
                _ => self.random.range(0, step) as u32 * alignment,
            };
            let end = address + extent;
            if self
                .taken
                .iter()
                .all(|&(start, stop)| end <= start || stop <= address)
            {
                self.taken.push((address, end));
                return address;
            }
            tries += 1;
            assert!(
                tries < 10_000,
                "the buffers of a program fill a small part of the scratchpad"
            );
        }
    }
}
