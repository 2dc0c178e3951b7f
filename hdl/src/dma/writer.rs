//! Write engine: reads its source ahead of the bus and writes bursts.
//!
//! ```text
//!  request -> bursts -> AW -----------------------------> host memory
//!                |                                          ^
//!                v                                          |
//!          source_address -> (2 cycles) -> source_data -> FIFO -> W
//! ```
//!
//! Bytes beyond a row's end are masked by strobes. A transfer has ended when the last response
//! has come. What is needed when a burst or a row ends is computed before, as in the read engine.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

use super::{BURST_BEATS, OUTSTANDING, fifo::BeatFifo, fifo::DEPTH};
use crate::delay::Delay;
use crate::memory::scratchpad::ACCESS_LATENCY;

/// Cycles from a source's address to its data.
pub const SOURCE_LATENCY: usize = ACCESS_LATENCY;

/// What the engine is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum WriterState {
    /// Nothing is left to write; responses may be outstanding.
    Idle,
    /// Counts the beats of a row.
    Prepare,
    /// Looks how far a boundary and the row's end are.
    Approach,
    /// Measures the next burst.
    Measure,
    /// Announces it.
    Address,
    /// Reads its beats from the source.
    Stream,
    /// Turns to the next row.
    Turn,
}

/// The write engine.
#[derive(LogicBlock, Default)]
pub struct DmaWriter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything. Only when not busy: the bus can't be reset.
    pub reset: Signal<In, Bit>,
    /// Begins no further burst; what has been announced is still written.
    pub abort: Signal<In, Bit>,
    /// Begins a transfer with the operands below.
    pub start: Signal<In, Bit>,
    /// Host address of the first row, a multiple of 8.
    pub address: Signal<In, Bits<64>>,
    /// Bytes of a row, at least 1; exactly these are written.
    pub row_bytes: Signal<In, Bits<32>>,
    /// Rows, at least 1.
    pub rows: Signal<In, Bits<16>>,
    /// Bytes from row to row in host memory.
    pub stride: Signal<In, Bits<32>>,
    /// Byte address of the first row at the source.
    pub source: Signal<In, Bits<32>>,
    /// Bytes from row to row at the source.
    pub source_stride: Signal<In, Bits<32>>,
    /// Source, one of `port`.
    pub port: Signal<In, Bits<3>>,
    /// A transfer is under way.
    pub busy: Signal<Out, Bit>,
    /// The last transfer met an error.
    pub failed: Signal<Out, Bit>,
    /// Byte address to read at the source.
    pub source_address: Signal<Out, Bits<32>>,
    /// Source to read.
    pub source_port: Signal<Out, Bits<3>>,
    /// It wants to read there.
    pub source_valid: Signal<Out, Bit>,
    /// It may.
    pub source_ready: Signal<In, Bit>,
    /// What was at `source_address` [`SOURCE_LATENCY`] cycles ago.
    pub source_data: Signal<In, Bits<64>>,
    /// Bytes of the beat that is read from the source now; 0 if none is.
    pub beat_bytes: Signal<Out, Bits<4>>,
    /// AXI write address channel.
    pub aw_valid: Signal<Out, Bit>,
    /// Byte address of the burst.
    pub aw_address: Signal<Out, Bits<64>>,
    /// Beats of the burst minus 1.
    pub aw_length: Signal<Out, Bits<8>>,
    /// The address is taken.
    pub aw_ready: Signal<In, Bit>,
    /// AXI write data channel.
    pub w_valid: Signal<Out, Bit>,
    /// The beat.
    pub w_data: Signal<Out, Bits<64>>,
    /// Its byte strobes.
    pub w_strobe: Signal<Out, Bits<8>>,
    /// It is its burst's last.
    pub w_last: Signal<Out, Bit>,
    /// The beat is taken.
    pub w_ready: Signal<In, Bit>,
    /// AXI write response channel.
    pub b_valid: Signal<In, Bit>,
    /// Zero if the burst was written.
    pub b_response: Signal<In, Bits<2>>,
    burst_beats: Fixed<Bits<7>>,
    outstanding_limit: Fixed<Bits<4>>,
    fifo_beats: Fixed<Bits<5>>,
    state: DFF<WriterState>,
    to_boundary: DFF<Bits<7>>,
    few: DFF<Bit>,
    running: DFF<Bit>,
    captures: DFF<Bit>,
    error: DFF<Bit>,
    rows_left: DFF<Bits<16>>,
    last_row: DFF<Bit>,
    next_row: DFF<Bits<64>>,
    row_stride: DFF<Bits<32>>,
    cursor: DFF<Bits<64>>,
    row_beats: DFF<Bits<32>>,
    beats_left: DFF<Bits<29>>,
    ends_row: DFF<Bit>,
    burst: DFF<Bits<7>>,
    burst_left: DFF<Bits<7>>,
    ends_burst: DFF<Bit>,
    tail_bytes: DFF<Bits<4>>,
    outstanding: DFF<Bits<4>>,
    credits: DFF<Bits<5>>,
    pointer: DFF<Bits<32>>,
    next_pointer: DFF<Bits<32>>,
    pointer_stride: DFF<Bits<32>>,
    pointer_port: DFF<Bits<3>>,
    fifo: BeatFifo,
    push: Delay<1>,
    push_strobe: Delay<8>,
    push_last: Delay<1>,
    measure: Signal<Local, Bits<32>>,
    length: Signal<Local, Bits<7>>,
    next_outstanding: Signal<Local, Bits<4>>,
    next_credits: Signal<Local, Bits<5>>,
    bytes: Signal<Local, Bits<4>>,
    strobe: Signal<Local, Bits<16>>,
}

