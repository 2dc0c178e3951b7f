//! Queue pairs: rings that wrap, fill and drain, interrupts that come or do not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytemuck::Zeroable;
use systole_driver::{
    Address, Command, CommandId, CompletionMode, Counters, Device, DeviceStatus, DmaBuffer, Error,
    OpenOptions, QueueOptions, QueuePair,
};
use systole_regs::Status;
use systole_regs::entries::{LoadEntry, RunEntry, Statistics, flag, opcode};

use crate::device::{Rig, Script};

const LONG: Duration = Duration::from_secs(20);

fn options(entries: u32, mode: CompletionMode) -> QueueOptions {
    QueueOptions { entries, mode }
}

fn polling(entries: u32) -> QueueOptions {
    options(entries, CompletionMode::Polling)
}

fn interrupts(entries: u32) -> QueueOptions {
    options(entries, CompletionMode::Interrupt)
}

/// Submits one command, rings, and waits for its completion's status.
fn carry_out(queue: &mut QueuePair, command: Command) -> Result<(), DeviceStatus> {
    carry_out_with(queue, command, &[])
}

fn carry_out_with(
    queue: &mut QueuePair,
    command: Command,
    buffers: &[&DmaBuffer],
) -> Result<(), DeviceStatus> {
    let id = queue.submit_with(command, buffers).unwrap();
    queue.ring().unwrap();
    let completion = queue.wait(LONG).unwrap();
    assert_eq!(completion.command_id, id.0);
    completion.status
}

/// Keeps a queue busy with bursts of many sizes until `commands` have been answered, in order.
fn keep_busy(queue: &mut QueuePair, commands: usize) {
    let mut expected: VecDeque<CommandId> = VecDeque::new();
    let mut submitted = 0;
    let mut answered = 0;
    let mut burst = 1;
    while answered < commands {
        for _ in 0..burst.min(commands - submitted) {
            match queue.submit(Command::Nop) {
                Ok(id) => expected.push_back(id),
                Err(Error::QueueFull) => break,
                Err(error) => panic!("{error}"),
            }
            submitted += 1;
        }
        queue.ring().unwrap();
        for _ in 0..burst.div_ceil(2).min(expected.len()) {
            let completion = queue.wait(LONG).unwrap();
            assert_eq!(Some(CommandId(completion.command_id)), expected.pop_front());
            assert_eq!(completion.status, Ok(()));
            answered += 1;
        }
        burst = burst % 11 + 1;
    }
    assert!(expected.is_empty());
    assert_eq!(queue.poll().unwrap(), None);
    assert_eq!(queue.in_flight(), 0);
}

#[test]
fn rings_wrap_around_over_thousands_of_commands() {
    for options in [
        polling(2),
        polling(8),
        interrupts(8),
        polling(64),
        interrupts(5),
    ] {
        let rig = Rig::new();
        let device = rig.open();
        keep_busy(&mut device.queue_pair(options).unwrap(), 3000);
        assert_eq!(device.counters().unwrap().commands, 3000, "{options:?}");
        assert_eq!(rig.engine().violations, [""; 0], "{options:?}");
    }
}

#[test]
fn a_ring_of_the_largest_size_works() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(polling(4096)).unwrap();
    for lap in 0..3 {
        for _ in 0..4095 {
            queue.submit(Command::Nop).unwrap();
        }
        queue.ring().unwrap();
        for _ in 0..4095 {
            queue.wait(LONG).unwrap();
        }
        assert_eq!(queue.poll().unwrap(), None, "lap {lap}");
    }
    // Submission doorbells, and the completion doorbell before it was indispensable only.
    assert!(rig.engine().doorbells <= 6, "{}", rig.engine().doorbells);
}

#[test]
fn a_full_ring_is_reported_and_drains() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(polling(8)).unwrap();
    for round in 0..20 {
        for _ in 0..7 {
            queue.submit(Command::Nop).unwrap();
        }
        let error = queue.submit(Command::Nop).unwrap_err();
        assert!(matches!(error, Error::QueueFull), "round {round}: {error}");
        assert_eq!(queue.in_flight(), 0);
        queue.ring().unwrap();
        queue.wait(LONG).unwrap();
        queue.submit(Command::Nop).unwrap();
        queue.submit(Command::Nop).unwrap_err();
        queue.ring().unwrap();
        for _ in 0..7 {
            queue.wait(LONG).unwrap();
        }
    }
}

