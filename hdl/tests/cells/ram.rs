//! DP16KD: pairs of widths, modes of writing, output registers, byte enables, initial values.

use rand::{Rng, RngExt, rngs::SmallRng};

use crate::replay::{Cell, Pins, pin, pins};

const CYCLES: usize = 1500;

const INPUTS: [Pins; 14] = [
    pins("DIA", 18),
    pins("ADA", 14),
    pin("CEA"),
    pin("OCEA"),
    pin("WEA"),
    pin("RSTA"),
    pins("CSA", 3),
    pins("DIB", 18),
    pins("ADB", 14),
    pin("CEB"),
    pin("OCEB"),
    pin("WEB"),
    pin("RSTB"),
    pins("CSB", 3),
];
const OUTPUTS: [Pins; 2] = [pins("DOA", 18), pins("DOB", 18)];

/// What a port shows while it writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Normal,
    WriteThrough,
    ReadBeforeWrite,
}

impl Mode {
    fn text(self) -> &'static str {
        match self {
            Mode::Normal => "NORMAL",
            Mode::WriteThrough => "WRITETHROUGH",
            Mode::ReadBeforeWrite => "READBEFOREWRITE",
        }
    }
}

#[derive(Clone, Copy)]
struct Port {
    width: usize,
    mode: Mode,
    registered: bool,
    select: u64,
    latch: u64,
    output: u64,
}

/// Inputs of a port in a cycle.
#[derive(Clone, Copy)]
struct Access {
    data: u64,
    address: usize,
    enable: bool,
    output_enable: bool,
    write: bool,
    reset: bool,
    select: u64,
}

/// Word and bit of each bit of an access: 16 bits of each word have an address of their own, and
/// two more go with bytes of 9.
fn places(width: usize, address: usize) -> Vec<(usize, usize)> {
    (0..width)
        .map(|k| match width {
            1 | 2 | 4 => {
                let bit = address / width * width + k;
                (bit / 16, bit % 16 + bit % 16 / 8)
            }
            9 => (address / 16, address / 8 % 2 * 9 + k),
            18 => (address / 16, k),
            _ => (address / 32 * 2 + k / 18, k % 18),
        })
        .collect()
}

/// Whether bit `k` of an access is written.
fn is_enabled(width: usize, address: usize, k: usize) -> bool {
    width < 18 || address >> (k / 9) & 1 == 1
}

impl Port {
    fn any(random: &mut SmallRng, width: usize, mode: Mode) -> Self {
        Port {
            width,
            mode,
            registered: random.random(),
            select: random.random_range(0..8),
            latch: 0,
            output: 0,
        }
    }

    fn shown(&self) -> u64 {
        if self.registered {
            self.output
        } else {
            self.latch
        }
    }

    /// The bits that an access writes, with their places.
    fn writes(&self, access: &Access) -> Vec<((usize, usize), u64)> {
        let active = access.enable && access.select == self.select;
        if !(active && access.write) || access.reset {
            return Vec::new();
        }
        let places = places(self.width, access.address).into_iter().enumerate();
        places
            .filter(|(k, _)| is_enabled(self.width, access.address, *k))
            .map(|(k, place)| (place, access.data >> k & 1))
            .collect()
    }

    fn step(&mut self, access: &Access, memory: &[u64]) {
        if access.reset {
            (self.latch, self.output) = (0, 0);
            return;
        }
        if access.output_enable {
            self.output = self.latch;
        }
        let active = access.enable && access.select == self.select;
        if !active || access.write && self.mode == Mode::Normal {
            return;
        }
        let own = self.writes(access);
        let through = self.mode == Mode::WriteThrough;
        self.latch = places(self.width, access.address)
            .into_iter()
            .enumerate()
            .fold(0, |data, (k, (word, bit))| {
                let written = own
                    .iter()
                    .find(|(place, _)| through && *place == (word, bit));
                data | written.map_or(memory[word] >> bit & 1, |(_, value)| *value) << k
            });
    }

    fn access(&self, random: &mut SmallRng) -> Access {
        let near = |random: &mut SmallRng| random.random_range(0..96);
        let address = if random.random_range(0..8) == 0 {
            random.random_range(0..1 << 14)
        } else {
            near(random)
        };
        Access {
            data: random.next_u64() & 0xf_ffff_ffff,
            address,
            enable: random.random_range(0..8) > 0,
            output_enable: random.random(),
            write: random.random(),
            reset: random.random_range(0..16) == 0,
            select: if random.random_range(0..8) == 0 {
                random.random_range(0..8)
            } else {
                self.select
            },
        }
    }

