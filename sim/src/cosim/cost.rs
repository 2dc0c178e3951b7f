//! How long commands take on hardware, roughly: a case must be short enough to simulate thousands.

use systole_regs::Configuration;
use systole_regs::instructions::opcode;

use super::case::Model;

/// Cycles that a case may cost by this estimate. Cases end with the command that exceeds it.
pub(super) const BUDGET_CYCLES: usize = 5_500;

/// Fetch of an entry, statistics and completion, with the waits of a slow bus.
pub(super) const COMMAND: usize = 250;

/// Waits of one burst on a slow bus.
const BURST: usize = 60;
/// Cycles of one word of 8 bytes on a bus with back-pressure.
const WORD: usize = 3;

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

/// Cycles of loading a model.
pub(super) fn load(model: &Model) -> usize {
    let words = image_bytes(model) / 8;
    COMMAND + words * WORD + words / 16 * BURST
}

/// Cycles of running a model.
pub(super) fn run(configuration: &Configuration, model: &Model, rows: usize) -> usize {
    let passes = rows.div_ceil(usize::from(model.group_rows));
    let group = rows.min(usize::from(model.group_rows));
    let mut cycles = 0;
    for instruction in model.reachable() {
        cycles += 30;
        match instruction.opcode {
            opcode::LOAD_ROWS | opcode::STORE_ROWS => {
                let words = (instruction.row_bytes as usize).div_ceil(8).min(16);
                cycles += group * (BURST + words * WORD);
            }
            opcode::MATRIX => {
                let block = usize::from(instruction.block_rows).max(1);
                let tiles =
                    usize::from(instruction.column_tiles) * usize::from(instruction.input_tiles);
                let fed = group.min(block).max(configuration.rows);
                let outputs = usize::from(instruction.column_tiles) * configuration.columns;
                cycles += group.div_ceil(block) * tiles * fed;
                cycles += group * outputs / configuration.requantize_lanes;
            }
            _ => {}
        }
    }
    COMMAND + passes * cycles
}
