//! Netlists: what synthesis makes of a design, as Verilog that can be simulated and proved equal.
//!
//! A simulation of the design says nothing of what yosys builds of it. So the netlist is taken
//! back: every cell is replaced by what it does.
//!
//! ```text
//!  design.v      --+                                  LUT4, CCU2C, ...: yosys' cells_sim.v
//!  primitives.v  --+--> synth_ecp5 --> cells --+----> logic and registers --+
//!                                              |                            +--> netlist.v
//!                                              +----> MULT18X18D, DP16KD: --+
//!                                                     models of this project
//! ```
//!
//! The cells are those that the flow of bitstreams places. Only the technology ECP5 has models.

/// yosys command that synthesizes for ECP5; `{top}` is the name of the top module.
pub const ECP5_SYNTHESIS: &str = "synth_ecp5 -top {top}";

/// Files that [`simulation_script`] reads, besides [`TABLES`].
pub const DESIGN: &str = "design.v";
/// As [`DESIGN`]: its primitives, in the technology ECP5.
pub const PRIMITIVES: &str = "primitives.v";
/// Name of the file of [`LOOKUP_TABLES`].
pub const TABLES: &str = "tables.v";
/// File that [`simulation_script`] writes.
pub const NETLIST: &str = "netlist.v";

/// Lookup tables as cells of yosys.
pub const LOOKUP_TABLES: &str = include_str!("../technology/ecp5/simulation/tables.v");

/// Models of the cells that yosys has none of.
pub const CELL_MODELS: [&str; 2] = [
    include_str!("../technology/ecp5/simulation/MULT18X18D.v"),
    include_str!("../technology/ecp5/simulation/DP16KD.v"),
];

/// Cells that become logic, registers and memories; their models are yosys' own.
pub const LOGIC_CELLS: [&str; 5] = ["CCU2C", "PFUMX", "L6MUX21", "TRELLIS_FF", "TRELLIS_DPR16X4"];

/// yosys' models of cells.
pub const YOSYS_MODELS: &str = "+/ecp5/cells_sim.v";

/// yosys commands that synthesize the files [`DESIGN`] and [`PRIMITIVES`], and write [`NETLIST`] for
/// a simulator: belongs together with [`CELL_MODELS`].
///
/// Nets get short names of one bit each. Nothing is optimized but what replacing cells leaves:
/// constants in the models' own logic, and names of the same net.
pub fn simulation_script(top: &str) -> String {
    let cells: Vec<_> = LOGIC_CELLS.iter().map(|cell| format!("t:{cell}")).collect();
    format!(
        "read_verilog -sv {DESIGN} {PRIMITIVES}\n\
         {synthesis}\n\
         delete t:$scopeinfo\n\
         techmap -map {TABLES} t:LUT4\n\
         techmap -autoproc -map {YOSYS_MODELS} {cells}\n\
         rename -hide w:* i:* o:* %u %d\n\
         rename -hide c:*\n\
         opt_expr\n\
         clean -purge\n\
         splitnets\n\
         clean -purge\n\
         memory_collect\n\
         select {top}\n\
         write_verilog -noattr -selected {NETLIST}\n",
        synthesis = ECP5_SYNTHESIS.replace("{top}", top),
        cells = cells.join(" "),
    )
}
