//! Programs as they go to the device: instructions, images, entries; what is refused, and how
//! programs look to people.

use systole_regs::configuration::{SMALL, TINY};
use systole_regs::instructions::{Compute, Transfer, opcode};

use super::{dense_program, network, tiny};
use crate::compiler::*;
use crate::model::{Operation, Softmax, TensorId};

fn transfer(instruction: &Instruction) -> &Transfer {
    match instruction {
        Instruction::Transfer(transfer) => transfer,
        Instruction::Compute(compute) => panic!("a transfer, not {compute:?}"),
    }
}

fn compute(instruction: &Instruction) -> &Compute {
    match instruction {
        Instruction::Compute(compute) => compute,
        Instruction::Transfer(transfer) => panic!("a computation, not {transfer:?}"),
    }
}

fn for_batch(sizes: &[usize], target: &Target, batch: usize) -> Program {
    let options = CompileOptions { batch: Some(batch) };
    compile_with(&network(sizes), target, options).expect("fits")
}

#[test]
fn a_program_loads_computes_stores_and_ends() {
    let program = for_batch(&[10, 6, 3], &tiny(), 1);
    let instructions: Vec<&Instruction> = program.instructions().collect();
    let opcodes: Vec<u8> = instructions.iter().map(|i| i.opcode()).collect();
    assert_eq!(
        opcodes,
        [
            opcode::LOAD_ROWS,
            opcode::MATRIX,
            opcode::MATRIX,
            opcode::STORE_ROWS,
            opcode::END
        ]
    );
    let (load, store) = (transfer(instructions[0]), transfer(instructions[3]));
    let (first, second) = (compute(instructions[1]), compute(instructions[2]));
    // Input rows are read in whole words.
    assert_eq!((load.row_bytes, store.row_bytes), (16, 3));
    assert_eq!((program.input.stride, program.output.stride), (16, 8));
    assert_eq!((first.input_tiles, first.channels), (3, 6));
    assert_eq!((second.input_tiles, second.channels), (2, 3));
    assert_eq!((second.weight_address, second.parameter_address), (6, 6));
    assert_eq!((program.weight_tiles(), program.parameters.len()), (8, 10));
    // What one step writes, the next reads, and waits for.
    assert_eq!(load.scratchpad_address, first.input_address);
    assert_eq!(first.output_address, second.input_address);
    assert_eq!(second.output_address, store.scratchpad_address);
    assert_eq!((first.load_limit, second.compute_limit), (0, 0));
    assert_eq!(store.compute_limit, 0);
    assert_eq!((first.pad_value, first.output_zero_point), (-1, 0));
    assert_eq!((first.clamp_minimum, first.clamp_maximum), (-100, 100));
}

#[test]
fn groups_are_sized_for_the_batch_and_the_scratchpad() {
    for batch in [1, 7, 16, 1000] {
        let program = for_batch(&[100, 60], &tiny(), batch);
        assert!((1..=batch).contains(&program.group_rows.into()));
        assert!(program.scratchpad_bytes <= TINY.scratchpad_bytes);
    }
    assert_eq!(for_batch(&[100, 60], &tiny(), 1).group_rows, 1);
    // A dense layer alone takes about as many cycles whatever the group, but each has overhead.
    assert!(
        compile(&network(&[100, 60]), &tiny())
            .expect("fits")
            .group_rows
            > 8
    );
}

#[test]
fn the_next_input_is_loaded_beside_later_layers() {
    let program = compile(&network(&[100, 60, 40, 20]), &tiny()).expect("fits");
    let loads: Vec<u8> = program
        .instructions()
        .filter(|i| i.opcode() == opcode::LOAD_ROWS)
        .map(|i| transfer(i).flags)
        .collect();
    use systole_regs::instructions::flag::{FIRST_GROUP, NEXT_GROUP};
    assert_eq!(loads, [FIRST_GROUP, NEXT_GROUP]);
}

