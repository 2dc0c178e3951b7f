//! Whether a design fits a part, and what to do if it doesn't.

use std::collections::BTreeMap;

use systole_hdl::emit;

use crate::board::{BOARDS, Board};
use crate::design::Design;
use crate::error::FlowError;
use crate::part::Part;

/// How much of each resource a netlist's cells take, in the family's order.
pub fn needs(counts: &BTreeMap<String, u64>, part: &Part) -> Vec<u64> {
    part.resources()
        .map(|(resource, _)| {
            resource
                .cells
                .iter()
                .map(|(cell, each)| counts.get(*cell).copied().unwrap_or(0) * each)
                .sum()
        })
        .collect()
}

/// Checks that a design fits the board's part.
///
/// # Errors
/// [`FlowError::TooSmall`], with boards and configurations that would do.
pub fn check(
    design: &Design,
    board: &Board,
    counts: &BTreeMap<String, u64>,
) -> Result<(), FlowError> {
    let needs = needs(counts, board.part);
    let short: Vec<_> = board
        .part
        .resources()
        .zip(&needs)
        .filter(|((_, available), needed)| *needed > available)
        .map(|((resource, available), needed)| {
            format!("{} needed {needed}, there are {available}", resource.name)
        })
        .collect();
    if short.is_empty() {
        return Ok(());
    }
    Err(FlowError::TooSmall {
        design: design.name.clone(),
        part: board.part.name,
        shortage: short.join("; "),
        advice: advice(design, board, &needs),
    })
}

fn advice(design: &Design, board: &Board, needs: &[u64]) -> String {
    // Another family takes other cells: whether it would do is not known.
    let larger: Vec<_> = BOARDS
        .iter()
        .filter(|other| std::ptr::eq(other.part.family, board.part.family))
        .filter(|other| {
            needs
                .iter()
                .zip(other.part.available)
                .all(|(needed, available)| needed <= available)
        })
        .map(|other| format!("{} ({})", other.name, other.part.name))
        .collect();
    let smaller: Vec<_> = systole_hdl_configurations()
        .filter(|(_, elements)| design.elements.is_some_and(|mine| *elements < mine))
        .map(|(name, _)| name)
        .collect();
    let boards = if larger.is_empty() {
        format!(
            "no board of the family {} here is large enough",
            board.part.family.name
        )
    } else {
        format!("it would fit {}", larger.join(", "))
    };
    if smaller.is_empty() {
        boards
    } else {
        format!(
            "{boards}; or take a smaller configuration: {}",
            smaller.join(", ")
        )
    }
}

/// Names and elements of the configurations that can be emitted.
fn systole_hdl_configurations() -> impl Iterator<Item = (&'static str, usize)> {
    emit::configurations()
        .iter()
        .map(|configuration| (configuration.name, configuration.elements()))
}
