//! Rings, phases, doorbells, fatal errors and resets.

use systole_regs::registers::{INTERRUPT_ENABLE, status};

use super::*;

fn nop(command_id: u16) -> RunEntry {
    RunEntry {
        opcode: opcode::NOP,
        command_id,
        ..RunEntry::zeroed()
    }
}

fn fatal(rig: &mut Rig) -> Option<Status> {
    let value = rig.read(registers::STATUS);
    if value & status::FATAL == 0 {
        assert_eq!(value >> status::FATAL_CODE_SHIFT, 0);
        return None;
    }
    assert_eq!(value & (status::READY | status::BUSY), 0);
    Status::from_code((value >> status::FATAL_CODE_SHIFT) as u8)
}

#[test]
fn rings_wrap_and_the_phase_inverts_on_each_lap() {
    let mut rig = Rig::with_rings(TINY, 3, 5);
    for id in 0..40 {
        let completion = rig.command(&nop(id));
        assert_eq!(completion.phase, u16::from(id / 5 % 2 == 0));
        assert_eq!(completion.status, Status::Success as u8);
    }
    assert_eq!(rig.read(registers::COMMANDS), 40);
    assert_eq!(rig.read(registers::ERRORS), 0);
    assert_eq!(rig.read(registers::SUBMISSION_HEAD), 40 % 3);
    assert_eq!(rig.read(registers::COMPLETION_TAIL), 0);
}

#[test]
fn one_doorbell_starts_several_entries_and_a_full_completion_ring_stops_them() {
    let mut rig = Rig::with_rings(TINY, 8, 3);
    for id in 0..5 {
        rig.push(&nop(id));
    }
    rig.ring();
    assert_eq!(rig.read(registers::STATUS), status::READY | status::BUSY);
    rig.settle();
    // Two completions fit; the third entry stays where it is.
    assert_eq!(rig.read(registers::SUBMISSION_HEAD), 2);
    assert_eq!(rig.read(registers::STATUS), status::READY);
    for id in 0..5 {
        assert_eq!(rig.pop().expect("a completion").command_id, id);
        rig.settle();
    }
    assert_eq!(rig.pop(), None);
}

#[test]
fn interrupts_follow_the_interrupt_register() {
    let mut rig = Rig::new(TINY);
    rig.command(&nop(1));
    assert!(rig.memory.take_interrupts().is_empty());
    rig.write(registers::CONTROL, 0);
    rig.write(registers::INTERRUPT, u32::MAX);
    assert_eq!(rig.read(registers::INTERRUPT), INTERRUPT_ENABLE | 0x7ff);
    rig.write(registers::INTERRUPT, INTERRUPT_ENABLE | 5);
    rig.write(registers::CONTROL, control::ENABLE);
    // Enabling starts the rings anew.
    assert_eq!(rig.read(registers::SUBMISSION_HEAD), 0);
    assert_eq!(rig.read(registers::COMPLETION_TAIL), 0);
    rig.put(SUBMISSIONS, bytemuck::bytes_of(&nop(2)));
    rig.write(registers::SUBMISSION_TAIL_DOORBELL, 1);
    rig.settle();
    assert_eq!(rig.memory.take_interrupts(), [5]);
}

#[test]
fn impossible_queues_are_fatal_until_reset() {
    let cases = [
        (registers::SUBMISSION_ENTRIES, 0),
        (registers::SUBMISSION_ENTRIES, 1),
        (registers::SUBMISSION_ENTRIES, 4097),
        (registers::COMPLETION_ENTRIES, 1),
        (registers::COMPLETION_ENTRIES, u32::MAX),
        (registers::SUBMISSION_BASE_LOW, 32),
        (registers::COMPLETION_BASE_LOW, 8),
    ];
    for (offset, value) in cases {
        let mut rig = Rig::new(TINY);
        rig.write(registers::CONTROL, control::RESET);
        rig.set_up();
        rig.write(offset, value);
        rig.write(registers::CONTROL, control::ENABLE);
        assert_eq!(
            fatal(&mut rig),
            Some(Status::InvalidQueue),
            "{offset:#x} {value}"
        );
        assert_eq!(rig.read(registers::CONTROL), control::ENABLE);
        // Enabling again doesn't help; reset does.
        rig.write(registers::CONTROL, 0);
        rig.set_up();
        rig.write(registers::CONTROL, control::ENABLE);
        assert_eq!(fatal(&mut rig), Some(Status::InvalidQueue));
        rig.write(registers::CONTROL, control::RESET | control::ENABLE);
        assert_eq!(fatal(&mut rig), None);
        assert_eq!(rig.read(registers::CONTROL), 0);
        rig.set_up();
        rig.write(registers::CONTROL, control::ENABLE);
        assert_eq!(rig.command(&nop(9)).status, 0);
    }
}

#[test]
fn doorbells_beyond_the_ring_are_fatal_and_doorbells_while_disabled_ignored() {
    for doorbell in [
        registers::SUBMISSION_TAIL_DOORBELL,
        registers::COMPLETION_HEAD_DOORBELL,
    ] {
        let mut rig = Rig::new(TINY);
        rig.write(registers::CONTROL, 0);
        rig.write(doorbell, 8);
        assert_eq!(fatal(&mut rig), None);
        rig.write(registers::CONTROL, control::ENABLE);
        rig.write(doorbell, 7);
        assert_eq!(fatal(&mut rig), None);
        rig.write(doorbell, 8);
        assert_eq!(fatal(&mut rig), Some(Status::InvalidDoorbell));
    }
}

#[test]
fn rings_out_of_reach_are_fatal() {
    for (offset, expected) in [
        (registers::SUBMISSION_BASE_HIGH, Status::DmaReadError),
        (registers::COMPLETION_BASE_HIGH, Status::DmaWriteError),
    ] {
        let mut rig = Rig::new(TINY);
        rig.write(registers::CONTROL, control::RESET);
        rig.set_up();
        rig.write(offset, 0xffff_ffff);
        rig.write(registers::CONTROL, control::ENABLE);
        rig.push(&nop(1));
        rig.ring();
        rig.settle();
        assert_eq!(fatal(&mut rig), Some(expected));
        assert_eq!(rig.read(registers::COMMANDS), 0);
    }
}

#[test]
fn the_queue_block_holds_what_was_written_while_disabled() {
    let mut rig = Rig::new(TINY);
    rig.write(registers::SUBMISSION_ENTRIES, 99);
    assert_eq!(rig.read(registers::SUBMISSION_ENTRIES), 8);
    rig.write(registers::CONTROL, 0);
    for (index, offset) in [
        registers::SUBMISSION_BASE_LOW,
        registers::SUBMISSION_BASE_HIGH,
        registers::SUBMISSION_ENTRIES,
        registers::COMPLETION_BASE_LOW,
        registers::COMPLETION_BASE_HIGH,
        registers::COMPLETION_ENTRIES,
    ]
    .into_iter()
    .enumerate()
    {
        let value = 0x8765_4320 + index as u32;
        rig.write(offset, value);
        assert_eq!(rig.read(offset), value);
    }
    rig.device.reset();
    assert_eq!(rig.read(registers::SUBMISSION_BASE_LOW), 0);
    assert_eq!(rig.read(registers::COMMANDS), 0);
}
