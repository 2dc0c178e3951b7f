//! A device that writes anything into its completion ring, at any place and any time.
//!
//! ```text
//!  steps of the fuzzer --> QueuePair <-- rings in memory <-- accelerator <-- steps of the fuzzer
//!                             |                |
//!                             +--- equal? --- model
//! ```
//!
//! Whatever the device does, the driver must say what the model says: a completion comes only for a
//! command in flight and only once, the queue is full exactly when it is, nothing panics, and what the
//! device may still reach stays mapped, no more and no less. As long as the device is well-behaved, it
//! must never find its ring full.

mod accelerator;
mod commands;
mod holds;
mod model;
mod pair;

use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use systole_driver::{
    Command, CompletionMode, Device, DmaBuffer, Error, OpenOptions, QueueOptions, Transport,
};
use systole_regs::QUEUE_ENTRIES_MAX;

use accelerator::{Accelerator, COMPLETION_BYTES};
use holds::Holds;
use pair::Pair;

/// Commands that one step submits at most, and completions that one step makes or takes.
const BATCH: u8 = 16;

/// Steps of one run at most, so that none takes long.
const STEPS: usize = 2048;

/// Buffers at a time.
const BUFFERS: usize = 4;

/// Lets a device made of `data` answer the driver's commands.
///
/// # Panics
/// If the driver does what it must not do.
pub fn completions(data: &[u8]) {
    // Only data that has come to its end is an error, and then everything has been done.
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let entries_max = match u.int_in_range(0..=15)? {
        0 => QUEUE_ENTRIES_MAX,
        most => most + 1,
    };
    let accelerator = Arc::new(Accelerator::new(entries_max));
    let device = Device::over(
        Arc::clone(&accelerator) as Arc<dyn Transport>,
        OpenOptions {
            timeout: Duration::ZERO,
        },
    )
    .expect("a device without faults opens");
    let mut user = User {
        accelerator: Arc::clone(&accelerator),
        device,
        pair: None,
        buffers: Vec::new(),
        holds: Holds::default(),
        next_id: 0,
    };
    let result = user.run(u);
    drop(user);
    assert!(accelerator.mapped().is_empty(), "mappings were forgotten");
    result
}

/// Who has opened the device.
struct User {
    accelerator: Arc<Accelerator>,
    device: Device,
    pair: Option<Pair>,
    buffers: Vec<DmaBuffer>,
    holds: Holds,
    /// The first id of the next queue pair.
    next_id: u16,
}

impl User {
    fn run(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.make_queue(u)?;
        for _ in 0..STEPS {
            if u.is_empty() {
                break;
            }
            self.step(u)?;
            self.check();
        }
        // Whatever has happened, a queue pair is made again once the device lets it.
        self.accelerator
            .break_with(|faults| *faults = Default::default());
        self.drop_queue();
        self.check();
        self.make(2, CompletionMode::Interrupt);
        let pair = self.pair.as_mut().expect("it was made");
        pair.submit(&self.accelerator, &mut self.holds, Command::Nop, &[]);
        pair.ring(&self.accelerator);
        assert!(self.accelerator.complete(0, false));
        let found = pair.poll(&self.accelerator, &mut self.holds);
        assert!(found, "an answer is taken");
        self.check();
        Ok(())
    }

    /// What holds after every step.
    fn check(&self) {
        if let Some(pair) = &self.pair {
            pair.check();
        }
        let expected = self.holds.mapped(&self.buffers);
        assert_eq!(self.accelerator.mapped(), expected);
    }

