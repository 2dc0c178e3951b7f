//! A compiled network: everything that goes to the device, and what people want to know of it.

use std::ops::Range;

use systole_regs::entries::{LoadEntry, RunEntry, flag, opcode};
use systole_regs::image::Parameter;
use systole_regs::instructions::{Compute, Transfer};

use super::step::{Limits, Step};
use super::{Placement, Target, estimate};
use crate::model::Tail;

/// One instruction, in one of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Moves data, or ends the program.
    Transfer(Transfer),
    /// Calculates.
    Compute(Compute),
}

impl Instruction {
    /// Its opcode.
    pub fn opcode(&self) -> u8 {
        match self {
            Instruction::Transfer(transfer) => transfer.opcode,
            Instruction::Compute(compute) => compute.opcode,
        }
    }

    /// Its 64 bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Instruction::Transfer(transfer) => systole_regs::bytes_of(transfer),
            Instruction::Compute(compute) => systole_regs::bytes_of(compute),
        }
    }

    /// Limits of compute, load and store.
    pub fn limits(&self) -> [u8; 3] {
        match self {
            Instruction::Transfer(i) => [i.compute_limit, i.load_limit, i.store_limit],
            Instruction::Compute(i) => [i.compute_limit, i.load_limit, i.store_limit],
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        let [compute, load, store] = match self {
            Instruction::Transfer(i) => {
                [&mut i.compute_limit, &mut i.load_limit, &mut i.store_limit]
            }
            Instruction::Compute(i) => {
                [&mut i.compute_limit, &mut i.load_limit, &mut i.store_limit]
            }
        };
        (*compute, *load, *store) = (limits.compute, limits.load, limits.store);
    }
}

/// How a row of host memory holds the rows of an image: as far apart as in the scratchpad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLayout {
    /// Rows of the image.
    pub height: usize,
    /// Values of a row of the image.
    pub row_bytes: usize,
    /// Bytes from one row of the image to the next.
    pub pitch: usize,
    /// Bytes from one host row to the next, a multiple of 8. Host rows may be read up to this
    /// length; bytes that are no values don't matter.
    pub stride: usize,
}

impl HostLayout {
    /// Values of one host row.
    pub fn elements(&self) -> usize {
        self.height * self.row_bytes
    }

    /// Where the values of `rows` rows that follow each other lie, in as few blocks as there can be.
    pub fn blocks(&self, rows: usize) -> impl Iterator<Item = Block> {
        let layout = *self;
        let elements = layout.elements();
        // Rows without gaps inside are the lines of one block, others a block each.
        let is_whole = layout.height <= 1 || layout.pitch == layout.row_bytes;
        let (count, values, line, pitch) = match is_whole {
            true => (rows.min(1), rows * elements, elements, layout.stride),
            false => (rows, elements, layout.row_bytes, layout.pitch),
        };
        (0..count).map(move |index| Block {
            offset: index * layout.stride,
            values: index * values..(index + 1) * values,
            line,
            pitch,
        })
    }

    /// The lines of all [`blocks`](Self::blocks): offsets in host memory, each with the values from there
    /// on.
    pub fn lines(&self, rows: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.blocks(rows).flat_map(|block| {
            let Block { values, line, .. } = block;
            let starts = values.step_by(line).enumerate();
            starts.map(move |(index, first)| {
                let offset = block.offset + index * block.pitch;
                (offset, first..first + line)
            })
        })
    }
}

/// Values in lines that are equally far apart in host memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where the first line begins.
    pub offset: usize,
    /// The values, line by line.
    pub values: Range<usize>,
    /// Values of a line.
    pub line: usize,
    /// Bytes from one line to the next.
    pub pitch: usize,
}

/// A tensor's place in the scratchpad. Row b of a group begins at `address + b * stride`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Name of the tensor.
    pub tensor: String,
    /// First byte; `None` if it is in host memory and comes band by band.
    pub address: Option<usize>,
    /// Bytes from row to row of the group.
    pub stride: usize,
    /// Rows of the image, and bytes from one to the next.
    pub rows: (usize, usize),
    /// Spans of layers in which it is alive, counted from 0; the result is stored after the last.
    pub spans: Vec<(usize, usize)>,
}

/// A layer as the accelerator computes it, with what is folded into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Names of the network's layers that it stands for.
    pub name: String,
    /// Multiplications of one row, without padding.
    pub macs: u64,
}

