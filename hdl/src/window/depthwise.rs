//! Depthwise issue: the order in which channels' windows are read for DEPTHWISE and POOL.
//!
//! ```text
//!  for each block of R channels            (loads the block's weights, a step a cycle)
//!    for each row of the group and line of the output
//!      for each input column               (waits for room, where a pixel is completed)
//!        for each kernel row               (one vector of R channels a cycle)
//! ```
//!
//! A phase is the column's number from the last pixel step on. In shared mode the columns run
//! through the whole line; in direct mode each pixel has columns of its own, and the phases are
//! the kernel's columns. A pixel is completed in the phase of its last column, when as many steps
//! have passed as it began columns ago.
//!
//! As in [`crate::walk`], each loop holds what is taken next: the column after the current one is
//! there while the rows of the current one are read, with what it does to the sums.

use rust_hdl::prelude::*;
use systole_regs::instructions::TILE_STEPS_MAX;

use crate::delay::Delay;
use crate::fixed::Fixed;
use crate::walk::{Loop, Pointer, Tag};

/// Cycles that the constants of an instruction take, beyond those until the loops need them.
const CONSTANTS_LATENCY: usize = 3;

/// Lanes to a boundary that no vector reaches.
pub const NO_BOUNDARY: u64 = 63;

/// What the issue is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum DepthwiseState {
    /// Nothing.
    Idle,
    /// Lets the values of the loops travel inwards.
    Fill,
    /// Reads the weights of a block of channels.
    Weights,
    /// Lets the weights arrive.
    Settle,
    /// Reads vectors.
    Vectors,
}

