//! Random programs: chains of dense layers with extreme values, and ways to spoil them.

use bytemuck::bytes_of;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use systole_regs::Configuration;
use systole_regs::image::Parameter;
use systole_regs::instructions::{Instruction, opcode, rounding};

/// A program with its data.
pub(super) struct Program {
    /// The instructions, with an end unless it was taken away.
    pub instructions: Vec<Instruction>,
    /// Parameter entries.
    pub parameters: Vec<Parameter>,
    /// Weight tiles, in bytes.
    pub weights: Vec<u8>,
    /// Rows of a pass.
    pub group_rows: u16,
    /// Bytes of an input row that are read.
    pub input_bytes: usize,
    /// Bytes of an output row that are written.
    pub output_bytes: usize,
    /// How it was spoilt, if it was.
    pub fault: Option<&'static str>,
}

impl Program {
    /// The model image.
    pub fn image(&self) -> Vec<u8> {
        let mut image = Vec::new();
        self.instructions
            .iter()
            .for_each(|i| image.extend_from_slice(bytes_of(i)));
        self.parameters
            .iter()
            .for_each(|p| image.extend_from_slice(bytes_of(p)));
        image.extend_from_slice(&self.weights);
        image
    }
}

/// Any byte, often an extreme one.
pub(super) fn byte(random: &mut ChaCha8Rng) -> i8 {
    match random.random_range(0..8) {
        0 => i8::MIN,
        1 => i8::MAX,
        2 => 0,
        3 => -1,
        _ => random.random(),
    }
}

/// Bytes of one style: all the same extreme, or mixed.
pub(super) fn bytes(random: &mut ChaCha8Rng, count: usize) -> Vec<u8> {
    match random.random_range(0..6) {
        0 => vec![i8::MIN as u8; count],
        1 => vec![i8::MAX as u8; count],
        _ => (0..count).map(|_| byte(random) as u8).collect(),
    }
}

fn parameter(random: &mut ChaCha8Rng, terms: usize) -> Parameter {
    let bias = match random.random_range(0..8) {
        0 => i32::MIN,
        1 => i32::MAX,
        2 => random.random(),
        _ => random.random_range(-100_000..100_000),
    };
    let multiplier = match random.random_range(0..8) {
        0 => i32::MAX,
        1 => 1 << 30,
        2 => 0,
        3 => random.random(),
        _ => random.random_range(1 << 30..=i32::MAX),
    };
    // Mostly a scale that leaves something of the sum; else anything from end to end and beyond.
    let usual = -(terms as f64 * 500.0).log2() as i8 - 1;
    let shift = match random.random_range(0..8) {
        0 => -31,
        1 => 30,
        2 => random.random(),
        3 => 0,
        _ => usual + random.random_range(-2..=2),
    };
    Parameter {
        bias,
        multiplier,
        shift,
        ..Parameter::default()
    }
}

/// A correct program of one to three layers, small enough for some thousand cycles.
pub(super) fn valid(c: &Configuration, random: &mut ChaCha8Rng) -> Program {
    let (rows, columns) = (c.rows, c.columns);
    let unit = rows.max(columns).max(8);
    let group_rows = random.random_range(1..=12_usize);
    let layers = random.random_range(1..=3);
    let mut program = Program {
        instructions: Vec::new(),
        parameters: Vec::new(),
        weights: Vec::new(),
        group_rows: group_rows as u16,
        input_bytes: 0,
        output_bytes: 0,
        fault: None,
    };
    let mut input_tiles = random.random_range(1..=5_usize);
    // DMA may end inside a vector; what the array reads beyond it meets weights of any value, so
    // rows are copied in whole vectors.
    program.input_bytes = (input_tiles * rows).next_multiple_of(8);
    let slack = random.random_range(0..3) * unit;
    let mut address = random.random_range(0..4) * unit;
    let mut stride = program.input_bytes.next_multiple_of(unit) + slack;
    program.instructions.push(Instruction {
        opcode: opcode::LOAD_ROWS,
        output_address: address as u32,
        output_batch_stride: stride as u32,
        row_bytes: program.input_bytes as u32,
        host_offset: 0,
        ..Instruction::default()
    });
    for _ in 0..layers {
        let least = rows.div_ceil(columns);
        let column_tiles = random.random_range(least..=least + 4);
        let next_address = address + group_rows * stride;
        let next_stride =
            (column_tiles * columns).next_multiple_of(unit) + random.random_range(0..2) * unit;
        let (a, b) = (byte(random), byte(random));
        program.instructions.push(Instruction {
            opcode: opcode::MATRIX,
            rounding: if random.random() {
                rounding::SINGLE
            } else {
                rounding::DOUBLE
            },
            block_rows: match random.random_range(0..4) {
                0 => 1,
                1 => c.accumulator_rows as u16,
                _ => random.random_range(1..=c.accumulator_rows as u16),
            },
            column_tiles: column_tiles as u16,
            input_address: address as u32,
            output_address: next_address as u32,
            input_batch_stride: stride as u32,
            output_batch_stride: next_stride as u32,
            weight_address: (program.weights.len() / c.tile_bytes()) as u16,
            parameter_address: program.parameters.len() as u16,
            input_tiles: input_tiles as u16,
            output_zero_point: byte(random),
            clamp_minimum: if random.random() { i8::MIN } else { a.min(b) },
            clamp_maximum: if random.random() { i8::MAX } else { a.max(b) },
            pad_value: byte(random),
            kernel_height: 1,
            kernel_width: 1,
            stride_y: 1,
            stride_x: 1,
            input_height: 1,
            input_width: 1,
            output_height: 1,
            output_width: 1,
            ..Instruction::default()
        });
        let terms = input_tiles * rows;
        (0..column_tiles * columns).for_each(|_| program.parameters.push(parameter(random, terms)));
        let tiles = input_tiles * column_tiles * c.tile_bytes();
        program.weights.extend(bytes(random, tiles));
        program.output_bytes = random.random_range(1..=column_tiles * columns);
        input_tiles = random.random_range(1..=column_tiles * columns / rows);
        (address, stride) = (next_address, next_stride);
    }
    program.instructions.push(Instruction {
        opcode: opcode::STORE_ROWS,
        input_address: address as u32,
        input_batch_stride: stride as u32,
        row_bytes: program.output_bytes as u32,
        ..Instruction::default()
    });
    program.instructions.push(Instruction::default());
    program
}

