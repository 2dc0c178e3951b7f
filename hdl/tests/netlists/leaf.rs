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
/// the memory apart, so that nothing in it has the name that it had. The copy that the drain reads
/// is one block for each column, and no arithmetic.
fn accumulators(design: &str) -> Leaf {
    const NAME: &str = "top$compute$accumulators";
    let width = SMALL.columns * 32;
    let mut text = replaced(
        module(design, NAME),
        "input wire  clock;",
        &format!("input wire clock;\n    input wire [{width}-1:0] from_memory, to_drain;"),
    );
    text = replaced(text, "(clock,", "(clock,from_memory,to_drain,");
    for column in 0..SMALL.columns {
        let begin = format!(
            "systole_block_ram #(.WIDTH(32), .DEPTH({}), ",
            SMALL.accumulator_rows
        );
        let block = between(&text, &begin, ");");
        let read = format!("assign drained{column} = to_drain[{}+:32];", column * 32);
        text = replaced(text, &block, &read);
    }
    for line in text.clone().lines() {
        if let Some((before, _)) = line.split_once("] <= added;") {
            let memory = before.trim_start();
            assert!(memory.starts_with("if (fetched_valid && "), "{line}");
            text = replaced(text, line, "");
        } else if line.contains("? memory") {
            let (before, after) = line.split_once("? memory").expect("it is there");
            let (_, after) = after
                .split_once(" : ")
                .expect("something else is chosen from");
            text = replaced(text, line, &format!("{before}? from_memory : {after}"));
        }
    }
    Leaf::new("accumulators", NAME, text)
}

/// The part of a text from the first place that begins so to the end of what it must end with.
fn between(text: &str, begin: &str, end: &str) -> String {
    let from = text
        .find(begin)
        .unwrap_or_else(|| panic!("`{begin}` is there"));
    let length = text[from..]
        .find(end)
        .unwrap_or_else(|| panic!("`{end}` is there"));
    text[from..from + length + end.len()].to_owned()
}

/// Weights are those of the port, and not of the lane's memory, for the same reason.
fn depthwise_lane(design: &str) -> Leaf {
    const NAME: &str = "top$compute$lanes$lane$0";
    let mut text = module(design, NAME);
    for (before, after) in [
        ("read = memory[step];", "read = written_weights;"),
        ("if (written) memory[written_step] <= written_weights;", ""),
    ] {
        text = replaced(text, before, after);
    }
    Leaf::new("depthwise-lane", NAME, text)
}
