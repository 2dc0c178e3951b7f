//! nextpnr's report: clocks, critical paths and what is used.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::FlowError;
use crate::netlist::Module;

/// The report as nextpnr writes it; what isn't used here is left out.
#[derive(Clone, Debug, Deserialize)]
pub struct Routed {
    /// Frequencies of clocks.
    pub fmax: BTreeMap<String, Frequency>,
    /// Slowest paths between clocks.
    pub critical_paths: Vec<RawPath>,
    /// Resources.
    pub utilization: BTreeMap<String, Utilization>,
}

/// Frequency of a clock in MHz.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Frequency {
    /// What was reached.
    pub achieved: f64,
    /// What was asked for.
    pub constraint: f64,
}

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Utilization {
    /// How many there are.
    pub available: u64,
    /// How many are used.
    pub used: u64,
}

/// A path, step by step.
#[derive(Clone, Debug, Deserialize)]
pub struct RawPath {
    from: String,
    to: String,
    path: Vec<RawStep>,
}

#[derive(Clone, Debug, Deserialize)]
struct RawStep {
    delay: f64,
    from: RawPin,
    to: RawPin,
    net: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Debug, Deserialize)]
struct RawPin {
    cell: String,
}

/// A clock and what it reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// The name of its net in the RTL.
    pub name: String,
    /// What was asked for in MHz.
    pub wanted_mhz: f64,
    /// What was reached in MHz.
    pub achieved_mhz: f64,
}

/// A critical path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalPath {
    /// Clock at its beginning, or `<async>`.
    pub from_clock: String,
    /// Clock at its end, or `<async>`.
    pub to_clock: String,
    /// Register or pin at its beginning, in the RTL's names.
    pub from: String,
    /// Register or pin at its end, in the RTL's names.
    pub to: String,
    /// Its length in ns.
    pub nanoseconds: f64,
    /// How much of that is wires.
    pub routing_nanoseconds: f64,
    /// Cells between its ends.
    pub levels: usize,
    /// Nets on its way that the RTL has names for, in their order.
    pub through: Vec<String>,
}

impl Routed {
    /// Reads a report.
    ///
    /// # Errors
    /// If the file can't be read or isn't a report.
    pub fn read(path: &Path) -> Result<Routed, FlowError> {
        let text = std::fs::read_to_string(path).map_err(|source| FlowError::file(path, source))?;
        serde_json::from_str(&text).map_err(|error| FlowError::output(path, error.to_string()))
    }

    /// Clocks by name, and from which to which paths lead.
    pub fn clocks(&self) -> Vec<Clock> {
        self.frequencies()
            .into_iter()
            .map(|(name, frequency)| Clock {
                name,
                wanted_mhz: hundredths(frequency.constraint),
                achieved_mhz: hundredths(frequency.achieved),
            })
            .collect()
    }

    /// Clocks, and paths between them: those rise together, the one twice as fast as the other, so
    /// what lies between has the shorter period. nextpnr doesn't ask that.
    fn frequencies(&self) -> Vec<(String, Frequency)> {
        let mut all: Vec<_> = self
            .fmax
            .iter()
            .map(|(name, frequency)| (clock_name(name), *frequency))
            .collect();
        let constraint = |clock: &str| {
            let mut clocks = all.iter();
            clocks.find_map(|(name, frequency)| (name == clock).then_some(frequency.constraint))
        };
        let crossings: Vec<_> = self
            .critical_paths
            .iter()
            .filter_map(path)
            .filter(|path| path.from_clock != path.to_clock)
            .filter_map(|path| {
                let frequency = Frequency {
                    achieved: 1000.0 / path.nanoseconds,
                    constraint: constraint(&path.from_clock)?.max(constraint(&path.to_clock)?),
                };
                let name = format!("{} to {}", path.from_clock, path.to_clock);
                Some((name, frequency))
            })
            .collect();
        all.extend(crossings);
        all
    }

    /// What the design's clock could be: paths at double of it have half of its period.
    pub fn fmax_mhz(&self, clock_mhz: f64) -> f64 {
        self.margin() * clock_mhz
    }

