//! What can go wrong between this process and a device, each with what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use systole_regs::Status;

use crate::{Iova, PciAddress};

/// A failed operation of the driver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a device address.
    #[error(
        "`{address}` is not a device address: {reason}; write it as vfio:DDDD:BB:DD.F, vfio-user:SOCKET or serial:PORT[?baud=N]"
    )]
    InvalidAddress {
        /// The text as given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no PCI function at the address.
    #[error(
        "there is no PCI function {address}; `systole devices` lists this machine's accelerators"
    )]
    NoFunction {
        /// The address.
        address: PciAddress,
    },
    /// The function is something else than an accelerator.
    #[error(
        "the PCI function {address} is {vendor:04x}:{device:04x}, not a Systole accelerator; `systole devices` \
         lists this machine's accelerators"
    )]
    NoAccelerator {
        /// The address.
        address: PciAddress,
        /// PCI vendor identifier.
        vendor: u16,
        /// PCI device identifier.
        device: u16,
    },
    /// The function is not handed to user space.
    #[error(
        "the PCI function {address} is bound to {}, not to vfio-pci; run `systole bind {address}` as root",
        driver.as_deref().unwrap_or("no driver")
    )]
    NotBound {
        /// The address.
        address: PciAddress,
        /// The driver that has it.
        driver: Option<String>,
    },
    /// The function is behind no IOMMU.
    #[error(
        "the PCI function {address} is in no IOMMU group, and without an IOMMU it would reach all memory; switch \
         the IOMMU on (VT-d or AMD-Vi in the firmware, and intel_iommu=on on the kernel's command line)"
    )]
    NoIommu {
        /// The address.
        address: PciAddress,
    },
    /// The kernel has no VFIO, or it is not loaded.
    #[error("there is no {}: VFIO is not loaded; run `modprobe vfio-pci` as root", path.display())]
    NoVfio {
        /// What is missing.
        path: PathBuf,
    },
    /// This user may not do it.
    #[error(
        "this user may not use {}; run as root, or let your group have it (docs/pcie.md, \"Without root\")", path.display()
    )]
    NotPermitted {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the function.
    #[error("another process uses the PCI function {address}; end it first")]
    FunctionInUse {
        /// The address.
        address: PciAddress,
    },
    /// Another driver has a function that the IOMMU cannot tell from this one.
    #[error(
        "another driver has a function of IOMMU group {group}, to which {address} belongs, and a group goes to user \
         space as a whole; unbind that driver, or put the board into another slot"
    )]
    GroupNotViable {
        /// The address.
        address: PciAddress,
        /// Number of the group.
        group: u32,
    },
    /// Binding or unbinding failed.
    #[error("the kernel refused a write to {}; see its log (dmesg) for the reason", path.display())]
    Rebind {
        /// The file of sysfs.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The process may not pin as much memory.
    #[error(
        "{bytes} bytes cannot be pinned for the device: this process may lock no more memory; raise the limit \
         (`ulimit -l`, LimitMEMLOCK= of a service)"
    )]
    LockedMemory {
        /// Bytes of the buffer.
        bytes: usize,
    },
    /// The kernel's VFIO answers what this driver cannot use.
    #[error("the kernel's VFIO cannot be used: {detail}; report this with the kernel's version")]
    Kernel {
        /// What is wrong.
        detail: String,
    },
    /// The kernel wants the function back: it is being unbound, or unplugged.
    #[error(
        "the kernel wants the device back, which is being unbound or unplugged; close it, and open it again later"
    )]
    WantedBack,
    /// The bus reports an error that was not corrected.
    #[error("the PCIe bus reported an error that it could not correct; reset the device")]
    BusError,
    /// There is no socket at the address.
    #[error(
        "there is no socket {}; start the device process that serves it, or check the path", path.display()
    )]
    NoSocket {
        /// Path of the socket.
        path: PathBuf,
    },
    /// The socket's file exists, but no process listens there.
    #[error(
        "nobody listens at {}: the device process has ended, or this is no socket; start the process again", path.display()
    )]
    NobodyListens {
        /// Path of the socket.
        path: PathBuf,
    },
    /// Connecting failed for another reason.
    #[error("cannot connect to {}; check the path and its permissions", path.display())]
    Connect {
        /// Path of the socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A process has the connection, but did not answer in time. The connection is given up.
    #[error(
        "the device process did not answer to {request} within {timeout:?}; it hangs, or it is serving another client"
    )]
    NoAnswer {
        /// What was asked.
        request: &'static str,
        /// How long the driver waited.
        timeout: Duration,
    },
    /// The device process answered a request with an error; the connection is still good.
    #[error("the device process refused {request}; see its log for the reason")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// The error of the reply.
        source: io::Error,
    },
    /// A reply is not one that the protocol allows. The connection is given up.
    #[error(
        "the answer to {request} breaks the vfio-user protocol: {detail}; check that a vfio-user device serves this socket"
    )]
    Protocol {
        /// What was asked.
        request: &'static str,
        /// How the reply differs from what it must be.
        detail: String,
    },
    /// The device process speaks another version of vfio-user.
    #[error(
        "the device process speaks vfio-user {major}.{minor}, the driver 0.1; use a device process for 0.1"
    )]
    ProtocolVersion {
        /// Major version of the device process.
        major: u16,
        /// Minor version of the device process.
        minor: u16,
    },
    /// There is no serial port at the address.
    #[error(
        "there is no serial port {}; plug the board in, or check the path (`systole devices` lists ports)", path.display()
    )]
    NoSerialPort {
        /// Path of the port.
        path: PathBuf,
    },
    /// What is there is no terminal.
    #[error("{} is not a serial port; check the path (`systole devices` lists ports)", path.display())]
    NotSerialPort {
        /// The path.
        path: PathBuf,
    },
    /// Another process has the serial port.
    #[error("another program uses the serial port {}; end it first", path.display())]
    SerialPortInUse {
        /// Path of the port.
        path: PathBuf,
    },
    /// The serial port cannot make the baud rate.
    #[error("the serial port {} cannot work at {baud} baud; use another adapter, or a bitstream with another rate", path.display())]
    BaudRate {
        /// Path of the port.
        path: PathBuf,
        /// Bits a second.
        baud: u32,
    },
    /// Nothing came from the board. The link is given up.
    #[error(
        "nothing answers at the serial port {} within {timeout:?}; is the board powered and programmed, and is this its port and {baud} its baud rate?", path.display()
    )]
    SerialSilent {
        /// Path of the port.
        path: PathBuf,
        /// Bits a second.
        baud: u32,
        /// How long the driver waited.
        timeout: Duration,
    },
    /// What comes from the serial port are no frames of a Systole board.
    #[error(
        "what comes from the serial port {} at {baud} baud is not a Systole board ({bytes} bytes, no frame); check the baud rate and what is connected", path.display()
    )]
    SerialNoise {
        /// Path of the port.
        path: PathBuf,
        /// Bits a second.
        baud: u32,
        /// Bytes that came.
        bytes: u64,
    },
    /// The board's serial link has another version than the driver's.
    #[error(
        "the board's serial link has version {found}, this driver's {}; program the board again",
        systole_regs::link::VERSION
    )]
    SerialVersion {
        /// The board's version.
        found: u8,
    },
    /// The board sent a frame that no Systole board sends. The link is given up.
    #[error("the board broke the protocol of the serial link: {detail}; program it again")]
    SerialProtocol {
        /// What it sent.
        detail: String,
    },
    /// The function behind the transport lacks something that every Systole device has.
    #[error("this is no Systole device: {detail}; check the address")]
    UnsuitableFunction {
        /// What is missing.
        detail: String,
    },
    /// PCI identifiers of something else.
    #[error(
        "the PCI function is {vendor:04x}:{device:04x} of class {class:06x}, not a Systole accelerator \
         ({:04x}:{:04x} of class {:06x}); check the address",
        systole_regs::PCI_VENDOR,
        systole_regs::PCI_DEVICE,
        systole_regs::PCI_CLASS
    )]
    WrongFunction {
        /// PCI vendor identifier.
        vendor: u16,
        /// PCI device identifier.
        device: u16,
        /// PCI class code, 24 bits.
        class: u32,
    },
    /// The first register does not hold the magic number.
    #[error(
        "register MAGIC reads {found:#010x} instead of {:#010x}: this is no Systole bitstream; program the device again",
        systole_regs::MAGIC
    )]
    WrongMagic {
        /// What the register holds.
        found: u32,
    },
    /// The device's interface has another major version than the driver's.
    #[error(
        "the device has interface version {device_major}.{device_minor}, this driver {driver_major}.{driver_minor}; {}",
        if device_major > driver_major {
            "update this program, or program the device with an older bitstream"
        } else {
            "program the device with a newer bitstream, or use an older version of this program"
        }
    )]
    InterfaceVersion {
        /// Major version of the device.
        device_major: u16,
        /// Minor version of the device.
        device_minor: u16,
        /// Major version of the driver.
        driver_major: u16,
        /// Minor version of the driver.
        driver_minor: u16,
    },
    /// An identification register holds a value that no device can have.
    #[error(
        "identification register {register} reads {value}, but must be {expected}; the bitstream is faulty, program the device again"
    )]
    ImplausibleIdentity {
        /// Name of the register.
        register: &'static str,
        /// What it holds.
        value: u32,
        /// What it may hold.
        expected: &'static str,
    },
    /// After a reset the device has other dimensions than before.
    #[error(
        "after its reset the device is another one than before: it was programmed again; open it anew"
    )]
    OtherDevice,
    /// CONTROL.RESET did not clear in time.
    #[error(
        "the device did not finish its reset within {timeout:?}; restart the device process, or power-cycle the board"
    )]
    ResetTimeout {
        /// How long the driver waited.
        timeout: Duration,
    },
    /// The device was told to stop, and its last command did not end in time.
    #[error(
        "the device is still busy with a command after {timeout:?}; try again later, or reset it"
    )]
    StillBusy {
        /// How long the driver waited.
        timeout: Duration,
    },
    /// The device process has ended, or the function reads as all ones.
    #[error(
        "the device is gone: its process has ended or the function no longer answers; start it again and reopen the device"
    )]
    DeviceGone,
    /// Nothing completed in time, and the device lives.
    #[error(
        "no command completed in time, though the device answers; allow more time, or reset it"
    )]
    Timeout,
    /// The queue itself failed; the device has stopped.
    #[error(
        "the device has stopped with a fatal error: {0}; drop the queue pair and reset the device"
    )]
    Fatal(DeviceStatus),
    /// The submission ring has no free entry.
    #[error(
        "the submission ring is full; take completions first, or create the queue with more entries"
    )]
    QueueFull,
    /// Waiting while no command has been handed to the device.
    #[error("no command is in flight; submit one and ring the doorbell before waiting")]
    NothingInFlight,
    /// The device's queue is taken, and only its owner may do this.
    #[error("the device's queue pair is in use; drop the queue pair first")]
    QueueInUse,
    /// The number of ring entries is not possible.
    #[error("a queue of {entries} entries is not possible; choose 2 to {maximum}")]
    QueueSize {
        /// Entries asked for.
        entries: u32,
        /// Most entries that the device allows.
        maximum: u32,
    },
    /// A completion names a command that is not in flight.
    #[error("the device completed command {command_id}, which is not in flight; reset the device")]
    UnknownCommand {
        /// Id in the completion.
        command_id: u16,
    },
    /// A completion that no device following the interface can write.
    #[error("the device wrote an impossible completion: {detail}; reset the device")]
    CorruptCompletion {
        /// What is impossible about it.
        detail: String,
    },
    /// A command that names an address in none of the buffers that were handed over with it.
    #[error(
        "the command's {field} {address} is in none of the buffers that were handed over with it; \
         use `submit_with` with the buffer that it is in"
    )]
    NotHeld {
        /// The field of the entry.
        field: &'static str,
        /// What it says.
        address: Iova,
    },
    /// Reading or writing outside a DMA buffer.
    #[error("{length} bytes at offset {offset} reach beyond a DMA buffer of {size} bytes")]
    OutOfBounds {
        /// Offset of the access in bytes.
        offset: usize,
        /// Length of the access in bytes.
        length: usize,
        /// Size of the buffer in bytes.
        size: usize,
    },
    /// A DMA buffer of no size, or larger than bus addresses reach.
    #[error("a DMA buffer of {bytes} bytes is not possible: {reason}")]
    BufferSize {
        /// Bytes asked for.
        bytes: usize,
        /// Why not.
        reason: &'static str,
    },
    /// An access to configuration space or BAR0 that does not fit there.
    #[error("{length} bytes at offset {offset:#x} are not a possible access to {space}")]
    BadAccess {
        /// Configuration space or BAR0.
        space: &'static str,
        /// Offset of the access in bytes.
        offset: u32,
        /// Length of the access in bytes.
        length: usize,
    },
    /// The operating system refused something.
    #[error("{operation} failed")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    /// Wraps a failed system call; `operation` completes the sentence "... failed".
    pub(crate) fn system(operation: &'static str) -> impl FnOnce(nix::errno::Errno) -> Error {
        move |errno| Error::System {
            operation,
            source: errno.into(),
        }
    }
}

/// How the device says that a command, or its queue, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DeviceStatus {
    /// A status of the interface; never `Success`.
    #[error("{0}")]
    Known(Status),
    /// A code that this driver does not know: the device's interface is newer.
    #[error("status code {0}, which this driver does not know")]
    Unknown(u8),
}

impl DeviceStatus {
    /// Decodes the status byte of a completion.
    pub(crate) fn decode(code: u8) -> Result<(), DeviceStatus> {
        match Status::from_code(code) {
            Some(Status::Success) => Ok(()),
            Some(status) => Err(DeviceStatus::Known(status)),
            None => Err(DeviceStatus::Unknown(code)),
        }
    }

    /// Decodes the code of a fatal error, where success would make no sense.
    pub(crate) fn decode_fatal(code: u8) -> DeviceStatus {
        Self::decode(code)
            .err()
            .unwrap_or(DeviceStatus::Unknown(code))
    }
}
