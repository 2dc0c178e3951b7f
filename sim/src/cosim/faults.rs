//! What can be wrong with an entry or a program, each with a name for the coverage report.

use systole_regs::Configuration;
use systole_regs::entries::{LoadEntry, RunEntry, flag, opcode};
use systole_regs::instructions::{self, Instruction};

use super::case::Model;
use super::random::Random;

/// Faults of any entry.
pub(super) const ENTRY: &[&str] = &[
    "unknown opcode",
    "unknown flag",
    "reserved byte",
    "statistics address without flag",
    "misaligned statistics address",
];
/// Faults of an entry that names a slot.
pub(super) const SLOT: &[&str] = &["slot beyond the last"];
/// Faults of a RUN.
pub(super) const RUN: &[&str] = &[
    "no rows",
    "too many rows",
    "misaligned input address",
    "misaligned output address",
    "misaligned input stride",
    "misaligned output stride",
];
/// Faults of a LOAD.
pub(super) const LOAD: &[&str] = &[
    "misaligned image address",
    "no instructions",
    "no group rows",
    "parameter base between lanes",
    "parameter count between lanes",
    "program region too large",
    "parameter region too large",
    "weight region too large",
];
/// Faults of a LOAD while the other slot holds a model.
pub(super) const OVERLAP: &[&str] = &[
    "program region overlaps",
    "parameter region overlaps",
    "weight region overlaps",
];
/// A RUN of an empty slot; made by the generator.
pub(super) const SLOT_EMPTY: &str = "slot is empty";

/// Faults of a program.
pub(super) const PROGRAM: &[&str] = &[
    "no end",
    "opcode not carried out",
    "unused field",
    "block rows zero",
    "block rows above accumulators",
    "no column tiles",
    "no input tiles",
    "misaligned input",
    "misaligned input stride",
    "misaligned output",
    "misaligned output stride",
    "parameter address between lanes",
    "kernel",
    "step",
    "padding",
    "image size",
    "rounding",
    "clamp reversed",
    "no row bytes",
    "misaligned host offset",
    "input beyond scratchpad",
    "output beyond scratchpad",
    "weights beyond region",
    "parameters beyond region",
    "row bytes beyond scratchpad",
];

/// Host memory that a command may find unmapped.
pub(super) const DMA: &[&str] = &["image", "input rows", "output rows", "statistics"];

/// Bytes of an entry that must be zero, by opcode.
fn reserved(opcode: u8) -> Vec<usize> {
    match opcode {
        opcode::RUN => (5..8).chain(44..64).collect(),
        opcode::LOAD => (5..8).chain(16..24).chain(50..64).collect(),
        _ => (5..24).chain(32..64).collect(),
    }
}

/// Puts one fault into an entry.
pub(super) fn spoil_entry(
    entry: &mut RunEntry,
    fault: &str,
    other: Option<&LoadEntry>,
    configuration: &Configuration,
    random: &mut Random,
) {
    let odd = random.range(1, 7);
    match fault {
        "unknown opcode" => entry.opcode = random.range(4, 255) as u8,
        "unknown flag" => entry.flags |= random.range(1, 127) as u8 * 2,
        "reserved byte" => {
            let byte = random.pick(&reserved(entry.opcode));
            bytemuck::bytes_of_mut(entry)[byte] = random.nonzero_byte();
        }
        "statistics address without flag" => {
            entry.flags &= !flag::STATISTICS;
            entry.statistics_address = random.wide() | 8;
        }
        "misaligned statistics address" => {
            entry.flags |= flag::STATISTICS;
            entry.statistics_address = entry.statistics_address & !7 | odd as u64;
        }
        "slot beyond the last" => entry.slot = random.range(2, 255) as u8,
        "no rows" => entry.rows = 0,
        "too many rows" => {
            entry.rows = random.pick(&[65_536, 65_537, 1 << 31, u32::MAX, entry.rows | 1 << 16]);
        }
        "misaligned input address" => entry.input_address |= odd as u64,
        "misaligned output address" => entry.output_address |= odd as u64,
        "misaligned input stride" => entry.input_stride |= odd as u32,
        "misaligned output stride" => entry.output_stride |= odd as u32,
        _ => spoil_load(
            bytemuck::cast_mut(entry),
            fault,
            other,
            configuration,
            random,
        ),
    }
}

