//! From bytes of the fuzzer to a function and to what is done with it.

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use systole_driver::CompletionMode;
use systole_regs::registers::{BLOCKS, Register};
use systole_regs::{ABI_VERSION, BAR0_BYTES, MAGIC};

use crate::healthy::{self, CAPABILITY_LIST, CONFIG_BYTES, MSIX};

/// What becomes of a value that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Stick,
    Ignored,
    /// These bits become others than those written.
    Flip(u32),
}

impl Writes {
    /// What a place holds after `new` was written over `old`.
    pub fn apply(self, old: u32, new: u32) -> u32 {
        match self {
            Writes::Stick => new,
            Writes::Ignored => old,
            Writes::Flip(bits) => new ^ bits,
        }
    }

    fn decode(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=7)? {
            0..=4 => Writes::Stick,
            5 => Writes::Ignored,
            _ => Writes::Flip(u.arbitrary()?),
        })
    }
}

/// What goes wrong at some access.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// This access fails, and the next one works.
    Error,
    /// This access and all others fail.
    Gone,
    /// From now on reads are all ones and writes are lost, as on a bus without the function.
    Ones,
    /// A register changes.
    Register(u32, u32),
    /// A byte of configuration space changes.
    Config(u8, u8),
}

/// One thing that is done with an open device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Slots,
    Counters,
    MakeQueue(CompletionMode, u32),
    UseQueue,
    DropQueue,
    Recover,
    Reset,
    Allocate(usize),
}

/// A function and what is done with it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub config: [u8; CONFIG_BYTES],
    pub registers: BTreeMap<u32, u32>,
    /// What registers read that are not among `registers`.
    pub elsewhere: u32,
    pub command_writes: Writes,
    pub config_writes: Writes,
    pub register_writes: Writes,
    /// Reads that see a reset still running; 255 for ever.
    pub reset_reads: u8,
    /// Reads that see a command still running after each write of CONTROL; 255 for ever.
    pub busy_reads: u8,
    /// Whether the command register is zero after a reset of the function, as it should be.
    pub reset_clears_command: bool,
    /// Faults and the access, counted from the first, that each comes before.
    pub faults: Vec<(u16, Fault)>,
    pub timeout: Duration,
    pub actions: Vec<Action>,
    /// Whether nothing is wrong with the function, and so all must succeed.
    pub faultless: bool,
}

/// What follows the actions of the fuzzer's choice.
const ALWAYS: [Action; 10] = [
    Action::DropQueue,
    Action::Slots,
    Action::Counters,
    Action::MakeQueue(CompletionMode::Polling, 4),
    Action::UseQueue,
    Action::DropQueue,
    Action::MakeQueue(CompletionMode::Interrupt, 4),
    Action::UseQueue,
    Action::DropQueue,
    Action::Recover,
];

/// Values near the limits that the driver checks.
const INTERESTING: [u32; 24] = [
    0,
    1,
    2,
    3,
    u32::MAX,
    12,
    13,
    64,
    65,
    4095,
    4096,
    4097,
    1 << 16,
    (1 << 16) + 1,
    1 << 30,
    (1 << 30) + 1,
    1 << 31,
    10_000_000,
    10_000_001,
    MAGIC,
    MAGIC.swap_bytes(),
    ABI_VERSION,
    ABI_VERSION + 1,
    ABI_VERSION + (1 << 16),
];

