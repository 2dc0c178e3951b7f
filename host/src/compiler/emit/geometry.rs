//! Where an instruction's windows lie: the fields that follow from shapes, strides and bands.
//!
//! ```text
//!            x: columns of pixels                   swapped: x and y change roles
//!   y: rows  +----+----+----+
//!            |    |    |    |  input_row_stride     a window of `kernel_height` rows, first one
//!            +----+----+----+                       `pad_top` above the band's input
//! ```

use systole_regs::instructions::{Compute, flag, opcode};

use crate::compiler::CompileError;
use crate::compiler::graph::{Kernel, Node, Strides};
use crate::compiler::memory::Band;
use crate::compiler::method::Method;

/// A node with everything that its instruction's geometry depends on.
pub(super) struct Placed<'a> {
    pub node: &'a Node<'a>,
    pub method: &'a Method,
    pub band: &'a Band,
    pub input: Strides,
    pub output: Strides,
    pub channels: usize,
    pub input_channels: usize,
}

impl Placed<'_> {
    /// Bytes of a row of the input, from the first byte of the channels that are read.
    fn input_row_bytes(&self) -> usize {
        (self.node.input.width - 1) * self.input.pixel + self.input_channels
    }

    /// Bytes of the input's rows.
    pub fn input_extent(&self) -> usize {
        (self.band.inputs.len() - 1) * self.input.row + self.input_row_bytes()
    }

    /// Bytes of the output's rows.
    pub fn output_extent(&self) -> usize {
        (self.band.outputs.len() - 1) * self.output.row
            + (self.node.output.width - 1) * self.output.pixel
            + self.channels
    }

    /// Everything but addresses and batch strides.
    pub fn instruction(&self) -> Result<Compute, CompileError> {
        let (node, method, window) = (self.node, self.method, &self.node.window);
        let label = &node.label;
        // Rows of the first window that lie above the band's input.
        let top = (self.band.inputs.start + window.pad_top)
            .saturating_sub(self.band.outputs.start * window.stride_y);
        let (rows, heights) = (self.band.inputs.len(), self.band.outputs.len());
        // Vertical and horizontal sides of the image, or the other way round.
        let (kernel_rows, _, stride_x) = node.sides(method.swapped);
        let vertical = Side {
            stride: window.stride_y,
            pad: top,
            input: rows,
            output: heights,
            input_step: self.input.row,
            output_step: self.output.row,
        };
        let horizontal = Side {
            stride: window.stride_x,
            pad: window.pad_left,
            input: node.input.width,
            output: node.output.width,
            input_step: self.input.pixel,
            output_step: self.output.pixel,
        };
        let (y, x) = if method.swapped {
            (horizontal, vertical)
        } else {
            (vertical, horizontal)
        };
        let row_bytes = (x.input - 1) * x.input_step + self.input_channels;
        let column_step = if method.phases > 0 {
            0
        } else {
            stride_x * x.input_step * method.pixels
        };
        let mut flags = 0;
        if node.double_rounding {
            flags |= flag::DOUBLE_ROUNDING;
        }
        let mut instruction = Compute {
            opcode: match node.kernel {
                _ if method.matrix => opcode::MATRIX,
                Kernel::Matrix(_) | Kernel::Depthwise(_) => opcode::DEPTHWISE,
                Kernel::Sum => opcode::POOL,
                Kernel::Maximum => {
                    flags |= flag::MAXIMUM;
                    opcode::POOL
                }
            },
            pad_value: node.pad_value,
            kernel_height: field(kernel_rows, "kernel height", label)?,
            phases: field(method.phases, "stride", label)?,
            input_height: field(y.input, "input height", label)?,
            input_row_bytes: field(row_bytes, "bytes of an input row", label)?,
            input_row_stride: field(y.input_step, "input row stride", label)?,
            window_bytes: field(method.window_bytes, "window row", label)?,
            column_step: field(column_step, "step from pixel to pixel", label)?,
            pad_left: field(x.pad * x.input_step, "padding", label)?,
            output_height: field(y.output, "output height", label)?,
            output_width: field(x.output / method.pixels, "output width", label)?,
            output_row_stride: field(y.output_step, "output row stride", label)?,
            output_pixel_stride: field(
                x.output_step * method.pixels,
                "step from pixel to pixel",
                label,
            )?,
            channels: field(self.channels * method.pixels, "number of channels", label)?,
            input_tiles: field(method.input_tiles, "window", label)?,
            stride_y: field(y.stride, "stride", label)?,
            pad_top: field(y.pad, "padding", label)?,
            output_zero_point: node.zero_point,
            clamp_minimum: node.minimum,
            clamp_maximum: node.maximum,
            ..Compute::default()
        };
        if let Some(residual) = &node.residual {
            flags |= flag::RESIDUAL;
            instruction.sum_zero_point = residual.zero_point;
            instruction.sum_minimum = residual.minimum;
            instruction.sum_maximum = residual.maximum;
        }
        instruction.flags = flags;
        Ok(instruction)
    }
}

/// One direction of the images.
struct Side {
    stride: usize,
    pad: usize,
    input: usize,
    output: usize,
    input_step: usize,
    output_step: usize,
}

/// A value in its field, if it is wide enough.
pub(super) fn field<T: TryFrom<usize>>(
    value: usize,
    what: &str,
    layer: &str,
) -> Result<T, CompileError> {
    T::try_from(value).map_err(|_| CompileError::Layer {
        layer: layer.into(),
        reason: format!("its {what} of {value} is too large for an instruction"),
    })
}
