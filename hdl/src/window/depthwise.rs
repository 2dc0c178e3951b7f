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

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

/// What the issue is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum DepthwiseState {
    /// Nothing.
    Idle,
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
    /// Weight tiles of a block, 0 for pooling.
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
    /// Vectors are still to come.
    pub active: Signal<Out, Bit>,
    /// Weights are loaded, or arrive.
    pub preparing: Signal<Out, Bit>,
    /// Waiting for accumulators.
    pub stalled: Signal<Out, Bit>,
    /// A weight tile is read.
    pub weight_valid: Signal<Out, Bits<1>>,
    /// The tile.
    pub tile: Signal<Out, Bits<16>>,
    /// Its step in the block.
    pub weight_step: Signal<Out, Bits<6>>,
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
    /// Position of lane 0 in the image's row.
    pub x: Signal<Out, Bits<32>>,
    /// Row of the image.
    pub y: Signal<Out, Bits<32>>,
    lanes: Fixed<Bits<16>>,
    sums: Fixed<Bits<16>>,
    settle_cycles: Fixed<Bits<8>>,
    state: DFF<DepthwiseState>,
    channels_left: DFF<Bits<16>>,
    batch_left: DFF<Bits<16>>,
    lines_left: DFF<Bits<16>>,
    pixels_left: DFF<Bits<16>>,
    steps_left: DFF<Bits<16>>,
    settling: DFF<Bits<8>>,
    spacing: DFF<Bits<8>>,
    kernel_left: DFF<Bits<8>>,
    phase: DFF<Bits<16>>,
    aged: DFF<Bits<2>>,
    fresh: DFF<Bit>,
    tile_pointer: DFF<Bits<16>>,
    block_address: DFF<Bits<32>>,
    batch_address: DFF<Bits<32>>,
    line_address: DFF<Bits<32>>,
    pixel_address: DFF<Bits<32>>,
    column_address: DFF<Bits<32>>,
    lane_address: DFF<Bits<32>>,
    block_x: DFF<Bits<32>>,
    pixel_x: DFF<Bits<32>>,
    column_x: DFF<Bits<32>>,
    line_y: DFF<Bits<32>>,
    lane_y: DFF<Bits<32>>,
    step_pointer: DFF<Bits<16>>,
    out_weight: DFF<Bits<1>>,
    out_weight_step: DFF<Bits<6>>,
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
    shared: Signal<Local, Bit>,
    cycle: Signal<Local, Bits<16>>,
    final_age: Signal<Local, Bits<2>>,
    final_phase: Signal<Local, Bits<16>>,
    last_row: Signal<Local, Bit>,
    last_phase: Signal<Local, Bit>,
    completes: Signal<Local, Bit>,
    go: Signal<Local, Bit>,
    above: Signal<Local, Bits<32>>,
    left: Signal<Local, Bits<32>>,
    tap: Signal<Local, Bits<32>>,
    jump: Signal<Local, Bits<32>>,
    next_column: Signal<Local, Bits<32>>,
    next_x: Signal<Local, Bits<32>>,
    next_line: Signal<Local, Bits<32>>,
    next_batch: Signal<Local, Bits<32>>,
    next_block: Signal<Local, Bits<32>>,
}

