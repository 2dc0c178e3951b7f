//! The bridge between the accelerator's AXI ports and the UART: sessions, numbers,
//! acknowledgements and repetitions; the messages themselves are other blocks'.
//!
//! ```text
//!          +----------+ payload  +--------+   +---------+ AXI4-Lite, R, B
//!  rx ---> | deframer |--------->| buffer |-->| answers |-----------------> accelerator
//!          +----------+          | 2 KiB  |   +---------+
//!             numbers            |        |   +----------+ AR, AW, W, interrupts
//!                |       +-------|        |<--| requests |<---------------- accelerator
//!          +----------+  |       +--------+   +----------+
//!  tx <--- | framer   |<-+
//!          +----------+
//! ```
//!
//! From the host, frames are taken in order; one that comes too early or damaged is dropped, and
//! the host is told once. To the host, one message is under way at a time.

use rust_hdl::prelude::*;
use systole_regs::link::{KIND_MASK, REJECT, kind};

use super::answers::Answers;
use super::buffer::Buffer;
use super::deframe::Deframer;
use super::framer::Framer;
use super::inbox::Inbox;
use super::requests::Requests;
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
    retry_cycles: Fixed<Bits<32>>,
    kind_mask: Fixed<Bits<8>>,
    kind_open: Fixed<Bits<8>>,
    kind_acknowledge: Fixed<Bits<8>>,
    kind_read_register: Fixed<Bits<8>>,
    kind_data: Fixed<Bits<8>>,
    kind_state: Fixed<Bits<8>>,
    reject_bit: Fixed<Bits<8>>,
    deframer: Deframer,
    inbox: Inbox,
    framer: Framer,
    buffer: Buffer,
    requests: Requests,
    answers: Answers,
    // The frame that has come in.
    frame_due: DFF<Bit>,
    // What is true of it, known a cycle before it is acted on: it has long been complete.
    is_open: DFF<Bit>,
    is_acknowledge: DFF<Bit>,
    is_read_register: DFF<Bit>,
    is_data: DFF<Bit>,
    is_next: DFF<Bit>,
    is_acknowledged: DFF<Bit>,
    frame_lost: DFF<Bit>,
    base: DFF<Bits<10>>,
    // The session.
    open: DFF<Bit>,
    flushing: DFF<Bit>,
    session: DFF<Bits<32>>,
    same: DFF<Bit>,
    expected: DFF<Bits<4>>,
    rejected: DFF<Bit>,
    acknowledge: DFF<Bit>,
    tell_state: DFF<Bit>,
    reject: DFF<Bit>,
    // The message that goes out.
    number: DFF<Bits<4>>,
    message_kind: DFF<Bits<4>>,
    message_bytes: DFF<Bits<10>>,
    unacknowledged: DFF<Bit>,
    send: DFF<Bit>,
    sending: DFF<Bit>,
    timer: DFF<Bits<32>>,
    expired: DFF<Bit>,
    frame_code: Signal<Local, Bits<8>>,
    free: Signal<Local, Bit>,
    last: Signal<Local, Bits<4>>,
}

impl SerialLink {
    /// A bridge with these time constants.
    pub fn new(timing: LinkTiming) -> Self {
        let code = |code: u8| Fixed::new(u64::from(code).into());
        Self {
            retry_cycles: Fixed::new(u64::from(timing.retry_cycles).into()),
            kind_mask: code(KIND_MASK),
            kind_open: code(kind::OPEN),
            kind_acknowledge: code(kind::ACKNOWLEDGE),
            kind_read_register: code(kind::READ_REGISTER),
            kind_data: code(kind::DATA),
            kind_state: code(kind::STATE),
            reject_bit: code(REJECT),
            deframer: Deframer::new(timing.divider),
            framer: Framer::new(timing.divider),
            requests: Requests::new(),
            answers: Answers::new(),
            ..Default::default()
        }
    }
}

