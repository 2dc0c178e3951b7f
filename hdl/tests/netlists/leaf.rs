//! The leaves, as the emitted Verilog of `small` has them.

use systole_hdl::emit;
use systole_hdl::primitive::{Technology, definitions};
use systole_regs::configuration::SMALL;

use crate::mistake::Mistake;

/// A module that is proved by itself.
pub struct Leaf {
    /// For people, and its folder.
    pub name: &'static str,
    /// Its name in the Verilog.
    pub module: String,
    /// Its Verilog.
    pub verilog: String,
    /// The primitives that it names, of ECP5.
    pub primitives: String,
    /// It multiplies by a plain `*`, so that the two sides have multipliers of other kinds.
    pub infers_multipliers: bool,
    /// What its netlist is tried with besides.
    pub mistakes: &'static [Mistake],
}

impl Leaf {
    fn new(name: &'static str, module: &str, verilog: String) -> Leaf {
        Leaf {
            name,
            module: module.to_owned(),
            primitives: definitions(&verilog, Technology::Ecp5),
            verilog,
            infers_multipliers: false,
            mistakes: &[],
        }
    }
}

/// Text of a module of the design.
fn module(design: &str, name: &str) -> String {
    let begin = design
        .find(&format!("module {name}("))
        .unwrap_or_else(|| panic!("`{name}` is in the design"));
    let length = design[begin..].find("endmodule").expect("modules end");
    format!("{}endmodule\n", &design[begin..begin + length])
}

/// Replaces what is there exactly once.
fn replaced(verilog: String, before: &str, after: &str) -> String {
    assert_eq!(
        verilog.matches(before).count(),
        1,
        "`{before}` isn't there exactly once"
    );
    verilog.replace(before, after)
}

/// All leaves; those that take long are last, and are begun first.
pub fn all() -> Vec<Leaf> {
    let design = emit::emit(SMALL.name)
        .expect("the configuration is known")
        .design;
    let take = |name, path: &str| Leaf::new(name, path, module(&design, path));
    vec![
        accumulators(&design),
        Leaf {
            mistakes: &[Mistake::WrongTable],
            ..depthwise_lane(&design)
        },
        Leaf {
            infers_multipliers: true,
            mistakes: &[Mistake::ExchangedWires],
            ..take("element", "top$compute$array$element$0")
        },
        take("operand-sum", "top$compute$requantize$operand$0"),
        Leaf {
            mistakes: &[Mistake::WrongTable, Mistake::ExchangedWires],
            ..take("requantization-lane", "top$compute$requantize$lane$0")
        },
    ]
}

/// The adders and what is forwarded to them. What comes from memory is any value: synthesis takes
/// the memory apart, so that nothing in it has the name that it had.
fn accumulators(design: &str) -> Leaf {
    const NAME: &str = "top$compute$accumulators";
    let width = SMALL.columns * 32;
    let top = SMALL.accumulator_rows.ilog2() - 1;
    let mut text = module(design, NAME);
    for (before, after) in [
        ("(clock,", "(clock,from_memory,to_drain,".to_owned()),
        (
            "input wire  clock;",
            format!("input wire clock;\n    input wire [{width}-1:0] from_memory, to_drain;"),
        ),
        (&format!("memory[row[{top}:0]]"), "from_memory".to_owned()),
        (
            &format!("memory[drain_row[{top}:0]]"),
            "to_drain".to_owned(),
        ),
        (
            "if (summed_valid) memory[summed_row] <= sum;",
            String::new(),
        ),
    ] {
        text = replaced(text, before, &after);
    }
    Leaf::new("accumulators", NAME, text)
}

/// Weights are those of the port, and not of the lane's memory, for the same reason.
fn depthwise_lane(design: &str) -> Leaf {
    const NAME: &str = "top$compute$lanes$lane$0";
    let mut text = module(design, NAME);
    for (before, after) in [
        ("read = memory[step];", "read = weights[23:0];"),
        (
            "if (weight_valid) memory[weight_step] <= weights[23:0];",
            "",
        ),
    ] {
        text = replaced(text, before, after);
    }
    Leaf::new("depthwise-lane", NAME, text)
}
