//! Nested loops whose values are known a step ahead, so that no cycle compares, adds and chooses.
//!
//! Each loop holds the value that is taken next. When it is taken, the loop steps on, or, if it was
//! the last, takes over what the loop outside holds, which then steps on in turn. All that happens
//! in the same cycle, from registers: a flag tells the last value, and a sum is there beside it.
//!
//! ```text
//!  batch -----> line -----> pixel -----> window         (values, handed inwards)
//!        <-----      <-----       <-----                (restart = taken by the inner loop)
//! ```
//!
//! After a start the values travel inwards, a loop a cycle.

use rust_hdl::prelude::*;

/// Counts a loop's steps. Its outputs are registers, so loops can be chained in one cycle.
#[derive(LogicBlock, Default)]
pub struct Loop {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Begins anew: at a start, and when the last value is taken.
    pub restart: Signal<In, Bit>,
    /// The value is taken.
    pub advance: Signal<In, Bit>,
    /// Steps before the loop begins again; constant while it runs, at least 1.
    pub count: Signal<In, Bits<16>>,
    /// The value is the last one.
    pub last: Signal<Out, Bit>,
    /// It will be in the next cycle.
    pub next_last: Signal<Out, Bit>,
    left: DFF<Bits<16>>,
    ended: DFF<Bit>,
}

impl Logic for Loop {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, ended);
        self.last.next = self.ended.q.val();
        self.next_last.next = self.ended.q.val();
        if self.advance.val() {
            self.left.d.next = self.left.q.val() - bits::<16>(1);
            self.next_last.next = self.left.q.val() == bits::<16>(2);
        }
        if self.restart.val() {
            self.left.d.next = self.count.val();
            self.next_last.next = self.count.val() == bits::<16>(1);
        }
        self.ended.d.next = self.next_last.val();
    }
}

/// A value that grows by the same step until it begins again from a base.
#[derive(LogicBlock, Default)]
pub struct Pointer<const N: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Takes the base, as the loop that it belongs to.
    pub restart: Signal<In, Bit>,
    /// Grows, unless it begins again.
    pub advance: Signal<In, Bit>,
    /// Where it begins.
    pub base: Signal<In, Bits<N>>,
    /// What is added.
    pub step: Signal<In, Bits<N>>,
    /// The value.
    pub value: Signal<Out, Bits<N>>,
    pointer: DFF<Bits<N>>,
}

impl<const N: usize> Logic for Pointer<N> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, pointer);
        self.value.next = self.pointer.q.val();
        if self.advance.val() {
            self.pointer.d.next = self.pointer.q.val() + self.step.val();
        }
        if self.restart.val() {
            self.pointer.d.next = self.base.val();
        }
    }
}

/// A flag that goes with a value: it is handed inwards when the inner loop begins again.
#[derive(LogicBlock, Default)]
pub struct Tag {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Takes `entry`.
    pub restart: Signal<In, Bit>,
    /// The flag of the value that is taken.
    pub entry: Signal<In, Bit>,
    /// The flag.
    pub value: Signal<Out, Bit>,
    flag: DFF<Bit>,
}

impl Logic for Tag {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, flag);
        self.value.next = self.flag.q.val();
        if self.restart.val() {
            self.flag.d.next = self.entry.val();
        }
    }
}
