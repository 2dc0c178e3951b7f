//! What can be wrong with an entry, each with a name for the coverage report.

use systole_regs::Configuration;
use systole_regs::entries::{LoadEntry, RunEntry, flag, opcode};

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
    "misaligned workspace address",
    "misaligned input stride",
    "misaligned output stride",
];
/// Faults of a LOAD.
pub(super) const LOAD: &[&str] = &[
    "misaligned image address",
    "misaligned stream address",
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
/// A RUN with a trace that doesn't begin at a word; made by those who trace.
#[cfg(feature = "rtl")]
pub(super) const TRACE_ADDRESS: &str = "misaligned trace address";

/// Host memory that a command may find unmapped.
pub(super) const DMA: &[&str] = &[
    "image",
    "input rows",
    "output rows",
    "workspace",
    "weight stream",
    "statistics",
];

/// Bytes of an entry that must be zero, by opcode.
fn reserved(opcode: u8) -> Vec<usize> {
    match opcode {
        opcode::RUN => (5..8).chain(44..48).chain(56..64).collect(),
        opcode::LOAD => (5..8).chain(50..64).collect(),
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
        "unknown flag" => {
            let known = match entry.opcode {
                opcode::RUN => flag::ALL,
                _ => flag::STATISTICS,
            };
            let flags = random.range(1, 127) as u8 * 2;
            entry.flags |= if flags & !known == 0 { 1 << 7 } else { flags };
        }
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
        "misaligned workspace address" => entry.workspace_address |= odd as u64,
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
        "misaligned stream address" => entry.stream_address |= odd as u64,
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
