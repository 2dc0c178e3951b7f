//! DMA memory of one command in flight.
//!
//! ```text
//!  | input rows | output rows | workspace of the program | statistics |
//! ```
//!
//! Rows lie as the program wants them: each image row at its pitch, each host row in whole words.

use systole_driver::{Device, DmaBuffer, Error};
use systole_regs::entries::Statistics;

use crate::compiler::{Program, RunAddresses};

/// Room for the rows of one command.
pub(super) struct Lane {
    buffer: DmaBuffer,
    output: usize,
    workspace: usize,
    statistics: usize,
}

impl Lane {
    /// Memory for commands of up to `rows` rows of a program.
    pub fn new(device: &Device, program: &Program, rows: usize) -> Result<Self, Error> {
        let output = rows * program.input.stride;
        let workspace = output + rows * program.output.stride;
        let word = systole_regs::DATA_BYTES as usize;
        let statistics = workspace + program.workspace_bytes.next_multiple_of(word);
        Ok(Lane {
            buffer: device.allocate(statistics + size_of::<Statistics>())?,
            output,
            workspace,
            statistics,
        })
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
        }
    }

    /// Copies rows in, each at the start of its stride.
    pub fn write_rows(
        &mut self,
        values: &[i8],
        program: &Program,
        staging: &mut Vec<u8>,
    ) -> Result<(), Error> {
        staging.clear();
        for row in values.chunks_exact(program.input.elements()) {
            program.input.append(row, staging);
        }
        self.buffer.write(0, staging)
    }

    /// Copies rows out.
    pub fn read_rows(
        &self,
        values: &mut [i8],
        program: &Program,
        staging: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let elements = program.output.elements();
        staging.clear();
        staging.resize(values.len() / elements * program.output.stride, 0);
        self.buffer.read(self.output, staging)?;
        let rows = staging.chunks_exact(program.output.stride);
        for (row, bytes) in values.chunks_exact_mut(elements).zip(rows) {
            program.output.extract(bytes, row);
        }
        Ok(())
    }

    /// What the command has cost.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        self.buffer.read_value(self.statistics)
    }
}
