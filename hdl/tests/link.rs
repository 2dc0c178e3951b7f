//! The serial link's Verilog and the wrappers around the accelerator pass Verilator's lint, and the
//! page about the link says what the interface does.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use systole_hdl::emit::{emit, serial_board, serial_link};
use systole_hdl::link::timing::LinkTiming;
use systole_regs::link::{FRAMES, Sender};

#[path = "support/verilator.rs"]
mod verilator;

/// Lints a text; the words that Verilator has for it.
fn lint(name: &str, top: &str, text: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("link-{name}.v"));
    std::fs::write(&path, text).expect("the target directory is writable");
    let lint = verilator::command()
        .args(["--lint-only", "--top-module", top])
        .arg(&path)
        .output()
        .expect("perl runs");
    let words = String::from_utf8_lossy(&lint.stderr);
    words
        .lines()
        .filter(|line| line.starts_with('%'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_link_lints_clean_at_every_rate() {
    for (clock_khz, baud) in [
        (100_000, 115_200),
        (150_000, 3_000_000),
        (48_000, 12_000_000),
    ] {
        let text = serial_link(clock_khz, baud).expect("the clock can make the rate");
        let name = format!("{clock_khz}-{baud}");
        assert_eq!(lint(&name, "serial_link", &text), [""; 0]);
    }
}

#[test]
fn the_link_fits_the_accelerators_ports() {
    let timing = LinkTiming::new(100_000, 1_000_000).expect("a usual rate");
    let text = serial_board("tiny", timing).expect("a configuration");
    assert_eq!(lint("board", "serial_board", &text), [""; 0]);
}

#[test]
fn the_axi_wrapper_fits_the_accelerators_ports() {
    let accelerator = emit("tiny").expect("a configuration").verilog;
    let text = format!(
        "{accelerator}\n{}",
        include_str!("../wrappers/systole_axi.v")
    );
    assert_eq!(lint("axi", "systole_axi", &text), [""; 0]);
}

#[test]
fn a_port_that_is_missing_or_of_another_width_is_noticed() {
    let accelerator = emit("tiny").expect("a configuration").verilog;
    let wrapper = include_str!("../wrappers/systole_axi.v");
    for (right, wrong) in [
        (".m_w_strobe(m_axi_wstrb),", ""),
        (
            "input wire [15:0] s_axi_araddr",
            "input wire [11:0] s_axi_araddr",
        ),
    ] {
        assert!(wrapper.contains(right), "{right}");
        let text = format!("{accelerator}\n{}", wrapper.replace(right, wrong));
        assert_ne!(lint("wrong", "systole_axi", &text), [""; 0], "{right}");
    }
}

#[test]
fn the_page_about_the_link_has_the_table_of_frames() {
    let mut table = String::from(
        "| code | frame | from | numbered | payload (bytes) | meaning |\n|---|---|---|---|---|---|\n",
    );
    for frame in FRAMES {
        let sender = match frame.sender {
            Sender::Host => "host",
            Sender::Device => "device",
        };
        let _ = writeln!(
            table,
            "| {:#x} | `{}` | {sender} | {} | {} | {} |",
            frame.code,
            frame.name,
            if frame.sequenced { "yes" } else { "no" },
            frame.payload,
            frame.description
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/serial-link.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page.contains(&table),
        "docs/serial-link.md must have this table:\n{table}"
    );
}
