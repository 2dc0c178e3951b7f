//! User-space driver of the Systole accelerator: no kernel module, no copy of the data on the
//! way. It knows registers, memory and queues, and nothing of neural networks.
//!
//! ```text
//!  Device::open(Address)                                         the device
//!    |-- identity, counters, slots <--- registers (BAR0) ------> queue engine
//!    |-- allocate -> DmaBuffer <======= DMA at an Iova ========> DMA engines
//!    '-- queue_pair -> QueuePair
//!          submit, ring ------------- rings in DMA memory -----> commands
//!          poll, wait <-------------- completions, MSI-X ------- completions
//! ```
//!
//! - [`Device`] and [`Identity`]: what was opened, and what it says it is.
//! - [`DmaBuffer`]: memory shared with the device.
//! - [`QueuePair`], [`Command`], [`Completion`]: work and its answers.
//!   With the feature `tokio`, `QueuePair::wait_async` waits in a tokio runtime.
//! - [`Transport`]: how a PCIe function is reached. [`Vfio`] reaches a function of this machine
//!   through the kernel's VFIO, [`VfioUser`] a device process, [`Serial`] a board behind a UART.
//! - [`devices`]: what there is to open. [`bind`] and [`unbind`]: handing a [`PciFunction`] to user
//!   space and back.
//!
//! ```no_run
//! use std::time::Duration;
//! use systole_driver::{Command, Device, OpenOptions, QueueOptions};
//!
//! let device = Device::open(&"vfio-user:/run/systole.sock".parse()?, OpenOptions::default())?;
//! let mut queue = device.queue_pair(QueueOptions::default())?;
//! let id = queue.submit(Command::Nop)?;
//! queue.ring()?;
//! let completion = queue.wait(Duration::from_secs(1))?;
//! assert_eq!(completion.command_id, id.0);
//! # Ok::<(), systole_driver::Error>(())
//! ```

mod address;
mod binding;
mod command;
mod deadline;
mod device;
mod discovery;
mod error;
mod function;
mod holds;
mod identity;
mod interrupts;
mod iova;
mod lock;
mod memory;
mod pci;
mod queue;
mod ring;
mod rings;
mod serial;
mod transport;
mod vfio;
mod vfio_user;

pub use address::{Address, BarOffset, DEFAULT_BAUD, Iova};
pub use binding::{Step, bind, unbind};
pub use command::{Command, CommandId, Completion};
pub use device::{Device, OpenOptions};
pub use discovery::{Candidate, devices};
pub use error::{DeviceStatus, Error};
pub use function::{PciAddress, PciFunction};
pub use identity::{Counters, Identity, Region, SlotState};
pub use memory::{DmaBuffer, DmaMemory, SharedMemory};
pub use queue::{CompletionMode, QueueOptions, QueuePair};
pub use serial::Serial;
pub use transport::Transport;
pub use vfio::Vfio;
pub use vfio_user::VfioUser;
