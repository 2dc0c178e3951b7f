//! Matrix issue: the order in which windows and weight tiles meet in the array.
//!
//! ```text
//!  for each row of the group, line and column of the output       (a pixel)
//!    for each column tile                  (waits until the accumulators have room for a row)
//!      for each input tile                 (one vector and one weight tile a cycle)
//! ```
//!
//! Positions only ever grow by constants, so there is no multiplier here.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

/// Generates one vector a cycle while it is active and has room.
#[derive(LogicBlock, Default)]
pub struct MatrixIssue {
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
    /// Column tiles.
    pub column_tiles: Signal<In, Bits<16>>,
    /// Input tiles.
    pub input_tiles: Signal<In, Bits<16>>,
    /// Scratchpad address of the first byte of the first window.
    pub origin: Signal<In, Bits<32>>,
    /// Bytes from row to row.
    pub batch_stride: Signal<In, Bits<32>>,
    /// Bytes from output line to output line, in the input.
    pub line_step: Signal<In, Bits<32>>,
    /// Rows from output line to output line, in the input.
    pub stride_y: Signal<In, Bits<8>>,
    /// Bytes from pixel to pixel, in the input.
    pub column_step: Signal<In, Bits<16>>,
    /// Rows above the image.
    pub pad_top: Signal<In, Bits<8>>,
    /// Bytes left of the image.
    pub pad_left: Signal<In, Bits<16>>,
    /// Rows of the window.
    pub kernel_height: Signal<In, Bits<8>>,
    /// Bytes of a row of the window.
    pub window_bytes: Signal<In, Bits<16>>,
    /// Bytes between the end of a window row and the beginning of the next, signed.
    pub row_gap: Signal<In, Bits<32>>,
    /// First weight tile in the weight memory.
    pub first_tile: Signal<In, Bits<16>>,
    /// An accumulator row is free.
    pub room: Signal<In, Bit>,
    /// A row of accumulators is taken.
    pub take: Signal<Out, Bit>,
    /// Vectors are still to come.
    pub active: Signal<Out, Bit>,
    /// A vector is issued.
    pub valid: Signal<Out, Bits<1>>,
    /// It begins a sum.
    pub first: Signal<Out, Bits<1>>,
    /// It completes a sum.
    pub last: Signal<Out, Bits<1>>,
    /// Scratchpad address of its lane 0.
    pub address: Signal<Out, Bits<32>>,
    /// Lanes up to the next window row.
    pub distance: Signal<Out, Bits<16>>,
    /// Position of lane 0 in the image's row.
    pub x: Signal<Out, Bits<32>>,
    /// Position of a window row's first byte.
    pub x_first: Signal<Out, Bits<32>>,
    /// Row of the image.
    pub y: Signal<Out, Bits<32>>,
    /// Window rows left.
    pub rows_left: Signal<Out, Bits<8>>,
    /// Its weight tile.
    pub tile: Signal<Out, Bits<16>>,
    /// Waiting for accumulators.
    pub stalled: Signal<Out, Bit>,
    lanes: Fixed<Bits<32>>,
    running: DFF<Bit>,
    batch_left: DFF<Bits<16>>,
    lines_left: DFF<Bits<16>>,
    pixels_left: DFF<Bits<16>>,
    columns_left: DFF<Bits<16>>,
    inputs_left: DFF<Bits<16>>,
    batch_address: DFF<Bits<32>>,
    line_address: DFF<Bits<32>>,
    pixel_address: DFF<Bits<32>>,
    lane_address: DFF<Bits<32>>,
    line_y: DFF<Bits<32>>,
    lane_y: DFF<Bits<32>>,
    pixel_x: DFF<Bits<32>>,
    lane_x: DFF<Bits<32>>,
    boundary: DFF<Bits<32>>,
    window_left: DFF<Bits<8>>,
    tile_pointer: DFF<Bits<16>>,
    out_valid: DFF<Bits<1>>,
    out_first: DFF<Bits<1>>,
    out_last: DFF<Bits<1>>,
    out_address: DFF<Bits<32>>,
    out_distance: DFF<Bits<16>>,
    out_x: DFF<Bits<32>>,
    out_x_first: DFF<Bits<32>>,
    out_y: DFF<Bits<32>>,
    out_rows_left: DFF<Bits<8>>,
    out_tile: DFF<Bits<16>>,
    first_input: Signal<Local, Bit>,
    last_input: Signal<Local, Bit>,
    go: Signal<Local, Bit>,
    above: Signal<Local, Bits<32>>,
    left: Signal<Local, Bits<32>>,
    row: Signal<Local, Bits<32>>,
    second: Signal<Local, Bits<32>>,
    third: Signal<Local, Bits<32>>,
    fourth: Signal<Local, Bits<32>>,
    fifth: Signal<Local, Bits<32>>,
    crossed: Signal<Local, Bits<8>>,
    gap: Signal<Local, Bits<32>>,
    twice: Signal<Local, Bits<32>>,
    next_address: Signal<Local, Bits<32>>,
    next_line: Signal<Local, Bits<32>>,
    next_batch: Signal<Local, Bits<32>>,
}

