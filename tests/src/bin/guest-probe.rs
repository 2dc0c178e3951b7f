//! Runs in the guest: asks the device to read and write where nothing is mapped for it, and says how
//! each command ended.

use std::time::Duration;

use bytemuck::Zeroable;
use systole_driver::{Command, Device, Error, OpenOptions, QueueOptions, QueuePair};
use systole_regs::entries::{LoadEntry, flag, opcode};

/// An address far from all that the driver maps, one that it once mapped, and three where the guest
/// has memory: its first page that is not special, its kernel's, and near the end.
const NOWHERE: [u64; 4] = [1 << 38, 0x1000, 0x100_0000, 0x1f00_0000];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: guest-probe DEVICE")?;
    let options = OpenOptions {
        timeout: Duration::from_secs(30),
    };
    let device = Device::open(&address.parse()?, options)?;
    let mut queue = device.queue_pair(QueueOptions::default())?;
    let mut mapped = device.allocate(4096)?;
    let ended = {
        let buffer = device.allocate(4096)?;
        buffer.iova().0
    };
    let entry = LoadEntry {
        opcode: opcode::LOAD,
        program_count: 1,
        group_rows: 1,
        ..LoadEntry::zeroed()
    };
    for address in NOWHERE.into_iter().chain([ended]) {
        let read = LoadEntry {
            image_address: address,
            ..entry
        };
        let write = LoadEntry {
            image_address: mapped.iova().0,
            flags: flag::STATISTICS,
            statistics_address: address,
            ..entry
        };
        println!("read {address:#x}: {}", carry_out(&mut queue, read)?);
        println!("write {address:#x}: {}", carry_out(&mut queue, write)?);
    }
    // The device goes on.
    mapped.write(0, &[1])?;
    let load = LoadEntry {
        image_address: mapped.iova().0,
        ..entry
    };
    println!("read what is mapped: {}", carry_out(&mut queue, load)?);
    Ok(())
}

/// How a LOAD ends. It is handed over as bytes: as a command, the driver would refuse its addresses.
fn carry_out(queue: &mut QueuePair, entry: LoadEntry) -> Result<String, Error> {
    queue.submit(Command::Raw(bytemuck::cast(entry)))?;
    queue.ring()?;
    let completion = queue.wait(Duration::from_secs(30))?;
    Ok(match completion.status {
        Ok(()) => "done".to_owned(),
        Err(status) => format!("{status:?}"),
    })
}
