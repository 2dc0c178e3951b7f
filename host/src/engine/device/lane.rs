//! DMA memory of one command in flight.
//!
//! ```text
//!  | input rows | output rows | workspace of the program | statistics | trace records |
//! ```
//!
//! Rows lie as the program wants them: each image row at its pitch, each host row in whole words.

use systole_driver::{Device, DmaBuffer, Error};
use systole_regs::entries::{Statistics, TraceRecord};
use systole_regs::instructions;

use crate::compiler::{Program, RunAddresses};
use crate::engine::EngineOptions;

/// Room for the rows of one command.
pub(super) struct Lane {
    buffer: DmaBuffer,
    output: usize,
    workspace: usize,
    statistics: usize,
    /// Records that there is room for behind the statistics; none without a trace.
    trace_entries: usize,
}

impl Lane {
    /// Memory for commands of a program.
    pub fn new(device: &Device, program: &Program, options: EngineOptions) -> Result<Self, Error> {
        let rows = options.batch;
        let output = rows * program.input.stride;
        let workspace = output + rows * program.output.stride;
        let word = systole_regs::DATA_BYTES as usize;
        let statistics = workspace + program.workspace_bytes.next_multiple_of(word);
        let trace_entries = if options.trace {
            program.trace_entries(rows)
        } else {
            0
        };
        let trace_bytes = trace_entries * size_of::<TraceRecord>();
        Ok(Lane {
            buffer: device.allocate(statistics + size_of::<Statistics>() + trace_bytes)?,
            output,
            workspace,
            statistics,
            trace_entries,
        })
    }

    /// The memory.
    pub fn buffer(&self) -> &DmaBuffer {
        &self.buffer
    }

    /// Where everything is for the device.
    pub fn addresses(&self, program: &Program, with_statistics: bool) -> RunAddresses {
        let base = self.buffer.iova().0;
        RunAddresses {
            input: base,
            output: base + self.output as u64,
            workspace: match program.workspace_bytes {
                0 => 0,
                _ => base + self.workspace as u64,
            },
            statistics: with_statistics.then_some(base + self.statistics as u64),
            trace: match u32::try_from(self.trace_entries) {
                Ok(0) => None,
                entries => Some((base + self.trace() as u64, entries.unwrap_or(u32::MAX))),
            },
        }
    }

    /// Copies rows in, each at the start of its stride, from slices of whole rows. Gaps are as they
    /// were made: zero.
    pub fn write_rows<'r>(
        &mut self,
        slices: impl Iterator<Item = &'r [u8]>,
        program: &Program,
    ) -> Result<(), Error> {
        let layout = &program.input;
        let mut start = 0;
        for slice in slices {
            let rows = slice.len() / layout.elements();
            for block in layout.blocks(rows) {
                let (offset, values) = (start + block.offset, &slice[block.values]);
                self.buffer
                    .write_lines(offset, values, block.line, block.pitch)?;
            }
            start += rows * layout.stride;
        }
        Ok(())
    }

    /// Copies rows out.
    pub fn read_rows(&self, values: &mut [i8], program: &Program) -> Result<(), Error> {
        let layout = &program.output;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(values);
        let rows = bytes.len() / layout.elements();
        for block in layout.blocks(rows) {
            let (offset, values) = (self.output + block.offset, &mut bytes[block.values]);
            self.buffer
                .read_lines(offset, values, block.line, block.pitch)?;
        }
        Ok(())
    }

    /// Where trace records are.
    fn trace(&self) -> usize {
        self.statistics + size_of::<Statistics>()
    }

    /// Makes records of an earlier command unreadable.
    pub fn clear_trace(&mut self) -> Result<(), Error> {
        let bytes = self.trace_entries * size_of::<TraceRecord>();
        self.buffer.fill(self.trace(), bytes, 0)
    }

    /// The records that the command has left.
    pub fn trace_records(&self) -> Result<Vec<TraceRecord>, Error> {
        let mut records = Vec::new();
        for index in 0..self.trace_entries {
            let offset = self.trace() + index * size_of::<TraceRecord>();
            let record: TraceRecord = self.buffer.read_value(offset)?;
            // END has no record.
            if record.opcode == instructions::opcode::END {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    /// What the command has cost.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        self.buffer.read_value(self.statistics)
    }
}
