//! The reading half: lines into batches, batches to the engine and, in order, to the writer.
//!
//! ```text
//!            +--> input readable --> read a chunk --> lines --> batch --full--> submit
//!  wait for -+--> first row of the batch is max_wait old -----------------> submit
//!            +--> stop requested --> submit the rest, end
//! ```

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::batch::{Batch, Entry};
use crate::event::Decoder;
use crate::lines::{Line, Lines};
use crate::predictor::Predictor;
use crate::service::StreamOptions;
use crate::stop::Stop;

/// A batch on its way to the writer.
pub(crate) struct Submitted<T> {
    pub(crate) entries: Vec<Entry>,
    /// Rows of the batch; fewer than entries where lines were malformed.
    pub(crate) rows: usize,
    /// `None` if there are no rows, or no device any more to compute them.
    pub(crate) pending: Option<T>,
}

/// Why reading ended.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// With the input.
    Input,
    /// Because it was asked to, with this many bytes of a line that had not arrived to its end.
    Stopped { unfinished: usize },
    /// Because the input failed.
    Failed(io::Error),
    /// Because the writer takes no more batches.
    Abandoned,
}

/// What is shared with the rest of the service.
pub(crate) struct Reader<'s, P: Predictor> {
    pub(crate) predictor: &'s P,
    pub(crate) options: &'s StreamOptions,
    pub(crate) stop: &'s Stop,
    /// Set by the writer when the device has failed.
    pub(crate) failed: &'s AtomicBool,
    pub(crate) sender: Sender<Submitted<P::Pending>>,
}

/// What reading waits for.
enum Event {
    Readable,
    Stop,
    Timeout,
}

impl<P: Predictor> Reader<'_, P> {
    /// Reads until the input ends, the stop is requested, or the input or the output fails. What
    /// was read is submitted in every case. `progress` is told the bytes of each read.
    pub(crate) fn run(
        self,
        mut input: impl Read + AsFd,
        mut decoder: Decoder<'_>,
        progress: &dyn Fn(u64),
    ) -> ReadEnd {
        let mut state = State {
            reader: self,
            batch: Batch::default(),
            lines_read: 0,
            arrival: Instant::now(),
        };
        let mut lines = Lines::new(state.reader.options.line_bytes);
        let end = loop {
            while let Some(line) = lines.next() {
                if state.take(&line, &mut decoder).is_err() {
                    return ReadEnd::Abandoned;
                }
            }
            match state.reader.wait(input.as_fd(), state.deadline()) {
                Err(error) => break ReadEnd::Failed(error),
                Ok(Event::Stop) => {
                    let unfinished = lines.unfinished();
                    break ReadEnd::Stopped { unfinished };
                }
                Ok(Event::Timeout) => {
                    if state.submit().is_err() {
                        return ReadEnd::Abandoned;
                    }
                }
                Ok(Event::Readable) => match lines.fill(&mut input) {
                    Ok(0) => break ReadEnd::Input,
                    Ok(bytes) => {
                        state.arrival = Instant::now();
                        progress(bytes as u64);
                    }
                    Err(error) if is_transient(&error) => {}
                    Err(error) => break ReadEnd::Failed(error),
                },
            }
        };
        // A line that the end of the input ends is a line; one that stopping cut off is not.
        if let ReadEnd::Input = end
            && let Some(line) = lines.last()
            && state.take(&line, &mut decoder).is_err()
        {
            return ReadEnd::Abandoned;
        }
        match state.submit() {
            Ok(()) => end,
            Err(Abandoned) => ReadEnd::Abandoned,
        }
    }

    /// Waits until the input is readable, the stop is requested or the deadline has passed.
    fn wait(&self, input: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<Event> {
        loop {
            if self.stop.is_requested() {
                return Ok(Event::Stop);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Event::Timeout);
            }
            let mut files = [
                PollFd::new(input, PollFlags::POLLIN),
                PollFd::new(self.stop.wake(), PollFlags::POLLIN),
            ];
            match ppoll(&mut files, left.map(TimeSpec::from_duration), None) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if self.stop.is_requested() {
                return Ok(Event::Stop);
            }
            // Errors and hang-ups count as readable: reading says what they are.
            if files[0].revents() != Some(PollFlags::empty()) {
                return Ok(Event::Readable);
            }
        }
    }
}

/// The writer takes no more batches.
struct Abandoned;

/// The batch that is being gathered.
struct State<'s, P: Predictor> {
    reader: Reader<'s, P>,
    batch: Batch,
    lines_read: u64,
    /// When the last chunk was read.
    arrival: Instant,
}

impl<P: Predictor> State<'_, P> {
    fn take(&mut self, line: &Line<'_>, decoder: &mut Decoder<'_>) -> Result<(), Abandoned> {
        self.lines_read += 1;
        let limit = self.reader.options.line_bytes;
        self.batch
            .push(line, self.lines_read, self.arrival, limit, decoder);
        if self.batch.entries.len() < self.reader.options.batch_rows {
            return Ok(());
        }
        self.submit()
    }

    /// When the batch has to leave even if it isn't full.
    fn deadline(&self) -> Option<Instant> {
        let first = self.batch.entries.first()?;
        first.arrival.checked_add(self.reader.options.batch_wait)
    }

    /// Submits the batch, if there is one, and starts the next. Blocks while as many batches are
    /// in flight as may be.
    fn submit(&mut self) -> Result<(), Abandoned> {
        if self.batch.entries.is_empty() {
            return Ok(());
        }
        let capacity = self.batch.entries.capacity();
        let Batch { entries, rows } = std::mem::take(&mut self.batch);
        self.batch.entries.reserve(capacity);
        self.batch.rows.reserve(rows.len());
        let count = entries.iter().filter(|entry| entry.is_row()).count();
        let computable = count > 0 && !self.reader.failed.load(Ordering::SeqCst);
        let submitted = Submitted {
            entries,
            rows: count,
            pending: computable.then(|| self.reader.predictor.submit(rows)),
        };
        self.reader.sender.send(submitted).map_err(|_| Abandoned)
    }
}

/// Whether reading again is all there is to do.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}
