//! Whether a design fits a part, and what to do if it doesn't.

use std::collections::BTreeMap;

use systole_regs::configuration;

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
    let smaller: Vec<_> = configuration::ALL
        .iter()
        .filter(|other| design.elements.is_some_and(|mine| other.elements() < mine))
        .map(|other| other.name)
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

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: &str = "module lane(a);\n input wire [1:0] a;\n output wire [1:0] b;\nendmodule\n";

    fn refused(counts: &[(&str, u64)], elements: Option<usize>) -> String {
        let board = Board::by_name("ulx3s-12f").expect("the board is known");
        let mut design =
            Design::block("lane", LANE, "lane", board, 100_000).expect("the block has ports");
        design.elements = elements;
        let counts = counts
            .iter()
            .map(|(cell, count)| ((*cell).to_owned(), *count))
            .collect();
        check(&design, board, &counts).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_small_design_fits() {
        assert_eq!(refused(&[("LUT4", 100), ("DP16KD", 32)], None), "");
    }

    #[test]
    fn too_small_a_part_is_said_with_what_would_do() {
        let text = refused(&[("LUT4", 100), ("DP16KD", 56)], Some(128));
        assert!(
            text.contains("block RAM (DP16KD) needed 56, there are 32"),
            "{text}"
        );
        assert!(
            text.contains("ulx3s-45f") && text.contains("ecp5-evn"),
            "{text}"
        );
        assert!(text.contains("smaller configuration: tiny"), "{text}");
        assert!(!text.contains("LUT4"), "{text}");
    }

    #[test]
    fn where_nothing_does_that_is_said() {
        // A carry cell takes two LUTs.
        let text = refused(&[("CCU2C", 60_000)], None);
        assert!(text.contains("LUT4 needed 120000"), "{text}");
        assert!(text.contains("no board of the family ecp5"), "{text}");
    }
}
