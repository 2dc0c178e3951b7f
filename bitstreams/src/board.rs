//! Boards: which part, and which of its pins lead where.

use crate::part::{GW5A_25, GW5AST_138, LFE5U_12F, LFE5U_45F, LFE5U_85F, LFE5UM5G_85F, Part};

/// A board that the design can be built for.
#[derive(Debug)]
pub struct Board {
    /// Name on the command line.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its part.
    pub part: &'static Part,
    /// Frequency of its clock in kHz.
    pub clock_khz: u32,
    /// Where the clock enters.
    pub clock: Pin,
    /// The button that resets the design.
    pub button: Pin,
    /// Level of the button while it is pressed.
    pub button_pressed: bool,
    /// Where bytes from the host enter.
    pub rx: Pin,
    /// Where bytes to the host leave.
    pub tx: Pin,
    /// Bits per second of the serial line.
    pub baud: u32,
    /// Where the pins stand.
    pub sources: &'static [&'static str],
    /// What to know before it is used.
    pub note: &'static str,
}

/// A pin of the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its name in the package.
    pub site: &'static str,
    /// Its electrical standard.
    pub standard: &'static str,
    /// The resistor inside the part: `UP`, `DOWN`, `NONE`, or empty for the tool's choice.
    pub pull: &'static str,
}

/// Name of a port of the top, its pin and whether it is an output.
pub type Connection = (&'static str, Pin, Direction);

/// Direction of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the board.
    Input,
    /// To the board.
    Output,
}

const fn pin(site: &'static str, pull: &'static str) -> Pin {
    Pin {
        site,
        standard: "LVCMOS33",
        pull,
    }
}

const ULX3S_SOURCES: &[&str] =
    &["https://github.com/emard/ulx3s/blob/master/doc/constraints/ulx3s_v20.lpf"];

const fn ulx3s(name: &'static str, title: &'static str, part: &'static Part) -> Board {
    Board {
        name,
        title,
        part,
        clock_khz: 25_000,
        clock: pin("G2", "NONE"),
        // FIRE1.
        button: pin("R1", "DOWN"),
        button_pressed: true,
        // ftdi_txd, ftdi_rxd: the FTDI chip's names.
        rx: pin("M1", "UP"),
        tx: pin("L4", "UP"),
        baud: 1_000_000,
        sources: ULX3S_SOURCES,
        note: "Serial is the FTDI chip of the USB connector US1. FIRE1 resets.",
    }
}

/// Every board.
pub const BOARDS: &[&Board] = &[
    &ECP5_EVN,
    &ULX3S_85F,
    &ULX3S_45F,
    &ULX3S_12F,
    &TANG_MEGA_138K,
    &TANG_PRIMER_25K,
];

/// The board that is built for where none is named.
pub const DEFAULT: &Board = &ECP5_EVN;

/// Lattice's evaluation board of the ECP5-5G.
pub static ECP5_EVN: Board = Board {
    name: "ecp5-evn",
    title: "Lattice LFE5UM5G-85F-EVN",
    part: &LFE5UM5G_85F,
    clock_khz: 12_000,
    clock: pin("A10", ""),
    button: pin("G2", "UP"),
    button_pressed: false,
    rx: pin("P2", "UP"),
    tx: pin("P3", ""),
    baud: 1_000_000,
    sources: &[
        "https://github.com/YosysHQ/prjtrellis/blob/master/examples/ecp5_evn/ecp5evn.lpf",
        "https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/lattice_ecp5_evn.py",
    ],
    note: "Serial is port B of the FT2232H, once R22 and R23 are removed, R34 and R35 are populated with 0 ohm and the port is configured as a UART (see the LiteX file).",
};

/// ULX3S with the largest part.
pub static ULX3S_85F: Board = ulx3s("ulx3s-85f", "Radiona ULX3S, LFE5U-85F", &LFE5U_85F);

/// ULX3S with the middle part.
pub static ULX3S_45F: Board = ulx3s("ulx3s-45f", "Radiona ULX3S, LFE5U-45F", &LFE5U_45F);

/// ULX3S with the smallest part.
pub static ULX3S_12F: Board = ulx3s("ulx3s-12f", "Radiona ULX3S, LFE5U-12F", &LFE5U_12F);

/// Sipeed's Tang Mega 138K on its Neo dock.
pub static TANG_MEGA_138K: Board = Board {
    name: "tang-mega-138k",
    title: "Sipeed Tang Mega 138K, Neo dock",
    part: &GW5AST_138,
    clock_khz: 50_000,
    clock: pin("V22", "UP"),
    // btn_n 0, pin 60 of connector J2.
    button: pin("AA13", "UP"),
    button_pressed: false,
    rx: pin("V14", "UP"),
    tx: pin("U15", "NONE"),
    baud: 1_000_000,
    sources: &[
        "https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/sipeed_tang_mega_138k.py",
    ],
    note: "Serial is the USB bridge of the board.",
};

/// Sipeed's Tang Primer 25K on its dock.
pub static TANG_PRIMER_25K: Board = Board {
    name: "tang-primer-25k",
    title: "Sipeed Tang Primer 25K, dock",
    part: &GW5A_25,
    clock_khz: 50_000,
    clock: pin("E2", "NONE"),
    // Pin 37 of connector J1.
    button: pin("H11", "DOWN"),
    button_pressed: true,
    // Pins 19 and 21 of connector J1.
    rx: pin("B3", "UP"),
    tx: pin("C3", "NONE"),
    baud: 1_000_000,
    sources: &[
        "https://github.com/litex-hub/litex-boards/blob/master/litex_boards/platforms/sipeed_tang_primer_25k.py",
    ],
    note: "Serial is the USB bridge of the dock. Public sources disagree on the button's level: if the design stays in reset, it is the other one.",
};

impl Board {
    /// The board with this name.
    pub fn by_name(name: &str) -> Option<&'static Board> {
        BOARDS.iter().copied().find(|board| board.name == name)
    }

    /// The ports of the top and their pins.
    pub fn connections(&self) -> [Connection; 4] {
        [
            ("clock_pin", self.clock, Direction::Input),
            ("button_pin", self.button, Direction::Input),
            ("rx_pin", self.rx, Direction::Input),
            ("tx_pin", self.tx, Direction::Output),
        ]
    }
}
