//! Requests that wait for a processor: bounded, by priority, none longer than its deadline.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::request::{Refusal, Reply};

/// A request that was accepted.
pub(super) struct Item {
    pub rows: Bytes,
    /// Number of rows.
    pub count: usize,
    pub priority: u8,
    pub deadline: Option<Instant>,
    pub arrived: Instant,
    /// Units that have failed with it, a bit each.
    pub avoid: u64,
    pub reply: Reply,
}

impl Item {
    /// Whether nobody waits for the answer any more.
    fn is_withdrawn(&self) -> bool {
        self.reply.is_closed()
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// What leaves the queue uncomputed.
pub(super) enum Leaver {
    /// Its caller has gone.
    Withdrawn(Item),
    /// Its deadline has passed.
    Late(Item),
}

/// Rows that are put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathering {
    /// Rows of a batch, at most; a request with more is a batch of its own.
    pub rows: usize,
    /// How long the oldest request may wait for others.
    pub wait: Duration,
}

/// The queue of one deployment.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    bound: usize,
}

#[derive(Default)]
struct State {
    levels: BTreeMap<u8, VecDeque<Item>>,
    requests: usize,
    rows: usize,
    /// Batches that were taken and may come back.
    taken: usize,
    stopped: bool,
}

/// A batch that was taken. As long as one is there, its requests may be put back.
pub(super) struct Taken(Arc<Queue>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.changed.notify_all();
    }
}

impl Queue {
    /// A queue for this many requests.
    pub fn new(bound: usize) -> Queue {
        Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            bound,
        }
    }

    /// Requests and rows that wait.
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.requests, state.rows)
    }

    /// Adds a request, unless it is refused.
    pub fn push(&self, item: Item) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.stopped {
            return Err(Refusal::Stopped);
        }
        if state.requests >= self.bound {
            return Err(Refusal::QueueFull { bound: self.bound });
        }
        state.add(item, VecDeque::push_back);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Puts requests back that were taken, before those of their priority. They were accepted once,
    /// so neither the bound nor a stop keeps them out.
    pub fn put_back(&self, items: Vec<Item>) {
        let mut state = self.lock();
        for item in items.into_iter().rev() {
            state.add(item, VecDeque::push_front);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes no more requests. Those that wait are still computed.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Looks again whether a batch can begin.
    pub fn look_again(&self) {
        // A dispatcher that is about to wait holds the lock: it must not miss this.
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Waits until there is a batch and a place for it; `None` when the queue has stopped and nothing
    /// is in it or may come back. Requests without a use any more are handed to `leave`.
    ///
    /// `place` is asked with what the first request avoids; it is asked again after [`Queue::look_again`].
    pub fn take<P>(
        self: &Arc<Self>,
        gathering: Gathering,
        mut place: impl FnMut(u64) -> Option<P>,
        mut leave: impl FnMut(Leaver),
    ) -> Option<(Vec<Item>, Taken, P)> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            state.sweep(now, &mut leave);
            let Some(first) = state.first() else {
                if state.stopped && state.taken == 0 {
                    return None;
                }
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let avoid = first.avoid;
            let ready = state.ready(gathering, now);
            if ready.is_none()
                && let Some(place) = place(avoid)
            {
                state.taken += 1;
                let items = state.pop(gathering.rows, avoid);
                return Some((items, Taken(Arc::clone(self)), place));
            }
            // Something ends the wait: more requests, a place, a deadline.
            let until = [ready, state.next_deadline()].into_iter().flatten().min();
            state = match until {
                Some(until) => {
                    let pause = until.saturating_duration_since(now);
                    let waited = self.changed.wait_timeout(state, pause);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No operation leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, item: Item, push: impl FnOnce(&mut VecDeque<Item>, Item)) {
        self.requests += 1;
        self.rows += item.count;
        push(self.levels.entry(item.priority).or_default(), item);
    }

    fn removed(&mut self, item: &Item) {
        self.requests -= 1;
        self.rows -= item.count;
    }

    fn first(&self) -> Option<&Item> {
        self.levels.values().find_map(VecDeque::front)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.levels.values().flatten()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.items().filter_map(|item| item.deadline).min()
    }

    /// When the batch may begin, if that is not now.
    fn ready(&self, gathering: Gathering, now: Instant) -> Option<Instant> {
        if gathering.wait.is_zero() || self.rows >= gathering.rows || self.stopped {
            return None;
        }
        let oldest = self.items().map(|item| item.arrived).min()?;
        Some(oldest + gathering.wait).filter(|&begin| begin > now)
    }

    /// Removes what nobody waits for, and what is late.
    fn sweep(&mut self, now: Instant, leave: &mut impl FnMut(Leaver)) {
        let goes = |item: &Item| item.is_withdrawn() || item.is_late(now);
        if !self.items().any(goes) {
            return;
        }
        for level in std::mem::take(&mut self.levels) {
            let (priority, items) = level;
            for item in items {
                if item.is_withdrawn() {
                    self.removed(&item);
                    leave(Leaver::Withdrawn(item));
                } else if item.is_late(now) {
                    self.removed(&item);
                    leave(Leaver::Late(item));
                } else {
                    self.levels.entry(priority).or_default().push_back(item);
                }
            }
        }
    }

    /// Takes the first requests of the same kind, as many as make a batch.
    fn pop(&mut self, rows_max: usize, avoid: u64) -> Vec<Item> {
        let mut batch = Vec::new();
        let mut rows = 0;
        while let Some(mut level) = self.levels.first_entry() {
            let Some(next) = level.get().front() else {
                level.remove();
                continue;
            };
            if !batch.is_empty() && (rows + next.count > rows_max || next.avoid != avoid) {
                break;
            }
            rows += next.count;
            let item = level.get_mut().pop_front();
            let Some(item) = item else { break };
            self.removed(&item);
            batch.push(item);
        }
        batch
    }
}

#[cfg(test)]
mod tests;
