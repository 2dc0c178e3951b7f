//! The top of a board: clock, reset, and between them what is built.
//!
//! ```text
//!  clock_pin  -> PLL -> clock ------+   (-> double_clock)
//!                 | lock            v
//!  button_pin ----+--> reset synchronizer -> reset -> body <- rx_pin, -> tx_pin
//! ```
//!
//! Verilog, not RustHDL: PLLs are black boxes with parameters that only the family's tools know.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::board::{Board, Direction};
use crate::clock::{NoClock, Pll};
use crate::error::FlowError;
use crate::family::ClockGenerator;
use crate::verilog::{Port, ports};

/// Ports that the shell drives.
const SHELL: [&str; 3] = ["clock", "double_clock", "reset"];

/// Name of the top module.
pub const NAME: &str = "board";

/// How the design's clock comes about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockPlan {
    /// The board's clock in kHz.
    pub board_khz: u32,
    /// What was asked for in kHz.
    pub wanted_khz: u32,
    /// What the design gets in kHz.
    pub khz: f64,
    /// The PLL's settings, if it has one.
    pub pll: Option<Pll>,
}

impl ClockPlan {
    /// The clock of a board, as near below `wanted_khz` as it can, with double of it where a design
    /// `doubles`.
    ///
    /// # Errors
    /// If the PLL can't make such a clock.
    pub fn of(board: &Board, wanted_khz: u32, doubles: bool) -> Result<ClockPlan, NoClock> {
        let pll = match board.part.family.clock {
            ClockGenerator::Ehxplll => Some(Pll::solve(
                board.clock_khz.into(),
                wanted_khz.into(),
                doubles,
            )?),
            ClockGenerator::Pin => None,
        };
        Ok(ClockPlan {
            board_khz: board.clock_khz,
            wanted_khz,
            khz: pll.map_or(f64::from(board.clock_khz), |pll| pll.output_khz()),
            pll,
        })
    }

    /// Whether the design gets what was asked for.
    pub fn is_exact(&self) -> bool {
        match &self.pll {
            Some(pll) => pll.is_exactly(self.wanted_khz.into()),
            None => self.board_khz == self.wanted_khz,
        }
    }
}

/// Clock and reset of a board around a body, which sees `clock`, `double_clock`, `reset`, `rx_pin`
/// and `tx_pin`.
pub fn shell(board: &Board, plan: &ClockPlan, body: &str) -> String {
    let mut text = format!(
        "// {}: clock, reset and what is built. Written by systole-bitstreams.\n\n\
         module {NAME}(\n    input wire clock_pin,\n    input wire button_pin,\n    \
         input wire rx_pin,\n    output wire tx_pin\n);\n\n",
        board.title
    );
    match &plan.pll {
        Some(pll) => text += &ehxplll(pll),
        None => {
            text += "    // The board's clock is the design's.\n    wire clock = clock_pin;\n    \
                     wire double_clock = 1'b0;\n    wire locked = 1'b1;\n\n";
        }
    }
    let pressed = if board.button_pressed { "" } else { "!" };
    let _ = write!(
        text,
        "    // Reset begins at once, with or without a clock, and ends with the clock's edge,\n    \
         // some cycles after the clock is stable.\n    \
         wire hold = !locked || {pressed}button_pin;\n    \
         reg [3:0] release_chain = 4'b0;\n    \
         reg reset = 1'b1;\n    \
         always @(posedge clock or posedge hold)\n        \
         if (hold) release_chain <= 4'b0;\n        \
         else release_chain <= {{release_chain[2:0], 1'b1}};\n    \
         always @(posedge clock) reset <= !release_chain[3];\n\n"
    );
    text += body;
    text += "endmodule\n";
    text
}

