//! What computes: devices, and this machine's CPU. A batch takes a turn on the unit that will have it
//! done first.
//!
//! ```text
//!  unit 0  device   [batch][batch]            turns: one is computed, the next one is there already
//!  unit 1  device   [batch]      <----------- the next batch
//!  cpu              a turn for each processor, used where no device can
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::queue::Queue;
use crate::engine::{Backend, Cause, EngineError, EngineOptions, Processor, SlotNetwork};

/// Batches that a device has at once: it computes one while the next is being written.
const DEVICE_TURNS: usize = 2;

/// Batches in a row that a device fails with, having been reset in vain for each, before it is given up.
const FAILURES_MAX: usize = 2;

/// Units of a fleet at most: requests remember those that failed in a word.
const UNITS_MAX: usize = 64;

/// The devices and the CPU that deployments share.
pub struct Fleet {
    pub(super) units: Vec<Unit>,
    /// Deployments whose batches may wait for a turn.
    queues: Mutex<Vec<Weak<Queue>>>,
}

/// One of them.
pub(super) struct Unit {
    name: String,
    pub processor: Processor,
    pub is_device: bool,
    /// Whether it is used although others could.
    preferred: bool,
    turns: usize,
    taken: AtomicUsize,
    /// Nanoseconds that the turns in use will take, estimated.
    load: AtomicU64,
    /// Nanoseconds in which at least one turn was in use, and since when one is.
    busy: Mutex<Busy>,
    /// Nanoseconds that callers' threads have computed without a turn.
    at_once: AtomicU64,
    /// Batches that it has failed with since it last computed one.
    failures: AtomicUsize,
    lost: AtomicBool,
    reason: Mutex<Option<(Cause, String)>>,
}

#[derive(Default)]
struct Busy {
    total: Duration,
    since: Option<std::time::Instant>,
}

/// A unit as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitState {
    /// Its name: a device's address, or `cpu`.
    pub name: String,
    /// Whether it is a device.
    pub is_device: bool,
    /// Why it is not used any more.
    pub lost: Option<String>,
    /// The same in a word that does not change, for metrics.
    pub lost_cause: Option<&'static str>,
    /// Batches that it has.
    pub batches: usize,
    /// Batches that it can have.
    pub turns: usize,
    /// Time in which it had at least one.
    pub busy: Duration,
    /// Time that callers' threads have computed beside that, summed over threads; the CPU's alone.
    pub at_once: Duration,
    /// How often it has failed and was brought back.
    pub recoveries: u64,
    /// What its model slots hold.
    pub slots: Vec<Option<SlotNetwork>>,
}

impl Fleet {
    /// A fleet of these backends, each with a name for people; of the CPU alone if there are none.
    /// Without [`Backend::Cpu`] among them, the CPU computes only what no device can.
    ///
    /// # Errors
    /// If a device fails, or there are too many.
    pub fn new(
        backends: Vec<(String, Backend)>,
        options: EngineOptions,
    ) -> Result<Arc<Fleet>, EngineError> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpu_listed = backends.is_empty()
            || backends
                .iter()
                .any(|(_, backend)| matches!(backend, Backend::Cpu));
        let mut units = Vec::new();
        for (name, backend) in backends {
            if let Backend::Device(_) = backend {
                let processor = Processor::new(backend, options)?;
                units.push(Unit::new(name, processor, true, true, DEVICE_TURNS));
            }
        }
        if units.len() >= UNITS_MAX {
            return Err(EngineError::TooManyProcessors {
                found: units.len(),
                most: UNITS_MAX - 1,
            });
        }
        // The last one, always.
        let cpu = Processor::new(Backend::Cpu, options)?;
        units.push(Unit::new("cpu".into(), cpu, false, cpu_listed, threads));
        Ok(Arc::new(Fleet {
            units,
            queues: Mutex::default(),
        }))
    }

    /// What each unit does.
    pub fn states(&self) -> Vec<UnitState> {
        self.units.iter().map(Unit::state).collect()
    }

    /// Whether something other than the CPU is there to be used.
    pub fn has_devices(&self) -> bool {
        self.units
            .iter()
            .any(|unit| unit.is_device && !unit.is_lost())
    }

    /// The CPU.
    pub(super) fn cpu(&self) -> &Unit {
        &self.units[self.units.len() - 1]
    }

    /// Lets a queue know of turns that become free.
    pub(super) fn register(&self, queue: &Arc<Queue>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(queue));
    }

    /// Takes a turn on the unit that would be done first. `cost` says how long a unit takes for the
    /// batch, or that it can't compute it.
    pub(super) fn take_turn(
        self: &Arc<Self>,
        cost: impl Fn(usize) -> Option<Duration>,
    ) -> Option<Turn> {
        let (index, _, cost) = self
            .usable(cost)
            .filter(|(_, unit, _)| unit.taken.load(Ordering::Acquire) < unit.turns)
            .min_by_key(|(_, unit, cost)| unit.expected(*cost))?;
        Turn::take(Arc::clone(self), index, cost)
    }

    /// The units that a batch may go to, with what it costs there: those that are preferred, or the others
    /// if none of those can compute it at all.
    fn usable(
        &self,
        cost: impl Fn(usize) -> Option<Duration>,
    ) -> impl Iterator<Item = (usize, &Unit, Duration)> {
        let units = || self.units.iter().enumerate();
        let preferred =
            units().any(|(index, unit)| unit.preferred && !unit.is_lost() && cost(index).is_some());
        units()
            .filter(move |(_, unit)| unit.preferred == preferred && !unit.is_lost())
            .filter_map(move |(index, unit)| Some((index, unit, cost(index)?)))
    }

    /// Time until a new batch would begin, with `rows` before it that take `cost` each on a unit.
    pub(super) fn expected(
        &self,
        rows: usize,
        cost: impl Fn(usize) -> Option<Duration>,
    ) -> Duration {
        // Rows a second of all that compute, and the seconds that they have before them.
        let (mut rate, mut soonest) = (0.0, f64::INFINITY);
        for (_, unit, cost) in self.usable(cost) {
            let parallel = unit.parallel() as f64;
            rate += parallel / cost.as_secs_f64().max(1e-9);
            let load = unit.load.load(Ordering::Relaxed) as f64 / 1e9;
            soonest = (load / parallel).min(soonest);
        }
        if rate == 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(soonest + rows as f64 / rate).unwrap_or(Duration::MAX)
    }

    /// Notes that a unit has failed with a batch. One that does so again and again is used no more.
    pub(super) fn failed(&self, unit: usize, reason: &EngineError) {
        let unit = &self.units[unit];
        let failures = unit.failures.fetch_add(1, Ordering::AcqRel) + 1;
        if failures == FAILURES_MAX && unit.is_device {
            tracing::error!(unit = unit.name, %reason, "a device is lost; others go on without it");
            *unit.reason.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((reason.cause(), reason.to_string()));
            unit.lost.store(true, Ordering::Release);
            self.freed();
        }
    }

    /// Notes that a unit has computed a batch.
    pub(super) fn succeeded(&self, unit: usize) {
        self.units[unit].failures.store(0, Ordering::Release);
    }

    fn freed(&self) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in queues.iter().filter_map(Weak::upgrade) {
            queue.look_again();
        }
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet")
            .field("units", &self.states())
            .finish_non_exhaustive()
    }
}

