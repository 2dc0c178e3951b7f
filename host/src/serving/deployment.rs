//! One version of a network on a fleet: loaded, warmed, compared, and then served from its queue.
//!
//! ```text
//!  network --+--> CPU, prepared ----------------> first rows, timed
//!            +--> each device: compiled, loaded --> the same rows: the same bytes, or it is not used
//! ```

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::counts::{Counts, Times};
use super::dispatcher;
use super::fleet::Fleet;
use super::queue::{Gathering, Item, Queue};
use super::request::{Answer, PendingAnswer, Refusal, Request, RequestError, Timing};
use super::seat::{Seat, Seating};
use crate::cpu::CpuExecutor;
use crate::engine::{BATCH_MAX, Cause, EngineError};
use crate::model::Network;
use crate::signature::Signature;

/// A CPU computes this long on the thread of a caller; what takes longer goes to a thread of its own.
const AT_ONCE: Duration = Duration::from_micros(200);

/// How batches form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchingOptions {
    /// Rows of a batch, at most; 1 to [`BATCH_MAX`]. A request may have more: it is a batch of its own.
    pub rows: usize,
    /// How long a request may wait for others while a processor is free.
    pub wait: Duration,
    /// Requests that may wait; at least 1.
    pub queue: usize,
}

impl Default for BatchingOptions {
    /// 64 rows, no waiting (batches form while processors are busy), 1,024 requests.
    fn default() -> Self {
        Self {
            rows: 64,
            wait: Duration::ZERO,
            queue: 1024,
        }
    }
}

/// Why a network can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The options can't be.
    #[error("{0}")]
    Options(String),
    /// The network is inconsistent, or the system gives no thread.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A device computes something else than the CPU.
    #[error("the device {unit} answers other bytes than the CPU: don't use it")]
    Differs {
        /// Name of the device.
        unit: String,
    },
    /// A replacement takes or gives something else.
    #[error(
        "a network with {found} can't replace one with {expected}: load it as a model of its own"
    )]
    OtherSignature {
        /// The replacement's.
        found: Box<Signature>,
        /// The model's.
        expected: Box<Signature>,
    },
    /// A replacement was judged, and is not served.
    #[error("the new version is not served: {0}")]
    NotAccepted(String),
    /// There is no way back.
    #[error("no other version was served before this one: replace it by a file")]
    NoPrevious,
}

/// A network that is served. Dropping it lets what waits be computed, and then frees its places.
pub struct Deployment {
    pub(super) shared: Arc<Shared>,
}

/// What the callers and the dispatcher share.
pub(super) struct Shared {
    pub fleet: Arc<Fleet>,
    pub network: Arc<Network>,
    pub version: u32,
    pub queue: Arc<Queue>,
    pub counts: Arc<Counts>,
    pub options: BatchingOptions,
    /// For each unit of the fleet, once the network is there.
    pub seats: Vec<OnceLock<Seat>>,
}

impl Deployment {
    /// Loads a network wherever it fits, warms it up, and serves it. Devices that can't hold it are
    /// left out, with a line in the log; the CPU always can.
    ///
    /// # Errors
    /// If the options are impossible, the network is inconsistent, a device answers other bytes than
    /// the CPU, or the system gives no thread.
    pub fn new(
        fleet: &Arc<Fleet>,
        network: Arc<Network>,
        version: u32,
        options: BatchingOptions,
    ) -> Result<Deployment, DeployError> {
        if !(1..=BATCH_MAX).contains(&options.rows) {
            let rows = options.rows;
            let text = format!("{rows} rows of a batch: use 1 to {BATCH_MAX}");
            return Err(DeployError::Options(text));
        }
        if options.queue == 0 {
            let text = "a queue for no request: use at least 1".to_owned();
            return Err(DeployError::Options(text));
        }
        let on_cpu = fleet.cpu().processor.load(&network, version)?;
        let shared = Arc::new(Shared {
            seats: fleet.units.iter().map(|_| OnceLock::new()).collect(),
            fleet: Arc::clone(fleet),
            network,
            version,
            queue: Arc::new(Queue::new(options.queue)),
            counts: Arc::default(),
            options,
        });
        // The CPU is the last of them.
        let _ = shared.seats[shared.seats.len() - 1].set(Seat::on_cpu(on_cpu));
        shared.take_seats()?;
        fleet.register(&shared.queue);
        dispatcher::start(Arc::clone(&shared))?;
        Ok(Deployment { shared })
    }

    /// Loads the network on devices where others had the room before, if they have left it. Whether it
    /// is everywhere now where it may be.
    ///
    /// # Errors
    /// If a device answers other bytes than the CPU.
    pub fn settle(&self) -> Result<bool, DeployError> {
        self.shared.take_seats()
    }

    /// Calls [`Deployment::settle`] until nothing is left to be had, or for so long; what it says then.
    ///
    /// # Errors
    /// If a device answers other bytes than the CPU.
    pub fn settle_within(&self, time: Duration) -> Result<bool, DeployError> {
        let begin = Instant::now();
        loop {
            let settled = self.settle()?;
            // An old version may have requests left, or other models have the room for good.
            if settled || begin.elapsed() >= time {
                return Ok(settled);
            }
            std::thread::sleep(time / 20);
        }
    }

