//! What the compiler promises of every program.

use super::*;
use crate::model::{
    Element, FullyConnected, Layer, Layout, Operation, Port, Quantization, Rounding, Scale, Source,
    Tensor, TensorId,
};
use systole_regs::configuration::{SMALL, TINY};
use systole_regs::instructions::{Instruction, opcode};

/// A chain of fully-connected layers between tensors of these sizes, with some weights.
fn network(sizes: &[usize]) -> Network {
    let tensor = |(index, &size): (usize, &usize)| Tensor {
        name: format!("tensor {index}"),
        shape: vec![size],
        zero_point: (index % 9) as i8 - 1,
        scale: 0.5,
    };
    let tensors: Vec<Tensor> = sizes.iter().enumerate().map(tensor).collect();
    let layer = |(index, pair): (usize, &[usize])| Layer {
        name: format!("layer {index}"),
        inputs: vec![TensorId(index)],
        output: TensorId(index + 1),
        operation: Operation::FullyConnected(FullyConnected {
            input_channels: pair[0],
            output_channels: pair[1],
            weights: (0..pair[0] * pair[1]).map(|value| value as i8).collect(),
            bias: vec![7; pair[1]],
            scales: vec![
                Scale {
                    multiplier: 1 << 30,
                    shift: -6
                };
                pair[1]
            ],
            rounding: Rounding::Single,
            clamp_minimum: -100,
            clamp_maximum: 100,
        }),
    };
    let port = |id: usize| Port {
        name: format!("port {id}"),
        tensor: TensorId(id),
        element: Element::I8,
        quantization: Quantization {
            scale: 0.5,
            zero_point: tensors[id].zero_point.into(),
        },
        external_float: false,
        layout: Layout::Same,
    };
    Network {
        name: "chain".into(),
        source: Source::Tflite,
        input: port(0),
        output: port(sizes.len() - 1),
        layers: sizes.windows(2).enumerate().map(layer).collect(),
        tensors,
    }
}

fn tiny() -> Target {
    Target::from(&TINY)
}

/// A program of one layer.
pub(crate) fn dense_program() -> Program {
    compile(&network(&[10, 6]), &tiny()).expect("fits")
}

fn instructions(program: &Program) -> Vec<Instruction> {
    program.instructions().copied().collect()
}

#[test]
fn a_program_loads_computes_stores_and_ends() {
    let program = compile(&network(&[10, 6, 3]), &tiny()).expect("fits");
    let instructions = instructions(&program);
    let opcodes: Vec<u8> = instructions.iter().map(|i| i.opcode).collect();
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
    let [load, first, second, store, _] = instructions[..] else {
        unreachable!("five")
    };
    assert_eq!((load.row_bytes, store.row_bytes), (10, 3));
    assert_eq!((program.input_row_bytes, program.output_row_bytes), (16, 8));
    assert_eq!((first.input_tiles, first.column_tiles), (3, 2));
    assert_eq!((second.input_tiles, second.column_tiles), (2, 1));
    assert_eq!((second.weight_address, second.parameter_address), (6, 8));
    assert_eq!((program.weight_tiles(), program.parameters.len()), (8, 12));
    // What one step writes, the next reads.
    assert_eq!(load.output_address, first.input_address);
    assert_eq!(load.output_batch_stride, first.input_batch_stride);
    assert_eq!(first.output_address, second.input_address);
    assert_eq!(first.output_batch_stride, second.input_batch_stride);
    assert_eq!(second.output_address, store.input_address);
    assert_eq!((first.pad_value, first.output_zero_point), (-1, 0));
    assert_eq!((first.clamp_minimum, first.clamp_maximum), (-100, 100));
}

#[test]
fn a_pass_fills_the_scratchpad_or_the_batch() {
    // 10 + 6 values take 16 + 8 bytes.
    let program = compile(&network(&[10, 6]), &tiny()).expect("fits");
    assert_eq!(usize::from(program.group_rows), TINY.scratchpad_bytes / 24);
    assert!(program.scratchpad_bytes() <= TINY.scratchpad_bytes);
    for batch in [1, 7, 16] {
        let options = CompileOptions { batch: Some(batch) };
        let program = compile_with(&network(&[10, 6]), &tiny(), options).expect("fits");
        assert_eq!(usize::from(program.group_rows), batch);
    }
}

