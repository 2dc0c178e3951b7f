//! The programs themselves: what they make of their limits, and what the checks say of them.

use systole_regs::configuration::{ALL, SMALL, TINY};
use systole_regs::entries::{LoadEntry, RunEntry, opcode as command};
use systole_regs::instructions::{NO_LIMIT, flag, opcode};
use systole_regs::registers::{self, control};

use super::*;
use crate::core::{Activity, Core};
use crate::cosim::memory::{Memory, Region};
use crate::cosim::{cost, mutations};
use crate::model::{FunctionalModel, refusal};

const QUEUE: u64 = 0;
const COMPLETIONS: u64 = 0x100;
const IMAGE: u64 = 0x1000;
const INPUT: u64 = 0x2_0000;
const OUTPUT: u64 = 0x4_0000;
const WORKSPACE: u64 = 0x6_0000;
const STREAM: u64 = 0x8_0000;
const STRIDE: usize = 0x800;
const GROUPS: u32 = 3;

#[test]
fn no_instruction_of_a_working_program_is_refused_and_none_of_a_spoiled_one_works() {
    for configuration in ALL {
        let mut spoiled = 0;
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let mut model = ModelBuilder::build(configuration, &mut random);
            let check = |model: &Model| {
                let tiles = model.weights.len() / configuration.tile_bytes();
                let entries = model.parameters.len() as u16;
                model
                    .reachable()
                    .iter()
                    .find_map(|i| refusal(i, entries, tiles as u16, configuration))
            };
            assert_eq!(check(&model), None, "seed {seed}");
            let fault = random.pick(mutations::PROGRAM);
            if mutations::spoil_program(&mut model, fault, configuration, &mut random) {
                spoiled += 1;
                assert!(
                    fault == "no end" || check(&model).is_some(),
                    "seed {seed}: {fault}"
                );
            }
        }
        assert!(spoiled > 150, "{}: {spoiled}", configuration.name);
    }
}

#[test]
fn programs_are_cheap() {
    for configuration in ALL {
        for seed in 0..300 {
            let model = ModelBuilder::build(configuration, &mut Random::new(seed));
            let rows = usize::from(model.group_rows);
            let run = cost::run(configuration, &model, rows);
            let load = cost::load(&model);
            assert!(run < 30_000, "{} seed {seed}: {run}", configuration.name);
            assert!(load < 20_000, "{} seed {seed}: {load}", configuration.name);
        }
    }
}

/// A program for all groups at once: their rows are so far apart that each instruction's offset
/// can say which group it is for.
fn unrolled(model: &Model) -> Vec<Transfer> {
    let group_bytes = u32::from(model.group_rows) * STRIDE as u32;
    let mut program = Vec::new();
    for group in 0..GROUPS {
        for instruction in model.reachable() {
            let mut instruction = *instruction;
            let mut rows_of = group;
            match instruction.opcode {
                opcode::END => continue,
                opcode::LOAD_ROWS => match std::mem::take(&mut instruction.flags) {
                    flag::FIRST_GROUP if group > 0 => continue,
                    flag::NEXT_GROUP if group == GROUPS - 1 => continue,
                    flag::NEXT_GROUP => rows_of = group + 1,
                    _ => {}
                },
                opcode::STORE_ROWS => {}
                _ => rows_of = 0,
            }
            if rows_of > 0 {
                // A transfer: others have another field there.
                instruction.host_offset += rows_of * group_bytes;
            }
            program.push(instruction);
        }
    }
    program
}

/// The same instructions in another order that the limits allow: each is put off as long as it may
/// be unfinished, by a random choice of which unit gets on.
fn reordered(program: &[Transfer], random: &mut Random) -> Vec<Transfer> {
    let unit = |i: &Transfer| match i.opcode {
        opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL => 0,
        opcode::LOAD_ROWS | opcode::LOAD_WEIGHTS | opcode::LOAD_WORKSPACE => 1,
        _ => 2,
    };
    let mut waiting: [std::collections::VecDeque<Transfer>; 3] = Default::default();
    let mut done = Vec::new();
    let eager = random.range(0, 3);
    for instruction in program {
        let limits = [
            instruction.compute_limit,
            instruction.load_limit,
            instruction.store_limit,
        ];
        // In which order the units finish what must be finished is open.
        let mut units = [0, 1, 2];
        units.rotate_left(random.range(0, 2));
        for index in units {
            while waiting[index].len() > usize::from(limits[index]) && limits[index] != NO_LIMIT {
                done.extend(waiting[index].pop_front());
            }
        }
        waiting[unit(instruction)].push_back(*instruction);
        // One of the units may be fast.
        if let Some(queue) = waiting.get_mut(eager) {
            done.extend(queue.drain(..));
        }
    }
    let mut units = [0, 1, 2];
    units.rotate_left(random.range(0, 2));
    for index in units {
        done.extend(waiting[index].drain(..));
    }
    for instruction in &mut done {
        instruction.compute_limit = 0;
        instruction.load_limit = 0;
        instruction.store_limit = 0;
    }
    done.push(Transfer::default());
    done
}

