//! Verilog of the named configurations.
//!
//! RustHDL's emitter writes valid Verilog, but leaves widths open where Verilator (rightly) wants
//! them stated. The text is therefore passed through rewrites that say what RustHDL means:
//!
//! | RustHDL writes | becomes | because |
//! |---|---|---|
//! | `((x) & 16'hffff)` for a cast to 16 bits | `16'(x)` | a cast is a size, not a mask |
//! | `localparam State$Idle = 0;` | `localparam [2:0] State$Idle = 3'd0;` | states are as wide as their register |
//! | `q = 64'h0;` in a state's register | `q = 3'h0;` | so is its initial value |

use rust_hdl::prelude::*;
use systole_regs::Configuration;
use systole_regs::configuration::{ECP5_85F, LARGE, SMALL, TINY};

use crate::accelerator::Accelerator;
use crate::bits::index_bits;
use crate::link::bridge::SerialLink;
use crate::link::timing::{LinkTiming, TimingError};
use crate::primitive::{Technology, definitions};

/// Name of the top module in the emitted Verilog.
pub const TOP: &str = "top";

/// Stack for building and walking the accelerator: its blocks are large values.
const STACK_BYTES: usize = 1 << 30;

/// Emitted Verilog.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The configuration that was emitted.
    pub configuration: Configuration,
    /// The Verilog, complete: the design, then plain definitions of its primitives.
    pub verilog: String,
    /// The design alone; [`Emitted::primitives`] belongs beside it.
    pub design: String,
    /// Its hash (FNV-1a, 64 bits, of the text with a build hash of zero), as in the
    /// BUILD_HASH registers.
    pub build_hash: u64,
}

impl Emitted {
    /// The design's primitives as a technology builds them: what belongs beside
    /// `design`.
    pub fn primitives(&self, technology: Technology) -> String {
        definitions(&self.design, technology)
    }
}

/// Why Verilog can't be emitted.
#[derive(Debug)]
pub enum EmitError {
    /// No hardware is instantiated for this configuration.
    UnknownConfiguration(String),
    /// The design is inconsistent; RustHDL's message went to standard error.
    Design,
}

impl std::fmt::Display for EmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EmitError::UnknownConfiguration(name) => {
                let known: Vec<_> = systole_regs::configuration::ALL
                    .iter()
                    .map(|known| known.name)
                    .collect();
                write!(
                    f,
                    "no configuration is called `{name}`; there are: {}",
                    known.join(", ")
                )
            }
            EmitError::Design => {
                write!(
                    f,
                    "the accelerator can't be built; RustHDL's message is above"
                )
            }
        }
    }
}

impl std::error::Error for EmitError {}

/// Builds the accelerator of a configuration constant. RustHDL takes widths as constants, so each
/// configuration needs an instantiation of its own.
macro_rules! build {
    ($configuration:expr, $build_hash:expr) => {{
        const CONFIGURATION: Configuration = $configuration;
        Accelerator::<
            { CONFIGURATION.rows },
            { CONFIGURATION.columns },
            { CONFIGURATION.group_columns() },
            { CONFIGURATION.requantize_lanes },
            { CONFIGURATION.rows * 8 },
            { CONFIGURATION.columns * 8 },
            { CONFIGURATION.requantize_lanes * 8 },
            { CONFIGURATION.partial_sum_bits() },
            { CONFIGURATION.columns * 32 },
            { CONFIGURATION.requantize_lanes * 32 },
            { CONFIGURATION.requantize_lanes * 72 },
            { CONFIGURATION.rows * 24 },
            {
                if CONFIGURATION.requantize_lanes > 8 {
                    CONFIGURATION.requantize_lanes * 8
                } else {
                    64
                }
            },
        >::new(&CONFIGURATION, $build_hash)
    }};
}

