//! Drain: takes complete rows out of the accumulators in the order in which they were issued,
//! Q sums a cycle, and says where each result goes.
//!
//! ```text
//!  complete -> pending rows -> drain_row, select, parameter_entry -> lanes
//!                          \-> write_valid, write_address (delayed as long) -> scratchpad
//! ```

use rust_hdl::prelude::*;

use crate::fixed::Fixed;

use super::unit;
use crate::delay::Delay;

/// Cycles from a row's address to its sums (the accumulators' output register).
const SUM_LATENCY: usize = 2;

/// Walks over rows and column tiles as [`crate::control::issue::MatrixIssue`] does.
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
    /// Column tiles.
    pub column_tiles: Signal<In, Bits<16>>,
    /// Scratchpad address of the first row's output.
    pub output_address: Signal<In, Bits<32>>,
    /// Bytes from row to row.
    pub output_stride: Signal<In, Bits<32>>,
    /// First entry in the parameter memory.
    pub first_parameter: Signal<In, Bits<32>>,
    /// A row's sums are complete.
    pub complete: Signal<In, Bit>,
    /// Accumulator row to read.
    pub drain_row: Signal<Out, Bits<16>>,
    /// Group of the row, when its sums are there.
    pub select: Signal<Out, Bits<8>>,
    /// Parameters to read for it.
    pub parameter_entry: Signal<Out, Bits<32>>,
    /// Results are to be written.
    pub write_valid: Signal<Out, Bits<1>>,
    /// Where.
    pub write_address: Signal<Out, Bits<32>>,
    /// A row has been read for the last time.
    pub freed: Signal<Out, Bit>,
    /// Results are still to come.
    pub busy: Signal<Out, Bit>,
    groups: Fixed<Bits<8>>,
    group_bytes: Fixed<Bits<32>>,
    columns: Fixed<Bits<32>>,
    running: DFF<Bit>,
    finishing: DFF<Bit>,
    pending: DFF<Bits<16>>,
    rows_left: DFF<Bits<16>>,
    columns_left: DFF<Bits<16>>,
    group: DFF<Bits<8>>,
    row_pointer: DFF<Bits<16>>,
    parameter_pointer: DFF<Bits<32>>,
    parameter_first: DFF<Bits<32>>,
    output_pointer: DFF<Bits<32>>,
    output_row: DFF<Bits<32>>,
    output_column: DFF<Bits<32>>,
    out_row: DFF<Bits<16>>,
    out_freed: DFF<Bit>,
    out_select: Delay<8>,
    out_parameter: Delay<32>,
    out_valid: Delay<1>,
    out_address: Delay<32>,
    out_finished: Delay<1>,
    step: Signal<Local, Bit>,
    last_group: Signal<Local, Bit>,
    next_pending: Signal<Local, Bits<16>>,
    next_output: Signal<Local, Bits<32>>,
}

