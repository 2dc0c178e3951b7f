//! How long buffers stay mapped: for as long as the device may reach them.

use std::time::Duration;

use bytemuck::Zeroable;
use systole_driver::{
    Address, Command, CompletionMode, Device, DmaBuffer, Error, OpenOptions, QueueOptions,
    QueuePair,
};
use systole_regs::entries::{LoadEntry, RunEntry};

use crate::device::{Rig, Script};

const LONG: Duration = Duration::from_secs(20);

/// Mappings of a queue pair's rings.
const RINGS: usize = 2;

fn queue(device: &Device) -> QueuePair {
    let options = QueueOptions {
        entries: 8,
        mode: CompletionMode::Polling,
    };
    device.queue_pair(options).unwrap()
}

fn run(input: &DmaBuffer, output: &DmaBuffer) -> Command {
    Command::Run(RunEntry {
        rows: 1,
        input_address: input.iova().0,
        input_stride: 16,
        output_address: output.iova().0,
        output_stride: 16,
        ..RunEntry::zeroed()
    })
}

fn load(slot: u8, stream: Option<&DmaBuffer>) -> Command {
    Command::Load(LoadEntry {
        slot,
        stream_address: stream.map_or(0, |stream| stream.iova().0),
        ..LoadEntry::zeroed()
    })
}

fn finish(queue: &mut QueuePair) {
    queue.ring().unwrap();
    while queue.in_flight() > 0 {
        assert_eq!(queue.wait(LONG).unwrap().status, Ok(()));
    }
}

#[test]
fn a_dropped_buffer_stays_mapped_until_its_commands_have_completed() {
    let rig = Rig::scripted(Script {
        delay: Duration::from_millis(30),
        ..Script::default()
    });
    let device = rig.open();
    let mut queue = queue(&device);
    queue.submit(load(0, None)).unwrap();
    finish(&mut queue);
    let input = device.allocate(4096).unwrap();
    let output = device.allocate(4096).unwrap();
    for _ in 0..3 {
        let buffers = [&input, &output];
        queue.submit_with(run(&input, &output), &buffers).unwrap();
    }
    queue.ring().unwrap();
    let addresses = [input.iova(), output.iova()];
    drop((input, output));
    assert_eq!(rig.engine().mapping_count(), RINGS + 2);
    // Nobody else is given what the device still writes to.
    let newer = device.allocate(4096).unwrap();
    assert!(!addresses.contains(&newer.iova()));
    for left in [3, 2, 1] {
        assert_eq!(queue.in_flight(), left);
        assert_eq!(rig.engine().mapping_count(), RINGS + 3);
        assert_eq!(queue.wait(LONG).unwrap().status, Ok(()));
    }
    assert_eq!(rig.engine().mapping_count(), RINGS + 1);
    assert!(addresses.contains(&device.allocate(4096).unwrap().iova()));
    assert_eq!(rig.engine().violations, [""; 0]);
}

#[test]
fn an_address_without_its_buffer_is_refused() {
    let rig = Rig::new();
    let device = rig.open();
    let mut queue = queue(&device);
    let [input, output] = [(); 2].map(|()| device.allocate(100).unwrap());
    let other = Rig::new();
    let elsewhere = other.open();
    let foreign = elsewhere.allocate(4096).unwrap();
    let mut refuse = |command: Command, buffers: &[&DmaBuffer], word: &str| {
        let error = queue.submit_with(command, buffers).unwrap_err();
        assert!(matches!(error, Error::NotHeld { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(queue.poll().unwrap(), None);
    };
    refuse(run(&input, &output), &[], "input_address");
    refuse(run(&input, &output), &[&input], "output_address");
    refuse(load(0, Some(&output)), &[&input], "stream_address");
    // The page goes on behind the buffer's end.
    let behind = Command::Run(RunEntry {
        input_address: input.iova().offset(100).0,
        ..RunEntry::zeroed()
    });
    refuse(behind, &[&input], "input_address");
    // Mapped, for another device.
    refuse(run(&foreign, &foreign), &[&foreign], "input_address");
}

#[test]
fn what_a_model_streams_stays_mapped_while_it_is_resident() {
    let rig = Rig::new();
    let device = rig.open();
    let streamed = || device.allocate(4096).unwrap();
    let mut queue = queue(&device);
    let resident = |queue: &mut QueuePair, slot| {
        let stream = streamed();
        queue
            .submit_with(load(slot, Some(&stream)), &[&stream])
            .unwrap();
        finish(queue);
    };
    resident(&mut queue, 0);
    resident(&mut queue, 1);
    assert_eq!(rig.engine().mapping_count(), RINGS + 2);
    // Another model, one that streams nothing, none.
    resident(&mut queue, 0);
    assert_eq!(rig.engine().mapping_count(), RINGS + 2);
    queue.submit(load(0, None)).unwrap();
    finish(&mut queue);
    assert_eq!(rig.engine().mapping_count(), RINGS + 1);
    queue.submit(Command::Unload { slot: 1 }).unwrap();
    finish(&mut queue);
    assert_eq!(rig.engine().mapping_count(), RINGS);
    // It outlives the queue pair, and ends with a reset.
    resident(&mut queue, 1);
    drop(queue);
    assert_eq!(rig.engine().mapping_count(), 1);
    device.reset().unwrap();
    assert_eq!(rig.engine().mapping_count(), 0);
}

#[test]
fn a_device_that_does_not_stop_keeps_its_memory_until_it_is_reset() {
    let rig = Rig::scripted(Script {
        delay: Duration::from_millis(700),
        ..Script::default()
    });
    let timeout = Duration::from_millis(100);
    let address = Address::VfioUser(rig.socket().to_owned());
    let device = Device::open(&address, OpenOptions { timeout }).unwrap();
    let mut queue = queue(&device);
    let buffer = device.allocate(4096).unwrap();
    queue
        .submit_with(run(&buffer, &buffer), &[&buffer])
        .unwrap();
    queue.ring().unwrap();
    let address = buffer.iova();
    drop(buffer);
    // It has begun.
    queue.wait(Duration::from_millis(150)).unwrap_err();
    drop(queue);
    assert_eq!(rig.engine().mapping_count(), RINGS + 1);
    assert_ne!(device.allocate(4096).unwrap().iova(), address);
    device.reset().unwrap();
    assert_eq!(rig.engine().mapping_count(), 0);
    assert_eq!(rig.engine().violations, [""; 0]);
}