/// Emits the accelerator of a named configuration.
///
/// # Errors
/// If there is no such configuration, or the design fails RustHDL's checks.
pub fn emit(name: &str) -> Result<Emitted, EmitError> {
    let configuration = systole_regs::configuration::by_name(name)
        .ok_or_else(|| EmitError::UnknownConfiguration(name.to_owned()))?;
    let generate = move |build_hash: u64| -> Option<String> {
        let raw = if configuration == TINY {
            verilog_of(Box::new(build!(TINY, build_hash)))
        } else if configuration == SMALL {
            verilog_of(Box::new(build!(SMALL, build_hash)))
        } else if configuration == ECP5_85F {
            verilog_of(Box::new(build!(ECP5_85F, build_hash)))
        } else if configuration == LARGE {
            verilog_of(Box::new(build!(LARGE, build_hash)))
        } else {
            return None;
        };
        Some(tidy(&raw))
    };
    let thread = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let build_hash = fnv1a(complete(&generate(0)?).as_bytes());
            Some((generate(build_hash)?, build_hash))
        })
        .map_err(|_| EmitError::Design)?;
    match thread.join() {
        Ok(Some((design, build_hash))) => Ok(Emitted {
            configuration,
            verilog: complete(&design),
            design,
            build_hash,
        }),
        Ok(None) => Err(EmitError::UnknownConfiguration(name.to_owned())),
        Err(_) => Err(EmitError::Design),
    }
}

/// Name of the serial link's module in its Verilog.
pub const SERIAL_LINK: &str = "serial_link";

/// Emits the bridge between the accelerator's ports and a UART (see [`crate::link`]). The names of
/// its modules begin with [`SERIAL_LINK`], so that it can stand in one file with the accelerator.
///
/// # Errors
/// [`TimingError`] if the clock cannot make the baud rate.
pub fn serial_link(clock_khz: u32, baud: u32) -> Result<String, TimingError> {
    LinkTiming::new(clock_khz, baud).map(serial_link_with)
}

/// Emits the bridge with these time constants.
pub fn serial_link_with(timing: LinkTiming) -> String {
    let verilog = tidy(&verilog_of(Box::new(SerialLink::new(timing))));
    verilog
        .replace("module top(", &format!("module {SERIAL_LINK}("))
        .replace("top$", &format!("{SERIAL_LINK}$"))
        .replace(
            "endmodule // top\n",
            &format!("endmodule // {SERIAL_LINK}\n"),
        )
}

/// Name of the module that holds an accelerator and its serial link.
pub const SERIAL_BOARD: &str = "serial_board";

/// Emits an accelerator behind its serial link, as [`SERIAL_BOARD`].
///
/// # Errors
/// As [`emit`].
pub fn serial_board(name: &str, timing: LinkTiming) -> Result<String, EmitError> {
    let accelerator = emit(name)?.verilog;
    let link = serial_link_with(timing);
    let board = include_str!("../wrappers/serial_board.v");
    Ok(format!("{accelerator}\n{link}\n{board}"))
}

/// Verilog of any block, tidied: for tests of single leaves.
pub fn verilog_of<B: Block>(mut block: Box<B>) -> String {
    block.connect_all();
    generate_verilog(block.as_ref())
}

/// A design with plain definitions of the primitives that it names.
pub fn complete(design: &str) -> String {
    let plain = definitions(design, Technology::Portable);
    format!("{design}{plain}")
}

/// States widths where RustHDL leaves them open; see the module's page.
pub fn tidy(verilog: &str) -> String {
    initial_widths(&state_widths(&casts(verilog)))
}

/// `((x) & N'hff..f)` to `N'(x)`.
fn casts(verilog: &str) -> String {
    let bytes = verilog.as_bytes();
    let mut output = String::with_capacity(verilog.len());
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index..].starts_with(b"((")
            && let Some((inner, width, after)) = cast_at(verilog, index)
        {
            output.push_str(&format!("{width}'({})", casts(inner)));
            index = after;
        } else {
            let next = verilog[index..].chars().next().map_or(1, char::len_utf8);
            output.push_str(&verilog[index..index + next]);
            index += next;
        }
    }
    output
}

