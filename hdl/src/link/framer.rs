//! From frames to the line: flags, escapes and the check around what is sent.
//!
//! ```text
//!  kind, numbers --+
//!  buffer ---------+--> byte --> escape --> transmitter --> tx
//!  state ----------+      '--> check
//! ```

use rust_hdl::prelude::*;
use systole_regs::link::{CHECK_BYTES, CHECK_INITIAL, ESCAPE, ESCAPE_MASK, FLAG, VERSION};

use super::check::Check;
use super::transmitter::Transmitter;
use crate::fixed::Fixed;

/// Bytes of STATE's payload.
const STATE_BYTES: u64 = 5;

/// What the sender is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum FrameState {
    /// Nothing.
    Idle,
    /// Sends the flag before the frame.
    Open,
    /// Chooses the next byte.
    Choose,
    /// Waits for the buffer.
    Fetch,
    /// Waits for the buffer.
    Fetched,
    /// Takes the byte into the check.
    Digest,
    /// Sends it, perhaps after an escape.
    Emit,
    /// Sends the flag after the frame.
    Close,
}

/// Which part of the frame comes next.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Part {
    /// The second byte of the header.
    Numbers,
    /// The payload.
    Payload,
    /// The check.
    Tail,
}

/// The sending end of the line.
#[derive(LogicBlock, Default)]
pub struct Framer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Ends the frame under way.
    pub reset: Signal<In, Bit>,
    /// Sends a frame; only when idle.
    pub start: Signal<In, Bit>,
    /// Its payload is the state instead of the buffer's bytes.
    pub is_state: Signal<In, Bit>,
    /// Its first byte.
    pub kind: Signal<In, Bits<8>>,
    /// Its second byte.
    pub numbers: Signal<In, Bits<8>>,
    /// Bytes of the buffer that are sent.
    pub bytes: Signal<In, Bits<10>>,
    /// The session.
    pub session: Signal<In, Bits<32>>,
    /// No frame is under way.
    pub idle: Signal<Out, Bit>,
    /// Reads the buffer in this cycle, before anybody else.
    pub fetch: Signal<Out, Bit>,
    /// There.
    pub address: Signal<Out, Bits<10>>,
    /// What was there two cycles ago.
    pub fetched: Signal<In, Bits<8>>,
    /// The line.
    pub tx: Signal<Out, Bit>,
    flag: Fixed<Bits<8>>,
    escape_byte: Fixed<Bits<8>>,
    escape_mask: Fixed<Bits<8>>,
    inversion: Fixed<Bits<32>>,
    version: Fixed<Bits<40>>,
    state_bytes: Fixed<Bits<10>>,
    check_bytes: Fixed<Bits<10>>,
    check: Check,
    transmitter: Transmitter,
    state: DFF<FrameState>,
    part: DFF<Part>,
    data: DFF<Bits<8>>,
    numbers_byte: DFF<Bits<8>>,
    from_tail: DFF<Bit>,
    tail: DFF<Bits<40>>,
    left: DFF<Bits<10>>,
    pointer: DFF<Bits<10>>,
    special: Signal<Local, Bit>,
}

impl Framer {
    /// For a line whose bits last `divider` cycles.
    pub fn new(divider: u32) -> Self {
        Self {
            flag: Fixed::new(u64::from(FLAG).into()),
            escape_byte: Fixed::new(u64::from(ESCAPE).into()),
            escape_mask: Fixed::new(u64::from(ESCAPE_MASK).into()),
            inversion: Fixed::new(u64::from(CHECK_INITIAL).into()),
            version: Fixed::new((u64::from(VERSION) << 32).into()),
            state_bytes: Fixed::new(STATE_BYTES.into()),
            check_bytes: Fixed::new((CHECK_BYTES as u64).into()),
            check: Check::new(),
            transmitter: Transmitter::new(divider),
            ..Default::default()
        }
    }
}

