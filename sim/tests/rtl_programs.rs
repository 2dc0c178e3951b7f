//! The Verilated accelerator answers as the functional model does, layer by layer.
#![cfg(feature = "rtl")]

use bytemuck::bytes_of;
use systole_regs::entries::{self, CompletionEntry, LoadEntry, RunEntry, Statistics};
use systole_regs::image::Parameter;
use systole_regs::instructions::{Compute, Transfer, flag, opcode};
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

/// A small generator of numbers; the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// From `low` to `high`, both included.
    fn within(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() as usize) % (high - low + 1)
    }

    /// A byte, extreme now and then.
    fn byte(&mut self) -> u8 {
        match self.next() % 8 {
            0 => 0x80,
            1 => 0x7f,
            _ => self.next() as u8,
        }
    }
}

/// An image in the scratchpad.
#[derive(Clone, Copy, Debug)]
struct Image {
    height: usize,
    row_stride: usize,
}

impl Image {
    fn bytes(&self) -> usize {
        self.height * self.row_stride
    }
}

/// One layer on a group of rows, with the image that surrounds it.
#[derive(Clone, Debug)]
struct Layer {
    compute: Compute,
    rows: usize,
    group: usize,
}

const OUTPUT_AT: usize = 6 * 1024;

fn layer(c: &Configuration, random: &mut Random, kind: u8) -> Layer {
    let word = c.scratchpad_word_bytes();
    let group = random.within(1, 3);
    let (kernel_height, kernel_width) = (random.within(1, 4), random.within(1, 4));
    let (stride_y, stride_x) = (random.within(1, 3), random.within(1, 3));
    let (height, width) = (random.within(1, 7), random.within(1, 7));
    let channels = random.within(1, 20);
    let (pad_top, pad_left) = (
        random.within(0, kernel_height - 1),
        random.within(0, kernel_width - 1),
    );
    let (output_height, output_width) = (random.within(1, 4), random.within(1, 4));
    let output_channels = if kind == opcode::MATRIX {
        random.within(1, 40)
    } else {
        channels
    };
    let mut kernel_width = kernel_width;
    while kind == opcode::MATRIX && kernel_width * channels < c.rows / 4 {
        kernel_width += 1;
    }
    let window = kernel_width * channels;
    let mut row_stride = width * channels + random.within(0, 9);
    if kind == opcode::MATRIX && kernel_height > 1 {
        while row_stride % word != window % word {
            row_stride += 1;
        }
    }
    let input = Image { height, row_stride };
    let output = Image {
        height: output_height,
        row_stride: output_width * output_channels + random.within(0, 9),
    };
    let residual = random.next().is_multiple_of(3);
    let shared = kind == opcode::DEPTHWISE
        && stride_x <= kernel_width
        && kernel_width <= 3 * stride_x
        && !random.next().is_multiple_of(3);
    let mut flags = 0;
    if random.next().is_multiple_of(2) {
        flags |= flag::DOUBLE_ROUNDING;
    }
    if residual {
        flags |= flag::RESIDUAL;
    }
    if kind == opcode::POOL && random.next().is_multiple_of(2) {
        flags |= flag::MAXIMUM;
    }
    let clamp = random.byte() as i8;
    let sum_clamp = random.byte() as i8;
    let matrix = kind == opcode::MATRIX;
    let compute = Compute {
        opcode: kind,
        flags,
        pad_value: random.byte() as i8,
        kernel_height: kernel_height as u8,
        phases: if shared { stride_x as u8 } else { 0 },
        input_address: random.within(0, 20) as u32,
        output_address: (OUTPUT_AT + random.within(0, 20)) as u32,
        input_batch_stride: (input.bytes() + random.within(0, 9)) as u32,
        output_batch_stride: (output.bytes() + random.within(0, 9)) as u32,
        second_address: if residual {
            random.within(0, 900) as u32
        } else {
            0
        },
        input_height: height as u16,
        input_row_bytes: (width * channels) as u16,
        input_row_stride: row_stride as u16,
        window_bytes: if matrix { window } else { channels } as u16,
        column_step: if shared { 0 } else { stride_x * channels } as u16,
        pad_left: (pad_left * channels) as u16,
        output_height: output_height as u16,
        output_width: output_width as u16,
        output_row_stride: output.row_stride as u16,
        output_pixel_stride: output_channels as u16,
        channels: output_channels as u16,
        input_tiles: if matrix {
            (kernel_height * window).div_ceil(c.rows)
        } else {
            kernel_width
        } as u16,
        stride_y: stride_y as u8,
        pad_top: pad_top as u8,
        output_zero_point: random.byte() as i8,
        clamp_minimum: clamp.min(-20),
        clamp_maximum: clamp.max(100),
        sum_zero_point: if residual { random.byte() as i8 } else { 0 },
        sum_minimum: if residual { sum_clamp.min(-90) } else { 0 },
        sum_maximum: if residual { sum_clamp.max(20) } else { 0 },
        ..Default::default()
    };
    Layer {
        compute,
        rows: group * 2 - group / 2,
        group,
    }
}

/// Weight tiles and parameter entries of the layer.
fn needs(c: &Configuration, compute: &Compute) -> (usize, usize) {
    let channels = usize::from(compute.channels);
    let tiles = match compute.opcode {
        opcode::MATRIX => channels.div_ceil(c.columns) * usize::from(compute.input_tiles),
        opcode::DEPTHWISE => {
            let height = usize::from(compute.kernel_height);
            let tiles = match compute.phases {
                0 => (height * usize::from(compute.input_tiles)).div_ceil(c.tile_steps()),
                phases => height * usize::from(phases),
            };
            channels.div_ceil(c.rows) * tiles
        }
        _ => 0,
    };
    let lanes = c.requantize_lanes;
    let extra = if compute.flags & flag::RESIDUAL != 0 {
        3_usize.next_multiple_of(lanes)
    } else {
        0
    };
    (tiles, channels.next_multiple_of(lanes) + extra)
}

