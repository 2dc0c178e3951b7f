//! Puts cells where they shall be. The placer scatters multipliers over the chip's few rows of
//! them; an array whose neighbours are neighbours on the chip is faster and routes sooner.

use std::collections::{BTreeMap, BTreeSet};

use crate::netlist::Module;

/// Where cells go: from the netlist, BELs by the names of cells.
pub type Placement = fn(&Module) -> BTreeMap<String, String>;

/// Why cells can't be put where they shall be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// There is no such cell.
    #[error("the placement names {0}, which the netlist doesn't have")]
    NoCell(String),
    /// A BEL is taken.
    #[error("the placement puts two cells at {0}")]
    Taken(String),
}

/// Writes the placement into the netlist, as attributes that nextpnr obeys.
///
/// # Errors
/// If it names cells that don't exist or a BEL twice.
pub fn place(module: &mut Module, placement: Placement) -> Result<usize, PlacementError> {
    let bels = placement(module);
    let mut taken = BTreeSet::new();
    for (name, bel) in &bels {
        if !taken.insert(bel) {
            return Err(PlacementError::Taken(bel.clone()));
        }
        let cell = module
            .cells
            .get_mut(name)
            .ok_or_else(|| PlacementError::NoCell(name.clone()))?;
        cell.attributes.insert("BEL".into(), bel.clone().into());
    }
    Ok(bels.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::fixtures::cell;

    fn module() -> Module {
        let mut module = Module::default();
        for name in ["a", "b"] {
            module.cells.insert(name.into(), cell("MULT18X18D", &[]));
        }
        module
    }

    #[test]
    fn cells_get_their_bels() {
        let mut module = module();
        let placement: Placement =
            |_| BTreeMap::from([("a".to_owned(), "X4/Y10/MULT18_0".to_owned())]);
        assert_eq!(place(&mut module, placement), Ok(1));
        assert_eq!(module.cells["a"].attributes["BEL"], "X4/Y10/MULT18_0");
        assert!(!module.cells["b"].attributes.contains_key("BEL"));
    }

    #[test]
    fn a_placement_that_cannot_be_is_refused() {
        let twice: Placement = |module| {
            module
                .cells
                .keys()
                .map(|name| (name.clone(), "X1/Y1/Z".into()))
                .collect()
        };
        assert_eq!(
            place(&mut module(), twice),
            Err(PlacementError::Taken("X1/Y1/Z".into()))
        );
        let nowhere: Placement = |_| BTreeMap::from([("c".to_owned(), "X1/Y1/Z".to_owned())]);
        assert_eq!(
            place(&mut module(), nowhere),
            Err(PlacementError::NoCell("c".into()))
        );
    }
}
