//! Configuration space: a type 0 header, two base address registers and three capabilities.
//!
//! ```text
//!  0x00 header   BAR0 = 64 KiB registers   BAR4 = 4 KiB MSI-X table and PBA
//!  0x40 power management -> 0x50 MSI-X -> 0x60 PCI Express endpoint -> end
//!  0x100 no extended capabilities
//! ```
//!
//! Offsets and bits: PCI Express Base Specification 5.0, chapter 7.

use systole_regs::{BAR0_BYTES, PCI_CLASS, PCI_DEVICE, PCI_VENDOR};

use super::msix;

/// Size of the configuration space of a PCI Express function in bytes.
pub const CONFIG_BYTES: usize = 4096;
/// Size of BAR4 in bytes.
pub const BAR4_BYTES: u32 = 4096;
/// BAR that holds the MSI-X table and the PBA.
pub const MSIX_BAR: u32 = 4;

/// Offset of the command register.
pub const COMMAND: usize = 0x04;
/// Command register: answer accesses to the BARs.
pub const COMMAND_MEMORY_SPACE: u16 = 1 << 1;
/// Command register: issue requests, that is DMA and MSI-X messages.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;

const STATUS: usize = 0x06;
const REVISION: usize = 0x08;
const CACHE_LINE: usize = 0x0c;
const BAR0: usize = 0x10;
const BAR4: usize = 0x20;
const SUBSYSTEM: usize = 0x2c;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;

const POWER: usize = 0x40;
const POWER_CONTROL: usize = POWER + 4;
/// Offset of the MSI-X capability.
pub const MSIX: usize = 0x50;
const MSIX_CONTROL: usize = MSIX + 2;
const EXPRESS: usize = 0x60;
const DEVICE_CONTROL: usize = EXPRESS + 0x08;

/// Message control: MSI-X is on.
const MSIX_ENABLE: u16 = 1 << 15;
/// Message control: every vector is masked.
const MSIX_FUNCTION_MASK: u16 = 1 << 14;
const INITIATE_RESET: u16 = 1 << 15;

/// Memory BAR, 64 bits wide, not prefetchable.
const BAR_64_BIT: u32 = 0b100;
const CAPABILITY_LIST: u16 = 1 << 4;

/// Bytes that hold values in the standard space; the extended space reads as zero.
const STANDARD_BYTES: usize = 256;

/// The configuration space of the function.
pub struct ConfigSpace {
    bytes: [u8; STANDARD_BYTES],
    /// Bits that software may change.
    writable: [u8; STANDARD_BYTES],
}

/// What a write to configuration space asks for besides holding a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigEffect {
    /// Nothing else.
    None,
    /// A function-level reset.
    FunctionReset,
}

impl Default for ConfigSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl ConfigSpace {
    /// Configuration space as after a reset: BARs without address, memory space, bus master and
    /// MSI-X off.
    pub fn new() -> Self {
        let mut space = ConfigSpace {
            bytes: [0; STANDARD_BYTES],
            writable: [0; STANDARD_BYTES],
        };
        space.header();
        space.power_management();
        space.msix();
        space.express();
        space
    }

    fn header(&mut self) {
        self.set(0x00, &PCI_VENDOR.to_le_bytes(), &[]);
        self.set(0x02, &PCI_DEVICE.to_le_bytes(), &[]);
        // Also parity and system error reporting, and INTx disable, which do nothing here.
        self.set(COMMAND, &[0; 2], &0x0546_u16.to_le_bytes());
        self.set(STATUS, &CAPABILITY_LIST.to_le_bytes(), &[]);
        self.set(REVISION, &(PCI_CLASS << 8).to_le_bytes(), &[]);
        self.set(CACHE_LINE, &[0], &[0xff]);
        self.bar(BAR0, BAR0_BYTES);
        self.bar(BAR4, BAR4_BYTES);
        self.set(SUBSYSTEM, &PCI_VENDOR.to_le_bytes(), &[]);
        self.set(SUBSYSTEM + 2, &PCI_DEVICE.to_le_bytes(), &[]);
        self.set(CAPABILITIES, &[POWER as u8], &[]);
        self.set(INTERRUPT_LINE, &[0], &[0xff]);
    }

    fn bar(&mut self, offset: usize, bytes: u32) {
        self.set(
            offset,
            &BAR_64_BIT.to_le_bytes(),
            &(!(bytes - 1)).to_le_bytes(),
        );
        self.set(offset + 4, &[0; 4], &[0xff; 4]);
    }

    fn power_management(&mut self) {
        // Version 3, no PME.
        self.set(POWER, &[0x01, MSIX as u8, 0x03, 0x00], &[]);
        // Going from D3hot to D0 resets nothing (bit 3).
        self.set(POWER_CONTROL, &[0x08, 0], &[0x03]);
    }