#[test]
fn the_image_has_its_sections_in_order_without_gaps() {
    let program = dense_program();
    let image = program.image();
    let (steps, parameters) = (program.steps.len(), program.parameters.len());
    assert_eq!(
        image.len(),
        steps * 64 + parameters * 16 + program.weights.len()
    );
    assert_eq!(image[0], opcode::LOAD_ROWS);
    let bias = &image[steps * 64..][..4];
    assert_eq!(bias, program.parameters[0].bias.to_le_bytes());
    let weights: Vec<u8> = program.weights.iter().map(|&weight| weight as u8).collect();
    assert_eq!(image[steps * 64 + parameters * 16..], weights);
}

#[test]
fn entries_carry_placement_and_addresses() {
    let program = dense_program();
    let mut residency = Residency::new(&tiny());
    residency.occupy(residency.place(&program, None).expect("fits"));
    let placement = residency.place(&program, None).expect("fits");
    let load = program.load_entry(&placement, 0x1000, 0x8000, 9);
    assert_eq!(
        (
            load.slot,
            load.version,
            load.image_address,
            load.stream_address
        ),
        (1, 9, 0x1000, 0x8000)
    );
    assert_eq!(usize::from(load.program_count), program.steps.len());
    assert_eq!(load.program_base, placement.program.base);
    assert_eq!(load.parameter_base, placement.parameters.base);
    assert_eq!(usize::from(load.weight_count), program.weight_tiles());
    let mut addresses = RunAddresses {
        input: 0x2000,
        output: 0x3000,
        workspace: 0x5000,
        statistics: None,
        trace: None,
    };
    let run = program.run_entry(1, 3, &addresses);
    assert_eq!(
        (run.slot, run.rows, run.flags, run.statistics_address),
        (1, 3, 0, 0)
    );
    assert_eq!((run.input_stride, run.output_stride), (16, 8));
    assert_eq!(run.workspace_address, 0x5000);
    addresses.statistics = Some(0x4000);
    let run = program.run_entry(1, 3, &addresses);
    assert_eq!((run.flags, run.statistics_address), (1, 0x4000));
}

#[test]
fn host_rows_have_gaps_where_the_layout_has_them() {
    let layout = HostLayout {
        height: 2,
        row_bytes: 3,
        pitch: 5,
        stride: 16,
    };
    let lines_of = |layout: HostLayout, rows| layout.lines(rows).collect::<Vec<_>>();
    let lines = [(0, 0..3), (5, 3..6), (16, 6..9), (21, 9..12)];
    assert_eq!(lines_of(layout, 2), lines);
    assert_eq!(layout.blocks(2).count(), 2);
    // Image rows without gaps are one line, and rows with nothing else one block.
    let whole = HostLayout { pitch: 3, ..layout };
    assert_eq!(lines_of(whole, 2), [(0, 0..6), (16, 6..12)]);
    let dense = HostLayout { stride: 6, ..whole };
    assert_eq!(lines_of(dense, 2), [(0, 0..6), (6, 6..12)]);
    assert_eq!(dense.blocks(2).count(), 1);
    assert_eq!(lines_of(dense, 0), []);
}

#[test]
fn weights_that_do_not_fit_are_streamed() {
    // 25 x 50 and 50 x 75 tiles, of 4096.
    let program = compile(&network(&[100, 200, 300]), &tiny()).expect("streams");
    assert!(!program.stream.is_empty() && program.weight_tiles() <= TINY.weight_tiles);
    let loads = program
        .instructions()
        .filter(|i| i.opcode() == opcode::LOAD_WEIGHTS)
        .map(|i| usize::from(transfer(i).count));
    assert_eq!(loads.sum::<usize>() * 16, program.stream.len());
}

fn error(sizes: &[usize], target: &Target) -> CompileError {
    compile(&network(sizes), target).expect_err("must not fit")
}

