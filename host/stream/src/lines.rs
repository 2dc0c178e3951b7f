//! Splits what was read into lines, in one buffer of bounded size.
//!
//! ```text
//!  buffer  | done | line \n | line \n | part of a line |   room   |
//!                 ^ start                              ^ end
//! ```
//!
//! A line that is longer than the limit is skipped up to its end as it comes, and reported once.

use std::io::{self, Read};

/// Bytes that are read at a time, at most.
const CHUNK: usize = 64 * 1024;

/// One line of the input, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

/// The lines of an input.
pub(crate) struct Lines {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes from `start` that are known to hold no line feed.
    searched: usize,
    limit: usize,
    /// Whether the rest of a line that was too long is being skipped.
    skipping: bool,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Lines {
        Lines {
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            searched: 0,
            limit,
            skipping: false,
        }
    }

    /// Reads once, up to a chunk; 0 bytes mean the end of the input. Call it only after
    /// [`Lines::next`] has returned `None`.
    pub(crate) fn fill(&mut self, input: &mut impl Read) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // What is left is part of a line within the limit, so this is the largest it gets.
        let room = self.end + CHUNK;
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        let read = input.read(&mut self.buffer[self.end..room])?;
        self.end += read;
        Ok(read)
    }

    /// The next line that is there to its end.
    pub(crate) fn next(&mut self) -> Option<Line<'_>> {
        let from = self.start + self.searched;
        match memchr::memchr(b'\n', &self.buffer[from..self.end]) {
            Some(position) => {
                let line = self.start..from + position;
                self.start = line.end + 1;
                self.searched = 0;
                let too_long = std::mem::take(&mut self.skipping) || line.len() > self.limit;
                Some(self.line(line, too_long))
            }
            None if self.end - self.start > self.limit => {
                self.skipping = true;
                self.discard();
                None
            }
            None => {
                if self.skipping {
                    self.discard();
                }
                self.searched = self.end - self.start;
                None
            }
        }
    }

    /// The last line, if the input ended without a line feed.
    pub(crate) fn last(&mut self) -> Option<Line<'_>> {
        let line = self.start..self.end;
        let too_long = std::mem::take(&mut self.skipping);
        self.discard();
        (too_long || !line.is_empty()).then(move || self.line(line, too_long))
    }

    /// Bytes of a line that has not arrived to its end.
    pub(crate) fn unfinished(&self) -> usize {
        self.end - self.start
    }

    fn line(&self, range: std::ops::Range<usize>, too_long: bool) -> Line<'_> {
        if too_long {
            Line::TooLong
        } else {
            Line::Whole(&self.buffer[range])
        }
    }

    fn discard(&mut self) {
        self.start = 0;
        self.end = 0;
        self.searched = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives at most `step` bytes a read.
    struct Trickle<'a> {
        rest: &'a [u8],
        step: usize,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let step = self.step.min(buffer.len());
            (&mut self.rest).take(step as u64).read(buffer)
        }
    }

    /// All lines, `None` for the ones that are too long, and the largest size of the buffer.
    fn collect(input: &[u8], step: usize, limit: usize) -> (Vec<Option<Vec<u8>>>, usize) {
        let own = |line: Line| match line {
            Line::Whole(bytes) => Some(bytes.to_vec()),
            Line::TooLong => None,
        };
        let mut input = Trickle { rest: input, step };
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        let mut largest = 0;
        while lines.fill(&mut input).expect("reading memory succeeds") > 0 {
            while let Some(line) = lines.next() {
                found.push(own(line));
            }
            largest = largest.max(lines.buffer.len());
        }
        found.extend(lines.last().map(own));
        (found, largest)
    }

    #[test]
    fn a_line_ends_with_a_line_feed_or_with_the_input() {
        let whole = |text: &str| Some(text.as_bytes().to_vec());
        for (input, lines) in [
            ("", vec![]),
            ("a", vec![whole("a")]),
            ("a\n", vec![whole("a")]),
            (
                "a\n\nbc\r\nd",
                vec![whole("a"), whole(""), whole("bc\r"), whole("d")],
            ),
        ] {
            assert_eq!(collect(input.as_bytes(), 3, 100).0, lines, "{input:?}");
        }
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut input = vec![b'x'; 10_000_000];
        input.extend(b"\nshort\n");
        let (lines, largest) = collect(&input, 1 << 20, 1000);
        assert_eq!(lines, [None, Some(b"short".to_vec())]);
        assert!(largest <= 1000 + CHUNK);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_input_arrives(
            input in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>(), Just(b'x')], 0..300),
            step in 1_usize..40,
            limit in 1_usize..20,
        ) {
            let mut expected: Vec<_> = input
                .split(|&byte| byte == b'\n')
                .map(|line| (line.len() <= limit).then(|| line.to_vec()))
                .collect();
            if expected.last() == Some(&Some(Vec::new())) {
                expected.pop();
            }
            prop_assert_eq!(collect(&input, step, limit).0, expected);
        }
    }
}
