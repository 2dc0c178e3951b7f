//! The function around a functional model.

use systole_regs::configuration::TINY;
use systole_regs::registers::{self, control, status};
use systole_regs::{MAGIC, Status};

use super::config::{COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY_SPACE};
use super::*;
use crate::model::FunctionalModel;

fn function(command: u16) -> Function {
    let mut function = Function::new(Box::new(FunctionalModel::new(TINY)));
    function.write(Space::Config, COMMAND as u64, &command.to_le_bytes());
    function
}

fn read(function: &mut Function, offset: u32) -> u32 {
    let mut data = [0; 4];
    function.read(Space::Registers, u64::from(offset), &mut data);
    u32::from_le_bytes(data)
}

fn write(function: &mut Function, offset: u32, value: u32) {
    function.write(Space::Registers, u64::from(offset), &value.to_le_bytes());
}

#[test]
fn bars_read_all_ones_without_memory_space() {
    let mut function = function(COMMAND_BUS_MASTER);
    assert_eq!(read(&mut function, registers::MAGIC), u32::MAX);
    let mut table = [0; 4];
    function.read(Space::Msix, 12, &mut table);
    assert_eq!(table, [0xff; 4]);
    write(&mut function, registers::INTERRUPT, 3);
    function.write(
        Space::Config,
        COMMAND as u64,
        &COMMAND_MEMORY_SPACE.to_le_bytes(),
    );
    assert_eq!(read(&mut function, registers::MAGIC), MAGIC);
    assert_eq!(read(&mut function, registers::INTERRUPT), 0);
    function.read(Space::Msix, 12, &mut table);
    assert_eq!(table, [1, 0, 0, 0]);
}

#[test]
fn register_accesses_of_every_size() {
    let mut function = function(COMMAND_MEMORY_SPACE);
    let mut data = [0; 12];
    function.read(Space::Registers, 0, &mut data);
    assert_eq!(data[..4], MAGIC.to_le_bytes());
    assert_eq!(data[4..8], systole_regs::ABI_VERSION.to_le_bytes());
    assert_eq!(data[8..], 4_u32.to_le_bytes());
    let mut part = [0; 2];
    function.read(Space::Registers, 1, &mut part);
    assert_eq!(part, MAGIC.to_le_bytes()[1..3]);
    // 64 bits at once are two registers; parts of one are dropped.
    let base = u64::from(registers::SUBMISSION_BASE_LOW);
    function.write(Space::Registers, base, &0x1_2345_6789_u64.to_le_bytes());
    function.write(Space::Registers, base, &[0xff; 2]);
    function.write(Space::Registers, base + 2, &[0xff; 4]);
    assert_eq!(
        read(&mut function, registers::SUBMISSION_BASE_LOW),
        0x2345_6789
    );
    assert_eq!(read(&mut function, registers::SUBMISSION_BASE_HIGH), 1);
    // Beyond the BAR.
    assert_eq!(read(&mut function, BAR0_BYTES - 4), 0);
    assert_eq!(read(&mut function, BAR0_BYTES), u32::MAX);
    function.read(Space::Registers, u64::MAX, &mut part);
    assert_eq!(part, [0xff; 2]);
}

fn fatal_after_fetch(function: &mut Function) -> Option<Status> {
    write(function, registers::SUBMISSION_ENTRIES, 4);
    write(function, registers::COMPLETION_ENTRIES, 4);
    write(function, registers::COMPLETION_BASE_LOW, 0x100);
    write(function, registers::CONTROL, control::ENABLE);
    write(function, registers::SUBMISSION_TAIL_DOORBELL, 1);
    while function.advance() == Activity::Busy {}
    let value = read(function, registers::STATUS);
    (value & status::FATAL != 0)
        .then(|| Status::from_code((value >> status::FATAL_CODE_SHIFT) as u8).unwrap())
}

fn map_zeroes(function: &mut Function) {
    let name = c"function-test";
    let memory = nix::sys::memfd::memfd_create(name, nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
    let memory = File::from(memory.unwrap());
    memory.set_len(0x1000).unwrap();
    let directions = dma::Directions {
        read: true,
        write: true,
    };
    function
        .dma()
        .map(0, 0x1000, &memory, 0, directions)
        .unwrap();
}

#[test]
fn dma_needs_bus_mastering() {
    let mut without = function(COMMAND_MEMORY_SPACE);
    map_zeroes(&mut without);
    assert_eq!(fatal_after_fetch(&mut without), Some(Status::DmaReadError));
    // With it, the zeroes in the ring are a NOP.
    let mut with = function(COMMAND_MEMORY_SPACE | COMMAND_BUS_MASTER);
    map_zeroes(&mut with);
    assert_eq!(fatal_after_fetch(&mut with), None);
    assert_eq!(read(&mut with, registers::COMMANDS), 1);
}

#[test]
fn resets_differ_in_what_they_keep() {
    let both = COMMAND_MEMORY_SPACE | COMMAND_BUS_MASTER;
    let mut function = function(both);
    map_zeroes(&mut function);
    assert_eq!(fatal_after_fetch(&mut function), None);
    // The client's request: only the core.
    function.reset();
    assert_eq!(read(&mut function, registers::COMMANDS), 0);
    assert_eq!(fatal_after_fetch(&mut function), None);
    // Function-level reset: configuration space too, mappings stay.
    function.write(Space::Config, 0x68, &0x8000_u16.to_le_bytes());
    assert_eq!(read(&mut function, registers::MAGIC), u32::MAX);
    function.write(Space::Config, COMMAND as u64, &both.to_le_bytes());
    assert_eq!(fatal_after_fetch(&mut function), None);
    // Power cycle: everything.
    function.power_cycle();
    function.write(Space::Config, COMMAND as u64, &both.to_le_bytes());
    assert!(function.dma().is_empty());
    assert_eq!(fatal_after_fetch(&mut function), Some(Status::DmaReadError));
}

#[test]
fn only_vectors_that_exist_take_events() {
    let mut function = function(COMMAND_MEMORY_SPACE);
    assert!(function.set_triggers(7, vec![None, None]).is_err());
    assert!(function.set_triggers(u32::MAX, vec![None]).is_err());
    assert!(function.request_interrupts(8, 1).is_err());
    function.set_triggers(7, vec![None]).unwrap();
    function.set_triggers(8, vec![]).unwrap();
    function.request_interrupts(0, 8).unwrap();
}