impl DmaWriter {
    /// An idle engine.
    pub fn new() -> Self {
        Self {
            burst_beats: Fixed::new(BURST_BEATS.into()),
            outstanding_limit: Fixed::new(OUTSTANDING.into()),
            fifo_beats: Fixed::new((DEPTH as u64).into()),
            push: Delay::new(SOURCE_LATENCY),
            push_strobe: Delay::new(SOURCE_LATENCY),
            push_last: Delay::new(SOURCE_LATENCY),
            ..Default::default()
        }
    }
}

impl Logic for DmaWriter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            to_boundary,
            few,
            running,
            captures,
            error,
            rows_left,
            last_row,
            next_row,
            row_stride,
            cursor,
            row_beats,
            beats_left,
            ends_row,
            burst,
            burst_left,
            ends_burst,
            tail_bytes,
            outstanding,
            credits,
            pointer,
            next_pointer,
            pointer_stride,
            pointer_port
        );
        clock!(self, clock, fifo, push, push_strobe, push_last);
        self.busy.next = self.running.q.val();
        self.failed.next = self.error.q.val();
        self.source_address.next = self.pointer.q.val();
        self.source_port.next = self.pointer_port.q.val();
        self.aw_valid.next = self.state.q.val() == WriterState::Address;
        self.aw_address.next = self.cursor.q.val();
        self.length.next = self.burst.q.val() - bits::<7>(1);
        self.aw_length.next = bit_cast::<8, 7>(self.length.val());
        self.w_valid.next = self.fifo.valid.val();
        self.w_data.next = self.fifo.data.val();
        self.w_strobe.next = self.fifo.strobe.val();
        self.w_last.next = self.fifo.last.val();
        self.fifo.reset.next = self.reset.val();
        self.fifo.push.next = self.push.delayed.val();
        self.fifo.push_data.next = self.source_data.val();
        self.fifo.push_strobe.next = self.push_strobe.delayed.val();
        self.fifo.push_last.next = self.push_last.delayed.val();
        self.fifo.pop.next = self.fifo.valid.val() && self.w_ready.val();

        // A burst ends with the row, at the longest length, or at a 4 KiB boundary: only the last
        // 64 beats of a page are nearer to it than the longest length.
        self.to_boundary.d.next = self.burst_beats.val();
        if self.cursor.q.val().get_bits::<3>(9) == bits::<3>(7) {
            self.to_boundary.d.next =
                bits::<7>(64) - bit_cast::<7, 6>(self.cursor.q.val().get_bits::<6>(3));
        }
        self.few.d.next = self.beats_left.q.val().get_bits::<22>(7) == bits::<22>(0);
        self.last_row.d.next = self.rows_left.q.val() == bits::<16>(1);
        self.measure.next = self.row_beats.q.val() + bits::<32>(7);
        // Only the last beat of a row can be partial.
        self.bytes.next = bits::<4>(8);
        if self.ends_row.q.val() {
            self.bytes.next = self.tail_bytes.q.val();
        }
        self.strobe.next = (bits::<16>(1) << self.bytes.val()) - bits::<16>(1);

        self.source_valid.next = false;
        self.beat_bytes.next = bits::<4>(0);
        self.push.entry.next = bits::<1>(0);
        self.push_strobe.entry.next = self.strobe.val().get_bits::<8>(0);
        self.push_last.entry.next = bits::<1>(0);
        if self.ends_burst.q.val() {
            self.push_last.entry.next = bits::<1>(1);
        }
        self.next_outstanding.next = self.outstanding.q.val();
        self.next_credits.next = self.credits.q.val();
        if self.fifo.valid.val() && self.w_ready.val() {
            self.next_credits.next = self.next_credits.val() + bits::<5>(1);
        }
        match self.state.q.val() {
            WriterState::Idle => {
                if self.running.q.val() && (self.outstanding.q.val() == bits::<4>(0)) {
                    self.running.d.next = false;
                    self.captures.d.next = true;
                }
            }
            WriterState::Prepare => {
                self.row_beats.d.next = self.measure.val() >> bits::<2>(3);
                self.beats_left.d.next = self.measure.val().get_bits::<29>(3);
                self.next_row.d.next =
                    self.cursor.q.val() + bit_cast::<64, 32>(self.row_stride.q.val());
                self.next_pointer.d.next = self.pointer.q.val() + self.pointer_stride.q.val();
                self.state.d.next = WriterState::Approach;
            }
            WriterState::Approach => {
                self.state.d.next = WriterState::Measure;
            }
            WriterState::Measure => {
                self.burst.d.next = self.to_boundary.q.val();
                self.burst_left.d.next = self.to_boundary.q.val();
                if self.few.q.val()
                    && (self.beats_left.q.val().get_bits::<7>(0) <= self.to_boundary.q.val())
                {
                    self.burst.d.next = self.beats_left.q.val().get_bits::<7>(0);
                    self.burst_left.d.next = self.beats_left.q.val().get_bits::<7>(0);
                }
                if self.abort.val() || self.error.q.val() {
                    self.state.d.next = WriterState::Idle;
                } else if self.outstanding.q.val() < self.outstanding_limit.val() {
                    self.state.d.next = WriterState::Address;
                }
            }
            WriterState::Address => {
                self.ends_burst.d.next = self.burst_left.q.val() == bits::<7>(1);
                self.ends_row.d.next = self.beats_left.q.val() == bits::<29>(1);
                if self.aw_ready.val() {
                    self.next_outstanding.next = self.next_outstanding.val() + bits::<4>(1);
                    self.cursor.d.next = self.cursor.q.val()
                        + (bit_cast::<64, 7>(self.burst.q.val()) << bits::<2>(3));
                    self.state.d.next = WriterState::Stream;
                }
            }
            WriterState::Stream => {
                self.source_valid.next = self.credits.q.val() != bits::<5>(0);
                if (self.credits.q.val() != bits::<5>(0)) && self.source_ready.val() {
                    self.next_credits.next = self.next_credits.val() - bits::<5>(1);
                    self.push.entry.next = bits::<1>(1);
                    self.beat_bytes.next = self.bytes.val();
                    self.pointer.d.next = self.pointer.q.val() + bits::<32>(8);
                    self.beats_left.d.next = self.beats_left.q.val() - bits::<29>(1);
                    self.ends_row.d.next = self.beats_left.q.val() == bits::<29>(2);
                    self.burst_left.d.next = self.burst_left.q.val() - bits::<7>(1);
                    self.ends_burst.d.next = self.burst_left.q.val() == bits::<7>(2);
                    if self.ends_burst.q.val() {
                        self.state.d.next = WriterState::Approach;
                    }
                    if self.ends_row.q.val() {
                        self.state.d.next = WriterState::Turn;
                    }
                }
            }
            WriterState::Turn => {
                // A state of its own: whether a beat may be read is known late, and these are many bits.
                self.rows_left.d.next = self.rows_left.q.val() - bits::<16>(1);
                self.cursor.d.next = self.next_row.q.val();
                self.next_row.d.next =
                    self.next_row.q.val() + bit_cast::<64, 32>(self.row_stride.q.val());
                self.pointer.d.next = self.next_pointer.q.val();
                self.next_pointer.d.next = self.next_pointer.q.val() + self.pointer_stride.q.val();
                self.beats_left.d.next = self.row_beats.q.val().get_bits::<29>(0);
                self.state.d.next = WriterState::Approach;
                if self.last_row.q.val() {
                    self.state.d.next = WriterState::Idle;
                }
            }
            _ => {
                self.state.d.next = WriterState::Idle;
            }
        }
        if self.b_valid.val() && self.running.q.val() {
            self.next_outstanding.next = self.next_outstanding.val() - bits::<4>(1);
            if self.b_response.val() != bits::<2>(0) {
                self.error.d.next = true;
            }
        }
        self.outstanding.d.next = self.next_outstanding.val();
        self.credits.d.next = self.next_credits.val();

        if self.start.val() && !self.running.q.val() && !self.abort.val() {
            self.running.d.next = true;
            self.captures.d.next = false;
            self.error.d.next = false;
            self.state.d.next = WriterState::Prepare;
        }
        // Taken in each cycle, so that nothing but the state waits for `start`; `captures` is the
        // opposite of `running`, beside the many that it enables.
        if self.captures.q.val() {
            self.rows_left.d.next = self.rows.val();
            self.row_stride.d.next = self.stride.val();
            self.cursor.d.next = self.address.val();
            // Bytes at first; `Prepare` makes beats of them.
            self.row_beats.d.next = self.row_bytes.val();
            self.tail_bytes.d.next = bit_cast::<4, 3>(self.row_bytes.val().get_bits::<3>(0));
            if self.row_bytes.val().get_bits::<3>(0) == bits::<3>(0) {
                self.tail_bytes.d.next = bits::<4>(8);
            }
            self.pointer.d.next = self.source.val();
            self.pointer_stride.d.next = self.source_stride.val();
            self.pointer_port.d.next = self.port.val();
        }
        if self.reset.val() {
            self.state.d.next = WriterState::Idle;
            self.running.d.next = false;
            self.captures.d.next = true;
            self.error.d.next = false;
            self.outstanding.d.next = bits::<4>(0);
            self.credits.d.next = self.fifo_beats.val();
            self.push.entry.next = bits::<1>(0);
        }
    }
}
