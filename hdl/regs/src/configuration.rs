//! Named sizes of the accelerator. Hardware, simulation and tests take their dimensions from
//! here; software takes them from the device's identification registers, which repeat them.

use crate::instructions::{IMPLEMENTED, SHARED_COLUMNS, feature, tile_steps};
use crate::registers as register;
use crate::{ABI_VERSION, MAGIC, QUEUE_COUNT, QUEUE_ENTRIES_MAX, SLOT_COUNT};

/// How the array multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayKind {
    /// A multiplication for each weight.
    Plain,
    /// Winograd's inner product: one multiplication for the weights of two rows. Sums of MATRIX
    /// leave the array with the products of these weights in them
    /// ([`feature::WEIGHT_PRODUCTS`]).
    InnerProduct {
        /// Columns whose multiplications take DSPs; those of the others take LUTs.
        dsp_columns: usize,
        /// Two of these columns share a DSP, which takes turns at double the clock, on devices
        /// whose technology can.
        shares_dsps: bool,
        /// Columns that activations reach together; divides `columns`.
        group_columns: usize,
    },
}

/// Dimensions of one accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Name used on the command line (`sim:small`).
    pub name: &'static str,
    /// Rows R of the array: input channels that enter together, one byte each.
    pub rows: usize,
    /// Columns C of the array: output channels that are summed together.
    pub columns: usize,
    /// How the array multiplies.
    pub array: ArrayKind,
    /// Kernel columns that an activation of DEPTHWISE meets at once in shared mode, each with a
    /// multiplication of its own in every lane: 1 or [`SHARED_COLUMNS`]
    /// ([`feature::SHARED_COLUMNS`]).
    pub shared_columns: usize,
    /// Requantization lanes Q: outputs finished in a cycle. Divides `columns`, which divides `rows`.
    pub requantize_lanes: usize,
    /// Size of the scratchpad in bytes, a power of two.
    pub scratchpad_bytes: usize,
    /// Weight tiles (R x C bytes each) that the weight memory holds.
    pub weight_tiles: usize,
    /// Parameter entries (one per output channel) that the parameter memory holds.
    pub parameter_entries: usize,
    /// Instructions that the program memory holds, for all slots together.
    pub program_instructions: usize,
    /// Rows of C accumulators: the rows that can be in flight before requantization.
    pub accumulator_rows: usize,
    /// Clock that simulated times are stated for, in kHz.
    pub clock_khz: u32,
}

