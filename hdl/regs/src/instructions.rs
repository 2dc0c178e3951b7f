//! Instructions: what a model's program is made of.
//!
//! A program runs once for each group of rows of a run; `B` below is the number of rows in the
//! group and `b` one of them. Addresses and strides of the scratchpad are in bytes and may have
//! any alignment. There are two formats: [`Transfer`] moves data by DMA, [`Compute`] calculates.
//!
//! ```text
//!  host memory --LOAD_ROWS, LOAD_WORKSPACE--> scratchpad --STORE_ROWS, STORE_WORKSPACE--> host memory
//!              --LOAD_WEIGHTS--> weight memory   |   ^
//!                                                v   |
//!                          MATRIX, DEPTHWISE, POOL: sums -> requantize (-> add residual)
//! ```
//!
//! # Order
//! Instructions begin in program order. DMA reads (`LOAD_*`), DMA writes (`STORE_*`) and
//! computation are three units that work side by side; an instruction begins when at most
//! `compute_limit`, `load_limit` and `store_limit` of the instructions of those units before it
//! have yet to finish. Zero waits for all of them, so a program of zeros is strictly sequential;
//! [`NO_LIMIT`] waits for none. A program in which an instruction begins before data that it
//! reads is there, or writes what another still reads, computes something undefined, within the
//! scratchpad and the model's own regions. END waits for everything only at the end of the run, and
//! its limits are zero like its other fields; the next group's instructions follow those of the
//! group before by the same rule. An instruction that is skipped counts as finished.
//!
//! # Checks
//! An instruction is checked whole before it begins: a field that its opcode doesn't use must be
//! zero, the others as their descriptions say, else the run ends with `InvalidInstruction`. Then
//! the ends of all regions that it touches: scratchpad addresses against the scratchpad's size,
//! weight and parameter addresses against the model's own regions, else `InstructionBounds`.
//! Instructions that have begun are finished; what the run wrote before is undefined, memory
//! outside is untouched.
//!
//! # Windows
//! The array reads, for each output pixel, the bytes of its window R at a time. Byte `n` of the
//! window of pixel (oy, ox) of row b lies in window row `s = n / window_bytes` at byte
//! `n % window_bytes`; with `y = oy * stride_y - pad_top + s` and
//! `x = ox * column_step - pad_left + n % window_bytes` its value is that at
//! `input_address + b * input_batch_stride + y * input_row_stride + x` if `s < kernel_height`,
//! `0 <= y < input_height` and `0 <= x < input_row_bytes`, else `pad_value`. With
//! `window_bytes` = kernel width x channels this is any convolution without dilation over an image
//! with the channels innermost, with any padding, and the R bytes read at once may span window
//! rows: an implicit im2col without gaps. So that they lie in different banks, window rows must be
//! [`crate::Configuration::scratchpad_word_bytes`] apart, modulo which `input_row_stride` equals
//! `window_bytes`.

use crate::layout::layout;

/// Opcodes of instructions.
pub mod opcode {
    /// Ends the pass.
    pub const END: u8 = 0;
    /// Copies host rows of the group into the scratchpad.
    pub const LOAD_ROWS: u8 = 1;
    /// Copies rows of the group from the scratchpad to the host.
    pub const STORE_ROWS: u8 = 2;
    /// Convolution or fully-connected layer.
    pub const MATRIX: u8 = 3;
    /// Depthwise convolution.
    pub const DEPTHWISE: u8 = 4;
    /// Average, maximum or global pooling; with a window of one pixel, a copy or an addition.
    pub const POOL: u8 = 5;
    /// Streams weight tiles of the model from host memory.
    pub const LOAD_WEIGHTS: u8 = 6;
    /// Copies pieces of the run's workspace in host memory into the scratchpad.
    pub const LOAD_WORKSPACE: u8 = 7;
    /// Copies pieces of the scratchpad to the run's workspace in host memory.
    pub const STORE_WORKSPACE: u8 = 8;
}

