//! What the device has to tell the host: takes a request from the accelerator, or the value of a
//! register, and writes it into the buffer as a message.
//!
//! ```text
//!  value, interrupt, AR, AW + W --> one at a time --> bytes --> buffer
//! ```
//!
//! The message stays in the buffer until the host has acknowledged it; the next one is taken then.

use rust_hdl::prelude::*;
use systole_regs::link::{WRITE_BEAT_BYTES, kind};

use crate::fixed::Fixed;

/// What is being done.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum RequestState {
    /// Waits for a request.
    Idle,
    /// Takes the value of a register; requests wait until they are taken.
    TakeValue,
    /// Takes an interrupt.
    TakeInterrupt,
    /// Takes a read.
    TakeRead,
    /// Takes a write.
    TakeWrite,
    /// Writes bytes into the buffer.
    Shift,
    /// Takes a beat.
    Beat,
}

/// The requests of the device.
#[derive(LogicBlock, Default)]
pub struct Requests {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything; with the accelerator.
    pub reset: Signal<In, Bit>,
    /// A request may be taken: a session is open, and the buffer is free.
    pub enable: Signal<In, Bit>,
    /// Nothing is being taken.
    pub idle: Signal<Out, Bit>,
    /// A message is complete, in this cycle only.
    pub complete: Signal<Out, Bit>,
    /// Its kind.
    pub kind: Signal<Out, Bits<4>>,
    /// Bytes of its payload.
    pub bytes: Signal<Out, Bits<10>>,
    /// A byte for the buffer.
    pub byte_valid: Signal<Out, Bit>,
    /// The buffer takes it.
    pub byte_ready: Signal<In, Bit>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// Where it goes.
    pub address: Signal<Out, Bits<10>>,
    /// A register has been read.
    pub value_valid: Signal<In, Bit>,
    /// Its value.
    pub value: Signal<In, Bits<32>>,
    /// The value is taken.
    pub value_ready: Signal<Out, Bit>,
    /// There is room to note a read.
    pub reads_ready: Signal<In, Bit>,
    /// There is room to note a write.
    pub writes_ready: Signal<In, Bit>,
    /// AXI4 read address.
    pub ar_valid: Signal<In, Bit>,
    /// Byte address.
    pub ar_address: Signal<In, Bits<64>>,
    /// Beats minus 1.
    pub ar_length: Signal<In, Bits<8>>,
    /// Taken.
    pub ar_ready: Signal<Out, Bit>,
    /// AXI4 write address.
    pub aw_valid: Signal<In, Bit>,
    /// Byte address.
    pub aw_address: Signal<In, Bits<64>>,
    /// Taken.
    pub aw_ready: Signal<Out, Bit>,
    /// AXI4 write data.
    pub w_valid: Signal<In, Bit>,
    /// Beat.
    pub w_data: Signal<In, Bits<64>>,
    /// Byte strobes.
    pub w_strobe: Signal<In, Bits<8>>,
    /// Last of its burst.
    pub w_last: Signal<In, Bit>,
    /// Taken.
    pub w_ready: Signal<Out, Bit>,
    /// An MSI-X message is requested.
    pub interrupt_valid: Signal<In, Bit>,
    /// Its vector.
    pub interrupt_vector: Signal<In, Bits<11>>,
    /// Taken.
    pub interrupt_ready: Signal<Out, Bit>,
    kind_value: Fixed<Bits<4>>,
    kind_interrupt: Fixed<Bits<4>>,
    kind_read: Fixed<Bits<4>>,
    kind_write: Fixed<Bits<4>>,
    beat_bytes: Fixed<Bits<4>>,
    state: DFF<RequestState>,
    message: DFF<Bits<4>>,
    shift: DFF<Bits<72>>,
    left: DFF<Bits<4>>,
    more: DFF<Bit>,
    pointer: DFF<Bits<10>>,
    out_complete: DFF<Bit>,
}

impl Requests {
    /// No request.
    pub fn new() -> Self {
        Self {
            kind_value: Fixed::new(u64::from(kind::VALUE).into()),
            kind_interrupt: Fixed::new(u64::from(kind::INTERRUPT).into()),
            kind_read: Fixed::new(u64::from(kind::READ).into()),
            kind_write: Fixed::new(u64::from(kind::WRITE).into()),
            beat_bytes: Fixed::new((WRITE_BEAT_BYTES as u64).into()),
            ..Default::default()
        }
    }
}

