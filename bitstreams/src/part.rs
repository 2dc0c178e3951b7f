//! Parts: what an FPGA has. Targets are data, so that another family is a table, not code.

/// An FPGA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name on the command line.
    pub name: &'static str,
    /// yosys command that synthesizes for its family; `{top}` is the top module.
    pub synthesis: &'static str,
    /// Resources: what they are called, how many there are, and which cells take how many.
    pub resources: &'static [Resource],
}

/// One kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What people call it.
    pub name: &'static str,
    /// How many the part has.
    pub available: u64,
    /// Cells of the netlist that use it, and how many of it each takes.
    pub cells: &'static [(&'static str, u64)],
}

/// Every part. ECP5 counts are from Lattice's ECP5 and ECP5-5G Family Data Sheet (FPGA-DS-02012),
/// table 1.1; a carry cell (CCU2C) takes two LUTs, a 16 x 4 LUT memory (DPR16X4) four and, for its
/// write port, two more.
pub const PARTS: &[Part] = &[
    Part {
        name: "lfe5um5g-85f",
        synthesis: "synth_ecp5 -top {top}",
        resources: &[
            Resource {
                name: "LUT4",
                available: 83_640,
                cells: &[("LUT4", 1), ("CCU2C", 2), ("TRELLIS_DPR16X4", 6)],
            },
            Resource {
                name: "flip-flop",
                available: 83_640,
                cells: &[("TRELLIS_FF", 1)],
            },
            Resource {
                name: "block RAM (DP16KD)",
                available: 208,
                cells: &[("DP16KD", 1)],
            },
            Resource {
                name: "multiplier (MULT18X18D)",
                available: 156,
                cells: &[("MULT18X18D", 1)],
            },
        ],
    },
    Part {
        name: "lfe5um5g-45f",
        synthesis: "synth_ecp5 -top {top}",
        resources: &[
            Resource {
                name: "LUT4",
                available: 43_848,
                cells: &[("LUT4", 1), ("CCU2C", 2), ("TRELLIS_DPR16X4", 6)],
            },
            Resource {
                name: "flip-flop",
                available: 43_848,
                cells: &[("TRELLIS_FF", 1)],
            },
            Resource {
                name: "block RAM (DP16KD)",
                available: 108,
                cells: &[("DP16KD", 1)],
            },
            Resource {
                name: "multiplier (MULT18X18D)",
                available: 72,
                cells: &[("MULT18X18D", 1)],
            },
        ],
    },
];

impl Part {
    /// The part with this name.
    pub fn by_name(name: &str) -> Option<Part> {
        PARTS.iter().copied().find(|part| part.name == name)
    }
}
