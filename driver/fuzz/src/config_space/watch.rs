//! What the driver may do to a function, checked at every access. The first thing that it must not do
//! is kept, rather than a panic raised at once: the driver's destructors would raise another.

use std::collections::BTreeMap;

use systole_driver::Identity;
use systole_regs::entries::{CompletionEntry, RunEntry};
use systole_regs::registers::{self as register, Access, BLOCKS, Register, control, status};
use systole_regs::{ABI_VERSION, BAR0_BYTES, MAGIC};

use crate::healthy::{COMMAND, COMMAND_MASTER, COMMAND_MEMORY, CONFIG_BYTES, MSIX};

/// Bits of MSI-X's control word.
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK_ALL: u16 = 1 << 14;

/// What the driver has seen and done.
pub(crate) struct Watch {
    violation: Option<String>,
    /// Accesses in this action, and how many there may be.
    accesses: u32,
    limit: u32,
    /// Registers as they were read last.
    seen: BTreeMap<u32, u32>,
    /// Bytes of configuration space as they were read last.
    seen_config: [Option<u8>; CONFIG_BYTES],
    /// Whether the magic number was right once, and then the version.
    has_magic: bool,
    identified: bool,
    /// Registers as they were written last, whether the write arrived or not.
    written: BTreeMap<u32, u32>,
    /// Most entries of a ring, as the device said when it was opened. It may say something else
    /// later; then it is for `Device::recover` to notice.
    entries_max: u32,
    /// DMA mappings: address and bytes.
    mapped: BTreeMap<u64, usize>,
    /// Whether the device may be processing its queue, as far as the driver can know.
    may_run: bool,
    /// What the driver has told it to do about that.
    stop: Stop,
    /// The rings that it was enabled with last.
    rings: [u64; 2],
    /// Whether the driver gives the device back, and may do what it likes with its memory.
    is_closing: bool,
}

/// How a device was told to stop, and so what shows that it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Disable,
    Reset,
}

impl Watch {
    pub fn new() -> Self {
        Self {
            violation: None,
            accesses: 0,
            limit: 0,
            seen: BTreeMap::new(),
            seen_config: [None; CONFIG_BYTES],
            has_magic: false,
            identified: false,
            written: BTreeMap::new(),
            entries_max: 0,
            mapped: BTreeMap::new(),
            may_run: false,
            stop: Stop::No,
            rings: [0; 2],
            is_closing: false,
        }
    }

    /// The device has been opened, and has said this.
    pub fn open(&mut self, identity: &Identity) {
        self.entries_max = identity.queue_entries_max;
    }

    /// The device is about to be closed.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Begins an action of at most `limit` accesses.
    pub fn begin(&mut self, limit: u32) {
        self.accesses = 0;
        self.limit = limit;
    }

    /// Counts an access; false if there are too many, and it had better fail.
    pub fn count(&mut self) -> bool {
        self.accesses += 1;
        let limit = self.limit;
        self.check(self.accesses <= limit, || {
            format!("more than {limit} accesses")
        })
    }

    /// Accesses in this action.
    pub fn accesses(&self) -> u32 {
        self.accesses
    }

    /// The first thing that the driver did and must not do.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// Mappings that have not been ended.
    pub fn mapping_count(&self) -> usize {
        self.mapped.len()
    }

    fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) -> bool {
        if !holds {
            self.violation.get_or_insert_with(otherwise);
        }
        holds
    }

    /// Checks an access to configuration space; false if it does not fit there.
    pub fn fits_config(&mut self, offset: u16, length: usize) -> bool {
        let offset = usize::from(offset);
        let fits = matches!(length, 1 | 2 | 4)
            && offset.is_multiple_of(length)
            && offset + length <= CONFIG_BYTES;
        self.check(fits, || {
            format!("{length} bytes at {offset:#x} of configuration space")
        })
    }

    pub fn config_read(&mut self, offset: u16, data: &[u8]) {
        for (place, &byte) in self.seen_config[usize::from(offset)..].iter_mut().zip(data) {
            *place = Some(byte);
        }
    }

    pub fn config_write(&mut self, offset: u16, data: &[u8]) {
        let offset = usize::from(offset);
        let seen = |at: usize| self.seen_config.get(at).copied().flatten();
        let before = seen(offset)
            .zip(seen(offset + 1))
            .map(|(low, high)| u16::from_le_bytes([low, high]));
        let right = match (<[u8; 2]>::try_from(data).map(u16::from_le_bytes), before) {
            (Ok(value), Some(before)) if offset == COMMAND => {
                let memory = before | COMMAND_MEMORY;
                value == memory || (self.identified && value == memory | COMMAND_MASTER)
            }
            (Ok(value), Some(before)) if offset >= 0x42 => {
                self.identified
                    && seen(offset - 2) == Some(MSIX)
                    && value == (before | MSIX_ENABLE) & !MSIX_MASK_ALL
            }
            _ => false,
        };
        self.check(right, || {
            format!(
                "{data:02x?} written to {offset:#x} of configuration space, {before:04x?} before"
            )
        });
    }

    /// Checks an access to a register; false if there is none.
    pub fn fits_bar(&mut self, offset: u32, writes: bool) -> bool {
        let inside = offset.is_multiple_of(4) && offset < BAR0_BYTES;
        let known = find(offset).is_some_and(|register| match register.access {
            Access::ReadOnly => !writes,
            Access::ReadWrite => true,
            Access::WriteOnly => writes,
        });
        self.check(inside && known, || {
            format!("no register at {offset:#x}, writes: {writes}")
        })
    }

    pub fn register_read(&mut self, offset: u32, value: u32) {
        self.seen.insert(offset, value);
        match offset {
            register::MAGIC => self.has_magic |= value == MAGIC,
            register::ABI_VERSION if self.has_magic => {
                self.identified |= value >> 16 == ABI_VERSION >> 16;
            }
            register::STATUS if self.stop == Stop::Disable => {
                self.may_run &= value & status::BUSY != 0;
            }
            register::CONTROL if self.stop == Stop::Reset => {
                self.may_run &= value & control::RESET != 0;
            }
            _ => {}
        }
    }

    pub fn register_write(&mut self, offset: u32, value: u32) {
        self.must_be_identified("a register was written");
        let was_enabled = self.is_enabled();
        if (register::SUBMISSION_BASE_LOW..=register::INTERRUPT).contains(&offset) {
            let busy = self.seen.get(&register::STATUS).copied().unwrap_or(0) & status::BUSY != 0;
            self.check(!was_enabled && !busy, || {
                format!("queue register {offset:#x} written while enabled")
            });
        }
        self.written.insert(offset, value);
        if self.is_enabled() {
            self.check_rings();
        }
        if offset == register::CONTROL && value & control::ENABLE != 0 {
            self.may_run = true;
            self.stop = Stop::No;
            self.rings = [
                self.base(
                    register::SUBMISSION_BASE_LOW,
                    register::SUBMISSION_BASE_HIGH,
                ),
                self.base(
                    register::COMPLETION_BASE_LOW,
                    register::COMPLETION_BASE_HIGH,
                ),
            ];
        }
    }

    /// The write has arrived, for all that the driver knows.
    pub fn register_written(&mut self, offset: u32, value: u32) {
        if offset == register::CONTROL && value & control::ENABLE == 0 {
            self.stop = match value & control::RESET {
                0 => Stop::Disable,
                _ => Stop::Reset,
            };
        }
    }

    fn written(&self, offset: u32) -> u32 {
        self.written.get(&offset).copied().unwrap_or(0)
    }

    fn base(&self, low: u32, high: u32) -> u64 {
        u64::from(self.written(high)) << 32 | u64::from(self.written(low))
    }

    /// The device must never be let loose on memory that is not its own.
    fn check_rings(&mut self) {
        let most = self.entries_max;
        let mut wrong = None;
        for (low, high, entries, bytes) in [
            (
                register::SUBMISSION_BASE_LOW,
                register::SUBMISSION_BASE_HIGH,
                register::SUBMISSION_ENTRIES,
                size_of::<RunEntry>(),
            ),
            (
                register::COMPLETION_BASE_LOW,
                register::COMPLETION_BASE_HIGH,
                register::COMPLETION_ENTRIES,
                size_of::<CompletionEntry>(),
            ),
        ] {
            let base = self.base(low, high);
            let entries = self.written(entries);
            let mapped = self.mapped.get(&base).copied().unwrap_or(0);
            if !(2..=most).contains(&entries) || entries as usize * bytes > mapped {
                wrong = Some(format!(
                    "enabled with {entries} entries at {base:#x}, of which {mapped} bytes are mapped"
                ));
            }
        }
        self.check(wrong.is_none(), || wrong.unwrap_or_default());
    }

    /// Whether the driver last told the device to process its queue.
    fn is_enabled(&self) -> bool {
        self.written(register::CONTROL) & control::ENABLE != 0
    }

    pub fn must_be_identified(&mut self, what: &str) {
        self.check(self.identified, || format!("{what} too early"));
    }

    pub fn map(&mut self, address: u64, bytes: usize) {
        self.must_be_identified("memory was mapped");
        self.mapped.insert(address, bytes);
    }

    pub fn unmap(&mut self, address: u64) {
        let was_mapped = self.mapped.remove(&address).is_some();
        self.check(was_mapped, || format!("{address:#x} unmapped twice"));
        let is_in_use = self.may_run && !self.is_closing && self.rings.contains(&address);
        self.check(!is_in_use, || {
            format!("the ring at {address:#x} unmapped before the device has stopped")
        });
    }

    /// What the function has said about itself, as the registers were read last.
    pub fn identity(&self) -> Identity {
        let word = |offset| self.seen.get(&offset).copied().unwrap_or(0);
        let size = |offset| word(offset) as usize;
        Identity {
            abi_major: (word(register::ABI_VERSION) >> 16) as u16,
            abi_minor: word(register::ABI_VERSION) as u16,
            array_rows: size(register::ARRAY_ROWS),
            array_columns: size(register::ARRAY_COLUMNS),
            requantize_lanes: size(register::REQUANTIZE_LANES),
            scratchpad_bytes: size(register::SCRATCHPAD_BYTES),
            weight_tiles: size(register::WEIGHT_TILES),
            parameter_entries: size(register::PARAMETER_ENTRIES),
            program_instructions: size(register::PROGRAM_INSTRUCTIONS),
            accumulator_rows: size(register::ACCUMULATOR_ROWS),
            slot_count: size(register::SLOT_COUNT),
            queue_count: size(register::QUEUE_COUNT),
            queue_entries_max: word(register::QUEUE_ENTRIES_MAX),
            clock_khz: word(register::CLOCK_KHZ),
            features: word(register::FEATURES),
            build_hash: u64::from(word(register::BUILD_HASH_HIGH)) << 32
                | u64::from(word(register::BUILD_HASH_LOW)),
        }
    }
}

/// The register at an offset. Of slots there are as many as fit between the first and the doorbells.
fn find(offset: u32) -> Option<&'static Register> {
    let offset = match offset {
        register::SLOT_STATE..register::SUBMISSION_TAIL_DOORBELL => {
            register::SLOT_STATE + (offset - register::SLOT_STATE) % register::SLOT_BLOCK_BYTES
        }
        _ => offset,
    };
    let mut registers = BLOCKS.iter().flat_map(|(_, block)| *block);
    registers.find(|register| register.offset == offset)
}