impl Logic for Framer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            part,
            data,
            numbers_byte,
            from_tail,
            tail,
            left,
            pointer
        );
        clock!(self, clock, check, transmitter);
        self.transmitter.reset.next = self.reset.val();
        self.tx.next = self.transmitter.tx.val();
        self.idle.next = self.state.q.val() == FrameState::Idle;
        self.address.next = self.pointer.q.val();
        self.fetch.next = false;
        self.check.clear.next = false;
        self.check.load.next = false;
        self.check.data.next = self.data.q.val();
        self.transmitter.start.next = false;
        self.transmitter.data.next = self.data.q.val();
        self.special.next =
            (self.data.q.val() == self.flag.val()) || (self.data.q.val() == self.escape_byte.val());

        match self.state.q.val() {
            FrameState::Idle => {
                self.data.d.next = self.kind.val();
                self.numbers_byte.d.next = self.numbers.val();
                self.from_tail.d.next = self.is_state.val();
                self.tail.d.next = bit_cast::<40, 32>(self.session.val()) | self.version.val();
                self.left.d.next = self.bytes.val();
                if self.is_state.val() {
                    self.left.d.next = self.state_bytes.val();
                }
                self.pointer.d.next = bits::<10>(0);
                self.part.d.next = Part::Numbers;
                self.check.clear.next = true;
                if self.start.val() {
                    self.state.d.next = FrameState::Open;
                }
            }
            FrameState::Open => {
                self.transmitter.data.next = self.flag.val();
                if self.transmitter.ready.val() {
                    self.transmitter.start.next = true;
                    self.state.d.next = FrameState::Digest;
                }
            }
            FrameState::Choose => {
                self.state.d.next = FrameState::Digest;
                match self.part.q.val() {
                    Part::Numbers => {
                        self.data.d.next = self.numbers_byte.q.val();
                        self.part.d.next = Part::Payload;
                    }
                    Part::Payload => {
                        self.data.d.next = self.tail.q.val().get_bits::<8>(0);
                        if self.left.q.val() == bits::<10>(0) {
                            // The last byte has been taken into the check while it was sent.
                            self.tail.d.next =
                                bit_cast::<40, 32>(self.check.value.val() ^ self.inversion.val());
                            self.left.d.next = self.check_bytes.val();
                            self.part.d.next = Part::Tail;
                            self.state.d.next = FrameState::Choose;
                        } else {
                            self.left.d.next = self.left.q.val() - bits::<10>(1);
                            if self.from_tail.q.val() {
                                self.tail.d.next = self.tail.q.val() >> bits::<4>(8);
                            } else {
                                self.fetch.next = true;
                                self.pointer.d.next = self.pointer.q.val() + bits::<10>(1);
                                self.state.d.next = FrameState::Fetch;
                            }
                        }
                    }
                    Part::Tail => {
                        self.data.d.next = self.tail.q.val().get_bits::<8>(0);
                        self.tail.d.next = self.tail.q.val() >> bits::<4>(8);
                        self.left.d.next = self.left.q.val() - bits::<10>(1);
                        self.state.d.next = FrameState::Emit;
                        if self.left.q.val() == bits::<10>(0) {
                            self.state.d.next = FrameState::Close;
                        }
                    }
                    _ => {}
                }
            }
            FrameState::Fetch => {
                self.state.d.next = FrameState::Fetched;
            }
            FrameState::Fetched => {
                self.data.d.next = self.fetched.val();
                self.state.d.next = FrameState::Digest;
            }
            FrameState::Digest => {
                self.check.load.next = true;
                self.state.d.next = FrameState::Emit;
            }
            FrameState::Emit => {
                if self.special.val() {
                    self.transmitter.data.next = self.escape_byte.val();
                }
                if self.transmitter.ready.val() {
                    self.transmitter.start.next = true;
                    self.state.d.next = FrameState::Choose;
                    if self.special.val() {
                        self.data.d.next = self.data.q.val() ^ self.escape_mask.val();
                        self.state.d.next = FrameState::Emit;
                    }
                }
            }
            FrameState::Close => {
                self.transmitter.data.next = self.flag.val();
                if self.transmitter.ready.val() {
                    self.transmitter.start.next = true;
                    self.state.d.next = FrameState::Idle;
                }
            }
            _ => {
                self.state.d.next = FrameState::Idle;
            }
        }
        if self.reset.val() {
            self.state.d.next = FrameState::Idle;
        }
    }
}