impl Unit {
    fn new(
        name: String,
        processor: Processor,
        is_device: bool,
        preferred: bool,
        turns: usize,
    ) -> Unit {
        Unit {
            name,
            processor,
            is_device,
            preferred,
            turns,
            taken: AtomicUsize::new(0),
            load: AtomicU64::new(0),
            busy: Mutex::default(),
            at_once: AtomicU64::new(0),
            failures: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
            reason: Mutex::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A caller's thread has computed something.
    pub fn computed_at_once(&self, time: Duration) {
        self.at_once.fetch_add(nanoseconds(time), Ordering::Relaxed);
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Nanoseconds until a batch of this cost would be done.
    fn expected(&self, cost: Duration) -> u64 {
        let load = self.load.load(Ordering::Relaxed);
        load / self.parallel() as u64 + nanoseconds(cost)
    }

    /// Batches that it computes at the same time.
    fn parallel(&self) -> usize {
        match self.is_device {
            true => 1,
            false => self.turns,
        }
    }

    fn state(&self) -> UnitState {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let since = busy.since.map_or(Duration::ZERO, |since| since.elapsed());
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        UnitState {
            name: self.name.clone(),
            is_device: self.is_device,
            lost: reason.as_ref().map(|(_, text)| text.clone()),
            lost_cause: reason.as_ref().map(|(cause, _)| cause.as_str()),
            batches: self.taken.load(Ordering::Relaxed),
            turns: self.turns,
            busy: busy.total + since,
            at_once: Duration::from_nanos(self.at_once.load(Ordering::Relaxed)),
            recoveries: self.processor.recoveries(),
            slots: self.processor.slots(),
        }
    }
}

/// A place of one batch on a unit; given back when dropped.
pub(super) struct Turn {
    fleet: Arc<Fleet>,
    /// Index of the unit.
    pub unit: usize,
    load: u64,
}

impl Turn {
    fn take(fleet: Arc<Fleet>, index: usize, cost: Duration) -> Option<Turn> {
        let unit = &fleet.units[index];
        let mut busy = unit.busy.lock().unwrap_or_else(PoisonError::into_inner);
        // Another deployment may have been faster.
        if unit.taken.load(Ordering::Acquire) >= unit.turns {
            return None;
        }
        if unit.taken.fetch_add(1, Ordering::AcqRel) == 0 {
            busy.since = Some(std::time::Instant::now());
        }
        drop(busy);
        let load = nanoseconds(cost);
        unit.load.fetch_add(load, Ordering::Relaxed);
        Some(Turn {
            fleet,
            unit: index,
            load,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let unit = &self.fleet.units[self.unit];
        unit.load.fetch_sub(self.load, Ordering::Relaxed);
        let mut busy = unit.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if unit.taken.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(since) = busy.since.take()
        {
            busy.total += since.elapsed();
        }
        drop(busy);
        self.fleet.freed();
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}
