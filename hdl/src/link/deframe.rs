//! From the line to frames: finds flags, takes escapes out, checks.
//!
//! ```text
//!  rx --> receiver --> FLAG? ESCAPE? --> byte, data, .. end (good or not)
//!                            '--> check
//! ```
//!
//! Whatever came before a flag, the next frame begins after it: noise costs one frame at most.

use rust_hdl::prelude::*;
use systole_regs::link::{CHECK_BYTES, CHECK_RESIDUE, ESCAPE, ESCAPE_MASK, FLAG, HEADER_BYTES};

use super::check::Check;
use super::receiver::Receiver;
use crate::fixed::Fixed;

/// The receiving end of the line.
#[derive(LogicBlock, Default)]
pub struct Deframer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the frame under way.
    pub reset: Signal<In, Bit>,
    /// The line, not synchronized.
    pub rx: Signal<In, Bit>,
    /// A byte of a frame has come, in this cycle only: header, payload or check.
    pub valid: Signal<Out, Bit>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// A frame of one byte or more has ended, in this cycle only.
    pub ended: Signal<Out, Bit>,
    /// It is complete and its check is right.
    pub good: Signal<Out, Bit>,
    flag: Fixed<Bits<8>>,
    escape_byte: Fixed<Bits<8>>,
    escape_mask: Fixed<Bits<8>>,
    residue: Fixed<Bits<32>>,
    least: Fixed<Bits<3>>,
    receiver: Receiver,
    check: Check,
    escaped: DFF<Bit>,
    bad: DFF<Bit>,
    count: DFF<Bits<3>>,
    right: DFF<Bit>,
    out_valid: DFF<Bit>,
    out_byte: DFF<Bits<8>>,
    out_end: DFF<Bit>,
    out_good: DFF<Bit>,
    is_flag: Signal<Local, Bit>,
    is_escape: Signal<Local, Bit>,
}

impl Deframer {
    /// For a line whose bits last `divider` cycles.
    pub fn new(divider: u32) -> Self {
        Self {
            flag: Fixed::new(u64::from(FLAG).into()),
            escape_byte: Fixed::new(u64::from(ESCAPE).into()),
            escape_mask: Fixed::new(u64::from(ESCAPE_MASK).into()),
            residue: Fixed::new(u64::from(CHECK_RESIDUE).into()),
            least: Fixed::new(((HEADER_BYTES + CHECK_BYTES) as u64).into()),
            receiver: Receiver::new(divider),
            check: Check::new(),
            ..Default::default()
        }
    }
}

impl Logic for Deframer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, escaped, bad, count, right, out_valid, out_byte, out_end, out_good
        );
        clock!(self, clock, receiver, check);
        self.receiver.rx.next = self.rx.val();
        self.receiver.reset.next = self.reset.val();
        self.valid.next = self.out_valid.q.val();
        self.data.next = self.out_byte.q.val();
        self.ended.next = self.out_end.q.val();
        self.good.next = self.out_good.q.val();

        self.is_flag.next = self.receiver.data.val() == self.flag.val();
        self.is_escape.next = self.receiver.data.val() == self.escape_byte.val();
        self.check.clear.next = self.reset.val();
        self.check.load.next = self.out_valid.q.val();
        self.check.data.next = self.out_byte.q.val();
        // The check of a byte has long ended when the next one comes.
        self.right.d.next = self.check.value.val() == self.residue.val();

        self.out_valid.d.next = false;
        self.out_end.d.next = false;
        self.out_good.d.next = false;
        if self.receiver.valid.val() {
            if self.is_flag.val() {
                self.out_end.d.next = self.count.q.val() != bits::<3>(0);
                self.out_good.d.next = self.right.q.val()
                    && !self.bad.q.val()
                    && !self.escaped.q.val()
                    && (self.count.q.val() == self.least.val());
                self.count.d.next = bits::<3>(0);
                self.escaped.d.next = false;
                self.bad.d.next = false;
                self.check.clear.next = true;
            } else if self.is_escape.val() {
                self.escaped.d.next = true;
                if self.escaped.q.val() {
                    self.bad.d.next = true;
                }
            } else {
                self.escaped.d.next = false;
                self.out_valid.d.next = true;
                self.out_byte.d.next = self.receiver.data.val();
                if self.escaped.q.val() {
                    self.out_byte.d.next = self.receiver.data.val() ^ self.escape_mask.val();
                }
                if self.count.q.val() != self.least.val() {
                    self.count.d.next = self.count.q.val() + bits::<3>(1);
                }
            }
        }
        if self.receiver.broken.val() {
            self.bad.d.next = true;
        }
        if self.reset.val() {
            self.out_valid.d.next = false;
            self.out_end.d.next = false;
            self.count.d.next = bits::<3>(0);
            self.escaped.d.next = false;
            self.bad.d.next = false;
        }
    }
}