impl MatrixIssue {
    /// For an array of `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self {
            lanes: Fixed::new((rows as u64).into()),
            ..Default::default()
        }
    }
}

impl Logic for MatrixIssue {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            running,
            batch_left,
            lines_left,
            pixels_left,
            columns_left,
            inputs_left,
            batch_address,
            line_address,
            pixel_address,
            lane_address,
            line_y,
            lane_y,
            pixel_x,
            lane_x,
            boundary,
            window_left,
            tile_pointer,
            out_valid,
            out_first,
            out_last,
            out_address,
            out_distance,
            out_x,
            out_x_first,
            out_y,
            out_rows_left,
            out_tile
        );
        self.active.next = self.running.q.val();
        self.valid.next = self.out_valid.q.val();
        self.first.next = self.out_first.q.val();
        self.last.next = self.out_last.q.val();
        self.address.next = self.out_address.q.val();
        self.distance.next = self.out_distance.q.val();
        self.x.next = self.out_x.q.val();
        self.x_first.next = self.out_x_first.q.val();
        self.y.next = self.out_y.q.val();
        self.rows_left.next = self.out_rows_left.q.val();
        self.tile.next = self.out_tile.q.val();

        // Where in the loops this cycle is.
        self.first_input.next = self.inputs_left.q.val() == self.input_tiles.val();
        self.last_input.next = self.inputs_left.q.val() == bits::<16>(1);
        self.go.next = self.running.q.val() && (!self.first_input.val() || self.room.val());
        self.stalled.next = self.running.q.val() && !self.go.val();
        self.take.next = self.go.val() && self.first_input.val();
        self.above.next = bits::<32>(0) - bit_cast::<32, 8>(self.pad_top.val());
        self.left.next = bits::<32>(0) - bit_cast::<32, 16>(self.pad_left.val());

        self.out_valid.d.next = bits::<1>(0);
        self.out_first.d.next = bits::<1>(0);
        self.out_last.d.next = bits::<1>(0);
        self.out_address.d.next = self.lane_address.q.val();
        self.out_distance.d.next = self.boundary.q.val().get_bits::<16>(0);
        self.out_x.d.next = self.lane_x.q.val();
        self.out_x_first.d.next = self.pixel_x.q.val();
        self.out_y.d.next = self.lane_y.q.val();
        self.out_rows_left.d.next = self.window_left.q.val();
        self.out_tile.d.next = self.tile_pointer.q.val();

        // How many window rows end within this vector, and where the next one begins.
        self.row.next = bit_cast::<32, 16>(self.window_bytes.val());
        self.second.next = self.boundary.q.val() + self.row.val();
        self.third.next = self.second.val() + self.row.val();
        self.fourth.next = self.third.val() + self.row.val();
        self.fifth.next = self.fourth.val() + self.row.val();
        self.crossed.next = bits::<8>(0);
        self.gap.next = bits::<32>(0);
        self.twice.next = self.row_gap.val() + self.row_gap.val();
        self.next_address.next =
            self.pixel_address.q.val() + bit_cast::<32, 16>(self.column_step.val());
        self.next_line.next = self.line_address.q.val() + self.line_step.val();
        self.next_batch.next = self.batch_address.q.val() + self.batch_stride.val();

        if self.go.val() {
            self.out_valid.d.next = bits::<1>(1);
            if self.first_input.val() {
                self.out_first.d.next = bits::<1>(1);
            }
            self.tile_pointer.d.next = self.tile_pointer.q.val() + bits::<16>(1);
            if !self.last_input.val() {
                self.inputs_left.d.next = self.inputs_left.q.val() - bits::<16>(1);
                if self.boundary.q.val() > self.lanes.val() {
                    self.boundary.d.next = self.boundary.q.val() - self.lanes.val();
                    self.lane_x.d.next = self.lane_x.q.val() + self.lanes.val();
                } else if self.second.val() > self.lanes.val() {
                    self.crossed.next = bits::<8>(1);
                    self.gap.next = self.row_gap.val();
                    self.boundary.d.next = self.second.val() - self.lanes.val();
                    self.lane_x.d.next =
                        self.pixel_x.q.val() + self.lanes.val() - self.boundary.q.val();
                } else if self.third.val() > self.lanes.val() {
                    self.crossed.next = bits::<8>(2);
                    self.gap.next = self.twice.val();
                    self.boundary.d.next = self.third.val() - self.lanes.val();
                    self.lane_x.d.next =
                        self.pixel_x.q.val() + self.lanes.val() - self.second.val();
                } else if self.fourth.val() > self.lanes.val() {
                    self.crossed.next = bits::<8>(3);
                    self.gap.next = self.twice.val() + self.row_gap.val();
                    self.boundary.d.next = self.fourth.val() - self.lanes.val();
                    self.lane_x.d.next = self.pixel_x.q.val() + self.lanes.val() - self.third.val();
                } else {
                    self.crossed.next = bits::<8>(4);
                    self.gap.next = self.twice.val() + self.twice.val();
                    self.boundary.d.next = self.fifth.val() - self.lanes.val();
                    self.lane_x.d.next =
                        self.pixel_x.q.val() + self.lanes.val() - self.fourth.val();
                }
                self.lane_address.d.next =
                    self.lane_address.q.val() + self.lanes.val() + self.gap.val();
                self.lane_y.d.next = self.lane_y.q.val() + bit_cast::<32, 8>(self.crossed.val());
                self.window_left.d.next = bits::<8>(0);
                if self.window_left.q.val() > self.crossed.val() {
                    self.window_left.d.next = self.window_left.q.val() - self.crossed.val();
                }
            } else {
                self.out_last.d.next = bits::<1>(1);
                self.inputs_left.d.next = self.input_tiles.val();
                self.boundary.d.next = self.row.val();
                self.window_left.d.next = self.kernel_height.val();
                if self.columns_left.q.val() != bits::<16>(1) {
                    // The same window with the next column tile.
                    self.columns_left.d.next = self.columns_left.q.val() - bits::<16>(1);
                    self.lane_address.d.next = self.pixel_address.q.val();
                    self.lane_x.d.next = self.pixel_x.q.val();
                    self.lane_y.d.next = self.line_y.q.val();
                } else {
                    self.columns_left.d.next = self.column_tiles.val();
                    self.tile_pointer.d.next = self.first_tile.val();
                    if self.pixels_left.q.val() != bits::<16>(1) {
                        self.pixels_left.d.next = self.pixels_left.q.val() - bits::<16>(1);
                        self.pixel_address.d.next = self.next_address.val();
                        self.lane_address.d.next = self.next_address.val();
                        self.pixel_x.d.next =
                            self.pixel_x.q.val() + bit_cast::<32, 16>(self.column_step.val());
                        self.lane_x.d.next =
                            self.pixel_x.q.val() + bit_cast::<32, 16>(self.column_step.val());
                        self.lane_y.d.next = self.line_y.q.val();
                    } else {
                        self.pixels_left.d.next = self.output_width.val();
                        self.pixel_x.d.next = self.left.val();
                        self.lane_x.d.next = self.left.val();
                        if self.lines_left.q.val() != bits::<16>(1) {
                            self.lines_left.d.next = self.lines_left.q.val() - bits::<16>(1);
                            self.line_address.d.next = self.next_line.val();
                            self.pixel_address.d.next = self.next_line.val();
                            self.lane_address.d.next = self.next_line.val();
                            self.line_y.d.next =
                                self.line_y.q.val() + bit_cast::<32, 8>(self.stride_y.val());
                            self.lane_y.d.next =
                                self.line_y.q.val() + bit_cast::<32, 8>(self.stride_y.val());
                        } else {
                            self.lines_left.d.next = self.output_height.val();
                            self.batch_address.d.next = self.next_batch.val();
                            self.line_address.d.next = self.next_batch.val();
                            self.pixel_address.d.next = self.next_batch.val();
                            self.lane_address.d.next = self.next_batch.val();
                            self.line_y.d.next = self.above.val();
                            self.lane_y.d.next = self.above.val();
                            self.batch_left.d.next = self.batch_left.q.val() - bits::<16>(1);
                            if self.batch_left.q.val() == bits::<16>(1) {
                                self.running.d.next = false;
                            }
                        }
                    }
                }
            }
        }

        if self.start.val() {
            self.running.d.next = true;
            self.batch_left.d.next = self.rows.val();
            self.lines_left.d.next = self.output_height.val();
            self.pixels_left.d.next = self.output_width.val();
            self.columns_left.d.next = self.column_tiles.val();
            self.inputs_left.d.next = self.input_tiles.val();
            self.batch_address.d.next = self.origin.val();
            self.line_address.d.next = self.origin.val();
            self.pixel_address.d.next = self.origin.val();
            self.lane_address.d.next = self.origin.val();
            self.line_y.d.next = self.above.val();
            self.lane_y.d.next = self.above.val();
            self.pixel_x.d.next = self.left.val();
            self.lane_x.d.next = self.left.val();
            self.boundary.d.next = self.row.val();
            self.window_left.d.next = self.kernel_height.val();
            self.tile_pointer.d.next = self.first_tile.val();
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.out_valid.d.next = bits::<1>(0);
        }
    }
}
