//! Opening a device: what it must say about itself, and what the driver says otherwise.

use std::time::Duration;

use systole_driver::Error;
use systole_regs::configuration::SMALL;
use systole_regs::{ABI_VERSION, registers as register};

use crate::device::{Rig, Script, fails_within};

const SOON: Duration = Duration::from_secs(5);

fn open_with(registers: &[(u32, u32)]) -> Error {
    let rig = Rig::scripted(Script {
        registers: registers.to_vec(),
        ..Script::default()
    });
    let error = fails_within(SOON, || rig.try_open());
    assert!(rig.engine().violations.is_empty());
    error
}

#[test]
fn a_device_is_opened_with_all_that_it_says_about_itself() {
    let rig = Rig::new();
    let device = rig.open();
    let identity = device.identity();
    assert_eq!((identity.abi_major, identity.abi_minor), (3, 0));
    assert_eq!(identity.array_rows, SMALL.rows);
    assert_eq!(identity.array_columns, SMALL.columns);
    assert_eq!(identity.requantize_lanes, SMALL.requantize_lanes);
    assert_eq!(identity.scratchpad_bytes, SMALL.scratchpad_bytes);
    assert_eq!(identity.weight_tiles, SMALL.weight_tiles);
    assert_eq!(identity.parameter_entries, SMALL.parameter_entries);
    assert_eq!(identity.program_instructions, SMALL.program_instructions);
    assert_eq!(identity.accumulator_rows, SMALL.accumulator_rows);
    assert_eq!((identity.slot_count, identity.queue_count), (2, 1));
    assert_eq!(identity.queue_entries_max, 4096);
    assert_eq!(identity.clock_khz, SMALL.clock_khz);
    // The lower half is all ones, and still it is data.
    assert_eq!(identity.build_hash, 0x1234_5678_ffff_ffff);
    // Memory space and bus master are on.
    assert_eq!(rig.engine().command_register & 6, 6);
}

#[test]
fn another_interface_version_is_refused_with_both_versions_and_a_remedy() {
    let newer = open_with(&[(register::ABI_VERSION, 0x0004_0003)]);
    assert!(matches!(
        newer,
        Error::InterfaceVersion {
            device_major: 4,
            ..
        }
    ));
    let text = newer.to_string();
    assert!(text.contains("4.3") && text.contains("3.0"), "{text}");
    assert!(text.contains("update this program"), "{text}");
    let older = open_with(&[(register::ABI_VERSION, 0x0000_0009)]).to_string();
    assert!(
        older.contains("0.9") && older.contains("newer bitstream"),
        "{older}"
    );
}

#[test]
fn another_minor_version_is_accepted() {
    let rig = Rig::scripted(Script {
        registers: vec![(register::ABI_VERSION, ABI_VERSION + 7)],
        ..Script::default()
    });
    assert_eq!(rig.open().identity().abi_minor, 7);
}

#[test]
fn a_wrong_magic_number_is_refused() {
    let error = open_with(&[(register::MAGIC, 0xdead_beef)]);
    assert!(
        matches!(error, Error::WrongMagic { found: 0xdead_beef }),
        "{error}"
    );
}

#[test]
fn dimensions_that_no_device_has_are_refused_by_name() {
    for (offset, value, name) in [
        (register::ARRAY_ROWS, 0, "ARRAY_ROWS"),
        (register::ARRAY_ROWS, 0xffff_fffe, "ARRAY_ROWS"),
        (register::ARRAY_COLUMNS, 100_000, "ARRAY_COLUMNS"),
        (register::REQUANTIZE_LANES, 3, "REQUANTIZE_LANES"),
        (register::REQUANTIZE_LANES, 0, "REQUANTIZE_LANES"),
        (register::SCRATCHPAD_BYTES, 0, "SCRATCHPAD_BYTES"),
        (register::SLOT_COUNT, 65, "SLOT_COUNT"),
        (register::QUEUE_COUNT, 0, "QUEUE_COUNT"),
        (register::QUEUE_ENTRIES_MAX, 1, "QUEUE_ENTRIES_MAX"),
        (register::CLOCK_KHZ, 0, "CLOCK_KHZ"),
        (register::FEATURES, u32::MAX, "FEATURES"),
    ] {
        let error = open_with(&[(offset, value)]);
        assert!(
            matches!(error, Error::ImplausibleIdentity { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn another_pci_function_is_refused_with_its_identifiers() {
    let rig = Rig::scripted(Script {
        config: vec![(0, 0x86), (1, 0x80)],
        ..Script::default()
    });
    let error = fails_within(SOON, || rig.try_open());
    assert!(
        matches!(error, Error::WrongFunction { vendor: 0x8086, .. }),
        "{error}"
    );
}

#[test]
fn all_ones_mean_that_the_device_is_gone() {
    let rig = Rig::scripted(Script {
        all_ones: true,
        ..Script::default()
    });
    let error = fails_within(SOON, || rig.try_open());
    assert!(matches!(error, Error::DeviceGone), "{error}");
    // Configuration space answers, the registers do not.
    let error = open_with(&[(register::MAGIC, u32::MAX)]);
    assert!(matches!(error, Error::DeviceGone), "{error}");
}

#[test]
fn a_reset_without_end_is_an_error() {
    let rig = Rig::scripted(Script {
        endless_reset: true,
        ..Script::default()
    });
    let error = fails_within(SOON, || rig.try_open());
    assert!(matches!(error, Error::ResetTimeout { .. }), "{error}");
}

#[test]
fn registers_in_mapped_memory_are_the_same_registers() {
    let rig = Rig::scripted(Script {
        mapped_bar: true,
        ..Script::default()
    });
    let device = rig.open();
    assert_eq!(device.identity().array_rows, SMALL.rows);
    assert_eq!(device.counters().unwrap().cycles, u64::from(u32::MAX));
    assert!(rig.engine().violations.is_empty());
}
