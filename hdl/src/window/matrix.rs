//! Matrix issue: the order in which windows and weight tiles meet in the array.
//!
//! ```text
//!  for each row of the group, line and column of the output       (a pixel)
//!    for each column tile                  (waits until the accumulators have room for a row)
//!      for each input tile                 (one vector and one weight tile a cycle)
//! ```
//!
//! Positions only ever grow by constants, so there is no multiplier here. A vector is put together
//! in three cycles:
//!
//! ```text
//!  loops: which vector, how many rows of the window end in it
//!                 --> how far its lane 0 is from that of the vector before --> its address
//! ```

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use crate::walk::{Loop, Pointer, Tag};

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
    /// No vector shows yet: the values of the loops travel inwards.
    pub preparing: Signal<Out, Bit>,
    /// A vector is issued, as it shows below.
    pub valid: Signal<Out, Bits<1>>,
    /// It begins a sum.
    pub first: Signal<Out, Bits<1>>,
    /// It completes a sum.
    pub last: Signal<Out, Bits<1>>,
    /// Scratchpad address of its lane 0.
    pub address: Signal<Out, Bits<32>>,
    /// Lanes up to the next window row.
    pub distance: Signal<Out, Bits<16>>,
    /// Position in the image's row of the byte after a window row.
    pub x_end: Signal<Out, Bits<32>>,
    /// Row of the image.
    pub y: Signal<Out, Bits<32>>,
    /// Window rows left.
    pub rows_left: Signal<Out, Bits<8>>,
    /// Its weight tile.
    pub tile: Signal<Out, Bits<16>>,
    /// No vector shows because accumulators were waited for.
    pub stalled: Signal<Out, Bit>,
    lanes: Fixed<Bits<32>>,
    batches: Loop,
    lines: Loop,
    pixels: Loop,
    columns: Loop,
    inputs: Loop,
    batch_address: Pointer<32>,
    line_address: Pointer<32>,
    line_y: Pointer<32>,
    line_final: Tag,
    pixel_address: Pointer<32>,
    pixel_x: Pointer<32>,
    pixel_y: DFF<Bits<32>>,
    pixel_final: Tag,
    window_final: Tag,
    window_address: DFF<Bits<32>>,
    window_x: DFF<Bits<32>>,
    window_y: DFF<Bits<32>>,
    tile_pointer: Pointer<16>,
    fills_line: DFF<Bit>,
    fills_pixel: DFF<Bit>,
    fills_window: DFF<Bit>,
    begins: DFF<Bit>,
    waits: DFF<Bit>,
    prepares: DFF<Bit>,
    waited: DFF<Bit>,
    running: DFF<Bit>,
    fresh: DFF<Bit>,
    go: DFF<Bit>,
    ends_window: DFF<Bit>,
    takes_pixel: DFF<Bit>,
    takes_line: DFF<Bit>,
    takes_batch: DFF<Bit>,
    above: DFF<Bits<32>>,
    left: DFF<Bits<32>>,
    row: [DFF<Bits<20>>; 5],
    step: [DFF<Bits<20>>; 5],
    limit: [DFF<Bits<20>>; 5],
    gap: [DFF<Bits<32>>; 5],
    boundary: DFF<Bits<20>>,
    crossed: DFF<Bits<3>>,
    moved_valid: DFF<Bits<1>>,
    moved_first: DFF<Bits<1>>,
    moved_last: DFF<Bits<1>>,
    moved_distance: DFF<Bits<16>>,
    moved_crossed: DFF<Bits<3>>,
    moved_by: DFF<Bits<32>>,
    moved_address: DFF<Bits<32>>,
    moved_x: DFF<Bits<32>>,
    moved_y: DFF<Bits<32>>,
    moved_tile: DFF<Bits<16>>,
    out_valid: DFF<Bits<1>>,
    out_first: DFF<Bits<1>>,
    out_last: DFF<Bits<1>>,
    out_address: DFF<Bits<32>>,
    out_distance: DFF<Bits<16>>,
    out_x: DFF<Bits<32>>,
    out_y: DFF<Bits<32>>,
    out_rows_left: DFF<Bits<8>>,
    out_tile: DFF<Bits<16>>,
    still_running: Signal<Local, Bit>,
    next_fresh: Signal<Local, Bit>,
    next_ends_pixel: Signal<Local, Bit>,
    next_ends_line: Signal<Local, Bit>,
    will_go: Signal<Local, Bit>,
    will_fill_line: Signal<Local, Bit>,
    wide_row: Signal<Local, Bits<20>>,
    narrow_lanes: Signal<Local, Bits<20>>,
    next_crossed: Signal<Local, Bits<3>>,
    next_boundary: Signal<Local, Bits<20>>,
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
            pixel_y,
            window_address,
            window_x,
            window_y,
            fills_line,
            fills_pixel,
            fills_window,
            begins,
            waits,
            prepares,
            waited,
            running,
            fresh,
            go,
            ends_window,
            takes_pixel,
            takes_line,
            takes_batch,
            above,
            left,
            boundary,
            crossed,
            moved_valid,
            moved_first,
            moved_last,
            moved_distance,
            moved_crossed,
            moved_by,
            moved_address,
            moved_x,
            moved_y,
            moved_tile,
            out_valid,
            out_first,
            out_last,
            out_address,
            out_distance,
            out_x,
            out_y,
            out_rows_left,
            out_tile
        );
        clock!(
            self,
            clock,
            batches,
            lines,
            pixels,
            columns,
            inputs,
            batch_address,
            line_address,
            line_y,
            line_final,
            pixel_address,
            pixel_x,
            pixel_final,
            window_final,
            tile_pointer
        );
        self.valid.next = self.out_valid.q.val();
        self.first.next = self.out_first.q.val();
        self.last.next = self.out_last.q.val();
        self.address.next = self.out_address.q.val();
        self.distance.next = self.out_distance.q.val();
        self.x_end.next = self.out_x.q.val();
        self.y.next = self.out_y.q.val();
        self.rows_left.next = self.out_rows_left.q.val();
        self.tile.next = self.out_tile.q.val();

        // Constants of the instruction.
        self.wide_row.next = bit_cast::<20, 16>(self.window_bytes.val());
        self.narrow_lanes.next = self.lanes.val().get_bits::<20>(0);
        self.above.d.next = bits::<32>(0) - bit_cast::<32, 8>(self.pad_top.val());
        self.left.d.next =
            bit_cast::<32, 16>(self.window_bytes.val()) - bit_cast::<32, 16>(self.pad_left.val());
        // For k ends of a window row in a vector: how the distance to the next one changes, up to which
        // distance there are more of them (a negative limit is below every distance), and how far
        // the next vector is.
        for i in 0..5 {
            self.row[i].clock.next = self.clock.val();
            self.step[i].clock.next = self.clock.val();
            self.limit[i].clock.next = self.clock.val();
            self.gap[i].clock.next = self.clock.val();
            self.step[i].d.next = self.row[i].q.val() - self.narrow_lanes.val();
            self.limit[i].d.next = self.narrow_lanes.val() - self.row[i].q.val();
        }
        self.row[0].d.next = bits::<20>(0);
        self.row[1].d.next = self.wide_row.val();
        self.row[2].d.next = self.wide_row.val() + self.wide_row.val();
        self.row[3].d.next = self.wide_row.val() + self.wide_row.val() + self.wide_row.val();
        self.row[4].d.next = self.row[2].q.val() + self.row[2].q.val();
        self.gap[0].d.next = self.lanes.val();
        for i in 1..5 {
            self.gap[i].d.next = self.gap[i - 1].q.val() + self.row_gap.val();
        }

        // The loops.
        self.take.next = self.go.q.val() && self.fresh.q.val();
        self.waits.d.next = self.running.q.val() && !self.fills_window.q.val() && !self.go.q.val();
        self.waited.d.next = self.waits.q.val();
        self.stalled.next = self.waited.q.val();
        self.begins.d.next = self.fills_window.q.val();
        self.prepares.d.next = self.start.val()
            || self.fills_line.q.val()
            || self.fills_pixel.q.val()
            || self.fills_window.q.val()
            || self.begins.q.val();
        self.preparing.next = self.start.val() || self.prepares.q.val();
        self.fills_line.d.next = self.start.val();
        self.fills_pixel.d.next = self.fills_line.q.val();
        self.fills_window.d.next = self.fills_pixel.q.val();

        self.batches.restart.next = self.start.val();
        self.batches.advance.next = self.takes_batch.q.val();
        self.batches.count.next = self.rows.val();
        self.batch_address.restart.next = self.start.val();
        self.batch_address.advance.next = self.takes_batch.q.val();
        self.batch_address.base.next = self.origin.val();
        self.batch_address.step.next = self.batch_stride.val();

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
        self.line_final.restart.next = self.takes_batch.q.val();
        self.line_final.entry.next = self.batches.last.val();

        self.pixels.restart.next = self.takes_line.q.val();
        self.pixels.advance.next = self.takes_pixel.q.val();
        self.pixels.count.next = self.output_width.val();
        self.pixel_address.restart.next = self.takes_line.q.val();
        self.pixel_address.advance.next = self.takes_pixel.q.val();
        self.pixel_address.base.next = self.line_address.value.val();
        self.pixel_address.step.next = bit_cast::<32, 16>(self.column_step.val());
        self.pixel_x.restart.next = self.takes_line.q.val();
        self.pixel_x.advance.next = self.takes_pixel.q.val();
        self.pixel_x.base.next = self.left.q.val();
        self.pixel_x.step.next = bit_cast::<32, 16>(self.column_step.val());
        if self.takes_line.q.val() {
            self.pixel_y.d.next = self.line_y.value.val();
        }
        self.pixel_final.restart.next = self.takes_line.q.val();
        self.pixel_final.entry.next = self.lines.last.val() && self.line_final.value.val();

        self.columns.restart.next = self.takes_pixel.q.val();
        self.columns.advance.next = self.ends_window.q.val();
        self.columns.count.next = self.column_tiles.val();
        if self.takes_pixel.q.val() {
            self.window_address.d.next = self.pixel_address.value.val();
            self.window_x.d.next = self.pixel_x.value.val();
            self.window_y.d.next = self.pixel_y.q.val();
        }
        self.window_final.restart.next = self.takes_pixel.q.val();
        self.window_final.entry.next = self.pixels.last.val() && self.pixel_final.value.val();

        self.inputs.restart.next = self.fills_window.q.val() || self.ends_window.q.val();
        self.inputs.advance.next = self.go.q.val();
        self.inputs.count.next = self.input_tiles.val();
        self.tile_pointer.restart.next = self.takes_pixel.q.val();
        self.tile_pointer.advance.next = self.go.q.val();
        self.tile_pointer.base.next = self.first_tile.val();
        self.tile_pointer.step.next = bits::<16>(1);
        // All loops wait for `go`, so it comes from a register: what the next cycle takes, if anything.
        // Runs from the cycle on in which the first window is filled.
        self.next_fresh.next = (self.fresh.q.val() && !self.go.q.val()) || self.ends_window.q.val();
        self.still_running.next = self.running.q.val();
        if self.ends_window.q.val() && self.columns.last.val() && self.window_final.value.val() {
            self.still_running.next = false;
        }
        self.fresh.d.next = self.next_fresh.val() || self.fills_pixel.q.val();
        self.running.d.next = self.still_running.val() || self.fills_pixel.q.val();
        self.will_go.next = self.still_running.val() && (!self.next_fresh.val() || self.room.val());
        self.go.d.next = self.will_go.val();

        // So does what each loop takes in the next cycle: what the vector ends, or values on their
        // way inwards, which pass a loop of one step at once.
        self.next_ends_pixel.next =
            self.will_go.val() && self.inputs.next_last.val() && self.columns.next_last.val();
        self.next_ends_line.next = self.next_ends_pixel.val() && self.pixels.next_last.val();
        self.will_fill_line.next =
            self.fills_line.q.val() || (self.fills_pixel.q.val() && self.pixels.next_last.val());
        self.ends_window.d.next = self.will_go.val() && self.inputs.next_last.val();
        self.takes_pixel.d.next = self.fills_pixel.q.val() || self.next_ends_pixel.val();
        self.takes_line.d.next = self.will_fill_line.val() || self.next_ends_line.val();
        self.takes_batch.d.next = self.start.val()
            || ((self.will_fill_line.val() || self.next_ends_line.val())
                && self.lines.next_last.val());

        // How many window rows end within this vector, and where the next one does.
        self.next_crossed.next = bits::<3>(4);
        self.next_boundary.next = self.boundary.q.val() + self.step[4].q.val();
        if self.limit[3].q.val().get_bit(19) || (self.boundary.q.val() > self.limit[3].q.val()) {
            self.next_crossed.next = bits::<3>(3);
            self.next_boundary.next = self.boundary.q.val() + self.step[3].q.val();
        }
        if self.limit[2].q.val().get_bit(19) || (self.boundary.q.val() > self.limit[2].q.val()) {
            self.next_crossed.next = bits::<3>(2);
            self.next_boundary.next = self.boundary.q.val() + self.step[2].q.val();
        }
        if self.limit[1].q.val().get_bit(19) || (self.boundary.q.val() > self.limit[1].q.val()) {
            self.next_crossed.next = bits::<3>(1);
            self.next_boundary.next = self.boundary.q.val() + self.step[1].q.val();
        }
        if self.limit[0].q.val().get_bit(19) || (self.boundary.q.val() > self.limit[0].q.val()) {
            self.next_crossed.next = bits::<3>(0);
            self.next_boundary.next = self.boundary.q.val() + self.step[0].q.val();
        }
        if self.go.q.val() {
            self.boundary.d.next = self.next_boundary.val();
            self.crossed.d.next = self.next_crossed.val();
        }
        if self.fills_window.q.val() || self.ends_window.q.val() {
            self.boundary.d.next = self.row[1].q.val();
        }

        // How far lane 0 moves from the vector before.
        self.moved_valid.d.next = bits::<1>(0);
        self.moved_first.d.next = bits::<1>(0);
        self.moved_last.d.next = bits::<1>(0);
        if self.go.q.val() {
            self.moved_valid.d.next = bits::<1>(1);
        }
        if self.fresh.q.val() {
            self.moved_first.d.next = bits::<1>(1);
        }
        if self.inputs.last.val() {
            self.moved_last.d.next = bits::<1>(1);
        }
        self.moved_distance.d.next = self.boundary.q.val().get_bits::<16>(0);
        self.moved_crossed.d.next = self.crossed.q.val();
        self.moved_by.d.next = self.gap[0].q.val();
        if self.crossed.q.val() == bits::<3>(1) {
            self.moved_by.d.next = self.gap[1].q.val();
        }
        if self.crossed.q.val() == bits::<3>(2) {
            self.moved_by.d.next = self.gap[2].q.val();
        }
        if self.crossed.q.val() == bits::<3>(3) {
            self.moved_by.d.next = self.gap[3].q.val();
        }
        if self.crossed.q.val() == bits::<3>(4) {
            self.moved_by.d.next = self.gap[4].q.val();
        }
        self.moved_address.d.next = self.window_address.q.val();
        self.moved_x.d.next = self.window_x.q.val();
        self.moved_y.d.next = self.window_y.q.val();
        self.moved_tile.d.next = self.tile_pointer.value.val();

        // The vector.
        self.out_valid.d.next = self.moved_valid.q.val();
        self.out_first.d.next = self.moved_first.q.val() & self.moved_valid.q.val();
        self.out_last.d.next = self.moved_last.q.val() & self.moved_valid.q.val();
        self.out_distance.d.next = self.moved_distance.q.val();
        self.out_x.d.next = self.moved_x.q.val();
        self.out_tile.d.next = self.moved_tile.q.val();
        if self.moved_valid.q.val() == bits::<1>(1) {
            self.out_address.d.next = self.out_address.q.val() + self.moved_by.q.val();
            self.out_y.d.next = self.out_y.q.val() + bit_cast::<32, 3>(self.moved_crossed.q.val());
            self.out_rows_left.d.next = bits::<8>(0);
            if self.out_rows_left.q.val() > bit_cast::<8, 3>(self.moved_crossed.q.val()) {
                self.out_rows_left.d.next =
                    self.out_rows_left.q.val() - bit_cast::<8, 3>(self.moved_crossed.q.val());
            }
            if self.moved_first.q.val() == bits::<1>(1) {
                self.out_address.d.next = self.moved_address.q.val();
                self.out_y.d.next = self.moved_y.q.val();
                self.out_rows_left.d.next = self.kernel_height.val();
            }
        }

        if self.reset.val() {
            self.running.d.next = false;
            self.go.d.next = false;
            self.fills_line.d.next = false;
            self.fills_pixel.d.next = false;
            self.fills_window.d.next = false;
            self.ends_window.d.next = false;
            self.takes_pixel.d.next = false;
            self.takes_line.d.next = false;
            self.takes_batch.d.next = false;
            self.moved_valid.d.next = bits::<1>(0);
            self.out_valid.d.next = bits::<1>(0);
        }
    }
}