#[test]
fn nothing_happens_before_the_doorbell() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(polling(8)).unwrap();
    queue.submit(Command::Nop).unwrap();
    let error = queue.wait(LONG).unwrap_err();
    assert!(matches!(error, Error::NothingInFlight), "{error}");
    assert_eq!(rig.engine().doorbells, 0);
    queue.ring().unwrap();
    queue.ring().unwrap();
    assert_eq!(rig.engine().doorbells, 1);
    queue.wait(LONG).unwrap();
}

#[test]
fn a_run_moves_rows_through_the_device() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(interrupts(4)).unwrap();
    let mut buffer = device.allocate(4096).unwrap();
    let rows: Vec<u8> = (0..48).collect();
    buffer.write(0, &rows).unwrap();
    let run = Command::Run(RunEntry {
        slot: 1,
        flags: flag::STATISTICS,
        rows: 3,
        input_address: buffer.iova().0,
        input_stride: 16,
        output_address: buffer.iova().offset(1024).0,
        output_stride: 32,
        statistics_address: buffer.iova().offset(2048).0,
        ..RunEntry::zeroed()
    });
    let empty = DeviceStatus::Known(Status::SlotEmpty);
    assert_eq!(carry_out_with(&mut queue, run, &[&buffer]), Err(empty));

    let load = Command::Load(LoadEntry {
        slot: 1,
        version: 77,
        ..LoadEntry::zeroed()
    });
    assert_eq!(carry_out(&mut queue, load), Ok(()));
    queue.submit_with(run, &[&buffer]).unwrap();
    queue.ring().unwrap();
    let completion = queue.wait(LONG).unwrap();
    assert_eq!(completion.status, Ok(()));
    assert_eq!(
        (completion.version, completion.slot, completion.cycles),
        (77, 1, 42)
    );
    let mut row = [0; 16];
    buffer.read(1024 + 2 * 32, &mut row).unwrap();
    assert!(row.iter().eq((33..49).collect::<Vec<u8>>().iter()));
    assert_eq!(buffer.read_value::<Statistics>(2048).unwrap().groups, 3);

    let slots = device.slots().unwrap();
    assert_eq!(slots.len(), 2);
    assert!(!slots[0].resident && slots[1].resident);
    assert_eq!(slots[1].version, 77);
    assert_eq!((slots[1].weights.base, slots[1].weights.count), (3, 7));
    assert_eq!(carry_out(&mut queue, Command::Unload { slot: 1 }), Ok(()));
    assert!(!device.slots().unwrap()[1].resident);
    let expected = Counters {
        cycles: 4 << 32 | u64::from(u32::MAX),
        busy_cycles: 0,
        commands: 4,
        errors: 1,
    };
    assert_eq!(device.counters().unwrap(), expected);
}

#[test]
fn a_bad_entry_is_answered_and_the_next_good_one_runs() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(polling(4)).unwrap();
    let status = carry_out(&mut queue, Command::Raw([0xff; 64])).unwrap_err();
    assert_eq!(status, DeviceStatus::Known(Status::InvalidField));
    let mut unknown = [0; 64];
    unknown[0] = 200;
    let status = carry_out(&mut queue, Command::Raw(unknown)).unwrap_err();
    assert_eq!(status, DeviceStatus::Known(Status::InvalidOpcode));
    let unmapped = RunEntry {
        opcode: opcode::RUN,
        input_address: 8,
        input_stride: 8,
        rows: 1,
        ..RunEntry::zeroed()
    };
    let unmapped = Command::Raw(bytemuck::cast(unmapped));
    carry_out(&mut queue, Command::Load(LoadEntry::zeroed())).unwrap();
    let status = carry_out(&mut queue, unmapped).unwrap_err();
    assert_eq!(status, DeviceStatus::Known(Status::DmaReadError));
    assert_eq!(carry_out(&mut queue, Command::Nop), Ok(()));
}

#[test]
fn an_interrupt_wakes_the_waiting_thread() {
    let rig = Rig::scripted(Script {
        delay: Duration::from_millis(5),
        ..Script::default()
    });
    let device = rig.open();
    let mut queue = device.queue_pair(interrupts(4)).unwrap();
    let begin = Instant::now();
    for _ in 0..40 {
        carry_out(&mut queue, Command::Nop).unwrap();
    }
    // Without interrupts each would take until the next look, 100 ms.
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(rig.engine().interrupts_sent, 40);
}