#[test]
fn what_does_not_fit_is_said_with_numbers() {
    let weights = error(
        &[100, 20],
        &Target {
            weight_tiles: 24,
            ..tiny()
        },
    );
    assert_eq!(
        weights,
        CompileError::DoesNotFit {
            memory: Memory::Weights,
            needed: 125,
            available: 24,
            layer: "layer 0".into(),
            layer_needed: 125,
            target: "tiny".into(),
        }
    );
    assert_eq!(
        weights.to_string(),
        "the network needs 125 tiles of weight memory, device \"tiny\" has 24; layer \"layer 0\" takes most of it, \
         125: use a device with a larger weight memory, a smaller network, or the CPU backend"
    );
    let parameters = error(
        &[1, 600, 600],
        &Target {
            parameter_entries: 1024,
            ..tiny()
        },
    );
    assert!(matches!(
        parameters,
        CompileError::DoesNotFit {
            memory: Memory::Parameters,
            needed: 1200,
            available: 1024,
            ..
        }
    ));
    let program = error(&[1; 130], &tiny());
    assert!(matches!(
        program,
        CompileError::DoesNotFit {
            memory: Memory::Program,
            needed: 132,
            available: 128,
            ..
        }
    ));
    let scratchpad = error(
        &[3000, 5, 60],
        &Target {
            scratchpad_bytes: 2048,
            ..tiny()
        },
    );
    assert!(
        matches!(
            &scratchpad,
            CompileError::DoesNotFit { memory: Memory::Scratchpad, layer, .. } if layer == "layer 0"
        ),
        "{scratchpad}"
    );
}

#[test]
fn missing_instructions_and_broken_networks_are_refused() {
    let no_matrix = Target {
        features: tiny().features & !(1 << opcode::MATRIX),
        ..tiny()
    };
    assert!(matches!(
        error(&[4, 4], &no_matrix),
        CompileError::Unsupported {
            instruction: "MATRIX",
            ..
        }
    ));
    let mut broken = network(&[4, 4]);
    broken.layers[0].inputs[0] = TensorId(5);
    assert!(matches!(
        compile(&broken, &tiny()),
        Err(CompileError::Model(_))
    ));
    let impossible = Target { rows: 0, ..tiny() };
    assert!(matches!(
        error(&[4, 4], &impossible),
        CompileError::Target { .. }
    ));
}

#[test]
fn a_layer_without_instructions_is_refused_by_name() {
    let mut network = network(&[4, 4, 4]);
    network.layers[0].operation = Operation::Softmax(Softmax::Float);
    let error = compile(&network, &tiny()).expect_err("a softmax in the middle");
    assert!(
        matches!(&error, CompileError::Layer { layer, .. } if *layer == network.layers[0].name),
        "{error}"
    );
}

#[test]
fn the_end_of_a_network_is_left_to_the_host() {
    let mut network = network(&[4, 5, 5]);
    network.layers[1].operation = Operation::Softmax(Softmax::Float);
    let program = compile(&network, &tiny()).expect("the softmax is the last layer");
    assert!(!program.tail.is_empty());
    assert_eq!((program.output.elements(), program.output_elements), (5, 5));
}

#[test]
fn the_listing_names_everything() {
    let listing = compile(&network(&[10, 6, 3]), &Target::from(&SMALL))
        .expect("fits")
        .to_string();
    for part in [
        "chain: 10 inputs, 3 outputs, 78 MACs a row",
        "for small: 16 x 8 array, 4 requantization lanes, 150.0 MHz",
        "weight memory",
        "estimated utilization",
        "LOAD_ROWS",
        "tensor 0",
        "MATRIX",
        "layer 1",
        "single rounding, zero point 0 -> 1, clamp -100 to 100",
        "STORE_ROWS",
        "END",
        "tensor 2",
    ] {
        assert!(listing.contains(part), "{part} is not in:\n{listing}");
    }
    assert!(listing.lines().all(|line| line.len() <= 100), "{listing}");
}
