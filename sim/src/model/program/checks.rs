//! Whether an instruction is possible, whatever rows, regions and memories it meets: the checks
//! that end a run with `InvalidInstruction`.

use systole_regs::instructions::{
    Compute, DEPTHWISE_STEPS_MAX, KERNEL_COLUMNS_MAX, Transfer, flag, opcode,
};
use systole_regs::{Configuration, DATA_BYTES, Field, Status};

const BYTES: usize = size_of::<Transfer>();

/// The bytes of a transfer that an opcode uses; the others must be zero.
const fn used(names: &[&str]) -> [bool; BYTES] {
    let mut mask = [false; BYTES];
    let mut index = 0;
    while index < names.len() {
        let field: Field = Transfer::field(names[index]);
        let mut byte = 0;
        while byte < field.bytes {
            mask[field.offset + byte] = true;
            byte += 1;
        }
        index += 1;
    }
    mask
}

const END: [bool; BYTES] = used(&["opcode"]);
const LOAD_ROWS: [bool; BYTES] = used(&[
    "opcode",
    "flags",
    "compute_limit",
    "load_limit",
    "store_limit",
    "scratchpad_address",
    "scratchpad_stride",
    "row_bytes",
    "host_offset",
]);
const STORE_ROWS: [bool; BYTES] = used(&[
    "opcode",
    "compute_limit",
    "load_limit",
    "store_limit",
    "scratchpad_address",
    "scratchpad_stride",
    "row_bytes",
    "host_offset",
]);
const LOAD_WEIGHTS: [bool; BYTES] = used(&[
    "opcode",
    "compute_limit",
    "load_limit",
    "store_limit",
    "host_offset",
    "count",
    "weight_address",
]);
const WORKSPACE: [bool; BYTES] = used(&[
    "opcode",
    "compute_limit",
    "load_limit",
    "store_limit",
    "scratchpad_address",
    "scratchpad_stride",
    "row_bytes",
    "host_offset",
    "host_stride",
    "count",
]);

/// Checks END, or an instruction that moves data; every opcode that isn't one is refused.
pub(super) fn transfer(i: &Transfer) -> Result<(), Status> {
    let (used, possible) = match i.opcode {
        opcode::END => (&END, true),
        opcode::LOAD_ROWS => {
            let flags = matches!(i.flags, 0 | flag::FIRST_GROUP | flag::NEXT_GROUP);
            (&LOAD_ROWS, flags && i.row_bytes >= 1)
        }
        opcode::STORE_ROWS => (&STORE_ROWS, i.row_bytes >= 1),
        opcode::LOAD_WEIGHTS => (&LOAD_WEIGHTS, i.count >= 1),
        opcode::LOAD_WORKSPACE | opcode::STORE_WORKSPACE => {
            (&WORKSPACE, i.row_bytes >= 1 && i.count >= 1)
        }
        _ => return Err(Status::InvalidInstruction),
    };
    let unused_zero = bytemuck::bytes_of(i)
        .iter()
        .zip(used)
        .all(|(&byte, &used)| used || byte == 0);
    // Zero where they are not used.
    let aligned =
        i.host_offset.is_multiple_of(DATA_BYTES) && i.host_stride.is_multiple_of(DATA_BYTES);
    verdict(unused_zero && possible && aligned)
}

/// Checks MATRIX, DEPTHWISE or POOL.
pub(super) fn compute(i: &Compute, configuration: &Configuration) -> Result<(), Status> {
    let allowed = match i.opcode {
        opcode::POOL => flag::DOUBLE_ROUNDING | flag::RESIDUAL | flag::MAXIMUM,
        _ => flag::DOUBLE_ROUNDING | flag::RESIDUAL,
    };
    let known = i.flags & !allowed == 0;
    let residual = if i.flags & flag::RESIDUAL != 0 {
        i.sum_minimum <= i.sum_maximum
    } else {
        i.second_address == 0 && [i.sum_zero_point, i.sum_minimum, i.sum_maximum] == [0; 3]
    };
    let counted = i.kernel_height >= 1
        && [
            i.input_height,
            i.input_row_bytes,
            i.output_height,
            i.output_width,
            i.channels,
            i.window_bytes,
            i.input_tiles,
        ]
        .iter()
        .all(|&count| count >= 1);
    let aligned = usize::from(i.parameter_address).is_multiple_of(configuration.requantize_lanes);
    let clamped = i.clamp_minimum <= i.clamp_maximum;
    let shaped = match i.opcode {
        opcode::MATRIX => matrix_is_possible(i, configuration),
        opcode::DEPTHWISE => depthwise_is_possible(i, configuration),
        _ => i.input_tiles <= KERNEL_COLUMNS_MAX && i.phases == 0 && i.weight_address == 0,
    };
    verdict(known && residual && counted && aligned && clamped && shaped)
}

fn matrix_is_possible(i: &Compute, configuration: &Configuration) -> bool {
    let word = configuration.scratchpad_word_bytes() as i32;
    let skew = i32::from(i.input_row_stride) - i32::from(i.window_bytes);
    let spread =
        usize::from(i.window_bytes) >= configuration.rows / 4 && skew.rem_euclid(word) == 0;
    i.phases == 0 && (i.kernel_height == 1 || spread)
}

fn depthwise_is_possible(i: &Compute, configuration: &Configuration) -> bool {
    let (columns, phases) = (i.input_tiles, u16::from(i.phases));
    let shared = phases > 0;
    let mode = !shared
        || (phases..=phases * configuration.shared_columns as u16).contains(&columns)
            && i.column_step == 0;
    let tiles = usize::from(if shared { phases } else { columns });
    mode && columns <= KERNEL_COLUMNS_MAX
        && usize::from(i.kernel_height) * tiles <= DEPTHWISE_STEPS_MAX
}

fn verdict(possible: bool) -> Result<(), Status> {
    if possible {
        Ok(())
    } else {
        Err(Status::InvalidInstruction)
    }
}
