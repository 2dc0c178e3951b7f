//! Parts: what an FPGA has, and what its tools call it.

use systole_hdl::placement;

use crate::family::{ECP5, Family, GOWIN, Resource};
use crate::passes::Bel;

/// An FPGA in its package.
#[derive(Debug)]
pub struct Part {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// Its family.
    pub family: &'static Family,
    /// Arguments of placing and routing that name it.
    pub arguments: &'static [&'static str],
    /// Arguments of the packer that name it, where it needs to be told.
    pub pack: &'static [&'static str],
    /// How many it has of each resource of its family.
    pub available: &'static [u64],
    /// Where the array's multipliers go, if that is known.
    pub placement: Option<Bel>,
}

/// Every part. ECP5 counts are those of Lattice's ECP5 and ECP5-5G Family Data Sheet
/// (FPGA-DS-02012), table 1.1; those of Gowin's part are nextpnr's.
pub const PARTS: &[&Part] = &[
    &LFE5UM5G_85F,
    &LFE5U_85F,
    &LFE5U_45F,
    &LFE5U_12F,
    &GW5AST_138,
    &GW5A_25,
];

/// ECP5-5G, 84 k LUTs, fastest speed grade.
pub static LFE5UM5G_85F: Part = Part {
    name: "lfe5um5g-85f",
    family: &ECP5,
    arguments: &["--um5g-85k", "--package", "CABGA381", "--speed", "8"],
    pack: &[],
    available: &[83_640, 83_640, 208, 156],
    placement: Some(placement::ecp5_85f),
};

/// ECP5, 84 k LUTs, slowest speed grade.
pub static LFE5U_85F: Part = Part {
    name: "lfe5u-85f",
    family: &ECP5,
    arguments: &["--85k", "--package", "CABGA381", "--speed", "6"],
    pack: &[],
    available: &[83_640, 83_640, 208, 156],
    placement: Some(placement::ecp5_85f),
};

/// ECP5, 44 k LUTs, slowest speed grade.
pub static LFE5U_45F: Part = Part {
    name: "lfe5u-45f",
    family: &ECP5,
    arguments: &["--45k", "--package", "CABGA381", "--speed", "6"],
    pack: &[],
    available: &[43_848, 43_848, 108, 72],
    placement: None,
};

/// ECP5, 12 k LUTs, slowest speed grade. Its die is that of the 25F; what is counted here is what
/// the data sheet promises.
pub static LFE5U_12F: Part = Part {
    name: "lfe5u-12f",
    family: &ECP5,
    arguments: &["--12k", "--package", "CABGA381", "--speed", "6"],
    pack: &[],
    available: &[12_096, 12_096, 32, 28],
    placement: None,
};

/// Arora V, 138 k LUTs.
pub static GW5AST_138: Part = Part {
    name: "gw5ast-138",
    family: &GOWIN,
    arguments: &[
        "--device",
        "GW5AST-LV138PG484AC1/I0",
        "--vopt",
        "family=GW5AST-138C",
    ],
    pack: &["-d", "GW5AST-138C"],
    available: &[138_240, 138_240, 340, 298],
    placement: None,
};

/// Arora V, 23 k LUTs.
pub static GW5A_25: Part = Part {
    name: "gw5a-25",
    family: &GOWIN,
    arguments: &[
        "--device",
        "GW5A-LV25MG121NC1/I0",
        "--vopt",
        "family=GW5A-25A",
        "--vopt",
        "sspi_as_gpio",
    ],
    // The clock enters at a pin of the configuration port; Apicula wants those of
    // SSPI as GPIO too, and both tools to be told the same.
    pack: &["-d", "GW5A-25A", "--cpu_as_gpio", "--sspi_as_gpio"],
    available: &[23_040, 23_040, 56, 28],
    placement: None,
};

impl Part {
    /// The part with this name.
    pub fn by_name(name: &str) -> Option<&'static Part> {
        PARTS.iter().copied().find(|part| part.name == name)
    }

    /// Its resources, and how many there are of each.
    pub fn resources(&self) -> impl Iterator<Item = (&'static Resource, u64)> {
        self.family
            .resources
            .iter()
            .zip(self.available.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_of_a_part_is_counted() {
        for part in PARTS {
            assert_eq!(
                part.available.len(),
                part.family.resources.len(),
                "{}",
                part.name
            );
            assert!(Part::by_name(part.name).is_some());
        }
    }

    #[test]
    fn parts_of_boards_are_listed() {
        for board in crate::BOARDS {
            assert!(Part::by_name(board.part.name).is_some(), "{}", board.name);
        }
    }
}
