//! yosys's netlist (JSON), as passes change it. Nothing of it is lost: a field that is not known
//! here is an error, not dropped.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::FlowError;

/// Parameters and attributes: strings of bits, text or numbers.
pub type Values = BTreeMap<String, serde_json::Value>;

/// Attribute of a cell with its place, which nextpnr obeys.
pub const BEL: &str = "BEL";

/// A netlist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Netlist {
    /// What wrote it.
    #[serde(default)]
    pub creator: String,
    /// Modules by their names.
    pub modules: BTreeMap<String, Module>,
    /// Models of cells, if yosys was asked for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, serde_json::Value>,
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Attributes.
    #[serde(default)]
    pub attributes: Values,
    /// Values of its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameter_default_values: Values,
    /// Ports.
    #[serde(default)]
    pub ports: BTreeMap<String, Port>,
    /// Cells.
    #[serde(default)]
    pub cells: BTreeMap<String, Cell>,
    /// Memories, before they are mapped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memories: BTreeMap<String, serde_json::Value>,
    /// Names of nets.
    #[serde(default)]
    pub netnames: BTreeMap<String, Net>,
}

/// A port of a module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Direction.
    pub direction: Direction,
    /// Its nets, the lowest bit first.
    pub bits: Vec<Bit>,
    /// Index of the lowest bit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: i64,
    /// One if indices fall.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub upto: i64,
    /// One if it is signed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub signed: i64,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// One if yosys made up the name.
    pub hide_name: i64,
    /// Type of the cell.
    #[serde(rename = "type")]
    pub kind: String,
    /// Parameters.
    #[serde(default)]
    pub parameters: Values,
    /// Attributes.
    #[serde(default)]
    pub attributes: Values,
    /// Directions of its ports.
    #[serde(default)]
    pub port_directions: BTreeMap<String, Direction>,
    /// What its ports connect to.
    pub connections: BTreeMap<String, Vec<Bit>>,
}

/// A named net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    /// One if yosys made up the name.
    pub hide_name: i64,
    /// Its bits, the lowest first.
    pub bits: Vec<Bit>,
    /// Index of the lowest bit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: i64,
    /// One if indices fall.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub upto: i64,
    /// One if it is signed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub signed: i64,
    /// Attributes.
    #[serde(default)]
    pub attributes: Values,
}

impl Net {
    /// A name for a single wire.
    pub fn wire(net: u64) -> Net {
        Net {
            hide_name: 0,
            bits: vec![Bit::Net(net)],
            offset: 0,
            upto: 0,
            signed: 0,
            attributes: BTreeMap::new(),
        }
    }
}

/// Direction of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the cell or module.
    Input,
    /// Out of it.
    Output,
    /// Both.
    Inout,
}

/// One bit of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bit {
    /// A net.
    Net(u64),
    /// `0`, `1`, `x` or `z`.
    Constant(String),
}

impl Bit {
    /// A constant: `0`, `1`, `x` or `z`.
    pub fn constant(value: &str) -> Bit {
        Bit::Constant(value.to_owned())
    }
}

impl Netlist {
    /// Reads a netlist.
    ///
    /// # Errors
    /// If the file can't be read or isn't a netlist.
    pub fn read(path: &Path) -> Result<Netlist, FlowError> {
        let file = std::fs::File::open(path).map_err(|source| FlowError::file(path, source))?;
        serde_json::from_reader(BufReader::new(file))
            .map_err(|error| FlowError::output(path, error.to_string()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&self, path: &Path) -> Result<(), FlowError> {
        let failed = |source| FlowError::file(path, source);
        let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
        serde_json::to_writer(&mut file, self).map_err(|error| failed(error.into()))?;
        file.flush().map_err(failed)
    }

    /// The module with this name.
    ///
    /// # Errors
    /// If there is none; `path` is where the netlist came from.
    pub fn module(&mut self, name: &str, path: &Path) -> Result<&mut Module, FlowError> {
        self.modules
            .get_mut(name)
            .ok_or_else(|| FlowError::output(path, format!("there is no module {name}")))
    }
}

impl Module {
    /// Number of cells of each type.
    pub fn count(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for cell in self.cells.values() {
            *counts.entry(cell.kind.clone()).or_default() += 1;
        }
        counts
    }

    /// Whether the place of some cell is settled before placing.
    pub fn has_places(&self) -> bool {
        self.cells
            .values()
            .any(|cell| cell.attributes.contains_key(BEL))
    }

    /// The net of this name, if it is a single wire.
    fn wire(&self, name: &str) -> Option<&Bit> {
        match &self.netnames.get(name)?.bits[..] {
            [bit @ Bit::Net(_)] => Some(bit),
            _ => None,
        }
    }

    /// The other names of a net, itself included: each instance that a wire passes through has one.
    pub fn aliases<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let bit = self.wire(name);
        self.netnames
            .iter()
            .filter(move |(_, net)| bit.is_some() && net.bits.first() == bit)
            .map(|(alias, _)| alias.as_str())
    }

    /// Pins of cells that read, or may: cell, port, index of the bit, and what it is connected to.
    pub fn reading_pins(&self) -> impl Iterator<Item = (&str, &str, usize, &Bit)> {
        self.cells.iter().flat_map(|(name, cell)| {
            cell.connections
                .iter()
                .filter(|(port, _)| cell.port_directions.get(*port) != Some(&Direction::Output))
                .flat_map(move |(port, bits)| {
                    let bits = bits.iter().enumerate();
                    bits.map(move |(index, bit)| (name.as_str(), port.as_str(), index, bit))
                })
        })
    }

    /// The cell whose output the net of this name is, and the port.
    pub fn driver(&self, name: &str) -> Option<(&Cell, &str)> {
        let bit = self.wire(name)?;
        self.cells.values().find_map(|cell| {
            let (port, _) = cell.connections.iter().find(|(port, bits)| {
                cell.port_directions.get(*port) == Some(&Direction::Output) && bits.contains(bit)
            })?;
            Some((cell, port.as_str()))
        })
    }

    /// A number that no net has yet.
    pub fn next_net(&self) -> u64 {
        let cells = self
            .cells
            .values()
            .flat_map(|cell| cell.connections.values());
        let nets = self.netnames.values().map(|net| &net.bits);
        let ports = self.ports.values().map(|port| &port.bits);
        cells
            .chain(nets)
            .chain(ports)
            .flatten()
            .filter_map(|bit| match bit {
                Bit::Net(net) => Some(net + 1),
                Bit::Constant(_) => None,
            })
            .max()
            // yosys leaves 0 and 1 to constants.
            .unwrap_or(2)
    }
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}
