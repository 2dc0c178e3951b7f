//! Mistakes that synthesis might make, put into a netlist in yosys' own format.
//!
//! ```text
//!  cell \LUT4 \name
//!    parameter \INIT 16'0110100110010110
//!    connect \A \some_wire [3]
//!    ...
//!  end
//! ```

/// A mistake in one place of a netlist.
#[derive(Clone, Copy, Debug)]
pub enum Mistake {
    /// The table of one LUT4 is its complement.
    WrongTable,
    /// What two flip-flops are to take is exchanged.
    ExchangedWires,
}

impl Mistake {
    /// For people, and its files.
    pub fn name(self) -> &'static str {
        match self {
            Mistake::WrongTable => "wrong-table",
            Mistake::ExchangedWires => "exchanged-wires",
        }
    }

    /// The netlist with the mistake, in the middle of its cells.
    pub fn plant(self, netlist: &str) -> String {
        let mut lines: Vec<String> = netlist.lines().map(str::to_owned).collect();
        match self {
            Mistake::WrongTable => {
                let tables = inside(&lines, "LUT4", "parameter \\INIT ");
                let line = &mut lines[tables[tables.len() / 2]];
                let (name, bits) = line.rsplit_once('\'').expect("a table has a width");
                let exchange = |bit| if bit == '0' { '1' } else { '0' };
                *line = format!("{name}'{}", bits.chars().map(exchange).collect::<String>());
            }
            Mistake::ExchangedWires => {
                let wires = inside(&lines, "TRELLIS_FF", "connect \\DI ");
                let first = wires[wires.len() / 2];
                let second = wires
                    .iter()
                    .copied()
                    .find(|other| *other > first && lines[*other] != lines[first])
                    .expect("another flip-flop takes another wire");
                lines.swap(first, second);
            }
        }
        let changed = lines.join("\n") + "\n";
        assert_ne!(changed, netlist);
        changed
    }
}

/// Lines of all cells of a kind that begin so.
fn inside(lines: &[String], kind: &str, beginning: &str) -> Vec<usize> {
    let cell = format!("cell \\{kind} ");
    let mut is_inside = false;
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        if line.starts_with("cell ") {
            is_inside = line.starts_with(&cell);
        } else if is_inside && line.starts_with(beginning) {
            found.push(index);
        }
    }
    assert!(!found.is_empty(), "the netlist has cells {kind}");
    found
}
