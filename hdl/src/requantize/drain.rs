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
//!
//! As in [`crate::walk`], each loop holds what is taken next, with the channels and parameters of
//! its block.

use rust_hdl::prelude::*;

use super::{entries, unit};
use crate::delay::Delay;
use crate::fixed::Fixed;
use crate::memory::scratchpad::{ACCESS_LATENCY, WRITE_LATENCY};
use crate::walk::{Loop, Pointer, Tag};

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
    /// An operand is to be read or results are to be written: either of the others, from a register
    /// of its own for those who wait.
    pub access_taken: Signal<Out, Bit>,
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
    two_groups: Fixed<Bits<16>>,
    row_count: Fixed<Bits<16>>,
    last_column_group: Fixed<Bits<8>>,
    load_cycles: Fixed<Bits<8>>,
    load_groups: Fixed<Bits<8>>,
    running: DFF<Bit>,
    finishing: DFF<Bit>,
    loading: DFF<Bit>,
    load_step: DFF<Bits<8>>,
    load_pointer: DFF<Bits<16>>,
    odd: DFF<Bit>,
    every_other: DFF<Bit>,
    pending: DFF<Bits<8>>,
    some_pending: DFF<Bit>,
    step: DFF<Bit>,
    // The loops. Addresses and entries are as wide as the memories need.
    fills_batch: DFF<Bit>,
    fills_line: DFF<Bit>,
    fills_pixel: DFF<Bit>,
    block_address: Pointer<20>,
    block_parameter: Pointer<16>,
    block_left: Pointer<16>,
    batches: Loop,
    batch_pointer: Pointer<20>,
    batch_parameter: DFF<Bits<16>>,
    batch_channels: DFF<Bits<16>>,
    batch_final: Tag,
    lines: Loop,
    line_pointer: Pointer<20>,
    line_parameter: DFF<Bits<16>>,
    line_channels: DFF<Bits<16>>,
    line_final: Tag,
    pixels: Loop,
    pixel_pointer: Pointer<20>,
    pixel_parameter: DFF<Bits<16>>,
    pixel_channels: DFF<Bits<16>>,
    pixel_final: Tag,
    // Groups of the current pixel, and of the row of sums.
    output_pointer: Pointer<20>,
    parameter_pointer: Pointer<16>,
    channels_left: DFF<Bits<16>>,
    last_group: DFF<Bit>,
    takes_row: DFF<Bit>,
    takes_pixel: DFF<Bit>,
    takes_line: DFF<Bit>,
    takes_batch: DFF<Bit>,
    takes_block: DFF<Bit>,
    final_pixel: Tag,
    group: DFF<Bits<8>>,
    row_ends: DFF<Bit>,
    row_pointer: DFF<Bits<16>>,
    out_row: DFF<Bits<16>>,
    out_freed: DFF<Bit>,
    out_select: Delay<8>,
    out_parameter: Delay<16>,
    out_capture: Delay<1>,
    out_capture_second: Delay<1>,
    other_flag: Delay<1>,
    reads_other: DFF<Bit>,
    other_at: Delay<20>,
    result_flag: Delay<1>,
    has_results: DFF<Bits<1>>,
    writes: DFF<Bit>,
    takes_access: DFF<Bit>,
    result_at: Delay<20>,
    result_bytes: Delay<8>,
    reentry_flag: Delay<1>,
    second_flag: Delay<1>,
    second_at: Delay<20>,
    second_bytes: Delay<8>,
    out_finished: Delay<1>,
    second_finished: Delay<1>,
    second_offset: DFF<Bits<20>>,
    other_due: Signal<Local, Bit>,
    results_due: Signal<Local, Bit>,
    remain_pending: Signal<Local, Bit>,
    next_last_group: Signal<Local, Bit>,
    will_step: Signal<Local, Bit>,
    will_take_line: Signal<Local, Bit>,
    will_take_batch: Signal<Local, Bit>,
    next_row_ends: Signal<Local, Bit>,
    is_final: Signal<Local, Bit>,
    block_channels: Signal<Local, Bits<16>>,
    last_of_row: Signal<Local, Bit>,
    next_group: Signal<Local, Bits<8>>,
}

