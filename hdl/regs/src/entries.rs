//! Queue entries: what the host asks for and how it is answered.
//!
//! The rings work as in NVMe (NVM Express Base Specification 2.0, section 3.3): the host writes
//! entries at the submission tail and rings the tail doorbell; the device fetches them in order,
//! writes a completion for each at the completion tail and inverts the phase bit on each lap.
//! A completion whose phase bit equals the lap's is new. Both rings are allocated by the host and
//! zeroed before the queue is enabled; the first lap's phase is 1. A ring of N entries holds
//! N - 1: head equal to tail means empty.

use crate::layout::layout;

/// Opcodes of submission entries.
pub mod opcode {
    /// Does nothing, and completes.
    pub const NOP: u8 = 0;
    /// Makes a model resident in a slot ([`super::LoadEntry`]).
    pub const LOAD: u8 = 1;
    /// Runs the model of a slot on rows of host memory ([`super::RunEntry`]).
    pub const RUN: u8 = 2;
    /// Empties a slot ([`super::LoadEntry`] with everything but opcode, flags, id and slot zero).
    pub const UNLOAD: u8 = 3;
}

/// Flags of submission entries.
pub mod flag {
    /// Write a [`super::Statistics`] block to `statistics_address` before the completion.
    pub const STATISTICS: u8 = 1 << 0;
    /// Write a [`super::TraceRecord`] for each instruction to `trace_address` (RUN only).
    pub const TRACE: u8 = 1 << 1;
    /// Every flag that exists.
    pub const ALL: u8 = STATISTICS | TRACE;
}

/// Largest number of rows of one run.
pub const ROWS_MAX: u32 = 65_535;

layout! {
    /// Runs the model of a slot on `rows` rows.
    pub struct RunEntry : 64 {
        /// `opcode::RUN`.
        opcode: u8,
        /// Bits of `flag`; unknown ones must be zero.
        flags: u8,
        /// Returned in the completion. Chosen by the host.
        command_id: u16,
        /// Slot whose model runs.
        slot: u8,
        /// Must be zero.
        reserved0: [u8; 3],
        /// Bus address of the first input row. A multiple of 8.
        input_address: u64,
        /// Bus address of the first output row. A multiple of 8.
        output_address: u64,
        /// Bus address of a statistics block (flag STATISTICS). A multiple of 8; zero without the flag.
        statistics_address: u64,
        /// Rows to process, 1 to 65535.
        rows: u32,
        /// Bytes from one input row to the next. A multiple of 8.
        input_stride: u32,
        /// Bytes from one output row to the next. A multiple of 8.
        output_stride: u32,
        /// Records that there is room for at `trace_address`; those beyond are dropped. Zero without
        /// the flag TRACE.
        trace_entries: u32,
        /// Bus address of host memory that the program may use for itself (LOAD_WORKSPACE,
        /// STORE_WORKSPACE). A multiple of 8; zero if it doesn't.
        workspace_address: u64,
        /// Bus address of the first trace record (flag TRACE). A multiple of 8; zero without the flag.
        trace_address: u64,
    }
}

layout! {
    /// Makes a model resident in a slot: copies its image from host memory into regions of the
    /// on-chip memories that the host has chosen. The slot is empty from the start of the command
    /// and valid again when it succeeds.
    pub struct LoadEntry : 64 {
        /// `opcode::LOAD`.
        opcode: u8,
        /// Bits of `flag`; unknown ones must be zero.
        flags: u8,
        /// Returned in the completion. Chosen by the host.
        command_id: u16,
        /// Slot to fill.
        slot: u8,
        /// Must be zero.
        reserved0: [u8; 3],
        /// Bus address of the model image (see `image`). A multiple of 8.
        image_address: u64,
        /// Bus address of the weights that the program streams (LOAD_WEIGHTS); they must stay there
        /// while the model is resident. A multiple of 8; zero if it streams none.
        stream_address: u64,
        /// Bus address of a statistics block (flag STATISTICS). A multiple of 8; zero without the flag.
        statistics_address: u64,
        /// Version of the model, chosen by the host; each completion of a run of this slot carries it.
        version: u32,
        /// First instruction of the model in the program memory.
        program_base: u16,
        /// Number of instructions, at least 1.
        program_count: u16,
        /// First entry of the model in the parameter memory. A multiple of the requantization lanes.
        parameter_base: u16,
        /// Number of parameter entries. A multiple of the requantization lanes.
        parameter_count: u16,
        /// First tile of the model in the weight memory.
        weight_base: u16,
        /// Number of weight tiles.
        weight_count: u16,
        /// Rows that one pass of the program takes, at least 1: a run of more rows repeats it.
        group_rows: u16,
        /// Must be zero.
        reserved1: [u8; 14],
    }
}