/// The cast that begins at `start`: what is cast, to how many bits, and where it ends.
fn cast_at(text: &str, start: usize) -> Option<(&str, usize, usize)> {
    let mut depth = 0_usize;
    let mut close = None;
    for (offset, byte) in text.as_bytes()[start + 1..].iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    close = Some(start + 1 + offset);
                    break;
                }
            }
            b';' => return None,
            _ => {}
        }
    }
    let close = close?;
    let rest = text[close + 1..].strip_prefix(" & ")?;
    let end = rest.find(')')?;
    let (width, mask) = rest[..end].split_once("'h")?;
    let width: usize = width.parse().ok()?;
    let ones = format!("{:x}", (num_ones(width)?));
    (mask == ones).then(|| {
        (
            &text[start + 2..close],
            width,
            close + 1 + " & ".len() + end + 1,
        )
    })
}

fn num_ones(width: usize) -> Option<u128> {
    match width {
        1..=127 => Some((1 << width) - 1),
        128 => Some(u128::MAX),
        _ => None,
    }
}

/// Gives the constants of an enumeration the width of its registers.
fn state_widths(verilog: &str) -> String {
    let parse = |line: &str| -> Option<(String, String, usize)> {
        let rest = line.trim().strip_prefix("localparam ")?.strip_suffix(';')?;
        let (name, value) = rest.split_once(" = ")?;
        let (kind, _) = name.split_once('$')?;
        Some((
            kind.trim().to_owned(),
            name.trim().to_owned(),
            value.parse().ok()?,
        ))
    };
    let mut counts = std::collections::HashMap::<String, usize>::new();
    for (kind, _, value) in verilog.lines().filter_map(parse) {
        let count = counts.entry(kind).or_default();
        *count = (*count).max(value + 1);
    }
    let mut output = String::with_capacity(verilog.len());
    for line in verilog.lines() {
        match parse(line) {
            Some((kind, name, value)) => {
                let width = index_bits(counts[&kind]);
                let range = if width == 1 {
                    String::new()
                } else {
                    format!("[{}:0] ", width - 1)
                };
                output.push_str(&format!(
                    "    localparam {range}{name} = {width}'d{value};\n"
                ));
            }
            None => {
                output.push_str(line.trim_end());
                output.push('\n');
            }
        }
    }
    output
}

/// Gives the initial value of a state's register the register's width.
fn initial_widths(verilog: &str) -> String {
    let mut width = 64;
    let mut output = String::with_capacity(verilog.len());
    for line in verilog.lines() {
        let text = line.trim();
        if text.starts_with("output reg") && text.ends_with(" q;") {
            width = text
                .split_once('[')
                .and_then(|(_, rest)| rest.split_once(":0]"))
                .and_then(|(top, _)| top.parse::<usize>().ok())
                .map_or(1, |top| top + 1);
        }
        match text.strip_prefix("q = 64'h") {
            Some(value) if width < 64 => {
                output.push_str(&format!("        q = {width}'h{value}\n"))
            }
            _ => {
                output.push_str(line);
                output.push('\n');
            }
        }
    }
    output
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): identifies a text, no more.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_becomes_a_size() {
        assert_eq!(casts("a = ((b + c) & 4'hf);"), "a = 4'(b + c);");
        assert_eq!(
            casts("x = ((((y) & 3'h7) << z) & 16'hffff);"),
            "x = 16'(3'(y) << z);"
        );
    }

    #[test]
    fn a_real_mask_stays() {
        let mask = "a = ((b) & 8'h0f); c = ((d | e) & f);";
        assert_eq!(casts(mask), mask);
    }

    #[test]
    fn states_get_the_width_of_their_register() {
        let text = "localparam S$A = 0;\nlocalparam S$B = 1;\nlocalparam S$C = 2;\n";
        assert!(state_widths(text).contains("localparam [1:0] S$C = 2'd2;"));
    }

    #[test]
    fn an_unknown_configuration_is_named() {
        let error = emit("huge").expect_err("no such configuration");
        assert!(error.to_string().contains("huge") && error.to_string().contains("small"));
    }
}
