//! MULT18X18D: each of its registers there or not, with any clock enable and reset.

use rand::{Rng, RngExt, rngs::SmallRng};

use crate::replay::{Cell, Pins, pin, pins};

const CYCLES: usize = 400;

const INPUTS: [Pins; 6] = [
    pins("A", 18),
    pins("B", 18),
    pin("SIGNEDA"),
    pin("SIGNEDB"),
    pins("CE", 4),
    pins("RST", 4),
];
const OUTPUTS: [Pins; 1] = [pins("P", 36)];

/// A register: whether it is there, and the numbers of its enable and reset.
#[derive(Clone, Copy, Default)]
struct Register {
    there: bool,
    enable: u64,
    reset: u64,
    held: u64,
}

impl Register {
    fn any(random: &mut SmallRng, there: bool) -> Self {
        Register {
            there,
            enable: random.random_range(0..4),
            reset: random.random_range(0..4),
            held: 0,
        }
    }

    /// What is behind it.
    fn shows(&self, data: u64) -> u64 {
        if self.there { self.held } else { data }
    }

    fn step(&mut self, data: u64, enables: u64, resets: u64) {
        if resets >> self.reset & 1 == 1 {
            self.held = 0;
        } else if enables >> self.enable & 1 == 1 {
            self.held = data;
        }
    }

    fn parameters(&self, name: &str) -> Vec<(String, String)> {
        let text = |value: String| format!("\"{value}\"");
        // All clocks are the bench's; a number chooses among them.
        let clock = if self.there {
            format!("CLK{}", (self.enable + self.reset) % 4)
        } else {
            "NONE".into()
        };
        vec![
            (format!("REG_{name}_CLK"), text(clock)),
            (format!("REG_{name}_CE"), text(format!("CE{}", self.enable))),
            (
                format!("REG_{name}_RST"),
                text(format!("RST{}", self.reset)),
            ),
        ]
    }
}

/// A number of 18 bits: often an end of a range.
fn operand(random: &mut SmallRng) -> u64 {
    match random.random_range(0..4) {
        0 => [0, 1, 0x1ffff, 0x20000, 0x3ffff][random.random_range(0..5)],
        _ => random.next_u64() & 0x3ffff,
    }
}

/// The value of an operand.
fn value(operand: u64, signed: bool) -> i64 {
    if signed && operand >> 17 == 1 {
        operand as i64 - (1 << 18)
    } else {
        operand as i64
    }
}

/// All choices of registers, and over them all of signs.
pub fn cells(random: &mut SmallRng) -> Vec<Cell> {
    (0..16)
        .map(|registers: u64| cell(registers | ((registers % 4) << 4), random))
        .collect()
}

fn cell(choice: u64, random: &mut SmallRng) -> Cell {
    let bit = |n: u64| choice >> n & 1 == 1;
    let signed = [bit(4), bit(5)];
    let mut registers: [Register; 4] =
        std::array::from_fn(|index| Register::any(random, bit(index as u64)));
    let names = ["INPUTA", "INPUTB", "PIPELINE", "OUTPUT"];
    let parameters = names
        .iter()
        .zip(&registers)
        .flat_map(|(name, register)| register.parameters(name))
        .collect();
    let cycles = (0..CYCLES)
        .map(|_| {
            let [a, b] = [operand(random), operand(random)];
            let enables = random.next_u64() & 0xf;
            let resets = random.next_u64() & random.next_u64() & random.next_u64() & 0xf;
            let [ra, rb, pipeline, output] = registers;
            let product = value(ra.shows(a), signed[0]) * value(rb.shows(b), signed[1]);
            let product = product as u64 & 0xf_ffff_ffff;
            let stages = [a, b, product, pipeline.shows(product)];
            let shown = output.shows(stages[3]);
            for (register, data) in registers.iter_mut().zip(stages) {
                register.step(data, enables, resets);
            }
            let [sa, sb] = signed.map(u64::from);
            vec![a, b, sa, sb, enables, resets, shown]
        })
        .collect();
    Cell {
        module: "MULT18X18D",
        parameters,
        clocks: &["CLK0", "CLK1", "CLK2", "CLK3"],
        inputs: &INPUTS,
        outputs: &OUTPUTS,
        cycles,
    }
}
