//! The model against what the register description says, status by status.
//!
//! ```text
//!  test --entry--> Rig: rings in host memory, doorbell --> FunctionalModel
//!       <-completion, statistics, output rows------------
//! ```

mod bounds;
mod checks;
mod commands;
mod depthwise;
mod machine;
mod matrix;
mod queue;
mod residual;
mod transfers;

use bytemuck::Zeroable;
use systole_regs::configuration::TINY;
use systole_regs::entries::{CompletionEntry, LoadEntry, RunEntry, Statistics, flag, opcode};
use systole_regs::image::Parameter;
use systole_regs::instructions::{self, Compute, Transfer};
use systole_regs::registers::{self, control};
use systole_regs::{Configuration, Status};

use super::FunctionalModel;
use crate::core::{Activity, Core};
use crate::cosim::{Memory, Region};

pub const BASE: u64 = 0x1_0000_0000;
pub const BYTES: usize = 0x4_0000;
pub const SUBMISSIONS: u64 = BASE;
pub const COMPLETIONS: u64 = BASE + 0x1000;
pub const STATISTICS: u64 = BASE + 0x2000;
pub const IMAGE: u64 = BASE + 0x4000;
pub const INPUT: u64 = BASE + 0x2_0000;
pub const OUTPUT: u64 = BASE + 0x3_0000;
pub const UNMAPPED: u64 = BASE + BYTES as u64;

/// A model with its queue, driven as a driver does.
pub struct Rig {
    pub device: FunctionalModel,
    pub memory: Memory,
    pub submission_entries: u32,
    pub completion_entries: u32,
    tail: u32,
    head: u32,
    phase: u16,
}

impl Rig {
    pub fn new(configuration: Configuration) -> Self {
        Self::with_rings(configuration, 8, 8)
    }

    pub fn with_rings(
        configuration: Configuration,
        submission_entries: u32,
        completion_entries: u32,
    ) -> Self {
        let mut rig = Rig {
            device: FunctionalModel::new(configuration),
            memory: Memory::new(vec![Region {
                base: BASE,
                bytes: vec![0; BYTES],
            }]),
            submission_entries,
            completion_entries,
            tail: 0,
            head: 0,
            phase: 1,
        };
        rig.set_up();
        rig.write(registers::CONTROL, control::ENABLE);
        rig
    }

    pub fn set_up(&mut self) {
        self.write(registers::SUBMISSION_BASE_LOW, SUBMISSIONS as u32);
        self.write(registers::SUBMISSION_BASE_HIGH, (SUBMISSIONS >> 32) as u32);
        self.write(registers::SUBMISSION_ENTRIES, self.submission_entries);
        self.write(registers::COMPLETION_BASE_LOW, COMPLETIONS as u32);
        self.write(registers::COMPLETION_BASE_HIGH, (COMPLETIONS >> 32) as u32);
        self.write(registers::COMPLETION_ENTRIES, self.completion_entries);
    }

    pub fn read(&mut self, offset: u32) -> u32 {
        self.device.read_register(offset)
    }

    pub fn write(&mut self, offset: u32, value: u32) {
        self.device.write_register(offset, value);
    }

    pub fn put(&mut self, address: u64, bytes: &[u8]) {
        self.memory
            .bytes_mut(address, bytes.len())
            .unwrap()
            .copy_from_slice(bytes);
    }

    pub fn get(&self, address: u64, length: usize) -> Vec<u8> {
        self.memory.bytes(address, length).unwrap().to_vec()
    }

    /// Writes an entry at the tail, without ringing.
    pub fn push(&mut self, entry: &RunEntry) {
        self.put(
            SUBMISSIONS + u64::from(self.tail) * 64,
            bytemuck::bytes_of(entry),
        );
        self.tail = (self.tail + 1) % self.submission_entries;
    }

    pub fn ring(&mut self) {
        self.write(registers::SUBMISSION_TAIL_DOORBELL, self.tail);
    }

    pub fn settle(&mut self) {
        while self.device.advance(&mut self.memory) == Activity::Busy {}
    }

