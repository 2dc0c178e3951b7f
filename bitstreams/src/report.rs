//! What a design takes of a part.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::part::Part;

/// Resources of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// What they are.
    pub resource: &'static str,
    /// How many the design takes.
    pub used: u64,
    /// How many the part has.
    pub available: u64,
}

/// Report of one synthesis.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Configuration of the accelerator, or another name of the design.
    pub design: String,
    /// The part.
    pub part: &'static str,
    /// Hash of the Verilog, as in the device's BUILD_HASH registers.
    pub build_hash: String,
    /// What yosys calls itself.
    pub yosys: String,
    /// Cells of the netlist.
    pub cells: BTreeMap<String, u64>,
    /// The same, as resources of the part.
    pub usage: Vec<Usage>,
}

impl Report {
    /// Sums up cells as resources of a part.
    pub fn usage_of(cells: &BTreeMap<String, u64>, part: &Part) -> Vec<Usage> {
        part.resources
            .iter()
            .map(|resource| Usage {
                resource: resource.name,
                used: resource
                    .cells
                    .iter()
                    .map(|(cell, each)| cells.get(*cell).copied().unwrap_or(0) * each)
                    .sum(),
                available: resource.available,
            })
            .collect()
    }

    /// Whether everything fits.
    pub fn fits(&self) -> bool {
        self.usage.iter().all(|usage| usage.used <= usage.available)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} on {} (after synthesis, before placing; {})",
            self.design, self.part, self.yosys
        )?;
        for usage in &self.usage {
            writeln!(
                f,
                "  {:<24} {:>7} of {:>7}  {:>5.1} %",
                usage.resource,
                usage.used,
                usage.available,
                usage.used as f64 * 100.0 / usage.available as f64
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carry_cells_count_as_two_luts() {
        let part = Part::by_name("lfe5um5g-85f").expect("the part is known");
        let cells = BTreeMap::from([("LUT4".to_owned(), 10), ("CCU2C".to_owned(), 3)]);
        let usage = Report::usage_of(&cells, &part);
        assert_eq!((usage[0].used, usage[2].used), (16, 0));
    }
}
