//! How many cycles a program takes, as far as the compiler can know: what it chooses methods,
//! bands and group sizes by. Measured cycles come from the device; these never stand in for them.
//!
//! ```text
//!  loads    |LOAD_ROWS|            |LOAD_WEIGHTS|
//!  compute            |MATRIX     |....|MATRIX       |....|
//!  stores                                                 |STORE_ROWS|
//!                      busy        latency
//! ```
//!
//! The model: MATRIX reads a vector a cycle, one for each pixel, input tile and column tile, while
//! the requantizer finishes Q outputs a cycle, or Q / 2 with a residual; DEPTHWISE and POOL fill
//! the lanes with the weights of each block of channels, then read a vector a cycle; DMA moves 8
//! bytes a cycle. The three units work side by side as far as the instructions' limits allow; an
//! instruction begins when its unit is free and never before the one in front of it.

use std::collections::VecDeque;

use systole_regs::DATA_BYTES;

use super::Target;
use super::step::{Step, Unit};

/// Between the beginnings of two instructions: fetching, decoding and checking.
const CONTROL_CYCLES: u64 = 8;
/// From the last vector of a computation to its last result in the scratchpad.
const COMPUTE_LATENCY: u64 = 45;
/// From the request to the first data of a DMA transfer, or from the last data to its response.
const DMA_LATENCY: u64 = 40;
/// Fetching the entry of a command and writing its completion.
const COMMAND_CYCLES: u64 = 150;
/// Preparing a block of channels of DEPTHWISE and POOL, beyond its weights and the rows.
const BLOCK_CYCLES: u64 = 10;
/// Groups after which a program is taken to be in its steady state.
const WARM_GROUPS: u64 = 4;

/// Cycles of one instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Duration {
    /// Its unit is busy that long whatever the number of rows,
    pub fixed: u64,
    /// and that long for each row.
    pub each_row: u64,
    /// After its unit is free for the next, until it has finished.
    pub latency: u64,
}

impl Duration {
    /// Cycles that its unit is busy.
    pub fn busy(&self, rows: u64) -> u64 {
        self.fixed + rows * self.each_row
    }

    /// Cycles from beginning to end.
    pub fn alone(&self, rows: u64) -> u64 {
        self.busy(rows) + self.latency
    }
}

/// Estimates for one target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimator {
    rows: u64,
    columns: u64,
    lanes: u64,
}

impl Estimator {
    pub fn new(target: &Target) -> Self {
        Estimator {
            rows: target.rows as u64,
            columns: target.columns as u64,
            lanes: target.requantize_lanes as u64,
        }
    }

    /// A MATRIX instruction.
    pub fn matrix(
        &self,
        pixels: usize,
        channels: usize,
        input_tiles: usize,
        residual: bool,
    ) -> Duration {
        let (pixels, channels) = (pixels as u64, channels as u64);
        let vectors = pixels * channels.div_ceil(self.columns) * input_tiles as u64;
        let outputs = pixels * self.requantize(channels, residual);
        Duration {
            fixed: 0,
            each_row: vectors.max(outputs),
            latency: COMPUTE_LATENCY,
        }
    }

    /// A DEPTHWISE or POOL instruction that reads `vectors` vectors for `pixels` pixels of each
    /// block of channels.
    pub fn by_channel(
        &self,
        channels: usize,
        steps: usize,
        vectors: usize,
        pixels: usize,
        residual: bool,
    ) -> Duration {
        let channels = channels as u64;
        let blocks = channels.div_ceil(self.rows);
        let outputs = pixels as u64 * self.requantize(channels, residual);
        Duration {
            fixed: blocks * (steps as u64 + self.rows + BLOCK_CYCLES),
            each_row: (blocks * vectors as u64).max(outputs),
            latency: COMPUTE_LATENCY,
        }
    }

    /// Cycles in which the outputs of one pixel are requantized.
    fn requantize(&self, channels: u64, residual: bool) -> u64 {
        channels.div_ceil(self.lanes) * if residual { 2 } else { 1 }
    }

    /// A transfer of `once` bytes, and `each_row` bytes for each row of the group.
    pub fn transfer(&self, once: usize, each_row: usize) -> Duration {
        let beats = |bytes: usize| (bytes as u64).div_ceil(DATA_BYTES.into());
        Duration {
            fixed: beats(once),
            each_row: beats(each_row),
            latency: DMA_LATENCY,
        }
    }
}

/// Cycles of a command of `rows` rows, in groups of `group_rows`, on an otherwise idle device.
pub(super) fn command(steps: &[Step], rows: u64, group_rows: u64) -> u64 {
    let groups = rows.div_ceil(group_rows).max(1);
    if groups <= WARM_GROUPS + 2 {
        return COMMAND_CYCLES + timeline(steps, rows, group_rows);
    }
    // The first groups and the last, which may be smaller, and the rest as in the steady state.
    let last = rows - (groups - 1) * group_rows;
    let short = timeline(steps, WARM_GROUPS * group_rows + last, group_rows);
    let between = groups - WARM_GROUPS - 1;
    COMMAND_CYCLES + short + between * steady(steps, group_rows)
}

/// Cycles that one more group adds to a long command.
pub(super) fn steady(steps: &[Step], group_rows: u64) -> u64 {
    let [some, more] = [WARM_GROUPS, WARM_GROUPS + 2]
        .map(|groups| timeline(steps, groups * group_rows, group_rows));
    (more - some).div_ceil(2)
}

/// One unit: when it is free, and when what it has begun will be finished.
#[derive(Default)]
struct Queue {
    free: u64,
    finish: VecDeque<u64>,
}

/// Cycles from the beginning of the first instruction to the end of the last.
fn timeline(steps: &[Step], rows: u64, group_rows: u64) -> u64 {
    let mut units: [Queue; 3] = Default::default();
    let (mut now, mut end) = (0, 0);
    let groups = rows.div_ceil(group_rows).max(1);
    for group in 0..groups {
        let rows_of = |group: u64| group_rows.min(rows.saturating_sub(group * group_rows));
        for step in steps {
            now += CONTROL_CYCLES;
            let rows = match step.when {
                When::Always => rows_of(group),
                When::FirstGroup if group == 0 => rows_of(0),
                When::NextGroup if group + 1 < groups => rows_of(group + 1),
                When::FirstGroup | When::NextGroup => continue,
            };
            let limits = step.limits;
            for (unit, limit) in units
                .iter()
                .zip([limits.compute, limits.load, limits.store])
            {
                let pending = unit.finish.len().checked_sub(usize::from(limit) + 1);
                if let Some(index) = pending {
                    now = now.max(unit.finish[index]);
                }
            }
            let index = match step.unit {
                Unit::Compute => 0,
                Unit::Load => 1,
                Unit::Store => 2,
                Unit::Control => continue,
            };
            let unit = &mut units[index];
            now = now.max(unit.free);
            unit.free = now + step.duration.busy(rows);
            let finish = unit.free + step.duration.latency;
            unit.finish.push_back(finish);
            if unit.finish.len() > usize::from(u8::MAX) {
                unit.finish.pop_front();
            }
            end = end.max(finish);
        }
    }
    end.max(now)
}

/// Groups of a run in which an instruction is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum When {
    /// In each.
    #[default]
    Always,
    /// In the first.
    FirstGroup,
    /// In all but the last, for the one after.
    NextGroup,
}
