//! The bridge between the accelerator's AXI ports and the UART.

use rust_hdl::prelude::*;

use super::timing::LinkTiming;
use crate::fixed::Fixed;

/// The bridge. Ports `s_*`, `m_*` and `interrupt_*` are connected to the accelerator's ports of
/// the same names.
#[derive(LogicBlock, Default)]
pub struct SerialLink {
    /// Clock, the accelerator's.
    pub clock: Signal<In, Clock>,
    /// Power-on reset, the accelerator's too: both forget what is outstanding between them.
    pub reset: Signal<In, Bit>,
    /// From the host; needs no synchronization outside.
    pub rx: Signal<In, Bit>,
    /// To the host.
    pub tx: Signal<Out, Bit>,
    /// To the AXI4-Lite slave, write address.
    pub s_aw_valid: Signal<Out, Bit>,
    /// Byte offset in BAR0.
    pub s_aw_address: Signal<Out, Bits<16>>,
    /// Taken.
    pub s_aw_ready: Signal<In, Bit>,
    /// To the AXI4-Lite slave, write data.
    pub s_w_valid: Signal<Out, Bit>,
    /// Value.
    pub s_w_data: Signal<Out, Bits<32>>,
    /// Byte strobes.
    pub s_w_strobe: Signal<Out, Bits<4>>,
    /// Taken.
    pub s_w_ready: Signal<In, Bit>,
    /// To the AXI4-Lite slave, write response (always OKAY).
    pub s_b_valid: Signal<In, Bit>,
    /// Taken.
    pub s_b_ready: Signal<Out, Bit>,
    /// To the AXI4-Lite slave, read address.
    pub s_ar_valid: Signal<Out, Bit>,
    /// Byte offset in BAR0.
    pub s_ar_address: Signal<Out, Bits<16>>,
    /// Taken.
    pub s_ar_ready: Signal<In, Bit>,
    /// To the AXI4-Lite slave, read data (always OKAY).
    pub s_r_valid: Signal<In, Bit>,
    /// Value.
    pub s_r_data: Signal<In, Bits<32>>,
    /// Taken.
    pub s_r_ready: Signal<Out, Bit>,
    /// From the AXI4 master, read address. Incrementing bursts of 8-byte beats, one id.
    pub m_ar_valid: Signal<In, Bit>,
    /// Byte address.
    pub m_ar_address: Signal<In, Bits<64>>,
    /// Beats minus 1.
    pub m_ar_length: Signal<In, Bits<8>>,
    /// Taken.
    pub m_ar_ready: Signal<Out, Bit>,
    /// From the AXI4 master, read data.
    pub m_r_valid: Signal<Out, Bit>,
    /// Beat.
    pub m_r_data: Signal<Out, Bits<64>>,
    /// Response.
    pub m_r_response: Signal<Out, Bits<2>>,
    /// Last of its burst.
    pub m_r_last: Signal<Out, Bit>,
    /// Always ready.
    pub m_r_ready: Signal<In, Bit>,
    /// From the AXI4 master, write address.
    pub m_aw_valid: Signal<In, Bit>,
    /// Byte address.
    pub m_aw_address: Signal<In, Bits<64>>,
    /// Beats minus 1.
    pub m_aw_length: Signal<In, Bits<8>>,
    /// Taken.
    pub m_aw_ready: Signal<Out, Bit>,
    /// From the AXI4 master, write data.
    pub m_w_valid: Signal<In, Bit>,
    /// Beat.
    pub m_w_data: Signal<In, Bits<64>>,
    /// Byte strobes.
    pub m_w_strobe: Signal<In, Bits<8>>,
    /// Last of its burst.
    pub m_w_last: Signal<In, Bit>,
    /// Taken.
    pub m_w_ready: Signal<Out, Bit>,
    /// From the AXI4 master, write response.
    pub m_b_valid: Signal<Out, Bit>,
    /// Response.
    pub m_b_response: Signal<Out, Bits<2>>,
    /// Always ready.
    pub m_b_ready: Signal<In, Bit>,
    /// An MSI-X message is requested.
    pub interrupt_valid: Signal<In, Bit>,
    /// Its vector.
    pub interrupt_vector: Signal<In, Bits<11>>,
    /// The request is taken.
    pub interrupt_ready: Signal<Out, Bit>,
    divider: Fixed<Bits<16>>,
    retry_cycles: Fixed<Bits<32>>,
}

impl SerialLink {
    /// A bridge with these time constants.
    pub fn new(timing: LinkTiming) -> Self {
        Self {
            divider: Fixed::new(u64::from(timing.divider).into()),
            retry_cycles: Fixed::new(u64::from(timing.retry_cycles).into()),
            ..Default::default()
        }
    }
}

impl Logic for SerialLink {
    #[hdl_gen]
    fn update(&mut self) {
        self.tx.next = true;
        self.s_aw_valid.next = false;
        self.s_aw_address.next = bits::<16>(0);
        self.s_w_valid.next = false;
        self.s_w_data.next = bits::<32>(0);
        self.s_w_strobe.next = bits::<4>(0);
        self.s_b_ready.next = false;
        self.s_ar_valid.next = false;
        self.s_ar_address.next = bits::<16>(0);
        self.s_r_ready.next = false;
        self.m_ar_ready.next = false;
        self.m_r_valid.next = false;
        self.m_r_data.next = bits::<64>(0);
        self.m_r_response.next = bits::<2>(0);
        self.m_r_last.next = false;
        self.m_aw_ready.next = false;
        self.m_w_ready.next = false;
        self.m_b_valid.next = false;
        self.m_b_response.next = bits::<2>(0);
        self.interrupt_ready.next = false;
    }
}
