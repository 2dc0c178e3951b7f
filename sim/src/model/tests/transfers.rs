//! Instructions that move data, program flow, and what a run counts.

use systole_regs::instructions::flag::{FIRST_GROUP, NEXT_GROUP};

use super::*;

#[test]
fn programs_without_an_end_overrun() {
    let mut rig = Rig::new(TINY);
    rig.resident(&[load_rows(0, 64, 8)], &small_model());
    assert_eq!(rig.status_of(&run_entry(3)), Status::ProgramOverrun);
    let good = [load_rows(0, 64, 8)];
    assert_eq!(status_of_program(&good, &small_model()), Status::Success);
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
fn rows_move_whole_words_in_and_exact_bytes_out() {
    let mut rig = Rig::new(TINY);
    let program = [
        Transfer {
            host_offset: 8,
            ..load_rows(0x43, 31, 11)
        },
        Transfer {
            host_offset: 16,
            ..store_rows(0x43, 31, 13)
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

#[test]
fn both_slots_hold_their_own_model() {
    let mut rig = Rig::new(TINY);
    for slot in 0..2 {
        let mut model = small_model();
        model.weights = vec![if slot == 0 { 2 } else { -2 }; 16];
        let program = [
            load_rows(0, 64, 8),
            word(matrix()),
            store_rows(0x1000, 64, 4),
            end(),
        ];
        let entry = model.place(&mut rig, &program, slot);
        assert_eq!(rig.load(&entry), Status::Success);
    }
    rig.put(INPUT, &[1, 2, 3, 4]);
    // Half of what four weights of 2 or -2 make of the input, and of two products of two of them.
    for (slot, expected) in [(0, 14_i8), (1, -6), (0, 14)] {
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

/// Where the last word of a piece reaches into the next piece, the next piece wins; after the last
/// one the scratchpad holds what the host has there.
#[test]
fn pieces_are_copied_in_order() {
    let mut rig = Rig::new(TINY);
    rig.resident(
        &[load_rows(1, 5, 5), store_rows(0, 24, 24), end()],
        &small_model(),
    );
    rig.device.scramble_scratchpad(0x11);
    let input: Vec<u8> = (0x80..0xc0).collect();
    rig.put(INPUT, &input);
    let entry = RunEntry {
        input_stride: 16,
        output_stride: 0,
        ..run_entry(3)
    };
    assert_eq!(rig.status_of(&entry), Status::Success);
    let mut expected = vec![0x11; 48];
    expected[1..6].copy_from_slice(&input[..5]);
    expected[6..11].copy_from_slice(&input[16..21]);
    expected[11..19].copy_from_slice(&input[32..40]);
    // Each row stores 24 bytes to the same place: the last one's remain.
    rig.resident(&[store_rows(0, 24, 24), end()], &small_model());
    let entry = RunEntry {
        output_stride: 24,
        ..run_entry(2)
    };
    assert_eq!(rig.status_of(&entry), Status::Success);
    assert_eq!(rig.get(OUTPUT, 48), expected);
}

/// The first group is loaded by itself, each further one by the group before.
#[test]
fn rows_of_the_next_group_are_loaded_ahead() {
    let flagged = |flags, load| Transfer { flags, ..load };
    let program = [
        flagged(FIRST_GROUP, load_rows(0, 64, 16)),
        store_rows(0, 64, 16),
        flagged(NEXT_GROUP, load_rows(0, 64, 16)),
        end(),
    ];
    for rows in [1, 4, 5, 8, 10] {
        let mut rig = Rig::new(TINY);
        rig.resident(&program, &small_model());
        let input: Vec<u8> = (0..rows * 64).map(|i| (i * 7 % 251) as u8).collect();
        rig.put(INPUT, &input);
        assert_eq!(rig.status_of(&run_entry(rows)), Status::Success);
        for row in 0..rows as usize {
            let output = rig.get(OUTPUT + 64 * row as u64, 16);
            assert_eq!(output, input[64 * row..][..16], "row {row} of {rows}");
        }
        let groups = rows.div_ceil(4);
        let expected = Statistics {
            dma_read_bytes: rows * 16,
            dma_write_bytes: rows * 16,
            instructions: 4 * groups,
            groups,
            ..Default::default()
        };
        assert_eq!(rig.statistics(), expected);
    }
}

/// Skipped instructions are checked for what they are, not for what they would touch.
#[test]
fn skipped_loads_are_checked_in_part() {
    let status = |flags, address, row_bytes, rows| {
        let mut rig = Rig::new(TINY);
        let load = Transfer {
            flags,
            ..load_rows(address, 64, row_bytes)
        };
        rig.resident(&[load, end()], &small_model());
        rig.status_of(&run_entry(rows))
    };
    let outside = 0x4000;
    assert_eq!(status(NEXT_GROUP, outside, 8, 4), Status::Success);
    assert_eq!(status(NEXT_GROUP, outside, 8, 5), Status::InstructionBounds);
    assert_eq!(
        status(FIRST_GROUP, outside, 8, 4),
        Status::InstructionBounds
    );
    assert_eq!(status(NEXT_GROUP, 0, 0, 4), Status::InvalidInstruction);
    // Three rows of the first group fit, four of the next don't, and would not of the third.
    let mut rig = Rig::new(TINY);
    let first = Transfer {
        flags: FIRST_GROUP,
        ..load_rows(0x4000 - 64 * 3 - 8, 64, 8)
    };
    rig.resident(&[first, end()], &small_model());
    assert_eq!(rig.status_of(&run_entry(9)), Status::Success);
    assert_eq!(rig.statistics().dma_read_bytes, 32);
}

#[test]
fn the_workspace_holds_pieces_between_instructions() {
    let workspace = OUTPUT + 0x4000;
    let program = [
        load_rows(0, 64, 40),
        // Pieces of 13 bytes, 9 apart in the scratchpad and 24 in the workspace.
        Transfer {
            scratchpad_stride: 9,
            host_offset: 8,
            host_stride: 24,
            ..store_workspace(3, 13, 3)
        },
        Transfer {
            scratchpad_stride: 15,
            host_offset: 8,
            host_stride: 24,
            ..load_workspace(0x101, 13, 3)
        },
        store_rows(0x100, 64, 48),
        end(),
    ];
    let mut rig = Rig::new(TINY);
    rig.resident(&program, &small_model());
    rig.device.scramble_scratchpad(0x22);
    let input: Vec<u8> = (1..65).collect();
    rig.put(INPUT, &input);
    rig.put(workspace, &[0xee; 128]);
    let entry = RunEntry {
        workspace_address: workspace,
        ..run_entry(1)
    };
    assert_eq!(rig.status_of(&entry), Status::Success);
    let mut kept = vec![0xee; 128];
    for piece in 0..3 {
        kept[8 + piece * 24..][..13].copy_from_slice(&input[3 + piece * 9..][..13]);
    }
    assert_eq!(rig.get(workspace, 128), kept);
    let mut output = vec![0x22; 48];
    for piece in 0..3 {
        output[1 + piece * 15..][..16].copy_from_slice(&kept[8 + piece * 24..][..16]);
    }
    assert_eq!(rig.get(OUTPUT, 48), output);
    let expected = Statistics {
        dma_read_bytes: 40 + 3 * 16,
        dma_write_bytes: 3 * 13 + 48,
        instructions: 5,
        groups: 1,
        ..Default::default()
    };
    assert_eq!(rig.statistics(), expected);

    for (program, status) in [
        ([load_workspace(0, 8, 2), end()], Status::DmaReadError),
        ([store_workspace(0, 8, 2), end()], Status::DmaWriteError),
    ] {
        rig.resident(&program, &small_model());
        let entry = RunEntry {
            workspace_address: UNMAPPED - 64,
            ..run_entry(1)
        };
        assert_eq!(rig.status_of(&entry), status);
    }
}

#[test]
fn weights_are_streamed_from_where_the_load_said() {
    let mut model = small_model();
    model.weights = vec![0; 3 * 16];
    let program = [
        load_rows(0, 64, 8),
        Transfer {
            host_offset: 8,
            ..load_weights(1, 2)
        },
        word(Compute {
            weight_address: 2,
            ..matrix()
        }),
        store_rows(0x1000, 64, 4),
        end(),
    ];
    let mut rig = Rig::new(TINY);
    let stream = OUTPUT + 0x800;
    let entry = LoadEntry {
        stream_address: stream,
        ..model.place(&mut rig, &program, 1)
    };
    assert_eq!(rig.load(&entry), Status::Success);
    rig.put(INPUT, &[1, 2, 3, 4]);
    // Only the second tile counts: each row of it weighs one input.
    let tile = |scale: u8| [[scale, 2 * scale, 3 * scale, 4 * scale]; 4].concat();
    rig.put(stream, &[0x77; 24]);
    rig.put(stream + 24, &tile(1));
    let run = RunEntry {
        slot: 1,
        ..run_entry(1)
    };
    assert_eq!(rig.status_of(&run), Status::Success);
    // Half of 10, 20, 30, 40, and of two products of two weights.
    assert_eq!(rig.get(OUTPUT, 4), [6, 14, 24, 36]);
    assert_eq!(rig.statistics().dma_read_bytes, 8 + 32);
    assert_eq!(rig.statistics().vectors, 1);
    // They are read anew each time.
    rig.put(stream + 24, &tile(2));
    assert_eq!(rig.status_of(&run), Status::Success);
    assert_eq!(rig.get(OUTPUT, 4), [14, 36, 66, 104]);

    let entry = LoadEntry {
        stream_address: UNMAPPED - 32,
        ..entry
    };
    assert_eq!(rig.load(&entry), Status::Success);
    assert_eq!(rig.status_of(&run), Status::DmaReadError);
}

#[test]
fn host_addresses_wrap() {
    let mut rig = Rig::new(TINY);
    let program = [
        Transfer {
            host_offset: 0x1008,
            ..load_rows(0, 64, 8)
        },
        Transfer {
            host_offset: 0x2000,
            ..store_workspace(0, 8, 1)
        },
        end(),
    ];
    rig.resident(&program, &small_model());
    // Offset and address together pass 2^64 and come to an address near zero: not mapped.
    let entry = RunEntry {
        input_address: 0_u64.wrapping_sub(0x1000),
        ..run_entry(1)
    };
    assert_eq!(rig.status_of(&entry), Status::DmaReadError);
    rig.memory = Memory::new(vec![
        Region {
            base: 0,
            bytes: vec![0x42; 64],
        },
        Region {
            base: BASE,
            bytes: rig.get(BASE, BYTES),
        },
    ]);
    let entry = RunEntry {
        workspace_address: 0_u64.wrapping_sub(0x1fe0),
        ..entry
    };
    rig.put(8, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(rig.status_of(&entry), Status::Success);
    assert_eq!(rig.get(0x20, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// What ran before a refused instruction has been carried out, and a DMA error comes first.
#[test]
fn the_first_failure_decides() {
    let invalid = Transfer {
        opcode: 0xff,
        ..Transfer::zeroed()
    };
    let mut rig = Rig::new(TINY);
    rig.resident(&[store_rows(0, 64, 8), invalid, end()], &small_model());
    rig.put(OUTPUT, &[0xee; 8]);
    rig.device.scramble_scratchpad(1);
    assert_eq!(rig.status_of(&run_entry(1)), Status::InvalidInstruction);
    assert_eq!(rig.get(OUTPUT, 8), [1; 8]);
    let entry = RunEntry {
        output_address: UNMAPPED,
        ..run_entry(1)
    };
    assert_eq!(rig.status_of(&entry), Status::DmaWriteError);
}