impl Drain {
    /// For rows of `columns` sums that are taken out `lanes` at a time.
    pub fn new(columns: usize, lanes: usize) -> Self {
        // The first register of each delay stands for the one that addresses the memory.
        let results = 1 + SUM_LATENCY + unit::LATENCY;
        Self {
            groups: Fixed::new(((columns / lanes) as u64).into()),
            group_bytes: Fixed::new((lanes as u64).into()),
            columns: Fixed::new((columns as u64).into()),
            out_select: Delay::new(1 + SUM_LATENCY),
            out_parameter: Delay::new(2),
            out_valid: Delay::new(results),
            out_address: Delay::new(results),
            out_finished: Delay::new(results + 1),
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
            pending,
            rows_left,
            columns_left,
            group,
            row_pointer,
            parameter_pointer,
            parameter_first,
            output_pointer,
            output_row,
            output_column,
            out_row,
            out_freed
        );
        clock!(
            self,
            clock,
            out_select,
            out_parameter,
            out_valid,
            out_address,
            out_finished
        );
        self.drain_row.next = self.out_row.q.val();
        self.freed.next = self.out_freed.q.val();
        self.select.next = self.out_select.delayed.val();
        self.parameter_entry.next = self.out_parameter.delayed.val();
        self.write_valid.next = self.out_valid.delayed.val();
        self.write_address.next = self.out_address.delayed.val();
        self.busy.next = self.running.q.val() || self.finishing.q.val();

        self.step.next = self.running.q.val() && (self.pending.q.val() != bits::<16>(0));
        self.last_group.next = (self.group.q.val() + bits::<8>(1)) == self.groups.val();
        self.next_output.next = self.output_row.q.val() + self.output_stride.val();

        self.out_row.d.next = self.row_pointer.q.val();
        self.out_freed.d.next = false;
        self.out_select.entry.next = self.group.q.val();
        self.out_parameter.entry.next = self.parameter_pointer.q.val();
        self.out_valid.entry.next = bits::<1>(0);
        self.out_address.entry.next = self.output_pointer.q.val();
        self.out_finished.entry.next = bits::<1>(0);

        self.next_pending.next = self.pending.q.val();
        if self.complete.val() {
            self.next_pending.next = self.next_pending.val() + bits::<16>(1);
        }
        if self.step.val() && self.last_group.val() {
            self.next_pending.next = self.next_pending.val() - bits::<16>(1);
        }
        self.pending.d.next = self.next_pending.val();

        if self.step.val() {
            self.out_valid.entry.next = bits::<1>(1);
            if !self.last_group.val() {
                self.group.d.next = self.group.q.val() + bits::<8>(1);
                self.output_pointer.d.next = self.output_pointer.q.val() + self.group_bytes.val();
                self.parameter_pointer.d.next =
                    self.parameter_pointer.q.val() + self.group_bytes.val();
            } else {
                self.group.d.next = bits::<8>(0);
                self.out_freed.d.next = true;
                self.row_pointer.d.next = self.row_pointer.q.val() + bits::<16>(1);
                if self.rows_left.q.val() != bits::<16>(1) {
                    self.rows_left.d.next = self.rows_left.q.val() - bits::<16>(1);
                    self.output_row.d.next = self.next_output.val();
                    self.output_pointer.d.next = self.next_output.val();
                    self.parameter_pointer.d.next = self.parameter_first.q.val();
                } else {
                    self.rows_left.d.next = self.rows.val();
                    self.columns_left.d.next = self.columns_left.q.val() - bits::<16>(1);
                    self.output_column.d.next = self.output_column.q.val() + self.columns.val();
                    self.output_row.d.next = self.output_column.q.val() + self.columns.val();
                    self.output_pointer.d.next = self.output_column.q.val() + self.columns.val();
                    self.parameter_first.d.next = self.parameter_first.q.val() + self.columns.val();
                    self.parameter_pointer.d.next =
                        self.parameter_first.q.val() + self.columns.val();
                    if self.columns_left.q.val() == bits::<16>(1) {
                        self.running.d.next = false;
                        self.finishing.d.next = true;
                        self.out_finished.entry.next = bits::<1>(1);
                    }
                }
            }
        }
        if self.out_finished.delayed.val() == bits::<1>(1) {
            self.finishing.d.next = false;
        }

        if self.start.val() {
            self.running.d.next = true;
            self.rows_left.d.next = self.rows.val();
            self.columns_left.d.next = self.column_tiles.val();
            self.group.d.next = bits::<8>(0);
            self.parameter_pointer.d.next = self.first_parameter.val();
            self.parameter_first.d.next = self.first_parameter.val();
            self.output_pointer.d.next = self.output_address.val();
            self.output_row.d.next = self.output_address.val();
            self.output_column.d.next = self.output_address.val();
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.finishing.d.next = false;
            self.pending.d.next = bits::<16>(0);
            self.row_pointer.d.next = bits::<16>(0);
            self.out_valid.entry.next = bits::<1>(0);
            self.out_finished.entry.next = bits::<1>(0);
        }
    }
}
