//! How long commands take on hardware, roughly: a case must be short enough to simulate thousands.

use systole_regs::Configuration;
use systole_regs::instructions::{Compute, opcode};

use super::case::Model;

/// Cycles that a case may cost by this estimate. Cases end with the command that exceeds it.
pub(super) const BUDGET_CYCLES: usize = 12_000;

/// Fetch of an entry, statistics and completion, with the waits of a slow bus.
pub(super) const COMMAND: usize = 250;

/// Fetch, checks and preparation of an instruction.
const INSTRUCTION: usize = 60;
/// Waits of one burst on a slow bus.
const BURST: usize = 60;
/// Cycles of one word of 8 bytes on a bus with back-pressure.
const WORD: usize = 3;
/// Most that an instruction counts for: one with a fault may have any field.
const MOST: usize = 10_000;

/// The image of a model.
pub(super) fn image(model: &Model) -> Vec<u8> {
    let mut image = bytemuck::cast_slice::<_, u8>(&model.program).to_vec();
    image.extend_from_slice(bytemuck::cast_slice(&model.parameters));
    image.extend_from_slice(bytemuck::cast_slice(&model.weights));
    image
}

/// Bytes of the image of a model.
pub(super) fn image_bytes(model: &Model) -> usize {
    image(model).len()
}

/// Cycles of copying so many bytes in one piece.
fn copy(bytes: usize) -> usize {
    let words = bytes.div_ceil(8);
    (words * WORD).saturating_add(words.div_ceil(16) * BURST)
}

/// Cycles of loading a model.
pub(super) fn load(model: &Model) -> usize {
    COMMAND + copy(image_bytes(model))
}

/// Cycles of running a model.
pub(super) fn run(configuration: &Configuration, model: &Model, rows: usize) -> usize {
    let passes = rows.div_ceil(usize::from(model.group_rows));
    let group = rows.min(usize::from(model.group_rows));
    let mut cycles = 0;
    for instruction in model.reachable() {
        let piece = copy(instruction.row_bytes.min(4_096) as usize);
        let own = match instruction.opcode {
            opcode::LOAD_ROWS | opcode::STORE_ROWS => group * piece,
            opcode::LOAD_WORKSPACE | opcode::STORE_WORKSPACE => {
                usize::from(instruction.count) * piece
            }
            opcode::LOAD_WEIGHTS => {
                copy(usize::from(instruction.count) * configuration.tile_bytes())
            }
            opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL => {
                computation(configuration, &bytemuck::cast(*instruction), group)
            }
            _ => 0,
        };
        cycles += INSTRUCTION + own.min(MOST);
    }
    COMMAND + passes * cycles
}

fn computation(configuration: &Configuration, i: &Compute, group: usize) -> usize {
    let pixels = [group, i.output_height.into(), i.output_width.into()];
    let channels = usize::from(i.channels);
    let (width, steps) = match i.opcode {
        opcode::MATRIX => (configuration.columns, 1),
        _ => (configuration.rows, usize::from(i.kernel_height)),
    };
    let vectors = channels.div_ceil(width) * steps * usize::from(i.input_tiles);
    let results = channels.div_ceil(configuration.requantize_lanes);
    let pixels = pixels.into_iter().fold(1, usize::saturating_mul);
    let weights = channels.div_ceil(width) * 64;
    pixels
        .saturating_mul(vectors.max(results))
        .saturating_add(weights)
}