/// The opcodes, for people.
pub const OPCODES: &[(u8, &str, &str)] = &[
    (opcode::END, "END", "ends the pass of the program"),
    (
        opcode::LOAD_ROWS,
        "LOAD_ROWS",
        "copies `row_bytes` bytes at `host_offset` of each host row of the group to `scratchpad_address + b * scratchpad_stride`; flags FIRST_GROUP and NEXT_GROUP",
    ),
    (
        opcode::STORE_ROWS,
        "STORE_ROWS",
        "copies `row_bytes` bytes at `scratchpad_address + b * scratchpad_stride` to `host_offset` of each host row of the group",
    ),
    (
        opcode::MATRIX,
        "MATRIX",
        "for each row b, output pixel and output channel: the sum over the window's bytes `n` of their products with the channel's weights, requantized; byte `k * R + r` of the window and channel `m * C + c` meet byte `r * C + c` of weight tile `weight_address + m * input_tiles + k`",
    ),
    (
        opcode::DEPTHWISE,
        "DEPTHWISE",
        "for each row b, output pixel and channel: the sum over kernel rows i and kernel columns j of the products with the channel's own weights, requantized; see `Compute`",
    ),
    (
        opcode::POOL,
        "POOL",
        "as DEPTHWISE in direct mode with weights of one; with the flag MAXIMUM the greatest value instead of the sum",
    ),
    (
        opcode::LOAD_WEIGHTS,
        "LOAD_WEIGHTS",
        "copies `count` weight tiles from the model's stream in host memory, `host_offset` bytes into it, to the tiles from `weight_address` on",
    ),
    (
        opcode::LOAD_WORKSPACE,
        "LOAD_WORKSPACE",
        "copies `count` pieces of `row_bytes` bytes, from `host_offset` of the workspace on and `host_stride` apart, to `scratchpad_address` on, `scratchpad_stride` apart",
    ),
    (
        opcode::STORE_WORKSPACE,
        "STORE_WORKSPACE",
        "the same the other way",
    ),
];

/// Opcodes that the hardware of this ABI carries out, as a bit mask (`FEATURES` register).
pub const IMPLEMENTED: u32 = (1 << (opcode::STORE_WORKSPACE + 1)) - 1;

/// Bits of the `FEATURES` register above those of opcodes.
pub mod feature {
    /// Sums of MATRIX carry w(2i) x w(2i + 1), the product of the weights of rows 2i and 2i + 1, for
    /// each pair of rows i of each tile that is used. Software takes the sum of these from the bias.
    pub const WEIGHT_PRODUCTS: u32 = 1 << 31;
    /// DEPTHWISE in shared mode uses each input column for up to [`super::SHARED_COLUMNS`] pixels;
    /// without it, for one: `input_tiles` equals `phases`.
    pub const SHARED_COLUMNS: u32 = 1 << 30;
}

/// Value of a limit that waits for nothing.
pub const NO_LIMIT: u8 = 255;

/// Depthwise columns that share one read in shared mode, where the device has as many multipliers
/// in a lane ([`feature::SHARED_COLUMNS`]).
pub const SHARED_COLUMNS: u8 = 3;

/// Largest number of steps of a block of channels of DEPTHWISE: kernel rows x phases, or kernel
/// rows x columns in direct mode.
pub const DEPTHWISE_STEPS_MAX: usize = 64;

/// Steps of DEPTHWISE in direct mode whose weights share a tile, where C is not less.
pub const TILE_STEPS_MAX: usize = 8;

/// Steps D of DEPTHWISE in direct mode whose weights share a tile, in an array of C `columns`.
pub const fn tile_steps(columns: usize) -> usize {
    if columns < TILE_STEPS_MAX {
        columns
    } else {
        TILE_STEPS_MAX
    }
}