/// Output rows and workspace of a run of one group.
fn outcome(configuration: Configuration, model: &Model, program: &[Transfer]) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..0x9_0000_u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8)
        .collect();
    let mut put = |address: u64, data: &[u8]| {
        bytes[address as usize..address as usize + data.len()].copy_from_slice(data);
    };
    put(STREAM, bytemuck::cast_slice(&model.stream));
    let image = cost::image(&Model {
        program: program.to_vec(),
        ..model.clone()
    });
    put(IMAGE, &image);
    let load = LoadEntry {
        opcode: command::LOAD,
        image_address: IMAGE,
        stream_address: STREAM,
        program_count: program.len() as u16,
        parameter_count: model.parameters.len() as u16,
        weight_count: (model.weights.len() / configuration.tile_bytes()) as u16,
        group_rows: model.group_rows,
        ..LoadEntry::default()
    };
    put(QUEUE, bytemuck::bytes_of(&load));
    let run = RunEntry {
        opcode: command::RUN,
        input_address: INPUT,
        output_address: OUTPUT,
        workspace_address: WORKSPACE,
        rows: u32::from(model.group_rows),
        input_stride: STRIDE as u32,
        output_stride: STRIDE as u32,
        ..RunEntry::default()
    };
    put(QUEUE + 64, bytemuck::bytes_of(&run));
    let mut memory = Memory::new(vec![Region { base: 0, bytes }]);
    let mut device = FunctionalModel::new(configuration);
    for (offset, value) in [
        (registers::SUBMISSION_BASE_LOW, QUEUE as u32),
        (registers::SUBMISSION_ENTRIES, 4),
        (registers::COMPLETION_BASE_LOW, COMPLETIONS as u32),
        (registers::COMPLETION_ENTRIES, 4),
        (registers::CONTROL, control::ENABLE),
        (registers::SUBMISSION_TAIL_DOORBELL, 2),
    ] {
        device.write_register(offset, value);
    }
    while device.advance(&mut memory) == Activity::Busy {}
    assert_eq!(device.read_register(registers::ERRORS), 0);
    assert_eq!(device.read_register(registers::COMMANDS), 2);
    let written = memory.bytes(OUTPUT, (STREAM - OUTPUT) as usize);
    written.expect("one region").to_vec()
}

/// Whatever order the limits allow, the result is that of the program's own order.
#[test]
fn limits_allow_no_order_that_changes_the_result() {
    let mut moved = 0;
    for configuration in [TINY, SMALL] {
        for seed in 0..600 {
            let mut random = Random::new(seed);
            let model = ModelBuilder::build(&configuration, &mut random);
            // Small enough to lie in the memory above, and in the program memory.
            let small = model.group_rows <= 11
                && model.input_bytes <= STRIDE
                && model.output_bytes <= STRIDE;
            let program = unrolled(&model);
            if !model.overlapped || !small || program.len() >= configuration.program_instructions {
                continue;
            }
            let mut in_order = program.clone();
            in_order.push(Transfer::default());
            let expected = outcome(configuration, &model, &in_order);
            for _ in 0..4 {
                let other = reordered(&program, &mut random);
                moved += usize::from(
                    other
                        .iter()
                        .zip(&program)
                        .any(|(a, b)| (a.opcode, a.row_bytes) != (b.opcode, b.row_bytes)),
                );
                let got = outcome(configuration, &model, &other);
                assert!(got == expected, "{} seed {seed}", configuration.name);
            }
        }
    }
    assert!(moved > 500, "only {moved} programs had another order");
}
