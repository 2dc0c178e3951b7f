//! Every field that an opcode doesn't use, and every edge of those that it does:
//! `InvalidInstruction`.

use systole_regs::instructions::flag::{
    DOUBLE_ROUNDING, FIRST_GROUP, MAXIMUM, NEXT_GROUP, RESIDUAL,
};

use super::*;

/// A model with room for whatever the instructions here ask for.
fn large_model() -> Model {
    Model {
        parameters: vec![Parameter::default(); 64],
        weights: vec![0; 256 * TINY.tile_bytes()],
        group_rows: 4,
    }
}

fn accepts(instruction: Transfer) {
    let status = status_of_program(&[instruction], &large_model());
    assert_eq!(status, Status::Success, "{}", show(instruction));
}

fn refuses(instruction: Transfer) {
    let status = status_of_program(&[instruction], &large_model());
    assert_eq!(status, Status::InvalidInstruction, "{}", show(instruction));
}

fn show(instruction: Transfer) -> String {
    format!(
        "{instruction:?}, as {:?}",
        bytemuck::cast::<_, Compute>(instruction)
    )
}

/// A computation that adds a second tensor.
fn with_residual(compute: Compute) -> Compute {
    Compute {
        flags: RESIDUAL,
        second_address: 0x2000,
        sum_minimum: -128,
        sum_maximum: 127,
        ..compute
    }
}

#[test]
fn unknown_opcodes_are_invalid() {
    for opcode in 9..=255 {
        refuses(Transfer {
            opcode,
            ..Transfer::zeroed()
        });
    }
}

#[test]
fn fields_of_transfers_that_are_not_used_must_be_zero() {
    let limits = ["opcode", "compute_limit", "load_limit", "store_limit"];
    let place = ["scratchpad_address", "scratchpad_stride", "row_bytes"];
    let rows = [&limits[..], &place, &["host_offset"]].concat();
    let workspace = [&rows[..], &["host_stride", "count"]].concat();
    let weights = [&limits[..], &["host_offset", "count", "weight_address"]].concat();
    let used: [(Transfer, Vec<&str>); 6] = [
        (end(), vec!["opcode"]),
        (load_rows(0, 64, 8), [&rows[..], &["flags"]].concat()),
        (store_rows(0, 64, 8), rows),
        (load_weights(0, 1), weights),
        (load_workspace(0, 8, 2), workspace.clone()),
        (store_workspace(0, 8, 2), workspace),
    ];
    for (good, used) in used {
        accepts(good);
        for field in Transfer::FIELDS {
            for byte in field.offset..field.offset + field.bytes {
                let mut other = good;
                bytemuck::bytes_of_mut(&mut other)[byte] ^= 0x40;
                if !used.contains(&field.name) {
                    refuses(other);
                } else if field.name.ends_with("limit") {
                    accepts(other);
                }
            }
        }
    }
}

#[test]
fn flags_of_other_opcodes_are_invalid() {
    for flags in 0..=255 {
        let loads = [0, FIRST_GROUP, NEXT_GROUP].contains(&flags);
        let load = Transfer {
            flags,
            ..load_rows(0, 64, 8)
        };
        let computes = flags & !(DOUBLE_ROUNDING | RESIDUAL) == 0;
        let pools = flags & !(DOUBLE_ROUNDING | RESIDUAL | MAXIMUM) == 0;
        let cases = [
            (load, loads),
            (word(Compute { flags, ..matrix() }), computes),
            (
                word(Compute {
                    flags,
                    ..depthwise()
                }),
                computes,
            ),
            (word(Compute { flags, ..pool() }), pools),
        ];
        for (instruction, possible) in cases {
            if possible {
                accepts(instruction);
            } else {
                refuses(instruction);
            }
        }
    }
}

#[test]
fn fields_of_a_sum_are_zero_without_a_residual() {
    let changes: [fn(&mut Compute); 4] = [
        |i| i.second_address = 1,
        |i| i.sum_zero_point = -1,
        |i| i.sum_minimum = -1,
        |i| i.sum_maximum = 1,
    ];
    for compute in [matrix(), depthwise(), pool()] {
        for change in changes {
            let mut bad = compute;
            change(&mut bad);
            refuses(word(bad));
            let mut good = with_residual(compute);
            change(&mut good);
            accepts(word(good));
        }
        let reversed = Compute {
            sum_minimum: 3,
            sum_maximum: 2,
            ..with_residual(compute)
        };
        refuses(word(reversed));
        accepts(word(Compute {
            sum_maximum: 3,
            ..reversed
        }));
    }
}

#[test]
fn transfers_move_something_from_aligned_addresses() {
    for good in [
        load_rows(3, 65, 1),
        store_rows(5, 66, 1),
        load_workspace(7, 1, 1),
        store_workspace(9, 1, 1),
    ] {
        accepts(good);
        refuses(Transfer {
            row_bytes: 0,
            ..good
        });
    }
    for good in [
        load_weights(3, 1),
        load_workspace(0, 8, 1),
        store_workspace(0, 8, 1),
    ] {
        accepts(good);
        refuses(Transfer { count: 0, ..good });
    }
    for offset in 1..8 {
        for good in [
            load_rows(0, 64, 8),
            store_rows(0, 64, 8),
            load_weights(0, 1),
            load_workspace(0, 8, 1),
            store_workspace(0, 8, 1),
        ] {
            refuses(Transfer {
                host_offset: offset,
                ..good
            });
        }
        for good in [load_workspace(0, 8, 1), store_workspace(0, 8, 1)] {
            refuses(Transfer {
                host_stride: offset,
                ..good
            });
        }
    }
}

