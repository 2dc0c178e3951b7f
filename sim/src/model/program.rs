//! One pass of a program over one group of rows: the checks of each instruction, and what it does.
//!
//! ```text
//!  host rows --LOAD_ROWS--> scratchpad --MATRIX--> scratchpad --STORE_ROWS--> host rows
//!                               |                      ^
//!                               v                      |
//!                 row vectors x weight tiles --> accumulators --> requantization
//! ```

use systole_regs::entries::{RunEntry, Statistics};
use systole_regs::instructions::{IMPLEMENTED, Instruction, opcode, rounding};
use systole_regs::{Configuration, DATA_BYTES, Field, Status};

use super::arithmetic::Requantization;
use super::memories::{Memories, Slot};
use crate::core::Host;

/// The bytes of an instruction that an opcode uses; the others must be zero.
const fn used(names: &[&str]) -> [bool; size_of::<Instruction>()] {
    let mut mask = [false; size_of::<Instruction>()];
    let mut index = 0;
    while index < names.len() {
        let field: Field = Instruction::field(names[index]);
        let mut byte = 0;
        while byte < field.bytes {
            mask[field.offset + byte] = true;
            byte += 1;
        }
        index += 1;
    }
    mask
}

const USED_BY_END: [bool; size_of::<Instruction>()] = used(&["opcode"]);
const USED_BY_LOAD_ROWS: [bool; size_of::<Instruction>()] = used(&[
    "opcode",
    "output_address",
    "output_batch_stride",
    "row_bytes",
    "host_offset",
]);
const USED_BY_STORE_ROWS: [bool; size_of::<Instruction>()] = used(&[
    "opcode",
    "input_address",
    "input_batch_stride",
    "row_bytes",
    "host_offset",
]);
const USED_BY_MATRIX: [bool; size_of::<Instruction>()] = used(&[
    "opcode",
    "rounding",
    "block_rows",
    "column_tiles",
    "input_address",
    "output_address",
    "input_batch_stride",
    "output_batch_stride",
    "weight_address",
    "parameter_address",
    "input_tiles",
    "output_zero_point",
    "clamp_minimum",
    "clamp_maximum",
    "pad_value",
    "kernel_height",
    "kernel_width",
    "stride_y",
    "stride_x",
    "pad_top",
    "pad_left",
    "input_height",
    "input_width",
    "output_height",
    "output_width",
]);

/// A group of rows on its way through the program of a slot.
pub(super) struct Pass<'a> {
    pub configuration: &'a Configuration,
    pub memories: &'a mut Memories,
    pub slot: &'a Slot,
    pub entry: &'a RunEntry,
    /// First row of the group, counted in the run.
    pub first_row: u32,
    /// Rows of the group, at least 1.
    pub rows: u32,
}

