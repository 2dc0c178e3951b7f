//! Instructions: what a model's program is made of.
//!
//! A program runs once for each group of rows of a run; `B` below is the number of rows in the
//! group. Addresses and strides of the scratchpad are in bytes. Each instruction finishes before
//! the next begins, as far as a program can see; hardware may overlap them.
//!
//! Every address that an instruction generates is checked against its memory, and weight and
//! parameter addresses against the model's own regions. The first one outside ends the run with
//! `InstructionBounds`; what the instruction wrote before is undefined, memory outside untouched.

use crate::layout::layout;

/// Opcodes of instructions.
pub mod opcode {
    /// Ends the pass.
    pub const END: u8 = 0;
    /// Copies one host row for each row of the group into the scratchpad.
    pub const LOAD_ROWS: u8 = 1;
    /// Copies one row for each row of the group from the scratchpad to the host.
    pub const STORE_ROWS: u8 = 2;
    /// Convolution or, with a kernel of 1x1 on an image of 1x1, fully-connected layer.
    pub const MATRIX: u8 = 3;
    /// Depthwise convolution.
    pub const DEPTHWISE: u8 = 4;
    /// Rescaled sum of two tensors.
    pub const ADD: u8 = 5;
    /// Average, maximum or global pooling.
    pub const POOL: u8 = 6;
    /// Streams weight tiles of the model from host memory.
    pub const LOAD_WEIGHTS: u8 = 7;
}

/// The opcodes, for people.
pub const OPCODES: &[(u8, &str, &str)] = &[
    (opcode::END, "END", "ends the pass of the program"),
    (
        opcode::LOAD_ROWS,
        "LOAD_ROWS",
        "copies `row_bytes` bytes at `host_offset` of each host row of the group to `output_address + b * output_batch_stride` in the scratchpad",
    ),
    (
        opcode::STORE_ROWS,
        "STORE_ROWS",
        "copies `row_bytes` bytes at `input_address + b * input_batch_stride` in the scratchpad to `host_offset` of each host row of the group",
    ),
    (
        opcode::MATRIX,
        "MATRIX",
        "for each row b of the group and each column tile n: sums over k the products of the input vectors with weight tile `weight_address + n * K + k`, requantizes with the parameters at `parameter_address + n * C`, and writes C bytes to `output_address + b * output_batch_stride + n * C`",
    ),
    (
        opcode::DEPTHWISE,
        "DEPTHWISE",
        "depthwise convolution (laid out, not in this ABI's hardware yet)",
    ),
    (
        opcode::ADD,
        "ADD",
        "rescaled sum of the tensors at `input_address` and `second_address` (laid out, not in hardware yet)",
    ),
    (
        opcode::POOL,
        "POOL",
        "pooling over kernel windows (laid out, not in hardware yet)",
    ),
    (
        opcode::LOAD_WEIGHTS,
        "LOAD_WEIGHTS",
        "streams weight tiles from the image (laid out, not in hardware yet)",
    ),
];

/// Opcodes that the hardware of this ABI carries out, as a bit mask (`FEATURES` register).
pub const IMPLEMENTED: u32 =
    1 << opcode::END | 1 << opcode::LOAD_ROWS | 1 << opcode::STORE_ROWS | 1 << opcode::MATRIX;

/// How an accumulator is scaled, `x` being the sum with its bias and `m`, `s` multiplier and shift.
pub mod rounding {
    /// One rounding: `(x * m + 2^(30 - s)) >> (31 - s)`, exact in 64 bits. TFLite's
    /// single-rounding `MultiplyByQuantizedMultiplier`, which its fully-connected kernels use.
    pub const SINGLE: u8 = 0;
    /// Two roundings, as in gemmlowp: `SaturatingRoundingDoublingHighMul(x << max(s, 0), m)`
    /// (the shift wraps at 32 bits), then `RoundingDivideByPOT` by `max(-s, 0)`: ties away from zero.
    /// TFLite's convolution kernels use it.
    pub const DOUBLE: u8 = 1;
}

layout! {
    /// One instruction. A field that an opcode doesn't use must be zero.
    ///
    /// MATRIX reads, for row b and k, the R bytes at
    /// `input_address + b * input_batch_stride + k * R`; K = `input_tiles` for a fully-connected
    /// layer. `block_rows` rows are fed to the array for each weight tile before the next is
    /// swapped in; they occupy as many accumulator rows.
    pub struct Instruction : 64 {
        /// One of `opcode`.
        opcode: u8,
        /// Must be zero.
        flags: u8,
        /// One of `rounding` (MATRIX, DEPTHWISE).
        rounding: u8,
        /// Must be zero.
        reserved0: u8,
        /// Rows that share a weight tile, 1 to the number of accumulator rows (MATRIX).
        block_rows: u16,
        /// Column tiles: output channels / C, rounded up (MATRIX).
        column_tiles: u16,
        /// Scratchpad address of the input. MATRIX: a multiple of R; STORE_ROWS: of 8.
        input_address: u32,
        /// Scratchpad address of the output. MATRIX: a multiple of C and of Q; LOAD_ROWS: of 8.
        output_address: u32,
        /// Bytes from one row's input to the next's. MATRIX: a multiple of R; STORE_ROWS: of 8.
        input_batch_stride: u32,
        /// Bytes from one row's output to the next's. MATRIX: a multiple of Q; LOAD_ROWS: of 8.
        output_batch_stride: u32,
        /// First weight tile, counted from the model's region.
        weight_address: u16,
        /// First parameter entry, counted from the model's region. A multiple of Q.
        parameter_address: u16,
        /// Input channels / R, rounded up (MATRIX).
        input_tiles: u16,
        /// Zero point of the output.
        output_zero_point: i8,
        /// Least output value.
        clamp_minimum: i8,
        /// Greatest output value.
        clamp_maximum: i8,
        /// Value of padding, the input's zero point.
        pad_value: i8,
        /// Rows of the kernel (MATRIX: 1 so far).
        kernel_height: u8,
        /// Columns of the kernel (MATRIX: 1 so far).
        kernel_width: u8,
        /// Vertical step of the kernel (MATRIX: 1 so far).
        stride_y: u8,
        /// Horizontal step of the kernel (MATRIX: 1 so far).
        stride_x: u8,
        /// Rows of padding above.
        pad_top: u8,
        /// Columns of padding to the left.
        pad_left: u8,
        /// Rows of the input image (MATRIX: 1 so far).
        input_height: u16,
        /// Columns of the input image (MATRIX: 1 so far).
        input_width: u16,
        /// Rows of the output image (MATRIX: 1 so far).
        output_height: u16,
        /// Columns of the output image (MATRIX: 1 so far).
        output_width: u16,
        /// Bytes of a row to copy (LOAD_ROWS, STORE_ROWS), at least 1. MATRIX: zero.
        row_bytes: u32,
        /// Offset in each host row (LOAD_ROWS, STORE_ROWS). A multiple of 8.
        host_offset: u32,
        /// Scratchpad address of the second input (ADD).
        second_address: u32,
        /// Must be zero.
        reserved1: u32,
    }
}
