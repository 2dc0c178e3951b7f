//! Read engine: asks for bursts ahead of their data and hands out the beats with their
//! destination.
//!
//! ```text
//!  request -> bursts -> AR ----------------------+
//!                                                 v
//!  data, data_address, data_port <- beats <- (spare) <- R <- host memory
//! ```
//!
//! Data comes in order (one AXI id), so the two sides only share the count of outstanding bursts.
//! What is needed when a burst or a row ends (whether it ends, where the next row begins) is
//! computed before, into registers.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

use super::{BURST_BEATS, OUTSTANDING};

/// What the address side is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum ReaderState {
    /// Nothing is left to ask for.
    Idle,
    /// Counts the beats of a row.
    Prepare,
    /// Looks how far a boundary and the row's end are.
    Approach,
    /// Measures the next burst.
    Measure,
    /// Asks for it.
    Address,
}

/// The read engine.
#[derive(LogicBlock, Default)]
pub struct DmaReader {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything. Only when not busy: the bus can't be reset.
    pub reset: Signal<In, Bit>,
    /// Asks for nothing more; what is outstanding is still taken.
    pub abort: Signal<In, Bit>,
    /// Begins a transfer with the operands below.
    pub start: Signal<In, Bit>,
    /// Host address of the first row, a multiple of 8.
    pub address: Signal<In, Bits<64>>,
    /// Bytes of a row, at least 1; whole beats are read.
    pub row_bytes: Signal<In, Bits<32>>,
    /// Rows, at least 1.
    pub rows: Signal<In, Bits<16>>,
    /// Bytes from row to row in host memory.
    pub stride: Signal<In, Bits<32>>,
    /// Byte address of the first row at the destination.
    pub destination: Signal<In, Bits<32>>,
    /// Bytes from row to row at the destination.
    pub destination_stride: Signal<In, Bits<32>>,
    /// Destination, one of `port`.
    pub port: Signal<In, Bits<3>>,
    /// A transfer is under way.
    pub busy: Signal<Out, Bit>,
    /// The last transfer met an error.
    pub failed: Signal<Out, Bit>,
    /// A beat for the destination.
    pub data_valid: Signal<Out, Bit>,
    /// The destination takes it.
    pub data_ready: Signal<In, Bit>,
    /// The beat.
    pub data: Signal<Out, Bits<64>>,
    /// Its byte address.
    pub data_address: Signal<Out, Bits<32>>,
    /// Its destination.
    pub data_port: Signal<Out, Bits<3>>,
    /// AXI read address channel.
    pub ar_valid: Signal<Out, Bit>,
    /// Byte address of the burst.
    pub ar_address: Signal<Out, Bits<64>>,
    /// Beats of the burst minus 1.
    pub ar_length: Signal<Out, Bits<8>>,
    /// The address is taken.
    pub ar_ready: Signal<In, Bit>,
    /// AXI read data channel.
    pub r_valid: Signal<In, Bit>,
    /// The beat.
    pub r_data: Signal<In, Bits<64>>,
    /// Zero if it is good.
    pub r_response: Signal<In, Bits<2>>,
    /// It is its burst's last.
    pub r_last: Signal<In, Bit>,
    /// The beat is taken.
    pub r_ready: Signal<Out, Bit>,
    burst_beats: Fixed<Bits<7>>,
    outstanding_limit: Fixed<Bits<4>>,
    state: DFF<ReaderState>,
    to_boundary: DFF<Bits<7>>,
    few: DFF<Bit>,
    running: DFF<Bit>,
    captures: DFF<Bit>,
    error: DFF<Bit>,
    rows_left: DFF<Bits<16>>,
    last_row: DFF<Bit>,
    next_row: DFF<Bits<64>>,
    row_ended: DFF<Bit>,
    row_stride: DFF<Bits<32>>,
    cursor: DFF<Bits<64>>,
    row_beats: DFF<Bits<32>>,
    beats_left: DFF<Bits<29>>,
    burst: DFF<Bits<7>>,
    ends_row: DFF<Bit>,
    outstanding: DFF<Bits<4>>,
    receive_left: DFF<Bits<29>>,
    receives_last: DFF<Bit>,
    one_beat: DFF<Bit>,
    target: DFF<Bits<32>>,
    next_target: DFF<Bits<32>>,
    target_stride: DFF<Bits<32>>,
    target_port: DFF<Bits<3>>,
    out_valid: DFF<Bit>,
    out_data: DFF<Bits<64>>,
    out_address: DFF<Bits<32>>,
    spare_valid: DFF<Bit>,
    spare_data: DFF<Bits<64>>,
    spare_address: DFF<Bits<32>>,
    measure: Signal<Local, Bits<32>>,
    length: Signal<Local, Bits<7>>,
    next_outstanding: Signal<Local, Bits<4>>,
    arrives: Signal<Local, Bit>,
    is_good: Signal<Local, Bit>,
}

