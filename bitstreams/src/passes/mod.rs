//! Passes over the netlist between synthesis and placing: what the tools leave undone.
//!
//! ```text
//!  yosys -> netlist -> placement -> constants, local or folded -> unused carries -> copies -> nextpnr
//! ```
//!
//! Which passes run is a matter of the family; what is placed, of the design.

mod carries;
mod constants;
mod fanout;
mod placement;
mod tables;

use crate::netlist::Module;

pub use placement::{Bel, Placement, PlacementError, place};

/// A pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Constants at control pins of placed multipliers come from LUTs beside them.
    LocalConstants,
    /// Constant inputs of carry cells are folded into their tables.
    FoldedConstants,
    /// Carry outputs that nobody reads are dropped.
    UnusedCarries,
    /// Registers that many cells read get copies.
    Copies,
}

impl Pass {
    /// Changes the module; returns how often.
    pub fn run(self, module: &mut Module) -> usize {
        match self {
            Pass::LocalConstants => constants::localize(module),
            Pass::FoldedConstants => tables::fold(module),
            Pass::UnusedCarries => carries::drop_unused(module),
            Pass::Copies => fanout::copy_registers(module),
        }
    }

    /// What it does, for the log.
    pub fn title(self) -> &'static str {
        match self {
            Pass::LocalConstants => "local constants",
            Pass::FoldedConstants => "folded constants",
            Pass::UnusedCarries => "unused carries",
            Pass::Copies => "copies of registers",
        }
    }
}

#[cfg(test)]
mod fixtures {
    use std::collections::BTreeMap;

    use crate::netlist::{Bit, Cell, Direction};

    /// A cell of which only type and connections matter.
    pub fn cell(kind: &str, connections: &[(&str, Direction, Bit)]) -> Cell {
        Cell {
            hide_name: 0,
            kind: kind.to_owned(),
            parameters: BTreeMap::new(),
            attributes: BTreeMap::new(),
            port_directions: connections
                .iter()
                .map(|(port, direction, _)| ((*port).to_owned(), *direction))
                .collect(),
            connections: connections
                .iter()
                .map(|(port, _, bit)| ((*port).to_owned(), vec![bit.clone()]))
                .collect(),
        }
    }
}
