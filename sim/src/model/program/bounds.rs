//! Whether an instruction stays inside the scratchpad and its model's regions: the checks that end
//! a run with `InstructionBounds`. All arithmetic is exact: 48 bits are the most that come up.
//!
//! ```text
//!  address        + (B - 1) * batch stride + ... + last piece
//!  |                                                         |
//!  |===|   |===|   |===|        |===|   |===|   |===|  <= end of the memory
//! ```

use systole_regs::instructions::{Compute, Transfer, flag, opcode};
use systole_regs::{Configuration, DATA_BYTES, Status};

use crate::model::memories::Slot;

/// Checks what a computation on `rows` rows reads and writes.
pub(super) fn compute(
    i: &Compute,
    rows: u32,
    slot: &Slot,
    configuration: &Configuration,
) -> Result<(), Status> {
    let batch = u64::from(rows) - 1;
    let residual = i.flags & flag::RESIDUAL != 0;

    let output_bytes = batch * u64::from(i.output_batch_stride)
        + (u64::from(i.output_height) - 1) * u64::from(i.output_row_stride)
        + (u64::from(i.output_width) - 1) * u64::from(i.output_pixel_stride)
        + u64::from(i.channels);
    let input_bytes = batch * u64::from(i.input_batch_stride)
        + (u64::from(i.input_height) - 1) * u64::from(i.input_row_stride)
        + u64::from(i.input_row_bytes);
    let scratchpad = configuration.scratchpad_bytes as u64;
    inside(i.output_address, output_bytes, scratchpad)?;
    if residual {
        inside(i.second_address, output_bytes, scratchpad)?;
    }
    inside(i.input_address, input_bytes, scratchpad)?;
    inside(
        i.weight_address,
        weight_tiles(i, configuration),
        u64::from(slot.weights.count),
    )?;

    let lanes = configuration.requantize_lanes as u64;
    let mut entries = u64::from(i.channels).next_multiple_of(lanes);
    if residual {
        entries += 3_u64.next_multiple_of(lanes);
    }
    inside(
        i.parameter_address,
        entries,
        u64::from(slot.parameters.count),
    )
}

/// Weight tiles that a computation reads, from `weight_address` on.
fn weight_tiles(i: &Compute, configuration: &Configuration) -> u64 {
    let blocks = |size: usize| u64::from(i.channels).div_ceil(size as u64);
    match i.opcode {
        opcode::MATRIX => blocks(configuration.columns) * u64::from(i.input_tiles),
        opcode::DEPTHWISE => {
            let height = u64::from(i.kernel_height);
            let tiles = match i.phases {
                0 => {
                    (height * u64::from(i.input_tiles)).div_ceil(configuration.tile_steps() as u64)
                }
                phases => height * u64::from(phases),
            };
            blocks(configuration.rows) * tiles
        }
        _ => 0,
    }
}

/// Checks the `pieces` (at least one) that a transfer reads or writes in the scratchpad; of each
/// it is whole words that must be inside, also where only some of their bytes are read.
pub(super) fn pieces(
    i: &Transfer,
    pieces: u32,
    configuration: &Configuration,
) -> Result<(), Status> {
    let bytes =
        (u64::from(pieces) - 1) * u64::from(i.scratchpad_stride) + whole_words(i.row_bytes) as u64;
    inside(
        i.scratchpad_address,
        bytes,
        configuration.scratchpad_bytes as u64,
    )
}

/// Checks the tiles that LOAD_WEIGHTS writes.
pub(super) fn tiles(i: &Transfer, slot: &Slot) -> Result<(), Status> {
    inside(
        i.weight_address,
        u64::from(i.count),
        u64::from(slot.weights.count),
    )
}

/// Bytes of a piece in whole words of the bus.
pub(super) fn whole_words(row_bytes: u32) -> usize {
    (row_bytes as usize).next_multiple_of(DATA_BYTES as usize)
}

fn inside(address: impl Into<u64>, length: u64, size: u64) -> Result<(), Status> {
    if address.into() + length <= size {
        Ok(())
    } else {
        Err(Status::InstructionBounds)
    }
}