impl Logic for SerialLink {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            frame_due,
            is_open,
            is_acknowledge,
            is_read_register,
            is_data,
            is_next,
            is_acknowledged,
            frame_lost,
            base,
            open,
            flushing,
            session,
            same,
            expected,
            rejected,
            acknowledge,
            tell_state,
            reject,
            number,
            message_kind,
            message_bytes,
            unacknowledged,
            send,
            sending,
            timer,
            expired
        );
        clock!(
            self, clock, deframer, inbox, framer, buffer, requests, answers
        );
        self.deframer.reset.next = self.reset.val();
        self.framer.reset.next = self.reset.val();
        self.inbox.reset.next = self.reset.val();
        self.requests.reset.next = self.reset.val();
        self.answers.reset.next = self.reset.val();
        self.deframer.rx.next = self.rx.val();
        self.tx.next = self.framer.tx.val();

        // The accelerator's ports.
        self.s_aw_valid.next = self.answers.aw_valid.val();
        self.s_aw_address.next = self.answers.register_address.val();
        self.answers.aw_ready.next = self.s_aw_ready.val();
        self.s_w_valid.next = self.answers.w_valid.val();
        self.s_w_data.next = self.answers.w_data.val();
        self.s_w_strobe.next = bits::<4>(15);
        self.answers.w_ready.next = self.s_w_ready.val();
        self.answers.b_valid.next = self.s_b_valid.val();
        self.s_b_ready.next = self.answers.b_ready.val();
        self.s_ar_valid.next = self.answers.ar_valid.val();
        self.s_ar_address.next = self.answers.register_address.val();
        self.answers.ar_ready.next = self.s_ar_ready.val();
        self.answers.r_valid.next = self.s_r_valid.val();
        self.answers.r_data.next = self.s_r_data.val();
        self.s_r_ready.next = self.answers.r_ready.val();
        self.requests.ar_valid.next = self.m_ar_valid.val();
        self.requests.ar_address.next = self.m_ar_address.val();
        self.requests.ar_length.next = self.m_ar_length.val();
        self.m_ar_ready.next = self.requests.ar_ready.val();
        self.m_r_valid.next = self.answers.beat_valid.val();
        self.m_r_data.next = self.answers.beat_data.val();
        self.m_r_response.next = self.answers.beat_response.val();
        self.m_r_last.next = self.answers.beat_last.val();
        self.answers.beat_ready.next = self.m_r_ready.val();
        self.requests.aw_valid.next = self.m_aw_valid.val();
        self.requests.aw_address.next = self.m_aw_address.val();
        self.m_aw_ready.next = self.requests.aw_ready.val();
        self.requests.w_valid.next = self.m_w_valid.val();
        self.requests.w_data.next = self.m_w_data.val();
        self.requests.w_strobe.next = self.m_w_strobe.val();
        self.requests.w_last.next = self.m_w_last.val();
        self.m_w_ready.next = self.requests.w_ready.val();
        self.m_b_valid.next = self.answers.response_valid.val();
        self.m_b_response.next = self.answers.response.val();
        self.answers.response_ready.next = self.m_b_ready.val();
        self.requests.interrupt_valid.next = self.interrupt_valid.val();
        self.requests.interrupt_vector.next = self.interrupt_vector.val();
        self.interrupt_ready.next = self.requests.interrupt_ready.val();

        // Between the blocks.
        self.requests.value_valid.next = self.answers.value_valid.val();
        self.requests.value.next = self.answers.value.val();
        self.answers.value_ready.next = self.requests.value_ready.val();
        self.requests.reads_ready.next = self.answers.reads_ready.val();
        self.requests.writes_ready.next = self.answers.writes_ready.val();
        self.answers.read_begins.next = self.requests.ar_ready.val();
        self.answers.read_length.next = self.m_ar_length.val();
        self.answers.write_begins.next = self.requests.aw_ready.val();
        self.answers.quiet.next = self.requests.idle.val();
        self.free.next = !self.unacknowledged.q.val() && !self.sending.q.val();
        self.requests.enable.next = self.open.q.val() && !self.flushing.q.val() && self.free.val();

        // The buffer: the lower half is what comes in, the upper one what goes out. Incoming
        // bytes can't wait, nor can the framer.
        self.buffer.write_valid.next = self.inbox.store.val() || self.requests.byte_valid.val();
        self.requests.byte_ready.next = !self.inbox.store.val();
        self.buffer.write_address.next =
            bit_cast::<11, 10>(self.requests.address.val()) | bits::<11>(1024);
        self.buffer.write_byte.next = self.requests.data.val();
        if self.inbox.store.val() {
            self.buffer.write_address.next = bit_cast::<11, 10>(self.inbox.store_address.val());
            self.buffer.write_byte.next = self.inbox.store_byte.val();
        }
        self.buffer.read_address.next = bit_cast::<11, 10>(self.answers.address.val());
        self.answers.fetch_ready.next = !self.framer.fetch.val();
        if self.framer.fetch.val() {
            self.buffer.read_address.next =
                bit_cast::<11, 10>(self.framer.address.val()) | bits::<11>(1024);
        }
        self.answers.fetched.next = self.buffer.read_byte.val();
        self.framer.fetched.next = self.buffer.read_byte.val();

        self.inbox.valid.next = self.deframer.valid.val();
        self.inbox.data.next = self.deframer.data.val();
        self.inbox.ended.next = self.deframer.ended.val();
        self.inbox.good.next = self.deframer.good.val();
        self.inbox.base.next = self.base.q.val();
        self.inbox.taken.next = self.frame_due.q.val();
        if self.inbox.lost.val() {
            self.frame_lost.d.next = true;
        }
        self.frame_code.next = self.inbox.kind.val() & self.kind_mask.val();
        self.same.d.next =
            self.open.q.val() && (self.session.q.val() == self.inbox.short.val().get_bits::<32>(0));

        // Frames go out. Each carries the number of the last frame that was taken.
        self.last.next = self.expected.q.val() - bits::<4>(1);
        self.framer.start.next = false;
        self.framer.is_state.next = self.tell_state.q.val() || !self.send.q.val();
        self.framer.bytes.next = self.message_bytes.q.val();
        self.framer.session.next = self.session.q.val();
        self.framer.numbers.next = (bit_cast::<8, 4>(self.last.val()) << bits::<3>(4))
            | bit_cast::<8, 4>(self.number.q.val());
        self.framer.kind.next = bit_cast::<8, 4>(self.message_kind.q.val());
        if self.framer.is_state.val() {
            self.framer.kind.next = self.kind_state.val();
        }
        if self.reject.q.val() {
            self.framer.kind.next = self.framer.kind.val() | self.reject_bit.val();
        }
        self.timer.d.next = bits::<32>(0);
        self.expired.d.next = self.timer.q.val() == self.retry_cycles.val();
        if self.unacknowledged.q.val() && !self.send.q.val() && !self.sending.q.val() {
            self.timer.d.next = self.timer.q.val() + bits::<32>(1);
            if self.expired.q.val() {
                self.send.d.next = true;
            }
        }
        if self.framer.idle.val() {
            self.sending.d.next = false;
            if self.tell_state.q.val() || self.send.q.val() || self.acknowledge.q.val() {
                self.framer.start.next = true;
                self.acknowledge.d.next = false;
                self.reject.d.next = false;
                self.tell_state.d.next = false;
                if !self.framer.is_state.val() {
                    self.send.d.next = false;
                    self.sending.d.next = true;
                }
            }
        }
        if self.requests.complete.val() && self.open.q.val() && !self.flushing.q.val() {
            self.message_kind.d.next = self.requests.kind.val();
            self.message_bytes.d.next = self.requests.bytes.val();
            self.unacknowledged.d.next = true;
            self.send.d.next = true;
        }

        // What has come is acted on.
        self.answers.start.next = false;
        self.answers.flush.next = false;
        self.answers.kind.next = self.frame_code.val().get_bits::<4>(0);
        self.answers.short.next = self.inbox.short.val();
        self.answers.bytes.next = self.inbox.bytes.val();
        self.answers.base.next = self.base.q.val();
        self.is_open.d.next = self.frame_code.val() == self.kind_open.val();
        self.is_acknowledge.d.next = self.frame_code.val() == self.kind_acknowledge.val();
        self.is_read_register.d.next = self.frame_code.val() == self.kind_read_register.val();
        self.is_data.d.next = self.frame_code.val() == self.kind_data.val();
        self.is_next.d.next = (self.inbox.numbers.val().get_bits::<4>(0) == self.expected.q.val())
            && (!self.answers.value_valid.val()
                || (self.frame_code.val() != self.kind_read_register.val()));
        self.is_acknowledged.d.next = self.unacknowledged.q.val()
            && (self.inbox.numbers.val().get_bits::<4>(4) == self.number.q.val());
        self.frame_due.d.next = self.inbox.ready.val()
            && self.answers.idle.val()
            && !self.flushing.q.val()
            && !self.deframer.valid.val()
            && !self.frame_due.q.val();
        if self.frame_due.q.val() {
            if self.is_open.q.val() {
                self.tell_state.d.next = self.same.q.val();
                if !self.same.q.val() {
                    self.answers.flush.next = true;
                    self.flushing.d.next = true;
                    self.session.d.next = self.inbox.short.val().get_bits::<32>(0);
                    self.expected.d.next = bits::<4>(0);
                    self.number.d.next = bits::<4>(0);
                    self.unacknowledged.d.next = false;
                    self.send.d.next = false;
                    self.acknowledge.d.next = false;
                    self.reject.d.next = false;
                    self.rejected.d.next = false;
                }
            } else if !self.open.q.val() {
                self.tell_state.d.next = true;
            } else {
                if self.is_acknowledged.q.val() {
                    self.number.d.next = self.number.q.val() + bits::<4>(1);
                    self.unacknowledged.d.next = false;
                    self.send.d.next = false;
                } else if self.unacknowledged.q.val()
                    && self.inbox.kind.val().get_bit(7)
                    && !self.sending.q.val()
                {
                    self.send.d.next = true;
                }
                if self.is_acknowledge.q.val() {
                    self.rejected.d.next = false;
                } else if self.is_next.q.val() {
                    self.answers.start.next = true;
                    self.expected.d.next = self.expected.q.val() + bits::<4>(1);
                    self.rejected.d.next = false;
                    self.acknowledge.d.next = true;
                    // The value will carry the acknowledgement, if nothing is under way any more.
                    if self.is_read_register.q.val()
                        && !self.sending.q.val()
                        && (!self.unacknowledged.q.val() || self.is_acknowledged.q.val())
                    {
                        self.acknowledge.d.next = false;
                    }
                    if self.is_data.q.val() {
                        self.base.d.next = self.base.q.val() + self.inbox.bytes.val();
                    }
                } else {
                    // Repeated, or too early: which, the host can tell from the acknowledgement.
                    self.acknowledge.d.next = true;
                    if !self.rejected.q.val() {
                        self.reject.d.next = true;
                        self.rejected.d.next = true;
                    }
                }
            }
        }
        // The host is told once that something is missing.
        if self.frame_lost.q.val() && self.open.q.val() && !self.flushing.q.val() {
            self.frame_lost.d.next = false;
            if !self.rejected.q.val() {
                self.acknowledge.d.next = true;
                self.reject.d.next = true;
                self.rejected.d.next = true;
            }
        }
        if self.flushing.q.val() && self.answers.idle.val() {
            self.flushing.d.next = false;
            self.open.d.next = true;
            self.tell_state.d.next = true;
        }

        if self.reset.val() {
            self.frame_due.d.next = false;
            self.frame_lost.d.next = false;
            self.open.d.next = false;
            self.flushing.d.next = false;
            self.session.d.next = bits::<32>(0);
            self.acknowledge.d.next = false;
            self.tell_state.d.next = false;
            self.reject.d.next = false;
            self.unacknowledged.d.next = false;
            self.send.d.next = false;
            self.sending.d.next = false;
        }
    }
}
