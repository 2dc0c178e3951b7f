//! Records the Rust half of leaves cycle by cycle, and replays the record on their Verilog half
//! in one Verilator run.
//!
//! ```text
//!  leaf (Rust) --inputs, outputs of each cycle--> NAME.hex --+
//!       \------- Verilog ----------------------> NAME.v -----+--> testbench in Verilator
//! ```

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use rust_hdl::prelude::*;
use systole_hdl::emit::{complete, tidy, verilog_of};

/// Random values with a taste for extremes.
pub struct Random {
    source: SmallRng,
}

impl Random {
    /// Any 64 bits.
    pub fn any(&mut self) -> u64 {
        self.source.next_u64()
    }

    /// True half of the time.
    pub fn often(&mut self) -> bool {
        self.source.random()
    }

    /// True once in `n` times.
    pub fn tick(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// 0 to `n - 1`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.source.random_range(0..n)
    }

    /// `count` 32-bit words.
    pub fn words(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.any() & 0xffff_ffff).collect()
    }

    /// A signed value of `bits` bits: often one of the ends, around zero, or a power of two.
    pub fn signed(&mut self, bits: u32) -> i64 {
        let (least, greatest) = (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1);
        match self.below(8) {
            0 => least,
            1 => greatest,
            2 => self.below(5) as i64 - 2,
            3 => {
                let power = 1_i64 << self.below(u64::from(bits) - 1);
                let value = power + self.below(3) as i64 - 1;
                if self.often() { value } else { -value }
            }
            _ => (self.any() as i64) >> (64 - bits),
        }
        .clamp(least, greatest)
    }

    /// An unsigned value of `bits` bits: often 0, 1, the greatest, or a power of two.
    pub fn extreme(&mut self, bits: u32) -> u64 {
        let greatest = (1_u64 << bits) - 1;
        match self.below(6) {
            0 => self.below(2),
            1 => greatest,
            2 => 1 << self.below(u64::from(bits)),
            3 => self.below(64),
            _ => self.any() & greatest,
        }
    }
}

/// A port: its name, width and direction.
struct Port {
    name: String,
    bits: usize,
    input: bool,
}

/// Collects ports, or their values, of a block without submodules.
#[derive(Default)]
struct Ports {
    ports: Vec<Port>,
    values: Vec<Vec<bool>>,
    scope: Vec<String>,
}

impl Probe for Ports {
    fn visit_start_scope(&mut self, _: &str, _: &dyn Block) {}
    fn visit_start_namespace(&mut self, name: &str, _: &dyn Block) {
        self.scope.push(name.to_owned());
    }
    fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
        let input = match signal.kind() {
            AtomKind::InputParameter => true,
            AtomKind::OutputParameter => false,
            _ => return,
        };
        self.ports.push(Port {
            name: name.to_owned(),
            bits: signal.bits(),
            input,
        });
        self.values.push(bits_of(&signal.vcd()));
    }
    fn visit_end_namespace(&mut self, _: &str, _: &dyn Block) {
        self.scope.pop();
    }
    fn visit_end_scope(&mut self, _: &str, _: &dyn Block) {}
}

fn bits_of(value: &VCDValue) -> Vec<bool> {
    let one = |bit: &vcd::Value| *bit == vcd::Value::V1;
    match value {
        VCDValue::Single(bit) => vec![one(bit)],
        // Highest bit first.
        VCDValue::Vector(bits) => bits.iter().rev().map(one).collect(),
        VCDValue::String(_) | VCDValue::Composite(_) => panic!("leaves have plain ports"),
    }
}

/// One leaf's record.
struct Leaf {
    name: String,
    module: String,
    ports: Vec<Port>,
    cycles: Vec<String>,
}

/// The testbench of all leaves.
pub struct Bench {
    random: Random,
    leaves: Vec<Leaf>,
}

