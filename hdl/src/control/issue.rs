//! Matrix issue: the order in which vectors and weight tiles meet in the array.
//!
//! ```text
//!  for each column tile
//!    for each block of rows            (waits until the accumulators have room for it)
//!      for each input tile             (a new weight tile is swapped in)
//!        for each row of the block     (one vector a cycle)
//! ```
//!
//! Addresses only ever grow by constants, so there is no multiplier here.

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
    /// Rows that share a weight tile.
    pub block_rows: Signal<In, Bits<16>>,
    /// Column tiles.
    pub column_tiles: Signal<In, Bits<16>>,
    /// Input tiles.
    pub input_tiles: Signal<In, Bits<16>>,
    /// Scratchpad address of the first row.
    pub input_address: Signal<In, Bits<32>>,
    /// Bytes from row to row.
    pub input_stride: Signal<In, Bits<32>>,
    /// First weight tile in the weight memory.
    pub first_tile: Signal<In, Bits<16>>,
    /// An accumulator row has been drained.
    pub freed: Signal<In, Bit>,
    /// Vectors are still to come.
    pub active: Signal<Out, Bit>,
    /// A vector is issued.
    pub valid: Signal<Out, Bits<1>>,
    /// It brings a new tile.
    pub load: Signal<Out, Bits<1>>,
    /// It begins a sum.
    pub first: Signal<Out, Bits<1>>,
    /// It completes a sum.
    pub last: Signal<Out, Bits<1>>,
    /// Its accumulator row.
    pub row: Signal<Out, Bits<16>>,
    /// Its scratchpad address.
    pub address: Signal<Out, Bits<32>>,
    /// Its weight tile.
    pub tile: Signal<Out, Bits<16>>,
    /// Waiting for accumulators.
    pub stalled: Signal<Out, Bit>,
    vector_bytes: Fixed<Bits<32>>,
    accumulator_rows: Fixed<Bits<16>>,
    running: DFF<Bit>,
    columns_left: DFF<Bits<16>>,
    rows_left: DFF<Bits<16>>,
    inputs_left: DFF<Bits<16>>,
    block_index: DFF<Bits<16>>,
    vector_pointer: DFF<Bits<32>>,
    input_pointer: DFF<Bits<32>>,
    next_block_pointer: DFF<Bits<32>>,
    tile_pointer: DFF<Bits<16>>,
    column_first_tile: DFF<Bits<16>>,
    block_first_row: DFF<Bits<16>>,
    accumulator_pointer: DFF<Bits<16>>,
    free: DFF<Bits<16>>,
    out_valid: DFF<Bits<1>>,
    out_load: DFF<Bits<1>>,
    out_first: DFF<Bits<1>>,
    out_last: DFF<Bits<1>>,
    out_row: DFF<Bits<16>>,
    out_address: DFF<Bits<32>>,
    out_tile: DFF<Bits<16>>,
    size: Signal<Local, Bits<16>>,
    block_start: Signal<Local, Bit>,
    first_input: Signal<Local, Bit>,
    last_input: Signal<Local, Bit>,
    last_in_block: Signal<Local, Bit>,
    go: Signal<Local, Bit>,
    following: Signal<Local, Bits<32>>,
    next_free: Signal<Local, Bits<16>>,
}