    /// The next completion, if its phase says that it is new; acknowledges it.
    pub fn pop(&mut self) -> Option<CompletionEntry> {
        let bytes = self.get(COMPLETIONS + u64::from(self.head) * 16, 16);
        let completion: CompletionEntry = bytemuck::pod_read_unaligned(&bytes);
        if completion.phase != self.phase {
            return None;
        }
        self.head = (self.head + 1) % self.completion_entries;
        self.phase ^= u16::from(self.head == 0);
        self.write(registers::COMPLETION_HEAD_DOORBELL, self.head);
        Some(completion)
    }

    /// Runs one command to its completion.
    pub fn command(&mut self, entry: &RunEntry) -> CompletionEntry {
        self.push(entry);
        self.ring();
        self.settle();
        let completion = self.pop().expect("a completion");
        assert_eq!(completion.command_id, entry.command_id);
        assert_eq!(completion.slot, entry.slot);
        assert_eq!(u32::from(completion.submission_head), self.tail);
        completion
    }

    pub fn status_of(&mut self, entry: &RunEntry) -> Status {
        let code = self.command(entry).status;
        Status::from_code(code).expect("a known status")
    }

    pub fn load(&mut self, entry: &LoadEntry) -> Status {
        self.status_of(bytemuck::cast_ref(entry))
    }

    pub fn statistics(&self) -> Statistics {
        bytemuck::pod_read_unaligned(&self.get(STATISTICS, size_of::<Statistics>()))
    }

    /// Makes a program resident in slot 0, with everything that TINY can hold half of.
    pub fn resident(&mut self, program: &[Transfer], model: &Model) {
        let entry = model.place(self, program, 0);
        assert_eq!(self.load(&entry), Status::Success);
    }
}

/// Parameters and weights of a test's model.
#[derive(Default)]
pub struct Model {
    pub parameters: Vec<Parameter>,
    pub weights: Vec<i8>,
    pub group_rows: u16,
}

impl Model {
    /// Writes the image and returns the entry that loads it into its half of the memories.
    pub fn place(&self, rig: &mut Rig, program: &[Transfer], slot: u8) -> LoadEntry {
        let mut image = bytemuck::cast_slice::<_, u8>(program).to_vec();
        image.extend_from_slice(bytemuck::cast_slice(&self.parameters));
        image.extend_from_slice(bytemuck::cast_slice(&self.weights));
        rig.put(IMAGE, &image);
        let half = u16::from(slot);
        let configuration = rig.device.configuration;
        LoadEntry {
            opcode: opcode::LOAD,
            command_id: 0x4c00 | half,
            slot,
            image_address: IMAGE,
            version: 70 + u32::from(slot),
            program_base: half * configuration.program_instructions as u16 / 2,
            program_count: program.len() as u16,
            parameter_base: half * configuration.parameter_entries as u16 / 2,
            parameter_count: self.parameters.len() as u16,
            weight_base: half * configuration.weight_tiles as u16 / 2,
            weight_count: (self.weights.len() / configuration.tile_bytes()) as u16,
            group_rows: self.group_rows.max(1),
            stream_address: INPUT,
            ..LoadEntry::zeroed()
        }
    }
}

pub fn run_entry(rows: u32) -> RunEntry {
    RunEntry {
        opcode: opcode::RUN,
        flags: flag::STATISTICS,
        command_id: 0x5200,
        input_address: INPUT,
        output_address: OUTPUT,
        statistics_address: STATISTICS,
        rows,
        input_stride: 64,
        output_stride: 64,
        ..RunEntry::zeroed()
    }
}

pub fn end() -> Transfer {
    Transfer::zeroed()
}

/// A computation as a program holds it.
pub fn word(compute: Compute) -> Transfer {
    bytemuck::cast(compute)
}

pub fn load_rows(scratchpad_address: u32, scratchpad_stride: u32, row_bytes: u32) -> Transfer {
    Transfer {
        opcode: instructions::opcode::LOAD_ROWS,
        scratchpad_address,
        scratchpad_stride,
        row_bytes,
        ..Transfer::zeroed()
    }
}

