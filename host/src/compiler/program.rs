//! A compiled network: everything that goes to the device, and what people want to know of it.

use systole_regs::entries::{LoadEntry, RunEntry, flag, opcode};
use systole_regs::image::Parameter;
use systole_regs::instructions::Instruction;

use super::estimate::{Estimator, Work};
use super::{Placement, Target};

/// One instruction, and the layer or tensor that it is there for.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The instruction.
    pub instruction: Instruction,
    /// Name of the layer, or of the tensor that is copied; empty at the end.
    pub label: String,
    pub(super) work: Work,
}

/// A tensor's place in the scratchpad. Row b of a pass begins at `address + b * stride`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Name of the tensor.
    pub tensor: String,
    /// First byte.
    pub address: usize,
    /// Bytes from row to row.
    pub stride: usize,
    /// Instruction that fills it.
    pub first: usize,
    /// Last instruction that reads it.
    pub last: usize,
}

/// A network compiled for a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Name of the network.
    pub name: String,
    /// Device that it is for.
    pub target: Target,
    /// Instructions, in order.
    pub steps: Vec<Step>,
    /// One entry per output channel, padded to whole column tiles.
    pub parameters: Vec<Parameter>,
    /// Weight tiles of R x C bytes.
    pub weights: Vec<i8>,
    /// Rows of one pass.
    pub group_rows: u16,
    /// Tensors in the scratchpad.
    pub buffers: Vec<Buffer>,
    /// Values of an input row.
    pub input_elements: usize,
    /// Values of an output row.
    pub output_elements: usize,
    /// Bytes from one input row to the next in host memory, a multiple of 8. Input rows may be
    /// read up to this length; bytes after the values don't matter.
    pub input_row_bytes: usize,
    /// Bytes from one output row to the next in host memory, a multiple of 8.
    pub output_row_bytes: usize,
    /// Multiplications of one row, without padding.
    pub macs: u64,
}

impl Program {
    /// The instructions alone.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = &Instruction> {
        self.steps.iter().map(|step| &step.instruction)
    }

    /// Number of weight tiles.
    pub fn weight_tiles(&self) -> usize {
        self.weights.len() / self.target.tile_bytes()
    }

    /// Bytes of the scratchpad that a pass of `group_rows` rows uses.
    pub fn scratchpad_bytes(&self) -> usize {
        let end = |buffer: &Buffer| buffer.address + usize::from(self.group_rows) * buffer.stride;
        self.buffers.iter().map(end).max().unwrap_or(0)
    }

    /// The image that a load command copies to the device (see `systole_regs::image`).
    pub fn image(&self) -> Vec<u8> {
        let mut image = Vec::with_capacity(
            size_of::<Instruction>() * self.steps.len()
                + size_of_val(&self.parameters[..])
                + self.weights.len(),
        );
        for instruction in self.instructions() {
            image.extend_from_slice(systole_regs::bytes_of(instruction));
        }
        for parameter in &self.parameters {
            image.extend_from_slice(systole_regs::bytes_of(parameter));
        }
        image.extend(self.weights.iter().map(|&weight| weight as u8));
        image
    }

    /// The entry that loads the image at bus address `image_address` into a placement.
    pub fn load_entry(&self, placement: &Placement, image_address: u64, version: u32) -> LoadEntry {
        LoadEntry {
            opcode: opcode::LOAD,
            slot: placement.slot,
            image_address,
            version,
            program_base: placement.program.base,
            program_count: placement.program.count,
            parameter_base: placement.parameters.base,
            parameter_count: placement.parameters.count,
            weight_base: placement.weights.base,
            weight_count: placement.weights.count,
            group_rows: self.group_rows,
            ..LoadEntry::default()
        }
    }

    /// The entry that runs the model of `slot` on `rows` rows at `input_address`, with a statistics
    /// block written to `statistics_address` if there is one. All addresses are multiples of 8.
    pub fn run_entry(
        &self,
        slot: u8,
        rows: u16,
        input_address: u64,
        output_address: u64,
        statistics_address: Option<u64>,
    ) -> RunEntry {
        RunEntry {
            opcode: opcode::RUN,
            flags: if statistics_address.is_some() {
                flag::STATISTICS
            } else {
                0
            },
            slot,
            input_address,
            output_address,
            statistics_address: statistics_address.unwrap_or(0),
            rows: rows.into(),
            // Rows have at most ROW_ELEMENTS_MAX bytes.
            input_stride: self.input_row_bytes as u32,
            output_stride: self.output_row_bytes as u32,
            ..RunEntry::default()
        }
    }

    /// Estimated clock cycles of one command of `rows` rows, on an otherwise idle device.
    pub fn estimated_cycles(&self, rows: usize) -> u64 {
        let work: Vec<Work> = self.steps.iter().map(|step| step.work).collect();
        Estimator::new(&self.target).command(&work, rows as u64, self.group_rows.into())
    }

    /// Estimated share of the array's multiplications that are useful, for one command of `rows`
    /// rows.
    pub fn estimated_utilization(&self, rows: usize) -> f64 {
        let capacity = self.estimated_cycles(rows) as f64 * self.target.elements() as f64;
        self.macs as f64 * rows as f64 / capacity
    }
}
