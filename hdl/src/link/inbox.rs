//! The frame that comes in: its header and first bytes in registers, its payload in the buffer.
//!
//! ```text
//!  byte 0      1         2 .. 7        2 ..
//!  kind     numbers      short         store --> buffer, from `base` on
//! ```

use rust_hdl::prelude::*;

/// One frame, from its first byte until the next frame's.
#[derive(LogicBlock, Default)]
pub struct Inbox {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets the frame.
    pub reset: Signal<In, Bit>,
    /// A byte of a frame has come.
    pub valid: Signal<In, Bit>,
    /// The byte.
    pub data: Signal<In, Bits<8>>,
    /// A frame has ended.
    pub ended: Signal<In, Bit>,
    /// Its check is right.
    pub good: Signal<In, Bit>,
    /// Where a payload goes in the buffer.
    pub base: Signal<In, Bits<10>>,
    /// The frame has been acted on.
    pub taken: Signal<In, Bit>,
    /// A good frame waits.
    pub ready: Signal<Out, Bit>,
    /// A frame is lost, in this cycle only: damaged, or nobody has had time for it.
    pub lost: Signal<Out, Bit>,
    /// First byte.
    pub kind: Signal<Out, Bits<8>>,
    /// Second byte.
    pub numbers: Signal<Out, Bits<8>>,
    /// The six bytes after it.
    pub short: Signal<Out, Bits<48>>,
    /// Bytes of the payload.
    pub bytes: Signal<Out, Bits<10>>,
    /// A byte for the buffer.
    pub store: Signal<Out, Bit>,
    /// Where it goes.
    pub store_address: Signal<Out, Bits<10>>,
    /// The byte.
    pub store_byte: Signal<Out, Bits<8>>,
    place: DFF<Bits<2>>,
    first: DFF<Bits<8>>,
    second: DFF<Bits<8>>,
    count: DFF<Bits<10>>,
    window: DFF<Bits<48>>,
    window_bytes: DFF<Bits<3>>,
    waits: DFF<Bit>,
    loses: DFF<Bit>,
    pointer: DFF<Bits<10>>,
    storing: DFF<Bit>,
    stored: DFF<Bits<8>>,
}

impl Logic for Inbox {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            place,
            first,
            second,
            count,
            window,
            window_bytes,
            waits,
            loses,
            pointer,
            storing,
            stored
        );
        self.ready.next = self.waits.q.val();
        self.lost.next = self.loses.q.val();
        self.kind.next = self.first.q.val();
        self.numbers.next = self.second.q.val();
        self.short.next = self.window.q.val();
        // The check is counted with the payload.
        self.bytes.next = self.count.q.val() - bits::<10>(4);
        self.store.next = self.storing.q.val();
        self.store_address.next = self.pointer.q.val();
        self.store_byte.next = self.stored.q.val();

        self.loses.d.next = false;
        self.storing.d.next = false;
        self.stored.d.next = self.data.val();
        if self.storing.q.val() {
            self.pointer.d.next = self.pointer.q.val() + bits::<10>(1);
        }
        if self.taken.val() {
            self.waits.d.next = false;
        }
        if self.valid.val() {
            if self.place.q.val() == bits::<2>(0) {
                self.first.d.next = self.data.val();
                self.count.d.next = bits::<10>(0);
                self.window_bytes.d.next = bits::<3>(0);
                self.place.d.next = bits::<2>(1);
                // What nobody has had time for until now is lost.
                self.waits.d.next = false;
                self.loses.d.next = self.waits.q.val() && !self.taken.val();
            } else if self.place.q.val() == bits::<2>(1) {
                self.second.d.next = self.data.val();
                // By now, what the frame before was has moved the base.
                self.pointer.d.next = self.base.val();
                self.place.d.next = bits::<2>(2);
            } else {
                // The buffer keeps no more than the longest payload, 512 bytes, so that they never
                // reach the payload before, which may still be read.
                self.storing.d.next = !self.count.q.val().get_bit(9);
                if self.count.q.val() != bits::<10>(1023) {
                    self.count.d.next = self.count.q.val() + bits::<10>(1);
                }
                if self.window_bytes.q.val() != bits::<3>(6) {
                    self.window_bytes.d.next = self.window_bytes.q.val() + bits::<3>(1);
                    self.window.d.next = (self.window.q.val() >> bits::<4>(8))
                        | (bit_cast::<48, 8>(self.data.val()) << bits::<6>(40));
                }
            }
        }
        if self.ended.val() {
            self.place.d.next = bits::<2>(0);
            self.waits.d.next = self.good.val();
            self.loses.d.next = !self.good.val();
        }
        if self.reset.val() {
            self.place.d.next = bits::<2>(0);
            self.storing.d.next = false;
            self.waits.d.next = false;
            self.loses.d.next = false;
        }
    }
}
