//! Replays recorded cycles on cells in one Verilator run.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use systole_hdl::netlist::CELL_MODELS;

use crate::verilator;

/// A group of pins NAME0 to NAME(n - 1), or a single one.
#[derive(Clone, Copy)]
pub struct Pins {
    pub name: &'static str,
    pub count: usize,
    /// Without a number in its name.
    pub single: bool,
}

/// Pins NAME0 to NAME(count - 1).
pub const fn pins(name: &'static str, count: usize) -> Pins {
    Pins {
        name,
        count,
        single: false,
    }
}

/// One pin.
pub const fn pin(name: &'static str) -> Pins {
    Pins {
        name,
        count: 1,
        single: true,
    }
}

/// A cell in one of its uses, with what it does in each cycle.
pub struct Cell {
    pub module: &'static str,
    pub parameters: Vec<(String, String)>,
    pub clocks: &'static [&'static str],
    pub inputs: &'static [Pins],
    pub outputs: &'static [Pins],
    /// Values of inputs before an edge, and of outputs before it, in the pins' order.
    pub cycles: Vec<Vec<u64>>,
}

impl Cell {
    /// Whether a parameter has a value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        let mut parameters = self.parameters.iter();
        parameters.any(|parameter| parameter.0 == name && parameter.1 == value)
    }

    /// Its parameters but for initial values, for messages.
    fn describe(&self) -> String {
        let values = self
            .parameters
            .iter()
            .filter(|(name, _)| !name.starts_with("INITVAL"))
            .map(|(_, value)| value.replace('"', ""));
        values.collect::<Vec<_>>().join(" ")
    }

    fn bench(&self, index: usize) -> String {
        let (mut declare, mut connect, mut apply, mut compare) =
            (String::new(), Vec::new(), String::new(), String::new());
        let mut low = 0;
        let groups = self.inputs.iter().map(|pins| (pins, "reg"));
        for (pins, kind) in groups.chain(self.outputs.iter().map(|pins| (pins, "wire"))) {
            let Pins { name, count, .. } = pins;
            let _ = writeln!(declare, "    {kind} [{}:0] {name}_;", count - 1);
            for bit in 0..*count {
                let number = if pins.single {
                    String::new()
                } else {
                    bit.to_string()
                };
                connect.push(format!(".{name}{number}({name}_[{bit}])"));
            }
            if kind == "reg" {
                let _ = writeln!(apply, "            {name}_ = now[{low}+:{count}];");
            } else {
                let _ = writeln!(
                    compare,
                    "            if ({name}_ !== now[{low}+:{count}]) begin $display(\"{module} {use_}: {name} differs in cycle %0d: %h, not %h\", cycle, {name}_, now[{low}+:{count}]); $finish; end",
                    module = self.module,
                    use_ = self.describe(),
                );
            }
            low += count;
        }
        connect.extend(self.clocks.iter().map(|clock| format!(".{clock}(clock)")));
        let parameters: Vec<_> = self
            .parameters
            .iter()
            .map(|(name, value)| format!(".{name}({value})"))
            .collect();
        format!(
            "
module replay{index}(output reg done);
    reg clock;
{declare}    reg [{top}:0] record [0:{last}];
    reg [{top}:0] now;
    integer cycle;
    {module} #({parameters}) cell_({connect});
    initial begin
        done = 0;
        $readmemh(\"{index}.hex\", record);
        for (cycle = 0; cycle <= {last}; cycle = cycle + 1) begin
            clock = 0;
            now = record[cycle];
{apply}            #5;
{compare}            clock = 1;
            #5;
        end
        done = 1;
    end
endmodule
",
            top = low - 1,
            last = self.cycles.len() - 1,
            module = self.module,
            parameters = parameters.join(", "),
            connect = connect.join(", "),
        )
    }

    /// The record: a hexadecimal number for each cycle.
    fn hex(&self) -> String {
        let pins: Vec<_> = self.inputs.iter().chain(self.outputs).collect();
        let line = |values: &Vec<u64>| {
            let bits: Vec<bool> = pins
                .iter()
                .zip(values)
                .flat_map(|(pins, value)| (0..pins.count).map(move |bit| value >> bit & 1 == 1))
                .collect();
            let digits = bits.chunks(4).rev().map(|nibble| {
                let value = nibble
                    .iter()
                    .rev()
                    .fold(0, |sum, bit| sum << 1 | u32::from(*bit));
                char::from_digit(value, 16).expect("a nibble is a digit")
            });
            digits.collect::<String>()
        };
        self.cycles.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Replays all records on the models as they are changed, and gives what is printed.
pub fn run(name: &str, cells: &[Cell], change: impl Fn(String) -> String) -> String {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    let mut verilog = change(CELL_MODELS.concat());
    let mut instances = String::new();
    for (index, cell) in cells.iter().enumerate() {
        verilog += &cell.bench(index);
        let _ = writeln!(instances, "    replay{index} of_{index}(done[{index}]);");
        std::fs::write(directory.join(format!("{index}.hex")), cell.hex())
            .expect("the target directory is writable");
    }
    let _ = write!(
        verilog,
        "module bench;\n    wire [{top}:0] done;\n{instances}    initial begin wait (&done); $display(\"all cells agree\"); $finish; end\nendmodule\n",
        top = cells.len() - 1
    );
    std::fs::write(directory.join("bench.v"), verilog).expect("it is writable");
    let compile = verilator::command()
        .current_dir(&directory)
        .args([
            "--binary",
            "--timing",
            "-j",
            "2",
            "-O1",
            "--top-module",
            "bench",
        ])
        .args(["-Wno-fatal", "-Wno-lint", "-Wno-style", "--Mdir", "obj"])
        .args(["-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include"])
        .args(["-CFLAGS", "-O0 -std=gnu++20 -fcoroutines", "bench.v"])
        .output()
        .expect("perl runs");
    assert!(
        compile.status.success(),
        "{}",
        String::from_utf8_lossy(&compile.stderr)
    );
    let run = Command::new(directory.join("obj/Vbench"))
        .current_dir(&directory)
        .output()
        .expect("the testbench runs");
    String::from_utf8_lossy(&run.stdout).into_owned()
}
