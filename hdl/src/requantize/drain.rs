//! Drain: takes complete rows out of the accumulators in the order in which they were issued,
//! Q sums a cycle, and says where each result goes.
//!
//! ```text
//!  for each block of channels, row of the group, line and column of the output   (a pixel)
//!    for each Q channels of the block                  (a group; C of them are a row of sums)
//!
//!  complete -> pending rows -> drain_row, select, parameter_entry -> lanes
//!                          \-> other_address -> (residual operand)
//!                           \-> write_valid, write_address, write_bytes -> scratchpad
//! ```
//!
//! With a residual every result passes the lanes twice, so a group is taken in every other cycle:
//! first passes are in the even cycles and second passes in the odd ones, as the delay between
//! them is odd. For the same reason operands are read and results written in different cycles.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

use super::{entries, unit};
use crate::delay::Delay;
use crate::memory::scratchpad::{ACCESS_LATENCY, WRITE_LATENCY};

/// Cycles from a row's address to its sums (the accumulators' output register).
const SUM_LATENCY: usize = 2;

/// Cycles from a step to its group's `select`: the register that addresses the accumulators first.
const SELECT: usize = 1 + SUM_LATENCY;

/// Cycles from a step to its results.
const RESULTS: usize = SELECT + unit::LATENCY;

/// Cycles from a step to the results of its second pass.
const RESIDUAL_RESULTS: usize = SELECT + unit::RESIDUAL_LATENCY;

/// Cycles from a step to the address of the operand that comes a cycle after its results.
const OTHER: usize = RESULTS + 1 - ACCESS_LATENCY;

/// Cycles in which the entries of a residual are read.
const LOAD_CYCLES: u64 = 8;

const _: () = assert!(
    (unit::REENTRY - 1) % 2 == 1 && (RESIDUAL_RESULTS - OTHER) % 2 == 1,
    "first and second passes, and reads and writes, must be in different cycles"
);