/// Generates one vector a cycle while it is active and has room.
#[derive(LogicBlock, Default)]
pub struct DepthwiseIssue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Stops everything.
    pub reset: Signal<In, Bit>,
    /// Begins an instruction; the operands below stay constant until it has ended.
    pub start: Signal<In, Bit>,
    /// Rows of the group.
    pub rows: Signal<In, Bits<16>>,
    /// Lines of the output.
    pub output_height: Signal<In, Bits<16>>,
    /// Pixels of a line.
    pub output_width: Signal<In, Bits<16>>,
    /// Channels.
    pub channels: Signal<In, Bits<16>>,
    /// Kernel columns.
    pub kernel_width: Signal<In, Bits<16>>,
    /// Rows of the kernel.
    pub kernel_height: Signal<In, Bits<8>>,
    /// Columns from pixel to pixel in shared mode, else 0.
    pub phases: Signal<In, Bits<8>>,
    /// Steps of a block that have weights, 0 for pooling.
    pub steps: Signal<In, Bits<16>>,
    /// Scratchpad address of the first byte of the first window.
    pub origin: Signal<In, Bits<32>>,
    /// Bytes from row to row.
    pub batch_stride: Signal<In, Bits<32>>,
    /// Bytes from output line to output line, in the input.
    pub line_step: Signal<In, Bits<32>>,
    /// Rows from output line to output line, in the input.
    pub stride_y: Signal<In, Bits<8>>,
    /// Bytes from one row of the input to the next.
    pub row_stride: Signal<In, Bits<16>>,
    /// Bytes from one column of the kernel to the next.
    pub tap_step: Signal<In, Bits<16>>,
    /// Bytes from pixel to pixel in direct mode.
    pub column_step: Signal<In, Bits<16>>,
    /// Rows above the image.
    pub pad_top: Signal<In, Bits<8>>,
    /// Bytes left of the image.
    pub pad_left: Signal<In, Bits<16>>,
    /// First weight tile in the weight memory.
    pub first_tile: Signal<In, Bits<16>>,
    /// Accumulator rows are free for a vector of results.
    pub room: Signal<In, Bit>,
    /// Rows of accumulators that a vector of results takes.
    pub result_rows: Signal<Out, Bits<8>>,
    /// They are taken.
    pub take: Signal<Out, Bit>,
    /// No vector shows yet: weights are loaded, or arrive.
    pub preparing: Signal<Out, Bit>,
    /// No vector shows because accumulators were waited for.
    pub stalled: Signal<Out, Bit>,
    /// A weight tile is read.
    pub weight_valid: Signal<Out, Bits<1>>,
    /// The tile.
    pub tile: Signal<Out, Bits<16>>,
    /// The step of the block whose weights are kept.
    pub weight_step: Signal<Out, Bits<6>>,
    /// Byte of the array row's weights that is the first of them.
    pub weight_byte: Signal<Out, Bits<3>>,
    /// A vector is read.
    pub valid: Signal<Out, Bits<1>>,
    /// It begins new sums.
    pub clear: Signal<Out, Bits<1>>,
    /// It completes a pixel.
    pub emit: Signal<Out, Bits<1>>,
    /// In so many rows of accumulators.
    pub emit_rows: Signal<Out, Bits<8>>,
    /// Of this age in steps.
    pub age: Signal<Out, Bits<2>>,
    /// After it the sums grow a step older.
    pub shift: Signal<Out, Bits<1>>,
    /// Step of the weights that it meets.
    pub step: Signal<Out, Bits<6>>,
    /// Scratchpad address of its lane 0.
    pub address: Signal<Out, Bits<32>>,
    /// Position in the image's row of the byte [`NO_BOUNDARY`] after lane 0.
    pub x_end: Signal<Out, Bits<32>>,
    /// Row of the image.
    pub y: Signal<Out, Bits<32>>,
    lanes: Fixed<Bits<16>>,
    sums: Fixed<Bits<16>>,
    tile_end: Fixed<Bits<3>>,
    settle_cycles: Fixed<Bits<8>>,
    no_boundary: Fixed<Bits<32>>,
    // Constants of the instruction.
    shared: DFF<Bit>,
    cycle: DFF<Bits<16>>,
    twice: DFF<Bits<16>>,
    less_one: DFF<Bits<16>>,
    less_once: DFF<Bits<16>>,
    less_twice: DFF<Bits<16>>,
    over_once: DFF<Bit>,
    over_twice: DFF<Bit>,
    final_age: DFF<Bits<2>>,
    final_phase: DFF<Bits<16>>,
    before_final: DFF<Bits<16>>,
    before_last: DFF<Bits<16>>,
    single_phase: DFF<Bit>,
    first_final: DFF<Bit>,
    first_complete: DFF<Bit>,
    above: DFF<Bits<32>>,
    has_weights: DFF<Bit>,
    // The loops.
    settles: Delay<1>,
    fills_batch: DFF<Bit>,
    fills_line: DFF<Bit>,
    fills_column: DFF<Bit>,
    fills_current: DFF<Bit>,
    takes_column: DFF<Bit>,
    takes_line: DFF<Bit>,
    takes_batch: DFF<Bit>,
    takes_block: DFF<Bit>,
    block_address: Pointer<32>,
    block_x: Pointer<32>,
    block_channels: Pointer<16>,
    batches: Loop,
    batch_address: Pointer<32>,
    batch_x: DFF<Bits<32>>,
    batch_wide: Tag,
    batch_final: Tag,
    lines: Loop,
    line_address: Pointer<32>,
    line_x: DFF<Bits<32>>,
    line_y: Pointer<32>,
    line_wide: Tag,
    line_ending: Tag,
    line_final: Tag,
    pixels: Loop,
    pixel_address: DFF<Bits<32>>,
    pixel_x: DFF<Bits<32>>,
    column_address: DFF<Bits<32>>,
    column_x: DFF<Bits<32>>,
    column_y: DFF<Bits<32>>,
    column_wide: Tag,
    column_ending: Tag,
    column_final: Tag,
    phase: DFF<Bits<16>>,
    aged: DFF<Bits<2>>,
    last_phase: DFF<Bit>,
    completes: DFF<Bit>,
    last_of_line: DFF<Bit>,
    last_of_batch: DFF<Bit>,
    last_of_block: DFF<Bit>,
    fresh: DFF<Bit>,
    kernel_rows: Loop,
    lane_address: DFF<Bits<32>>,
    lane_x: DFF<Bits<32>>,
    lane_y: DFF<Bits<32>>,
    step_pointer: DFF<Bits<16>>,
    clears: DFF<Bit>,
    shifts: DFF<Bit>,
    emits: DFF<Bit>,
    wide: DFF<Bit>,
    ends_block: DFF<Bit>,
    ends: DFF<Bit>,
    // What the issue is doing.
    state: DFF<DepthwiseState>,
    steps_left: DFF<Bits<16>>,
    weight_pointer: DFF<Bits<6>>,
    settling: DFF<Bits<8>>,
    go: DFF<Bit>,
    tile_pointer: DFF<Bits<16>>,
    prepares: DFF<Bit>,
    waits: DFF<Bit>,
    out_weight: DFF<Bits<1>>,
    out_weight_step: DFF<Bits<6>>,
    out_weight_byte: DFF<Bits<3>>,
    out_tile: DFF<Bits<16>>,
    out_valid: DFF<Bits<1>>,
    out_clear: DFF<Bits<1>>,
    out_emit: DFF<Bits<1>>,
    out_emit_rows: DFF<Bits<8>>,
    out_age: DFF<Bits<2>>,
    out_shift: DFF<Bits<1>>,
    out_step: DFF<Bits<6>>,
    out_address: DFF<Bits<32>>,
    out_x: DFF<Bits<32>>,
    out_y: DFF<Bits<32>>,
    tap: Signal<Local, Bits<32>>,
    jump: Signal<Local, Bits<32>>,
    first_byte: Signal<Local, Bits<3>>,
    is_wide: Signal<Local, Bit>,
    is_final: Signal<Local, Bit>,
    will_run: Signal<Local, Bit>,
    will_emit: Signal<Local, Bit>,
    will_space: Signal<Local, Bit>,
    will_complete: Signal<Local, Bit>,
    will_end_line: Signal<Local, Bit>,
    will_end_batch: Signal<Local, Bit>,
    will_end_block: Signal<Local, Bit>,
    will_go: Signal<Local, Bit>,
    will_take: Signal<Local, Bit>,
    grown: Signal<Local, Bits<2>>,
}

