//! Registers of BAR0. Each is 32 bits wide and is accessed by aligned 32-bit reads and writes.
//! Reserved offsets read as zero and ignore writes.
//!
//! 64-bit counters are read low half first: reading `*_LOW` latches the high half.

/// What software may do with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads a value that writes do not change.
    ReadOnly,
    /// Holds what was written.
    ReadWrite,
    /// Acts when written; reads as zero.
    WriteOnly,
}

/// One register.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Name of the constant in this module.
    pub name: &'static str,
    /// Byte offset in BAR0.
    pub offset: u32,
    /// What software may do with it.
    pub access: Access,
    /// What it means.
    pub description: &'static str,
}

/// Declares registers as offset constants and as a table.
macro_rules! registers {
    ($table:ident, $about:literal: $( $name:ident $offset:literal $access:ident $text:literal; )+) => {
        $( #[doc = $text] pub const $name: u32 = $offset; )+
        #[doc = $about]
        pub const $table: &[Register] = &[
            $( Register { name: stringify!($name), offset: $offset, access: Access::$access, description: $text } ),+
        ];
    };
}

registers! { IDENTIFICATION, "What the device is. Offsets from the start of BAR0.":
    MAGIC 0x000 ReadOnly "0x53595354, \"SYST\".";
    ABI_VERSION 0x004 ReadOnly "Interface version: major in bits 31:16, minor in 15:0.";
    ARRAY_ROWS 0x008 ReadOnly "Rows R of the array.";
    ARRAY_COLUMNS 0x00c ReadOnly "Columns C of the array.";
    REQUANTIZE_LANES 0x010 ReadOnly "Outputs Q that are requantized in a cycle.";
    SCRATCHPAD_BYTES 0x014 ReadOnly "Size of the scratchpad in bytes.";
    WEIGHT_TILES 0x018 ReadOnly "Tiles of R x C bytes in the weight memory.";
    PARAMETER_ENTRIES 0x01c ReadOnly "Entries of the parameter memory.";
    PROGRAM_INSTRUCTIONS 0x020 ReadOnly "Instructions in the program memory.";
    ACCUMULATOR_ROWS 0x024 ReadOnly "Rows of C accumulators.";
    SLOT_COUNT 0x028 ReadOnly "Model slots.";
    QUEUE_COUNT 0x02c ReadOnly "Queue pairs.";
    QUEUE_ENTRIES_MAX 0x030 ReadOnly "Largest number of entries of a ring.";
    CLOCK_KHZ 0x034 ReadOnly "Clock of the accelerator in kHz.";
    FEATURES 0x038 ReadOnly "Bits 29:0: bit n is set if instructions with opcode n are carried out. Bit 30 (SHARED_COLUMNS): DEPTHWISE in shared mode uses an input column for up to three pixels, else for one. Bit 31 (WEIGHT_PRODUCTS): sums of MATRIX carry the products of the weights of rows 2i and 2i + 1; biases make up for it.";
    BUILD_HASH_LOW 0x03c ReadOnly "Low half of a hash of the emitted Verilog.";
    BUILD_HASH_HIGH 0x040 ReadOnly "High half of a hash of the emitted Verilog.";
}

registers! { CONTROL_BLOCK, "Device control.":
    CONTROL 0x080 ReadWrite "Bit 0 (ENABLE): process the queue; clearing it stops after the current command; set it again only when STATUS.BUSY is 0. Bit 1 (RESET): writing 1 resets queues, slots and counters as soon as running DMA has ended; reads as 1 until then.";
    STATUS 0x084 ReadOnly "Bit 0 (READY): enabled and without fatal error. Bit 1 (FATAL): the queue itself failed; only RESET helps. Bit 2 (BUSY): a command is being processed. Bits 15:8: status code of the fatal error.";
}

/// Bits of [`CONTROL`].
pub mod control {
    /// Process the queue.
    pub const ENABLE: u32 = 1 << 0;
    /// Reset; reads as 1 until the reset has taken place.
    pub const RESET: u32 = 1 << 1;
}

/// Bits of [`STATUS`].
pub mod status {
    /// Enabled and without fatal error.
    pub const READY: u32 = 1 << 0;
    /// The queue itself failed.
    pub const FATAL: u32 = 1 << 1;
    /// A command is being processed.
    pub const BUSY: u32 = 1 << 2;
    /// Position of the fatal error's status code.
    pub const FATAL_CODE_SHIFT: u32 = 8;
}

/// Distance between the register blocks of two queue pairs.
pub const QUEUE_BLOCK_BYTES: u32 = 0x40;

registers! { QUEUE_BLOCK, "Queue pair q, at these offsets + q * 0x40. Write them while CONTROL.ENABLE and STATUS.BUSY are 0.":
    SUBMISSION_BASE_LOW 0x100 ReadWrite "Bus address of the submission ring, bits 31:0. A multiple of 64.";
    SUBMISSION_BASE_HIGH 0x104 ReadWrite "Bus address of the submission ring, bits 63:32.";
    SUBMISSION_ENTRIES 0x108 ReadWrite "Entries of the submission ring, 2 to QUEUE_ENTRIES_MAX.";
    COMPLETION_BASE_LOW 0x10c ReadWrite "Bus address of the completion ring, bits 31:0. A multiple of 16.";
    COMPLETION_BASE_HIGH 0x110 ReadWrite "Bus address of the completion ring, bits 63:32.";
    COMPLETION_ENTRIES 0x114 ReadWrite "Entries of the completion ring, 2 to QUEUE_ENTRIES_MAX.";
    INTERRUPT 0x118 ReadWrite "Bits 10:0: MSI-X vector of this queue. Bit 31: request it for each completion.";
    SUBMISSION_HEAD 0x11c ReadOnly "Index of the next entry that the device will fetch.";
    COMPLETION_TAIL 0x120 ReadOnly "Index of the next completion that the device will write.";
}

/// Bit of [`INTERRUPT`] that requests MSI-X messages.
pub const INTERRUPT_ENABLE: u32 = 1 << 31;

registers! { COUNTERS, "Counters since the last reset. CYCLES counts always; BUSY_CYCLES from a doorbell to the acknowledged completion.":
    CYCLES_LOW 0x400 ReadOnly "Clock cycles, bits 31:0.";
    CYCLES_HIGH 0x404 ReadOnly "Clock cycles, bits 63:32, as of the last read of the low half.";
    BUSY_CYCLES_LOW 0x408 ReadOnly "Cycles with a command outstanding, bits 31:0.";
    BUSY_CYCLES_HIGH 0x40c ReadOnly "Cycles with a command outstanding, bits 63:32, as of the last read of the low half.";
    COMMANDS 0x410 ReadOnly "Commands completed, failed ones included.";
    ERRORS 0x414 ReadOnly "Commands completed with a status other than Success.";
}

/// Distance between the register blocks of two slots.
pub const SLOT_BLOCK_BYTES: u32 = 0x20;

registers! { SLOT_BLOCK, "Model slot s, at these offsets + s * 0x20.":
    SLOT_STATE 0x800 ReadOnly "1 if a model is resident, else 0.";
    SLOT_VERSION 0x804 ReadOnly "Version of the resident model; 0 if none.";
    SLOT_PROGRAM 0x808 ReadOnly "Program region: base in bits 15:0, count in 31:16.";
    SLOT_PARAMETERS 0x80c ReadOnly "Parameter region: base in bits 15:0, count in 31:16.";
    SLOT_WEIGHTS 0x810 ReadOnly "Weight region: base in bits 15:0, count in 31:16.";
    SLOT_GROUP_ROWS 0x814 ReadOnly "Rows that one pass of the program takes.";
}

/// Distance between the doorbells of two queue pairs.
pub const DOORBELL_BLOCK_BYTES: u32 = 0x8;

registers! { DOORBELLS, "Doorbells of queue pair q, at these offsets + q * 8, in a page of their own.":
    SUBMISSION_TAIL_DOORBELL 0x1000 WriteOnly "Index after the last submission entry that the host has written.";
    COMPLETION_HEAD_DOORBELL 0x1004 WriteOnly "Index after the last completion that the host has read.";
}

/// All register blocks with their titles.
pub const BLOCKS: &[(&str, &[Register])] = &[
    ("Identification", IDENTIFICATION),
    ("Control", CONTROL_BLOCK),
    ("Queue pair", QUEUE_BLOCK),
    ("Counters", COUNTERS),
    ("Model slot", SLOT_BLOCK),
    ("Doorbells", DOORBELLS),
];
