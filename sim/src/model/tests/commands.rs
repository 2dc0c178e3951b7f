//! Checks of entries and their order; slots.

use super::*;

fn raw(entry: &LoadEntry) -> RunEntry {
    bytemuck::cast(*entry)
}

/// An entry with one byte set.
fn with_byte(entry: &RunEntry, offset: usize, value: u8) -> RunEntry {
    let mut entry = *entry;
    bytemuck::bytes_of_mut(&mut entry)[offset] = value;
    entry
}

fn rig() -> Rig {
    let mut rig = Rig::new(TINY);
    rig.resident(&[end()], &small_model());
    rig
}

#[test]
fn unknown_opcodes_are_refused_before_anything_else() {
    let mut rig = rig();
    for opcode in [4, 5, 0x80, 0xff] {
        let entry = RunEntry {
            opcode,
            flags: 0xff,
            slot: 9,
            ..run_entry(0)
        };
        assert_eq!(rig.status_of(&entry), Status::InvalidOpcode);
    }
}

#[test]
fn every_reserved_byte_and_unknown_flag_is_checked() {
    let mut rig = rig();
    let run = run_entry(1);
    let load = raw(&small_model().place(&mut rig, &[end()], 0));
    let nop = RunEntry {
        opcode: opcode::NOP,
        ..RunEntry::zeroed()
    };
    let unload = RunEntry {
        opcode: opcode::UNLOAD,
        slot: 1,
        ..RunEntry::zeroed()
    };
    let cases: [(RunEntry, Vec<usize>); 4] = [
        (run, [5..8, 44..48, 56..64].into_iter().flatten().collect()),
        (load, [5..8, 50..64].into_iter().flatten().collect()),
        (nop, [5..24, 32..64].into_iter().flatten().collect()),
        (unload, [5..24, 32..64].into_iter().flatten().collect()),
    ];
    for (entry, reserved) in cases {
        assert_eq!(rig.status_of(&entry), Status::Success);
        for offset in reserved {
            let entry = with_byte(&entry, offset, 0x10);
            assert_eq!(rig.status_of(&entry), Status::InvalidField, "byte {offset}");
        }
        for flags in [2, 0x80, 0xff] {
            assert_eq!(
                rig.status_of(&RunEntry { flags, ..entry }),
                Status::InvalidField
            );
        }
        // A statistics address without the flag.
        let entry = RunEntry {
            flags: 0,
            statistics_address: STATISTICS,
            ..entry
        };
        assert_eq!(rig.status_of(&entry), Status::InvalidField);
    }
}

#[test]
fn slots_must_exist_and_runs_need_a_model() {
    let mut rig = rig();
    for opcode in [opcode::RUN, opcode::LOAD, opcode::UNLOAD] {
        let entry = RunEntry {
            opcode,
            slot: 2,
            ..RunEntry::zeroed()
        };
        assert_eq!(rig.status_of(&entry), Status::InvalidSlot);
    }
    let entry = RunEntry {
        slot: 1,
        rows: 0,
        ..run_entry(1)
    };
    assert_eq!(rig.status_of(&entry), Status::SlotEmpty);
    // A NOP carries any slot.
    let completion = rig.command(&RunEntry {
        slot: 200,
        ..RunEntry::zeroed()
    });
    assert_eq!((completion.status, completion.version), (0, 0));
    let completion = rig.command(&RunEntry {
        slot: 0,
        ..RunEntry::zeroed()
    });
    assert_eq!((completion.status, completion.version), (0, 70));
}

#[test]
fn rows_and_alignment_of_runs() {
    let mut rig = rig();
    assert_eq!(
        rig.status_of(&RunEntry {
            input_address: 1,
            ..run_entry(0)
        }),
        Status::InvalidRows
    );
    assert_eq!(rig.status_of(&run_entry(65_536)), Status::InvalidRows);
    assert_eq!(rig.status_of(&run_entry(65_535)), Status::Success);
    let good = run_entry(1);
    for misaligned in [
        RunEntry {
            input_address: INPUT + 4,
            ..good
        },
        RunEntry {
            output_address: OUTPUT + 1,
            ..good
        },
        RunEntry {
            statistics_address: STATISTICS + 2,
            ..good
        },
        RunEntry {
            workspace_address: 0x1004,
            ..good
        },
        RunEntry {
            input_stride: 4,
            ..good
        },
        RunEntry {
            output_stride: 7,
            ..good
        },
        RunEntry {
            statistics_address: 4,
            ..RunEntry {
                flags: 1,
                ..RunEntry::zeroed()
            }
        },
        RunEntry {
            opcode: opcode::UNLOAD,
            flags: 1,
            statistics_address: 4,
            ..RunEntry::zeroed()
        },
    ] {
        assert_eq!(rig.status_of(&misaligned), Status::Misaligned);
    }
}