    fn msix(&mut self) {
        let size = msix::VECTORS as u16 - 1;
        self.set(MSIX, &[0x11, EXPRESS as u8], &[]);
        let writable = MSIX_ENABLE | MSIX_FUNCTION_MASK;
        self.set(MSIX_CONTROL, &size.to_le_bytes(), &writable.to_le_bytes());
        self.set(
            MSIX + 4,
            &(msix::TABLE_OFFSET as u32 | MSIX_BAR).to_le_bytes(),
            &[],
        );
        self.set(
            MSIX + 8,
            &(msix::PENDING_OFFSET as u32 | MSIX_BAR).to_le_bytes(),
            &[],
        );
    }

    fn express(&mut self) {
        // Capability version 2, endpoint.
        self.set(EXPRESS, &[0x10, 0, 0x02, 0x00], &[]);
        // Payloads up to 256 bytes, extended tags, role-based errors, function-level reset.
        self.set(EXPRESS + 0x04, &0x1000_8021_u32.to_le_bytes(), &[]);
        // Relaxed ordering and no snoop allowed, reads of up to 512 bytes.
        self.set(
            DEVICE_CONTROL,
            &0x2810_u16.to_le_bytes(),
            &0x7fff_u16.to_le_bytes(),
        );
        // 5 GT/s, one lane, as an ECP5-5G has; no ASPM.
        self.set(EXPRESS + 0x0c, &0x0040_0012_u32.to_le_bytes(), &[]);
        self.set(EXPRESS + 0x10, &[0; 2], &0x01cb_u16.to_le_bytes());
        self.set(EXPRESS + 0x12, &0x0012_u16.to_le_bytes(), &[]);
        // Completion timeouts can be switched off.
        self.set(EXPRESS + 0x24, &0x10_u32.to_le_bytes(), &[]);
        self.set(EXPRESS + 0x28, &[0; 2], &0x0010_u16.to_le_bytes());
        // 2.5 and 5 GT/s.
        self.set(EXPRESS + 0x2c, &0x06_u32.to_le_bytes(), &[]);
        self.set(
            EXPRESS + 0x30,
            &0x0002_u16.to_le_bytes(),
            &0x000f_u16.to_le_bytes(),
        );
    }

    fn set(&mut self, offset: usize, value: &[u8], writable: &[u8]) {
        self.bytes[offset..offset + value.len()].copy_from_slice(value);
        self.writable[offset..offset + writable.len()].copy_from_slice(writable);
    }

