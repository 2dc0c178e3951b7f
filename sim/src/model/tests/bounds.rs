//! The last byte and entry that an instruction may touch, and the one after: `InstructionBounds`.

use systole_regs::instructions::flag::{NEXT_GROUP, RESIDUAL};

use super::*;

/// 3 rows run in groups of 4; the scratchpad of TINY ends here.
const END: u32 = 0x4000;

/// 7 tiles of 4 x 4 and 12 parameters, in groups of 4 rows.
fn model() -> Model {
    Model {
        parameters: vec![Parameter::default(); 12],
        weights: vec![0; 7 * TINY.tile_bytes()],
        group_rows: 4,
    }
}

/// The instruction is inside, and what the change makes of it isn't.
fn edge<T: bytemuck::Pod>(good: T, changes: &[fn(&mut T)]) {
    let status = |instruction: T| status_of_program(&[bytemuck::cast(instruction)], &model());
    let show = |instruction: T| {
        let transfer: Transfer = bytemuck::cast(instruction);
        let compute: Compute = bytemuck::cast(instruction);
        format!("{transfer:?}, as {compute:?}")
    };
    assert_eq!(status(good), Status::Success, "{}", show(good));
    for change in changes {
        let mut bad = good;
        change(&mut bad);
        assert_eq!(status(bad), Status::InstructionBounds, "{}", show(bad));
    }
}

#[test]
fn pieces_of_rows_end_in_the_scratchpad_in_whole_words() {
    for (good, stored) in [
        (load_rows(END - 2 * 65 - 16, 65, 9), false),
        (store_rows(END - 2 * 65 - 16, 65, 9), true),
    ] {
        edge(
            good,
            &[
                |i| i.scratchpad_address += 1,
                |i| i.scratchpad_stride += 1,
                |i| i.row_bytes += 8,
                |i| i.scratchpad_address = u32::MAX,
                |i| i.scratchpad_stride = u32::MAX,
                |i| i.row_bytes = u32::MAX,
            ],
        );
        // Every size with the same number of words is the same.
        for row_bytes in 9..=16 {
            let other = Transfer { row_bytes, ..good };
            assert_eq!(
                status_of_program(&[other], &model()),
                Status::Success,
                "stored {stored}"
            );
        }
    }
    edge(load_rows(END - 8, 0, 8), &[|i| i.scratchpad_stride = 1]);
}

#[test]
fn pieces_of_the_workspace_end_in_the_scratchpad_in_whole_words() {
    for good in [
        load_workspace(END - 4 * 64 - 8, 3, 5),
        store_workspace(END - 4 * 64 - 8, 3, 5),
    ] {
        edge(
            good,
            &[
                |i| i.scratchpad_address += 1,
                |i| i.scratchpad_stride += 1,
                |i| i.row_bytes = 9,
                |i| i.count += 1,
                |i| i.count = u16::MAX,
            ],
        );
    }
}

#[test]
fn weights_are_loaded_into_the_region() {
    edge(
        load_weights(2, 5),
        &[
            |i| i.weight_address += 1,
            |i| i.count += 1,
            |i| i.weight_address = u16::MAX,
            |i| i.count = u16::MAX,
        ],
    );
}

#[test]
fn images_end_in_the_scratchpad() {
    let image = |compute: Compute| Compute {
        input_address: END - 2 * 1000 - 4 * 77 - 33,
        input_batch_stride: 1000,
        input_row_stride: 77,
        input_height: 5,
        input_row_bytes: 33,
        window_bytes: 5,
        ..compute
    };
    for compute in [matrix(), depthwise(), pool()] {
        edge(
            image(compute),
            &[
                |i| i.input_address += 1,
                |i| i.input_batch_stride += 1,
                |i| i.input_row_stride += 1,
                |i| i.input_height += 1,
                |i| i.input_row_bytes += 1,
                |i| i.input_address = u32::MAX,
                |i| i.input_batch_stride = u32::MAX,
            ],
        );
    }
}