    /// How much of its need the slowest clock reaches; infinite without clocks.
    pub fn margin(&self) -> f64 {
        self.frequencies()
            .iter()
            .map(|(_, frequency)| frequency.achieved / frequency.constraint)
            .fold(f64::INFINITY, f64::min)
    }

    /// Critical paths, the longest first.
    pub fn paths(&self) -> Vec<CriticalPath> {
        let mut paths: Vec<_> = self.critical_paths.iter().filter_map(path).collect();
        paths.sort_by(|a, b| b.nanoseconds.total_cmp(&a.nanoseconds));
        paths
    }

    /// Renames clocks to the outermost of the names that their nets have: nextpnr takes any, such as
    /// that of the clock of some register deep inside.
    pub fn rename_clocks(&mut self, module: &Module) {
        let outermost = |name: &str| -> String {
            let clock = clock_name(name);
            // yosys keeps only some names of a net. What these cells make is the top's clock.
            if let Some((cell, port)) = module.driver(&clock)
                && let Some(name) = made(&cell.kind, port)
            {
                return name.to_owned();
            }
            let best = module
                .aliases(&clock)
                .min_by_key(|alias| (alias.matches('.').count(), alias.len()))
                .map(str::to_owned);
            best.unwrap_or(clock)
        };
        self.fmax = std::mem::take(&mut self.fmax)
            .into_iter()
            .map(|(name, frequency)| (outermost(&name), frequency))
            .collect();
        for path in &mut self.critical_paths {
            for event in [&mut path.from, &mut path.to] {
                if let Some((edge, clock)) = event.rsplit_once(' ') {
                    *event = format!("{edge} {}", outermost(clock));
                }
            }
        }
    }

    /// How many of resources are used that nextpnr calls so.
    pub fn used(&self, names: &[&str]) -> u64 {
        names
            .iter()
            .filter_map(|name| self.utilization.get(*name))
            .map(|resource| resource.used)
            .sum()
    }
}

fn path(raw: &RawPath) -> Option<CriticalPath> {
    let (first, last) = (raw.path.first()?, raw.path.last()?);
    let sum = |wanted: &dyn Fn(&RawStep) -> bool| -> f64 {
        let delays = raw.path.iter().filter(|step| wanted(step));
        hundredths(delays.map(|step| step.delay).sum())
    };
    let mut through: Vec<String> = raw
        .path
        .iter()
        .filter_map(|step| rtl_name(step.net.as_deref()?))
        .collect();
    through.dedup();
    Some(CriticalPath {
        from_clock: event_clock(&raw.from),
        to_clock: event_clock(&raw.to),
        from: cell_name(&first.from.cell),
        to: cell_name(&last.to.cell),
        nanoseconds: sum(&|_| true),
        routing_nanoseconds: sum(&|step| step.kind == "routing"),
        levels: raw.path.iter().filter(|step| step.kind == "logic").count(),
        through,
    })
}

/// `posedge $glbnet$clock` is `clock`.
fn event_clock(event: &str) -> String {
    clock_name(event.rsplit(' ').next().unwrap_or(event))
}

/// A clock's net as the RTL calls it, without what nextpnr puts around.
fn clock_name(net: &str) -> String {
    net.strip_prefix("$glbnet$")
        .unwrap_or(net)
        .trim_end_matches("$TRELLIS_IO_IN")
        .to_owned()
}

/// What the top calls a clock that comes from a PLL or a pin.
fn made(cell: &str, port: &str) -> Option<&'static str> {
    match (cell, port) {
        ("EHXPLLL", "CLKOS2") => Some("double_clock"),
        ("EHXPLLL" | "IBUF", _) => Some("clock"),
        _ => None,
    }
}

/// Types of cells that yosys's names of cells contain: what stands before is the RTL's name.
const CELL_MARKS: &[&str] = &[
    "_TRELLIS_",
    "_LUT",
    "_CCU2C_",
    "_PFUMX_",
    "_L6MUX21_",
    "_MULT",
    "_DP16KD_",
    "_DFF",
    "_ALU_",
    "_MUX2_",
    "_SDP",
];