/// A network compiled for a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Name of the network.
    pub name: String,
    /// Device that it is for.
    pub target: Target,
    /// Layers, in the order in which they are computed.
    pub layers: Vec<Layer>,
    /// Instructions, in order.
    pub steps: Vec<Step>,
    /// One entry per output channel, padded to whole requantization groups.
    pub parameters: Vec<Parameter>,
    /// Weight tiles of R x C bytes, those included that streamed ones will replace.
    pub weights: Vec<i8>,
    /// Weight tiles that the program streams from host memory.
    pub stream: Vec<i8>,
    /// Rows of one group.
    pub group_rows: u16,
    /// Bytes of the scratchpad that a group uses.
    pub scratchpad_bytes: usize,
    /// Bytes of host memory that a run needs for itself.
    pub workspace_bytes: usize,
    /// Tensors in the scratchpad and the workspace.
    pub buffers: Vec<Buffer>,
    /// Host memory of an input row.
    pub input: HostLayout,
    /// Host memory of an output row, before the tail.
    pub output: HostLayout,
    /// What the host computes of the device's results.
    pub tail: Tail,
    /// Values of an output row, behind the tail.
    pub output_elements: usize,
}

impl Program {
    /// Multiplications of one row, without padding.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }

    /// Records that a traced run of `rows` rows writes, at most.
    pub fn trace_entries(&self, rows: usize) -> usize {
        self.steps.len() * rows.div_ceil(self.group_rows.into())
    }

    /// The instructions alone.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = &Instruction> {
        self.steps.iter().map(|step| &step.instruction)
    }

    /// Number of weight tiles.
    pub fn weight_tiles(&self) -> usize {
        self.weights.len() / self.target.tile_bytes()
    }

    /// The image that a load command copies to the device (see `systole_regs::image`).
    pub fn image(&self) -> Vec<u8> {
        let mut image = Vec::with_capacity(
            size_of::<Compute>() * self.steps.len()
                + size_of_val(&self.parameters[..])
                + self.weights.len(),
        );
        for instruction in self.instructions() {
            image.extend_from_slice(instruction.bytes());
        }
        for parameter in &self.parameters {
            image.extend_from_slice(systole_regs::bytes_of(parameter));
        }
        image.extend(self.weights.iter().map(|&weight| weight as u8));
        image
    }

    /// Bytes of the weight stream in host memory.
    pub fn stream_bytes(&self) -> Vec<u8> {
        self.stream.iter().map(|&weight| weight as u8).collect()
    }

    /// The entry that loads the image at bus address `image_address` into a placement. The weight
    /// stream, if there is one, lies at `stream_address` for as long as the model is resident.
    pub fn load_entry(
        &self,
        placement: &Placement,
        image_address: u64,
        stream_address: u64,
        version: u32,
    ) -> LoadEntry {
        LoadEntry {
            opcode: opcode::LOAD,
            slot: placement.slot,
            image_address,
            stream_address,
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

    /// The entry that runs the model of `slot` on `rows` rows. All addresses are multiples of 8.
    pub fn run_entry(&self, slot: u8, rows: u16, addresses: &RunAddresses) -> RunEntry {
        RunEntry {
            opcode: opcode::RUN,
            flags: addresses.statistics.map_or(0, |_| flag::STATISTICS)
                | addresses.trace.map_or(0, |_| flag::TRACE),
            slot,
            input_address: addresses.input,
            output_address: addresses.output,
            statistics_address: addresses.statistics.unwrap_or(0),
            rows: rows.into(),
            // Rows have at most ROW_ELEMENTS_MAX bytes, and gaps that are no longer.
            input_stride: self.input.stride as u32,
            output_stride: self.output.stride as u32,
            trace_entries: addresses.trace.map_or(0, |(_, entries)| entries),
            workspace_address: addresses.workspace,
            trace_address: addresses.trace.map_or(0, |(address, _)| address),
            ..RunEntry::default()
        }
    }

    /// Estimated clock cycles of one command of `rows` rows, on an otherwise idle device.
    pub fn estimated_cycles(&self, rows: usize) -> u64 {
        estimate::command(&self.steps, rows as u64, self.group_rows.into())
    }

    /// Estimated share of the array's multiplications that are useful, for one command of `rows`
    /// rows.
    pub fn estimated_utilization(&self, rows: usize) -> f64 {
        let capacity = self.estimated_cycles(rows) as f64 * self.target.elements() as f64;
        self.macs() as f64 * rows as f64 / capacity
    }
}

/// Bus addresses of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunAddresses {
    /// First input row.
    pub input: u64,
    /// First output row.
    pub output: u64,
    /// Host memory that the program may use for itself; zero if it needs none.
    pub workspace: u64,
    /// Where a statistics block is to be written.
    pub statistics: Option<u64>,
    /// Where trace records are to be written, and how many there is room for.
    pub trace: Option<(u64, u32)>,
}