fn run(core: &mut dyn Core, c: &Configuration, layer: &Layer, seed: u64) -> (Vec<u8>, Statistics) {
    let mut random = Random(seed);
    let mut host = FlatHost::new();
    let compute = &layer.compute;
    let input_bytes = compute.input_batch_stride.next_multiple_of(8);
    let output_bytes = (compute.output_batch_stride as usize).next_multiple_of(8) as u32;
    let load = Transfer {
        opcode: opcode::LOAD_ROWS,
        scratchpad_address: compute.input_address,
        scratchpad_stride: compute.input_batch_stride,
        row_bytes: compute.input_batch_stride,
        ..Default::default()
    };
    let store = Transfer {
        opcode: opcode::STORE_ROWS,
        scratchpad_address: compute.output_address,
        scratchpad_stride: compute.output_batch_stride,
        row_bytes: compute.output_batch_stride,
        ..Default::default()
    };
    // What the output doesn't cover is the same in both.
    let clear = Transfer {
        opcode: opcode::LOAD_ROWS,
        scratchpad_address: compute.output_address,
        scratchpad_stride: compute.output_batch_stride,
        row_bytes: compute.output_batch_stride,
        ..Default::default()
    };
    let (tiles, entries) = needs(c, compute);
    let mut image = Vec::new();
    for transfer in [clear, load] {
        image.extend_from_slice(bytes_of(&transfer));
    }
    image.extend_from_slice(bytes_of(compute));
    for transfer in [store, Transfer::default()] {
        image.extend_from_slice(bytes_of(&transfer));
    }
    for _ in 0..entries {
        image.extend_from_slice(bytes_of(&Parameter {
            bias: (random.next() as i32) >> random.within(0, 31),
            multiplier: (random.next() as i32) & i32::MAX,
            shift: random.within(0, 14) as i8 - 13,
            ..Default::default()
        }));
    }
    for _ in 0..tiles * c.tile_bytes() {
        image.push(random.byte());
    }
    host.memory[IMAGE as usize..IMAGE as usize + image.len()].copy_from_slice(&image);
    for byte in &mut host.memory[INPUT as usize..OUTPUT as usize] {
        *byte = random.byte();
    }
    let load_entry = LoadEntry {
        opcode: entries::opcode::LOAD,
        flags: entries::flag::STATISTICS,
        command_id: 7,
        slot: 1,
        image_address: IMAGE,
        statistics_address: STATISTICS,
        version: 42,
        program_base: 8,
        program_count: 5,
        parameter_base: 16,
        parameter_count: entries as u16,
        weight_base: 5,
        weight_count: tiles as u16,
        group_rows: layer.group as u16,
        ..Default::default()
    };
    let run_entry = RunEntry {
        opcode: entries::opcode::RUN,
        flags: entries::flag::STATISTICS,
        command_id: 9,
        slot: 1,
        input_address: INPUT,
        output_address: OUTPUT,
        statistics_address: STATISTICS,
        rows: layer.rows as u32,
        input_stride: input_bytes.max(output_bytes),
        output_stride: output_bytes,
        ..Default::default()
    };
    enable(core);
    for (index, entry) in [bytes_of(&load_entry), bytes_of(&run_entry)]
        .into_iter()
        .enumerate()
    {
        let completion = submit(core, &mut host, index as u32, entry);
        assert_eq!(
            Status::from_code(completion.status),
            Some(Status::Success),
            "{layer:?}"
        );
    }
    assert_eq!(host.interrupts, [3, 3]);
    let statistics = *bytemuck::from_bytes::<Statistics>(
        &host.memory[STATISTICS as usize..STATISTICS as usize + 64],
    );
    let bytes = output_bytes as usize * layer.rows;
    (
        host.memory[OUTPUT as usize..OUTPUT as usize + bytes].to_vec(),
        statistics,
    )
}

fn compare(kind: u8) {
    for c in &[configuration::TINY, configuration::SMALL] {
        for seed in 1..=cases() {
            let mut random = Random(seed * 0x9e37_79b9 + u64::from(kind));
            let layer = layer(c, &mut random, kind);
            let mut rtl = RtlCore::new(*c, RtlOptions::default()).expect("the RTL is linked in");
            let mut model = FunctionalModel::new(*c);
            let expected = run(&mut model, c, &layer, seed);
            let got = run(&mut rtl, c, &layer, seed);
            assert_eq!(
                got.0, expected.0,
                "{} seed {seed}: {layer:?}\n{:?}",
                c.name, got.1
            );
            let architectural = |s: &Statistics| {
                (
                    [s.vectors, s.depthwise_vectors, s.instructions, s.groups],
                    [s.dma_read_bytes, s.dma_write_bytes],
                )
            };
            assert_eq!(
                architectural(&got.1),
                architectural(&expected.1),
                "{} seed {seed}: {layer:?}",
                c.name
            );
        }
    }
}

/// Cases of each kind and configuration; SYSTOLE_LAYER_SEEDS overrides it.
fn cases() -> u64 {
    std::env::var("SYSTOLE_LAYER_SEEDS")
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(40)
}

#[test]
fn convolutions_equal_the_functional_model() {
    compare(opcode::MATRIX);
}

#[test]
fn depthwise_convolutions_equal_the_functional_model() {
    compare(opcode::DEPTHWISE);
}

#[test]
fn pools_equal_the_functional_model() {
    compare(opcode::POOL);
}
