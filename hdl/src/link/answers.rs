//! What the host tells the device: carries out accesses to registers, and answers the
//! accelerator's DMA with what the host has sent.
//!
//! ```text
//!  message --> READ_REGISTER, WRITE_REGISTER --> AXI4-Lite
//!              DATA, DATA_ERROR <- buffer -----> R
//!              WRITTEN, WRITE_ERROR -----------> B
//!  flush ----> errors for all that is outstanding
//! ```
//!
//! The lengths of outstanding reads are kept here, so that every burst gets its beats, whatever
//! the host sends.

use rust_hdl::prelude::*;
use systole_regs::link::kind;

use crate::fixed::Fixed;

/// Reads that may be outstanding.
pub const READS: u64 = 4;

/// Writes that may be outstanding.
pub const WRITES: u64 = 7;

/// AXI's SLVERR.
const SLAVE_ERROR: u64 = 2;

/// What is being done.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum AnswerState {
    /// Waits for a message.
    Idle,
    /// Writes a register.
    WriteRegister,
    /// Waits for its response.
    WriteResponse,
    /// Reads a register.
    ReadRegister,
    /// Waits for its value.
    ReadValue,
    /// Takes the bytes of a beat from the buffer.
    Fetch,
    /// Offers the beat.
    Offer,
    /// Offers a write response.
    Respond,
    /// Looks for something to answer with an error.
    Flush,
}

/// The host's answers and accesses.
#[derive(LogicBlock, Default)]
pub struct Answers {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything; with the accelerator.
    pub reset: Signal<In, Bit>,
    /// A message; only when idle.
    pub start: Signal<In, Bit>,
    /// Its kind.
    pub kind: Signal<In, Bits<4>>,
    /// The first bytes of its payload.
    pub short: Signal<In, Bits<48>>,
    /// Bytes of its payload.
    pub bytes: Signal<In, Bits<10>>,
    /// Where its payload begins in the buffer.
    pub base: Signal<In, Bits<10>>,
    /// Answers everything that is outstanding with an error; only when idle.
    pub flush: Signal<In, Bit>,
    /// Nothing more becomes outstanding.
    pub quiet: Signal<In, Bit>,
    /// Nothing is being done.
    pub idle: Signal<Out, Bit>,
    /// Wants to read the buffer.
    pub fetch: Signal<Out, Bit>,
    /// There.
    pub address: Signal<Out, Bits<10>>,
    /// May.
    pub fetch_ready: Signal<In, Bit>,
    /// What was there two cycles ago.
    pub fetched: Signal<In, Bits<8>>,
    /// A register has been read.
    pub value_valid: Signal<Out, Bit>,
    /// Its value.
    pub value: Signal<Out, Bits<32>>,
    /// It is taken.
    pub value_ready: Signal<In, Bit>,
    /// A read has become outstanding, in this cycle only.
    pub read_begins: Signal<In, Bit>,
    /// Its beats minus 1.
    pub read_length: Signal<In, Bits<8>>,
    /// There is room for one.
    pub reads_ready: Signal<Out, Bit>,
    /// A write has become outstanding, in this cycle only.
    pub write_begins: Signal<In, Bit>,
    /// There is room for one.
    pub writes_ready: Signal<Out, Bit>,
    /// AXI4-Lite write address.
    pub aw_valid: Signal<Out, Bit>,
    /// Taken.
    pub aw_ready: Signal<In, Bit>,
    /// AXI4-Lite write data.
    pub w_valid: Signal<Out, Bit>,
    /// Value.
    pub w_data: Signal<Out, Bits<32>>,
    /// Taken.
    pub w_ready: Signal<In, Bit>,
    /// AXI4-Lite write response.
    pub b_valid: Signal<In, Bit>,
    /// Taken.
    pub b_ready: Signal<Out, Bit>,
    /// AXI4-Lite read address.
    pub ar_valid: Signal<Out, Bit>,
    /// Byte offset in BAR0, of reads and writes.
    pub register_address: Signal<Out, Bits<16>>,
    /// Taken.
    pub ar_ready: Signal<In, Bit>,
    /// AXI4-Lite read data.
    pub r_valid: Signal<In, Bit>,
    /// Value.
    pub r_data: Signal<In, Bits<32>>,
    /// Taken.
    pub r_ready: Signal<Out, Bit>,
    /// AXI4 read data.
    pub beat_valid: Signal<Out, Bit>,
    /// Beat.
    pub beat_data: Signal<Out, Bits<64>>,
    /// Response.
    pub beat_response: Signal<Out, Bits<2>>,
    /// Last of its burst.
    pub beat_last: Signal<Out, Bit>,
    /// Taken.
    pub beat_ready: Signal<In, Bit>,
    /// AXI4 write response.
    pub response_valid: Signal<Out, Bit>,
    /// Response.
    pub response: Signal<Out, Bits<2>>,
    /// Taken.
    pub response_ready: Signal<In, Bit>,
    kind_read_register: Fixed<Bits<4>>,
    kind_write_register: Fixed<Bits<4>>,
    kind_data: Fixed<Bits<4>>,
    kind_data_error: Fixed<Bits<4>>,
    kind_written: Fixed<Bits<4>>,
    kind_write_error: Fixed<Bits<4>>,
    slave_error: Fixed<Bits<2>>,
    reads_most: Fixed<Bits<3>>,
    writes_most: Fixed<Bits<3>>,
    state: DFF<AnswerState>,
    flushing: DFF<Bit>,
    aw_pending: DFF<Bit>,
    w_pending: DFF<Bit>,
    offset: DFF<Bits<16>>,
    write_value: DFF<Bits<32>>,
    read_value: DFF<Bits<32>>,
    read_valid: DFF<Bit>,
    failed: DFF<Bit>,
    beat: DFF<Bits<64>>,
    left: DFF<Bits<8>>,
    asked: DFF<Bits<4>>,
    coming: DFF<Bits<2>>,
    arrived: DFF<Bits<4>>,
    pointer: DFF<Bits<10>>,
    lengths: DFF<Bits<32>>,
    reads: DFF<Bits<3>>,
    writes: DFF<Bits<3>>,
    read_ends: Signal<Local, Bit>,
    write_ends: Signal<Local, Bit>,
    next_lengths: Signal<Local, Bits<32>>,
    next_reads: Signal<Local, Bits<3>>,
    next_writes: Signal<Local, Bits<3>>,
    expected_bytes: Signal<Local, Bits<10>>,
}

