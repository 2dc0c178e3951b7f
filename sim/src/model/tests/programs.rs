//! Instructions: their checks, their arithmetic and their counters.

use super::*;

/// Runs a program on 3 rows in groups of 4.
fn status_of_program(program: &[Instruction]) -> Status {
    let mut rig = Rig::new(TINY);
    rig.resident(program, &small_model());
    rig.status_of(&run_entry(3))
}

#[test]
fn programs_without_an_end_overrun() {
    assert_eq!(
        status_of_program(&[load_rows(0, 64, 8)]),
        Status::ProgramOverrun
    );
    assert_eq!(
        status_of_program(&[load_rows(0, 64, 8), end()]),
        Status::Success
    );
}

#[test]
fn opcodes_that_are_not_carried_out_are_invalid() {
    for opcode in [4, 5, 6, 7, 8, 0xff] {
        let instruction = Instruction {
            opcode,
            ..Instruction::zeroed()
        };
        assert_eq!(
            status_of_program(&[instruction, end()]),
            Status::InvalidInstruction
        );
    }
}

#[test]
fn unused_fields_must_be_zero() {
    let used: [(Instruction, &[&str]); 4] = [
        (end(), &["opcode"]),
        (
            load_rows(0, 64, 8),
            &[
                "opcode",
                "output_address",
                "output_batch_stride",
                "row_bytes",
                "host_offset",
            ],
        ),
        (
            store_rows(0, 64, 8),
            &[
                "opcode",
                "input_address",
                "input_batch_stride",
                "row_bytes",
                "host_offset",
            ],
        ),
        (matrix(), &[]),
    ];
    for (good, used) in used {
        assert_eq!(status_of_program(&[good, end()]), Status::Success);
        for field in Instruction::FIELDS {
            let unused = if used.is_empty() {
                [
                    "flags",
                    "reserved0",
                    "row_bytes",
                    "host_offset",
                    "second_address",
                    "reserved1",
                ]
                .contains(&field.name)
            } else {
                !used.contains(&field.name)
            };
            for byte in field.offset..field.offset + field.bytes {
                let mut bad = good;
                bytemuck::bytes_of_mut(&mut bad)[byte] ^= 0x40;
                let status = status_of_program(&[bad, end()]);
                if unused {
                    assert_eq!(
                        status,
                        Status::InvalidInstruction,
                        "{} of {good:?}",
                        field.name
                    );
                }
            }
        }
    }
}

#[test]
fn impossible_fields_are_invalid() {
    let m = matrix();
    let bad = [
        Instruction { rounding: 2, ..m },
        Instruction { block_rows: 0, ..m },
        Instruction {
            block_rows: 17,
            ..m
        },
        Instruction {
            column_tiles: 0,
            ..m
        },
        Instruction {
            input_tiles: 0,
            ..m
        },
        Instruction {
            input_address: 2,
            ..m
        },
        Instruction {
            input_batch_stride: 6,
            ..m
        },
        Instruction {
            output_address: 0x1002,
            ..m
        },
        Instruction {
            output_batch_stride: 63,
            ..m
        },
        Instruction {
            parameter_address: 1,
            ..m
        },
        Instruction {
            kernel_height: 2,
            ..m
        },
        Instruction {
            kernel_width: 0,
            ..m
        },
        Instruction { stride_y: 2, ..m },
        Instruction { stride_x: 2, ..m },
        Instruction { pad_top: 1, ..m },
        Instruction { pad_left: 1, ..m },
        Instruction {
            input_height: 2,
            ..m
        },
        Instruction {
            input_width: 2,
            ..m
        },
        Instruction {
            output_height: 257,
            ..m
        },
        Instruction {
            output_width: 0,
            ..m
        },
        Instruction {
            clamp_minimum: 1,
            clamp_maximum: 0,
            ..m
        },
        load_rows(4, 64, 8),
        load_rows(0, 4, 8),
        load_rows(0, 64, 0),
        Instruction {
            host_offset: 4,
            ..load_rows(0, 64, 8)
        },
        store_rows(4, 64, 8),
        store_rows(0, 4, 8),
        store_rows(0, 64, 0),
        Instruction {
            host_offset: 4,
            ..store_rows(0, 64, 8)
        },
    ];
    for instruction in bad {
        // Bounds are looked at afterwards.
        assert_eq!(
            status_of_program(&[instruction, end()]),
            Status::InvalidInstruction,
            "{instruction:?}"
        );
    }
    for good in [
        Instruction {
            pad_value: -128,
            ..m
        },
        Instruction {
            block_rows: 16,
            ..m
        },
        Instruction {
            rounding: 1,
            clamp_minimum: 3,
            clamp_maximum: 3,
            ..m
        },
        Instruction {
            input_batch_stride: 0,
            ..m
        },
    ] {
        assert_eq!(status_of_program(&[good, end()]), Status::Success);
    }
}