/// Largest number of kernel columns of DEPTHWISE and POOL.
pub const KERNEL_COLUMNS_MAX: u16 = 256;

/// Bits of `flags`.
pub mod flag {
    /// LOAD_ROWS: skipped but in the first group of a run.
    pub const FIRST_GROUP: u8 = 1 << 0;
    /// LOAD_ROWS: takes the rows of the group after this one; skipped in the last.
    pub const NEXT_GROUP: u8 = 1 << 1;
    /// Compute: scales with two roundings instead of one, see [`super::rounding`].
    pub const DOUBLE_ROUNDING: u8 = 1 << 2;
    /// Compute: adds the tensor at `second_address` to the result, see [`super::Compute`].
    pub const RESIDUAL: u8 = 1 << 3;
    /// POOL: the maximum instead of the sum.
    pub const MAXIMUM: u8 = 1 << 4;
}

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
    /// An instruction that moves data by DMA, and END. Host addresses, `host_offset` and
    /// `host_stride` are multiples of 8. Reads take whole words of 8 bytes, so up to 7 bytes after
    /// a piece are overwritten in the scratchpad; writes take exactly the bytes of the piece.
    pub struct Transfer : 64 {
        /// One of `opcode`.
        opcode: u8,
        /// Bits of `flag` (LOAD_ROWS). FIRST_GROUP and NEXT_GROUP exclude each other.
        flags: u8,
        /// Computations before it that may still be running when it begins.
        compute_limit: u8,
        /// LOADs before it that may still be running when it begins.
        load_limit: u8,
        /// STOREs before it that may still be running when it begins.
        store_limit: u8,
        /// Must be zero.
        reserved0: [u8; 3],
        /// First byte in the scratchpad.
        scratchpad_address: u32,
        /// Bytes from piece to piece in the scratchpad.
        scratchpad_stride: u32,
        /// Bytes of a piece, at least 1 (LOAD_WEIGHTS: zero, a piece is a tile).
        row_bytes: u32,
        /// Offset in each host row, in the workspace or in the weight stream. A multiple of 8.
        host_offset: u32,
        /// Bytes from piece to piece in the workspace. A multiple of 8.
        host_stride: u32,
        /// Pieces, at least 1 (LOAD_ROWS, STORE_ROWS: zero, they take the group's rows).
        count: u16,
        /// First tile to write, counted from the model's region (LOAD_WEIGHTS).
        weight_address: u16,
        /// Must be zero.
        reserved1: [u8; 32],
    }
}