impl DmaReader {
    /// An idle engine.
    pub fn new() -> Self {
        Self {
            burst_beats: Fixed::new(BURST_BEATS.into()),
            outstanding_limit: Fixed::new(OUTSTANDING.into()),
            ..Default::default()
        }
    }
}

impl Logic for DmaReader {
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
            row_ended,
            row_stride,
            cursor,
            row_beats,
            beats_left,
            burst,
            ends_row,
            outstanding,
            receive_left,
            receives_last,
            one_beat,
            target,
            next_target,
            target_stride,
            target_port,
            out_valid,
            out_data,
            out_address,
            spare_valid,
            spare_data,
            spare_address
        );
        self.busy.next = self.running.q.val();
        self.failed.next = self.error.q.val();
        self.data_valid.next = self.out_valid.q.val();
        self.data.next = self.out_data.q.val();
        self.data_address.next = self.out_address.q.val();
        self.data_port.next = self.target_port.q.val();
        self.ar_valid.next = self.state.q.val() == ReaderState::Address;
        self.ar_address.next = self.cursor.q.val();
        self.length.next = self.burst.q.val() - bits::<7>(1);
        self.ar_length.next = bit_cast::<8, 7>(self.length.val());

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

        // The address of the next row but one, long before it is wanted.
        self.row_ended.d.next = false;
        if self.row_ended.q.val() {
            self.next_row.d.next =
                self.next_row.q.val() + bit_cast::<64, 32>(self.row_stride.q.val());
        }

        self.next_outstanding.next = self.outstanding.q.val();
        match self.state.q.val() {
            ReaderState::Idle => {
                if self.running.q.val()
                    && (self.outstanding.q.val() == bits::<4>(0))
                    && !self.out_valid.q.val()
                {
                    self.running.d.next = false;
                    self.captures.d.next = true;
                }
            }
            ReaderState::Prepare => {
                self.row_beats.d.next = self.measure.val() >> bits::<2>(3);
                self.beats_left.d.next = self.measure.val().get_bits::<29>(3);
                self.receive_left.d.next = self.measure.val().get_bits::<29>(3);
                self.one_beat.d.next = self.row_beats.q.val() <= bits::<32>(8);
                self.receives_last.d.next = self.row_beats.q.val() <= bits::<32>(8);
                self.next_row.d.next =
                    self.cursor.q.val() + bit_cast::<64, 32>(self.row_stride.q.val());
                self.next_target.d.next = self.target.q.val() + self.target_stride.q.val();
                self.state.d.next = ReaderState::Approach;
            }
            ReaderState::Approach => {
                self.state.d.next = ReaderState::Measure;
            }
            ReaderState::Measure => {
                self.burst.d.next = self.to_boundary.q.val();
                self.ends_row.d.next = false;
                if self.few.q.val()
                    && (self.beats_left.q.val().get_bits::<7>(0) <= self.to_boundary.q.val())
                {
                    self.burst.d.next = self.beats_left.q.val().get_bits::<7>(0);
                    self.ends_row.d.next = true;
                }
                if self.abort.val() || self.error.q.val() {
                    self.state.d.next = ReaderState::Idle;
                } else if self.outstanding.q.val() < self.outstanding_limit.val() {
                    self.state.d.next = ReaderState::Address;
                }
            }
            ReaderState::Address => {
                if self.ar_ready.val() {
                    self.next_outstanding.next = self.next_outstanding.val() + bits::<4>(1);
                    self.cursor.d.next = self.cursor.q.val()
                        + (bit_cast::<64, 7>(self.burst.q.val()) << bits::<2>(3));
                    self.beats_left.d.next =
                        self.beats_left.q.val() - bit_cast::<29, 7>(self.burst.q.val());
                    self.state.d.next = ReaderState::Approach;
                    if self.ends_row.q.val() {
                        self.rows_left.d.next = self.rows_left.q.val() - bits::<16>(1);
                        self.cursor.d.next = self.next_row.q.val();
                        self.row_ended.d.next = true;
                        self.beats_left.d.next = self.row_beats.q.val().get_bits::<29>(0);
                        if self.last_row.q.val() {
                            self.state.d.next = ReaderState::Idle;
                        }
                    }
                }
            }
            _ => {
                self.state.d.next = ReaderState::Idle;
            }
        }

        // Whether the destination takes a beat is known late, so the bus isn't told: a beat that comes
        // while the last one waits has a place of its own.
        self.r_ready.next = !self.spare_valid.q.val();
        self.arrives.next = self.r_valid.val() && self.running.q.val() && !self.spare_valid.q.val();
        self.is_good.next = self.arrives.val() && (self.r_response.val() == bits::<2>(0));
        if !self.spare_valid.q.val() {
            self.spare_data.d.next = self.r_data.val();
            self.spare_address.d.next = self.target.q.val();
        }
        if !self.out_valid.q.val() || self.data_ready.val() {
            self.out_valid.d.next = self.spare_valid.q.val() || self.is_good.val();
            self.spare_valid.d.next = false;
            self.out_data.d.next = self.r_data.val();
            self.out_address.d.next = self.target.q.val();
            if self.spare_valid.q.val() {
                self.out_data.d.next = self.spare_data.q.val();
                self.out_address.d.next = self.spare_address.q.val();
            }
        } else if self.is_good.val() {
            self.spare_valid.d.next = true;
        }
        if self.arrives.val() {
            if self.r_response.val() != bits::<2>(0) {
                self.error.d.next = true;
            }
            if self.r_last.val() {
                self.next_outstanding.next = self.next_outstanding.val() - bits::<4>(1);
            }
            self.receive_left.d.next = self.receive_left.q.val() - bits::<29>(1);
            self.receives_last.d.next = self.receive_left.q.val() == bits::<29>(2);
            self.target.d.next = self.target.q.val() + bits::<32>(8);
            if self.receives_last.q.val() {
                self.receive_left.d.next = self.row_beats.q.val().get_bits::<29>(0);
                self.receives_last.d.next = self.one_beat.q.val();
                self.target.d.next = self.next_target.q.val();
                self.next_target.d.next = self.next_target.q.val() + self.target_stride.q.val();
            }
        }
        self.outstanding.d.next = self.next_outstanding.val();

        if self.start.val() && !self.running.q.val() && !self.abort.val() {
            self.running.d.next = true;
            self.captures.d.next = false;
            self.error.d.next = false;
            self.state.d.next = ReaderState::Prepare;
        }
        // Taken in each cycle, so that nothing but the state waits for `start`; `captures` is the
        // opposite of `running`, beside the many that it enables.
        if self.captures.q.val() {
            self.rows_left.d.next = self.rows.val();
            self.row_stride.d.next = self.stride.val();
            self.cursor.d.next = self.address.val();
            // Bytes at first; `Prepare` makes beats of them.
            self.row_beats.d.next = self.row_bytes.val();
            self.target.d.next = self.destination.val();
            self.target_stride.d.next = self.destination_stride.val();
            self.target_port.d.next = self.port.val();
        }
        if self.reset.val() {
            self.state.d.next = ReaderState::Idle;
            self.running.d.next = false;
            self.captures.d.next = true;
            self.error.d.next = false;
            self.outstanding.d.next = bits::<4>(0);
            self.out_valid.d.next = false;
            self.spare_valid.d.next = false;
        }
    }
}
