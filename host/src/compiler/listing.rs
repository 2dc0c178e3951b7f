//! A compiled program as a page for people.

use std::fmt::{Display, Formatter, Result};

use systole_regs::instructions::{Compute, NO_LIMIT, OPCODES, Transfer, flag, opcode};

use super::{Instruction, Memory, Program, Step};

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
            self.name,
            self.input.elements(),
            self.output_elements,
            self.macs()
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
            "groups of {} rows; host rows {} bytes in, {} bytes out",
            self.group_rows, self.input.stride, self.output.stride
        )?;
        writeln!(
            f,
            "host memory: {} bytes of weights to stream, {} bytes of workspace for a run",
            self.stream.len(),
            self.workspace_bytes
        )?;
        if !self.tail.is_empty() {
            writeln!(
                f,
                "the host computes the end of the network: the softmax or reshapes"
            )?;
        }
        Ok(())
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
                self.scratchpad_bytes,
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
        writeln!(
            f,
            "\nscratchpad          each row     rows  layers   tensor"
        )?;
        for buffer in &self.buffers {
            match buffer.address {
                Some(address) => {
                    let bytes = buffer.stride * usize::from(self.group_rows);
                    let (start, end) = (Hexadecimal(address), Hexadecimal(address + bytes));
                    write!(f, "{start} .. {end}  ")?;
                }
                None => write!(f, "in host memory        ")?,
            }
            let (height, pitch) = buffer.rows;
            write!(f, "{:8}  {height:3} x {pitch:4} ", buffer.stride)?;
            for (first, last) in &buffer.spans {
                write!(f, " {first}-{last}")?;
            }
            writeln!(f, "  {}", Short(&buffer.tensor, 40))?;
        }
        Ok(())
    }

    fn write_program(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(
            f,
            "\nstep  instruction (b: row of the group; [c l s]: computations, loads and stores"
        )?;
        writeln!(
            f,
            "      that may still run when it begins, - for any number)"
        )?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{index:4}  {step}")?;
        }
        Ok(())
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let code = self.instruction.opcode();
        let name = OPCODES
            .iter()
            .find(|entry| entry.0 == code)
            .map_or("?", |entry| entry.1);
        let [compute, load, store] = self.instruction.limits().map(Limit);
        write!(f, "{name:15} [{compute} {load} {store}]")?;
        if !self.label.is_empty() {
            write!(f, "  {}", Short(&self.label, 60))?;
        }
        match &self.instruction {
            Instruction::Transfer(transfer) => write_transfer(f, transfer),
            Instruction::Compute(compute) => write_compute(f, compute),
        }
    }
}

fn write_transfer(f: &mut Formatter<'_>, i: &Transfer) -> Result {
    let rows = Rows {
        address: i.scratchpad_address,
        stride: i.scratchpad_stride,
    };
    match i.opcode {
        opcode::LOAD_ROWS => {
            let whose = match i.flags {
                flag::FIRST_GROUP => "first group's ",
                flag::NEXT_GROUP => "next group's ",
                _ => "",
            };
            write!(
                f,
                "\n        {whose}host row + {} -> {rows}, {} bytes",
                i.host_offset, i.row_bytes
            )
        }
        opcode::STORE_ROWS => write!(
            f,
            "\n        {rows} -> host row + {}, {} bytes",
            i.host_offset, i.row_bytes
        ),
        opcode::LOAD_WEIGHTS => write!(
            f,
            "\n        stream + {} -> weights {} .. {}",
            i.host_offset,
            i.weight_address,
            u32::from(i.weight_address) + u32::from(i.count)
        ),
        opcode::LOAD_WORKSPACE => write!(
            f,
            "\n        workspace + {} -> [{}], {} bytes",
            i.host_offset,
            Hexadecimal(i.scratchpad_address as usize),
            i.row_bytes
        ),
        opcode::STORE_WORKSPACE => write!(
            f,
            "\n        [{}] -> workspace + {}, {} bytes",
            Hexadecimal(i.scratchpad_address as usize),
            i.host_offset,
            i.row_bytes
        ),
        _ => Ok(()),
    }
}

fn write_compute(f: &mut Formatter<'_>, i: &Compute) -> Result {
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
    write!(f, "\n        {input} -> {output}")?;
    write!(
        f,
        "\n        {} rows of {} bytes -> {} x {} pixels of {} channels",
        i.input_height, i.input_row_bytes, i.output_height, i.output_width, i.channels
    )?;
    let mode = match (i.opcode, i.phases) {
        (opcode::MATRIX, _) => "bytes in tiles",
        (opcode::DEPTHWISE, 1..) => "columns, shared",
        _ if i.flags & flag::MAXIMUM != 0 => "columns, maximum",
        _ => "columns",
    };
    match i.opcode {
        opcode::MATRIX => write!(
            f,
            "\n        window {} x {} {mode}: {}",
            i.kernel_height, i.window_bytes, i.input_tiles
        )?,
        _ => write!(
            f,
            "\n        window {} x {} {mode}",
            i.kernel_height, i.input_tiles
        )?,
    }
    write!(
        f,
        ", weights from {}, parameters from {}",
        i.weight_address, i.parameter_address
    )?;
    let rounding = match i.flags & flag::DOUBLE_ROUNDING {
        0 => "single",
        _ => "double",
    };
    write!(
        f,
        "\n        {rounding} rounding, zero point {} -> {}, clamp {} to {}",
        i.pad_value, i.output_zero_point, i.clamp_minimum, i.clamp_maximum
    )?;
    if i.flags & flag::RESIDUAL != 0 {
        let second = Hexadecimal(i.second_address as usize);
        write!(
            f,
            "\n        plus [{second}], zero point {}, clamp {} to {}",
            i.sum_zero_point, i.sum_minimum, i.sum_maximum
        )?;
    }
    Ok(())
}

/// A name, without its middle if it has more than so many characters.
struct Short<'a>(&'a str, usize);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let &Short(name, most) = self;
        let count = name.chars().count();
        if count <= most {
            return f.write_str(name);
        }
        let half = most / 2 - 1;
        let start: String = name.chars().take(half).collect();
        let end: String = name.chars().skip(count - half).collect();
        write!(f, "{start}..{end}")
    }
}

/// How many instructions of a unit may still run.
struct Limit(u8);

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            NO_LIMIT => f.write_str("-"),
            limit => limit.fmt(f),
        }
    }
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
