//! The frames' check, CRC-32, a bit a cycle: a byte takes ten bits of the line to come or go, so
//! there is time, and one bit is a small and fast step.

use rust_hdl::prelude::*;
use systole_regs::link::{CHECK_INITIAL, CHECK_POLYNOMIAL};

use crate::fixed::Fixed;

/// The check of the bytes so far.
#[derive(LogicBlock, Default)]
pub struct Check {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Begins anew.
    pub clear: Signal<In, Bit>,
    /// Takes `data` in; not within eight cycles of the last one.
    pub load: Signal<In, Bit>,
    /// What is taken in.
    pub data: Signal<In, Bits<8>>,
    /// The check, valid eight cycles after the last byte.
    pub value: Signal<Out, Bits<32>>,
    inversion: Fixed<Bits<32>>,
    polynomial: Fixed<Bits<32>>,
    // Inverted, so that it is right after power-on.
    remainder: DFF<Bits<32>>,
    shift: DFF<Bits<8>>,
    left: DFF<Bits<4>>,
    next: Signal<Local, Bits<32>>,
}

impl Check {
    /// A check of no bytes.
    pub fn new() -> Self {
        Self {
            inversion: Fixed::new(u64::from(CHECK_INITIAL).into()),
            polynomial: Fixed::new(u64::from(CHECK_POLYNOMIAL).into()),
            ..Default::default()
        }
    }
}

impl Logic for Check {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, remainder, shift, left);
        self.value.next = self.remainder.q.val() ^ self.inversion.val();

        // Twice inverted, the lowest bit is as it was in the comparison.
        self.next.next = (self.value.val() >> bits::<1>(1)) ^ self.inversion.val();
        if self.value.val().get_bit(0) != self.shift.q.val().get_bit(0) {
            self.next.next =
                (self.value.val() >> bits::<1>(1)) ^ self.polynomial.val() ^ self.inversion.val();
        }
        if self.left.q.val() != bits::<4>(0) {
            self.left.d.next = self.left.q.val() - bits::<4>(1);
            self.shift.d.next = self.shift.q.val() >> bits::<1>(1);
            self.remainder.d.next = self.next.val();
        }
        if self.load.val() {
            self.shift.d.next = self.data.val();
            self.left.d.next = bits::<4>(8);
        }
        if self.clear.val() {
            self.left.d.next = bits::<4>(0);
            self.remainder.d.next = bits::<32>(0);
        }
    }
}
