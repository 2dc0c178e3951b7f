//! The Verilated accelerator answers as the functional model does, on programs written by hand.
#![cfg(feature = "rtl")]

use bytemuck::bytes_of;
use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, Statistics, flag, opcode};
use systole_regs::image::Parameter;
use systole_regs::instructions::{self, Compute, Transfer};
use systole_regs::{Configuration, Status, configuration, registers};
use systole_sim::model::FunctionalModel;
use systole_sim::rtl::{RtlCore, RtlOptions};
use systole_sim::{Activity, Core, DmaError, Host};

const SUBMISSION: u64 = 0x1000;
const COMPLETION: u64 = 0x2000;
const IMAGE: u64 = 0x1_0000;
const INPUT: u64 = 0x8_0000;
const OUTPUT: u64 = 0xa_0000;
const STATISTICS: u64 = 0x3000;
const ENTRIES: u32 = 8;

struct FlatHost {
    memory: Vec<u8>,
    interrupts: Vec<u16>,
}

impl FlatHost {
    fn new() -> Self {
        Self {
            memory: vec![0; 0x10_0000],
            interrupts: Vec::new(),
        }
    }
}

impl Host for FlatHost {
    fn dma_read(&mut self, address: u64, data: &mut [u8]) -> Result<(), DmaError> {
        let start = address as usize;
        let source = self
            .memory
            .get(start..start + data.len())
            .ok_or(DmaError::Unmapped { address })?;
        data.copy_from_slice(source);
        Ok(())
    }

    fn dma_write(&mut self, address: u64, data: &[u8]) -> Result<(), DmaError> {
        let start = address as usize;
        self.memory
            .get_mut(start..start + data.len())
            .ok_or(DmaError::Unmapped { address })?
            .copy_from_slice(data);
        Ok(())
    }

    fn interrupt(&mut self, vector: u16) {
        self.interrupts.push(vector);
    }
}

fn enable(core: &mut dyn Core) {
    core.write_register(registers::SUBMISSION_BASE_LOW, SUBMISSION as u32);
    core.write_register(registers::SUBMISSION_ENTRIES, ENTRIES);
    core.write_register(registers::COMPLETION_BASE_LOW, COMPLETION as u32);
    core.write_register(registers::COMPLETION_ENTRIES, ENTRIES);
    core.write_register(registers::INTERRUPT, registers::INTERRUPT_ENABLE | 3);
    core.write_register(registers::CONTROL, registers::control::ENABLE);
}

fn submit(core: &mut dyn Core, host: &mut FlatHost, index: u32, entry: &[u8]) -> CompletionEntry {
    let at = SUBMISSION as usize + (index % ENTRIES) as usize * 64;
    host.memory[at..at + 64].copy_from_slice(entry);
    core.write_register(registers::SUBMISSION_TAIL_DOORBELL, (index + 1) % ENTRIES);
    let mut rounds = 0;
    while core.advance(host) == Activity::Busy {
        rounds += 1;
        assert!(
            rounds < 200,
            "the device hangs; status {:#x}",
            core.read_register(registers::STATUS)
        );
    }
    let at = COMPLETION as usize + (index % ENTRIES) as usize * 16;
    let completion = *bytemuck::from_bytes::<CompletionEntry>(&host.memory[at..at + 16]);
    core.write_register(registers::COMPLETION_HEAD_DOORBELL, (index + 1) % ENTRIES);
    completion
}

