//! The rings under every order in which a weakly ordered machine may carry out the accesses of host
//! and device (loom: a model of the C11 memory model, whose executions it tries one by one).
//!
//! ```text
//!  host thread                    shared words               device thread
//!  submit: 8 words  ------------> submission ring ---------> entry is whole?
//!  barrier, doorbell -----------> doorbell ----------------> (a doorbell brings what was before it)
//!  poll: phase, barrier, word <-- completion ring <--------- first word, then the one with the phase
//! ```
//!
//! Each barrier is also left out, to show that the model would notice.

use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::thread;
use systole_regs::entries::CompletionEntry;

use super::Rings;
use crate::command::ENTRY_BYTES;
use crate::holds::Held;
use crate::ring::{COMPLETION_BYTES, CompletionRing, RingMemory, SubmissionRing};
use crate::{Command, Error};

const WORD: usize = size_of::<u64>();

/// A ring's memory; with or without the barrier after a phase.
#[derive(Clone)]
struct Words<const BARRIER: bool>(Arc<Vec<AtomicU64>>);

impl<const BARRIER: bool> Words<BARRIER> {
    fn new(bytes: usize) -> Self {
        let words = (0..bytes / WORD).map(|_| AtomicU64::new(0));
        Self(Arc::new(words.collect()))
    }
}

impl<const BARRIER: bool> RingMemory for Words<BARRIER> {
    fn store(&mut self, offset: usize, entry: &[u8; ENTRY_BYTES]) -> Result<(), Error> {
        let words: [u64; ENTRY_BYTES / WORD] = bytemuck::cast(*entry);
        for (word, value) in self.0[offset / WORD..].iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        Ok(())
    }

    fn load(&self, offset: usize) -> Result<u64, Error> {
        Ok(self.0[offset / WORD].load(Ordering::Relaxed))
    }

    fn read_barrier() {
        if BARRIER {
            fence(Ordering::Acquire);
        }
    }
}

/// The doorbells.
#[derive(Default)]
struct Registers {
    submission_tail: AtomicU32,
    completion_head: AtomicU32,
}

/// A way through the rings.
#[derive(Clone, Copy)]
struct Plan {
    /// Entries of the submission and of the completion ring.
    entries: [u32; 2],
    /// Commands in all.
    commands: u8,
    /// Whether the barrier before a doorbell is there.
    write_barrier: bool,
    /// Whether the device's second word follows its first one.
    ordered_completion: bool,
}

/// Entry number `number`: every byte says which it is.
fn command(number: u8) -> Command {
    Command::Raw([number; ENTRY_BYTES])
}

/// The device: reads entries that it has been told of, and answers each.
fn device<const BARRIER: bool>(
    plan: Plan,
    registers: &Registers,
    submission: &Words<BARRIER>,
    completion: &Words<BARRIER>,
) {
    let [entries, completions] = plan.entries;
    let (mut head, mut index, mut phase) = (0, 0, 1);
    for number in 0..plan.commands {
        while registers.submission_tail.load(Ordering::Relaxed) == head {
            thread::yield_now();
        }
        // Reads that a doorbell causes come after it.
        fence(Ordering::Acquire);
        let word = |at: usize| {
            submission.0[head as usize * ENTRY_BYTES / WORD + at].load(Ordering::Relaxed)
        };
        let (first, last) = (word(0), word(ENTRY_BYTES / WORD - 1));
        let expected = u64::from_ne_bytes([number; WORD]);
        assert_eq!(last, expected, "an entry is read before it is whole");
        head = (head + 1) % entries;

        let next = (index + 1) % completions;
        while registers.completion_head.load(Ordering::Relaxed) == next {
            thread::yield_now();
        }
        let entry = CompletionEntry {
            version: u32::from(number) + 1,
            cycles: 0,
            command_id: (first >> 16) as u16,
            submission_head: head as u16,
            status: 0,
            slot: number,
            phase,
        };
        let [first, second]: [u64; 2] = bytemuck::cast(entry);
        let at = index as usize * COMPLETION_BYTES / WORD;
        completion.0[at].store(first, Ordering::Relaxed);
        if plan.ordered_completion {
            fence(Ordering::Release);
        }
        completion.0[at + 1].store(second, Ordering::Relaxed);
        index = next;
        if index == 0 {
            phase ^= 1;
        }
    }
}

