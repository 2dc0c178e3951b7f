//! The thread that puts requests together and hands them to a unit of the fleet.
//!
//! ```text
//!  queue --batch, turn--> device --answers--> split, one for each request
//!    ^                      |
//!    +---- has failed ------+
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::deployment::Shared;
use super::fleet::Turn;
use super::queue::{Item, Leaver, Taken};
use super::request::{Answer, RequestError, Timing};
use crate::engine::{BatchRows, EngineError, start_thread};

/// Starts the thread. It ends when the queue has stopped and everything in it is computed.
pub(super) fn start(shared: Arc<Shared>) -> Result<(), EngineError> {
    start_thread("systole-batches", move || {
        let leave = |leaver| leave(&shared, leaver);
        let place = |avoid| shared.fleet.take_turn(|unit| cost(&shared, unit, avoid));
        while let Some((items, taken, turn)) = shared.queue.take(shared.gathering(), place, leave) {
            begin(&shared, Batch { items, turn, taken });
        }
    })
    .map(drop)
}

/// What a full batch takes on a unit that has not failed with it.
fn cost(shared: &Shared, unit: usize, avoid: u64) -> Option<Duration> {
    if avoid & (1 << unit) != 0 {
        return None;
    }
    let rows = u32::try_from(shared.options.rows).ok()?;
    Some(shared.row_cost(unit)?.saturating_mul(rows))
}

fn leave(shared: &Shared, leaver: Leaver) {
    match leaver {
        Leaver::Withdrawn(item) => shared.counts.cancelled(item.arrived.elapsed()),
        Leaver::Late(item) => {
            let waited = item.arrived.elapsed();
            let error = RequestError::Deadline { waited };
            shared.counts.refused(&error, waited);
            // Nobody may be waiting any more.
            let _ = item.reply.send(Err(error));
        }
    }
}

/// Requests that are computed together.
struct Batch {
    items: Vec<Item>,
    /// Their place on a unit.
    turn: Turn,
    /// Their way back.
    taken: Taken,
}

fn begin(shared: &Arc<Shared>, batch: Batch) {
    let begin = Instant::now();
    let Some(seat) = shared.seat(batch.turn.unit) else {
        // A turn is taken only where there is a seat.
        return;
    };
    let mut rows = BatchRows::default();
    for item in &batch.items {
        rows.push(item.rows.clone());
    }
    let then = Arc::clone(shared);
    seat.resident.submit_then(rows, move |result| {
        let outputs = result.map(|result| result.outputs);
        finish(&then, batch, outputs, begin);
    });
}

/// Answers each request of a batch, or lets another unit try.
fn finish(shared: &Shared, batch: Batch, result: Result<Vec<i8>, EngineError>, begin: Instant) {
    let computed = begin.elapsed();
    let Batch {
        mut items,
        turn,
        taken,
    } = batch;
    let rows: usize = items.iter().map(|item| item.count).sum();
    match result {
        Ok(outputs) => {
            shared.fleet.succeeded(turn.unit);
            if let Some(seat) = shared.seat(turn.unit) {
                seat.learn_cost(rows, computed);
            }
            // The next batch can begin while this one's answers are handed out.
            drop(turn);
            shared.counts.batch(rows, computed);
            let row = shared.network.output_elements();
            let mut outputs = &outputs[..];
            for item in items {
                let (own, rest) = outputs.split_at(item.count * row);
                outputs = rest;
                let timing = Timing {
                    queued: begin.saturating_duration_since(item.arrived),
                    computed,
                    batch: rows,
                };
                shared.counts.answered(item.count, timing);
                let _ = item.reply.send(Ok(Answer {
                    outputs: own.to_vec(),
                    version: shared.version,
                    timing,
                }));
            }
        }
        Err(error) if error.cause().is_processors() => {
            shared.fleet.failed(turn.unit, &error);
            shared.counts.failover(error.cause().as_str(), items.len());
            for item in &mut items {
                item.avoid |= 1 << turn.unit;
            }
            shared.queue.put_back(items);
            drop(turn);
        }
        Err(error) => {
            for item in items {
                let error = RequestError::from(error.clone());
                shared.counts.refused(&error, item.arrived.elapsed());
                let _ = item.reply.send(Err(error));
            }
        }
    }
    drop(taken);
}