    /// One step of the queue pair, or of something beside it.
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=17)? {
            12 => self.make_second(),
            13 => {
                let (which, after) = (u.int_in_range(0..=3)?, u.int_in_range(0..=12)?);
                self.accelerator.break_with(|faults| match which {
                    0 => faults.gone = !faults.gone,
                    1 => faults.busy = !faults.busy,
                    _ => faults.write_fails_after = Some(after),
                });
            }
            14 => self.reset(u)?,
            15 => self.drop_queue(),
            16 if self.buffers.len() < BUFFERS => {
                // Sizes around that of a page, which is what is mapped.
                let bytes = [1, 64, 4095, 4096, 4097][u.choose_index(5)?];
                let buffer = self.device.allocate(bytes).expect("there is memory");
                self.buffers.push(buffer);
            }
            16..=17 => {
                if !self.buffers.is_empty() {
                    let index = u.choose_index(self.buffers.len())?;
                    self.buffers.remove(index);
                }
            }
            _ if self.pair.is_none() => self.make_queue(u)?,
            step => self.step_queue(step, u)?,
        }
        Ok(())
    }

    fn step_queue(&mut self, step: u8, u: &mut Unstructured<'_>) -> Result<()> {
        let User {
            accelerator,
            pair: Some(pair),
            buffers,
            holds,
            ..
        } = self
        else {
            return Ok(());
        };
        match step {
            0..=1 => {
                for _ in 0..=u.int_in_range(0..=BATCH - 1)? {
                    let command = commands::command(u, buffers)?;
                    // Set bits are buffers that are not handed over.
                    let kept: u8 = match commands::addresses(&command).is_empty() {
                        true => 0,
                        false => u.arbitrary()?,
                    };
                    let handed: Vec<&DmaBuffer> = buffers
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| kept >> index & 1 == 0)
                        .map(|(_, buffer)| buffer)
                        .collect();
                    pair.submit(accelerator, holds, command, &handed);
                }
            }
            2 => pair.ring(accelerator),
            3..=4 => {
                let status = u.arbitrary()?;
                for _ in 0..=u.int_in_range(0..=BATCH - 1)? {
                    accelerator.complete(status, !pair.is_honest());
                }
            }
            5..=6 => {
                for _ in 0..=u.int_in_range(0..=BATCH - 1)? {
                    pair.poll(accelerator, holds);
                }
            }
            7 => pair.wait(accelerator, holds),
            8..=9 => pair.answer_wrongly(accelerator, u)?,
            10 => {
                let slot = u.arbitrary()?;
                let mut bytes = [0; COMPLETION_BYTES];
                u.fill_buffer(&mut bytes)?;
                pair.distrust();
                accelerator.scribble(slot, bytes);
            }
            _ => accelerator.interrupt(),
        }
        Ok(())
    }

    /// While there is a queue pair, another one is refused, and the first does not notice.
    fn make_second(&mut self) {
        if self.pair.is_some() {
            let second = self.device.queue_pair(QueueOptions {
                entries: 2,
                mode: CompletionMode::Polling,
            });
            assert!(matches!(second, Err(Error::QueueInUse)));
        }
    }

    fn make_queue(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mode = match u.int_in_range(0..=1)? {
            0 => CompletionMode::Polling,
            _ => CompletionMode::Interrupt,
        };
        let entries = u.int_in_range(0..=17)?;
        self.drop_queue();
        self.make(entries, mode);
        Ok(())
    }

    fn make(&mut self, entries: u32, mode: CompletionMode) {
        let faults = self.accelerator.faults();
        let most = self.device.identity().queue_entries_max;
        let made = self.device.queue_pair(QueueOptions { entries, mode });
        if !(2..=most).contains(&entries) {
            assert!(matches!(made, Err(Error::QueueSize { .. })));
            return;
        }
        // Whether the last one's command has ended is asked first.
        if faults.lets_stop() {
            self.holds.stopped();
        }
        let queue = match made {
            Ok(queue) => queue,
            Err(error) => {
                let fails = faults.write_fails_after.is_some();
                let expected = match error {
                    Error::StillBusy { .. } => faults.busy,
                    Error::BusError => fails,
                    Error::DeviceGone => faults.gone,
                    _ => false,
                };
                assert!(expected, "no queue pair: {error}");
                let failed = fails && self.accelerator.faults().write_fails_after.is_none();
                if failed && matches!(error, Error::DeviceGone) {
                    // It was enabled before it was found to be gone, and the write that should have
                    // stopped it is the one that failed.
                    self.holds.made(self.accelerator.rings());
                    self.holds.dropped(false);
                }
                return;
            }
        };
        assert!(!faults.busy && !faults.gone);
        let completion_entries = self.accelerator.completion_entries();
        let completion_entries = completion_entries.expect("the device is enabled");
        assert!((entries..=most).contains(&completion_entries));
        self.holds.made(self.accelerator.rings());
        let pair = Pair::new(queue, entries, completion_entries, self.next_id);
        self.pair = Some(pair);
    }

    fn drop_queue(&mut self) {
        if let Some(pair) = self.pair.take() {
            self.next_id = pair.next_id();
            self.holds.dropped(self.accelerator.faults().lets_stop());
            drop(pair);
        }
    }

    fn reset(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let faults = self.accelerator.faults();
        let result = match u.int_in_range(0..=1)? {
            0 => self.device.reset(),
            _ => self.device.recover(),
        };
        if self.pair.is_some() {
            assert!(matches!(result, Err(Error::QueueInUse)));
            return Ok(());
        }
        if faults.lets_write() {
            self.holds.reset();
        }
        if let Err(error) = result {
            let expected = match error {
                Error::BusError => faults.write_fails_after.is_some(),
                Error::DeviceGone => faults.gone,
                _ => false,
            };
            assert!(expected, "no reset: {error}");
        }
        Ok(())
    }
}