#[test]
fn computations_have_no_empty_dimension() {
    let changes: [fn(&mut Compute); 8] = [
        |i| i.kernel_height = 0,
        |i| i.input_height = 0,
        |i| i.input_row_bytes = 0,
        |i| i.output_height = 0,
        |i| i.output_width = 0,
        |i| i.channels = 0,
        |i| i.window_bytes = 0,
        |i| i.input_tiles = 0,
    ];
    for compute in [matrix(), depthwise(), pool()] {
        for change in changes {
            let mut bad = compute;
            change(&mut bad);
            refuses(word(bad));
        }
    }
}

#[test]
fn parameters_begin_with_a_lane_and_clamps_are_in_order() {
    for compute in [matrix(), depthwise(), pool()] {
        for parameter_address in [1, 3] {
            refuses(word(Compute {
                parameter_address,
                ..compute
            }));
        }
        accepts(word(Compute {
            parameter_address: 2,
            clamp_minimum: 7,
            clamp_maximum: 7,
            ..compute
        }));
        refuses(word(Compute {
            clamp_minimum: 7,
            clamp_maximum: 6,
            ..compute
        }));
    }
}

#[test]
fn free_fields_are_free() {
    for compute in [matrix(), depthwise(), pool()] {
        accepts(word(Compute {
            pad_value: -128,
            column_step: 0xffff,
            pad_left: 0xffff,
            pad_top: 255,
            stride_y: 255,
            compute_limit: 255,
            load_limit: 1,
            store_limit: 254,
            output_zero_point: 99,
            ..compute
        }));
        accepts(word(Compute {
            input_row_stride: 0xffff,
            output_row_stride: 0xffff,
            output_pixel_stride: 0xffff,
            ..compute
        }));
    }
}

/// Window rows of a kernel of more than one are spread over the banks.
#[test]
fn window_rows_of_matrix_lie_in_different_banks() {
    let image = Compute {
        kernel_height: 2,
        input_height: 2,
        input_row_bytes: 16,
        input_row_stride: 16 + 5,
        window_bytes: 5,
        ..matrix()
    };
    accepts(word(image));
    for window_bytes in [4, 6, 7, 12, 14] {
        refuses(word(Compute {
            window_bytes,
            ..image
        }));
    }
    // The stride may be smaller than the window, and the window as small as R / 4.
    for (window_bytes, input_row_stride) in [(13, 5), (29, 5), (1, 1), (1, 17), (8, 0)] {
        accepts(word(Compute {
            window_bytes,
            input_row_stride,
            ..image
        }));
    }
    // One row alone may lie anywhere.
    accepts(word(Compute {
        kernel_height: 1,
        window_bytes: 7,
        ..image
    }));
    refuses(word(Compute {
        phases: 1,
        ..matrix()
    }));
}

/// Of the larger configurations, whose quarter of the rows and whose word differ.
#[test]
fn windows_have_at_least_a_quarter_of_the_rows() {
    let configuration = systole_regs::configuration::ECP5_85F;
    let status = |window_bytes: u16, input_row_stride: u16| {
        let image = Compute {
            kernel_height: 2,
            input_height: 2,
            window_bytes,
            input_row_stride,
            ..matrix()
        };
        let mut rig = Rig::new(configuration);
        let model = Model {
            parameters: vec![Parameter::default(); 16],
            weights: vec![0; configuration.tile_bytes()],
            group_rows: 1,
        };
        rig.resident(&[word(image), end()], &model);
        rig.status_of(&run_entry(1))
    };
    assert_eq!(status(8, 40), Status::Success);
    assert_eq!(status(8, 48), Status::InvalidInstruction);
    assert_eq!(status(8, 16), Status::InvalidInstruction);
    assert_eq!(status(7, 39), Status::InvalidInstruction);
}

#[test]
fn kernels_of_depthwise_have_at_most_64_tiles() {
    let shape = |kernel_height, phases, input_tiles| {
        word(Compute {
            kernel_height,
            phases,
            input_tiles,
            ..depthwise()
        })
    };
    for (height, phases, columns) in [
        (1, 0, 64),
        (64, 0, 1),
        (8, 0, 8),
        (1, 1, 1),
        (1, 1, 3),
        (1, 64, 64),
        (1, 64, 192),
        (3, 21, 63),
        (64, 1, 2),
    ] {
        accepts(shape(height, phases, columns));
    }
    for (height, phases, columns) in [
        (1, 0, 65),
        (65, 0, 1),
        (5, 0, 13),
        (1, 2, 1),
        (1, 1, 4),
        (1, 2, 7),
        (1, 65, 65),
        (65, 1, 1),
        (3, 22, 30),
        (1, 255, 300),
        (1, 0, 256),
    ] {
        refuses(shape(height, phases, columns));
    }
    refuses(word(Compute {
        phases: 1,
        column_step: 4,
        ..depthwise()
    }));
}

#[test]
fn kernels_of_pooling_are_large_but_have_no_weights() {
    accepts(word(Compute {
        kernel_height: 255,
        input_tiles: 256,
        ..pool()
    }));
    for bad in [
        Compute {
            input_tiles: 257,
            ..pool()
        },
        Compute {
            phases: 1,
            ..pool()
        },
        Compute {
            weight_address: 1,
            ..pool()
        },
    ] {
        refuses(word(bad));
    }
}

#[test]
fn impossible_comes_before_out_of_bounds() {
    refuses(Transfer {
        host_offset: 4,
        ..load_rows(0xffff_ffff, 0, 1)
    });
    refuses(word(Compute {
        clamp_minimum: 127,
        clamp_maximum: -128,
        input_address: 0xffff_ffff,
        ..matrix()
    }));
}
