//! The serial host link: a bridge between the accelerator's AXI ports and a UART.
//!
//! ```text
//!  accelerator                     bridge                                   board
//!  AXI4-Lite slave <-------------- serial link <== frames == UART receiver    <-- rx
//!  AXI4 master     --------------> (SerialLink) == frames => UART transmitter --> tx
//!  interrupts      -------------->
//! ```
//!
//! An open PCIe endpoint with DMA does not exist for every FPGA that open tools can build for; a UART
//! does. What travels on it is described in `systole_regs::link`, and why in `docs/serial-link.md`.

pub mod answers;
pub mod bridge;
pub mod buffer;
pub mod check;
pub mod deframe;
pub mod framer;
pub mod inbox;
pub mod receiver;
pub mod requests;
pub mod timing;
pub mod transmitter;