layout! {
    /// An instruction that computes: MATRIX, DEPTHWISE or POOL.
    ///
    /// Result `c` of pixel (oy, ox) of row b is written to
    /// `output_address + b * output_batch_stride + oy * output_row_stride + ox * output_pixel_stride + c`.
    /// It is the sum, requantized with the parameters at `parameter_address + c`, then
    /// `output_zero_point`, `clamp_minimum` and `clamp_maximum`.
    ///
    /// With the flag RESIDUAL this result `p` is not written but added to the byte `q` that lies as
    /// far from `second_address` as the result would from `output_address`, with three parameter
    /// entries F, S and T that follow those of the channels (from the next multiple of Q on):
    /// `t = half(F, p) + half(S, q)`, where `half(E, v)` is the double rounding
    /// (`rounding::DOUBLE`, shifts above zero count as zero) of `(v + E.bias) * 2^20`, the sum taken
    /// as 9 bits; the output is the double rounding of `t + T.bias` by T, plus `sum_zero_point`,
    /// clamped to `sum_minimum` and `sum_maximum`. This is TFLite's int8 ADD (`kernels/internal/
    /// reference/add.h`).
    ///
    /// DEPTHWISE and POOL compute R channels at a time. Kernel row i and column j of the window of
    /// pixel (oy, ox) and channel c have `y = oy * stride_y - pad_top + i` and
    /// `x = ox * column_step - pad_left + j * window_bytes + c`, and the value that the module's
    /// description says for such y and x. DEPTHWISE has two modes. In direct mode (`phases` = 0) each
    /// pixel reads its whole window; a block's steps are numbered `s = i * input_tiles + j`, D of them
    /// (C, at most 8) share a tile, and the weight of channel `g * R + r` is byte `r * C + s mod D` of
    /// tile `weight_address + g * ceil(kernel_height * input_tiles / D) + s / D`. In shared mode each
    /// input column is read once and used for up to three pixels (for one without the feature
    /// SHARED_COLUMNS): `phases` is the number of input columns from pixel to pixel, column_step is
    /// zero and `phases * window_bytes` is taken in its place, and the weight for column
    /// `j = q + phases * m` is byte `r * C + m` of tile
    /// `weight_address + (g * kernel_height + i) * phases + q`. Sums always fit 24 bits.
    pub struct Compute : 64 {
        /// One of `opcode`.
        opcode: u8,
        /// Bits of `flag`.
        flags: u8,
        /// Computations before it that may still be running when it begins.
        compute_limit: u8,
        /// LOADs before it that may still be running when it begins.
        load_limit: u8,
        /// STOREs before it that may still be running when it begins.
        store_limit: u8,
        /// Value outside the image.
        pad_value: i8,
        /// Rows of the window, at least 1.
        kernel_height: u8,
        /// Input columns from pixel to pixel in shared mode, 0 for direct mode (DEPTHWISE). At most
        /// `input_tiles`, which is at most 3 times as much.
        phases: u8,
        /// Scratchpad address of the input image.
        input_address: u32,
        /// Scratchpad address of the output image.
        output_address: u32,
        /// Bytes from one row's input to the next's.
        input_batch_stride: u32,
        /// Bytes from one row's output to the next's.
        output_batch_stride: u32,
        /// Scratchpad address of the tensor to add (RESIDUAL), laid out as the output.
        second_address: u32,
        /// First weight tile, counted from the model's region (POOL: zero).
        weight_address: u16,
        /// First parameter entry, counted from the model's region. A multiple of Q.
        parameter_address: u16,
        /// Rows of the input image, at least 1.
        input_height: u16,
        /// Bytes of a row of the input image, at least 1.
        input_row_bytes: u16,
        /// Bytes from one row of the input image to the next. MATRIX with a kernel height above 1:
        /// equals window_bytes modulo the scratchpad's word.
        input_row_stride: u16,
        /// MATRIX: bytes of a row of the window, at least 1, and R / 4 if the kernel height is above
        /// 1. Others: bytes from one kernel column to the next, at least 1.
        window_bytes: u16,
        /// Bytes from the window of one pixel to that of the next.
        column_step: u16,
        /// Bytes of the first window that lie left of the image.
        pad_left: u16,
        /// Rows of the output image, at least 1.
        output_height: u16,
        /// Columns of the output image, at least 1.
        output_width: u16,
        /// Bytes from one row of the output image to the next.
        output_row_stride: u16,
        /// Bytes from one pixel of the output image to the next.
        output_pixel_stride: u16,
        /// Output channels, at least 1.
        channels: u16,
        /// MATRIX: weight tiles of a window, at least 1. Others: kernel columns, 1 to 256.
        input_tiles: u16,
        /// Rows from the window of one pixel to that of the pixel below.
        stride_y: u8,
        /// Rows of the first window that lie above the image.
        pad_top: u8,
        /// Zero point of the requantized sum.
        output_zero_point: i8,
        /// Least requantized sum.
        clamp_minimum: i8,
        /// Greatest requantized sum, at least the least.
        clamp_maximum: i8,
        /// Zero point of the result (RESIDUAL).
        sum_zero_point: i8,
        /// Least result (RESIDUAL).
        sum_minimum: i8,
        /// Greatest result, at least the least (RESIDUAL).
        sum_maximum: i8,
    }
}