impl DepthwiseIssue {
    /// For `rows` lanes, whose results fill accumulator rows of `columns` sums; weights of
    /// `tile_steps` steps share a tile, and need `settle` cycles to arrive.
    pub fn new(rows: usize, columns: usize, tile_steps: usize, settle: usize) -> Self {
        assert!(tile_steps.is_power_of_two() && tile_steps <= TILE_STEPS_MAX);
        Self {
            lanes: Fixed::new((rows as u64).into()),
            sums: Fixed::new((columns as u64).into()),
            settles: Delay::new(CONSTANTS_LATENCY),
            tile_end: Fixed::new((tile_steps as u64 - 1).into()),
            settle_cycles: Fixed::new((settle as u64).into()),
            no_boundary: Fixed::new(NO_BOUNDARY.into()),
            ..Default::default()
        }
    }
}

impl Logic for DepthwiseIssue {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            shared,
            cycle,
            twice,
            less_one,
            less_once,
            less_twice,
            over_once,
            over_twice,
            final_age,
            final_phase,
            before_final,
            before_last,
            single_phase,
            first_final,
            first_complete,
            above,
            has_weights,
            fills_batch,
            fills_line,
            fills_column,
            fills_current,
            takes_column,
            takes_line,
            takes_batch,
            takes_block,
            batch_x,
            line_x,
            pixel_address,
            pixel_x,
            column_address,
            column_x,
            column_y,
            phase,
            aged,
            last_phase,
            completes,
            last_of_line,
            last_of_batch,
            last_of_block,
            fresh,
            lane_address,
            lane_x,
            lane_y,
            step_pointer,
            clears,
            shifts,
            emits,
            wide,
            ends_block,
            ends,
            state,
            steps_left,
            weight_pointer,
            settling,
            go,
            tile_pointer,
            prepares,
            waits,
            out_weight,
            out_weight_step,
            out_weight_byte,
            out_tile,
            out_valid,
            out_clear,
            out_emit,
            out_emit_rows,
            out_age,
            out_shift,
            out_step,
            out_address,
            out_x,
            out_y
        );
        clock!(
            self,
            clock,
            settles,
            block_address,
            block_x,
            block_channels,
            batches,
            batch_address,
            batch_wide,
            batch_final,
            lines,
            line_address,
            line_y,
            line_wide,
            line_ending,
            line_final,
            pixels,
            column_wide,
            column_ending,
            column_final,
            kernel_rows
        );
        self.weight_valid.next = self.out_weight.q.val();
        self.weight_step.next = self.out_weight_step.q.val();
        self.weight_byte.next = self.out_weight_byte.q.val();
        self.tile.next = self.out_tile.q.val();
        self.valid.next = self.out_valid.q.val();
        self.clear.next = self.out_clear.q.val();
        self.emit.next = self.out_emit.q.val();
        self.emit_rows.next = self.out_emit_rows.q.val();
        self.age.next = self.out_age.q.val();
        self.shift.next = self.out_shift.q.val();
        self.step.next = self.out_step.q.val();
        self.address.next = self.out_address.q.val();
        self.x_end.next = self.out_x.q.val();
        self.y.next = self.out_y.q.val();

        // Phases of a pixel step, and the age and phase in which a pixel is complete.
        self.shared.d.next = self.phases.val() != bits::<8>(0);
        self.cycle.d.next = self.kernel_width.val();
        if self.phases.val() != bits::<8>(0) {
            self.cycle.d.next = bit_cast::<16, 8>(self.phases.val());
        }
        self.twice.d.next = self.cycle.q.val() + self.cycle.q.val();
        self.less_one.d.next = self.kernel_width.val() - bits::<16>(1);
        self.less_once.d.next = self.less_one.q.val() - self.cycle.q.val();
        self.less_twice.d.next = self.less_one.q.val() - self.twice.q.val();
        self.over_once.d.next = self.kernel_width.val() > self.cycle.q.val();
        self.over_twice.d.next = self.kernel_width.val() > self.twice.q.val();
        self.final_age.d.next = bits::<2>(0);
        self.final_phase.d.next = self.less_one.q.val();
        if self.over_once.q.val() {
            self.final_age.d.next = bits::<2>(1);
            self.final_phase.d.next = self.less_once.q.val();
        }
        if self.over_twice.q.val() {
            self.final_age.d.next = bits::<2>(2);
            self.final_phase.d.next = self.less_twice.q.val();
        }
        self.before_final.d.next = self.final_phase.q.val() - bits::<16>(1);
        self.before_last.d.next = self.cycle.q.val() - bits::<16>(2);
        self.single_phase.d.next = self.cycle.q.val() == bits::<16>(1);
        self.first_final.d.next = self.final_phase.q.val() == bits::<16>(0);
        self.first_complete.d.next =
            (self.final_phase.q.val() == bits::<16>(0)) && (self.final_age.q.val() == bits::<2>(0));
        self.above.d.next = bits::<32>(0) - bit_cast::<32, 8>(self.pad_top.val());
        self.has_weights.d.next = self.steps.val() != bits::<16>(0);
        self.tap.next = bit_cast::<32, 16>(self.tap_step.val());
        self.jump.next = bit_cast::<32, 16>(self.column_step.val());

        // What is taken in this cycle.
        self.take.next = self.go.q.val() && self.emits.q.val() && self.kernel_rows.last.val();
        self.waits.d.next = (self.state.q.val() == DepthwiseState::Vectors) && !self.go.q.val();
        self.stalled.next = self.waits.q.val();
        self.prepares.d.next = self.start.val()
            || (self.state.q.val() == DepthwiseState::Fill)
            || (self.state.q.val() == DepthwiseState::Weights)
            || (self.state.q.val() == DepthwiseState::Settle);
        self.preparing.next = self.start.val() || self.prepares.q.val();
        // The constants are there when the loops take their first values.
        self.settles.entry.next = bits::<1>(0);
        if self.start.val() {
            self.settles.entry.next = bits::<1>(1);
        }
        self.fills_batch.d.next = self.settles.delayed.val() == bits::<1>(1);
        self.fills_line.d.next = self.fills_batch.q.val();
        self.fills_column.d.next = self.fills_line.q.val();
        self.fills_current.d.next = self.fills_column.q.val();

        // Blocks of channels. A wide one's results take two rows of accumulators.
        self.is_wide.next = (self.block_channels.value.val() > self.sums.val())
            && (self.lanes.val() > self.sums.val());
        self.is_final.next = self.block_channels.value.val() <= self.lanes.val();
        self.block_address.restart.next = self.start.val();
        self.block_address.advance.next = self.takes_block.q.val();
        self.block_address.base.next = self.origin.val();
        self.block_address.step.next = bit_cast::<32, 16>(self.lanes.val());
        self.block_x.restart.next = self.start.val();
        self.block_x.advance.next = self.takes_block.q.val();
        self.block_x.base.next = self.no_boundary.val() - bit_cast::<32, 16>(self.pad_left.val());
        self.block_x.step.next = bit_cast::<32, 16>(self.lanes.val());
        self.block_channels.restart.next = self.start.val();
        self.block_channels.advance.next = self.takes_block.q.val();
        self.block_channels.base.next = self.channels.val();
        self.block_channels.step.next = bits::<16>(0) - self.lanes.val();

        // Rows of the group.
        self.batches.restart.next = self.takes_block.q.val();
        self.batches.advance.next = self.takes_batch.q.val();
        self.batches.count.next = self.rows.val();
        self.batch_address.restart.next = self.takes_block.q.val();
        self.batch_address.advance.next = self.takes_batch.q.val();
        self.batch_address.base.next = self.block_address.value.val();
        self.batch_address.step.next = self.batch_stride.val();
        if self.takes_block.q.val() {
            self.batch_x.d.next = self.block_x.value.val();
        }
        self.batch_wide.restart.next = self.takes_block.q.val();
        self.batch_wide.entry.next = self.is_wide.val();
        self.batch_final.restart.next = self.takes_block.q.val();
        self.batch_final.entry.next = self.is_final.val();

        // Lines of the output.
        self.lines.restart.next = self.takes_batch.q.val();
        self.lines.advance.next = self.takes_line.q.val();
        self.lines.count.next = self.output_height.val();
        self.line_address.restart.next = self.takes_batch.q.val();
        self.line_address.advance.next = self.takes_line.q.val();
        self.line_address.base.next = self.batch_address.value.val();
        self.line_address.step.next = self.line_step.val();
        self.line_y.restart.next = self.takes_batch.q.val();
        self.line_y.advance.next = self.takes_line.q.val();
        self.line_y.base.next = self.above.q.val();
        self.line_y.step.next = bit_cast::<32, 8>(self.stride_y.val());
        if self.takes_batch.q.val() {
            self.line_x.d.next = self.batch_x.q.val();
        }
        self.line_wide.restart.next = self.takes_batch.q.val();
        self.line_wide.entry.next = self.batch_wide.value.val();
        self.line_ending.restart.next = self.takes_batch.q.val();
        self.line_ending.entry.next = self.batches.last.val();
        self.line_final.restart.next = self.takes_batch.q.val();
        self.line_final.entry.next = self.batch_final.value.val();

        // Columns of the line, and its pixels.
        self.pixels.restart.next = self.takes_line.q.val();
        self.pixels.advance.next = self.takes_column.q.val() && self.completes.q.val();
        self.pixels.count.next = self.output_width.val();
        self.column_wide.restart.next = self.takes_line.q.val();
        self.column_wide.entry.next = self.line_wide.value.val();
        self.column_ending.restart.next = self.takes_line.q.val();
        self.column_ending.entry.next = self.lines.last.val() && self.line_ending.value.val();
        self.column_final.restart.next = self.takes_line.q.val();
        self.column_final.entry.next = self.line_final.value.val();
        self.grown.next = self.aged.q.val();
        if self.aged.q.val() != self.final_age.q.val() {
            self.grown.next = self.aged.q.val() + bits::<2>(1);
        }
        self.will_complete.next = self.completes.q.val();
        if self.takes_column.q.val() {
            self.fresh.d.next = false;
            self.column_address.d.next = self.column_address.q.val() + self.tap.val();
            self.column_x.d.next = self.column_x.q.val() + self.tap.val();
            self.phase.d.next = self.phase.q.val() + bits::<16>(1);
            self.last_phase.d.next = self.phase.q.val() == self.before_last.q.val();
            self.will_complete.next = (self.phase.q.val() == self.before_final.q.val())
                && (self.aged.q.val() == self.final_age.q.val());
            if self.last_phase.q.val() {
                // The next step; in direct mode the next pixel's first column.
                self.phase.d.next = bits::<16>(0);
                self.aged.d.next = self.grown.val();
                self.last_phase.d.next = self.single_phase.q.val();
                self.will_complete.next =
                    self.first_final.q.val() && (self.grown.val() == self.final_age.q.val());
                if !self.shared.q.val() {
                    self.column_address.d.next = self.pixel_address.q.val() + self.jump.val();
                    self.column_x.d.next = self.pixel_x.q.val() + self.jump.val();
                    self.pixel_address.d.next = self.pixel_address.q.val() + self.jump.val();
                    self.pixel_x.d.next = self.pixel_x.q.val() + self.jump.val();
                }
            }
        }
        if self.takes_line.q.val() {
            self.fresh.d.next = true;
            self.column_address.d.next = self.line_address.value.val();
            self.column_x.d.next = self.line_x.q.val();
            self.column_y.d.next = self.line_y.value.val();
            self.pixel_address.d.next = self.line_address.value.val();
            self.pixel_x.d.next = self.line_x.q.val();
            self.phase.d.next = bits::<16>(0);
            self.aged.d.next = bits::<2>(0);
            self.last_phase.d.next = self.single_phase.q.val();
            self.will_complete.next = self.first_complete.q.val();
        }
        // What the next column ends.
        self.completes.d.next = self.will_complete.val();
        self.will_end_line.next = self.will_complete.val() && self.pixels.next_last.val();
        self.will_end_batch.next = self.will_end_line.val() && self.lines.next_last.val();
        self.last_of_line.d.next = self.will_end_line.val();
        self.last_of_batch.d.next = self.will_end_batch.val();
        self.will_end_block.next = self.will_end_batch.val() && self.batches.next_last.val();
        self.last_of_block.d.next = self.will_end_block.val();

        // Rows of the current column.
        self.kernel_rows.restart.next = self.takes_column.q.val();
        self.kernel_rows.advance.next = self.go.q.val();
        self.kernel_rows.count.next = bit_cast::<16, 8>(self.kernel_height.val());
        if self.go.q.val() {
            self.clears.d.next = false;
            self.lane_address.d.next =
                self.lane_address.q.val() + bit_cast::<32, 16>(self.row_stride.val());
            self.lane_y.d.next = self.lane_y.q.val() + bits::<32>(1);
            self.step_pointer.d.next = self.step_pointer.q.val() + self.cycle.q.val();
        }
        if self.takes_column.q.val() {
            self.clears.d.next = self.fresh.q.val();
            self.shifts.d.next = self.last_phase.q.val();
            self.emits.d.next = self.completes.q.val();
            self.wide.d.next = self.column_wide.value.val();
            self.ends_block.d.next =
                self.completes.q.val() && self.pixels.last.val() && self.column_ending.value.val();
            self.ends.d.next = self.column_final.value.val();
            self.lane_address.d.next = self.column_address.q.val();
            self.lane_x.d.next = self.column_x.q.val();
            self.lane_y.d.next = self.column_y.q.val();
            self.step_pointer.d.next = self.phase.q.val();
        }

        // The vector.
        self.result_rows.next = bits::<8>(1);
        if self.wide.q.val() {
            self.result_rows.next = bits::<8>(2);
        }
        self.out_weight.d.next = bits::<1>(0);
        self.out_weight_step.d.next = self.weight_pointer.q.val();
        self.first_byte.next = self.weight_pointer.q.val().get_bits::<3>(0) & self.tile_end.val();
        self.out_weight_byte.d.next = self.first_byte.val();
        if self.shared.q.val() {
            self.out_weight_byte.d.next = bits::<3>(0);
        }
        self.out_tile.d.next = self.tile_pointer.q.val();
        self.out_valid.d.next = bits::<1>(0);
        self.out_clear.d.next = bits::<1>(0);
        self.out_emit.d.next = bits::<1>(0);
        self.out_emit_rows.d.next = self.result_rows.val();
        self.out_age.d.next = self.final_age.q.val();
        self.out_shift.d.next = bits::<1>(0);
        self.out_step.d.next = self.step_pointer.q.val().get_bits::<6>(0);
        self.out_address.d.next = self.lane_address.q.val();
        self.out_x.d.next = self.lane_x.q.val();
        self.out_y.d.next = self.lane_y.q.val();
        if self.clears.q.val() {
            self.out_clear.d.next = bits::<1>(1);
        }
        if self.shifts.q.val() && self.kernel_rows.last.val() {
            self.out_shift.d.next = bits::<1>(1);
        }
        if self.go.q.val() {
            self.out_valid.d.next = bits::<1>(1);
        }
        if self.take.val() {
            self.out_emit.d.next = bits::<1>(1);
        }
        self.will_space.next = self.take.val() && self.wide.q.val();

        self.will_run.next = false;
        match self.state.q.val() {
            DepthwiseState::Fill => {
                if self.fills_current.q.val() {
                    self.state.d.next = DepthwiseState::Vectors;
                    self.will_run.next = true;
                }
            }
            DepthwiseState::Weights => {
                self.out_weight.d.next = bits::<1>(1);
                if self.shared.q.val()
                    || (self.first_byte.val() == self.tile_end.val())
                    || (self.steps_left.q.val() == bits::<16>(1))
                {
                    self.tile_pointer.d.next = self.tile_pointer.q.val() + bits::<16>(1);
                }
                self.weight_pointer.d.next = self.weight_pointer.q.val() + bits::<6>(1);
                self.steps_left.d.next = self.steps_left.q.val() - bits::<16>(1);
                if self.steps_left.q.val() == bits::<16>(1) {
                    self.settling.d.next = bits::<8>(0);
                    self.state.d.next = DepthwiseState::Settle;
                }
            }
            DepthwiseState::Settle => {
                self.settling.d.next = self.settling.q.val() + bits::<8>(1);
                if self.settling.q.val() == self.settle_cycles.val() {
                    self.state.d.next = DepthwiseState::Vectors;
                    self.will_run.next = true;
                }
            }
            DepthwiseState::Vectors => {
                self.will_run.next = true;
                if self.go.q.val() && self.kernel_rows.last.val() && self.ends_block.q.val() {
                    self.weight_pointer.d.next = bits::<6>(0);
                    self.steps_left.d.next = self.steps.val();
                    if self.has_weights.q.val() {
                        self.state.d.next = DepthwiseState::Weights;
                        self.will_run.next = false;
                    }
                    if self.ends.q.val() {
                        self.state.d.next = DepthwiseState::Idle;
                        self.will_run.next = false;
                    }
                }
            }
            _ => {
                self.state.d.next = DepthwiseState::Idle;
            }
        }

        // All loops wait for `go`, so it comes from a register: what the next cycle takes, if anything.
        self.will_emit.next = self.emits.q.val();
        if self.takes_column.q.val() {
            self.will_emit.next = self.completes.q.val();
        }
        self.will_go.next = self.will_run.val()
            && (!(self.will_emit.val() && self.kernel_rows.next_last.val())
                || (self.room.val() && !self.will_space.val()));
        self.go.d.next = self.will_go.val();

        // So does what each loop takes in the next cycle: values on their way inwards, which pass a
        // loop of one step at once, and then what the vector ends.
        self.will_take.next =
            self.fills_column.q.val() || (self.will_go.val() && self.kernel_rows.next_last.val());
        self.takes_column.d.next = self.will_take.val();
        self.takes_line.d.next =
            self.fills_line.q.val() || (self.will_take.val() && self.will_end_line.val());
        self.takes_batch.d.next = self.fills_batch.q.val()
            || (self.fills_line.q.val() && self.lines.next_last.val())
            || (self.will_take.val() && self.will_end_batch.val());
        self.takes_block.d.next = (self.settles.delayed.val() == bits::<1>(1))
            || (self.fills_batch.q.val() && self.batches.next_last.val())
            || (self.fills_line.q.val()
                && self.lines.next_last.val()
                && self.batches.next_last.val())
            || (self.will_take.val() && self.will_end_block.val());

        if self.start.val() {
            self.state.d.next = DepthwiseState::Fill;
            if self.steps.val() != bits::<16>(0) {
                self.state.d.next = DepthwiseState::Weights;
            }
            self.steps_left.d.next = self.steps.val();
            self.weight_pointer.d.next = bits::<6>(0);
            self.tile_pointer.d.next = self.first_tile.val();
        }
        if self.reset.val() {
            self.state.d.next = DepthwiseState::Idle;
            self.go.d.next = false;
            self.fills_batch.d.next = false;
            self.fills_line.d.next = false;
            self.fills_column.d.next = false;
            self.fills_current.d.next = false;
            self.takes_column.d.next = false;
            self.takes_line.d.next = false;
            self.takes_batch.d.next = false;
            self.takes_block.d.next = false;
            self.out_weight.d.next = bits::<1>(0);
            self.out_valid.d.next = bits::<1>(0);
            self.out_emit.d.next = bits::<1>(0);
        }
    }
}