impl Answers {
    /// Nothing outstanding.
    pub fn new() -> Self {
        let code = |code: u8| Fixed::new(u64::from(code).into());
        Self {
            kind_read_register: code(kind::READ_REGISTER),
            kind_write_register: code(kind::WRITE_REGISTER),
            kind_data: code(kind::DATA),
            kind_data_error: code(kind::DATA_ERROR),
            kind_written: code(kind::WRITTEN),
            kind_write_error: code(kind::WRITE_ERROR),
            slave_error: Fixed::new(SLAVE_ERROR.into()),
            reads_most: Fixed::new(READS.into()),
            writes_most: Fixed::new(WRITES.into()),
            ..Default::default()
        }
    }
}

impl Logic for Answers {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            flushing,
            aw_pending,
            w_pending,
            offset,
            write_value,
            read_value,
            read_valid,
            failed,
            beat,
            left,
            asked,
            coming,
            arrived,
            pointer,
            lengths,
            reads,
            writes
        );
        self.idle.next = self.state.q.val() == AnswerState::Idle;
        self.fetch.next = false;
        self.address.next = self.pointer.q.val();
        self.value_valid.next = self.read_valid.q.val();
        self.value.next = self.read_value.q.val();
        self.reads_ready.next = self.reads.q.val() != self.reads_most.val();
        self.writes_ready.next = self.writes.q.val() != self.writes_most.val();
        self.aw_valid.next = self.aw_pending.q.val();
        self.w_valid.next = self.w_pending.q.val();
        self.w_data.next = self.write_value.q.val();
        self.register_address.next = self.offset.q.val();
        self.b_ready.next = self.state.q.val() == AnswerState::WriteResponse;
        self.r_ready.next = self.state.q.val() == AnswerState::ReadValue;
        self.ar_valid.next = self.state.q.val() == AnswerState::ReadRegister;
        self.beat_valid.next = self.state.q.val() == AnswerState::Offer;
        self.beat_data.next = self.beat.q.val();
        self.beat_last.next = self.left.q.val() == bits::<8>(0);
        self.beat_response.next = bits::<2>(0);
        self.response_valid.next = self.state.q.val() == AnswerState::Respond;
        self.response.next = bits::<2>(0);
        if self.failed.q.val() {
            self.beat_response.next = self.slave_error.val();
            self.response.next = self.slave_error.val();
        }

        self.read_ends.next = false;
        self.write_ends.next = false;
        self.expected_bytes.next =
            bit_cast::<10, 7>(self.lengths.q.val().get_bits::<7>(0)) + bits::<10>(1);
        if self.value_ready.val() {
            self.read_valid.d.next = false;
        }
        if self.aw_ready.val() {
            self.aw_pending.d.next = false;
        }
        if self.w_ready.val() {
            self.w_pending.d.next = false;
        }
        self.coming.d.next = self.coming.q.val() << bits::<1>(1);

        match self.state.q.val() {
            AnswerState::Idle => {
                self.offset.d.next = self.short.val().get_bits::<16>(0);
                self.write_value.d.next = self.short.val().get_bits::<32>(16);
                self.pointer.d.next = self.base.val();
                self.left.d.next = self.lengths.q.val().get_bits::<8>(0);
                self.failed.d.next = false;
                self.asked.d.next = bits::<4>(0);
                self.arrived.d.next = bits::<4>(0);
                if self.start.val() {
                    if self.kind.val() == self.kind_read_register.val() {
                        self.state.d.next = AnswerState::ReadRegister;
                    }
                    if self.kind.val() == self.kind_write_register.val() {
                        self.aw_pending.d.next = true;
                        self.w_pending.d.next = true;
                        self.state.d.next = AnswerState::WriteRegister;
                    }
                    if self.reads.q.val() != bits::<3>(0) {
                        if self.kind.val() == self.kind_data.val() {
                            // A frame of another length would be the host's mistake.
                            if (self.bytes.val() >> bits::<2>(3)) == self.expected_bytes.val() {
                                self.state.d.next = AnswerState::Fetch;
                            } else {
                                self.failed.d.next = true;
                                self.state.d.next = AnswerState::Offer;
                            }
                        }
                        if self.kind.val() == self.kind_data_error.val() {
                            self.failed.d.next = true;
                            self.state.d.next = AnswerState::Offer;
                        }
                    }
                    if self.writes.q.val() != bits::<3>(0) {
                        if self.kind.val() == self.kind_written.val() {
                            self.state.d.next = AnswerState::Respond;
                        }
                        if self.kind.val() == self.kind_write_error.val() {
                            self.failed.d.next = true;
                            self.state.d.next = AnswerState::Respond;
                        }
                    }
                }
                if self.flush.val() {
                    self.flushing.d.next = true;
                    self.read_valid.d.next = false;
                    self.state.d.next = AnswerState::Flush;
                }
            }
            AnswerState::WriteRegister => {
                if !self.aw_pending.q.val() && !self.w_pending.q.val() {
                    self.state.d.next = AnswerState::WriteResponse;
                }
            }
            AnswerState::WriteResponse => {
                if self.b_valid.val() {
                    self.state.d.next = AnswerState::Idle;
                }
            }
            AnswerState::ReadRegister => {
                if self.ar_ready.val() {
                    self.state.d.next = AnswerState::ReadValue;
                }
            }
            AnswerState::ReadValue => {
                self.read_value.d.next = self.r_data.val();
                if self.r_valid.val() {
                    self.read_valid.d.next = true;
                    self.state.d.next = AnswerState::Idle;
                }
            }
            AnswerState::Fetch => {
                if self.asked.q.val() != bits::<4>(8) {
                    self.fetch.next = true;
                    if self.fetch_ready.val() {
                        self.asked.d.next = self.asked.q.val() + bits::<4>(1);
                        self.pointer.d.next = self.pointer.q.val() + bits::<10>(1);
                        self.coming.d.next = (self.coming.q.val() << bits::<1>(1)) | bits::<2>(1);
                    }
                }
                if self.coming.q.val().get_bit(1) {
                    self.beat.d.next = (self.beat.q.val() >> bits::<4>(8))
                        | (bit_cast::<64, 8>(self.fetched.val()) << bits::<6>(56));
                    self.arrived.d.next = self.arrived.q.val() + bits::<4>(1);
                }
                if self.arrived.q.val() == bits::<4>(8) {
                    self.asked.d.next = bits::<4>(0);
                    self.arrived.d.next = bits::<4>(0);
                    self.state.d.next = AnswerState::Offer;
                }
            }
            AnswerState::Offer => {
                if self.beat_ready.val() {
                    self.left.d.next = self.left.q.val() - bits::<8>(1);
                    if self.left.q.val() == bits::<8>(0) {
                        self.read_ends.next = true;
                        self.state.d.next = AnswerState::Idle;
                        if self.flushing.q.val() {
                            self.state.d.next = AnswerState::Flush;
                        }
                    } else if !self.failed.q.val() {
                        self.state.d.next = AnswerState::Fetch;
                    }
                }
            }
            AnswerState::Respond => {
                if self.response_ready.val() {
                    self.write_ends.next = true;
                    self.state.d.next = AnswerState::Idle;
                    if self.flushing.q.val() {
                        self.state.d.next = AnswerState::Flush;
                    }
                }
            }
            AnswerState::Flush => {
                self.failed.d.next = true;
                self.left.d.next = self.lengths.q.val().get_bits::<8>(0);
                // A write is answered only when all of its beats have been taken.
                if self.quiet.val() {
                    if self.reads.q.val() != bits::<3>(0) {
                        self.state.d.next = AnswerState::Offer;
                    } else if self.writes.q.val() != bits::<3>(0) {
                        self.state.d.next = AnswerState::Respond;
                    } else {
                        self.flushing.d.next = false;
                        self.state.d.next = AnswerState::Idle;
                    }
                }
            }
            _ => {
                self.state.d.next = AnswerState::Idle;
            }
        }

        // What is outstanding: the oldest read's length is the lowest byte.
        self.next_lengths.next = self.lengths.q.val();
        self.next_reads.next = self.reads.q.val();
        if self.read_ends.val() {
            self.next_lengths.next = self.lengths.q.val() >> bits::<4>(8);
            self.next_reads.next = self.reads.q.val() - bits::<3>(1);
        }
        self.lengths.d.next = self.next_lengths.val();
        self.reads.d.next = self.next_reads.val();
        if self.read_begins.val() {
            self.lengths.d.next = self.next_lengths.val()
                | (bit_cast::<32, 8>(self.read_length.val())
                    << (bit_cast::<5, 3>(self.next_reads.val()) << bits::<2>(3)));
            self.reads.d.next = self.next_reads.val() + bits::<3>(1);
        }
        self.next_writes.next = self.writes.q.val();
        if self.write_ends.val() {
            self.next_writes.next = self.writes.q.val() - bits::<3>(1);
        }
        self.writes.d.next = self.next_writes.val();
        if self.write_begins.val() {
            self.writes.d.next = self.next_writes.val() + bits::<3>(1);
        }

        if self.reset.val() {
            self.state.d.next = AnswerState::Idle;
            self.flushing.d.next = false;
            self.aw_pending.d.next = false;
            self.w_pending.d.next = false;
            self.read_valid.d.next = false;
            self.lengths.d.next = bits::<32>(0);
            self.reads.d.next = bits::<3>(0);
            self.writes.d.next = bits::<3>(0);
        }
    }
}