impl Drain {
    /// For an array of `rows` x `columns` whose sums are taken out `lanes` at a time.
    pub fn new(rows: usize, columns: usize, lanes: usize) -> Self {
        Self {
            lane_count: Fixed::new((lanes as u64).into()),
            two_groups: Fixed::new((2 * lanes as u64).into()),
            last_column_group: Fixed::new((columns as u64 / lanes as u64 - 1).into()),
            row_count: Fixed::new((rows as u64).into()),
            load_cycles: Fixed::new(LOAD_CYCLES.into()),
            load_groups: Fixed::new((entries::groups(lanes) as u64).into()),
            out_select: Delay::new(SELECT),
            out_parameter: Delay::new(SELECT - 1),
            // From the entry's address to the group, a cycle before it is wanted.
            out_capture: Delay::new(SELECT + 1),
            out_capture_second: Delay::new(SELECT + 1),
            // The flags end in registers that say what they mean.
            other_flag: Delay::new(OTHER - 1),
            other_at: Delay::new(OTHER),
            result_flag: Delay::new(RESULTS - 1),
            result_at: Delay::new(RESULTS - OTHER),
            result_bytes: Delay::new(RESULTS),
            reentry_flag: Delay::new(SELECT + unit::REENTRY - RESULTS),
            second_flag: Delay::new(RESIDUAL_RESULTS - RESULTS - 1),
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
            load_pointer,
            odd,
            every_other,
            pending,
            some_pending,
            step,
            fills_batch,
            fills_line,
            fills_pixel,
            batch_parameter,
            batch_channels,
            line_parameter,
            line_channels,
            pixel_parameter,
            pixel_channels,
            channels_left,
            last_group,
            takes_row,
            takes_pixel,
            takes_line,
            takes_batch,
            takes_block,
            group,
            row_ends,
            row_pointer,
            out_row,
            out_freed,
            reads_other,
            has_results,
            writes,
            takes_access,
            second_offset
        );
        clock!(
            self,
            clock,
            block_address,
            block_parameter,
            block_left,
            batches,
            batch_pointer,
            batch_final,
            lines,
            line_pointer,
            line_final,
            pixels,
            pixel_pointer,
            pixel_final,
            output_pointer,
            parameter_pointer,
            final_pixel,
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
        self.parameter_entry.next = bit_cast::<32, 16>(self.out_parameter.delayed.val());
        self.capture.next = self.out_capture.delayed.val();
        self.capture_second.next = self.out_capture_second.delayed.val();
        self.busy.next = self.running.q.val() || self.finishing.q.val();

        // Residual operands, and the results of the one or the other pass.
        self.second_offset.d.next = self.second_address.val().get_bits::<20>(0)
            - self.output_address.val().get_bits::<20>(0);
        self.other_due.next =
            self.residual.val() && (self.other_flag.delayed.val() == bits::<1>(1));
        self.results_due.next =
            !self.residual.val() && (self.result_flag.delayed.val() == bits::<1>(1));
        self.has_results.d.next = self.result_flag.delayed.val();
        self.other_address.next =
            bit_cast::<32, 20>(self.other_at.delayed.val() + self.second_offset.q.val());
        self.result_at.entry.next = self.other_at.delayed.val();
        self.reentry_flag.entry.next = bits::<1>(0);
        self.second_flag.entry.next = bits::<1>(0);
        self.second_at.entry.next = self.result_at.delayed.val();
        self.second_bytes.entry.next = self.result_bytes.delayed.val();
        self.write_address.next = bit_cast::<32, 20>(self.result_at.delayed.val());
        self.write_bytes.next = self.result_bytes.delayed.val();
        self.second_finished.entry.next = bits::<1>(0);
        if self.residual.val() {
            self.second_finished.entry.next = self.out_finished.delayed.val();
            self.reentry_flag.entry.next = self.has_results.q.val();
            self.second_flag.entry.next = self.has_results.q.val();
            self.results_due.next = self.second_flag.delayed.val() == bits::<1>(1);
            self.write_address.next = bit_cast::<32, 20>(self.second_at.delayed.val());
            self.write_bytes.next = self.second_bytes.delayed.val();
        }
        self.reads_other.d.next = self.other_due.val();
        self.writes.d.next = self.results_due.val();
        self.takes_access.d.next = self.other_due.val() || self.results_due.val();
        self.other_valid.next = self.reads_other.q.val();
        self.write_valid.next = self.writes.q.val();
        self.access_taken.next = self.takes_access.q.val();
        self.returning.next = self.has_results.q.val();
        self.reentry.next = self.reentry_flag.delayed.val();

        // What is taken in this cycle.
        self.odd.d.next = !self.odd.q.val();
        // Constant long before the first step.
        self.every_other.d.next = self.residual.val();
        self.fills_batch.d.next = self.start.val();
        self.fills_line.d.next = self.fills_batch.q.val();
        self.fills_pixel.d.next = self.fills_line.q.val();

        // Blocks of channels.
        self.is_final.next =
            !self.blocked.val() || (self.block_left.value.val() <= self.row_count.val());
        self.block_channels.next = self.block_left.value.val();
        if !self.is_final.val() {
            self.block_channels.next = self.row_count.val();
        }
        self.block_address.restart.next = self.start.val();
        self.block_address.advance.next = self.takes_block.q.val();
        self.block_address.base.next = self.output_address.val().get_bits::<20>(0);
        self.block_address.step.next = bit_cast::<20, 16>(self.row_count.val());
        self.block_parameter.restart.next = self.start.val();
        self.block_parameter.advance.next = self.takes_block.q.val();
        self.block_parameter.base.next = self.first_parameter.val().get_bits::<16>(0);
        self.block_parameter.step.next = self.row_count.val();
        self.block_left.restart.next = self.start.val();
        self.block_left.advance.next = self.takes_block.q.val();
        self.block_left.base.next = self.channels.val();
        self.block_left.step.next = bits::<16>(0) - self.row_count.val();

        // Rows of the group.
        self.batches.restart.next = self.takes_block.q.val();
        self.batches.advance.next = self.takes_batch.q.val();
        self.batches.count.next = self.rows.val();
        self.batch_pointer.restart.next = self.takes_block.q.val();
        self.batch_pointer.advance.next = self.takes_batch.q.val();
        self.batch_pointer.base.next = self.block_address.value.val();
        self.batch_pointer.step.next = self.batch_stride.val().get_bits::<20>(0);
        self.batch_final.restart.next = self.takes_block.q.val();
        self.batch_final.entry.next = self.is_final.val();
        if self.takes_block.q.val() {
            self.batch_parameter.d.next = self.block_parameter.value.val();
            self.batch_channels.d.next = self.block_channels.val();
        }

        // Lines of the output.
        self.lines.restart.next = self.takes_batch.q.val();
        self.lines.advance.next = self.takes_line.q.val();
        self.lines.count.next = self.output_height.val();
        self.line_pointer.restart.next = self.takes_batch.q.val();
        self.line_pointer.advance.next = self.takes_line.q.val();
        self.line_pointer.base.next = self.batch_pointer.value.val();
        self.line_pointer.step.next = bit_cast::<20, 16>(self.line_stride.val());
        self.line_final.restart.next = self.takes_batch.q.val();
        self.line_final.entry.next = self.batches.last.val() && self.batch_final.value.val();
        if self.takes_batch.q.val() {
            self.line_parameter.d.next = self.batch_parameter.q.val();
            self.line_channels.d.next = self.batch_channels.q.val();
        }

        // Pixels of the line.
        self.pixels.restart.next = self.takes_line.q.val();
        self.pixels.advance.next = self.takes_pixel.q.val();
        self.pixels.count.next = self.output_width.val();
        self.pixel_pointer.restart.next = self.takes_line.q.val();
        self.pixel_pointer.advance.next = self.takes_pixel.q.val();
        self.pixel_pointer.base.next = self.line_pointer.value.val();
        self.pixel_pointer.step.next = bit_cast::<20, 16>(self.pixel_stride.val());
        self.pixel_final.restart.next = self.takes_line.q.val();
        self.pixel_final.entry.next = self.lines.last.val() && self.line_final.value.val();
        if self.takes_line.q.val() {
            self.pixel_parameter.d.next = self.line_parameter.q.val();
            self.pixel_channels.d.next = self.line_channels.q.val();
        }

        // Groups of the pixel.
        self.output_pointer.restart.next = self.takes_pixel.q.val();
        self.output_pointer.advance.next = self.step.q.val();
        self.output_pointer.base.next = self.pixel_pointer.value.val();
        self.output_pointer.step.next = bit_cast::<20, 16>(self.lane_count.val());
        self.parameter_pointer.restart.next = self.takes_pixel.q.val();
        self.parameter_pointer.advance.next = self.step.q.val();
        self.parameter_pointer.base.next = self.pixel_parameter.q.val();
        self.parameter_pointer.step.next = self.lane_count.val();
        self.final_pixel.restart.next = self.takes_pixel.q.val();
        self.final_pixel.entry.next = self.pixels.last.val() && self.pixel_final.value.val();
        self.next_last_group.next = self.last_group.q.val();
        if self.step.q.val() {
            self.channels_left.d.next = self.channels_left.q.val() - self.lane_count.val();
            self.next_last_group.next = self.channels_left.q.val() <= self.two_groups.val();
        }
        if self.takes_pixel.q.val() {
            self.channels_left.d.next = self.pixel_channels.q.val();
            self.next_last_group.next = self.pixel_channels.q.val() <= self.lane_count.val();
        }
        self.last_group.d.next = self.next_last_group.val();

        // Groups of the row of sums.
        self.last_of_row.next = self.last_group.q.val() || self.row_ends.q.val();
        self.next_group.next = self.group.q.val() + bits::<8>(1);
        if self.last_of_row.val() {
            self.next_group.next = bits::<8>(0);
        }
        self.next_row_ends.next = self.row_ends.q.val();
        if self.step.q.val() {
            self.group.d.next = self.next_group.val();
            self.next_row_ends.next = self.next_group.val() == self.last_column_group.val();
        }
        self.row_ends.d.next = self.next_row_ends.val();
        self.out_freed.d.next = self.takes_row.q.val();
        if self.takes_row.q.val() {
            self.row_pointer.d.next = self.row_pointer.q.val() + bits::<16>(1);
        }
        self.remain_pending.next = self.some_pending.q.val();
        if self.takes_row.q.val() && !self.complete.val() {
            self.pending.d.next = self.pending.q.val() - bits::<8>(1);
            self.remain_pending.next = self.pending.q.val() != bits::<8>(1);
        }
        if self.complete.val() {
            self.remain_pending.next = true;
            if !self.takes_row.q.val() {
                self.pending.d.next = self.pending.q.val() + bits::<8>(1);
            }
        }
        self.some_pending.d.next = self.remain_pending.val();
        // All loops wait for a step, so it comes from a register. Rows are complete long after the
        // start and are all taken before the end, so both may be known a cycle late.
        self.will_step.next = self.running.q.val()
            && !self.loading.q.val()
            && self.remain_pending.val()
            && (!self.every_other.q.val() || !self.odd.q.val());
        self.step.d.next = self.will_step.val();

        // So does what each loop takes in the next cycle: what the step ends, or values on their way
        // inwards, which pass a loop of one step at once.
        self.takes_row.d.next =
            self.will_step.val() && (self.next_last_group.val() || self.next_row_ends.val());
        self.takes_pixel.d.next =
            self.fills_pixel.q.val() || (self.will_step.val() && self.next_last_group.val());
        self.will_take_line.next = self.fills_line.q.val()
            || ((self.fills_pixel.q.val() || (self.will_step.val() && self.next_last_group.val()))
                && self.pixels.next_last.val());
        self.will_take_batch.next =
            self.fills_batch.q.val() || (self.will_take_line.val() && self.lines.next_last.val());
        self.takes_line.d.next = self.will_take_line.val();
        self.takes_batch.d.next = self.will_take_batch.val();
        self.takes_block.d.next =
            self.start.val() || (self.will_take_batch.val() && self.batches.next_last.val());

        // What goes with the group.
        self.out_row.d.next = self.row_pointer.q.val();
        self.out_select.entry.next = self.group.q.val();
        self.out_parameter.entry.next = self.parameter_pointer.value.val();
        self.out_capture.entry.next = bits::<1>(0);
        self.out_capture_second.entry.next = bits::<1>(0);
        self.other_flag.entry.next = bits::<1>(0);
        self.other_at.entry.next = self.output_pointer.value.val();
        self.result_flag.entry.next = bits::<1>(0);
        self.result_bytes.entry.next = self.lane_count.val().get_bits::<8>(0);
        if self.last_group.q.val() {
            self.result_bytes.entry.next = self.channels_left.q.val().get_bits::<8>(0);
        }
        self.out_finished.entry.next = bits::<1>(0);
        if self.step.q.val() {
            self.other_flag.entry.next = bits::<1>(1);
            self.result_flag.entry.next = bits::<1>(1);
            if self.last_group.q.val() && self.final_pixel.value.val() {
                self.running.d.next = false;
                self.finishing.d.next = true;
                self.out_finished.entry.next = bits::<1>(1);
            }
        }
        if (!self.residual.val() && (self.out_finished.delayed.val() == bits::<1>(1)))
            || (self.second_finished.delayed.val() == bits::<1>(1))
        {
            self.finishing.d.next = false;
        }

        // Entries of a residual follow those of the channels, and are read first.
        if self.loading.q.val() {
            self.out_parameter.entry.next = self.load_pointer.q.val();
            self.load_step.d.next = self.load_step.q.val() + bits::<8>(1);
            if self.load_step.q.val() < self.load_groups.val() {
                self.out_capture.entry.next = bits::<1>(1);
                if self.load_step.q.val() == bits::<8>(1) {
                    self.out_capture_second.entry.next = bits::<1>(1);
                }
                self.load_pointer.d.next = self.load_pointer.q.val() + self.lane_count.val();
            }
            if self.load_step.q.val() == self.load_cycles.val() {
                self.loading.d.next = false;
            }
        }

        if self.start.val() {
            self.running.d.next = true;
            self.loading.d.next = self.residual.val();
            self.load_step.d.next = bits::<8>(0);
            self.load_pointer.d.next = self.residual_parameter.val().get_bits::<16>(0);
            self.group.d.next = bits::<8>(0);
            self.row_ends.d.next = self.last_column_group.val() == bits::<8>(0);
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.finishing.d.next = false;
            self.loading.d.next = false;
            self.fills_batch.d.next = false;
            self.fills_line.d.next = false;
            self.fills_pixel.d.next = false;
            self.takes_row.d.next = false;
            self.takes_pixel.d.next = false;
            self.takes_line.d.next = false;
            self.takes_batch.d.next = false;
            self.takes_block.d.next = false;
            self.pending.d.next = bits::<8>(0);
            self.some_pending.d.next = false;
            self.step.d.next = false;
            self.row_pointer.d.next = bits::<16>(0);
            self.other_flag.entry.next = bits::<1>(0);
            self.result_flag.entry.next = bits::<1>(0);
            self.out_finished.entry.next = bits::<1>(0);
        }
    }
}