#[test]
fn a_lost_interrupt_costs_a_tenth_of_a_second_and_no_completion() {
    let rig = Rig::scripted(Script {
        lose_interrupts: true,
        delay: Duration::from_millis(5),
        ..Script::default()
    });
    let device = rig.open();
    let mut queue = device.queue_pair(interrupts(4)).unwrap();
    let begin = Instant::now();
    for _ in 0..5 {
        carry_out(&mut queue, Command::Nop).unwrap();
    }
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(rig.engine().interrupts_sent, 0);
}

#[test]
fn polling_asks_for_no_interrupts() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(polling(4)).unwrap();
    carry_out(&mut queue, Command::Nop).unwrap();
    assert_eq!(rig.engine().interrupts_sent, 0);
    assert!(rig.engine().eventfd.is_none());
}

#[test]
fn a_function_without_msix_still_works_by_polling() {
    let rig = Rig::scripted(Script {
        no_msix: true,
        ..Script::default()
    });
    let device = rig.open();
    let error = device.queue_pair(interrupts(4)).unwrap_err();
    assert!(error.to_string().contains("polling"), "{error}");
    carry_out(&mut device.queue_pair(polling(4)).unwrap(), Command::Nop).unwrap();
}

#[test]
fn registers_in_mapped_memory_carry_a_queue() {
    let rig = Rig::scripted(Script {
        mapped_bar: true,
        ..Script::default()
    });
    let device = rig.open();
    keep_busy(&mut device.queue_pair(interrupts(8)).unwrap(), 100);
    assert_eq!(rig.engine().violations, [""; 0]);
}

#[test]
fn there_is_one_queue_pair_at_a_time() {
    let rig = Rig::new();
    let device = rig.open();
    let queue = device.queue_pair(polling(4)).unwrap();
    let second = device.clone();
    assert!(matches!(
        second.queue_pair(polling(4)),
        Err(Error::QueueInUse)
    ));
    assert!(matches!(second.reset(), Err(Error::QueueInUse)));
    drop(queue);
    second.reset().unwrap();
    carry_out(&mut second.queue_pair(interrupts(4)).unwrap(), Command::Nop).unwrap();
}

#[test]
fn sizes_that_no_ring_can_have_are_refused() {
    let rig = Rig::new();
    let device = rig.open();
    for entries in [0, 1, 4097, u32::MAX] {
        let error = device.queue_pair(polling(entries)).unwrap_err();
        assert!(error.to_string().contains("2 to 4096"), "{error}");
    }
}

#[test]
fn dropping_a_queue_stops_the_device_before_its_memory_goes() {
    let rig = Rig::scripted(Script {
        delay: Duration::from_millis(50),
        ..Script::default()
    });
    let device = rig.open();
    let mut queue = device.queue_pair(polling(8)).unwrap();
    for _ in 0..7 {
        queue.submit(Command::Nop).unwrap();
    }
    queue.ring().unwrap();
    queue.wait(LONG).unwrap();
    drop(queue);
    let engine = rig.engine();
    assert_eq!(engine.mapping_count(), 0);
    assert_eq!(engine.violations, [""; 0]);
    drop(engine);
    // Commands that were not carried out are gone with their queue.
    let mut queue = device.queue_pair(polling(8)).unwrap();
    assert_eq!(queue.poll().unwrap(), None);
    carry_out(&mut queue, Command::Nop).unwrap();
}

#[test]
fn a_reset_empties_slots_and_counters() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = device.queue_pair(polling(4)).unwrap();
    carry_out(&mut queue, Command::Load(LoadEntry::zeroed())).unwrap();
    drop(queue);
    assert!(device.slots().unwrap()[0].resident);
    device.reset().unwrap();
    assert!(!device.slots().unwrap()[0].resident);
    assert_eq!(device.counters().unwrap().commands, 0);
}

#[test]
fn a_device_that_is_still_busy_gets_no_new_queue() {
    let rig = Rig::scripted(Script {
        delay: Duration::from_secs(1),
        ..Script::default()
    });
    let timeout = Duration::from_millis(100);
    let address = Address::VfioUser(rig.socket().to_owned());
    let device = Device::open(&address, OpenOptions { timeout }).unwrap();
    let mut queue = device.queue_pair(polling(4)).unwrap();
    queue.submit(Command::Nop).unwrap();
    queue.ring().unwrap();
    let error = queue.wait(Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, Error::Timeout), "{error}");
    drop(queue);
    let error = device.queue_pair(polling(4)).unwrap_err();
    assert!(matches!(error, Error::StillBusy { .. }), "{error}");
}
