//! The instruction set as its description says it, byte by byte and without any cleverness, for
//! programs that have no network behind them.
//!
//! ```text
//!  Program --> Machine: scratchpad, weights, parameters, workspace --> output rows
//! ```

use systole_regs::image::Parameter;
use systole_regs::instructions::{Compute, Transfer, feature, flag, opcode};

use super::super::{Instruction, Program, Target};

/// One device that runs one program.
struct Machine<'a> {
    program: &'a Program,
    target: &'a Target,
    scratchpad: Vec<u8>,
    weights: Vec<i8>,
    workspace: Vec<u8>,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// Runs a program on rows of values.
pub(super) fn run(program: &Program, values: &[i8]) -> Vec<i8> {
    let rows = values.len() / program.input.elements();
    let mut input = vec![0; rows * program.input.stride];
    for (offset, span) in program.input.lines(rows) {
        for (byte, &value) in input[offset..].iter_mut().zip(&values[span]) {
            *byte = value as u8;
        }
    }
    let mut machine = Machine {
        program,
        target: &program.target,
        scratchpad: vec![0x55; program.target.scratchpad_bytes],
        weights: program.weights.clone(),
        workspace: vec![0x66; program.workspace_bytes],
        input,
        output: vec![0x77; rows * program.output.stride],
    };
    let group = usize::from(program.group_rows);
    for first in (0..rows).step_by(group) {
        let count = group.min(rows - first);
        let next = group.min(rows - first - count);
        for step in &program.steps {
            match &step.instruction {
                Instruction::Transfer(i) => match i.flags {
                    flag::FIRST_GROUP if first > 0 => {}
                    flag::NEXT_GROUP => machine.transfer(i, first + count, next),
                    _ => machine.transfer(i, first, count),
                },
                Instruction::Compute(i) => machine.compute(i, count),
            }
        }
    }
    let mut outputs = vec![0; rows * program.output.elements()];
    for (offset, span) in program.output.lines(rows) {
        for (value, &byte) in outputs[span].iter_mut().zip(&machine.output[offset..]) {
            *value = byte as i8;
        }
    }
    outputs
}

