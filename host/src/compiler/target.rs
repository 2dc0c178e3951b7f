//! What the compiler must know of a device: its dimensions and what it can carry out.

use systole_driver::Identity;
use systole_regs::instructions::{OPCODES, SHARED_COLUMNS, feature, tile_steps};
use systole_regs::{Configuration, DATA_BYTES};

use super::CompileError;

/// Greatest size of a memory that 16-bit base and count fields can describe.
const REGION_MAX: usize = u16::MAX as usize;

/// Dimensions of the device that a program is compiled for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name for people.
    pub name: String,
    /// Rows R of the array.
    pub rows: usize,
    /// Columns C of the array.
    pub columns: usize,
    /// Requantization lanes Q.
    pub requantize_lanes: usize,
    /// Size of the scratchpad in bytes.
    pub scratchpad_bytes: usize,
    /// Tiles of R x C weights in the weight memory.
    pub weight_tiles: usize,
    /// Entries of the parameter memory.
    pub parameter_entries: usize,
    /// Instructions in the program memory.
    pub program_instructions: usize,
    /// Rows of C accumulators.
    pub accumulator_rows: usize,
    /// Model slots.
    pub slots: usize,
    /// Clock in kHz.
    pub clock_khz: u32,
    /// The FEATURES register: which opcodes are carried out, and what sums carry.
    pub features: u32,
}

impl From<&Configuration> for Target {
    fn from(configuration: &Configuration) -> Self {
        Target {
            name: configuration.name.into(),
            rows: configuration.rows,
            columns: configuration.columns,
            requantize_lanes: configuration.requantize_lanes,
            scratchpad_bytes: configuration.scratchpad_bytes,
            weight_tiles: configuration.weight_tiles,
            parameter_entries: configuration.parameter_entries,
            program_instructions: configuration.program_instructions,
            accumulator_rows: configuration.accumulator_rows,
            slots: systole_regs::SLOT_COUNT as usize,
            clock_khz: configuration.clock_khz,
            features: configuration.features(),
        }
    }
}

impl From<&Identity> for Target {
    fn from(identity: &Identity) -> Self {
        // A device does not say its configuration's name; its shape says more.
        Target {
            name: format!(
                "{} x {} device",
                identity.array_rows, identity.array_columns
            ),
            rows: identity.array_rows,
            columns: identity.array_columns,
            requantize_lanes: identity.requantize_lanes,
            scratchpad_bytes: identity.scratchpad_bytes,
            weight_tiles: identity.weight_tiles,
            parameter_entries: identity.parameter_entries,
            program_instructions: identity.program_instructions,
            accumulator_rows: identity.accumulator_rows,
            slots: identity.slot_count,
            clock_khz: identity.clock_khz,
            features: identity.features,
        }
    }
}

impl Target {
    /// Multiply-accumulate elements of the array.
    pub fn elements(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of one weight tile.
    pub fn tile_bytes(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether sums of MATRIX come with the products of the weights of neighbouring rows.
    pub(super) fn sums_carry_weight_products(&self) -> bool {
        self.features & feature::WEIGHT_PRODUCTS != 0
    }

    /// Pixels that DEPTHWISE uses an input column for in shared mode.
    pub(super) fn shared_columns(&self) -> usize {
        if self.features & feature::SHARED_COLUMNS != 0 {
            SHARED_COLUMNS.into()
        } else {
            1
        }
    }

    /// Steps of DEPTHWISE in direct mode whose weights share a tile.
    pub(super) fn tile_steps(&self) -> usize {
        tile_steps(self.columns)
    }

    /// Tiles that a program can address.
    pub(super) fn usable_tiles(&self) -> usize {
        self.weight_tiles.min(REGION_MAX)
    }

    /// Parameter entries that a program can address.
    pub(super) fn usable_parameters(&self) -> usize {
        self.parameter_entries.min(REGION_MAX)
    }

    /// Instructions that a program can have.
    pub(super) fn usable_instructions(&self) -> usize {
        self.program_instructions.min(REGION_MAX)
    }

    /// Bytes of a scratchpad word: modulo it, window rows must follow each other without a gap.
    pub(super) fn word_bytes(&self) -> usize {
        self.rows.max(DATA_BYTES as usize)
    }

    /// Whether instructions with this opcode are carried out.
    pub(super) fn require(&self, opcode: u8, layer: &str) -> Result<(), CompileError> {
        if self.features >> opcode & 1 == 1 {
            return Ok(());
        }
        let name = OPCODES
            .iter()
            .find(|entry| entry.0 == opcode)
            .map_or("unknown", |entry| entry.1);
        Err(CompileError::Unsupported {
            layer: layer.into(),
            instruction: name,
            target: self.name.clone(),
        })
    }

    /// Refuses dimensions that no real device has, so that arithmetic on them is safe.
    pub(super) fn check(&self) -> Result<(), CompileError> {
        let dimensions = [
            ("array rows", self.rows, 1024),
            ("array columns", self.columns, 1024),
            ("requantization lanes", self.requantize_lanes, 1024),
            ("scratchpad bytes", self.scratchpad_bytes, 1 << 31),
            ("weight tiles", self.weight_tiles, 1 << 31),
            ("parameter entries", self.parameter_entries, 1 << 31),
            ("program instructions", self.program_instructions, 1 << 31),
            ("accumulator rows", self.accumulator_rows, REGION_MAX),
            ("slots", self.slots, 256),
        ];
        for (what, value, maximum) in dimensions {
            if !(1..=maximum).contains(&value) {
                return Err(self.impossible(format!("{value} {what} (1 to {maximum})")));
            }
        }
        for (what, divisor, value, of) in [
            (
                "requantization lanes",
                self.requantize_lanes,
                self.columns,
                "columns",
            ),
            ("columns", self.columns, self.rows, "rows"),
        ] {
            if !value.is_multiple_of(divisor) {
                return Err(self.impossible(format!("{divisor} {what} don't divide {value} {of}")));
            }
        }
        Ok(())
    }

    fn impossible(&self, reason: String) -> CompileError {
        CompileError::Target {
            target: self.name.clone(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use systole_regs::configuration::{SMALL, TINY};

    #[test]
    fn a_word_is_a_vector_but_at_least_a_beat_of_the_bus() {
        assert_eq!(Target::from(&TINY).word_bytes(), 8);
        assert_eq!(Target::from(&SMALL).word_bytes(), 16);
    }

    #[test]
    fn impossible_dimensions_are_refused() {
        for target in [
            Target {
                rows: 0,
                ..Target::from(&TINY)
            },
            Target {
                columns: usize::MAX,
                ..Target::from(&TINY)
            },
            Target {
                requantize_lanes: 3,
                ..Target::from(&TINY)
            },
            Target {
                accumulator_rows: 0,
                ..Target::from(&TINY)
            },
        ] {
            assert!(
                matches!(target.check(), Err(CompileError::Target { .. })),
                "{target:?}"
            );
        }
        assert_eq!(Target::from(&TINY).check(), Ok(()));
    }
}