#[test]
fn outputs_end_in_the_scratchpad() {
    let output = |compute: Compute| Compute {
        output_address: END - 2 * 1000 - 4 * 77 - 2 * 5 - 3,
        output_batch_stride: 1000,
        output_row_stride: 77,
        output_height: 5,
        output_pixel_stride: 5,
        output_width: 3,
        channels: 3,
        ..compute
    };
    let changes: [fn(&mut Compute); 8] = [
        |i| i.output_batch_stride += 1,
        |i| i.output_row_stride += 1,
        |i| i.output_height += 1,
        |i| i.output_pixel_stride += 1,
        |i| i.output_width += 1,
        |i| i.channels += 1,
        |i| i.output_batch_stride = u32::MAX,
        |i| i.output_width = u16::MAX,
    ];
    for compute in [matrix(), depthwise(), pool()] {
        edge(output(compute), &changes);
        edge(
            output(compute),
            &[|i| i.output_address += 1, |i| i.output_address = u32::MAX],
        );
        // The tensor to add lies as the output does.
        let mut residual = output(compute);
        residual.flags = RESIDUAL;
        residual.second_address = residual.output_address;
        residual.output_address = 0;
        edge(residual, &changes);
        edge(
            residual,
            &[|i| i.second_address += 1, |i| i.second_address = u32::MAX],
        );
    }
}

#[test]
fn weights_end_in_the_region() {
    // Two blocks of 4 channels, 2 tiles each.
    let two_blocks = Compute {
        weight_address: 3,
        channels: 8,
        input_tiles: 2,
        ..matrix()
    };
    edge(
        two_blocks,
        &[
            |i| i.weight_address += 1,
            |i| i.channels += 1,
            |i| i.input_tiles += 1,
            |i| i.weight_address = u16::MAX,
            |i| i.input_tiles = u16::MAX,
        ],
    );
    // The same tiles in a kernel of two rows of four columns, of which a tile holds one row.
    let direct = Compute {
        kernel_height: 2,
        input_tiles: 4,
        opcode: instructions::opcode::DEPTHWISE,
        ..two_blocks
    };
    edge(
        direct,
        &[
            |i| i.weight_address += 1,
            |i| i.channels += 1,
            |i| i.input_tiles += 1,
            |i| i.kernel_height += 1,
        ],
    );
    // Three columns share a tile.
    let shared = Compute {
        phases: 1,
        input_tiles: 3,
        ..direct
    };
    edge(
        shared,
        &[
            |i| i.weight_address += 1,
            |i| i.channels += 1,
            |i| i.phases += 1,
            |i| i.kernel_height += 1,
        ],
    );
    assert_eq!(
        status_of_program(
            &[word(Compute {
                kernel_height: 255,
                input_tiles: 256,
                ..pool()
            })],
            &model()
        ),
        Status::Success
    );
}

#[test]
fn parameters_end_in_the_region() {
    for compute in [matrix(), depthwise(), pool()] {
        let plain = Compute {
            parameter_address: 4,
            channels: 7,
            ..compute
        };
        edge(
            plain,
            &[
                |i| i.parameter_address = 6,
                |i| i.parameter_address = 65_534,
            ],
        );
        let more: [fn(&mut Compute); 1] = [|i| i.channels = 9];
        edge(
            Compute {
                channels: 8,
                ..plain
            },
            &more,
        );
        // Three more, of which a multiple of two is taken.
        edge(
            Compute {
                flags: RESIDUAL,
                second_address: 0x2000,
                parameter_address: 0,
                ..plain
            },
            &[|i| i.parameter_address = 2, |i| i.channels = 9],
        );
    }
}

/// A loading of the next group is as long as that group.
#[test]
fn the_next_group_has_bounds_of_its_own() {
    let load = Transfer {
        flags: NEXT_GROUP,
        ..load_rows(END - 64 - 8, 64, 8)
    };
    for (rows, expected) in [
        // Nothing to load: not checked.
        (3, Status::Success),
        (4, Status::Success),
        (5, Status::Success),
        (6, Status::Success),
        (7, Status::InstructionBounds),
        (10, Status::InstructionBounds),
    ] {
        let mut rig = Rig::new(TINY);
        rig.resident(&[load, end()], &model());
        assert_eq!(rig.status_of(&run_entry(rows)), expected, "{rows} rows");
    }
}
