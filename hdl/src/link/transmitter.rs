//! UART transmitter: 8 data bits, no parity, one stop bit.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

/// The transmitter.
#[derive(LogicBlock, Default)]
pub struct Transmitter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Ends the byte under way.
    pub reset: Signal<In, Bit>,
    /// Sends `data`; only when ready.
    pub start: Signal<In, Bit>,
    /// What is sent.
    pub data: Signal<In, Bits<8>>,
    /// The stop bit of the last byte has ended.
    pub ready: Signal<Out, Bit>,
    /// The line.
    pub tx: Signal<Out, Bit>,
    last_cycle: Fixed<Bits<16>>,
    // Inverted, so that the line rests after power-on.
    low: DFF<Bit>,
    shift: DFF<Bits<9>>,
    left: DFF<Bits<4>>,
    timer: DFF<Bits<16>>,
    due: DFF<Bit>,
}

impl Transmitter {
    /// A transmitter whose bits last `divider` cycles.
    pub fn new(divider: u32) -> Self {
        Self {
            // One cycle passes between the timer's end and the next bit.
            last_cycle: Fixed::new(u64::from(divider - 2).into()),
            ..Default::default()
        }
    }
}

impl Logic for Transmitter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low, shift, left, timer, due);
        self.tx.next = !self.low.q.val();
        self.ready.next = self.left.q.val() == bits::<4>(0);

        self.due.d.next = (self.timer.q.val() == bits::<16>(0)) && !self.due.q.val();
        self.timer.d.next = self.timer.q.val() - bits::<16>(1);
        if self.due.q.val() {
            self.timer.d.next = self.last_cycle.val();
            if self.left.q.val() != bits::<4>(0) {
                self.left.d.next = self.left.q.val() - bits::<4>(1);
                self.low.d.next = !self.shift.q.val().get_bit(0);
                // Ones follow the data: the stop bit.
                self.shift.d.next = (self.shift.q.val() >> bits::<1>(1)) | bits::<9>(256);
            }
        }
        if self.start.val() {
            self.low.d.next = true;
            self.shift.d.next = bit_cast::<9, 8>(self.data.val()) | bits::<9>(256);
            self.left.d.next = bits::<4>(10);
            self.timer.d.next = self.last_cycle.val();
            self.due.d.next = false;
        }
        if self.reset.val() {
            self.left.d.next = bits::<4>(0);
            self.low.d.next = false;
        }
    }
}
