//! A compiled program as a page for people.

use std::fmt::{Display, Formatter, Result};

use systole_regs::instructions::{Instruction, OPCODES, opcode, rounding};

use super::{Memory, Program, Step};

/// Rows of a command that estimates are shown for.
const BATCHES: [usize; 4] = [1, 16, 64, 256];

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.write_header(f)?;
        self.write_memories(f)?;
        self.write_estimates(f)?;
        self.write_buffers(f)?;
        self.write_program(f)
    }
}

impl Program {
    fn write_header(&self, f: &mut Formatter<'_>) -> Result {
        let target = &self.target;
        writeln!(
            f,
            "{}: {} inputs, {} outputs, {} MACs a row",
            self.name, self.input_elements, self.output_elements, self.macs
        )?;
        writeln!(
            f,
            "for {}: {} x {} array, {} requantization lanes, {:.1} MHz",
            target.name,
            target.rows,
            target.columns,
            target.requantize_lanes,
            f64::from(target.clock_khz) / 1e3
        )?;
        writeln!(
            f,
            "passes of {} rows; host rows {} bytes in, {} bytes out",
            self.group_rows, self.input_row_bytes, self.output_row_bytes
        )
    }

    fn write_memories(&self, f: &mut Formatter<'_>) -> Result {
        let target = &self.target;
        let uses = [
            (Memory::Weights, self.weight_tiles(), target.weight_tiles),
            (
                Memory::Parameters,
                self.parameters.len(),
                target.parameter_entries,
            ),
            (
                Memory::Program,
                self.steps.len(),
                target.program_instructions,
            ),
            (
                Memory::Scratchpad,
                self.scratchpad_bytes(),
                target.scratchpad_bytes,
            ),
        ];
        writeln!(f, "\nmemory                  used       of")?;
        for (memory, used, available) in uses {
            let share = 100.0 * used as f64 / available as f64;
            let (name, unit) = (memory.to_string(), memory.unit());
            writeln!(
                f,
                "{name:18}  {used:8} {available:8} {unit:12}  {share:5.1} %"
            )?;
        }
        Ok(())
    }

    fn write_estimates(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(
            f,
            "\nrows    estimated cycles   cycles/row  estimated utilization"
        )?;
        for rows in BATCHES {
            let cycles = self.estimated_cycles(rows);
            let utilization = 100.0 * self.estimated_utilization(rows);
            let each = cycles as f64 / rows as f64;
            writeln!(f, "{rows:5} {cycles:18} {each:12.0} {utilization:20.1} %")?;
        }
        Ok(())
    }

    fn write_buffers(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\nscratchpad          each row     steps  tensor")?;
        for buffer in &self.buffers {
            let bytes = buffer.stride * usize::from(self.group_rows);
            writeln!(
                f,
                "{} .. {}  {:8}  {:3} - {:2}  {}",
                Hexadecimal(buffer.address),
                Hexadecimal(buffer.address + bytes),
                buffer.stride,
                buffer.first,
                buffer.last,
                buffer.tensor
            )?;
        }
        Ok(())
    }

    fn write_program(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\nstep  instruction (b: row of the pass)")?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{index:4}  {step}")?;
        }
        Ok(())
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let i = &self.instruction;
        let name = OPCODES
            .iter()
            .find(|entry| entry.0 == i.opcode)
            .map_or("?", |entry| entry.1);
        if self.label.is_empty() {
            return f.write_str(name);
        }
        write!(f, "{name:10}  {}", self.label)?;
        let (input, output) = (
            Rows {
                address: i.input_address,
                stride: i.input_batch_stride,
            },
            Rows {
                address: i.output_address,
                stride: i.output_batch_stride,
            },
        );
        match i.opcode {
            opcode::LOAD_ROWS => {
                write!(
                    f,
                    "\n        host row + {} -> {output}, {} bytes",
                    i.host_offset, i.row_bytes
                )
            }
            opcode::STORE_ROWS => {
                write!(
                    f,
                    "\n        {input} -> host row + {}, {} bytes",
                    i.host_offset, i.row_bytes
                )
            }
            opcode::MATRIX => {
                write!(
                    f,
                    "\n        {input} x {} tiles -> {output} x {} tiles",
                    i.input_tiles, i.column_tiles
                )?;
                write_matrix(f, i)
            }
            _ => Ok(()),
        }
    }
}

fn write_matrix(f: &mut Formatter<'_>, i: &Instruction) -> Result {
    let tiles = u32::from(i.input_tiles) * u32::from(i.column_tiles);
    let rounding = if i.rounding == rounding::DOUBLE {
        "double"
    } else {
        "single"
    };
    write!(
        f,
        "\n        weights {} .. {}, parameters from {}, blocks of {} rows",
        i.weight_address,
        u32::from(i.weight_address) + tiles,
        i.parameter_address,
        i.block_rows
    )?;
    write!(
        f,
        "\n        {rounding} rounding, zero point {} -> {}, clamp {} to {}",
        i.pad_value, i.output_zero_point, i.clamp_minimum, i.clamp_maximum
    )
}

/// The place of a tensor's row b.
struct Rows {
    address: u32,
    stride: u32,
}

impl Display for Rows {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(
            f,
            "[{} + {} b]",
            Hexadecimal(self.address as usize),
            self.stride
        )
    }
}

/// A scratchpad address.
struct Hexadecimal(usize);

impl Display for Hexadecimal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{:#08x}", self.0)
    }
}