impl Machine<'_> {
    fn transfer(&mut self, i: &Transfer, first: usize, rows: usize) {
        let (address, bytes) = (i.scratchpad_address as usize, i.row_bytes as usize);
        let (offset, stride) = (i.host_offset as usize, i.scratchpad_stride as usize);
        assert!(offset.is_multiple_of(8));
        let words = bytes.next_multiple_of(8);
        match i.opcode {
            opcode::LOAD_ROWS => {
                for row in 0..rows {
                    let source = (first + row) * self.program.input.stride + offset;
                    let target = address + row * stride;
                    self.scratchpad[target..target + words]
                        .copy_from_slice(&self.input[source..source + words]);
                }
            }
            opcode::STORE_ROWS => {
                for row in 0..rows {
                    let target = (first + row) * self.program.output.stride + offset;
                    let source = address + row * stride;
                    self.output[target..target + bytes]
                        .copy_from_slice(&self.scratchpad[source..source + bytes]);
                }
            }
            opcode::LOAD_WEIGHTS => {
                let tile = self.target.tile_bytes();
                let length = usize::from(i.count) * tile;
                self.weights[usize::from(i.weight_address) * tile..][..length]
                    .copy_from_slice(&self.program.stream[offset..offset + length]);
            }
            opcode::LOAD_WORKSPACE => {
                // The workspace's memory is a multiple of words.
                self.scratchpad[address..address + words]
                    .copy_from_slice(&self.workspace[offset..offset + words]);
            }
            opcode::STORE_WORKSPACE => self.workspace[offset..offset + bytes]
                .copy_from_slice(&self.scratchpad[address..address + bytes]),
            _ => assert_eq!(i.opcode, opcode::END),
        }
    }

    fn check(&self, i: &Compute) {
        let (rows, lanes) = (self.target.rows, self.target.requantize_lanes);
        let [kernel, window] = [i.kernel_height.into(), usize::from(i.window_bytes)];
        assert!(usize::from(i.parameter_address).is_multiple_of(lanes));
        if i.opcode == opcode::MATRIX {
            assert_eq!(i.phases, 0);
            let tiles =
                usize::from(i.input_tiles) * usize::from(i.channels).div_ceil(self.target.columns);
            assert!(
                (usize::from(i.weight_address) + tiles) * self.target.tile_bytes()
                    <= self.weights.len()
            );
            if kernel > 1 {
                let difference = i32::from(i.input_row_stride) - i32::from(i.window_bytes);
                assert!(window * 4 >= rows);
                assert_eq!(difference % self.target.word_bytes() as i32, 0);
            }
        } else {
            assert!((1..=256).contains(&i.input_tiles));
            let columns = if i.phases == 0 {
                i.input_tiles
            } else {
                i.phases.into()
            };
            assert!(i.opcode == opcode::POOL || kernel * usize::from(columns) <= 64);
            if i.phases > 0 {
                assert!(
                    u16::from(i.phases) <= i.input_tiles
                        && i.input_tiles <= 3 * u16::from(i.phases)
                );
                assert_eq!(i.column_step, 0);
            }
        }
        if i.flags & flag::RESIDUAL == 0 {
            assert_eq!(
                (
                    i.second_address,
                    i.sum_zero_point,
                    i.sum_minimum,
                    i.sum_maximum
                ),
                (0, 0, 0, 0)
            );
        }
        let needed = usize::from(i.channels).next_multiple_of(lanes)
            + if i.flags & flag::RESIDUAL != 0 {
                3_usize.next_multiple_of(lanes)
            } else {
                0
            };
        assert!(usize::from(i.parameter_address) + needed <= self.program.parameters.len());
    }

    fn compute(&mut self, i: &Compute, rows: usize) {
        self.check(i);
        for b in 0..rows {
            let input = i.input_address as usize + b * i.input_batch_stride as usize;
            let mut results = Vec::new();
            for oy in 0..usize::from(i.output_height) {
                for ox in 0..usize::from(i.output_width) {
                    for channel in 0..usize::from(i.channels) {
                        let sum = match i.opcode {
                            opcode::MATRIX => self.matrix(i, input, oy, ox, channel),
                            _ => self.by_channel(i, input, oy, ox, channel),
                        };
                        results.push(self.requantize(i, channel, sum));
                    }
                }
            }
            let mut results = results.into_iter();
            for oy in 0..usize::from(i.output_height) {
                for ox in 0..usize::from(i.output_width) {
                    for channel in 0..usize::from(i.channels) {
                        let distance = b * i.output_batch_stride as usize
                            + oy * usize::from(i.output_row_stride)
                            + ox * usize::from(i.output_pixel_stride)
                            + channel;
                        let mut value = results.next().expect("one each");
                        if i.flags & flag::RESIDUAL != 0 {
                            let second = self.scratchpad[i.second_address as usize + distance];
                            value = self.add(i, value, second as i8);
                        }
                        self.scratchpad[i.output_address as usize + distance] = value as u8;
                    }
                }
            }
        }
    }

    fn value(&self, i: &Compute, input: usize, y: i64, x: i64) -> i64 {
        let inside = (0..i64::from(i.input_height)).contains(&y)
            && (0..i64::from(i.input_row_bytes)).contains(&x);
        if inside {
            let address = input + y as usize * usize::from(i.input_row_stride) + x as usize;
            (self.scratchpad[address] as i8).into()
        } else {
            i.pad_value.into()
        }
    }

    fn matrix(&self, i: &Compute, input: usize, oy: usize, ox: usize, channel: usize) -> i64 {
        let (rows, columns) = (self.target.rows, self.target.columns);
        let window = usize::from(i.window_bytes);
        let mut sum = 0;
        for n in 0..usize::from(i.input_tiles) * rows {
            let s = n / window;
            let y = (oy * usize::from(i.stride_y) + s) as i64 - i64::from(i.pad_top);
            let x = (ox * usize::from(i.column_step) + n % window) as i64 - i64::from(i.pad_left);
            let value = if s < usize::from(i.kernel_height) {
                self.value(i, input, y, x)
            } else {
                i.pad_value.into()
            };
            let (m, k) = (channel / columns, n / rows);
            let tile = usize::from(i.weight_address) + m * usize::from(i.input_tiles) + k;
            let weight = self.weights
                [tile * self.target.tile_bytes() + n % rows * columns + channel % columns];
            sum += value * i64::from(weight);
        }
        sum + self.weight_products(i, channel)
    }

    /// What an array of inner products adds to the sums.
    fn weight_products(&self, i: &Compute, channel: usize) -> i64 {
        if self.target.features & feature::WEIGHT_PRODUCTS == 0 {
            return 0;
        }
        let (rows, columns) = (self.target.rows, self.target.columns);
        let tile = usize::from(i.weight_address) + channel / columns * usize::from(i.input_tiles);
        let tiles = &self.weights[tile * self.target.tile_bytes()..];
        (0..usize::from(i.input_tiles) * rows / 2)
            .map(|pair| {
                let weight = |row: usize| i64::from(tiles[row * columns + channel % columns]);
                weight(2 * pair) * weight(2 * pair + 1)
            })
            .sum()
    }

    fn by_channel(&self, i: &Compute, input: usize, oy: usize, ox: usize, channel: usize) -> i64 {
        let (kernel, columns) = (usize::from(i.kernel_height), usize::from(i.input_tiles));
        let (g, r) = (channel / self.target.rows, channel % self.target.rows);
        let phases = usize::from(i.phases);
        let step = match phases {
            0 => usize::from(i.column_step),
            phases => phases * usize::from(i.window_bytes),
        };
        let mut values = Vec::new();
        for row in 0..kernel {
            for j in 0..columns {
                let y = (oy * usize::from(i.stride_y) + row) as i64 - i64::from(i.pad_top);
                let x = (ox * step + j * usize::from(i.window_bytes) + channel) as i64
                    - i64::from(i.pad_left);
                let line = g * kernel + row;
                let (tile, m) = match phases {
                    0 => {
                        let (shared, step) = (self.target.columns.min(8), row * columns + j);
                        let tiles = (kernel * columns).div_ceil(shared);
                        (g * tiles + step / shared, step % shared)
                    }
                    phases => (line * phases + j % phases, j / phases),
                };
                let weight = match i.opcode {
                    opcode::POOL => 1,
                    _ => {
                        let tile = usize::from(i.weight_address) + tile;
                        self.weights[tile * self.target.tile_bytes() + r * self.target.columns + m]
                    }
                };
                values.push(self.value(i, input, y, x) * i64::from(weight));
            }
        }
        if i.flags & flag::MAXIMUM != 0 {
            values.into_iter().max().unwrap_or(0)
        } else {
            values.into_iter().sum()
        }
    }

    fn requantize(&self, i: &Compute, channel: usize, sum: i64) -> i8 {
        let parameter = &self.program.parameters[usize::from(i.parameter_address) + channel];
        requantize(
            sum,
            parameter,
            i.flags & flag::DOUBLE_ROUNDING != 0,
            (i.output_zero_point, i.clamp_minimum, i.clamp_maximum),
        )
    }

    fn add(&self, i: &Compute, first: i8, second: i8) -> i8 {
        let lanes = self.target.requantize_lanes;
        let entry =
            usize::from(i.parameter_address) + usize::from(i.channels).next_multiple_of(lanes);
        let parameters = &self.program.parameters[entry..entry + 3];
        add(
            [first, second],
            parameters,
            (i.sum_zero_point, i.sum_minimum, i.sum_maximum),
        )
    }
}

