//! A million batches through one queue pair, and through those of four devices on four threads:
//! none is lost, answered twice, or answered with another's data, while rings fill and wrap around.

use std::collections::VecDeque;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use bytemuck::Zeroable;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use systole_bench::{Immediate, Pace};
use systole_driver::{
    Command, CommandId, CompletionMode, Device, DmaBuffer, Error, QueueOptions, QueuePair,
};
use systole_regs::entries::RunEntry;

const BATCHES: u64 = 1_000_000;

const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a row, of which the device changes the first eight.
const ROW: usize = 8;

/// A batch that the device has: its number, and where its row is.
struct InFlight {
    id: CommandId,
    number: u64,
    place: usize,
}

/// A queue pair and rows for all that fits it.
struct Line {
    queue: QueuePair,
    rows: DmaBuffer,
    entries: u32,
    in_flight: VecDeque<InFlight>,
    free: Vec<usize>,
    full: u64,
}

impl Line {
    fn new(device: &Device, entries: u32, mode: CompletionMode) -> Line {
        let queue = device.queue_pair(QueueOptions { entries, mode });
        Line {
            queue: queue.expect("the size is possible"),
            // A row that goes in and one that comes out for each.
            rows: device
                .allocate(entries as usize * 2 * ROW)
                .expect("there is memory"),
            entries,
            in_flight: VecDeque::new(),
            free: (0..entries as usize).collect(),
            full: 0,
        }
    }

    /// Submits a batch; false if the ring is full.
    fn submit(&mut self, number: u64) -> bool {
        let place = *self.free.last().expect("there are more rows than entries");
        let input = place * 2 * ROW;
        let value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.rows.write_value(input, &value).expect("it is inside");
        let run = RunEntry {
            rows: 1,
            input_address: self.rows.iova().offset(input).0,
            input_stride: ROW as u32,
            output_address: self.rows.iova().offset(input + ROW).0,
            output_stride: ROW as u32,
            ..RunEntry::zeroed()
        };
        match self.queue.submit_with(Command::Run(run), &[&self.rows]) {
            Ok(id) => {
                self.free.pop();
                self.in_flight.push_back(InFlight { id, number, place });
                true
            }
            Err(Error::QueueFull) => {
                assert_eq!(self.in_flight.len(), self.entries as usize - 1);
                self.full += 1;
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the oldest batch, and compares its answer.
    fn take(&mut self) {
        let completion = self.queue.wait(PATIENCE).expect("the device answers");
        let batch = self.in_flight.pop_front().expect("it was submitted");
        assert_eq!(completion.command_id, batch.id.0);
        assert_eq!(completion.status, Ok(()));
        let output = (batch.place * 2 + 1) * ROW;
        let answer: u64 = self.rows.read_value(output).expect("it is inside");
        let value = batch.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert_eq!(answer, value.wrapping_add(1), "batch {}", batch.number);
        self.free.push(batch.place);
    }
}

/// Sends batches in bursts of all sizes, takes answers in others, and checks each. Returns how often
/// the ring was full.
fn keep_busy(device: &Device, options: (u32, CompletionMode), batches: u64, seed: u64) -> u64 {
    let (entries, mode) = options;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut line = Line::new(device, entries, mode);
    let (mut sent, mut taken) = (0, 0);
    while taken < batches {
        for _ in 0..random.random_range(1..=entries * 2) {
            if sent == batches || !line.submit(sent) {
                break;
            }
            sent += 1;
        }
        line.queue.ring().expect("the doorbell is heard");
        for _ in 0..random.random_range(1..=line.in_flight.len()) {
            line.take();
            taken += 1;
        }
    }
    assert_eq!(line.queue.poll().expect("nothing is wrong"), None);
    assert_eq!(line.queue.in_flight(), 0);
    line.full
}

fn open(pace: Pace) -> Device {
    Immediate::open(pace).expect("the device in memory opens")
}

#[test]
fn a_million_batches_go_through_one_queue_pair() {
    let device = open(Pace::InDoorbell);
    let full = keep_busy(&device, (16, CompletionMode::Polling), BATCHES, 1);
    // The counter is 32 bits wide, command ids 16, and the ring 16 entries.
    assert_eq!(
        u64::from(device.counters().expect("it answers").commands),
        BATCHES
    );
    assert!(full > BATCHES / 1000, "full {full} times");
}

#[test]
fn a_million_batches_go_through_four_threads() {
    let kinds = [
        (Pace::InDoorbell, 2, CompletionMode::Polling),
        (Pace::OnThread, 64, CompletionMode::Polling),
        (Pace::OnThread, 7, CompletionMode::Interrupt),
        (Pace::OnThread, 4096, CompletionMode::Interrupt),
    ];
    let begin = Barrier::new(kinds.len());
    thread::scope(|scope| {
        for (index, (pace, entries, mode)) in kinds.into_iter().enumerate() {
            let begin = &begin;
            scope.spawn(move || {
                let device = open(pace);
                begin.wait();
                let batches = BATCHES / kinds.len() as u64;
                let full = keep_busy(&device, (entries, mode), batches, index as u64);
                let counters = device.counters().expect("it answers");
                assert_eq!(u64::from(counters.commands), batches, "thread {index}");
                assert!(full > 0, "thread {index}: the ring was never full");
            });
        }
    });
}