/// The host: keeps the ring as full as it can be.
fn host<const BARRIER: bool>(plan: Plan, registers: &Registers, rings: &mut Rings<Words<BARRIER>>) {
    let (mut submitted, mut completed) = (0, 0);
    while completed < plan.commands {
        while submitted < plan.commands {
            match rings.submit(command(submitted), Held::default()) {
                Ok(_) => submitted += 1,
                Err(Error::QueueFull) => break,
                Err(error) => panic!("{error}"),
            }
        }
        if let Some(doorbells) = rings.doorbells() {
            if let Some(head) = doorbells.completion_head {
                registers.completion_head.store(head, Ordering::Relaxed);
                rings.note_reported();
            }
            if plan.write_barrier {
                fence(Ordering::SeqCst);
            }
            let tail = doorbells.submission_tail;
            registers.submission_tail.store(tail, Ordering::Relaxed);
            rings.note_rung();
        }
        match rings.poll().expect("the device makes no mistakes") {
            Some((completion, _)) => {
                // Both words are of this answer, and answers come in order.
                assert_eq!(completion.slot, completed, "an answer is lost");
                let version = u32::from(completed) + 1;
                assert_eq!(completion.version, version, "an answer is read too early");
                completed += 1;
            }
            None => thread::yield_now(),
        }
    }
    assert_eq!(rings.in_flight(), 0);
}

/// Tries the executions of a plan, with at most `switches` of threads that nobody waits for.
fn explore<const BARRIER: bool>(plan: Plan, switches: usize) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(move || {
        let [entries, completions] = plan.entries;
        let submission = Words::<BARRIER>::new(entries as usize * ENTRY_BYTES);
        let completion = Words::<BARRIER>::new(completions as usize * COMPLETION_BYTES);
        let registers = Arc::new(Registers::default());
        let mut rings = Rings::new(
            SubmissionRing::new(submission.clone(), entries),
            CompletionRing::new(completion.clone(), completions),
            0,
        );
        let thread = thread::spawn({
            let registers = Arc::clone(&registers);
            move || device(plan, &registers, &submission, &completion)
        });
        host(plan, &registers, &mut rings);
        thread.join().expect("the device finds nothing wrong");
    });
}

/// One command at a time: each ring is full with it, and each index wraps around.
const SINGLE: Plan = Plan {
    entries: [2, 2],
    commands: 3,
    write_barrier: true,
    ordered_completion: true,
};

/// Two at a time, and a completion ring of another size.
const DOUBLE: Plan = Plan {
    entries: [3, 4],
    commands: 4,
    ..SINGLE
};

#[test]
fn entries_and_answers_are_whole_in_every_order() {
    explore::<true>(SINGLE, 5);
    explore::<true>(DOUBLE, 3);
}

#[test]
#[should_panic(expected = "an entry is read before it is whole")]
fn a_doorbell_without_its_barrier_is_noticed() {
    let plan = Plan {
        write_barrier: false,
        ..SINGLE
    };
    explore::<true>(plan, 3);
}

#[test]
#[should_panic(expected = "an answer is read too early")]
fn a_phase_without_its_barrier_is_noticed() {
    explore::<false>(SINGLE, 3);
}

#[test]
#[should_panic(expected = "an answer is read too early")]
fn a_device_that_writes_the_phase_first_is_noticed() {
    let plan = Plan {
        ordered_completion: false,
        ..SINGLE
    };
    explore::<true>(plan, 3);
}