impl Logic for Requests {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            message,
            shift,
            left,
            more,
            pointer,
            out_complete
        );
        self.idle.next = (self.state.q.val() == RequestState::Idle) && !self.out_complete.q.val();
        self.complete.next = self.out_complete.q.val();
        self.kind.next = self.message.q.val();
        self.bytes.next = self.pointer.q.val();
        self.byte_valid.next = false;
        self.data.next = self.shift.q.val().get_bits::<8>(0);
        self.address.next = self.pointer.q.val();
        self.value_ready.next = false;
        self.ar_ready.next = false;
        self.aw_ready.next = false;
        self.w_ready.next = false;
        self.interrupt_ready.next = false;
        self.out_complete.d.next = false;

        match self.state.q.val() {
            RequestState::Idle => {
                if self.enable.val() && !self.out_complete.q.val() {
                    self.pointer.d.next = bits::<10>(0);
                    self.more.d.next = false;
                    if self.value_valid.val() {
                        self.state.d.next = RequestState::TakeValue;
                    } else if self.interrupt_valid.val() {
                        self.state.d.next = RequestState::TakeInterrupt;
                    } else if self.ar_valid.val() && self.reads_ready.val() {
                        self.state.d.next = RequestState::TakeRead;
                    } else if self.aw_valid.val() && self.writes_ready.val() {
                        self.state.d.next = RequestState::TakeWrite;
                    }
                }
            }
            RequestState::TakeValue => {
                self.value_ready.next = true;
                self.message.d.next = self.kind_value.val();
                self.shift.d.next = bit_cast::<72, 32>(self.value.val());
                self.left.d.next = bits::<4>(4);
                self.state.d.next = RequestState::Shift;
            }
            RequestState::TakeInterrupt => {
                self.interrupt_ready.next = true;
                self.message.d.next = self.kind_interrupt.val();
                self.shift.d.next = bit_cast::<72, 11>(self.interrupt_vector.val());
                self.left.d.next = bits::<4>(2);
                self.state.d.next = RequestState::Shift;
            }
            RequestState::TakeRead => {
                self.ar_ready.next = true;
                self.message.d.next = self.kind_read.val();
                self.shift.d.next = (bit_cast::<72, 8>(self.ar_length.val()) << bits::<7>(64))
                    | bit_cast::<72, 64>(self.ar_address.val());
                self.left.d.next = bits::<4>(9);
                self.state.d.next = RequestState::Shift;
            }
            RequestState::TakeWrite => {
                self.aw_ready.next = true;
                self.message.d.next = self.kind_write.val();
                self.shift.d.next = bit_cast::<72, 64>(self.aw_address.val());
                self.left.d.next = bits::<4>(8);
                self.more.d.next = true;
                self.state.d.next = RequestState::Shift;
            }
            RequestState::Shift => {
                self.byte_valid.next = true;
                if self.byte_ready.val() {
                    self.shift.d.next = self.shift.q.val() >> bits::<4>(8);
                    self.pointer.d.next = self.pointer.q.val() + bits::<10>(1);
                    self.left.d.next = self.left.q.val() - bits::<4>(1);
                    if self.left.q.val() == bits::<4>(1) {
                        if self.more.q.val() {
                            self.state.d.next = RequestState::Beat;
                        } else {
                            self.out_complete.d.next = true;
                            self.state.d.next = RequestState::Idle;
                        }
                    }
                }
            }
            RequestState::Beat => {
                self.w_ready.next = true;
                self.shift.d.next = (bit_cast::<72, 64>(self.w_data.val()) << bits::<4>(8))
                    | bit_cast::<72, 8>(self.w_strobe.val());
                self.left.d.next = self.beat_bytes.val();
                self.more.d.next = !self.w_last.val();
                if self.w_valid.val() {
                    self.state.d.next = RequestState::Shift;
                }
            }
            _ => {
                self.state.d.next = RequestState::Idle;
            }
        }
        if self.reset.val() {
            self.state.d.next = RequestState::Idle;
            self.out_complete.d.next = false;
        }
    }
}
