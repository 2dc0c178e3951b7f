//! A queue pair of the driver beside its model: each step is done to both, and they must agree.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use systole_driver::{Command, Completion, DeviceStatus, DmaBuffer, Error, QueuePair};
use systole_regs::Status;
use systole_regs::registers::{COMPLETION_HEAD_DOORBELL, SUBMISSION_TAIL_DOORBELL};

use super::accelerator::{Accelerator, ENTRY_BYTES};
use super::commands::entry;
use super::holds::{Held, Holds};
use super::model::{Model, Taken, completion};

/// A queue pair and what it must be.
pub(crate) struct Pair {
    queue: QueuePair,
    model: Model,
    entries: u32,
    /// Ids that were submitted and have not been answered.
    waiting: BTreeSet<u16>,
    /// What each slot of the submission ring must hold.
    written: Vec<[u8; ENTRY_BYTES]>,
    /// The entries that the device has been told of.
    handed_over: VecDeque<usize>,
    /// Whether the device has done nothing but its work.
    is_honest: bool,
}

impl Pair {
    /// An empty queue pair, whose commands are numbered from `next_id` on.
    pub fn new(queue: QueuePair, entries: u32, completion_entries: u32, next_id: u16) -> Self {
        Self {
            queue,
            model: Model::new(entries, completion_entries, next_id),
            entries,
            waiting: BTreeSet::new(),
            written: vec![[0; ENTRY_BYTES]; entries as usize],
            handed_over: VecDeque::new(),
            is_honest: true,
        }
    }

    /// The number that the next command may have at the earliest.
    pub fn next_id(&self) -> u16 {
        self.model.next_id()
    }

    /// Whether the device has done nothing but its work.
    pub fn is_honest(&self) -> bool {
        self.is_honest
    }

    /// The device does something else from now on.
    pub fn distrust(&mut self) {
        self.is_honest = false;
    }

    /// What holds after every step.
    pub fn check(&self) {
        let in_flight = self.queue.in_flight();
        assert_eq!(in_flight, self.model.in_flight());
        assert!(in_flight < self.entries as usize);
    }

    pub fn submit(
        &mut self,
        accelerator: &Accelerator,
        holds: &mut Holds,
        command: Command,
        buffers: &[&DmaBuffer],
    ) {
        let result = self.queue.submit_with(command, buffers);
        if let Some(held) = Held::new(&command, buffers) {
            match (result, self.model.submit()) {
                (Ok(id), Some((slot, expected))) => {
                    assert_eq!(id.0, expected);
                    assert!(self.waiting.insert(id.0), "an id in flight came twice");
                    self.written[slot] = entry(&command, id.0);
                    self.handed_over.push_back(slot);
                    holds.submitted(id.0, held);
                }
                (Err(Error::QueueFull), None) => {}
                (result, expected) => panic!("{result:?} instead of {expected:?}"),
            }
        } else {
            assert!(matches!(result, Err(Error::NotHeld { .. })), "{result:?}");
        }
        // The device is not told of it before the bell rings.
        assert_eq!(accelerator.take_doorbells(), []);
    }

    pub fn ring(&mut self, accelerator: &Accelerator) {
        let fails = accelerator.faults().write_fails_after;
        let tail = self.model.unrung_tail();
        let rung = self.queue.ring();
        let mut doorbells = accelerator.take_doorbells();
        if let Some(&(COMPLETION_HEAD_DOORBELL, head)) = doorbells.first() {
            assert_eq!(head, self.model.completion_head());
            doorbells.remove(0);
        }
        match (rung, tail) {
            (Ok(()), Some(tail)) => {
                assert_eq!(doorbells, [(SUBMISSION_TAIL_DOORBELL, tail)]);
                self.model.ring();
                for slot in self.handed_over.drain(..) {
                    assert_eq!(accelerator.submission(slot), Some(self.written[slot]));
                }
            }
            (Ok(()), None) => assert_eq!(doorbells, []),
            (Err(Error::BusError), Some(_)) => {
                assert!(fails.is_some());
                assert_eq!(doorbells, []);
            }
            (result, tail) => panic!("{result:?}, tail {tail:?}"),
        }
    }

