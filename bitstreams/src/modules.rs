//! What each module of the RTL takes.
//!
//! The netlist is flat: modules are gone, their names are not. yosys names each cell after the
//! register or net of the RTL that is nearest, with the instances that lead there
//! (`accelerator.compute.array.element$3.product_LUT4_Z`); a cell is counted for the module whose
//! instance its name begins with. Registers, memories and multipliers are where the RTL has them.
//! LUTs that logic of several modules was merged into are counted for the one they are named
//! after.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::family::Resource;
use crate::netlist::Module;

/// Instances below this share of every resource are added to the instance around them.
const LEAST_SHARE: f64 = 0.02;

/// Levels of instances that a report shows.
const LEVELS: usize = 3;

/// What one module takes, without the modules inside that have an entry of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleUsage {
    /// Instances that lead to it, with dots between; empty for the top.
    pub path: String,
    /// How much of each resource, in the family's order.
    pub used: Vec<u64>,
}

/// Attributes cells to modules.
pub fn attribute(module: &Module, resources: &[Resource]) -> Vec<ModuleUsage> {
    let mut usage = BTreeMap::<String, Vec<u64>>::new();
    for (name, cell) in &module.cells {
        let instance = instance_of(module, name);
        for (index, resource) in resources.iter().enumerate() {
            let each = resource
                .cells
                .iter()
                .find(|(kind, _)| *kind == cell.kind)
                .map_or(0, |(_, each)| *each);
            if each > 0 {
                usage
                    .entry(instance.clone())
                    .or_insert_with(|| vec![0; resources.len()])[index] += each;
            }
        }
    }
    fold(usage, resources.len())
}

/// The instance that a cell's name begins with: the longest prefix, up to a dot, that is one.
fn instance_of(module: &Module, cell: &str) -> String {
    cell.rmatch_indices('.')
        .map(|(index, _)| &cell[..index])
        .find(|prefix| {
            module
                .cells
                .get(*prefix)
                .is_some_and(|scope| scope.kind == "$scopeinfo")
        })
        .unwrap_or_default()
        .to_owned()
}

/// Adds small and deep instances to the ones around them.
fn fold(mut usage: BTreeMap<String, Vec<u64>>, resources: usize) -> Vec<ModuleUsage> {
    let totals: Vec<u64> = (0..resources)
        .map(|index| usage.values().map(|used| used[index]).sum())
        .collect();
    let deepest = usage.keys().map(|path| depth(path)).max().unwrap_or(0);
    for level in (1..=deepest).rev() {
        let here: Vec<String> = usage
            .keys()
            .filter(|path| depth(path) == level)
            .cloned()
            .collect();
        for path in here {
            let used = &usage[&path];
            let is_small = used
                .iter()
                .zip(&totals)
                .all(|(used, total)| (*used as f64) < LEAST_SHARE * *total as f64 || *used == 0);
            if level > LEVELS || is_small {
                let used = usage.remove(&path).unwrap_or_default();
                let around = path.rsplit_once('.').map_or("", |(around, _)| around);
                let sum = usage
                    .entry(around.to_owned())
                    .or_insert_with(|| vec![0; resources]);
                for (sum, used) in sum.iter_mut().zip(used) {
                    *sum += used;
                }
            }
        }
    }
    usage
        .into_iter()
        .map(|(path, used)| ModuleUsage { path, used })
        .collect()
}

fn depth(path: &str) -> usize {
    if path.is_empty() {
        0
    } else {
        path.matches('.').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::Cell;

    fn module(cells: &[(&str, &str)]) -> Module {
        let mut module = Module::default();
        for (name, kind) in cells {
            module.cells.insert(
                (*name).to_owned(),
                Cell {
                    hide_name: 0,
                    kind: (*kind).to_owned(),
                    parameters: BTreeMap::new(),
                    attributes: BTreeMap::new(),
                    port_directions: BTreeMap::new(),
                    connections: BTreeMap::new(),
                },
            );
        }
        module
    }

    fn resources() -> &'static [Resource] {
        crate::family::ECP5.resources
    }

    #[test]
    fn cells_belong_to_the_instance_of_their_name() {
        let module = module(&[
            ("array", "$scopeinfo"),
            ("array.element$3", "$scopeinfo"),
            ("array.element$3.product_MULT18X18D_P0", "MULT18X18D"),
            // `memory.0.1` is a block of a memory, no instance.
            ("array.memory.0.1", "DP16KD"),
            ("reset_TRELLIS_FF_Q", "TRELLIS_FF"),
            ("array.sum_CCU2C_S0", "CCU2C"),
        ]);
        let usage = attribute(&module, resources());
        let of = |path: &str| {
            usage
                .iter()
                .find(|usage| usage.path == path)
                .map(|usage| usage.used.clone())
        };
        assert_eq!(of("array.element$3"), Some(vec![0, 0, 0, 1]));
        assert_eq!(of("array"), Some(vec![2, 0, 1, 0]));
        assert_eq!(of(""), Some(vec![0, 1, 0, 0]));
    }

    #[test]
    fn nothing_is_lost_when_small_ones_are_added_up() {
        let mut cells = vec![
            ("a", "$scopeinfo"),
            ("a.b", "$scopeinfo"),
            ("a.b.one", "LUT4"),
        ];
        let names: Vec<String> = (0..200).map(|index| format!("lut{index}")).collect();
        cells.extend(names.iter().map(|name| (name.as_str(), "LUT4")));
        let usage = attribute(&module(&cells), resources());
        assert_eq!(usage.len(), 1, "{usage:?}");
        assert_eq!(usage[0].used[0], 201);
    }
}