pub fn store_rows(scratchpad_address: u32, scratchpad_stride: u32, row_bytes: u32) -> Transfer {
    Transfer {
        opcode: instructions::opcode::STORE_ROWS,
        ..load_rows(scratchpad_address, scratchpad_stride, row_bytes)
    }
}

pub fn load_weights(weight_address: u16, count: u16) -> Transfer {
    Transfer {
        opcode: instructions::opcode::LOAD_WEIGHTS,
        weight_address,
        count,
        ..Transfer::zeroed()
    }
}

pub fn load_workspace(scratchpad_address: u32, row_bytes: u32, count: u16) -> Transfer {
    Transfer {
        opcode: instructions::opcode::LOAD_WORKSPACE,
        scratchpad_address,
        scratchpad_stride: 64,
        row_bytes,
        host_stride: 64,
        count,
        ..Transfer::zeroed()
    }
}

pub fn store_workspace(scratchpad_address: u32, row_bytes: u32, count: u16) -> Transfer {
    Transfer {
        opcode: instructions::opcode::STORE_WORKSPACE,
        ..load_workspace(scratchpad_address, row_bytes, count)
    }
}

/// A fully-connected layer from 4 inputs to 4 outputs.
pub fn matrix() -> Compute {
    Compute {
        opcode: instructions::opcode::MATRIX,
        kernel_height: 1,
        input_batch_stride: 64,
        output_address: 0x1000,
        output_batch_stride: 64,
        input_height: 1,
        input_row_bytes: 4,
        window_bytes: 4,
        output_height: 1,
        output_width: 1,
        channels: 4,
        input_tiles: 1,
        clamp_minimum: -128,
        clamp_maximum: 127,
        ..Compute::zeroed()
    }
}

/// The same with a window of one pixel for each channel.
pub fn depthwise() -> Compute {
    Compute {
        opcode: instructions::opcode::DEPTHWISE,
        ..matrix()
    }
}

/// The same without weights.
pub fn pool() -> Compute {
    Compute {
        opcode: instructions::opcode::POOL,
        ..matrix()
    }
}

/// A small model whose one computation fits: 1 tile, 4 parameters that halve.
pub fn small_model() -> Model {
    let parameter = Parameter {
        multiplier: 1 << 30,
        ..Default::default()
    };
    Model {
        parameters: vec![parameter; 4],
        weights: vec![1; 16],
        group_rows: 4,
    }
}

/// Runs a program, followed by END, on 3 rows in groups of 4.
pub fn status_of_program(program: &[Transfer], model: &Model) -> Status {
    let mut rig = Rig::new(TINY);
    rig.resident(&[program, &[end()]].concat(), model);
    rig.status_of(&RunEntry {
        workspace_address: OUTPUT + 0x1000,
        ..run_entry(3)
    })
}

#[test]
fn identification_says_what_the_configuration_says() {
    let mut rig = Rig::new(TINY);
    assert_eq!(rig.read(registers::MAGIC), systole_regs::MAGIC);
    assert_eq!(rig.read(registers::ABI_VERSION), systole_regs::ABI_VERSION);
    assert_eq!(rig.read(registers::SCRATCHPAD_BYTES), 16 * 1024);
    assert_eq!(rig.read(registers::WEIGHT_TILES), 4096);
    assert_eq!(
        rig.read(registers::FEATURES),
        instructions::IMPLEMENTED
            | instructions::feature::SHARED_COLUMNS
            | instructions::feature::WEIGHT_PRODUCTS
    );
    assert_eq!(rig.read(registers::CLOCK_KHZ), 100_000);
    // Reserved offsets, in every block.
    for offset in [
        0x44, 0x7c, 0x88, 0x124, 0x140, 0x418, 0x818, 0x840, 0x1008, 0xfffc,
    ] {
        assert_eq!(rig.read(offset), 0, "{offset:#x}");
        rig.write(offset, u32::MAX);
        assert_eq!(rig.read(offset), 0, "{offset:#x}");
    }
}
