//! What can be wrong with a program, each with a name for the coverage report. A mutation counts
//! only if the functional model's checks refuse what it made, for any number of rows: an
//! instruction that is merely strange computes something that depends on what was there before.

use systole_regs::Configuration;
use systole_regs::instructions::{Compute, Transfer, flag, opcode};

use super::case::Model;
use super::random::Random;
use crate::model::refusal;

/// Faults of a program.
pub(super) const PROGRAM: &[&str] = &[
    "no end",
    "unknown opcode",
    "unused field",
    "flag of another opcode",
    "both groups",
    "no row bytes",
    "no count",
    "misaligned host offset",
    "misaligned host stride",
    "empty dimension",
    "parameter address between lanes",
    "clamp reversed",
    "sum clamp reversed",
    "sum without residual",
    "window rows in one bank",
    "phases",
    "kernel too large",
    "weights of pooling",
    "input beyond scratchpad",
    "output beyond scratchpad",
    "second beyond scratchpad",
    "weights beyond region",
    "parameters beyond region",
    "pieces beyond scratchpad",
    "tiles beyond region",
    "random bytes",
];

/// Those that few programs can have: tried first, often.
const PARTICULAR: &[&str] = &[
    "both groups",
    "no count",
    "misaligned host stride",
    "sum clamp reversed",
    "window rows in one bank",
    "phases",
    "kernel too large",
    "weights of pooling",
    "second beyond scratchpad",
    "tiles beyond region",
];

/// Puts a fault that the program can have into a model that works.
pub(super) fn spoil(model: &mut Model, configuration: &Configuration, random: &mut Random) {
    for tries in 0..6 {
        let faults = if tries < 3 && random.chance(45) {
            PARTICULAR
        } else {
            PROGRAM
        };
        let fault = random.pick(faults);
        if spoil_program(model, fault, configuration, random) {
            return;
        }
    }
}

/// Puts one fault into an instruction of a model that works. False if the program has no
/// instruction that can have this fault; it is unchanged then.
pub(super) fn spoil_program(
    model: &mut Model,
    fault: &'static str,
    configuration: &Configuration,
    random: &mut Random,
) -> bool {
    let reachable = model.reachable().len();
    if fault == "no end" {
        model.program.truncate(reachable - 1);
        model.fault = Some(fault);
        return true;
    }
    let tiles = model.weights.len() / configuration.tile_bytes();
    let mutation = Mutation {
        configuration,
        weights: tiles as u16,
        parameters: model.parameters.len() as u16,
    };
    for _ in 0..40 {
        let index = random.range(0, reachable - 1);
        let mut instruction = model.program[index];
        mutation.spoil(&mut instruction, fault, random);
        if mutation.is_refused(&instruction) {
            model.program[index] = instruction;
            model.fault = Some(fault);
            return true;
        }
    }
    false
}

/// The formats that an opcode can have.
fn computes(opcode: u8) -> bool {
    matches!(opcode, opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL)
}

struct Mutation<'a> {
    configuration: &'a Configuration,
    /// Sizes of the model's regions.
    weights: u16,
    parameters: u16,
}