/// The ECP5's PLL; loop filter and charge pump as Diamond sets them.
fn ehxplll(pll: &Pll) -> String {
    let Pll {
        input_khz,
        input,
        feedback,
        feedback_output,
        output,
        doubles,
    } = pll;
    let (second, clock) = if pll.is_single() {
        (String::new(), "feedback")
    } else {
        (
            format!(
                "        .CLKOS_ENABLE(\"ENABLED\"), .CLKOS_DIV({output}), .CLKOS_CPHASE({}), .CLKOS_FPHASE(0),\n",
                output - 1
            ),
            "second",
        )
    };
    let (third, double_clock) = if *doubles {
        (
            format!(
                "        .CLKOS2_ENABLE(\"ENABLED\"), .CLKOS2_DIV({}), .CLKOS2_CPHASE({}), .CLKOS2_FPHASE(0),\n",
                output / 2,
                output / 2 - 1
            ),
            "third",
        )
    } else {
        (String::new(), "1'b0")
    };
    format!(
        "    // {input_khz} kHz / {input} x {feedback} x {feedback_output} = VCO at {} kHz; / {output} = the clock.\n    \
         wire feedback, second, third, locked;\n    \
         (* ICP_CURRENT=\"12\" *) (* LPF_RESISTOR=\"8\" *) (* MFG_ENABLE_FILTEROPAMP=\"1\" *) (* MFG_GMCREF_SEL=\"2\" *)\n    \
         EHXPLLL #(\n        \
         .PLLRST_ENA(\"DISABLED\"), .INTFB_WAKE(\"DISABLED\"), .STDBY_ENABLE(\"DISABLED\"),\n        \
         .DPHASE_SOURCE(\"DISABLED\"), .OUTDIVIDER_MUXA(\"DIVA\"), .OUTDIVIDER_MUXB(\"DIVB\"),\n        \
         .OUTDIVIDER_MUXC(\"DIVC\"), .OUTDIVIDER_MUXD(\"DIVD\"),\n        \
         .CLKI_DIV({input}), .CLKFB_DIV({feedback}), .FEEDBK_PATH(\"CLKOP\"),\n\
         {second}{third}        \
         .CLKOP_ENABLE(\"ENABLED\"), .CLKOP_DIV({feedback_output}), .CLKOP_CPHASE({}), .CLKOP_FPHASE(0)\n    \
         ) pll (\n        \
         .RST(1'b0), .STDBY(1'b0), .CLKI(clock_pin), .CLKFB(feedback), .CLKOP(feedback), .CLKOS(second), .CLKOS2(third),\n        \
         .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1),\n        \
         .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0), .ENCLKOS(1'b0), .LOCK(locked)\n    );\n    \
         wire clock = {clock};\n    \
         wire double_clock = {double_clock};\n\n",
        pll.vco_khz(),
        feedback_output - 1,
    )
}

/// The accelerator and the serial link, joined port by port: each output of one is the other's
/// input of the same name.
///
/// # Errors
/// If a port of one has no counterpart that drives it.
pub fn accelerator(
    accelerator: &str,
    accelerator_top: &str,
    link: &str,
    link_top: &str,
) -> Result<String, FlowError> {
    let ours = ports(accelerator, accelerator_top)?;
    let theirs = ports(link, link_top)?;
    let mut text = String::new();
    let shared: Vec<&Port> = ours
        .iter()
        .filter(|port| !SHELL.contains(&port.name.as_str()))
        .collect();
    for port in &shared {
        let _ = writeln!(text, "    wire {}{};", port.range(), port.name);
        let counterpart = theirs.iter().find(|other| other.name == port.name);
        match counterpart {
            Some(other) if other.width != port.width || other.direction == port.direction => {
                return Err(FlowError::Ports(format!(
                    "{} is {} bits, {:?}, at the accelerator and {} bits, {:?}, at the link",
                    port.name, port.width, port.direction, other.width, other.direction
                )));
            }
            None if port.direction == Direction::Input => {
                return Err(FlowError::Ports(format!("nothing drives {}", port.name)));
            }
            _ => {}
        }
    }
    instance(&mut text, accelerator_top, "accelerator", &ours, &[]);
    let pins = [("rx", "rx_pin"), ("tx", "tx_pin")];
    let (known, unknown): (Vec<Port>, Vec<Port>) = theirs.into_iter().partition(|port| {
        SHELL.contains(&port.name.as_str())
            || pins.iter().any(|(pin, _)| *pin == port.name)
            || shared.iter().any(|other| other.name == port.name)
    });
    if let Some(port) = (unknown.iter()).find(|port| port.direction == Direction::Input) {
        return Err(FlowError::Ports(format!("nothing drives {}", port.name)));
    }
    instance(&mut text, link_top, "link", &known, &pins);
    Ok(text)
}

