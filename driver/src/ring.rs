//! The two rings of a queue pair in DMA memory, and the rules for their indices (NVM Express Base
//! Specification 2.0, section 3.3).
//!
//! ```text
//!  submission   head (completions tell) --> [ e ][ e ][ e ][   ] <-- tail (host)
//!                                                   ^ rung: what the device was told
//!  completion   head (host) --> [ c ][ c ][ old ][ old ]           phase 1 on the first lap,
//!                                                                  0 on the second, ...
//! ```
//!
//! A ring of N entries holds N - 1; head equal to tail means empty.

use systole_regs::entries::CompletionEntry;

use crate::command::ENTRY_BYTES;
use crate::memory::read_barrier;
use crate::{DmaBuffer, Error};

/// Bytes of a completion.
pub(crate) const COMPLETION_BYTES: usize = size_of::<CompletionEntry>();

/// Offset of the completion's second word, in which the phase is.
const PHASE_WORD: usize = 8;

/// Position of the 16 phase bits in the second word.
const PHASE_SHIFT: usize = CompletionEntry::field("phase").bit();

const _: () = assert!(CompletionEntry::field("phase").word() * 8 == PHASE_WORD);

/// The index after `index`.
fn successor(index: u32, entries: u32) -> u32 {
    if index + 1 == entries { 0 } else { index + 1 }
}

/// Steps from `from` on to `to`.
fn distance(from: u32, to: u32, entries: u32) -> u32 {
    if to >= from {
        to - from
    } else {
        to + entries - from
    }
}

/// What a ring lies in: memory that the device has too, or, in tests of the order of accesses, a model
/// of such memory.
pub(crate) trait RingMemory {
    /// Writes an entry at `offset`, a multiple of its size, as words in the order of their addresses.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    fn store(&mut self, offset: usize, entry: &[u8; ENTRY_BYTES]) -> Result<(), Error>;

    /// Reads the word at `offset`, a multiple of 8, as a whole.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`].
    fn load(&self, offset: usize) -> Result<u64, Error>;

    /// Keeps later loads behind earlier ones.
    fn read_barrier();
}

impl RingMemory for DmaBuffer {
    fn store(&mut self, offset: usize, entry: &[u8; ENTRY_BYTES]) -> Result<(), Error> {
        self.write(offset, entry)
    }

    fn load(&self, offset: usize) -> Result<u64, Error> {
        self.read_value(offset)
    }

    fn read_barrier() {
        read_barrier();
    }
}

/// The ring that the host fills.
#[derive(Debug)]
pub(crate) struct SubmissionRing<M> {
    memory: M,
    entries: u32,
    /// Oldest entry that the device may still have to read.
    head: u32,
    /// Where the next entry goes.
    tail: u32,
    /// The tail that the device knows of.
    rung: u32,
}

impl<M: RingMemory> SubmissionRing<M> {
    /// An empty ring of `entries` entries of [`ENTRY_BYTES`] in `memory`.
    pub fn new(memory: M, entries: u32) -> Self {
        Self {
            memory,
            entries,
            head: 0,
            tail: 0,
            rung: 0,
        }
    }

    /// What the ring lies in.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Number of entries, one more than it holds.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Whether no entry is free.
    pub fn is_full(&self) -> bool {
        successor(self.tail, self.entries) == self.head
    }

    /// Writes an entry at the tail; the ring must not be full.
    pub fn push(&mut self, entry: &[u8; ENTRY_BYTES]) -> Result<(), Error> {
        debug_assert!(!self.is_full());
        self.memory.store(self.tail as usize * ENTRY_BYTES, entry)?;
        self.tail = successor(self.tail, self.entries);
        Ok(())
    }

    /// The tail that the device has not been told of, if there is one.
    pub fn unrung(&self) -> Option<u32> {
        (self.tail != self.rung).then_some(self.tail)
    }

    /// Notes that the device has been told of the tail.
    pub fn note_rung(&mut self) {
        self.rung = self.tail;
    }

    /// Entries that the device has not been told of.
    pub fn unrung_count(&self) -> u32 {
        distance(self.rung, self.tail, self.entries)
    }

    /// Frees the entries before `head`, as a completion reports it.
    ///
    /// # Errors
    /// [`Error::CorruptCompletion`] if the device cannot have read that far.
    pub fn advance(&mut self, head: u16) -> Result<(), Error> {
        let head = u32::from(head);
        let handed_over = distance(self.head, self.rung, self.entries);
        if head >= self.entries || distance(self.head, head, self.entries) > handed_over {
            return Err(Error::CorruptCompletion {
                detail: format!(
                    "submission head {head} is not between {} and the tail {}",
                    self.head, self.rung
                ),
            });
        }
        self.head = head;
        Ok(())
    }
}

/// The ring that the device fills.
#[derive(Debug)]
pub(crate) struct CompletionRing<M> {
    memory: M,
    entries: u32,
    /// Where the next completion will be.
    head: u32,
    /// The phase that makes it a new one.
    phase: u16,
    /// Completions taken since the device was last told the head.
    unreported: u32,
}

impl<M: RingMemory> CompletionRing<M> {
    /// An empty ring of `entries` entries of [`COMPLETION_BYTES`] in `memory`, which is zero.
    pub fn new(memory: M, entries: u32) -> Self {
        Self {
            memory,
            entries,
            head: 0,
            phase: 1,
            unreported: 0,
        }
    }

    /// What the ring lies in.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Number of entries, one more than it holds.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Takes the next completion if the device has written it. Reads host memory only.
    ///
    /// # Errors
    /// [`Error::CorruptCompletion`] if the reserved bits beside the phase are set.
    pub fn pop(&mut self) -> Result<Option<CompletionEntry>, Error> {
        let offset = self.head as usize * COMPLETION_BYTES;
        // One aligned 64-bit read: the phase is never seen without its word's other fields.
        let word = self.memory.load(offset + PHASE_WORD)?;
        let phase = (word >> PHASE_SHIFT) as u16;
        if phase & 1 != self.phase {
            return Ok(None);
        }
        // The phase shows that the entry is complete; nothing of it may be read before.
        M::read_barrier();
        // The word with the phase is not read again: what was looked at is what is used.
        let entry: CompletionEntry = bytemuck::cast([self.memory.load(offset)?, word]);
        self.head = successor(self.head, self.entries);
        if self.head == 0 {
            self.phase ^= 1;
        }
        self.unreported += 1;
        if phase > 1 {
            return Err(Error::CorruptCompletion {
                detail: format!("its phase field is {phase:#06x}"),
            });
        }
        Ok(Some(entry))
    }

    /// The head, if the device must be told of it before it is given more: `outstanding`
    /// commands and the completions that it takes for unread would not fit the ring otherwise.
    /// Telling it only then keeps most batches at one register write.
    pub fn must_report(&self, outstanding: u32) -> Option<u32> {
        (outstanding + self.unreported >= self.entries).then_some(self.head)
    }

    /// Notes that the device has been told of the head.
    pub fn note_reported(&mut self) {
        self.unreported = 0;
    }
}