/// A sum as a byte: scaled, shifted to the zero point and clamped.
pub(super) fn requantize(
    sum: i64,
    parameter: &Parameter,
    double: bool,
    (zero_point, minimum, maximum): (i8, i8, i8),
) -> i8 {
    let sum = (sum as i32).wrapping_add(parameter.bias);
    let scaled = if double {
        double_rounding(sum, parameter)
    } else {
        let shift = 31 - i64::from(parameter.shift);
        (i64::from(sum) * i64::from(parameter.multiplier) + (1 << (shift - 1))) >> shift
    };
    (scaled + i64::from(zero_point)).clamp(minimum.into(), maximum.into()) as i8
}

fn double_rounding(sum: i32, parameter: &Parameter) -> i64 {
    let left = sum.wrapping_shl(u32::from(parameter.shift.max(0).unsigned_abs()));
    let product = i64::from(left) * i64::from(parameter.multiplier);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    let high = (product + nudge) / (1 << 31);
    let right = u32::from(parameter.shift.min(0).unsigned_abs());
    let mask = (1_i64 << right) - 1;
    let threshold = (mask >> 1) + i64::from(high < 0);
    (high >> right) + i64::from(high & mask > threshold)
}

/// The sum of two bytes.
pub(super) fn add(
    values: [i8; 2],
    parameters: &[Parameter],
    (zero_point, minimum, maximum): (i8, i8, i8),
) -> i8 {
    let half = |value: i8, parameter: &Parameter| {
        let value = (i32::from(value) + parameter.bias) << 20;
        let right = Parameter {
            shift: parameter.shift.min(0),
            ..*parameter
        };
        double_rounding(value, &right)
    };
    let sum = half(values[0], &parameters[0]) + half(values[1], &parameters[1]);
    let sum = (sum as i32).wrapping_add(parameters[2].bias);
    (double_rounding(sum, &parameters[2]) + i64::from(zero_point))
        .clamp(minimum.into(), maximum.into()) as i8
}