/// A dense layer of `inputs` x `outputs` on `rows` rows: image, load entry, run entry.
fn dense(
    c: &Configuration,
    inputs: usize,
    outputs: usize,
    rows: u32,
    group: u16,
) -> (Vec<u8>, LoadEntry, RunEntry) {
    let input_tiles = inputs.div_ceil(c.rows);
    let column_tiles = outputs.div_ceil(c.columns);
    let stride = ((input_tiles * c.rows).max(column_tiles * c.columns)).next_multiple_of(32) as u32;
    let load = Transfer {
        opcode: instructions::opcode::LOAD_ROWS,
        scratchpad_stride: stride,
        row_bytes: inputs as u32,
        ..Default::default()
    };
    let matrix = Compute {
        opcode: instructions::opcode::MATRIX,
        kernel_height: 1,
        output_address: stride * u32::from(group),
        input_batch_stride: stride,
        output_batch_stride: stride,
        input_height: 1,
        input_row_bytes: inputs as u16,
        window_bytes: inputs as u16,
        output_height: 1,
        output_width: 1,
        channels: outputs as u16,
        input_tiles: input_tiles as u16,
        output_zero_point: -3,
        clamp_minimum: -100,
        clamp_maximum: 120,
        ..Default::default()
    };
    let store = Transfer {
        opcode: instructions::opcode::STORE_ROWS,
        scratchpad_address: stride * u32::from(group),
        scratchpad_stride: stride,
        row_bytes: outputs as u32,
        ..Default::default()
    };
    let mut image = Vec::new();
    for instruction in [load, bytemuck::cast(matrix), store, Transfer::default()] {
        image.extend_from_slice(bytes_of(&instruction));
    }
    for channel in 0..column_tiles * c.columns {
        image.extend_from_slice(bytes_of(&Parameter {
            bias: channel as i32 * 37 - 900,
            multiplier: 0x4000_0000 + channel as i32 * 12345,
            shift: -7 - (channel % 3) as i8,
            ..Default::default()
        }));
    }
    let tiles = input_tiles * column_tiles;
    let mut state = 12345_u32;
    for _ in 0..tiles * c.rows * c.columns {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image.push((state >> 24) as u8);
    }
    let load_entry = LoadEntry {
        opcode: opcode::LOAD,
        flags: flag::STATISTICS,
        command_id: 7,
        slot: 1,
        image_address: IMAGE,
        statistics_address: STATISTICS,
        version: 42,
        program_base: 8,
        program_count: 4,
        parameter_base: 16,
        parameter_count: (column_tiles * c.columns) as u16,
        weight_base: 5,
        weight_count: tiles as u16,
        group_rows: group,
        ..Default::default()
    };
    let run_entry = RunEntry {
        opcode: opcode::RUN,
        flags: flag::STATISTICS,
        command_id: 9,
        slot: 1,
        input_address: INPUT,
        output_address: OUTPUT,
        statistics_address: STATISTICS,
        rows,
        input_stride: inputs.next_multiple_of(8) as u32,
        output_stride: outputs.next_multiple_of(8) as u32,
        ..Default::default()
    };
    (image, load_entry, run_entry)
}

fn run(
    core: &mut dyn Core,
    c: &Configuration,
    shape: (usize, usize, u32, u16),
) -> (Vec<u8>, Vec<CompletionEntry>, Statistics) {
    let mut host = FlatHost::new();
    let (image, load, run) = dense(c, shape.0, shape.1, shape.2, shape.3);
    host.memory[IMAGE as usize..IMAGE as usize + image.len()].copy_from_slice(&image);
    for index in 0..shape.0.next_multiple_of(8) * shape.2 as usize {
        host.memory[INPUT as usize + index] = (index * 73 + index / 11) as u8;
    }
    enable(core);
    let mut completions = vec![
        submit(
            core,
            &mut host,
            0,
            bytes_of(&RunEntry {
                command_id: 1,
                ..RunEntry::default()
            }),
        ),
        submit(core, &mut host, 1, bytes_of(&load)),
        submit(core, &mut host, 2, bytes_of(&run)),
    ];
    let statistics = *bytemuck::from_bytes::<Statistics>(
        &host.memory[STATISTICS as usize..STATISTICS as usize + 64],
    );
    eprintln!("{} {shape:?}: {:?} {statistics:?}", c.name, completions[2]);
    for completion in &mut completions {
        assert_eq!(Status::from_code(completion.status), Some(Status::Success));
        completion.cycles = 0;
    }
    assert_eq!(host.interrupts, [3, 3, 3]);
    let bytes = shape.1.next_multiple_of(8) * shape.2 as usize;
    (
        host.memory[OUTPUT as usize..OUTPUT as usize + bytes].to_vec(),
        completions,
        statistics,
    )
}

#[test]
fn dense_layers_equal_the_functional_model() {
    for c in configuration::ALL {
        for shape in [
            (5, 3, 1, 1),
            (64, 32, 16, 16),
            (100, 50, 7, 3),
            (128, 128, 40, 16),
            (16, 200, 9, 8),
        ] {
            let mut rtl = RtlCore::new(*c, RtlOptions::default()).expect("the RTL is linked in");
            assert_eq!(rtl.read_register(registers::MAGIC), systole_regs::MAGIC);
            assert_eq!(rtl.read_register(registers::ARRAY_ROWS), c.rows as u32);
            let mut model = FunctionalModel::new(*c);
            let expected = run(&mut model, c, shape);
            let got = run(&mut rtl, c, shape);
            assert_eq!(got.1, expected.1);
            assert_eq!(got.0, expected.0, "{} {shape:?}", c.name);
            assert_eq!(got.2.vectors, expected.2.vectors);
            assert_eq!(got.2.dma_read_bytes, expected.2.dma_read_bytes);
            assert_eq!(got.2.dma_write_bytes, expected.2.dma_write_bytes);
            assert_eq!(got.2.instructions, expected.2.instructions);
            assert_eq!(got.2.groups, expected.2.groups);
        }
    }
}