#[test]
fn blocks_leave_half_of_the_accumulators_to_the_next() {
    let one_lane_each = Target {
        requantize_lanes: 4,
        ..tiny()
    };
    for (batch, expected) in [(1, 1), (5, 5), (1000, 8)] {
        let options = CompileOptions { batch: Some(batch) };
        let program = compile_with(&network(&[10, 6]), &one_lane_each, options).expect("fits");
        assert_eq!(instructions(&program)[1].block_rows, expected);
    }
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
    residency.occupy(residency.plan(&program, None).expect("fits").placement);
    let placement = residency.plan(&program, Some(0)).expect("fits").placement;
    let load = program.load_entry(&placement, 0x1000, 9);
    assert_eq!(
        (load.slot, load.version, load.image_address),
        (1, 9, 0x1000)
    );
    assert_eq!(usize::from(load.program_count), program.steps.len());
    assert_eq!(usize::from(load.program_base), program.steps.len());
    assert_eq!(usize::from(load.parameter_base), program.parameters.len());
    assert_eq!(usize::from(load.weight_count), program.weight_tiles());
    let run = program.run_entry(1, 3, 0x2000, 0x3000, None);
    assert_eq!(
        (run.slot, run.rows, run.flags, run.statistics_address),
        (1, 3, 0, 0)
    );
    assert_eq!((run.input_stride, run.output_stride), (16, 8));
    let run = program.run_entry(1, 3, 0x2000, 0x3000, Some(0x4000));
    assert_eq!((run.flags, run.statistics_address), (1, 0x4000));
}

#[test]
fn a_tensor_that_is_read_later_keeps_its_place() {
    // Both layers read the input; the second's output is the network's.
    let mut network = network(&[10, 10, 10]);
    network.layers[1].inputs = vec![TensorId(0)];
    let program = compile(&network, &tiny()).expect("fits");
    let instructions = instructions(&program);
    assert_eq!(
        instructions[2].input_address,
        instructions[0].output_address
    );
    let disjoint = |left: &Buffer, right: &Buffer| {
        let rows = usize::from(program.group_rows);
        left.address + rows * left.stride <= right.address
            || right.address + rows * right.stride <= left.address
    };
    assert!(disjoint(&program.buffers[0], &program.buffers[1]));
    assert!(disjoint(&program.buffers[0], &program.buffers[2]));
}

fn error(sizes: &[usize], target: &Target) -> CompileError {
    compile(&network(sizes), target).expect_err("must not fit")
}

#[test]
fn what_does_not_fit_is_said_with_numbers() {
    let weights = error(&[100, 200, 300], &tiny());
    // 25 x 50 and 50 x 75 tiles.
    assert_eq!(
        weights,
        CompileError::DoesNotFit {
            memory: Memory::Weights,
            needed: 1250 + 3750,
            available: 4096,
            layer: "layer 1".into(),
            layer_needed: 3750,
            target: "tiny".into(),
        }
    );
    assert_eq!(
        weights.to_string(),
        "the network needs 5000 tiles of weight memory, device \"tiny\" has 4096; layer \"layer 1\" takes most of it, \
         3750: use a device with a larger weight memory, a smaller network, or the CPU backend"
    );
    let parameters = error(
        &[1, 600, 600],
        &Target {
            weight_tiles: 60_000,
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
            CompileError::DoesNotFit { memory: Memory::Scratchpad, needed: 3008, layer, .. } if layer == "layer 0"
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
fn the_listing_names_everything() {
    let listing = compile(&network(&[10, 6, 3]), &Target::from(&SMALL))
        .expect("fits")
        .to_string();
    for part in [
        "chain: 10 inputs, 3 outputs, 78 MACs a row",
        "for small: 16 x 8 array, 4 requantization lanes, 150.0 MHz",
        "weight memory",
        "estimated utilization",
        "LOAD_ROWS   port 0",
        "MATRIX      layer 1",
        "single rounding, zero point 0 -> 1, clamp -100 to 100",
        "STORE_ROWS  port 2",
        "END",
        "tensor 1",
    ] {
        assert!(listing.contains(part), "{part} is not in:\n{listing}");
    }
    assert!(listing.lines().all(|line| line.len() <= 100), "{listing}");
}

#[test]
fn a_layer_without_instructions_is_refused_by_name() {
    let mut network = network(&[4, 4, 4]);
    network.tensors[1].zero_point = network.tensors[0].zero_point;
    network.layers[0].operation = Operation::Reshape;
    let error = compile(&network, &tiny()).expect_err("it has no instructions yet");
    assert!(
        matches!(&error, CompileError::Layer { layer, .. } if *layer == network.layers[0].name)
    );
}