/// A block alone, for what it takes and how fast it is: its inputs are a shift register from
/// `rx_pin`, its outputs are folded into `tx_pin` one register a bit, so that the wrapper's own
/// paths are short.
///
/// # Errors
/// If there is no such module, or it has no inputs or outputs.
pub fn block(verilog: &str, module: &str) -> Result<String, FlowError> {
    let all = ports(verilog, module)?;
    let bits = |direction: Direction| -> u32 {
        all.iter()
            .filter(|port| !SHELL.contains(&port.name.as_str()))
            .filter(|port| port.direction == direction)
            .map(|port| port.width)
            .sum()
    };
    let (inputs, outputs) = (bits(Direction::Input), bits(Direction::Output));
    if inputs < 2 || outputs < 2 {
        return Err(FlowError::Ports(format!(
            "{module} has {inputs} bits of inputs and {outputs} of outputs; a block needs two of each"
        )));
    }
    let mut text = format!(
        "    reg [{}:0] stimulus;\n    always @(posedge clock) stimulus <= {{stimulus[{}:0], rx_pin}};\n    \
         wire [{}:0] outputs;\n    reg [{}:0] response, fold;\n    always @(posedge clock) response <= outputs;\n    \
         always @(posedge clock) fold <= response ^ {{fold[{}:0], 1'b0}};\n    \
         assign tx_pin = fold[{}];\n",
        inputs - 1,
        inputs - 2,
        outputs - 1,
        outputs - 1,
        outputs - 2,
        outputs - 1,
    );
    let (mut input, mut output) = (0, 0);
    let mut connections = Vec::new();
    for port in &all {
        if SHELL.contains(&port.name.as_str()) {
            continue;
        }
        let (vector, at) = match port.direction {
            Direction::Input => ("stimulus", &mut input),
            Direction::Output => ("outputs", &mut output),
        };
        connections.push((
            port.name.clone(),
            format!("{vector}[{} +: {}]", at, port.width),
        ));
        *at += port.width;
    }
    let connections: Vec<_> = connections
        .iter()
        .map(|(port, net)| (port.as_str(), net.as_str()))
        .collect();
    instance(&mut text, module, "block", &all, &connections);
    Ok(text)
}

/// An instance; ports connect to nets of their own names where nothing else is said.
fn instance(text: &mut String, module: &str, name: &str, all: &[Port], nets: &[(&str, &str)]) {
    let _ = writeln!(text, "    {module} {name} (");
    let lines: Vec<_> = all
        .iter()
        .map(|port| {
            let net = nets
                .iter()
                .find(|(known, _)| *known == port.name)
                .map_or(port.name.as_str(), |(_, net)| net);
            format!("        .{}({net})", port.name)
        })
        .collect();
    text.push_str(&lines.join(",\n"));
    text.push_str("\n    );\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "module top(clock);\n input wire clock;\n input wire reset;\n \
                        input wire [15:0] address;\n output reg ready;\n output reg active;\nendmodule\n";

    #[test]
    fn ports_of_the_same_name_are_joined() {
        let link = "module serial_link(clock);\n input wire clock;\n input wire reset;\n \
                    input wire rx;\n output reg tx;\n output reg [15:0] address;\n input wire ready;\nendmodule\n";
        let text = accelerator(OURS, "top", link, "serial_link").expect("they fit");
        assert!(text.contains("wire [15:0] address;"), "{text}");
        assert_eq!(text.matches(".address(address)").count(), 2);
        assert!(text.contains(".rx(rx_pin)"));
    }

    #[test]
    fn ports_that_do_not_fit_are_named() {
        let narrow = "module serial_link(clock);\n output reg [7:0] address;\nendmodule\n";
        let error = accelerator(OURS, "top", narrow, "serial_link").expect_err("8 bits for 16");
        assert!(error.to_string().contains("address is 16 bits"), "{error}");
        let mute = "module serial_link(clock);\n input wire clock;\nendmodule\n";
        let error = accelerator(OURS, "top", mute, "serial_link").expect_err("no address");
        assert!(
            error.to_string().contains("nothing drives address"),
            "{error}"
        );
        let greedy = "module serial_link(clock);\n output reg [15:0] address;\n input wire more;\nendmodule\n";
        let error =
            accelerator(OURS, "top", greedy, "serial_link").expect_err("nothing gives more");
        assert!(error.to_string().contains("nothing drives more"), "{error}");
    }

    #[test]
    fn a_second_output_is_used_where_one_does_not_do() {
        let single = Pll::solve(25_000, 100_000, false).expect("the PLL makes it");
        assert!(ehxplll(&single).contains("wire clock = feedback;"));
        let split = Pll::solve(12_000, 100_000, false).expect("the PLL makes it");
        let text = ehxplll(&split);
        assert!(
            text.contains("wire clock = second;") && text.contains(".CLKOS_DIV("),
            "{text}"
        );
    }

    #[test]
    fn a_double_clock_comes_from_an_output_of_its_own() {
        let pll = Pll::solve(12_000, 100_000, true).expect("the PLL makes it");
        let text = ehxplll(&pll);
        let half = format!(".CLKOS2_DIV({})", pll.output / 2);
        assert!(
            text.contains("wire double_clock = third;") && text.contains(&half),
            "{text}"
        );
    }
}