    fn word(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.bytes[offset], self.bytes[offset + 1]])
    }

    /// Reads bytes from `offset` on; bytes beyond the space read as all ones.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0xff);
        for (address, byte) in (offset..=u64::MAX).zip(data) {
            *byte = match usize::try_from(address) {
                Ok(address) if address < STANDARD_BYTES => self.bytes[address],
                Ok(address) if address < CONFIG_BYTES => 0,
                _ => 0xff,
            };
        }
    }

    /// Writes bytes from `offset` on: bits that software may change take the new value.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> ConfigEffect {
        let mut effect = ConfigEffect::None;
        for (address, &value) in (offset..=u64::MAX).zip(data) {
            let Some(address) = usize::try_from(address)
                .ok()
                .filter(|&a| a < STANDARD_BYTES)
            else {
                break;
            };
            let mask = self.writable[address];
            self.bytes[address] = self.bytes[address] & !mask | value & mask;
            if address == DEVICE_CONTROL + 1 && value & (INITIATE_RESET >> 8) as u8 != 0 {
                effect = ConfigEffect::FunctionReset;
            }
        }
        effect
    }

    /// Whether accesses to the BARs are answered: memory space on, power state D0.
    pub fn memory_enabled(&self) -> bool {
        self.word(COMMAND) & COMMAND_MEMORY_SPACE != 0 && self.powered()
    }

    /// Whether the function may issue requests: bus master on, power state D0.
    pub fn bus_master(&self) -> bool {
        self.word(COMMAND) & COMMAND_BUS_MASTER != 0 && self.powered()
    }

    fn powered(&self) -> bool {
        self.bytes[POWER_CONTROL] & 0x03 == 0
    }

    /// Whether MSI-X is on.
    pub fn msix_enabled(&self) -> bool {
        self.word(MSIX_CONTROL) & MSIX_ENABLE != 0
    }

    /// Whether every vector is masked.
    pub fn msix_masked(&self) -> bool {
        self.word(MSIX_CONTROL) & MSIX_FUNCTION_MASK != 0
    }

    /// Switches MSI-X on or off, as the kernel does when interrupts are set up through VFIO.
    pub fn set_msix_enabled(&mut self, enabled: bool) {
        let rest = self.word(MSIX_CONTROL) & !MSIX_ENABLE;
        let value = if enabled { rest | MSIX_ENABLE } else { rest };
        self.bytes[MSIX_CONTROL..MSIX_CONTROL + 2].copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_u32(space: &ConfigSpace, offset: usize) -> u32 {
        let mut data = [0; 4];
        space.read(offset as u64, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn the_header_identifies_a_processing_accelerator() {
        let space = ConfigSpace::new();
        assert_eq!(read_u32(&space, 0), 0x5357_1209);
        assert_eq!(read_u32(&space, 8) >> 8, PCI_CLASS);
        let mut header_type = [0xff];
        space.read(0x0e, &mut header_type);
        assert_eq!(header_type, [0]);
    }

    #[test]
    fn bars_show_their_size_when_all_ones_are_written() {
        let mut space = ConfigSpace::new();
        for (offset, bytes) in [(BAR0, 0x1_0000_u64), (BAR4, 0x1000)] {
            assert_eq!(read_u32(&space, offset), BAR_64_BIT);
            space.write(offset as u64, &[0xff; 8]);
            let low = u64::from(read_u32(&space, offset));
            let high = u64::from(read_u32(&space, offset + 4));
            assert_eq!(low & 0xf, u64::from(BAR_64_BIT));
            assert_eq!((!(high << 32 | low & !0xf)).wrapping_add(1), bytes);
            space.write(offset as u64, &0x12_3456_7890_u64.to_le_bytes());
            assert_eq!(read_u32(&space, offset + 4), 0x12);
            assert_eq!(
                u64::from(read_u32(&space, offset)) & !0xf,
                0x3456_7890 & !(bytes - 1)
            );
        }
        // The BARs that don't exist stay zero.
        for offset in [0x18, 0x1c, 0x30] {
            space.write(offset, &[0xff; 4]);
            assert_eq!(read_u32(&space, offset as usize), 0);
        }
    }

    #[test]
    fn the_capability_list_has_power_management_msix_and_express() {
        let space = ConfigSpace::new();
        assert_ne!(space.word(STATUS) & CAPABILITY_LIST, 0);
        let mut found = Vec::new();
        let mut at = usize::from(space.bytes[CAPABILITIES]);
        while at != 0 {
            assert!(at >= 0x40 && at.is_multiple_of(4) && found.len() < 48);
            found.push(space.bytes[at]);
            at = usize::from(space.bytes[at + 1]);
        }
        assert_eq!(found, [0x01, 0x11, 0x10]);
        assert_eq!(space.word(MSIX_CONTROL) & 0x7ff, 7);
        assert_eq!(read_u32(&space, MSIX + 4), 0x004);
        assert_eq!(read_u32(&space, MSIX + 8), 0x804);
        // Version 2, endpoint; function-level reset is announced.
        assert_eq!(space.word(EXPRESS + 2), 0x0002);
        assert_ne!(read_u32(&space, EXPRESS + 4) & 1 << 28, 0);
    }

    #[test]
    fn only_writable_bits_change_and_odd_sizes_work() {
        let mut space = ConfigSpace::new();
        space.write(0, &[0xff; CONFIG_BYTES]);
        assert_eq!(read_u32(&space, 0), 0x5357_1209);
        assert_eq!(space.word(COMMAND), 0x0546);
        assert_eq!(space.word(STATUS), CAPABILITY_LIST);
        let mut three = [0; 3];
        space.read(1, &mut three);
        assert_eq!(three, [0x12, 0x57, 0x53]);
        space.write(COMMAND as u64 + 1, &[0]);
        assert_eq!(space.word(COMMAND), 0x0046);
    }

    #[test]
    fn beyond_the_standard_space_there_is_nothing() {
        let mut space = ConfigSpace::new();
        let mut data = [1; 8];
        space.read(0x100, &mut data);
        assert_eq!(data, [0; 8]);
        space.read(CONFIG_BYTES as u64 - 4, &mut data);
        assert_eq!(data, [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        space.read(u64::MAX - 7, &mut data[..7]);
        assert_eq!(data[..7], [0xff; 7]);
        assert_eq!(space.write(u64::MAX - 7, &[0; 7]), ConfigEffect::None);
    }

    #[test]
    fn memory_and_bus_master_need_their_bits_and_power() {
        let mut space = ConfigSpace::new();
        assert!(!space.memory_enabled() && !space.bus_master());
        space.write(COMMAND as u64, &[0x02]);
        assert!(space.memory_enabled() && !space.bus_master());
        space.write(COMMAND as u64, &[0x06]);
        assert!(space.memory_enabled() && space.bus_master());
        space.write(POWER_CONTROL as u64, &[0x03]);
        assert!(!space.memory_enabled() && !space.bus_master());
        space.write(POWER_CONTROL as u64, &[0x00]);
        assert!(space.memory_enabled() && space.bus_master());
    }

    #[test]
    fn function_level_reset_is_reported_and_its_bit_reads_as_zero() {
        let mut space = ConfigSpace::new();
        assert_eq!(
            space.write(DEVICE_CONTROL as u64, &[0x10]),
            ConfigEffect::None
        );
        let reset = space.write(DEVICE_CONTROL as u64, &0xa810_u16.to_le_bytes());
        assert_eq!(reset, ConfigEffect::FunctionReset);
        assert_eq!(space.word(DEVICE_CONTROL), 0x2810);
    }
}
