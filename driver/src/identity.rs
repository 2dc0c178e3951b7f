//! What a device says about itself: identification registers, counters, slots.

use systole_regs::registers::{self as register, Register};
use systole_regs::{ABI_VERSION, MAGIC};

use crate::{BarOffset, Error, Transport};

/// The identification registers. Software compiles for these, never for a configuration's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Major version of the interface; equals the driver's.
    pub abi_major: u16,
    /// Minor version of the interface.
    pub abi_minor: u16,
    /// Rows R of the array.
    pub array_rows: usize,
    /// Columns C of the array.
    pub array_columns: usize,
    /// Outputs Q that are requantized in a cycle. Divides `array_columns`.
    pub requantize_lanes: usize,
    /// Size of the scratchpad in bytes.
    pub scratchpad_bytes: usize,
    /// Tiles of R x C bytes in the weight memory.
    pub weight_tiles: usize,
    /// Entries of the parameter memory.
    pub parameter_entries: usize,
    /// Instructions in the program memory.
    pub program_instructions: usize,
    /// Rows of C accumulators.
    pub accumulator_rows: usize,
    /// Model slots.
    pub slot_count: usize,
    /// Queue pairs.
    pub queue_count: usize,
    /// Largest number of entries of a ring.
    pub queue_entries_max: u32,
    /// Clock of the accelerator in kHz.
    pub clock_khz: u32,
    /// Bit n is set if instructions with opcode n are carried out.
    pub features: u32,
    /// Hash of the Verilog that the device was built from; zero if it was not built from any.
    pub build_hash: u64,
}

/// Most slots whose registers fit between the first slot's and the doorbells.
const SLOTS_MAX: u32 =
    (register::SUBMISSION_TAIL_DOORBELL - register::SLOT_STATE) / register::SLOT_BLOCK_BYTES;

/// Most queue pairs whose registers fit between the first pair's and the counters.
const QUEUES_MAX: u32 =
    (register::CYCLES_LOW - register::SUBMISSION_BASE_LOW) / register::QUEUE_BLOCK_BYTES;

/// Most entries that 16-bit indices and doorbells can address.
const ENTRIES_MAX: u32 = 1 << 16;

impl Identity {
    /// Reads and checks the identification registers. Nothing is written before the device has
    /// shown that it speaks this driver's interface.
    ///
    /// # Errors
    /// [`Error::DeviceGone`], [`Error::WrongMagic`], [`Error::InterfaceVersion`],
    /// [`Error::ImplausibleIdentity`]; errors of the transport.
    pub(crate) fn read(transport: &dyn Transport) -> Result<Self, Error> {
        let raw = |offset| transport.read_register(BarOffset(offset));
        let magic = raw(register::MAGIC)?;
        if magic == u32::MAX {
            return Err(Error::DeviceGone);
        }
        if magic != MAGIC {
            return Err(Error::WrongMagic { found: magic });
        }
        let (abi_major, abi_minor) = split(raw(register::ABI_VERSION)?);
        let (driver_major, driver_minor) = split(ABI_VERSION);
        if abi_major != driver_major {
            return Err(Error::InterfaceVersion {
                device_major: abi_major,
                device_minor: abi_minor,
                driver_major,
                driver_minor,
            });
        }

        let checked = |offset, expected, plausible: &dyn Fn(u32) -> bool| {
            let value = raw(offset)?;
            if plausible(value) {
                return Ok(value);
            }
            Err(Error::ImplausibleIdentity {
                register: name(offset),
                value,
                expected,
            })
        };
        let up_to = |offset, most, expected| {
            checked(offset, expected, &|value| (1..=most).contains(&value))
        };
        let memory = |offset| up_to(offset, 1 << 30, "1 to 2^30").map(|value| value as usize);
        let array = |offset| up_to(offset, 4096, "1 to 4096").map(|value| value as usize);

        let array_columns = array(register::ARRAY_COLUMNS)?;
        let lanes = checked(
            register::REQUANTIZE_LANES,
            "a divisor of ARRAY_COLUMNS",
            &|value| value != 0 && array_columns.is_multiple_of(value as usize),
        )?;
        let slot_count = up_to(
            register::SLOT_COUNT,
            SLOTS_MAX,
            "1 to the slots that fit BAR0",
        )?;
        let queue_count = up_to(
            register::QUEUE_COUNT,
            QUEUES_MAX,
            "1 to the queues that fit BAR0",
        )?;
        let queue_entries_max = checked(register::QUEUE_ENTRIES_MAX, "2 to 65536", &|value| {
            (2..=ENTRIES_MAX).contains(&value)
        })?;
        let clock_khz = up_to(register::CLOCK_KHZ, 10_000_000, "1 to 10000000")?;
        let features = checked(
            register::FEATURES,
            "a mask with bit 0 (END) set",
            &|value| value & 1 != 0 && value != u32::MAX,
        )?;
        Ok(Self {
            abi_major,
            abi_minor,
            array_rows: array(register::ARRAY_ROWS)?,
            array_columns,
            requantize_lanes: lanes as usize,
            scratchpad_bytes: memory(register::SCRATCHPAD_BYTES)?,
            weight_tiles: memory(register::WEIGHT_TILES)?,
            parameter_entries: memory(register::PARAMETER_ENTRIES)?,
            program_instructions: memory(register::PROGRAM_INSTRUCTIONS)?,
            accumulator_rows: memory(register::ACCUMULATOR_ROWS)?,
            slot_count: slot_count as usize,
            queue_count: queue_count as usize,
            queue_entries_max,
            clock_khz,
            features,
            build_hash: u64::from(raw(register::BUILD_HASH_HIGH)?) << 32
                | u64::from(raw(register::BUILD_HASH_LOW)?),
        })
    }
}

/// Halves of a version register: major, minor.
fn split(version: u32) -> (u16, u16) {
    ((version >> 16) as u16, version as u16)
}

fn name(offset: u32) -> &'static str {
    let at = |register: &&Register| register.offset == offset;
    register::IDENTIFICATION
        .iter()
        .find(at)
        .map_or("of an unknown name", |register| register.name)
}

/// Counters since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Clock cycles, counted always.
    pub cycles: u64,
    /// Clock cycles with a command outstanding.
    pub busy_cycles: u64,
    /// Commands completed, failed ones included. Wraps at 32 bits.
    pub commands: u32,
    /// Commands completed with a status other than success. Wraps at 32 bits.
    pub errors: u32,
}

/// A region of one of the device's memories that belongs to a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First unit: an instruction, a parameter entry or a weight tile.
    pub base: u16,
    /// Number of units.
    pub count: u16,
}

impl Region {
    /// Decodes a slot register.
    pub(crate) fn decode(value: u32) -> Self {
        let (count, base) = split(value);
        Self { base, count }
    }
}

/// What one model slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotState {
    /// Whether a model is resident.
    pub resident: bool,
    /// Version of the resident model; 0 if none.
    pub version: u32,
    /// The model's instructions in the program memory.
    pub program: Region,
    /// The model's entries in the parameter memory.
    pub parameters: Region,
    /// The model's tiles in the weight memory.
    pub weights: Region,
    /// Rows that one pass of the program takes.
    pub group_rows: u32,
}