layout! {
    /// Answer to one command. The device writes its two 64-bit words in one burst; the host
    /// reads `phase` first and the rest after an acquire fence.
    pub struct CompletionEntry : 16 {
        /// Version of the slot's model when the command ended; zero if the slot is empty.
        version: u32,
        /// Clock cycles from the command's start (the doorbell if the device was idle, else the
        /// end of the command before) to the writing of this entry.
        cycles: u32,
        /// Id of the command.
        command_id: u16,
        /// Submission head after the command: entries before it may be reused.
        submission_head: u16,
        /// A code of `Status`.
        status: u8,
        /// Slot of the command.
        slot: u8,
        /// Bit 0 is the phase; the rest is zero.
        phase: u16,
    }
}

layout! {
    /// What one command cost. Counters that are called architectural depend only on the command
    /// and the program; the others also on the bus and the implementation. In each cycle of a run
    /// a vector is read or one stall counter counts, whichever comes first in the order below.
    pub struct Statistics : 64 {
        /// Clock cycles from the command's start to the writing of this block.
        cycles: u32,
        /// Row vectors fed to the array by MATRIX (architectural). Each is rows x columns MACs,
        /// padding included.
        vectors: u32,
        /// Row vectors read by DEPTHWISE and POOL (architectural).
        depthwise_vectors: u32,
        /// Cycles in which a computation waited for accumulators, that is for requantization.
        stall_requantize: u32,
        /// Cycles in which a computation prepared: operands, or weights of a block of channels.
        stall_prepare: u32,
        /// Cycles of a computation after its last vector: array latency and requantization.
        stall_drain: u32,
        /// Cycles in which nothing was computed while a DMA read was under way.
        stall_dma_read: u32,
        /// Cycles in which nothing was computed while a DMA write was under way.
        stall_dma_write: u32,
        /// Every other cycle: the entry, fetching, decoding and checking instructions.
        stall_control: u32,
        /// Bytes of rows, workspace, weights or image read by DMA, in whole words of 8 (architectural).
        dma_read_bytes: u32,
        /// Bytes of rows and workspace written by DMA (architectural).
        dma_write_bytes: u32,
        /// Instructions executed, ends and skipped ones included (architectural).
        instructions: u32,
        /// Passes of the program (architectural).
        groups: u32,
        /// Zero.
        reserved: [u32; 3],
    }
}

layout! {
    /// When one instruction ran, and what it cost: the records of a run follow each other in the
    /// order in which instructions finished. END and skipped instructions have none. Cycles count
    /// from the command's start.
    pub struct TraceRecord : 32 {
        /// Group of the run in which it was executed, from 0.
        group: u32,
        /// Its number in the program.
        instruction: u16,
        /// Its opcode.
        opcode: u8,
        /// Zero.
        reserved: u8,
        /// Cycle in which it began.
        start: u32,
        /// Cycle in which it had finished.
        finish: u32,
        /// Vectors that it read (computations).
        vectors: u32,
        /// Cycles in which it waited for accumulators.
        stall_requantize: u32,
        /// Cycles in which it prepared.
        stall_prepare: u32,
        /// Cycles after its last vector.
        stall_drain: u32,
    }
}