impl DepthwiseIssue {
    /// For `rows` lanes, whose results fill accumulator rows of `columns` sums; weights need
    /// `settle` cycles to arrive.
    pub fn new(rows: usize, columns: usize, settle: usize) -> Self {
        Self {
            lanes: Fixed::new((rows as u64).into()),
            sums: Fixed::new((columns as u64).into()),
            settle_cycles: Fixed::new((settle as u64).into()),
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
            state,
            channels_left,
            batch_left,
            lines_left,
            pixels_left,
            steps_left,
            settling,
            spacing,
            kernel_left,
            phase,
            aged,
            fresh,
            tile_pointer,
            block_address,
            batch_address,
            line_address,
            pixel_address,
            column_address,
            lane_address,
            block_x,
            pixel_x,
            column_x,
            line_y,
            lane_y,
            step_pointer,
            out_weight,
            out_weight_step,
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
        self.active.next = self.state.q.val() != DepthwiseState::Idle;
        self.weight_valid.next = self.out_weight.q.val();
        self.weight_step.next = self.out_weight_step.q.val();
        self.tile.next = self.out_tile.q.val();
        self.valid.next = self.out_valid.q.val();
        self.clear.next = self.out_clear.q.val();
        self.emit.next = self.out_emit.q.val();
        self.emit_rows.next = self.out_emit_rows.q.val();
        self.age.next = self.out_age.q.val();
        self.shift.next = self.out_shift.q.val();
        self.step.next = self.out_step.q.val();
        self.address.next = self.out_address.q.val();
        self.x.next = self.out_x.q.val();
        self.y.next = self.out_y.q.val();

        // Phases of a pixel step, and the age and phase in which a pixel is complete.
        self.shared.next = self.phases.val() != bits::<8>(0);
        self.cycle.next = self.kernel_width.val();
        self.final_age.next = bits::<2>(0);
        self.final_phase.next = self.kernel_width.val() - bits::<16>(1);
        if self.shared.val() {
            self.cycle.next = bit_cast::<16, 8>(self.phases.val());
            if self.kernel_width.val() > self.cycle.val() {
                self.final_age.next = bits::<2>(1);
                self.final_phase.next = self.kernel_width.val() - self.cycle.val() - bits::<16>(1);
            }
            if self.kernel_width.val() > (self.cycle.val() + self.cycle.val()) {
                self.final_age.next = bits::<2>(2);
                self.final_phase.next =
                    self.kernel_width.val() - self.cycle.val() - self.cycle.val() - bits::<16>(1);
            }
        }
        // Results of the block: a row of accumulators for each C channels.
        self.result_rows.next = bits::<8>(1);
        if (self.channels_left.q.val() > self.sums.val()) && (self.lanes.val() > self.sums.val()) {
            self.result_rows.next = bits::<8>(2);
        }

        self.last_row.next = self.kernel_left.q.val() == bits::<8>(1);
        self.last_phase.next = (self.phase.q.val() + bits::<16>(1)) == self.cycle.val();
        self.completes.next = self.last_row.val()
            && (self.phase.q.val() == self.final_phase.val())
            && (self.aged.q.val() == self.final_age.val());
        self.go.next = (self.state.q.val() == DepthwiseState::Vectors)
            && (!self.completes.val()
                || (self.room.val() && (self.spacing.q.val() == bits::<8>(0))));
        self.stalled.next = (self.state.q.val() == DepthwiseState::Vectors) && !self.go.val();
        self.preparing.next = (self.state.q.val() == DepthwiseState::Weights)
            || (self.state.q.val() == DepthwiseState::Settle);
        self.take.next = self.go.val() && self.completes.val();
        self.above.next = bits::<32>(0) - bit_cast::<32, 8>(self.pad_top.val());
        self.left.next = bits::<32>(0) - bit_cast::<32, 16>(self.pad_left.val());
        self.tap.next = bit_cast::<32, 16>(self.tap_step.val());
        self.jump.next = bit_cast::<32, 16>(self.column_step.val());
        // The column after this one: in direct mode the next pixel's first after the last.
        self.next_column.next = self.column_address.q.val() + self.tap.val();
        self.next_x.next = self.column_x.q.val() + self.tap.val();
        if !self.shared.val() && self.last_phase.val() {
            self.next_column.next = self.pixel_address.q.val() + self.jump.val();
            self.next_x.next = self.pixel_x.q.val() + self.jump.val();
        }
        self.next_line.next = self.line_address.q.val() + self.line_step.val();
        self.next_batch.next = self.batch_address.q.val() + self.batch_stride.val();
        self.next_block.next = self.block_address.q.val() + bit_cast::<32, 16>(self.lanes.val());

        self.out_weight.d.next = bits::<1>(0);
        self.out_weight_step.d.next = self.step_pointer.q.val().get_bits::<6>(0);
        self.out_tile.d.next = self.tile_pointer.q.val();
        self.out_valid.d.next = bits::<1>(0);
        self.out_clear.d.next = bits::<1>(0);
        self.out_emit.d.next = bits::<1>(0);
        self.out_emit_rows.d.next = self.result_rows.val();
        self.out_age.d.next = self.final_age.val();
        self.out_shift.d.next = bits::<1>(0);
        self.out_step.d.next = self.step_pointer.q.val().get_bits::<6>(0);
        self.out_address.d.next = self.lane_address.q.val();
        self.out_x.d.next = self.column_x.q.val();
        self.out_y.d.next = self.lane_y.q.val();
        if self.spacing.q.val() != bits::<8>(0) {
            self.spacing.d.next = self.spacing.q.val() - bits::<8>(1);
        }

        match self.state.q.val() {
            DepthwiseState::Weights => {
                self.out_weight.d.next = bits::<1>(1);
                self.tile_pointer.d.next = self.tile_pointer.q.val() + bits::<16>(1);
                self.step_pointer.d.next = self.step_pointer.q.val() + bits::<16>(1);
                self.steps_left.d.next = self.steps_left.q.val() - bits::<16>(1);
                if self.steps_left.q.val() == bits::<16>(1) {
                    self.step_pointer.d.next = bits::<16>(0);
                    self.state.d.next = DepthwiseState::Settle;
                }
            }
            DepthwiseState::Settle => {
                self.settling.d.next = self.settling.q.val() + bits::<8>(1);
                if self.settling.q.val() == self.settle_cycles.val() {
                    self.settling.d.next = bits::<8>(0);
                    self.state.d.next = DepthwiseState::Vectors;
                }
            }
            DepthwiseState::Vectors => {
                if self.go.val() {
                    self.out_valid.d.next = bits::<1>(1);
                    if self.fresh.q.val() {
                        self.out_clear.d.next = bits::<1>(1);
                    }
                    self.fresh.d.next = false;
                    if !self.last_row.val() {
                        self.kernel_left.d.next = self.kernel_left.q.val() - bits::<8>(1);
                        self.lane_address.d.next =
                            self.lane_address.q.val() + bit_cast::<32, 16>(self.row_stride.val());
                        self.lane_y.d.next = self.lane_y.q.val() + bits::<32>(1);
                        self.step_pointer.d.next = self.step_pointer.q.val() + self.cycle.val();
                    } else {
                        // The column is complete.
                        self.kernel_left.d.next = self.kernel_height.val();
                        self.column_address.d.next = self.next_column.val();
                        self.lane_address.d.next = self.next_column.val();
                        self.column_x.d.next = self.next_x.val();
                        self.lane_y.d.next = self.line_y.q.val();
                        self.phase.d.next = self.phase.q.val() + bits::<16>(1);
                        self.step_pointer.d.next = self.phase.q.val() + bits::<16>(1);
                        if self.last_phase.val() {
                            self.out_shift.d.next = bits::<1>(1);
                            self.phase.d.next = bits::<16>(0);
                            self.step_pointer.d.next = bits::<16>(0);
                            self.pixel_address.d.next = self.next_column.val();
                            self.pixel_x.d.next = self.next_x.val();
                            if self.aged.q.val() != self.final_age.val() {
                                self.aged.d.next = self.aged.q.val() + bits::<2>(1);
                            }
                        }
                        if self.completes.val() {
                            self.out_emit.d.next = bits::<1>(1);
                            self.spacing.d.next = self.result_rows.val() - bits::<8>(1);
                            self.pixels_left.d.next = self.pixels_left.q.val() - bits::<16>(1);
                            if self.pixels_left.q.val() == bits::<16>(1) {
                                // So is the line.
                                self.pixels_left.d.next = self.output_width.val();
                                self.phase.d.next = bits::<16>(0);
                                self.step_pointer.d.next = bits::<16>(0);
                                self.aged.d.next = bits::<2>(0);
                                self.fresh.d.next = true;
                                self.pixel_x.d.next = self.block_x.q.val();
                                self.column_x.d.next = self.block_x.q.val();
                                if self.lines_left.q.val() != bits::<16>(1) {
                                    self.lines_left.d.next =
                                        self.lines_left.q.val() - bits::<16>(1);
                                    self.line_address.d.next = self.next_line.val();
                                    self.pixel_address.d.next = self.next_line.val();
                                    self.column_address.d.next = self.next_line.val();
                                    self.lane_address.d.next = self.next_line.val();
                                    self.line_y.d.next = self.line_y.q.val()
                                        + bit_cast::<32, 8>(self.stride_y.val());
                                    self.lane_y.d.next = self.line_y.q.val()
                                        + bit_cast::<32, 8>(self.stride_y.val());
                                } else {
                                    self.lines_left.d.next = self.output_height.val();
                                    self.line_y.d.next = self.above.val();
                                    self.lane_y.d.next = self.above.val();
                                    if self.batch_left.q.val() != bits::<16>(1) {
                                        self.batch_left.d.next =
                                            self.batch_left.q.val() - bits::<16>(1);
                                        self.batch_address.d.next = self.next_batch.val();
                                        self.line_address.d.next = self.next_batch.val();
                                        self.pixel_address.d.next = self.next_batch.val();
                                        self.column_address.d.next = self.next_batch.val();
                                        self.lane_address.d.next = self.next_batch.val();
                                    } else {
                                        // So is the block of channels.
                                        self.batch_left.d.next = self.rows.val();
                                        self.block_address.d.next = self.next_block.val();
                                        self.batch_address.d.next = self.next_block.val();
                                        self.line_address.d.next = self.next_block.val();
                                        self.pixel_address.d.next = self.next_block.val();
                                        self.column_address.d.next = self.next_block.val();
                                        self.lane_address.d.next = self.next_block.val();
                                        self.block_x.d.next = self.block_x.q.val()
                                            + bit_cast::<32, 16>(self.lanes.val());
                                        self.pixel_x.d.next = self.block_x.q.val()
                                            + bit_cast::<32, 16>(self.lanes.val());
                                        self.column_x.d.next = self.block_x.q.val()
                                            + bit_cast::<32, 16>(self.lanes.val());
                                        self.steps_left.d.next = self.steps.val();
                                        self.channels_left.d.next =
                                            self.channels_left.q.val() - self.lanes.val();
                                        self.state.d.next = DepthwiseState::Vectors;
                                        if self.steps.val() != bits::<16>(0) {
                                            self.state.d.next = DepthwiseState::Weights;
                                        }
                                        if self.channels_left.q.val() <= self.lanes.val() {
                                            self.state.d.next = DepthwiseState::Idle;
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            _ => {
                self.state.d.next = DepthwiseState::Idle;
            }
        }

        if self.start.val() {
            self.state.d.next = DepthwiseState::Vectors;
            if self.steps.val() != bits::<16>(0) {
                self.state.d.next = DepthwiseState::Weights;
            }
            self.channels_left.d.next = self.channels.val();
            self.batch_left.d.next = self.rows.val();
            self.lines_left.d.next = self.output_height.val();
            self.pixels_left.d.next = self.output_width.val();
            self.steps_left.d.next = self.steps.val();
            self.settling.d.next = bits::<8>(0);
            self.spacing.d.next = bits::<8>(0);
            self.kernel_left.d.next = self.kernel_height.val();
            self.phase.d.next = bits::<16>(0);
            self.aged.d.next = bits::<2>(0);
            self.fresh.d.next = true;
            self.tile_pointer.d.next = self.first_tile.val();
            self.step_pointer.d.next = bits::<16>(0);
            self.block_address.d.next = self.origin.val();
            self.batch_address.d.next = self.origin.val();
            self.line_address.d.next = self.origin.val();
            self.pixel_address.d.next = self.origin.val();
            self.column_address.d.next = self.origin.val();
            self.lane_address.d.next = self.origin.val();
            self.block_x.d.next = self.left.val();
            self.pixel_x.d.next = self.left.val();
            self.column_x.d.next = self.left.val();
            self.line_y.d.next = self.above.val();
            self.lane_y.d.next = self.above.val();
        }
        if self.reset.val() {
            self.state.d.next = DepthwiseState::Idle;
            self.out_weight.d.next = bits::<1>(0);
            self.out_valid.d.next = bits::<1>(0);
            self.out_emit.d.next = bits::<1>(0);
        }
    }
}