impl Mutation<'_> {
    fn is_refused(&self, instruction: &Transfer) -> bool {
        let (parameters, weights) = (self.parameters, self.weights);
        refusal(instruction, parameters, weights, self.configuration).is_some()
    }

    /// Changes an instruction as the fault says, if it can have it.
    fn spoil(&self, instruction: &mut Transfer, fault: &str, random: &mut Random) {
        match fault {
            "unknown opcode" => instruction.opcode = random.range(9, 255) as u8,
            "unused field" => {
                // Such a field is zero.
                let byte = random.range(1, size_of::<Transfer>() - 1);
                let bytes = bytemuck::bytes_of_mut(instruction);
                if bytes[byte] == 0 {
                    bytes[byte] = 1 << random.range(0, 7);
                }
            }
            "flag of another opcode" => instruction.flags |= 1 << random.range(0, 7),
            "random bytes" => {
                for _ in 0..random.range(1, 4) {
                    let byte = random.range(0, size_of::<Transfer>() - 1);
                    bytemuck::bytes_of_mut(instruction)[byte] = random.word() as u8;
                }
            }
            _ if computes(instruction.opcode) => {
                self.spoil_compute(bytemuck::cast_mut(instruction), fault, random);
            }
            _ => self.spoil_transfer(instruction, fault, random),
        }
    }

    /// The first value beyond a size, or one far beyond.
    fn beyond(size: u32, used: u32, random: &mut Random) -> u32 {
        let first = (size + 1).saturating_sub(used);
        random.pick(&[first, first, size, u32::MAX, u32::MAX - 1023])
    }

    fn spoil_transfer(&self, i: &mut Transfer, fault: &str, random: &mut Random) {
        let scratchpad = self.configuration.scratchpad_bytes as u32;
        match fault {
            "both groups" if i.opcode == opcode::LOAD_ROWS => {
                i.flags = flag::FIRST_GROUP | flag::NEXT_GROUP;
            }
            "no row bytes" => i.row_bytes = 0,
            "no count" => i.count = 0,
            "misaligned host offset" => i.host_offset |= random.size(1, 7),
            "misaligned host stride" => i.host_stride |= random.size(1, 7),
            "pieces beyond scratchpad" => match random.range(0, 3) {
                0 => i.row_bytes = random.pick(&[scratchpad + 1, 1 << 31, u32::MAX]),
                1 if i.count > 1 => i.scratchpad_stride = random.pick(&[scratchpad, u32::MAX]),
                2 if i.count > 0 => {
                    i.count = u16::MAX;
                    i.scratchpad_stride |= 8;
                }
                _ => {
                    let words = i.row_bytes.next_multiple_of(8);
                    i.scratchpad_address = Self::beyond(scratchpad, words, random);
                }
            },
            "tiles beyond region" if i.opcode == opcode::LOAD_WEIGHTS => {
                let (size, count) = (u32::from(self.weights), u32::from(i.count));
                match random.chance(50) {
                    true => i.weight_address = Self::beyond(size, count, random) as u16,
                    false => i.count = random.pick(&[self.weights + 1, u16::MAX]),
                }
            }
            _ => {}
        }
    }

    fn spoil_compute(&self, i: &mut Compute, fault: &str, random: &mut Random) {
        match fault {
            "empty dimension" => match random.range(0, 7) {
                0 => i.kernel_height = 0,
                1 => i.input_height = 0,
                2 => i.input_row_bytes = 0,
                3 => i.output_height = 0,
                4 => i.output_width = 0,
                5 => i.channels = 0,
                6 => i.window_bytes = 0,
                _ => i.input_tiles = 0,
            },
            "parameter address between lanes" => i.parameter_address |= random.size(1, 15) as u16,
            "clamp reversed" => {
                i.clamp_maximum = (random.word() as i8).min(126);
                i.clamp_minimum = i.clamp_maximum + 1;
            }
            "sum clamp reversed" if i.flags & flag::RESIDUAL != 0 => {
                i.sum_maximum = (random.word() as i8).min(126);
                i.sum_minimum = i.sum_maximum + 1;
            }
            "sum without residual" => match random.range(0, 4) {
                0 => i.second_address = 1 << random.range(0, 31),
                1 => i.sum_zero_point = random.nonzero_byte() as i8,
                2 => i.sum_minimum = random.nonzero_byte() as i8,
                3 => i.sum_maximum = random.nonzero_byte() as i8,
                _ => i.flags &= !flag::RESIDUAL,
            },
            "window rows in one bank" if i.opcode == opcode::MATRIX => match random.range(0, 2) {
                0 => i.window_bytes = i.window_bytes.wrapping_add(random.size(1, 31) as u16),
                1 => i.input_row_stride ^= 1 << random.range(0, 4),
                _ => {
                    // The right distance, but less than a quarter of the rows.
                    let narrow = random.size(0, self.configuration.rows as u32 / 4 - 1) as u16;
                    i.input_row_stride = narrow;
                    i.window_bytes = narrow;
                }
            },
            "phases" => match random.range(0, 2) {
                0 => i.phases = random.nonzero_byte(),
                1 => i.column_step = random.nonzero_byte().into(),
                _ => i.input_tiles = random.size(1, 255) as u16,
            },
            "kernel too large" if i.opcode != opcode::MATRIX => match random.range(0, 2) {
                0 => i.kernel_height = random.pick(&[64, 65, 128, 255]),
                1 => i.input_tiles = random.pick(&[64, 65, 192, 193, 257, 512, 65_535]),
                _ => i.phases = random.pick(&[64, 65, 128, 255]),
            },
            "weights of pooling" if i.opcode == opcode::POOL => {
                i.weight_address = 1 << random.range(0, 15);
            }
            _ => self.push_out(i, fault, random),
        }
    }

    /// Moves or enlarges one of the tensors of a computation.
    fn push_out(&self, i: &mut Compute, fault: &str, random: &mut Random) {
        let scratchpad = self.configuration.scratchpad_bytes as u32;
        let rows = |count: u16, stride: u16| u32::from(count - 1) * u32::from(stride);
        let input = rows(i.input_height, i.input_row_stride) + u32::from(i.input_row_bytes);
        let output = rows(i.output_height, i.output_row_stride)
            + rows(i.output_width, i.output_pixel_stride)
            + u32::from(i.channels);
        let large = random.pick(&[u16::MAX, 1 << 15, i.output_height.saturating_mul(64)]);
        match fault {
            "input beyond scratchpad" => match random.range(0, 2) {
                0 => i.input_height = large,
                1 => i.input_row_bytes = large,
                _ => i.input_address = Self::beyond(scratchpad, input, random),
            },
            "output beyond scratchpad" => match random.range(0, 3) {
                0 => i.output_height = large,
                1 => i.output_width = large,
                2 => i.channels = large,
                _ => i.output_address = Self::beyond(scratchpad, output, random),
            },
            "second beyond scratchpad" if i.flags & flag::RESIDUAL != 0 => {
                i.second_address = Self::beyond(scratchpad, output, random);
            }
            "weights beyond region" if i.opcode != opcode::POOL => match random.chance(50) {
                true => {
                    let last = self.weights;
                    i.weight_address = random.pick(&[last, last.saturating_sub(1), u16::MAX]);
                }
                false => i.input_tiles = random.pick(&[i.input_tiles.saturating_add(1), 60, 4096]),
            },
            "parameters beyond region" => {
                // A multiple of the lanes all the same.
                let lanes = self.configuration.requantize_lanes as u16;
                let last = self.parameters;
                i.parameter_address = random.pick(&[last, last.saturating_sub(lanes), 0xfff0]);
            }
            _ => {}
        }
    }
}