impl MatrixIssue {
    /// For an array of `rows` rows and this many accumulator rows.
    pub fn new(rows: usize, accumulator_rows: usize) -> Self {
        Self {
            vector_bytes: Fixed::new((rows as u64).into()),
            accumulator_rows: Fixed::new((accumulator_rows as u64).into()),
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
            columns_left,
            rows_left,
            inputs_left,
            block_index,
            vector_pointer,
            input_pointer,
            next_block_pointer,
            tile_pointer,
            column_first_tile,
            block_first_row,
            accumulator_pointer,
            free,
            out_valid,
            out_load,
            out_first,
            out_last,
            out_row,
            out_address,
            out_tile
        );
        self.active.next = self.running.q.val();
        self.valid.next = self.out_valid.q.val();
        self.load.next = self.out_load.q.val();
        self.first.next = self.out_first.q.val();
        self.last.next = self.out_last.q.val();
        self.row.next = self.out_row.q.val();
        self.address.next = self.out_address.q.val();
        self.tile.next = self.out_tile.q.val();

        // Where in the loops this cycle is.
        self.size.next = self.block_rows.val();
        if self.rows_left.q.val() < self.block_rows.val() {
            self.size.next = self.rows_left.q.val();
        }
        self.first_input.next = self.inputs_left.q.val() == self.input_tiles.val();
        self.last_input.next = self.inputs_left.q.val() == bits::<16>(1);
        self.block_start.next =
            self.first_input.val() && (self.block_index.q.val() == bits::<16>(0));
        self.last_in_block.next = (self.block_index.q.val() + bits::<16>(1)) == self.size.val();
        self.go.next = self.running.q.val()
            && (!self.block_start.val() || (self.free.q.val() >= self.size.val()));
        self.stalled.next = self.running.q.val() && !self.go.val();
        self.following.next = self.vector_pointer.q.val() + self.input_stride.val();

        self.out_valid.d.next = bits::<1>(0);
        self.out_load.d.next = bits::<1>(0);
        self.out_first.d.next = bits::<1>(0);
        self.out_last.d.next = bits::<1>(0);
        self.out_row.d.next =
            self.accumulator_pointer.q.val() & (self.accumulator_rows.val() - bits::<16>(1));
        self.out_address.d.next = self.vector_pointer.q.val();
        self.out_tile.d.next = self.tile_pointer.q.val();

        self.next_free.next = self.free.q.val();
        if self.freed.val() {
            self.next_free.next = self.next_free.val() + bits::<16>(1);
        }
        if self.go.val() && self.block_start.val() {
            self.next_free.next = self.next_free.val() - self.size.val();
        }
        self.free.d.next = self.next_free.val();

        if self.go.val() {
            self.out_valid.d.next = bits::<1>(1);
            if self.block_index.q.val() == bits::<16>(0) {
                self.out_load.d.next = bits::<1>(1);
            }
            if self.first_input.val() {
                self.out_first.d.next = bits::<1>(1);
            }
            if self.last_input.val() {
                self.out_last.d.next = bits::<1>(1);
            }
            if !self.last_in_block.val() {
                self.block_index.d.next = self.block_index.q.val() + bits::<16>(1);
                self.vector_pointer.d.next = self.following.val();
                self.accumulator_pointer.d.next = self.accumulator_pointer.q.val() + bits::<16>(1);
            } else {
                self.block_index.d.next = bits::<16>(0);
                if self.first_input.val() {
                    self.next_block_pointer.d.next = self.following.val();
                }
                if !self.last_input.val() {
                    self.inputs_left.d.next = self.inputs_left.q.val() - bits::<16>(1);
                    self.input_pointer.d.next =
                        self.input_pointer.q.val() + self.vector_bytes.val();
                    self.vector_pointer.d.next =
                        self.input_pointer.q.val() + self.vector_bytes.val();
                    self.tile_pointer.d.next = self.tile_pointer.q.val() + bits::<16>(1);
                    self.accumulator_pointer.d.next = self.block_first_row.q.val();
                } else {
                    // The block is complete.
                    self.inputs_left.d.next = self.input_tiles.val();
                    self.accumulator_pointer.d.next =
                        self.accumulator_pointer.q.val() + bits::<16>(1);
                    self.block_first_row.d.next = self.accumulator_pointer.q.val() + bits::<16>(1);
                    if self.rows_left.q.val() != self.size.val() {
                        self.rows_left.d.next = self.rows_left.q.val() - self.size.val();
                        self.tile_pointer.d.next = self.column_first_tile.q.val();
                        if self.first_input.val() {
                            self.vector_pointer.d.next = self.following.val();
                            self.input_pointer.d.next = self.following.val();
                        } else {
                            self.vector_pointer.d.next = self.next_block_pointer.q.val();
                            self.input_pointer.d.next = self.next_block_pointer.q.val();
                        }
                    } else {
                        self.rows_left.d.next = self.rows.val();
                        self.vector_pointer.d.next = self.input_address.val();
                        self.input_pointer.d.next = self.input_address.val();
                        self.tile_pointer.d.next = self.tile_pointer.q.val() + bits::<16>(1);
                        self.column_first_tile.d.next = self.tile_pointer.q.val() + bits::<16>(1);
                        self.columns_left.d.next = self.columns_left.q.val() - bits::<16>(1);
                        if self.columns_left.q.val() == bits::<16>(1) {
                            self.running.d.next = false;
                        }
                    }
                }
            }
        }

        if self.start.val() {
            self.running.d.next = true;
            self.columns_left.d.next = self.column_tiles.val();
            self.rows_left.d.next = self.rows.val();
            self.inputs_left.d.next = self.input_tiles.val();
            self.block_index.d.next = bits::<16>(0);
            self.vector_pointer.d.next = self.input_address.val();
            self.input_pointer.d.next = self.input_address.val();
            self.tile_pointer.d.next = self.first_tile.val();
            self.column_first_tile.d.next = self.first_tile.val();
        }
        if self.reset.val() {
            self.running.d.next = false;
            self.block_first_row.d.next = bits::<16>(0);
            self.accumulator_pointer.d.next = bits::<16>(0);
            self.free.d.next = self.accumulator_rows.val();
            self.out_valid.d.next = bits::<1>(0);
            self.out_load.d.next = bits::<1>(0);
        }
    }
}