fn spoil_load(
    entry: &mut LoadEntry,
    fault: &str,
    other: Option<&LoadEntry>,
    configuration: &Configuration,
    random: &mut Random,
) {
    let lanes = configuration.requantize_lanes;
    let odd = random.range(1, 7);
    // One more than fits, or far more.
    let mut too_many = |base: u16, entries: usize, step: usize| {
        let beyond = (entries.saturating_sub(usize::from(base)) + step) as u16;
        random.pick(&[beyond, u16::MAX / step as u16 * step as u16])
    };
    match fault {
        "misaligned image address" => entry.image_address |= odd as u64,
        "no instructions" => entry.program_count = 0,
        "no group rows" => entry.group_rows = 0,
        "parameter base between lanes" => {
            entry.parameter_base += random.range(1, lanes - 1) as u16;
        }
        "parameter count between lanes" => {
            entry.parameter_count += random.range(1, lanes - 1) as u16;
        }
        "program region too large" => {
            entry.program_count =
                too_many(entry.program_base, configuration.program_instructions, 1);
        }
        "parameter region too large" => {
            entry.parameter_count =
                too_many(entry.parameter_base, configuration.parameter_entries, lanes);
        }
        "weight region too large" => {
            entry.weight_count = too_many(entry.weight_base, configuration.weight_tiles, 1);
        }
        _ => {
            let other = other.expect("overlaps are made with a model in the other slot");
            match fault {
                "program region overlaps" => {
                    (entry.program_base, entry.program_count) = (other.program_base, 1);
                }
                "parameter region overlaps" => {
                    entry.parameter_base = other.parameter_base;
                    entry.parameter_count = lanes as u16;
                }
                "weight region overlaps" => {
                    (entry.weight_base, entry.weight_count) = (other.weight_base, 1);
                }
                _ => unreachable!("every fault of the lists is made here: {fault}"),
            }
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
        if model.program.is_empty() {
            return false;
        }
    } else {
        let fits = |index: &usize| can_have(&model.program[*index], fault);
        let candidates: Vec<usize> = (0..reachable).filter(fits).collect();
        if candidates.is_empty() {
            return false;
        }
        let index = random.pick(&candidates);
        let limits = Limits {
            configuration,
            weights: model.weights.len() / configuration.tile_bytes(),
            parameters: model.parameters.len(),
        };
        limits.spoil(&mut model.program[index], fault, random);
    }
    model.fault = Some(fault);
    true
}

/// Whether an instruction of this opcode can have the fault.
fn can_have(instruction: &Instruction, fault: &str) -> bool {
    use instructions::opcode::{LOAD_ROWS, MATRIX, STORE_ROWS};
    let opcode = instruction.opcode;
    match fault {
        "opcode not carried out" | "unused field" => true,
        "misaligned input" | "misaligned input stride" | "input beyond scratchpad" => {
            opcode == MATRIX || opcode == STORE_ROWS
        }
        "misaligned output" | "misaligned output stride" | "output beyond scratchpad" => {
            opcode == MATRIX || opcode == LOAD_ROWS
        }
        "no row bytes" | "misaligned host offset" | "row bytes beyond scratchpad" => {
            opcode == LOAD_ROWS || opcode == STORE_ROWS
        }
        _ => opcode == MATRIX,
    }
}

/// What an instruction must stay inside.
struct Limits<'a> {
    configuration: &'a Configuration,
    weights: usize,
    parameters: usize,
}

