//! A layer and a cause for every cycle of a command.
//!
//! ```text
//!  compute   ..........[== conv ===]......[== depthwise ==]..........
//!  DMA read  ..[=====]....[====]..........................
//!  DMA write ................................................[====]..
//!            cc rrrrr c            cccccc                  cc wwwww c    causes of the gaps
//! ```

use systole_regs::entries::TraceRecord;
use systole_regs::instructions::opcode;

use super::{Cause, Cost, ProfileError};
use crate::compiler::Program;

/// Cycles of one cause in which nothing was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub start: u64,
    pub finish: u64,
    pub cause: Cause,
    /// Layer that it delayed; the number of layers for what comes behind the last.
    pub layer: usize,
}

/// What carries an instruction out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Track {
    Compute,
    Read,
    Write,
}

impl Track {
    /// Every track, in the order in which they are shown.
    pub const ALL: [Track; 3] = [Track::Compute, Track::Read, Track::Write];

    pub fn name(self) -> &'static str {
        match self {
            Track::Compute => "computation",
            Track::Read => "DMA read",
            Track::Write => "DMA write",
        }
    }

    pub fn of(record: &TraceRecord) -> Track {
        match record.opcode {
            opcode::MATRIX | opcode::DEPTHWISE | opcode::POOL => Track::Compute,
            opcode::STORE_ROWS | opcode::STORE_WORKSPACE => Track::Write,
            _ => Track::Read,
        }
    }
}

/// Costs of the layers and of what comes behind them, and the gaps in order. The costs together
/// are `cycles`.
pub(super) fn attribute(
    program: &Program,
    records: &[TraceRecord],
    cycles: u64,
) -> Result<(Vec<Cost>, Vec<Gap>), ProfileError> {
    let behind = program.layers.len();
    let mut costs = vec![Cost::default(); behind + 1];
    let mut gaps = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if usize::from(record.instruction) >= program.steps.len() {
            return Err(ProfileError::OtherProgram {
                index,
                instruction: record.instruction,
                count: program.steps.len(),
            });
        }
        if record.finish < record.start || u64::from(record.finish) > cycles {
            return Err(ProfileError::Time {
                index,
                finish: record.finish,
            });
        }
    }
    let on = |track: Track| {
        records
            .iter()
            .filter(move |record| Track::of(record) == track)
    };
    let transfers = [Cause::DmaRead, Cause::DmaWrite]
        .into_iter()
        .zip([Track::Read, Track::Write])
        .map(|(cause, track)| (cause, on(track).map(span).collect::<Vec<_>>()))
        .collect::<Vec<_>>();
    // Computations finish in the order in which they begin.
    let mut now = 0;
    for record in on(Track::Compute) {
        let layer = program.steps[usize::from(record.instruction)].layer;
        let layer = layer.unwrap_or(behind);
        let (start, finish) = span(record);
        gaps.extend(between(now, start.max(now), &transfers, layer));
        costs[layer] += computation(record, finish.saturating_sub(start.max(now)));
        now = finish.max(now);
    }
    gaps.extend(between(now, cycles.max(now), &transfers, behind));
    for gap in &gaps {
        costs[gap.layer][gap.cause] += gap.finish - gap.start;
    }
    Ok((costs, gaps))
}

fn span(record: &TraceRecord) -> (u64, u64) {
    (record.start.into(), record.finish.into())
}

/// What a computation spent its cycles on; those that no counter counts are for its start.
fn computation(record: &TraceRecord, mut left: u64) -> Cost {
    let mut cost = Cost::default();
    for (cause, cycles) in [
        (Cause::Vector, record.vectors),
        (Cause::Requantize, record.stall_requantize),
        (Cause::Prepare, record.stall_prepare),
        (Cause::Drain, record.stall_drain),
    ] {
        cost[cause] = left.min(cycles.into());
        left -= cost[cause];
    }
    cost[Cause::Control] = left;
    cost
}

/// Cuts the cycles from `start` to `finish` where their cause changes.
fn between(
    start: u64,
    finish: u64,
    transfers: &[(Cause, Vec<(u64, u64)>)],
    layer: usize,
) -> Vec<Gap> {
    // A unit's transfers follow each other, so those in the gap lie together.
    let inside = |spans: &[(u64, u64)]| {
        let first = spans.partition_point(|span| span.1 <= start);
        let end = spans.partition_point(|span| span.0 < finish);
        first..end.max(first)
    };
    let transfers = transfers
        .iter()
        .map(|(cause, spans)| (*cause, &spans[inside(spans)]))
        .collect::<Vec<_>>();
    let mut edges: Vec<u64> = transfers
        .iter()
        .flat_map(|(_, spans)| *spans)
        .flat_map(|&(start, finish)| [start, finish])
        .filter(|edge| (start + 1..finish).contains(edge))
        .chain([start, finish])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let cause = |cycle: u64| {
        transfers
            .iter()
            .find(|(_, spans)| {
                spans
                    .iter()
                    .any(|&(start, finish)| start <= cycle && cycle < finish)
            })
            .map_or(Cause::Control, |&(cause, _)| cause)
    };
    edges
        .windows(2)
        .map(|edge| Gap {
            start: edge[0],
            finish: edge[1],
            cause: cause(edge[0]),
            layer,
        })
        .collect()
}
