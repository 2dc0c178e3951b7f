//! A network's place on one unit: loaded, warmed up, and found to answer as the CPU does.
//!
//! ```text
//!  unit, network --load--> resident --rows, one and a batch--> the CPU's bytes? --> Seat, with its cost
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::DeployError;
use super::fleet::Unit;
use crate::cpu::CpuExecutor;
use crate::engine::{Cause, EngineError, Resident};
use crate::model::Network;

/// A network on one unit.
pub(super) struct Seat {
    pub resident: Resident,
    /// Nanoseconds of a row, by the last batches.
    row: AtomicU64,
}

/// What became of a network on a device.
pub(super) enum Seating {
    /// It is there.
    Seated(Seat),
    /// Others have the room, and may leave it.
    NoRoom,
    /// The device can't run it, or has failed with it.
    Unusable(EngineError),
}

impl Seat {
    /// The CPU's seat.
    pub fn on_cpu(resident: Resident) -> Seat {
        let row = resident.executor().map_or(Duration::ZERO, time_of_a_row);
        Seat {
            resident,
            row: AtomicU64::new(row.as_nanos() as u64),
        }
    }

    /// Loads a network on a device.
    ///
    /// # Errors
    /// If the network can't be used anywhere, or the device answers other bytes than the CPU.
    pub fn on_device(
        unit: &Unit,
        network: &Network,
        version: u32,
        batch: usize,
        executor: &CpuExecutor,
    ) -> Result<Seating, DeployError> {
        let resident = match unit.processor.load(network, version) {
            Ok(resident) => resident,
            Err(error) if error.cause() == Cause::NoRoom => return Ok(Seating::NoRoom),
            Err(error) if error.cause().is_processors() => return Ok(Seating::Unusable(error)),
            Err(error) => return Err(error.into()),
        };
        let mut row = Duration::ZERO;
        for rows in [1, batch] {
            let values = some_rows(executor.input_elements(), rows);
            let begin = Instant::now();
            let result = match resident.submit(values.clone()).wait() {
                Ok(result) => result,
                Err(error) => return Ok(Seating::Unusable(error)),
            };
            row = begin.elapsed() / u32::try_from(rows).unwrap_or(u32::MAX);
            if result.outputs != executor.run(&values, rows) {
                return Err(DeployError::Differs {
                    unit: unit.name().to_owned(),
                });
            }
        }
        Ok(Seating::Seated(Seat {
            resident,
            row: AtomicU64::new(row.as_nanos() as u64),
        }))
    }

    /// Time of a row.
    pub fn row_cost(&self) -> Duration {
        Duration::from_nanos(self.row.load(Ordering::Relaxed))
    }

    /// Notes what a batch took.
    pub fn learn_cost(&self, rows: usize, time: Duration) {
        let row = time.as_nanos() as u64 / rows.max(1) as u64;
        let before = self.row.load(Ordering::Relaxed);
        // An eighth of the new one: a batch that was held up does not change much.
        let after = (before.saturating_mul(7).saturating_add(row)).div_ceil(8);
        self.row.store(after, Ordering::Relaxed);
    }
}

/// Rows whose values differ, and are the same each time.
fn some_rows(elements: usize, rows: usize) -> Vec<i8> {
    let values = 0..elements * rows;
    values
        .map(|index| (index.wrapping_mul(0x9e37_79b9) >> 13) as i8)
        .collect()
}

/// What the CPU takes for a row. The first run allocates; the fastest of a few is the time.
fn time_of_a_row(executor: &CpuExecutor) -> Duration {
    let rows = some_rows(executor.input_elements(), 1);
    let begin = Instant::now();
    let mut fastest = Duration::MAX;
    for _ in 0..8 {
        let begin_run = Instant::now();
        std::hint::black_box(executor.run(&rows, 1));
        fastest = fastest.min(begin_run.elapsed());
        if begin.elapsed() > Duration::from_millis(20) {
            break;
        }
    }
    fastest
}
