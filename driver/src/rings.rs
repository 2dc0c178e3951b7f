//! Both rings of a queue pair and the ids in flight: all of a queue's logic that needs no device.
//!
//! ```text
//!  submit -> [ submission ]     doorbells: head (once in a lap), tail --> device
//!  poll  <-- [ completion ] <-- ids in flight: an answer that nobody waits for is an error
//! ```

use std::collections::VecDeque;

use crate::command::CommandIds;
use crate::holds::Held;
use crate::ring::{CompletionRing, RingMemory, SubmissionRing};
use crate::{Command, CommandId, Completion, Error};

/// What the device is to be told, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doorbells {
    /// The completion head, when the ring might not hold what is to come.
    pub completion_head: Option<u32>,
    /// The submission tail.
    pub submission_tail: u32,
}

/// The rings, which one thread owns.
#[derive(Debug)]
pub(crate) struct Rings<M> {
    submission: SubmissionRing<M>,
    completion: CompletionRing<M>,
    ids: CommandIds,
    /// What commands in flight keep, in the order of their submission.
    held: VecDeque<(CommandId, Held)>,
}

impl<M: RingMemory> Rings<M> {
    /// Empty rings, whose commands are numbered from `first_id` on.
    pub fn new(
        submission: SubmissionRing<M>,
        completion: CompletionRing<M>,
        first_id: u16,
    ) -> Self {
        Self {
            held: VecDeque::with_capacity(submission.entries() as usize),
            submission,
            completion,
            ids: CommandIds::starting_at(first_id),
        }
    }

    /// The ring of commands.
    pub fn submission(&self) -> &SubmissionRing<M> {
        &self.submission
    }

    /// The ring of completions.
    pub fn completion(&self) -> &CompletionRing<M> {
        &self.completion
    }

    /// Id of the next command.
    pub fn next_id(&self) -> u16 {
        self.ids.next()
    }

    /// Writes a command that the device has not been told of yet. What it keeps comes back with its
    /// completion.
    ///
    /// # Errors
    /// [`Error::QueueFull`].
    pub fn submit(&mut self, command: Command, held: Held) -> Result<CommandId, Error> {
        // The device may have read an entry and not answered it. Counting commands as well as
        // entries bounds what the completion ring must hold.
        let holds = self.submission.entries() as usize - 1;
        if self.submission.is_full() || self.ids.count() >= holds {
            return Err(Error::QueueFull);
        }
        let id = self.ids.take().ok_or(Error::QueueFull)?;
        self.submission.push(&command.entry(id))?;
        self.held.push_back((id, held));
        Ok(id)
    }

    /// What the device must be told of; nothing if nothing was submitted since.
    pub fn doorbells(&self) -> Option<Doorbells> {
        let submission_tail = self.submission.unrung()?;
        Some(Doorbells {
            // At most 65535 commands are in flight.
            completion_head: self.completion.must_report(self.ids.count() as u32),
            submission_tail,
        })
    }

    /// Notes that the device has been told of the completion head.
    pub fn note_reported(&mut self) {
        self.completion.note_reported();
    }

    /// Notes that the device has been told of the submission tail.
    pub fn note_rung(&mut self) {
        self.submission.note_rung();
    }

    /// Takes a completion if there is one, and what its command kept.
    ///
    /// # Errors
    /// [`Error::UnknownCommand`], [`Error::CorruptCompletion`]: what a device keeps that says such a
    /// thing is kept until the rings end.
    pub fn poll(&mut self) -> Result<Option<(Completion, Held)>, Error> {
        let Some(entry) = self.completion.pop()? else {
            return Ok(None);
        };
        if !self.ids.finish(entry.command_id) {
            return Err(Error::UnknownCommand {
                command_id: entry.command_id,
            });
        }
        self.submission.advance(entry.submission_head)?;
        // The first one, unless the device is wrong about the order.
        let is = |(id, _): &(CommandId, Held)| id.0 == entry.command_id;
        let position = self.held.iter().position(is);
        let held = position.and_then(|position| self.held.remove(position));
        let held = held.map(|(_, held)| held).unwrap_or_default();
        Ok(Some((Completion::from(entry), held)))
    }

    /// What commands in flight keep.
    pub fn take_held(&mut self) -> impl Iterator<Item = Held> {
        self.held.drain(..).map(|(_, held)| held)
    }

    /// Commands that the device has been told of and has not completed.
    pub fn in_flight(&self) -> usize {
        // A faulty device may have completed what it was never told of.
        let unrung = self.submission.unrung_count() as usize;
        self.ids.count().saturating_sub(unrung)
    }
}

#[cfg(test)]
mod ordering;