    /// Hands a request in. It never blocks for longer than the CPU needs for a few rows: where that
    /// serves and nothing waits, such a request is computed here and now.
    pub fn submit(&self, request: Request) -> PendingAnswer {
        let arrived = Instant::now();
        match self.accept(request, arrived) {
            Ok(pending) => pending,
            Err(error) => {
                self.shared.counts.refused(&error, arrived.elapsed());
                PendingAnswer::ready(Err(error))
            }
        }
    }

    fn accept(&self, request: Request, arrived: Instant) -> Result<PendingAnswer, RequestError> {
        let shared = &self.shared;
        let (values, row) = (request.rows.len(), shared.network.input_elements());
        if !values.is_multiple_of(row) {
            return Err(RequestError::RowLength { values, row });
        }
        let count = values / row;
        let (requests, rows) = shared.queue.waiting();
        if requests == 0
            && let Some(executor) = shared.at_once(count)
        {
            let answer = shared.compute_here(executor, &request.rows, count, arrived);
            return Ok(PendingAnswer::ready(Ok(answer)));
        }
        if let Some(deadline) = request.deadline {
            let left = deadline.saturating_duration_since(arrived);
            let expected = shared
                .fleet
                .expected(rows + count, |unit| shared.row_cost(unit));
            if expected > left {
                return Err(Refusal::TooLate { expected, left }.into());
            }
        }
        let (reply, pending) = PendingAnswer::new();
        let item = Item {
            rows: request.rows,
            count,
            priority: request.priority,
            deadline: request.deadline,
            arrived,
            avoid: 0,
            reply,
        };
        shared.queue.push(item)?;
        Ok(pending)
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.shared.network
    }

    /// Its version, which every answer is stamped with.
    pub fn version(&self) -> u32 {
        self.shared.version
    }

    /// How batches form.
    pub fn options(&self) -> BatchingOptions {
        self.shared.options
    }

    /// What it has done so far.
    pub fn times(&self) -> Times {
        self.shared.counts.read()
    }

    /// Requests and rows that wait.
    pub fn waiting(&self) -> (usize, usize) {
        self.shared.queue.waiting()
    }

    /// Names of the units that it is loaded on.
    pub fn units(&self) -> Vec<String> {
        let units = self.shared.fleet.units.iter().zip(&self.shared.seats);
        units
            .filter(|(unit, seat)| seat.get().is_some() && !unit.is_lost())
            .map(|(unit, _)| unit.name().to_owned())
            .collect()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.shared.queue.stop();
    }
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment")
            .field("network", &self.shared.network.name)
            .field("version", &self.shared.version)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Loads the network on every device where it is not yet and might be; whether none is left where
    /// others have the room.
    fn take_seats(&self) -> Result<bool, DeployError> {
        let executor = self.cpu().and_then(|seat| seat.resident.executor());
        let executor = executor.ok_or(EngineError::Stopped)?;
        let mut settled = true;
        for (index, unit) in self.fleet.units.iter().enumerate() {
            if self.seat(index).is_some() || unit.is_lost() {
                continue;
            }
            let (name, device) = (&self.network.name, unit.name());
            let (version, rows) = (self.version, self.options.rows);
            match Seat::on_device(unit, &self.network, version, rows, executor)? {
                Seating::Seated(seat) => drop(self.seats[index].set(seat)),
                Seating::NoRoom => settled = false,
                Seating::Unusable(error) => {
                    tracing::warn!(model = name, version, device, %error, "the device is not used");
                    if matches!(error.cause(), Cause::DeviceLost | Cause::Timeout) {
                        self.fleet.failed(index, &error);
                    }
                }
            }
        }
        Ok(settled)
    }

    /// The network's place on a unit.
    pub fn seat(&self, unit: usize) -> Option<&Seat> {
        self.seats.get(unit)?.get()
    }

    /// The place on the CPU, which is the last of the units.
    fn cpu(&self) -> Option<&Seat> {
        self.seats.last()?.get()
    }

    /// Time of a row on a unit; `None` where the network is not loaded.
    pub fn row_cost(&self, unit: usize) -> Option<Duration> {
        self.seat(unit).map(Seat::row_cost)
    }

    /// The CPU's part, where that serves and is done with so many rows sooner than a thread could be
    /// woken for it.
    fn at_once(&self, rows: usize) -> Option<&CpuExecutor> {
        if self.has_devices() || !self.options.wait.is_zero() {
            return None;
        }
        let cpu = self.cpu()?;
        let time = cpu.row_cost().checked_mul(u32::try_from(rows).ok()?)?;
        cpu.resident.executor().filter(|_| time <= AT_ONCE)
    }

    /// Whether a device has it.
    fn has_devices(&self) -> bool {
        let units = self.fleet.units.iter().zip(&self.seats);
        let mut devices =
            units.filter(|(unit, seat)| unit.is_device && seat.get().is_some() && !unit.is_lost());
        devices.next().is_some()
    }

    fn compute_here(
        &self,
        executor: &CpuExecutor,
        rows: &Bytes,
        count: usize,
        arrived: Instant,
    ) -> Answer {
        let outputs = executor.run(bytemuck::cast_slice(rows), count);
        let computed = arrived.elapsed();
        let timing = Timing {
            queued: Duration::ZERO,
            computed,
            batch: count,
        };
        self.fleet.cpu().computed_at_once(computed);
        self.counts.batch(count, computed);
        self.counts.answered(count, timing);
        Answer {
            outputs,
            version: self.version,
            timing,
        }
    }

    /// What the dispatcher gathers.
    pub fn gathering(&self) -> Gathering {
        Gathering {
            rows: self.options.rows,
            wait: self.options.wait,
        }
    }
}
