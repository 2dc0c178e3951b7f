//! Passes over the netlist between synthesis and placing: what the tools leave undone.
//!
//! ```text
//!  yosys -> netlist -> placement -> local constants -> unused carries -> netlist -> nextpnr
//! ```
//!
//! Which passes run is a matter of the family; what is placed, of the design.

mod carries;
mod constants;
mod placement;

use crate::netlist::Module;

pub use placement::{Bel, Placement, PlacementError, place};

/// A pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Constants at control pins of placed multipliers come from LUTs beside them.
    LocalConstants,
    /// Carry outputs that nobody reads are dropped.
    UnusedCarries,
}

impl Pass {
    /// Changes the module; returns how often.
    pub fn run(self, module: &mut Module) -> usize {
        match self {
            Pass::LocalConstants => constants::localize(module),
            Pass::UnusedCarries => carries::drop_unused(module),
        }
    }

    /// What it does, for the log.
    pub fn title(self) -> &'static str {
        match self {
            Pass::LocalConstants => "local constants",
            Pass::UnusedCarries => "unused carries",
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