impl Bench {
    /// A bench whose random values follow from a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random {
                source: SmallRng::seed_from_u64(seed),
            },
            leaves: Vec::new(),
        }
    }

    /// Runs the Rust half for some cycles with the inputs that `drive` sets before
    /// each edge of the `clock`, and keeps the record.
    pub fn leaf<B: Block>(
        &mut self,
        name: &str,
        mut block: B,
        cycles: usize,
        clock: impl Fn(&mut B, Clock),
        mut drive: impl FnMut(&mut B, &mut Random),
    ) {
        block.connect_all();
        let mut record = Vec::with_capacity(cycles);
        let mut ports = Vec::new();
        for _ in 0..cycles {
            clock(&mut block, Clock { clk: false });
            drive(&mut block, &mut self.random);
            settle(&mut block);
            let mut probe = Ports::default();
            block.accept("top", &mut probe);
            record.push(hex(probe.values.iter().flatten().copied().collect()));
            ports = probe.ports;
            clock(&mut block, Clock { clk: true });
            settle(&mut block);
        }
        let module = tidy(&verilog_of(Box::new(block)));
        let module = module
            .replace("module top(", &format!("module leaf_{name}("))
            .replace("endmodule // top", "endmodule");
        self.leaves.push(Leaf {
            name: name.to_owned(),
            module,
            ports,
            cycles: record,
        });
    }

    /// Replays all records in Verilator.
    pub fn run(self) {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("leaves");
        std::fs::create_dir_all(&directory).expect("the target directory is writable");
        let mut verilog = String::new();
        let mut checks = String::new();
        for leaf in &self.leaves {
            verilog += &leaf.module;
            checks += &format!("    replay_{} of_{}();\n", leaf.name, leaf.name);
            verilog += &leaf.testbench();
            std::fs::write(
                directory.join(format!("{}.hex", leaf.name)),
                leaf.cycles.join("\n"),
            )
            .expect("the target directory is writable");
        }
        let _ = write!(
            verilog,
            "module bench;\n{checks}    initial begin #1000000 $display(\"all leaves agree\"); $finish; end\nendmodule\n"
        );
        std::fs::write(directory.join("bench.v"), complete(&verilog))
            .expect("the target directory is writable");

        let compile = crate::verilator::command()
            .current_dir(&directory)
            .args([
                "--binary",
                "--timing",
                "-j",
                "2",
                "-O1",
                "--top-module",
                "bench",
                "-Wno-fatal",
            ])
            .args([
                "-Wno-lint",
                "-Wno-style",
                "--Mdir",
                "obj",
                "-MAKEFLAGS",
                "CFG_CXXFLAGS_PCH_I=-include",
            ])
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
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(
            text.contains("all leaves agree") && !text.contains("differs"),
            "{text}"
        );
    }
}

impl Leaf {
    /// A module that replays this leaf's record.
    fn testbench(&self) -> String {
        let total: usize = self.ports.iter().map(|port| port.bits).sum();
        let (mut declare, mut connect, mut apply, mut compare) =
            (String::new(), Vec::new(), String::new(), String::new());
        let mut low = 0;
        for port in &self.ports {
            let (name, bits) = (&port.name, port.bits);
            let kind = if port.input { "reg" } else { "wire" };
            let _ = writeln!(declare, "    {kind} [{}:0] {name};", bits - 1);
            connect.push(format!(".{name}({name})"));
            if name == "clock" {
                // Driven by the bench.
            } else if port.input {
                let _ = writeln!(apply, "            {name} = expected_[{low}+:{bits}];");
            } else {
                let _ = writeln!(
                    compare,
                    "            if ({name} !== expected_[{low}+:{bits}]) begin $display(\"{}: {name} differs in cycle %0d: Verilog %h, Rust %h\", cycle, {name}, expected_[{low}+:{bits}]); $finish; end",
                    self.name
                );
            }
            low += bits;
        }
        let clocked = self.ports.iter().any(|port| port.name == "clock");
        let (fall, rise) = if clocked {
            ("clock = 0;", "clock = 1;")
        } else {
            ("", "")
        };
        format!(
            "
module replay_{name};
{declare}    reg [{top}:0] record [0:{last}];
    reg [{top}:0] expected_;
    integer cycle;
    leaf_{name} dut({connect});
    initial begin
        $readmemh(\"{name}.hex\", record);
        {fall}
        for (cycle = 0; cycle <= {last}; cycle = cycle + 1) begin
            {fall}
            expected_ = record[cycle];
{apply}            #5;
{compare}            {rise}
            #5;
        end
    end
endmodule
",
            name = self.name,
            top = total - 1,
            last = self.cycles.len() - 1,
            connect = connect.join(", "),
        )
    }
}

fn settle<B: Block>(block: &mut B) {
    assert!(simulate(block, 20), "the leaf settles");
}

/// Bits, lowest first, as a hexadecimal number.
fn hex(bits: Vec<bool>) -> String {
    bits.chunks(4)
        .rev()
        .map(|nibble| {
            let value = nibble
                .iter()
                .rev()
                .fold(0, |sum, bit| sum << 1 | u32::from(*bit));
            char::from_digit(value, 16).expect("a nibble is a digit")
        })
        .collect()
}
