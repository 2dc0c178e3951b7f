//! Multipliers and block RAMs of the flattened netlist, known by their names. Where nothing says how
//! cells of a kind are ordered, their number is any.

use systole_regs::configuration::Configuration;

/// What a cell is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// `...array.element$17.multiplier...`, or `....left_odd...` where each weight has its own.
    Product {
        /// Pair of rows.
        pair: usize,
        /// Pair of columns in it.
        element: usize,
        /// Which of the four products.
        corner: usize,
    },
    /// `...weights.bank$3.memory5...block[2]...`
    Weights {
        /// Pair of rows.
        pair: usize,
        /// Memory of the pair.
        memory: usize,
        /// Block of the memory.
        block: usize,
    },
    /// `...scratchpad.bank7...block[0]...`
    Scratchpad {
        /// The bank.
        bank: usize,
        /// Block of the bank.
        block: usize,
    },
    /// `...accumulators.drain3...`
    Sums(usize),
    /// `...parameters.memory1_0...block[1]...`
    Parameters(usize),
    /// `...lanes.shared_weights$5...`
    LaneWeights(usize),
    /// `...requantize.lane$2.high...`
    Requantization(usize),
    /// `...sequencer.extent.length_low2...`
    Extent(usize),
    /// `...program_memory.memory.0.3`
    Program(usize),
    /// `link.buffer.memory.0.0`
    LinkBuffer,
}

/// The number in a name that follows a text, and the rest.
fn number<'a>(name: &'a str, before: &str) -> Option<(usize, &'a str)> {
    let (_, rest) = name.split_once(before)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

/// Which of some names is in the name of a cell.
fn one_of(cell: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| cell.contains(name))
}

impl Cell {
    /// What the cell of this name is, if it is one of these.
    pub(super) fn named(name: &str, configuration: &Configuration) -> Option<Cell> {
        if let Some((_, array)) = name.split_once("array.") {
            let (index, rest) = number(array, "element$")?;
            let elements = configuration.columns / 2 + 1;
            let corners = ["left_even", "right_even", "left_odd", "right_odd"];
            return Some(Cell::Product {
                pair: index / elements,
                element: index % elements,
                corner: one_of(rest, &corners).unwrap_or(0),
            });
        }
        if let Some((index, _)) = number(name, "lanes.shared_weights$") {
            return Some(Cell::LaneWeights(index));
        }
        if let Some((_, weights)) = name.split_once("weights.") {
            let (pair, bank) = number(weights, "bank$")?;
            let (memory, rest) = number(bank, "memory")?;
            let (block, _) = number(rest, "block[")?;
            return Some(Cell::Weights {
                pair,
                memory,
                block,
            });
        }
        if let Some((bank, rest)) = number(name, "scratchpad.bank") {
            let (block, _) = number(rest, "block[")?;
            return Some(Cell::Scratchpad { bank, block });
        }
        if let Some((column, _)) = number(name, "accumulators.drain") {
            return Some(Cell::Sums(column));
        }
        if let Some((_, parameters)) = name.split_once("parameters.") {
            let (lane, rest) = number(parameters, "memory")?;
            let (part, rest) = number(rest, "_")?;
            let (block, _) = number(rest, "block[")?;
            return Some(Cell::Parameters(lane * 4 + part * 2 + block));
        }
        if let Some((_, requantize)) = name.split_once("requantize.") {
            let (lane, multiplication) = number(requantize, "lane$")?;
            let index = one_of(multiplication, &["both", "high", "low"])?;
            return Some(Cell::Requantization(lane * 3 + index));
        }
        if let Some((_, extent)) = name.split_once("sequencer.extent.") {
            let parts = ["before_high", "before_low", "length_high", "length_low"];
            return one_of(extent, &parts).map(Cell::Extent);
        }
        if let Some((_, program)) = name.split_once("program_memory.memory.") {
            return number(program, ".").map(|(index, _)| Cell::Program(index));
        }
        name.starts_with("link.buffer.memory.0.0")
            .then_some(Cell::LinkBuffer)
    }
}