#[test]
fn addresses_beyond_memories_and_regions_are_out_of_bounds() {
    let m = matrix();
    // 3 rows of the group; the scratchpad ends at 0x4000.
    let cases = [
        (
            Instruction {
                input_address: 0x4000 - 128 - 4,
                ..m
            },
            true,
        ),
        (
            Instruction {
                input_address: 0x4000 - 128,
                ..m
            },
            false,
        ),
        (
            Instruction {
                output_address: 0x4000 - 128 - 4,
                ..m
            },
            true,
        ),
        (
            Instruction {
                output_address: 0x4000 - 128,
                ..m
            },
            false,
        ),
        (
            Instruction {
                input_batch_stride: 0xffff_fffc,
                ..m
            },
            false,
        ),
        (
            Instruction {
                output_batch_stride: 0x8000_0000,
                ..m
            },
            false,
        ),
        (
            Instruction {
                weight_address: 1,
                ..m
            },
            false,
        ),
        (
            Instruction {
                input_tiles: 2,
                ..m
            },
            false,
        ),
        (
            Instruction {
                column_tiles: 2,
                ..m
            },
            false,
        ),
        (
            Instruction {
                parameter_address: 2,
                ..m
            },
            false,
        ),
        (
            Instruction {
                weight_address: 0xffff,
                ..m
            },
            false,
        ),
        (load_rows(0x4000 - 128 - 16, 64, 9), true),
        (load_rows(0x4000 - 128 - 8, 64, 9), false),
        (load_rows(0, 64, 0xffff_ffff), false),
        (store_rows(0x4000 - 128 - 16, 64, 9), true),
        (store_rows(0x4000 - 128 - 8, 64, 9), false),
        (store_rows(0xffff_fff8, 0xffff_fff8, 8), false),
    ];
    for (instruction, inside) in cases {
        let expected = if inside {
            Status::Success
        } else {
            Status::InstructionBounds
        };
        assert_eq!(
            status_of_program(&[instruction, end()]),
            expected,
            "{instruction:?}"
        );
    }
}

#[test]
fn rows_out_of_reach_end_the_run_and_the_next_one_works() {
    let mut rig = Rig::new(TINY);
    rig.resident(
        &[load_rows(0, 64, 8), store_rows(0, 64, 8), end()],
        &small_model(),
    );
    let good = run_entry(5);
    let bad = RunEntry {
        input_address: UNMAPPED - 64 * 4,
        ..good
    };
    assert_eq!(rig.status_of(&bad), Status::DmaReadError);
    let bad = RunEntry {
        output_address: UNMAPPED - 64 * 4,
        ..good
    };
    assert_eq!(rig.status_of(&bad), Status::DmaWriteError);
    assert_eq!(rig.status_of(&good), Status::Success);
    assert_eq!(rig.read(registers::ERRORS), 2);
}

#[test]
fn copies_move_whole_words_in_and_exact_bytes_out() {
    let mut rig = Rig::new(TINY);
    let program = [
        Instruction {
            host_offset: 8,
            ..load_rows(0x40, 32, 11)
        },
        Instruction {
            host_offset: 16,
            ..store_rows(0x40, 32, 13)
        },
        end(),
    ];
    rig.resident(
        &program,
        &Model {
            group_rows: 4,
            ..Default::default()
        },
    );
    let input: Vec<u8> = (0..10 * 24).map(|i| i as u8).collect();
    rig.put(INPUT, &input);
    rig.put(OUTPUT, &[0xee; 10 * 32]);
    let entry = RunEntry {
        input_stride: 24,
        output_stride: 32,
        ..run_entry(10)
    };
    assert_eq!(rig.status_of(&entry), Status::Success);
    for row in 0..10 {
        let output = rig.get(OUTPUT + 32 * row, 32);
        assert_eq!(output[..16], [0xee; 16]);
        assert_eq!(output[16..29], input[24 * row as usize + 8..][..13]);
        assert_eq!(output[29..], [0xee; 3]);
    }
    // Ten rows in groups of four: three passes of three instructions.
    let expected = Statistics {
        dma_read_bytes: 10 * 16,
        dma_write_bytes: 10 * 13,
        instructions: 9,
        groups: 3,
        ..Default::default()
    };
    assert_eq!(rig.statistics(), expected);
}