impl Configuration {
    /// Processing elements of the array.
    pub const fn elements(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether two weights share a multiplication.
    pub const fn takes_inner_products(&self) -> bool {
        matches!(self.array, ArrayKind::InnerProduct { .. })
    }

    /// Columns that activations reach together.
    pub const fn group_columns(&self) -> usize {
        match self.array {
            ArrayKind::Plain => self.columns,
            ArrayKind::InnerProduct { group_columns, .. } => group_columns,
        }
    }

    /// Groups of columns that activations reach one after the other.
    pub const fn column_groups(&self) -> usize {
        self.columns / self.group_columns()
    }

    /// What the FEATURES register says.
    pub const fn features(&self) -> u32 {
        let mut features = IMPLEMENTED;
        if self.takes_inner_products() {
            features |= feature::WEIGHT_PRODUCTS;
        }
        if self.shared_columns == SHARED_COLUMNS as usize {
            features |= feature::SHARED_COLUMNS;
        }
        features
    }

    /// What the identification registers say, but for the build hash: offsets and values.
    pub const fn identification(&self) -> [(u32, u32); 15] {
        [
            (register::MAGIC, MAGIC),
            (register::ABI_VERSION, ABI_VERSION),
            (register::ARRAY_ROWS, self.rows as u32),
            (register::ARRAY_COLUMNS, self.columns as u32),
            (register::REQUANTIZE_LANES, self.requantize_lanes as u32),
            (register::SCRATCHPAD_BYTES, self.scratchpad_bytes as u32),
            (register::WEIGHT_TILES, self.weight_tiles as u32),
            (register::PARAMETER_ENTRIES, self.parameter_entries as u32),
            (
                register::PROGRAM_INSTRUCTIONS,
                self.program_instructions as u32,
            ),
            (register::ACCUMULATOR_ROWS, self.accumulator_rows as u32),
            (register::SLOT_COUNT, SLOT_COUNT),
            (register::QUEUE_COUNT, QUEUE_COUNT),
            (register::QUEUE_ENTRIES_MAX, QUEUE_ENTRIES_MAX),
            (register::CLOCK_KHZ, self.clock_khz),
            (register::FEATURES, self.features()),
        ]
    }

    /// Bytes of one scratchpad word, its number of banks: a row vector, or a beat of the bus where
    /// that is wider.
    pub const fn scratchpad_word_bytes(&self) -> usize {
        if self.rows > 8 { self.rows } else { 8 }
    }

    /// Bytes of one weight tile.
    pub const fn tile_bytes(&self) -> usize {
        self.rows * self.columns
    }

    /// Steps D of DEPTHWISE in direct mode whose weights share a tile.
    pub const fn tile_steps(&self) -> usize {
        tile_steps(self.columns)
    }

    /// Bits of a partial sum at the bottom of the array: 16 for a product, and one for each
    /// doubling of the rows. That is enough for products of weights, too: a pair adds at most
    /// 3 x 2^14. What is between may wrap.
    pub const fn partial_sum_bits(&self) -> usize {
        16 + self.rows.next_power_of_two().trailing_zeros() as usize
    }
}

/// 4 x 4: for tests that look at every corner, and the smallest part. Its array is of the kind of the
/// large one, so that what is built of it is what tests look at.
pub const TINY: Configuration = Configuration {
    name: "tiny",
    rows: 4,
    columns: 4,
    array: ArrayKind::InnerProduct {
        dsp_columns: 4,
        shares_dsps: true,
        group_columns: 4,
    },
    shared_columns: 3,
    requantize_lanes: 2,
    scratchpad_bytes: 16 * 1024,
    weight_tiles: 4096,
    parameter_entries: 2048,
    program_instructions: 128,
    accumulator_rows: 16,
    clock_khz: 100_000,
};

/// 16 x 8, the default: one multiplier for each element of an ECP5-85F's DSP rows.
///
/// The weight memory is as deep as a block of 9 bits, and 32 tiles more, which are in LUTs: as many as
/// anomaly detection takes.
pub const SMALL: Configuration = Configuration {
    name: "small",
    rows: 16,
    columns: 8,
    array: ArrayKind::Plain,
    shared_columns: 3,
    requantize_lanes: 4,
    scratchpad_bytes: 64 * 1024,
    weight_tiles: 2080,
    parameter_entries: 4096,
    program_instructions: 128,
    accumulator_rows: 64,
    clock_khz: 150_000,
};

/// 32 x 16 on an ECP5-85F: 512 multiplications a cycle from 128 DSPs, each of which makes four.
///
/// The weight memory is as deep as a block of 36 bits: more tiles would take twice the blocks.
pub const ECP5_85F: Configuration = Configuration {
    name: "ecp5-85f",
    rows: 32,
    columns: 16,
    array: ArrayKind::InnerProduct {
        dsp_columns: 16,
        shares_dsps: true,
        group_columns: 4,
    },
    shared_columns: 1,
    requantize_lanes: 4,
    scratchpad_bytes: 64 * 1024,
    weight_tiles: 512,
    parameter_entries: 4096,
    program_instructions: 128,
    accumulator_rows: 16,
    clock_khz: 100_000,
};

/// 32 x 32: more than an ECP5 holds; for simulation, and for what comes after.
pub const LARGE: Configuration = Configuration {
    name: "large",
    rows: 32,
    columns: 32,
    array: ArrayKind::Plain,
    shared_columns: 3,
    requantize_lanes: 16,
    scratchpad_bytes: 256 * 1024,
    weight_tiles: 1024,
    parameter_entries: 4096,
    program_instructions: 256,
    accumulator_rows: 64,
    clock_khz: 200_000,
};

/// Every named configuration.
pub const ALL: &[Configuration] = &[TINY, SMALL, ECP5_85F, LARGE];

/// The configuration that is used where none is named.
pub const DEFAULT: Configuration = SMALL;

/// The configuration with this name, if there is one.
pub fn by_name(name: &str) -> Option<Configuration> {
    ALL.iter()
        .copied()
        .find(|configuration| configuration.name == name)
}
