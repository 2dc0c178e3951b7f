//! A batch: consecutive lines of the input that are computed and answered together.

use std::time::Instant;

use crate::event::{Decoder, EventError, Id};
use crate::lines::Line;

/// One line that waits for its answer.
pub(crate) struct Entry {
    /// Number of the line in the input, from 1.
    pub(crate) line: u64,
    /// If it could be read.
    pub(crate) id: Option<Id>,
    /// When the end of the line had arrived.
    pub(crate) arrival: Instant,
    pub(crate) content: Content,
}

impl Entry {
    /// Whether it has a row in the batch.
    pub(crate) fn is_row(&self) -> bool {
        matches!(self.content, Content::Row { .. })
    }
}

/// What a line turned out to be.
pub(crate) enum Content {
    /// The next row of the batch.
    Row {
        /// Whether the answer is wanted in integers.
        quantized: bool,
    },
    /// No event.
    Malformed(EventError),
}

/// Lines in the order of the input, with the rows of those that are events.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) rows: Vec<i8>,
}

impl Batch {
    /// Takes one line.
    pub(crate) fn push(
        &mut self,
        line: &Line<'_>,
        number: u64,
        arrival: Instant,
        limit: usize,
        decoder: &mut Decoder<'_>,
    ) {
        let (id, content) = match line {
            Line::TooLong => (None, Content::Malformed(EventError::TooLong { limit })),
            Line::Whole(bytes) => match decoder.decode(bytes, &mut self.rows) {
                Ok(event) => {
                    let quantized = event.quantized;
                    (Some(event.id), Content::Row { quantized })
                }
                Err(malformed) => (malformed.id, Content::Malformed(malformed.error)),
            },
        };
        self.entries.push(Entry {
            line: number,
            id,
            arrival,
            content,
        });
    }
}
