//! The accelerator's interface, described once.
//!
//! Everything that software and hardware must agree on is in this crate: the registers of BAR0,
//! the 64-byte submission entries and 16-byte completions, the 64-byte instructions, the layout of
//! a model image, the status codes and the named configurations. The decoder in `hdl`, the
//! functional model and the device process in `sim`, the accessors in `driver`, the compiler in
//! `host` and the generated reference in `docs/` all read these types and tables.
//!
//! ```text
//!  host memory                      BAR0 (registers)                 on the chip
//!  +------------------+   doorbell  +----------------+
//!  | submission ring  | <---------- | queue engine   | --> sequencer -> program memory
//!  | completion ring  | ----------> |                |                  parameter memory
//!  | model image      |    DMA      | DMA engines    |                  weight memory
//!  | rows in, out     | <---------> |                |                  scratchpad
//!  +------------------+             +----------------+
//! ```
//!
//! All layouts are little-endian and have no padding.
#![no_std]

mod layout;

pub mod configuration;
pub mod entries;
pub mod image;
pub mod instructions;
pub mod link;
pub mod registers;
pub mod status;

pub use configuration::Configuration;
pub use layout::Field;
pub use status::Status;

/// Version of the interface that this crate describes: major in the upper half, minor in the
/// lower. A driver refuses a device whose major version differs from its own.
pub const ABI_VERSION: u32 = 0x0003_0000;

/// Value of the first register of every Systole device ("SYST" in ASCII, read as big-endian).
pub const MAGIC: u32 = 0x5359_5354;

/// PCI vendor identifier. 0x1209 is the pid.codes vendor for open hardware.
pub const PCI_VENDOR: u16 = 0x1209;
/// PCI device identifier of the accelerator.
pub const PCI_DEVICE: u16 = 0x5357;
/// PCI class code: processing accelerator (base class 0x12).
pub const PCI_CLASS: u32 = 0x12_0000;

/// Size of BAR0 in bytes: identification, control, queues, counters, slots and doorbells.
pub const BAR0_BYTES: u32 = 0x1_0000;

/// Width of the AXI data bus in bytes, and the alignment of every address that the device
/// reads or writes by DMA.
pub const DATA_BYTES: u32 = 8;

/// Number of model slots of every configuration so far.
pub const SLOT_COUNT: u32 = 2;

/// Number of queue pairs of every configuration so far.
pub const QUEUE_COUNT: u32 = 1;

/// Largest number of entries of a submission or completion ring.
pub const QUEUE_ENTRIES_MAX: u32 = 4096;

/// The bytes of a structure of this crate, as they lie in memory.
pub fn bytes_of<T: bytemuck::NoUninit>(value: &T) -> &[u8] {
    bytemuck::bytes_of(value)
}