    fn parameters(&self, name: char) -> Vec<(String, String)> {
        let mut parameters = vec![(format!("DATA_WIDTH_{name}"), self.width.to_string())];
        let register = if self.registered { "OUTREG" } else { "NOREG" };
        for (parameter, value) in [
            ("REGMODE", register.to_owned()),
            ("WRITEMODE", self.mode.text().to_owned()),
            ("CSDECODE", format!("0b{:03b}", self.select)),
        ] {
            parameters.push((format!("{parameter}_{name}"), format!("\"{value}\"")));
        }
        parameters
    }
}

/// Uses of two ports of up to 18 bits, and of 36 bits on either side.
pub fn cells(random: &mut SmallRng) -> Vec<Cell> {
    use Mode::{Normal, ReadBeforeWrite, WriteThrough};
    let uses = [
        ((1, Normal), (18, Normal)),
        ((2, WriteThrough), (1, ReadBeforeWrite)),
        ((4, ReadBeforeWrite), (2, WriteThrough)),
        ((9, Normal), (9, ReadBeforeWrite)),
        ((9, WriteThrough), (4, Normal)),
        ((18, ReadBeforeWrite), (9, WriteThrough)),
        ((18, WriteThrough), (18, Normal)),
        ((36, Normal), (36, Normal)),
        ((36, Normal), (9, Normal)),
        ((36, Normal), (1, Normal)),
        ((18, Normal), (36, Normal)),
        ((4, Normal), (36, Normal)),
    ];
    uses.into_iter().map(|(a, b)| cell(a, b, random)).collect()
}

fn cell(a: (usize, Mode), b: (usize, Mode), random: &mut SmallRng) -> Cell {
    let mut memory: Vec<u64> = (0..1024).map(|_| random.next_u64() & 0x3ffff).collect();
    let mut ports = [Port::any(random, a.0, a.1), Port::any(random, b.0, b.1)];
    let mut parameters = ports[0].parameters('A');
    parameters.extend(ports[1].parameters('B'));
    for (index, words) in memory.chunks(16).enumerate() {
        let digits: String = words
            .iter()
            .rev()
            .map(|word| format!("{word:05x}"))
            .collect();
        parameters.push((format!("INITVAL_{index:02X}"), format!("320'h{digits}")));
    }
    let cycles = (0..CYCLES)
        .map(|_| {
            let mut accesses = [ports[0].access(random), ports[1].access(random)];
            // Of the wide memory one port writes, the other reads.
            if ports.iter().any(|port| port.width == 36) {
                accesses[0].write = true;
                accesses[1].write = false;
            }
            // What both write at once isn't specified.
            let both = [0, 1].map(|n: usize| ports[n].writes(&accesses[n]));
            if both[0]
                .iter()
                .any(|(place, _)| both[1].iter().any(|(other, _)| other == place))
            {
                accesses[1].write = false;
            }
            let shown = if ports[1].width == 36 {
                [ports[1].shown() & 0x3ffff, ports[1].shown() >> 18]
            } else {
                [ports[0].shown(), ports[1].shown()].map(|value| value & 0x3ffff)
            };
            let written: Vec<_> = (0..2).flat_map(|n| ports[n].writes(&accesses[n])).collect();
            for (port, access) in ports.iter_mut().zip(&accesses) {
                port.step(access, &memory);
            }
            for ((word, bit), value) in written {
                memory[word] = memory[word] & !(1 << bit) | value << bit;
            }
            values(&accesses, ports[0].width == 36, shown)
        })
        .collect();
    Cell {
        module: "DP16KD",
        parameters,
        clocks: &["CLKA", "CLKB"],
        inputs: &INPUTS,
        outputs: &OUTPUTS,
        cycles,
    }
}

/// Values of all pins; data of 36 bits come at both ports' pins.
fn values(accesses: &[Access; 2], wide: bool, shown: [u64; 2]) -> Vec<u64> {
    let mut values = Vec::new();
    for (index, access) in accesses.iter().enumerate() {
        let data = if index == 1 && wide {
            accesses[0].data >> 18
        } else {
            access.data
        };
        values.extend([data & 0x3ffff, access.address as u64]);
        let flags = [
            access.enable,
            access.output_enable,
            access.write,
            access.reset,
        ];
        values.extend(flags.map(u64::from));
        values.push(access.select);
    }
    values.extend(shown);
    values
}