impl Limits<'_> {
    fn spoil(&self, i: &mut Instruction, fault: &str, random: &mut Random) {
        let configuration = self.configuration;
        let matrix = i.opcode == instructions::opcode::MATRIX;
        let r = if matrix { configuration.rows as u32 } else { 8 };
        let c = if matrix {
            configuration.columns as u32
        } else {
            8
        };
        let lanes = if matrix {
            configuration.requantize_lanes as u32
        } else {
            8
        };
        let below = |step: u32, random: &mut Random| random.range(1, step as usize - 1) as u32;
        let not_one = random.pick(&[0, 2, 3, 255]);
        // The first address outside, or one far outside; a multiple of everything.
        let scratchpad = configuration.scratchpad_bytes as u32;
        let outside = random.pick(&[scratchpad, scratchpad + 1024, 0xffff_fc00]);
        match fault {
            "opcode not carried out" => i.opcode = random.pick(&[4, 5, 6, 7, 8, 32, 35, 255]),
            "unused field" => spoil_unused(i, random),
            "block rows zero" => i.block_rows = 0,
            "block rows above accumulators" => {
                i.block_rows = random.pick(&[configuration.accumulator_rows as u16 + 1, u16::MAX]);
            }
            "no column tiles" => i.column_tiles = 0,
            "no input tiles" => i.input_tiles = 0,
            "misaligned input" => i.input_address += below(r, random),
            "misaligned input stride" => i.input_batch_stride += below(r, random),
            "misaligned output" => i.output_address += below(c, random),
            "misaligned output stride" => i.output_batch_stride += below(lanes, random),
            "parameter address between lanes" => {
                i.parameter_address += below(lanes, random) as u16;
            }
            "kernel" => match random.chance(50) {
                true => i.kernel_height = not_one,
                false => i.kernel_width = not_one,
            },
            "step" => match random.chance(50) {
                true => i.stride_y = not_one,
                false => i.stride_x = not_one,
            },
            "padding" => match random.chance(50) {
                true => i.pad_top = random.nonzero_byte(),
                false => i.pad_left = random.nonzero_byte(),
            },
            "image size" => {
                let size = random.pick(&[0, 2, 257, u16::MAX]);
                match random.range(0, 3) {
                    0 => i.input_height = size,
                    1 => i.input_width = size,
                    2 => i.output_height = size,
                    _ => i.output_width = size,
                }
            }
            "rounding" => i.rounding = random.range(2, 255) as u8,
            "clamp reversed" => {
                i.clamp_maximum = random.range(0, 254) as u8 as i8;
                i.clamp_maximum = i.clamp_maximum.min(126);
                i.clamp_minimum = i.clamp_maximum + 1;
            }
            "no row bytes" => i.row_bytes = 0,
            "misaligned host offset" => i.host_offset += below(8, random),
            "input beyond scratchpad" => i.input_address = outside,
            "output beyond scratchpad" => i.output_address = outside,
            "weights beyond region" => {
                i.weight_address = random.pick(&[self.weights as u16, u16::MAX]);
            }
            "parameters beyond region" => {
                // A multiple of the lanes all the same.
                i.parameter_address = random.pick(&[self.parameters as u16, 0xfff8]);
            }
            "row bytes beyond scratchpad" => {
                i.row_bytes = random.pick(&[scratchpad + 1, 1 << 31, u32::MAX]);
            }
            _ => unreachable!("every fault of the list is made here: {fault}"),
        }
    }
}

/// Makes one byte of a field that the instruction doesn't use nonzero.
fn spoil_unused(i: &mut Instruction, random: &mut Random) {
    use instructions::opcode::{LOAD_ROWS, MATRIX, STORE_ROWS};
    let unused = |name: &str| match i.opcode {
        MATRIX => matches!(
            name,
            "flags" | "reserved0" | "row_bytes" | "host_offset" | "second_address" | "reserved1"
        ),
        LOAD_ROWS => !matches!(
            name,
            "opcode" | "output_address" | "output_batch_stride" | "row_bytes" | "host_offset"
        ),
        STORE_ROWS => !matches!(
            name,
            "opcode" | "input_address" | "input_batch_stride" | "row_bytes" | "host_offset"
        ),
        _ => name != "opcode",
    };
    let bytes: Vec<usize> = Instruction::FIELDS
        .iter()
        .filter(|field| unused(field.name))
        .flat_map(|field| field.offset..field.offset + field.bytes)
        .collect();
    let byte = random.pick(&bytes);
    bytemuck::bytes_of_mut(i)[byte] = random.nonzero_byte();
}