impl Pass<'_> {
    /// Executes instructions until END.
    pub fn run(mut self, host: &mut dyn Host, statistics: &mut Statistics) -> Result<(), Status> {
        let region = self.slot.program;
        for index in region.start()..region.end() {
            let instruction = self.memories.program[index];
            self.check(&instruction)?;
            match instruction.opcode {
                opcode::LOAD_ROWS => self.load_rows(&instruction, host, statistics)?,
                opcode::STORE_ROWS => self.store_rows(&instruction, host, statistics)?,
                opcode::MATRIX => self.matrix(&instruction, statistics)?,
                _ => {}
            }
            statistics.instructions = statistics.instructions.wrapping_add(1);
            if instruction.opcode == opcode::END {
                statistics.groups = statistics.groups.wrapping_add(1);
                return Ok(());
            }
        }
        Err(Status::ProgramOverrun)
    }

    /// The checks that don't depend on the group: `InvalidInstruction`.
    fn check(&self, instruction: &Instruction) -> Result<(), Status> {
        let used = match instruction.opcode {
            opcode::END => &USED_BY_END,
            opcode::LOAD_ROWS => &USED_BY_LOAD_ROWS,
            opcode::STORE_ROWS => &USED_BY_STORE_ROWS,
            opcode::MATRIX => &USED_BY_MATRIX,
            _ => return Err(Status::InvalidInstruction),
        };
        const {
            assert!(
                IMPLEMENTED
                    == 1 << opcode::END
                        | 1 << opcode::LOAD_ROWS
                        | 1 << opcode::STORE_ROWS
                        | 1 << opcode::MATRIX,
                "the model carries out what the register description says"
            );
        }
        let unused_zero = bytemuck::bytes_of(instruction)
            .iter()
            .zip(used)
            .all(|(&byte, &used)| used || byte == 0);
        let possible = match instruction.opcode {
            opcode::LOAD_ROWS => copy_is_possible(
                instruction,
                instruction.output_address,
                instruction.output_batch_stride,
            ),
            opcode::STORE_ROWS => copy_is_possible(
                instruction,
                instruction.input_address,
                instruction.input_batch_stride,
            ),
            opcode::MATRIX => self.matrix_is_possible(instruction),
            _ => true,
        };
        if unused_zero && possible {
            Ok(())
        } else {
            Err(Status::InvalidInstruction)
        }
    }

    fn matrix_is_possible(&self, i: &Instruction) -> bool {
        let rows = self.configuration.rows as u32;
        let columns = self.configuration.columns as u32;
        let lanes = self.configuration.requantize_lanes as u32;
        let aligned = i.input_address.is_multiple_of(rows)
            && i.input_batch_stride.is_multiple_of(rows)
            && i.output_address.is_multiple_of(columns)
            && i.output_address.is_multiple_of(lanes)
            && i.output_batch_stride.is_multiple_of(lanes)
            && u32::from(i.parameter_address).is_multiple_of(lanes);
        let counted = (1..=self.configuration.accumulator_rows)
            .contains(&usize::from(i.block_rows))
            && i.column_tiles >= 1
            && i.input_tiles >= 1;
        let dense = [i.kernel_height, i.kernel_width, i.stride_y, i.stride_x] == [1; 4]
            && [
                i.input_height,
                i.input_width,
                i.output_height,
                i.output_width,
            ] == [1; 4]
            && [i.pad_top, i.pad_left] == [0; 2];
        let numeric = matches!(i.rounding, rounding::SINGLE | rounding::DOUBLE)
            && i.clamp_minimum <= i.clamp_maximum;
        aligned && counted && dense && numeric
    }

    /// Checks the scratchpad range `[base + b * stride, + bytes)` of every row of the group: the
    /// last row's reaches farthest. Returns the offset of each row.
    fn scratchpad_rows(
        &self,
        base: u32,
        stride: u32,
        bytes: u64,
    ) -> Result<impl Iterator<Item = usize> + use<>, Status> {
        let (base, stride) = (u64::from(base), u64::from(stride));
        let end = base + u64::from(self.rows - 1) * stride + bytes;
        if end > self.configuration.scratchpad_bytes as u64 {
            return Err(Status::InstructionBounds);
        }
        Ok((0..u64::from(self.rows)).map(move |row| (base + row * stride) as usize))
    }

    /// Bus address of what an instruction copies of row `row` of the group.
    fn host_address(&self, start: u64, stride: u32, row: usize, i: &Instruction) -> u64 {
        let row = u64::from(self.first_row) + row as u64;
        start
            .wrapping_add(row * u64::from(stride))
            .wrapping_add(u64::from(i.host_offset))
    }

    fn load_rows(
        &mut self,
        i: &Instruction,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        let bytes = whole_words(i.row_bytes);
        let rows = self.scratchpad_rows(i.output_address, i.output_batch_stride, bytes)?;
        for (row, start) in rows.enumerate() {
            let address =
                self.host_address(self.entry.input_address, self.entry.input_stride, row, i);
            let target = &mut self.memories.scratchpad[start..start + bytes as usize];
            host.dma_read(address, bytemuck::cast_slice_mut(target))
                .map_err(|_| Status::DmaReadError)?;
            statistics.dma_read_bytes = statistics.dma_read_bytes.wrapping_add(bytes as u32);
        }
        Ok(())
    }

    fn store_rows(
        &mut self,
        i: &Instruction,
        host: &mut dyn Host,
        statistics: &mut Statistics,
    ) -> Result<(), Status> {
        let checked = whole_words(i.row_bytes);
        let rows = self.scratchpad_rows(i.input_address, i.input_batch_stride, checked)?;
        for (row, start) in rows.enumerate() {
            let address =
                self.host_address(self.entry.output_address, self.entry.output_stride, row, i);
            let source = &self.memories.scratchpad[start..start + i.row_bytes as usize];
            host.dma_write(address, bytemuck::cast_slice(source))
                .map_err(|_| Status::DmaWriteError)?;
            statistics.dma_write_bytes = statistics.dma_write_bytes.wrapping_add(i.row_bytes);
        }
        Ok(())
    }

    fn matrix(&mut self, i: &Instruction, statistics: &mut Statistics) -> Result<(), Status> {
        let (r, c) = (self.configuration.rows, self.configuration.columns);
        let (input_tiles, column_tiles) = (usize::from(i.input_tiles), usize::from(i.column_tiles));
        let inputs: Vec<usize> = self
            .scratchpad_rows(
                i.input_address,
                i.input_batch_stride,
                (input_tiles * r) as u64,
            )?
            .collect();
        let outputs: Vec<usize> = self
            .scratchpad_rows(
                i.output_address,
                i.output_batch_stride,
                (column_tiles * c) as u64,
            )?
            .collect();
        let (first_tile, first_parameter) = (
            usize::from(i.weight_address),
            usize::from(i.parameter_address),
        );
        if first_tile + column_tiles * input_tiles > usize::from(self.slot.weights.count)
            || first_parameter + column_tiles * c > usize::from(self.slot.parameters.count)
        {
            return Err(Status::InstructionBounds);
        }

        let requantization = Requantization {
            rounding: i.rounding,
            zero_point: i.output_zero_point,
            minimum: i.clamp_minimum,
            maximum: i.clamp_maximum,
        };
        let Memories {
            parameters,
            weights,
            scratchpad,
            ..
        } = &mut *self.memories;
        let tile_bytes = r * c;
        let weights = &weights[(self.slot.weights.start() + first_tile) * tile_bytes..];
        let parameters = &parameters[self.slot.parameters.start() + first_parameter..];
        let mut sums = vec![0_i32; c];
        let block = usize::from(i.block_rows);
        for (inputs, outputs) in inputs.chunks(block).zip(outputs.chunks(block)) {
            for n in 0..column_tiles {
                let tiles = &weights[n * input_tiles * tile_bytes..][..input_tiles * tile_bytes];
                for (&input, &output) in inputs.iter().zip(outputs) {
                    sums.fill(0);
                    // Input channel r of tile k meets row r of that tile: the tiles lie as the
                    // vectors do, so one pass over both is enough.
                    let vector = &scratchpad[input..input + input_tiles * r];
                    for (&value, row) in vector.iter().zip(tiles.chunks_exact(c)) {
                        for (sum, &weight) in sums.iter_mut().zip(row) {
                            *sum = sum.wrapping_add(i32::from(value) * i32::from(weight));
                        }
                    }
                    let target = &mut scratchpad[output + n * c..][..c];
                    let channels = &parameters[n * c..][..c];
                    for ((byte, &sum), parameter) in target.iter_mut().zip(&sums).zip(channels) {
                        *byte = requantization.apply(sum, parameter);
                    }
                }
            }
        }
        let vectors = self.rows.wrapping_mul((input_tiles * column_tiles) as u32);
        statistics.vectors = statistics.vectors.wrapping_add(vectors);
        Ok(())
    }
}

/// Bytes of `row_bytes` in whole words of the bus.
fn whole_words(row_bytes: u32) -> u64 {
    u64::from(row_bytes).next_multiple_of(u64::from(DATA_BYTES))
}

fn copy_is_possible(i: &Instruction, address: u32, stride: u32) -> bool {
    [address, stride, i.host_offset]
        .iter()
        .all(|value| value.is_multiple_of(DATA_BYTES))
        && i.row_bytes >= 1
}