/// Walks over the output as the issues do.
#[derive(LogicBlock, Default)]
pub struct Drain {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Stops everything; must last as long as the pipeline.
    pub reset: Signal<In, Bit>,
    /// Begins an instruction; the operands below stay constant until it has ended.
    pub start: Signal<In, Bit>,
    /// Rows of the group.
    pub rows: Signal<In, Bits<16>>,
    /// Lines of the output.
    pub output_height: Signal<In, Bits<16>>,
    /// Pixels of a line.
    pub output_width: Signal<In, Bits<16>>,
    /// Channels of the output.
    pub channels: Signal<In, Bits<16>>,
    /// Channels come in blocks of R.
    pub blocked: Signal<In, Bit>,
    /// Scratchpad address of the output.
    pub output_address: Signal<In, Bits<32>>,
    /// Bytes from row to row.
    pub batch_stride: Signal<In, Bits<32>>,
    /// Bytes from line to line.
    pub line_stride: Signal<In, Bits<16>>,
    /// Bytes from pixel to pixel.
    pub pixel_stride: Signal<In, Bits<16>>,
    /// First entry in the parameter memory.
    pub first_parameter: Signal<In, Bits<32>>,
    /// First entry of a residual.
    pub residual_parameter: Signal<In, Bits<32>>,
    /// Results are added to a tensor.
    pub residual: Signal<In, Bit>,
    /// Its scratchpad address.
    pub second_address: Signal<In, Bits<32>>,
    /// A row's sums are complete.
    pub complete: Signal<In, Bit>,
    /// Accumulator row to read.
    pub drain_row: Signal<Out, Bits<16>>,
    /// Group of the row, when its sums are there.
    pub select: Signal<Out, Bits<8>>,
    /// Parameters to read for it.
    pub parameter_entry: Signal<Out, Bits<32>>,
    /// The parameters are the entries of a residual.
    pub capture: Signal<Out, Bits<1>>,
    /// The second group of them.
    pub capture_second: Signal<Out, Bits<1>>,
    /// Results are there that are added to.
    pub returning: Signal<Out, Bits<1>>,
    /// Results come back as sums.
    pub reentry: Signal<Out, Bits<1>>,
    /// An operand is to be read.
    pub other_valid: Signal<Out, Bit>,
    /// Where.
    pub other_address: Signal<Out, Bits<32>>,
    /// Results are to be written.
    pub write_valid: Signal<Out, Bit>,
    /// Where.
    pub write_address: Signal<Out, Bits<32>>,
    /// How many bytes.
    pub write_bytes: Signal<Out, Bits<8>>,
    /// A row has been read for the last time.
    pub freed: Signal<Out, Bit>,
    /// Results are still to come.
    pub busy: Signal<Out, Bit>,
    lane_count: Fixed<Bits<16>>,
    column_count: Fixed<Bits<16>>,
    row_count: Fixed<Bits<16>>,
    load_cycles: Fixed<Bits<8>>,
    load_groups: Fixed<Bits<8>>,
    running: DFF<Bit>,
    finishing: DFF<Bit>,
    loading: DFF<Bit>,
    load_step: DFF<Bits<8>>,
    odd: DFF<Bit>,
    pending: DFF<Bits<16>>,
    batch_left: DFF<Bits<16>>,
    lines_left: DFF<Bits<16>>,
    pixels_left: DFF<Bits<16>>,
    block_left: DFF<Bits<16>>,
    pixel_channels_left: DFF<Bits<16>>,
    row_channels_left: DFF<Bits<16>>,
    group: DFF<Bits<8>>,
    row_pointer: DFF<Bits<16>>,
    parameter_pointer: DFF<Bits<32>>,
    block_parameter: DFF<Bits<32>>,
    output_pointer: DFF<Bits<32>>,
    pixel_pointer: DFF<Bits<32>>,
    line_pointer: DFF<Bits<32>>,
    batch_pointer: DFF<Bits<32>>,
    block_pointer: DFF<Bits<32>>,
    out_row: DFF<Bits<16>>,
    out_freed: DFF<Bit>,
    out_select: Delay<8>,
    out_parameter: Delay<32>,
    out_capture: Delay<1>,
    out_capture_second: Delay<1>,
    other_flag: Delay<1>,
    other_at: Delay<32>,
    result_flag: Delay<1>,
    result_at: Delay<32>,
    result_bytes: Delay<8>,
    reentry_flag: Delay<1>,
    second_flag: Delay<1>,
    second_at: Delay<32>,
    second_bytes: Delay<8>,
    out_finished: Delay<1>,
    second_finished: Delay<1>,
    step: Signal<Local, Bit>,
    block_channels: Signal<Local, Bits<16>>,
    bytes: Signal<Local, Bits<16>>,
    last_group: Signal<Local, Bit>,
    last_of_row: Signal<Local, Bit>,
    next_pending: Signal<Local, Bits<16>>,
    next_pixel: Signal<Local, Bits<32>>,
    next_line: Signal<Local, Bits<32>>,
    next_batch: Signal<Local, Bits<32>>,
    next_block: Signal<Local, Bits<32>>,
}

impl Drain {
    /// For an array of `rows` x `columns` whose sums are taken out `lanes` at a time.
    pub fn new(rows: usize, columns: usize, lanes: usize) -> Self {
        Self {
            lane_count: Fixed::new((lanes as u64).into()),
            column_count: Fixed::new((columns as u64).into()),
            row_count: Fixed::new((rows as u64).into()),
            load_cycles: Fixed::new(LOAD_CYCLES.into()),
            load_groups: Fixed::new((entries::groups(lanes) as u64).into()),
            out_select: Delay::new(SELECT),
            out_parameter: Delay::new(SELECT - 1),
            // From the entry's address to the group, a cycle before it is wanted.
            out_capture: Delay::new(SELECT + 1),
            out_capture_second: Delay::new(SELECT + 1),
            other_flag: Delay::new(OTHER),
            other_at: Delay::new(OTHER),
            result_flag: Delay::new(RESULTS),
            result_at: Delay::new(RESULTS - OTHER),
            result_bytes: Delay::new(RESULTS),
            reentry_flag: Delay::new(SELECT + unit::REENTRY - RESULTS),
            second_flag: Delay::new(RESIDUAL_RESULTS - RESULTS),
            second_at: Delay::new(RESIDUAL_RESULTS - RESULTS),
            second_bytes: Delay::new(RESIDUAL_RESULTS - RESULTS),
            // Until the last write has been carried out.
            out_finished: Delay::new(RESULTS + WRITE_LATENCY),
            second_finished: Delay::new(RESIDUAL_RESULTS - RESULTS),
            ..Default::default()
        }
    }
}

