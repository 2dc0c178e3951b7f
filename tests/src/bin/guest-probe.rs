//! Runs in the guest, and uses the driver as `systole` does not:
//!
//! - `outside`: asks the device to read and write where nothing is mapped for it, and says how each
//!   command ended;
//! - `runtime`: waits for interrupts in a tokio runtime;
//! - `large`: lets the device use a buffer of several MiB, and says how many large pages it took.

use std::time::{Duration, Instant};

use bytemuck::Zeroable;
use systole_driver::{
    Command, CompletionMode, Device, Error, OpenOptions, QueueOptions, QueuePair,
};
use systole_regs::entries::{LoadEntry, Statistics, flag, opcode};

/// An address far from all that the driver maps, one that it once mapped, and three where the guest
/// has memory: its first page that is not special, its kernel's, and near the end.
const NOWHERE: [u64; 4] = [1 << 38, 0x1000, 0x100_0000, 0x1f00_0000];

/// Commands whose interrupts are waited for.
const INTERRUPTS: u32 = 50;

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(what), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: guest-probe outside|runtime|large DEVICE".into());
    };
    let options = OpenOptions { timeout: PATIENCE };
    let device = Device::open(&address.parse()?, options)?;
    match what.as_str() {
        "outside" => Ok(outside(&device)?),
        "runtime" => in_runtime(&device),
        "large" => large(&device),
        _ => Err(format!("there is no {what:?}; use outside, runtime or large").into()),
    }
}

fn outside(device: &Device) -> Result<(), Error> {
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
    let completion = queue.wait(PATIENCE)?;
    Ok(match completion.status {
        Ok(()) => "done".to_owned(),
        Err(status) => format!("{status:?}"),
    })
}

/// The device reads a model from one end of a buffer and writes what it cost to the other.
fn large(device: &Device) -> Result<(), Box<dyn std::error::Error>> {
    const BYTES: usize = 5 << 20;
    let before = free_large_pages()?;
    // A program of one END, which is zero as the whole buffer is.
    let buffer = device.allocate(BYTES)?;
    let taken = before - free_large_pages()?;
    let mut queue = device.queue_pair(QueueOptions::default())?;
    let statistics = BYTES - size_of::<Statistics>();
    let load = Command::Load(LoadEntry {
        program_count: 1,
        group_rows: 1,
        image_address: buffer.iova().0,
        flags: flag::STATISTICS,
        statistics_address: buffer.iova().offset(statistics).0,
        ..LoadEntry::zeroed()
    });
    queue.submit_with(load, &[&buffer])?;
    queue.ring()?;
    let completion = queue.wait(PATIENCE)?;
    let cost: Statistics = buffer.read_value(statistics)?;
    println!(
        "{taken} pages, {:?}, written: {}",
        completion.status,
        cost.cycles > 0
    );
    Ok(())
}

/// What the kernel says of its reserve.
fn free_large_pages() -> Result<i64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("HugePages_Free:"));
    Ok(line
        .ok_or("the kernel has no large pages")?
        .trim()
        .parse()?)
}

/// Without an interrupt, a task finds a completion after 100 ms; half of that on average says that
/// interrupts have come.
fn in_runtime(device: &Device) -> Result<(), Box<dyn std::error::Error>> {
    let mut queue = device.queue_pair(QueueOptions {
        mode: CompletionMode::Interrupt,
        ..QueueOptions::default()
    })?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let begin = Instant::now();
    builder.enable_all().build()?.block_on(async {
        for _ in 0..INTERRUPTS {
            let id = queue.submit(Command::Nop)?;
            queue.ring()?;
            let completion = queue.wait_async(PATIENCE).await?;
            assert_eq!(completion.command_id, id.0);
        }
        Ok::<(), Error>(())
    })?;
    let woken = begin.elapsed() < Duration::from_millis(50) * INTERRUPTS;
    println!("answered {INTERRUPTS}, woken: {woken}");
    Ok(())
}