impl Plan {
    /// Decodes a plan; what is missing at the end of the data is zero.
    ///
    /// # Errors
    /// None in practice: all values are made of bytes that read as zero when there are none left.
    pub fn decode(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut plan = Self {
            config: healthy::configuration_space(),
            registers: healthy::registers(),
            elsewhere: 0,
            command_writes: Writes::decode(u)?,
            config_writes: Writes::decode(u)?,
            register_writes: Writes::decode(u)?,
            reset_reads: few(u)?,
            busy_reads: few(u)?,
            reset_clears_command: u.int_in_range(0..=1)? == 0,
            faults: Vec::new(),
            timeout: Duration::ZERO,
            actions: Vec::new(),
            faultless: true,
        };
        if u.int_in_range(0..=31)? == 31 {
            plan.timeout = Duration::from_millis(1);
        }
        if u.int_in_range(0..=7)? == 7 {
            plan.elsewhere = value(u)?;
        }
        let writes = [
            plan.command_writes,
            plan.config_writes,
            plan.register_writes,
        ];
        plan.faultless = writes == [Writes::Stick; 3]
            && (plan.reset_reads, plan.busy_reads, plan.elsewhere) == (0, 0, 0);
        plan.edit_config(u)?;
        for _ in 0..u.int_in_range(0..=8)? {
            let (offset, value) = (register(u)?, value(u)?);
            plan.registers.insert(offset, value);
            plan.faultless = false;
        }
        for _ in 0..u.int_in_range(0..=4)? {
            let fault = fault(u)?;
            plan.faults.push((u.int_in_range(0..=511)?, fault));
            plan.faultless = false;
        }
        for _ in 0..u.int_in_range(0..=8)? {
            plan.actions.push(action(u)?);
        }
        plan.actions.extend(ALWAYS);
        Ok(plan)
    }

    /// Changes configuration space: all of it, capabilities, single bytes.
    fn edit_config(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if u.int_in_range(0..=15)? == 15 {
            let header = if u.int_in_range(0..=1)? == 0 { 0x40 } else { 0 };
            u.fill_buffer(&mut self.config[header..])?;
            self.faultless = false;
        }
        for _ in 0..u.int_in_range(0..=16)? {
            // Also in the header, where there must be none.
            let offset = usize::from(u.int_in_range(0x04..=0x3f)? * 4_u8);
            let id = [0x01, 0x05, MSIX][u.choose_index(3)?];
            let control: u16 = u.arbitrary()?;
            self.config[offset..offset + 2].copy_from_slice(&[id, u.arbitrary()?]);
            self.config[offset + 2..offset + 4].copy_from_slice(&control.to_le_bytes());
            if u.int_in_range(0..=3)? == 3 {
                self.config[CAPABILITY_LIST] = offset as u8;
            }
            self.faultless = false;
        }
        for _ in 0..u.int_in_range(0..=8)? {
            self.config[usize::from(u.arbitrary::<u8>()?)] = u.arbitrary()?;
            self.faultless = false;
        }
        Ok(())
    }
}

/// None mostly, a few, or so many that no timeout lasts as long.
fn few(u: &mut Unstructured<'_>) -> Result<u8> {
    Ok(match u.int_in_range(0..=15)? {
        0..=11 => 0,
        15 => u8::MAX,
        some => some - 11,
    })
}

/// The offset of a register that there is, mostly.
fn register(u: &mut Unstructured<'_>) -> Result<u32> {
    let known: Vec<&Register> = BLOCKS.iter().flat_map(|(_, block)| *block).collect();
    let index = u.int_in_range(0..=known.len())?;
    match known.get(index) {
        Some(register) => Ok(register.offset),
        None => Ok(u.int_in_range(0..=BAR0_BYTES / 4 - 1)? * 4),
    }
}

fn value(u: &mut Unstructured<'_>) -> Result<u32> {
    let index = u.int_in_range(0..=INTERESTING.len())?;
    match INTERESTING.get(index) {
        Some(&value) => Ok(value),
        None => u.arbitrary(),
    }
}

fn fault(u: &mut Unstructured<'_>) -> Result<Fault> {
    Ok(match u.int_in_range(0..=4)? {
        0 => Fault::Error,
        1 => Fault::Gone,
        2 => Fault::Ones,
        3 => Fault::Register(register(u)?, value(u)?),
        _ => Fault::Config(u.arbitrary()?, u.arbitrary()?),
    })
}

fn action(u: &mut Unstructured<'_>) -> Result<Action> {
    Ok(match u.int_in_range(0..=7)? {
        0 => Action::Slots,
        1 => Action::Counters,
        2 => {
            let mode = if u.int_in_range(0..=1)? == 0 {
                CompletionMode::Interrupt
            } else {
                CompletionMode::Polling
            };
            Action::MakeQueue(mode, value(u)?)
        }
        3 => Action::UseQueue,
        4 => Action::DropQueue,
        5 => Action::Recover,
        6 => Action::Reset,
        _ => Action::Allocate(u.int_in_range(0..=1 << 20)?),
    })
}
