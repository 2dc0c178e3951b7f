//! Netlists: has yosys synthesize an accelerator for ECP5, and takes the result back as Verilog.
//!
//! What yosys writes is kept in `build/verilated/netlist-NAME-HASH`, by a hash of what it read.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;

use systole_hdl::emit::{self, Emitted};
use systole_hdl::netlist;
use systole_hdl::primitive::Technology;

/// Verilog of a configuration's netlist and of the cells in it, synthesized unless that has been
/// done.
pub fn netlist(emitted: &Emitted, tool: &Path, cache: &Path) -> Result<String, Box<dyn Error>> {
    let script = netlist::simulation_script(emit::TOP);
    let primitives = emitted.primitives(Technology::Ecp5);
    let failed = |error| format!("can't run {}: {error}; run `make setup`", tool.display());
    // The tool itself is a script that says nothing of what it starts.
    let version = Command::new(tool)
        .arg("-V")
        .output()
        .map_err(failed)?
        .stdout;
    let files = [
        (netlist::DESIGN, emitted.design.as_str()),
        (netlist::PRIMITIVES, &primitives),
        (netlist::TABLES, netlist::LOOKUP_TABLES),
        ("script.ys", &script),
    ];
    let mut hasher = DefaultHasher::new();
    (files, version).hash(&mut hasher);
    let name = emitted.configuration.name;
    let directory = cache.join(format!("netlist-{name}-{:016x}", hasher.finish()));
    let written = directory.join(netlist::NETLIST);
    if !directory.join("complete").is_file() {
        fs::create_dir_all(&directory)?;
        for (file, text) in files {
            fs::write(directory.join(file), text)?;
        }
        // yosys sees the folder that it runs in, and nothing else.
        let result = Command::new(tool)
            .args(["-q", "-l", "yosys.log", "-s", "script.ys"])
            .current_dir(&directory)
            .output()
            .map_err(failed)?;
        if !result.status.success() || !written.is_file() {
            return Err(format!(
                "yosys failed in {}:\n{}",
                directory.display(),
                String::from_utf8_lossy(&result.stderr)
            )
            .into());
        }
        fs::write(directory.join("complete"), "")?;
    }
    let models = netlist::CELL_MODELS.concat();
    let cells = fs::read_to_string(written)?;
    Ok(format!("{models}\n{cells}"))
}
