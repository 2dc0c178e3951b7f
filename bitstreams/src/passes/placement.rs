//! Puts cells where they shall be. The placer scatters multipliers and block RAMs over the chip's few
//! rows of them; an array whose neighbours are neighbours on the chip is faster and routes sooner.

use std::collections::{BTreeMap, BTreeSet};

use systole_regs::configuration::Configuration;

use crate::netlist::{BEL, Module};

/// BEL of a multiplier or block RAM of a configuration's netlist, by its name; none if the placer may choose.
pub type Bel = fn(&str, &Configuration) -> Option<String>;

/// Where multipliers and block RAMs go.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// Whose array they are of.
    pub configuration: Configuration,
    /// Where each goes.
    pub bel: Bel,
}

impl Placement {
    /// BELs by the names of cells.
    fn bels(&self, module: &Module) -> BTreeMap<String, String> {
        module
            .cells
            .iter()
            .filter(|(_, cell)| PLACED.contains(&cell.kind.as_str()))
            .filter_map(|(name, _)| Some((name.clone(), (self.bel)(name, &self.configuration)?)))
            .collect()
    }
}

/// The cells that are placed.
const PLACED: [&str; 2] = ["MULT18X18D", "DP16KD"];

/// Why cells can't be put where they shall be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// A BEL is taken.
    #[error("the placement puts two cells at {0}")]
    Taken(String),
}

/// Writes the placement into the netlist, as attributes that nextpnr obeys.
///
/// # Errors
/// If it names a BEL twice.
pub fn place(module: &mut Module, placement: &Placement) -> Result<usize, PlacementError> {
    let bels = placement.bels(module);
    let mut taken = BTreeSet::new();
    for (name, bel) in &bels {
        if !taken.insert(bel) {
            return Err(PlacementError::Taken(bel.clone()));
        }
        if let Some(cell) = module.cells.get_mut(name) {
            cell.attributes.insert(BEL.into(), bel.clone().into());
        }
    }
    Ok(bels.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::fixtures::cell;
    use systole_regs::configuration::TINY;

    fn module() -> Module {
        let mut module = Module::default();
        for name in ["a", "b"] {
            module.cells.insert(name.into(), cell("MULT18X18D", &[]));
        }
        module.cells.insert("aa".into(), cell("TRELLIS_FF", &[]));
        module
    }

    fn placed(bel: Bel) -> (Module, Result<usize, PlacementError>) {
        let mut module = module();
        let placement = Placement {
            configuration: TINY,
            bel,
        };
        let result = place(&mut module, &placement);
        (module, result)
    }

    #[test]
    fn multipliers_get_their_bels() {
        let (module, result) =
            placed(|name, _| name.starts_with('a').then(|| "X4/Y10/MULT18_0".to_owned()));
        assert_eq!(result, Ok(1));
        assert_eq!(module.cells["a"].attributes[BEL], "X4/Y10/MULT18_0");
        assert!(module.has_places());
        for other in ["b", "aa"] {
            assert!(!module.cells[other].attributes.contains_key(BEL));
        }
    }

    #[test]
    fn a_module_without_places_says_so() {
        let (module, result) = placed(|_, _| None);
        assert_eq!(result, Ok(0));
        assert!(!module.has_places());
    }

    #[test]
    fn a_bel_holds_one_cell() {
        let (_, result) = placed(|_, _| Some("X1/Y1/Z".into()));
        assert_eq!(result, Err(PlacementError::Taken("X1/Y1/Z".into())));
    }
}
