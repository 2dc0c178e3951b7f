//! What is on the chip: the four memories, and the slots that own regions of three of them.
//!
//! ```text
//!  program memory   |  slot 0  |      |  slot 1  |     instructions
//!  parameter memory | slot 0 |   slot 1    |     |     channels
//!  weight memory    |     slot 0      | slot 1   |     tiles of R x C bytes
//!  scratchpad       |  of the run under way      |     bytes
//! ```

use bytemuck::Zeroable;
use systole_regs::Configuration;
use systole_regs::entries::LoadEntry;
use systole_regs::image::Parameter;
use systole_regs::instructions::Transfer;

/// The memories on the chip.
pub(super) struct Memories {
    /// Instructions of either format.
    pub program: Vec<Transfer>,
    pub parameters: Vec<Parameter>,
    /// Weight tiles, R x C bytes each.
    pub weights: Vec<i8>,
    pub scratchpad: Vec<i8>,
}

impl Memories {
    pub fn new(configuration: &Configuration) -> Self {
        Memories {
            program: vec![Transfer::zeroed(); configuration.program_instructions],
            parameters: vec![Parameter::zeroed(); configuration.parameter_entries],
            weights: vec![0; configuration.weight_tiles * configuration.tile_bytes()],
            scratchpad: vec![0; configuration.scratchpad_bytes],
        }
    }
}

/// A part of a memory, in entries of that memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    pub base: u16,
    pub count: u16,
}

impl Region {
    pub fn end(self) -> usize {
        usize::from(self.base) + usize::from(self.count)
    }

    pub fn start(self) -> usize {
        usize::from(self.base)
    }

    pub fn overlaps(self, other: Region) -> bool {
        self.count > 0
            && other.count > 0
            && self.start() < other.end()
            && other.start() < self.end()
    }

    /// As the slot registers show it.
    pub fn register(self) -> u32 {
        u32::from(self.base) | u32::from(self.count) << 16
    }
}

/// One model slot. All zero if it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub valid: bool,
    pub version: u32,
    pub program: Region,
    pub parameters: Region,
    pub weights: Region,
    pub group_rows: u16,
    /// Bus address of the weights that the program streams.
    pub stream_address: u64,
}

impl Slot {
    /// The slot that this entry asks for, as it is after the copying.
    pub fn new(entry: &LoadEntry) -> Self {
        Slot {
            valid: true,
            version: entry.version,
            program: Region {
                base: entry.program_base,
                count: entry.program_count,
            },
            parameters: Region {
                base: entry.parameter_base,
                count: entry.parameter_count,
            },
            weights: Region {
                base: entry.weight_base,
                count: entry.weight_count,
            },
            group_rows: entry.group_rows,
            stream_address: entry.stream_address,
        }
    }

    pub fn fits(&self, configuration: &Configuration) -> bool {
        self.program.end() <= configuration.program_instructions
            && self.parameters.end() <= configuration.parameter_entries
            && self.weights.end() <= configuration.weight_tiles
    }

    pub fn overlaps(&self, other: &Slot) -> bool {
        self.program.overlaps(other.program)
            || self.parameters.overlaps(other.parameters)
            || self.weights.overlaps(other.weights)
    }
}