/// The RTL's name at the beginning of a name that yosys derived from it; yosys names cells and
/// nets that have none after the nearest register or net that has.
pub fn cell_name(name: &str) -> String {
    let end = CELL_MARKS
        .iter()
        .filter_map(|mark| name.find(mark))
        .min()
        .unwrap_or(name.len());
    name[..end].to_owned()
}

/// The name of a net if it is the RTL's own.
fn rtl_name(net: &str) -> Option<String> {
    let is_derived = CELL_MARKS.iter().any(|mark| net.contains(mark)) || net.starts_with('$');
    (!is_derived).then(|| net.to_owned())
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An excerpt of what nextpnr-ecp5 0.11.1 writes for a requantization lane.
    const REPORT: &str = include_str!("../tests/data/nextpnr-report.json");

    fn routed() -> Routed {
        serde_json::from_str(REPORT).expect("the excerpt is a report")
    }

    #[test]
    fn clocks_have_the_rtls_names() {
        assert_eq!(
            routed().clocks(),
            [Clock {
                name: "clk".into(),
                wanted_mhz: 100.0,
                achieved_mhz: 77.91,
            }]
        );
        assert!((routed().margin() - 0.7791).abs() < 1e-4);
    }

    #[test]
    fn a_path_between_clocks_has_the_shorter_period() {
        let mut routed = routed();
        let double = Frequency {
            achieved: 4000.0,
            constraint: 2000.0,
        };
        routed.fmax.insert("double".into(), double);
        routed.critical_paths[0].to = "posedge double".into();
        let nanoseconds = routed
            .paths()
            .iter()
            .find(|path| path.to_clock == "double")
            .map(|path| path.nanoseconds)
            .expect("it is a path");
        let crossing = routed.clocks().pop().expect("it is the last");
        assert_eq!(crossing.name, "clk to double");
        assert_eq!(crossing.wanted_mhz, 2000.0);
        assert!((crossing.achieved_mhz - 1000.0 / nanoseconds).abs() < 0.01);
        assert!((routed.margin() - 0.5 / nanoseconds).abs() < 1e-6);
    }

    #[test]
    fn paths_have_the_rtls_names_and_are_added_up() {
        let paths = routed().paths();
        let path = &paths[0];
        assert_eq!(path.from, "lane.right5");
        assert_eq!(path.to, "lane.scaled6");
        assert_eq!(
            (path.from_clock.as_str(), path.to_clock.as_str()),
            ("clk", "clk")
        );
        assert_eq!(path.through, ["lane.right5[4]"]);
        assert!(path.nanoseconds > path.routing_nanoseconds);
        assert!(
            paths
                .windows(2)
                .all(|pair| pair[0].nanoseconds >= pair[1].nanoseconds)
        );
    }

    #[test]
    fn clocks_get_their_outermost_names() {
        let net = |bit| crate::netlist::Net {
            hide_name: 0,
            bits: vec![crate::netlist::Bit::Net(bit)],
            offset: 0,
            upto: 0,
            signed: 0,
            attributes: BTreeMap::new(),
        };
        let mut module = Module::default();
        for (name, bit) in [("clk", 2), ("top_clock", 2), ("a.b.clk", 2), ("c", 3)] {
            module.netnames.insert(name.into(), net(bit));
        }
        let text = REPORT.replace("clk$TRELLIS_IO_IN", "a.b.clk");
        let mut routed: Routed = serde_json::from_str(&text).expect("the excerpt is a report");
        routed.rename_clocks(&module);
        assert_eq!(routed.clocks()[0].name, "clk");
        assert!(routed.paths().iter().any(|path| path.to_clock == "clk"));
        assert!(
            routed
                .paths()
                .iter()
                .all(|path| !path.to_clock.contains("a.b"))
        );
    }

    #[test]
    fn used_resources_are_added_up() {
        assert_eq!(routed().used(&["MULT18X18D"]), 4);
        assert_eq!(routed().used(&["MULT18X18D", "TRELLIS_FF", "no such"]), 530);
    }
}