#[test]
fn loads_are_checked_in_the_documented_order() {
    let mut rig = rig();
    let good = small_model().place(&mut rig, &[end()], 1);
    let cases = [
        (
            LoadEntry {
                image_address: IMAGE + 4,
                program_count: 0,
                ..good
            },
            Status::Misaligned,
        ),
        (
            LoadEntry {
                stream_address: INPUT + 1,
                program_count: 0,
                ..good
            },
            Status::Misaligned,
        ),
        (
            LoadEntry {
                program_count: 0,
                parameter_base: 1,
                ..good
            },
            Status::InvalidField,
        ),
        (
            LoadEntry {
                group_rows: 0,
                parameter_base: 1,
                ..good
            },
            Status::InvalidField,
        ),
        (
            LoadEntry {
                parameter_base: 2047,
                weight_base: 4096,
                ..good
            },
            Status::Misaligned,
        ),
        (
            LoadEntry {
                parameter_count: 3,
                ..good
            },
            Status::Misaligned,
        ),
        (
            LoadEntry {
                program_base: 128,
                parameter_base: 0,
                ..good
            },
            Status::RegionTooLarge,
        ),
        (
            LoadEntry {
                program_count: 65,
                ..good
            },
            Status::RegionTooLarge,
        ),
        (
            LoadEntry {
                parameter_base: 2046,
                ..good
            },
            Status::RegionTooLarge,
        ),
        (
            LoadEntry {
                weight_base: 65_535,
                weight_count: 65_535,
                ..good
            },
            Status::RegionTooLarge,
        ),
        (
            LoadEntry {
                weight_base: 4097,
                weight_count: 0,
                ..good
            },
            Status::RegionTooLarge,
        ),
        (
            LoadEntry {
                program_base: 0,
                ..good
            },
            Status::RegionOverlap,
        ),
        (
            LoadEntry {
                parameter_base: 2,
                ..good
            },
            Status::RegionOverlap,
        ),
        (
            LoadEntry {
                weight_base: 0,
                ..good
            },
            Status::RegionOverlap,
        ),
        // Empty regions overlap nothing.
        (
            LoadEntry {
                weight_base: 0,
                weight_count: 0,
                ..good
            },
            Status::Success,
        ),
        (
            LoadEntry {
                weight_base: 4096,
                weight_count: 0,
                ..good
            },
            Status::Success,
        ),
        (
            LoadEntry {
                weight_base: 1,
                ..good
            },
            Status::Success,
        ),
        // The slot's own old regions don't count.
        (
            LoadEntry {
                weight_base: 1,
                ..good
            },
            Status::Success,
        ),
    ];
    for (entry, expected) in cases {
        assert_eq!(rig.load(&entry), expected, "{entry:?}");
    }
}

#[test]
fn slot_registers_follow_load_and_unload() {
    let mut rig = rig();
    let entry = small_model().place(&mut rig, &[end(), end()], 1);
    assert_eq!(
        rig.load(&LoadEntry {
            flags: 1,
            statistics_address: STATISTICS,
            ..entry
        }),
        Status::Success
    );
    let statistics = Statistics {
        dma_read_bytes: 2 * 64 + 4 * 16 + 16,
        ..Default::default()
    };
    assert_eq!(rig.statistics(), statistics);
    let block = registers::SLOT_BLOCK_BYTES;
    let read = |rig: &mut Rig| {
        registers::SLOT_BLOCK
            .iter()
            .map(|r| rig.read(r.offset + block))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        read(&mut rig),
        [1, 71, 64 | 2 << 16, 1024 | 4 << 16, 2048 | 1 << 16, 4]
    );
    // A refused load leaves the model where it is; a failed copy doesn't.
    assert_eq!(
        rig.load(&LoadEntry {
            program_count: 0,
            ..entry
        }),
        Status::InvalidField
    );
    assert_eq!(read(&mut rig)[..2], [1, 71]);
    assert_eq!(
        rig.load(&LoadEntry {
            image_address: UNMAPPED - 64,
            ..entry
        }),
        Status::DmaReadError
    );
    assert_eq!(read(&mut rig), [0; 6]);
    assert_eq!(rig.load(&entry), Status::Success);
    let unload = RunEntry {
        opcode: opcode::UNLOAD,
        slot: 1,
        ..RunEntry::zeroed()
    };
    for _ in 0..2 {
        let completion = rig.command(&unload);
        assert_eq!((completion.status, completion.version), (0, 0));
        assert_eq!(read(&mut rig), [0; 6]);
    }
    assert_eq!(rig.read(registers::SLOT_STATE), 1);
    assert_eq!(rig.read(registers::ERRORS), 2);
}

#[test]
fn statistics_go_nowhere_for_refused_entries_and_their_failure_is_a_status() {
    let mut rig = rig();
    rig.put(STATISTICS, &[0xee; 64]);
    assert_eq!(rig.status_of(&run_entry(0)), Status::InvalidRows);
    assert_eq!(rig.get(STATISTICS, 64), [0xee; 64]);
    let entry = RunEntry {
        statistics_address: UNMAPPED,
        ..run_entry(1)
    };
    assert_eq!(rig.status_of(&entry), Status::DmaWriteError);
    // The next command runs.
    assert_eq!(rig.status_of(&run_entry(1)), Status::Success);
}
