//! The loosest limits with which every instruction still finds its data where it should be.
//!
//! ```text
//!  program order:  LOAD a | MATRIX a -> b | LOAD c | MATRIX b -> d | ...
//!  LOAD c has nothing to do with a, b:        ^ compute_limit 255: begins at once
//!  MATRIX b -> d reads b:                              ^ compute_limit 0: waits for MATRIX
//! ```
//!
//! An instruction has to wait for an earlier one if one of them writes what the other touches.
//! Units finish in order, so waiting for the latest such instruction of a unit is enough: the limit
//! is the number of that unit's instructions after it. The program runs again for each group, so
//! "earlier" goes on at the program's end. Instructions that this group may skip don't count, because
//! where they are skipped the limit would let one too many run; nor does the group before count
//! what only the first does. It never skips the load of this group's input.

use systole_regs::instructions::NO_LIMIT;

use super::estimate::When;
use super::step::{Limits, Step, Unit};

/// Sets the limits of every instruction.
pub(super) fn set_limits(steps: &mut [Step]) {
    let limits: Vec<Limits> = (0..steps.len())
        .map(|index| limits_of(steps, index))
        .collect();
    // END doesn't begin anything, so it has no limits.
    let beginning = steps.iter_mut().zip(limits);
    for (step, limits) in beginning.filter(|(step, _)| step.unit != Unit::Control) {
        step.limits = limits;
        step.instruction.set_limits(limits);
    }
}

fn limits_of(steps: &[Step], index: usize) -> Limits {
    let step = &steps[index];
    // Compute, load, store: instructions passed so far, and the limit once there is one.
    let mut passed = [0_usize; 3];
    let mut limits = [None; 3];
    let this_group = steps[..index].iter().rev().map(|other| (other, false));
    let group_before = steps[index..].iter().rev().map(|other| (other, true));
    for (other, is_before) in this_group.chain(group_before) {
        let unit = match other.unit {
            Unit::Compute => 0,
            Unit::Load => 1,
            Unit::Store => 2,
            Unit::Control => continue,
        };
        if limits[unit].is_none() {
            if step.conflicts(other) {
                limits[unit] = Some(passed[unit].min(usize::from(NO_LIMIT) - 1) as u8);
            } else if other.when == When::Always || is_before && other.when == When::NextGroup {
                passed[unit] += 1;
            }
        }
    }
    let [compute, load, store] = limits.map(|limit| limit.unwrap_or(NO_LIMIT));
    Limits {
        compute,
        load,
        store,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Whether, in a run of `groups` groups, no instruction can begin before an earlier one that
    /// it conflicts with has finished.
    pub(in super::super) fn is_safe(steps: &[Step], groups: usize) -> bool {
        let run: Vec<&Step> = (0..groups)
            .flat_map(|group| {
                steps.iter().filter(move |step| match step.when {
                    When::Always => true,
                    When::FirstGroup => group == 0,
                    When::NextGroup => group + 1 < groups,
                })
            })
            .filter(|step| step.unit != Unit::Control)
            .collect();
        // What has certainly finished when an instruction begins: what the limits say of those
        // begun, and what had finished when an earlier one began, because they begin in order.
        let units = [Unit::Compute, Unit::Load, Unit::Store];
        let mut begun: [Vec<usize>; 3] = Default::default();
        let mut finished = [0_usize; 3];
        for (index, step) in run.iter().enumerate() {
            let limits = step.limits;
            for (unit, limit) in [limits.compute, limits.load, limits.store]
                .into_iter()
                .enumerate()
            {
                if limit != NO_LIMIT {
                    let sure = begun[unit].len().saturating_sub(limit.into());
                    finished[unit] = finished[unit].max(sure);
                }
            }
            for (unit, begun) in begun.iter().enumerate() {
                let running = &begun[finished[unit]..];
                if running.iter().any(|&other| step.conflicts(run[other])) {
                    return false;
                }
            }
            let unit = units
                .iter()
                .position(|&unit| unit == step.unit)
                .unwrap_or(0);
            begun[unit].push(index);
        }
        true
    }
}