/// Spoils one instruction in one way.
pub(super) fn spoil(program: &mut Program, c: &Configuration, random: &mut ChaCha8Rng) {
    let scratchpad = c.scratchpad_bytes as u32;
    let at = random.random_range(1..program.instructions.len() - 2);
    let store = program.instructions.len() - 2;
    let (parameters, tiles) = (
        program.parameters.len() as u16,
        (program.weights.len() / c.tile_bytes()) as u16,
    );
    let matrix = &mut program.instructions[at];
    let fault = match random.random_range(0..22) {
        0 => {
            matrix.opcode = random.random_range(8..=255);
            "opcode that doesn't exist"
        }
        1 => {
            matrix.opcode = random.random_range(4..8);
            "opcode that isn't carried out"
        }
        2 => {
            matrix.flags = 1 << random.random_range(0..8);
            "flag"
        }
        3 => {
            matrix.rounding = random.random_range(2..=255);
            "rounding"
        }
        4 => {
            matrix.block_rows = 0;
            "no rows in a block"
        }
        5 => {
            matrix.block_rows = c.accumulator_rows as u16 + random.random_range(1..100);
            "too many rows in a block"
        }
        6 => {
            matrix.column_tiles = 0;
            "no column tiles"
        }
        7 => {
            matrix.input_tiles = 0;
            "no input tiles"
        }
        8 => {
            matrix.input_address += 1 << random.random_range(0..c.rows.trailing_zeros());
            "misaligned input"
        }
        9 => {
            matrix.output_address += 1;
            "misaligned output"
        }
        10 => {
            matrix.clamp_minimum = 5;
            matrix.clamp_maximum = 4;
            "clamp upside down"
        }
        11 => {
            matrix.kernel_width = random.random_range(2..=255);
            "kernel"
        }
        12 => {
            matrix.row_bytes = 1 << random.random_range(0..32);
            "field of another opcode"
        }
        13 => {
            matrix.input_address = scratchpad - random.random_range(0..2) * c.rows as u32;
            matrix.input_tiles = 3;
            "input beyond the scratchpad"
        }
        14 => {
            matrix.output_address =
                [scratchpad, 0x8000_0000, 0xffff_ff00][random.random_range(0..3)];
            "output beyond the scratchpad"
        }
        15 => {
            matrix.weight_address = tiles
                - u16::from(matrix.input_tiles > 1 || matrix.column_tiles > 1)
                + u16::from(matrix.input_tiles == 1 && matrix.column_tiles == 1);
            "weights beyond the region"
        }
        16 => {
            matrix.parameter_address = parameters;
            "parameters beyond the region"
        }
        17 => {
            matrix.column_tiles = 65_535;
            matrix.input_tiles = 65_535;
            "everything at its largest"
        }
        18 => {
            program.instructions[0].row_bytes = 0;
            "no bytes to load"
        }
        19 => {
            program.instructions[store].host_offset = random.random_range(1..8);
            "misaligned host offset"
        }
        20 => {
            program.instructions[store].row_bytes =
                [scratchpad + 1, u32::MAX, u32::MAX - 7][random.random_range(0..3)];
            "row longer than the scratchpad"
        }
        _ => {
            program.instructions.pop();
            "no end"
        }
    };
    program.fault = Some(fault);
}