    /// Polls; true if a completion came.
    pub fn poll(&mut self, accelerator: &Accelerator, holds: &mut Holds) -> bool {
        let expected = self.expected(accelerator);
        let result = self.queue.poll();
        self.agree(&expected, result, holds)
    }

    pub fn wait(&mut self, accelerator: &Accelerator, holds: &mut Holds) {
        let expected = self.expected(accelerator);
        let result = self.queue.wait(Duration::ZERO);
        let Taken::Nothing = expected else {
            self.agree(&expected, result.map(Some), holds);
            return;
        };
        let right = match &result {
            Err(Error::NothingInFlight) => self.model.in_flight() == 0,
            Err(Error::Timeout) => self.model.in_flight() > 0 && !accelerator.faults().gone,
            Err(Error::DeviceGone) => self.model.in_flight() > 0 && accelerator.faults().gone,
            _ => false,
        };
        assert!(right, "{result:?} from waiting for nothing");
    }

    /// What the driver must find in the completion ring.
    fn expected(&mut self, accelerator: &Accelerator) -> Taken {
        let slot = self.model.completion_head();
        let bytes = accelerator.completion(slot);
        self.model.take(bytes.expect("the device is enabled"))
    }

    /// Compares what the driver said; true if it was a completion.
    fn agree(
        &mut self,
        expected: &Taken,
        result: std::result::Result<Option<Completion>, Error>,
        holds: &mut Holds,
    ) -> bool {
        match (&result, expected) {
            (Ok(None), Taken::Nothing) => return false,
            (Ok(Some(found)), Taken::Completion(entry)) => {
                let status = match (entry.status, Status::from_code(entry.status)) {
                    (0, _) => Ok(()),
                    (_, Some(status)) => Err(DeviceStatus::Known(status)),
                    (code, None) => Err(DeviceStatus::Unknown(code)),
                };
                let right = Completion {
                    command_id: entry.command_id,
                    status,
                    version: entry.version,
                    cycles: entry.cycles,
                    slot: entry.slot,
                };
                assert_eq!(*found, right);
                assert!(
                    self.waiting.remove(&found.command_id),
                    "an answer that nobody waits for"
                );
                holds.completed(found.command_id, found.status.is_ok());
                return true;
            }
            (Err(Error::UnknownCommand { command_id }), Taken::Unknown(id)) if command_id == id => {
            }
            (Err(Error::CorruptCompletion { .. }), Taken::Corrupt) => {}
            _ => panic!("{result:?} instead of {expected:?}"),
        }
        assert!(
            !self.is_honest,
            "an honest device was not believed: {result:?}"
        );
        // A command whose completion was corrupt is not answered any more, and its id is free.
        let model = &self.model;
        self.waiting.retain(|&id| model.is_in_flight(id));
        false
    }

    /// Lets the device write an entry that is wrong in some fields, or in none.
    pub fn answer_wrongly(
        &mut self,
        accelerator: &Accelerator,
        u: &mut Unstructured<'_>,
    ) -> Result<()> {
        let Some((tail, phase)) = accelerator.completion_tail() else {
            return Ok(());
        };
        self.is_honest = false;
        let some_id = match u.int_in_range(0..=3)? {
            0..=2 => self.model.id_in_flight(u.arbitrary::<u8>()?.into()),
            _ => None,
        };
        let id = match some_id {
            Some(id) => id,
            None => u.arbitrary()?,
        };
        let head = match u.int_in_range(0..=3)? {
            0 => accelerator.submission_head(),
            1..=2 => u.int_in_range(0..=18)?,
            _ => u.arbitrary()?,
        };
        let phase = match u.int_in_range(0..=7)? {
            0..=5 => phase,
            6 => phase ^ 1,
            _ => u.arbitrary()?,
        };
        let mut answer = completion(id, head, phase);
        answer.status = u.arbitrary()?;
        let bytes = bytemuck::cast(answer);
        match u.int_in_range(0..=3)? {
            0..=2 => {
                accelerator.scribble(tail, bytes);
                accelerator.skip_completion();
            }
            _ => accelerator.scribble(u.arbitrary()?, bytes),
        }
        Ok(())
    }
}