/// A dense layer of 10 inputs and 7 outputs against loops in 64 bits, rows not a multiple of the
/// group, blocks not a divisor of the group.
#[test]
fn a_dense_layer_equals_straightforward_code() {
    let configuration = systole_regs::configuration::SMALL;
    for (configuration, inputs, outputs) in [(TINY, 10, 7), (configuration, 35, 20)] {
        for rounding in [0, 1] {
            dense_layer(configuration, inputs, outputs, rounding);
        }
    }
}

fn dense_layer(configuration: Configuration, inputs: usize, outputs: usize, rounding: u8) {
    let (r, c) = (configuration.rows, configuration.columns);
    let (k, n) = (inputs.div_ceil(r), outputs.div_ceil(c));
    let weight = |o: usize, i: usize| {
        if i < inputs && o < outputs {
            ((i * 37 + o * 101) % 256) as u8 as i8
        } else {
            0
        }
    };
    let input = |row: usize, i: usize| {
        if i < inputs {
            ((row * 91 + i * 53 + 7) % 256) as u8 as i8
        } else {
            0
        }
    };
    let parameter = |o: usize| Parameter {
        bias: o as i32 * 1000 - 2500,
        multiplier: (1 << 30) + 12_345_678 * o as i32,
        shift: -9 - (o % 3) as i8,
        ..Default::default()
    };

    let mut weights = Vec::new();
    for tile in 0..n * k {
        for lane in 0..r {
            for column in 0..c {
                weights.push(weight(tile / k * c + column, tile % k * r + lane));
            }
        }
    }
    let model = Model {
        parameters: (0..n * c).map(parameter).collect(),
        weights,
        group_rows: 7,
    };
    let row_bytes = (k * r).next_multiple_of(8) as u32;
    let (stride, output_address) = (256, 0x2000);
    let layer = Instruction {
        rounding,
        block_rows: 3,
        column_tiles: n as u16,
        input_tiles: k as u16,
        output_address,
        input_batch_stride: stride,
        output_batch_stride: stride,
        output_zero_point: -5,
        clamp_minimum: -100,
        clamp_maximum: 90,
        ..matrix()
    };
    let program = [
        load_rows(0, stride, row_bytes),
        layer,
        store_rows(output_address, stride, outputs as u32),
        end(),
    ];
    let mut rig = Rig::new(configuration);
    rig.resident(&program, &model);

    let rows = 17;
    for row in 0..rows {
        let bytes: Vec<u8> = (0..k * r).map(|i| input(row, i) as u8).collect();
        rig.put(INPUT + 64 * row as u64, &bytes);
    }
    assert_eq!(rig.status_of(&run_entry(rows as u32)), Status::Success);

    let mut distinct = std::collections::BTreeSet::new();
    for row in 0..rows {
        let actual = rig.get(OUTPUT + 64 * row as u64, outputs);
        for (o, &byte) in actual.iter().enumerate() {
            let sum: i64 = (0..inputs)
                .map(|i| i64::from(input(row, i)) * i64::from(weight(o, i)))
                .sum();
            let p = parameter(o);
            let product = (sum + i64::from(p.bias)) * i64::from(p.multiplier);
            let right = 31 - i64::from(p.shift);
            let scaled = if rounding == 0 {
                (product + (1 << (right - 1))) >> right
            } else {
                let high = (product + (1 << 30)) >> 31;
                let half = 1_i64 << (-p.shift - 1);
                high.signum() * ((high.abs() + half) >> -p.shift)
            };
            let expected = (scaled - 5).clamp(-100, 90) as i8;
            assert_eq!(byte as i8, expected, "row {row} output {o}");
            distinct.insert(expected);
        }
    }
    assert!(distinct.len() > 20, "the layer saturates: {distinct:?}");
    let statistics = rig.statistics();
    assert_eq!(statistics.vectors, (rows * n * k) as u32);
    assert_eq!(statistics.instructions, 3 * 4);
    assert_eq!(statistics.groups, 3);
}

#[test]
fn both_slots_hold_their_own_model() {
    let mut rig = Rig::new(TINY);
    for slot in 0..2 {
        let mut model = small_model();
        model.weights = vec![if slot == 0 { 2 } else { -2 }; 16];
        let program = [
            load_rows(0, 64, 8),
            matrix(),
            store_rows(0x1000, 64, 4),
            end(),
        ];
        let entry = model.place(&mut rig, &program, slot);
        assert_eq!(rig.load(&entry), Status::Success);
    }
    rig.put(INPUT, &[1, 2, 3, 4]);
    for (slot, expected) in [(0, 10_i8), (1, -10), (0, 10)] {
        let completion = rig.command(&RunEntry {
            slot,
            ..run_entry(1)
        });
        assert_eq!(
            (completion.status, completion.version),
            (0, 70 + u32::from(slot))
        );
        assert_eq!(rig.get(OUTPUT, 4), [expected as u8; 4]);
    }
}
