//! Primitives: multipliers, an adder and memories that a technology may have better cells for than a synthesizer finds.
//!
//! A leaf names a primitive in its Verilog and says nothing of how it is built. With the design
//! goes a plain definition, which any tool and any device understands; a [`Technology`] has
//! definitions of its own, written with the device's cells, that are the same function cycle for
//! cycle (`hdl/tests/primitives` shows it, for all operands).
//!
//! | primitive | what it is |
//! |---|---|
//! | `systole_multiply` | signed product of up to 18 x 18 bits, to be built of a DSP |
//! | `systole_inner_products` | inner products of two rows with two columns' weights, of one DSP at double the clock |
//! | `systole_multiply_lut_8x8` | signed product of 8 x 8 bits, to be built of LUTs |
//! | `systole_multiply_lut_9x9` | the same of 9 x 9 bits |
//! | `systole_multiply_lut_32x8` | product of signed 32 bits and unsigned 8 bits, to be built of LUTs |
//! | `systole_choose_add` | sum of which one operand is chosen of two, to be built of carry chains alone |
//! | `systole_block_ram` | memory that one port writes and one reads, with its output register |
//! | `systole_dual_port_ram` | memory that one port writes or reads and another reads, with their output registers |
//!
//! Multipliers take [`LATENCY`] cycles from operands to product: a DSP's input, pipeline and output
//! registers. Inner products take [`INNER_PRODUCTS_LATENCY`].

pub mod multiplier;

/// Cycles from the operands to the product.
pub const LATENCY: usize = 3;

/// Cycles from activations and weights to their inner products.
pub const INNER_PRODUCTS_LATENCY: usize = 2;

/// How primitives are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technology {
    /// Plain Verilog, for simulation and for any device.
    Portable,
    /// Lattice ECP5: MULT18X18D, DP16KD and carry chains of CCU2C.
    Ecp5,
}

/// Text of a file in `hdl/technology`.
macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../technology/", $name))
    };
}

/// A module that leaves instantiate by its name.
struct Primitive {
    name: &'static str,
    portable: &'static str,
    ecp5: &'static [&'static str],
}

const ECP5_BLOCK: &str = text!("ecp5/systole_ecp5_block.v");
const ECP5_ROWS: &str = text!("ecp5/systole_ecp5_rows.v");
const ECP5_HALVES: &str = text!("ecp5/systole_ecp5_halves.v");

const PRIMITIVES: [Primitive; 8] = [
    Primitive {
        name: "systole_block_ram",
        portable: text!("portable/systole_block_ram.v"),
        ecp5: &[ECP5_BLOCK, text!("ecp5/systole_block_ram.v")],
    },
    Primitive {
        name: "systole_choose_add",
        portable: text!("portable/systole_choose_add.v"),
        ecp5: &[text!("ecp5/systole_choose_add.v")],
    },
    Primitive {
        name: "systole_dual_port_ram",
        portable: text!("portable/systole_dual_port_ram.v"),
        ecp5: &[ECP5_BLOCK, text!("ecp5/systole_dual_port_ram.v")],
    },
    Primitive {
        name: "systole_inner_products",
        portable: text!("portable/systole_inner_products.v"),
        ecp5: &[
            text!("ecp5/systole_choose_add.v"),
            text!("ecp5/systole_multiply.v"),
            text!("ecp5/systole_inner_products.v"),
        ],
    },
    Primitive {
        name: "systole_multiply",
        portable: text!("portable/systole_multiply.v"),
        ecp5: &[text!("ecp5/systole_multiply.v")],
    },
    Primitive {
        name: "systole_multiply_lut_8x8",
        portable: text!("portable/systole_multiply_lut_8x8.v"),
        ecp5: &[
            ECP5_ROWS,
            ECP5_HALVES,
            text!("ecp5/systole_multiply_lut_8x8.v"),
        ],
    },
    Primitive {
        name: "systole_multiply_lut_9x9",
        portable: text!("portable/systole_multiply_lut_9x9.v"),
        ecp5: &[
            ECP5_ROWS,
            ECP5_HALVES,
            text!("ecp5/systole_multiply_lut_9x9.v"),
        ],
    },
    Primitive {
        name: "systole_multiply_lut_32x8",
        portable: text!("portable/systole_multiply_lut_32x8.v"),
        ecp5: &[
            ECP5_ROWS,
            ECP5_HALVES,
            text!("ecp5/systole_multiply_lut_32x8.v"),
        ],
    },
];

/// Verilog of the primitives that a design names, each once, in a technology.
///
/// For ECP5, yosys reads them beside the design without its plain definitions:
///
/// ```text
/// read_verilog -sv design.v technology.v
/// synth_ecp5 -top top -json netlist.json
/// ```
pub fn definitions(design: &str, technology: Technology) -> String {
    let mut modules: Vec<&str> = Vec::new();
    for primitive in &PRIMITIVES {
        if !names(design, primitive.name) {
            continue;
        }
        let texts = match technology {
            Technology::Portable => std::slice::from_ref(&primitive.portable),
            Technology::Ecp5 => primitive.ecp5,
        };
        for text in texts {
            if !modules.contains(text) {
                modules.push(text);
            }
        }
    }
    modules.join("\n")
}

/// Whether a design needs its second clock in a technology: twice as fast, rising with the first.
pub fn takes_double_clock(design: &str, technology: Technology) -> bool {
    technology == Technology::Ecp5 && names(design, "systole_inner_products")
}

/// Whether a text has a name as a whole word.
fn names(text: &str, name: &str) -> bool {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(start, _)| !text[start + name.len()..].starts_with(in_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_defined() {
        let design = "systole_multiply_lut_8x8 multiplier(.clock(clock));";
        let plain = definitions(design, Technology::Portable);
        assert!(plain.contains("module systole_multiply_lut_8x8 "));
        assert!(!plain.contains("module systole_multiply "));
        assert_eq!(definitions("module top(); endmodule", Technology::Ecp5), "");
    }

    #[test]
    fn what_two_primitives_share_is_there_once() {
        let design = "systole_multiply_lut_8x8 a(); systole_multiply_lut_9x9 b();";
        let text = definitions(design, Technology::Ecp5);
        assert_eq!(text.matches("module systole_ecp5_rows ").count(), 1);
        assert!(text.contains("module systole_multiply_lut_9x9 "));
    }
}