impl Logic for Drain {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            running,
            finishing,
            loading,
            load_step,
            odd,
            pending,
            batch_left,
            lines_left,
            pixels_left,
            block_left,
            pixel_channels_left,
            row_channels_left,
            group,
            row_pointer,
            parameter_pointer,
            block_parameter,
            output_pointer,
            pixel_pointer,
            line_pointer,
            batch_pointer,
            block_pointer,
            out_row,
            out_freed
        );
        clock!(
            self,
            clock,
            out_select,
            out_parameter,
            out_capture,
            out_capture_second,
            other_flag,
            other_at,
            result_flag,
            result_at,
            result_bytes,
            reentry_flag,
            second_flag,
            second_at,
            second_bytes,
            out_finished,
            second_finished
        );
        self.drain_row.next = self.out_row.q.val();
        self.freed.next = self.out_freed.q.val();
        self.select.next = self.out_select.delayed.val();
        self.parameter_entry.next = self.out_parameter.delayed.val();
        self.capture.next = self.out_capture.delayed.val();
        self.capture_second.next = self.out_capture_second.delayed.val();
        self.busy.next = self.running.q.val() || self.finishing.q.val();

        // Residual operands, and the results of the one or the other pass.
        self.other_valid.next =
            self.residual.val() && (self.other_flag.delayed.val() == bits::<1>(1));
        self.other_address.next =
            self.other_at.delayed.val() + self.second_address.val() - self.output_address.val();
        self.result_at.entry.next = self.other_at.delayed.val();
        self.reentry_flag.entry.next = bits::<1>(0);
        self.second_flag.entry.next = bits::<1>(0);
        self.second_at.entry.next = self.result_at.delayed.val();
        self.second_bytes.entry.next = self.result_bytes.delayed.val();
        self.write_valid.next = self.result_flag.delayed.val() == bits::<1>(1);
        self.write_address.next = self.result_at.delayed.val();
        self.write_bytes.next = self.result_bytes.delayed.val();
        self.second_finished.entry.next = bits::<1>(0);
        if self.residual.val() {
            self.second_finished.entry.next = self.out_finished.delayed.val();
            self.reentry_flag.entry.next = self.result_flag.delayed.val();
            self.second_flag.entry.next = self.result_flag.delayed.val();
            self.write_valid.next = self.second_flag.delayed.val() == bits::<1>(1);
            self.write_address.next = self.second_at.delayed.val();
            self.write_bytes.next = self.second_bytes.delayed.val();
        }
        self.returning.next = self.result_flag.delayed.val();
        self.reentry.next = self.reentry_flag.delayed.val();

        // Where in the loops this cycle is.
        self.odd.d.next = !self.odd.q.val();
        self.step.next = self.running.q.val()
            && !self.loading.q.val()
            && (self.pending.q.val() != bits::<16>(0))
            && (!self.residual.val() || self.odd.q.val());
        self.block_channels.next = self.block_left.q.val();
        if self.blocked.val() && (self.block_left.q.val() > self.row_count.val()) {
            self.block_channels.next = self.row_count.val();
        }
        self.last_group.next = self.pixel_channels_left.q.val() <= self.lane_count.val();
        self.last_of_row.next =
            self.last_group.val() || (self.row_channels_left.q.val() == self.lane_count.val());
        self.bytes.next = self.lane_count.val();
        if self.last_group.val() {
            self.bytes.next = self.pixel_channels_left.q.val();
        }
        self.next_pixel.next =
            self.pixel_pointer.q.val() + bit_cast::<32, 16>(self.pixel_stride.val());
        self.next_line.next =
            self.line_pointer.q.val() + bit_cast::<32, 16>(self.line_stride.val());
        self.next_batch.next = self.batch_pointer.q.val() + self.batch_stride.val();
        self.next_block.next =
            self.block_pointer.q.val() + bit_cast::<32, 16>(self.row_count.val());

        self.out_row.d.next = self.row_pointer.q.val();
        self.out_freed.d.next = false;
        self.out_select.entry.next = self.group.q.val();
        self.out_parameter.entry.next = self.parameter_pointer.q.val();
        self.out_capture.entry.next = bits::<1>(0);
        self.out_capture_second.entry.next = bits::<1>(0);
        self.other_flag.entry.next = bits::<1>(0);
        self.other_at.entry.next = self.output_pointer.q.val();
        self.result_flag.entry.next = bits::<1>(0);
        self.result_bytes.entry.next = self.bytes.val().get_bits::<8>(0);
        self.out_finished.entry.next = bits::<1>(0);

        self.next_pending.next = self.pending.q.val();
        if self.complete.val() {
            self.next_pending.next = self.next_pending.val() + bits::<16>(1);
        }
        if self.step.val() && self.last_of_row.val() {
            self.next_pending.next = self.next_pending.val() - bits::<16>(1);
        }
        self.pending.d.next = self.next_pending.val();

        // Entries of a residual follow those of the channels.
        if self.loading.q.val() {
            self.load_step.d.next = self.load_step.q.val() + bits::<8>(1);
            if self.load_step.q.val() < self.load_groups.val() {
                self.out_capture.entry.next = bits::<1>(1);
                if self.load_step.q.val() == bits::<8>(1) {
                    self.out_capture_second.entry.next = bits::<1>(1);
                }
                self.parameter_pointer.d.next =
                    self.parameter_pointer.q.val() + bit_cast::<32, 16>(self.lane_count.val());
            }
            if self.load_step.q.val() == self.load_cycles.val() {
                self.loading.d.next = false;
                self.parameter_pointer.d.next = self.first_parameter.val();
            }
        }

        if self.step.val() {
            self.other_flag.entry.next = bits::<1>(1);
            self.result_flag.entry.next = bits::<1>(1);
            self.group.d.next = self.group.q.val() + bits::<8>(1);
            self.row_channels_left.d.next = self.row_channels_left.q.val() - self.lane_count.val();
            if self.last_of_row.val() {
                self.group.d.next = bits::<8>(0);
                self.row_channels_left.d.next = self.column_count.val();
                self.out_freed.d.next = true;
                self.row_pointer.d.next = self.row_pointer.q.val() + bits::<16>(1);
            }
            if !self.last_group.val() {
                self.pixel_channels_left.d.next =
                    self.pixel_channels_left.q.val() - self.lane_count.val();
                self.output_pointer.d.next =
                    self.output_pointer.q.val() + bit_cast::<32, 16>(self.lane_count.val());
                self.parameter_pointer.d.next =
                    self.parameter_pointer.q.val() + bit_cast::<32, 16>(self.lane_count.val());
            } else {
                // The pixel is complete.
                self.pixel_channels_left.d.next = self.block_channels.val();
                self.parameter_pointer.d.next = self.block_parameter.q.val();
                if self.pixels_left.q.val() != bits::<16>(1) {
                    self.pixels_left.d.next = self.pixels_left.q.val() - bits::<16>(1);
                    self.pixel_pointer.d.next = self.next_pixel.val();
                    self.output_pointer.d.next = self.next_pixel.val();
                } else {
                    self.pixels_left.d.next = self.output_width.val();
                    if self.lines_left.q.val() != bits::<16>(1) {
                        self.lines_left.d.next = self.lines_left.q.val() - bits::<16>(1);
                        self.line_pointer.d.next = self.next_line.val();
                        self.pixel_pointer.d.next = self.next_line.val();
                        self.output_pointer.d.next = self.next_line.val();
                    } else {
                        self.lines_left.d.next = self.output_height.val();
                        if self.batch_left.q.val() != bits::<16>(1) {
                            self.batch_left.d.next = self.batch_left.q.val() - bits::<16>(1);
                            self.batch_pointer.d.next = self.next_batch.val();
                            self.line_pointer.d.next = self.next_batch.val();
                            self.pixel_pointer.d.next = self.next_batch.val();
                            self.output_pointer.d.next = self.next_batch.val();
                        } else {
                            // So is the block of channels.
                            self.batch_left.d.next = self.rows.val();
                            self.block_left.d.next = self.block_left.q.val() - self.row_count.val();
                            self.pixel_channels_left.d.next =
                                self.block_left.q.val() - self.row_count.val();
                            if (self.block_left.q.val() - self.row_count.val())
                                > self.row_count.val()
                            {
                                self.pixel_channels_left.d.next = self.row_count.val();
                            }
                            self.block_pointer.d.next = self.next_block.val();
                            self.batch_pointer.d.next = self.next_block.val();
                            self.line_pointer.d.next = self.next_block.val();
                            self.pixel_pointer.d.next = self.next_block.val();
                            self.output_pointer.d.next = self.next_block.val();
                            self.block_parameter.d.next = self.block_parameter.q.val()
                                + bit_cast::<32, 16>(self.row_count.val());
                            self.parameter_pointer.d.next = self.block_parameter.q.val()
                                + bit_cast::<32, 16>(self.row_count.val());
                            if !self.blocked.val()
                                || (self.block_left.q.val() <= self.row_count.val())
                            {
                                self.running.d.next = false;
                                self.finishing.d.next = true;
                                self.out_finished.entry.next = bits::<1>(1);
                            }
                        }
                    }
                }
            }
        }
        if (!self.residual.val() && (self.out_finished.delayed.val() == bits::<1>(1)))
            || (self.second_finished.delayed.val() == bits::<1>(1))
        {
            self.finishing.d.next = false;
        }

        if self.start.val() {
            self.running.d.next = true;
            self.loading.d.next = self.residual.val();
            self.load_step.d.next = bits::<8>(0);
            self.batch_left.d.next = self.rows.val();
            self.lines_left.d.next = self.output_height.val();
            self.pixels_left.d.next = self.output_width.val();
            self.block_left.d.next = self.channels.val();
            self.pixel_channels_left.d.next = self.channels.val();
            if self.blocked.val() && (self.channels.val() > self.row_count.val()) {
                self.pixel_channels_left.d.next = self.row_count.val();
            }
            self.row_channels_left.d.next = self.column_count.val();
            self.group.d.next = bits::<8>(0);
            self.parameter_pointer.d.next = self.first_parameter.val();
            self.block_parameter.d.next = self.first_parameter.val();
            if self.residual.val() {
                self.parameter_pointer.d.next = self.residual_parameter.val();
            }
            self.output_pointer.d.next = self.output_address.val();
            self.pixel_pointer.d.next = self.output_address.val();
            self.line_pointer.d.next = self.output_address.val();
            self.batch_pointer.d.next = self.output_address.val();
            self.block_pointer.d.next = self.output_address.val();
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.finishing.d.next = false;
            self.loading.d.next = false;
            self.pending.d.next = bits::<16>(0);
            self.row_pointer.d.next = bits::<16>(0);
            self.other_flag.entry.next = bits::<1>(0);
            self.result_flag.entry.next = bits::<1>(0);
            self.out_finished.entry.next = bits::<1>(0);
        }
    }
}
