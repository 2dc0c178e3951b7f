//! UART receiver: 8 data bits, no parity, one stop bit.
//!
//! ```text
//!  rx --> 2 registers --> majority of 3 --> level
//!
//!  level ----+     +-----+-----+-- .. --+-----+----
//!            |start|  0  |  1  |        |stop |
//!            +-----+-----+-----+-- .. --+-----+
//!               ^     ^     ^              ^         sampled in the middle
//! ```
//!
//! A byte may begin half a bit before the last one's stop bit has ended, so a sender may be
//! faster than this clock by up to half a bit in ten.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

/// What the receiver is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum ReceiveState {
    /// The line rests.
    Idle,
    /// Waits for the middle of the start bit, to see that it was no glitch.
    Start,
    /// Samples data bits.
    Data,
    /// Samples the stop bit.
    Stop,
    /// There was none: waits for the line to rest.
    Broken,
}

/// The receiver.
#[derive(LogicBlock, Default)]
pub struct Receiver {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the byte under way.
    pub reset: Signal<In, Bit>,
    /// The line, not synchronized.
    pub rx: Signal<In, Bit>,
    /// A byte has come, in this cycle only.
    pub valid: Signal<Out, Bit>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// A byte without stop bit has come, in this cycle only.
    pub broken: Signal<Out, Bit>,
    last_cycle: Fixed<Bits<16>>,
    half: Fixed<Bits<16>>,
    // Inverted, so that the line rests after power-on.
    sample0: DFF<Bit>,
    sample1: DFF<Bit>,
    sample2: DFF<Bit>,
    sample3: DFF<Bit>,
    low: DFF<Bit>,
    state: DFF<ReceiveState>,
    timer: DFF<Bits<16>>,
    due: DFF<Bit>,
    count: DFF<Bits<3>>,
    shift: DFF<Bits<8>>,
    out_valid: DFF<Bit>,
    out_broken: DFF<Bit>,
}

impl Receiver {
    /// A receiver whose bits last `divider` cycles.
    pub fn new(divider: u32) -> Self {
        Self {
            // One cycle passes between the timer's end and the sample.
            last_cycle: Fixed::new(u64::from(divider - 2).into()),
            half: Fixed::new(u64::from(divider / 2 - 2).into()),
            ..Default::default()
        }
    }
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, sample0, sample1, sample2, sample3, low, state, timer, due, count, shift,
            out_valid, out_broken
        );
        self.valid.next = self.out_valid.q.val();
        self.broken.next = self.out_broken.q.val();
        self.data.next = self.shift.q.val();

        self.sample0.d.next = !self.rx.val();
        self.sample1.d.next = self.sample0.q.val();
        self.sample2.d.next = self.sample1.q.val();
        self.sample3.d.next = self.sample2.q.val();
        self.low.d.next = (self.sample1.q.val() && self.sample2.q.val())
            || (self.sample1.q.val() && self.sample3.q.val())
            || (self.sample2.q.val() && self.sample3.q.val());

        self.out_valid.d.next = false;
        self.out_broken.d.next = false;
        // The end of the timer is known a cycle before it is acted on.
        self.due.d.next = (self.timer.q.val() == bits::<16>(0)) && !self.due.q.val();
        self.timer.d.next = self.timer.q.val() - bits::<16>(1);
        if self.due.q.val() {
            self.timer.d.next = self.last_cycle.val();
        }
        match self.state.q.val() {
            ReceiveState::Idle => {
                self.timer.d.next = self.half.val();
                self.due.d.next = false;
                if self.low.q.val() {
                    self.state.d.next = ReceiveState::Start;
                }
            }
            ReceiveState::Start => {
                if self.due.q.val() {
                    self.count.d.next = bits::<3>(0);
                    self.state.d.next = ReceiveState::Idle;
                    if self.low.q.val() {
                        self.state.d.next = ReceiveState::Data;
                    }
                }
            }
            ReceiveState::Data => {
                if self.due.q.val() {
                    self.shift.d.next = self.shift.q.val() >> bits::<1>(1);
                    if !self.low.q.val() {
                        self.shift.d.next = (self.shift.q.val() >> bits::<1>(1)) | bits::<8>(128);
                    }
                    self.count.d.next = self.count.q.val() + bits::<3>(1);
                    if self.count.q.val() == bits::<3>(7) {
                        self.state.d.next = ReceiveState::Stop;
                    }
                }
            }
            ReceiveState::Stop => {
                if self.due.q.val() {
                    self.out_valid.d.next = !self.low.q.val();
                    self.out_broken.d.next = self.low.q.val();
                    self.state.d.next = ReceiveState::Broken;
                }
            }
            ReceiveState::Broken => {
                if !self.low.q.val() {
                    self.state.d.next = ReceiveState::Idle;
                }
            }
            _ => {
                self.state.d.next = ReceiveState::Idle;
            }
        }
        if self.reset.val() {
            self.state.d.next = ReceiveState::Broken;
            self.out_valid.d.next = false;
            self.out_broken.d.next = false;
        }
    }
}
