//! Accumulators: rows of C 32-bit sums, added to as partial sums leave the array, or filled by
//! the depthwise path.
//!
//! A read-modify-write takes two cycles, and the same row is hit in consecutive ones, so sums that
//! are not yet in the memory are forwarded.
//!
//! ```text
//!  row, first, last --+--> [memory] --> fetched --+
//!   (a cycle before   |                           v
//!    the sums)        |   partial sums ---------> + --> sum --> [memory]
//!                     |                           ^      |
//!                     |                           +------+ forward
//!                     +--> ... --> complete (sum of the row is in memory)
//!
//!  drain_row --> [memory] --> sums (to requantization)
//! ```

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice, to_signed};

/// Accumulators for `C` columns with partial sums of `P` bits; `AW` = C x 32.
#[derive(LogicBlock)]
pub struct Accumulators<const C: usize, const P: usize, const AW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A vector's partial sums follow in the next cycle.
    pub valid: Signal<In, Bit>,
    /// They begin a sum rather than add to one.
    pub first: Signal<In, Bit>,
    /// They complete the sum.
    pub last: Signal<In, Bit>,
    /// Their row.
    pub row: Signal<In, Bits<16>>,
    /// Partial sums of the columns, signed, a cycle after the signals above.
    pub partial_sums: [Signal<In, Bits<P>>; C],
    /// Complete sums for the row at `row` follow in the next cycle. Never with `valid`.
    pub direct: Signal<In, Bit>,
    /// The sums, a cycle after.
    pub direct_sums: Signal<In, Bits<AW>>,
    /// A row's sums are complete and readable.
    pub complete: Signal<Out, Bit>,
    /// Row to read.
    pub drain_row: Signal<In, Bits<16>>,
    /// Sums of the row addressed two cycles ago.
    pub sums: Signal<Out, Bits<AW>>,
    _memory: Vec<[i32; C]>,
    _fetched: [i32; C],
    _stage: [Stage<C>; 3],
    _drained: [i32; C],
}

/// What travels with a vector through the pipeline.
#[derive(Clone, Copy)]
struct Stage<const C: usize> {
    valid: bool,
    direct: bool,
    first: bool,
    last: bool,
    row: usize,
    sum: [i32; C],
}

impl<const C: usize> Default for Stage<C> {
    fn default() -> Self {
        Self {
            valid: false,
            direct: false,
            first: false,
            last: false,
            row: 0,
            sum: [0; C],
        }
    }
}

impl<const C: usize, const P: usize, const AW: usize> Accumulators<C, P, AW> {
    /// Accumulators with this many rows, a power of two.
    pub fn new(rows: usize) -> Self {
        assert!(AW == C * 32 && rows.is_power_of_two());
        Self {
            clock: Signal::default(),
            valid: Signal::default(),
            first: Signal::default(),
            last: Signal::default(),
            row: Signal::default(),
            partial_sums: std::array::from_fn(|_| Signal::default()),
            direct: Signal::default(),
            direct_sums: Signal::default(),
            complete: Signal::default(),
            drain_row: Signal::default(),
            sums: Signal::default(),
            _memory: vec![[0; C]; rows],
            _fetched: [0; C],
            _stage: Default::default(),
            _drained: [0; C],
        }
    }
}

impl<const C: usize, const P: usize, const AW: usize> Logic for Accumulators<C, P, AW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let [fetching, summed, written] = self._stage;
            let rows = self._memory.len();

            self.sums.next = concatenate(32, self._drained.map(|sum| u64::from(sum as u32)));
            self._drained = self._memory[self.drain_row.val().index() % rows];

            let base = if fetching.first {
                [0; C]
            } else if summed.valid && summed.row == fetching.row {
                summed.sum
            } else if written.valid && written.row == fetching.row {
                written.sum
            } else {
                self._fetched
            };
            let mut sum = base;
            for (sum, partial) in sum.iter_mut().zip(&self.partial_sums) {
                *sum = sum.wrapping_add(to_signed(partial.val()) as i32);
            }

            if fetching.direct {
                let direct = self.direct_sums.val();
                sum = std::array::from_fn(|column| slice(direct, column * 32, 32) as u32 as i32);
            }

            let row = self.row.val().index() % rows;
            self._fetched = self._memory[row];
            if summed.valid {
                self._memory[summed.row] = summed.sum;
            }
            self.complete.next = summed.valid && summed.last;
            self._stage = [
                Stage {
                    valid: self.valid.val() || self.direct.val(),
                    direct: self.direct.val(),
                    first: self.first.val(),
                    last: self.last.val() || self.direct.val(),
                    row,
                    sum: [0; C],
                },
                Stage { sum, ..fetching },
                summed,
            ];
        }
    }

    fn connect(&mut self) {
        self.complete.connect();
        self.sums.connect();
    }

    fn hdl(&self) -> Verilog {
        let rows = self._memory.len();
        let top = index_bits(rows) - 1;
        let mut additions = String::new();
        for column in 0..C {
            additions += &format!(
                "   sum[{low}+:32] <= fetched_direct ? direct_sums[{low}+:32] : base[{low}+:32] + {{{{{extend}{{partial_sums${column}[{sign}]}}}}, partial_sums${column}}};\n",
                low = column * 32,
                extend = 32 - P,
                sign = P - 1,
            );
        }
        Verilog::Custom(format!(
            "\
// Wide and shallow: LUT memory, not block RAM.
(* ram_style = \"distributed\" *)
reg [{AW}-1:0] memory [0:{last}];
reg [{AW}-1:0] fetched;
reg [{AW}-1:0] sum;
reg [{AW}-1:0] written;
reg [{AW}-1:0] drained;
reg [{top}:0] fetched_row;
reg [{top}:0] summed_row;
reg forward_sum, forward_written;
reg fetched_valid, fetched_direct, fetched_first, fetched_last;
reg summed_valid, summed_last;

initial begin
   fetched_valid = 1'b0;
   summed_valid = 1'b0;
   forward_sum = 1'b0;
   forward_written = 1'b0;
   complete = 1'b0;
end

wire [{AW}-1:0] base = fetched_first ? {AW}'d0 : forward_sum ? sum : forward_written ? written : fetched;

always @(posedge clock) begin
   fetched <= memory[row[{top}:0]];
   fetched_row <= row[{top}:0];
   fetched_valid <= valid | direct;
   fetched_direct <= direct;
   fetched_first <= first;
   fetched_last <= last | direct;
{additions}   summed_row <= fetched_row;
   summed_valid <= fetched_valid;
   summed_last <= fetched_last;
   if (summed_valid) memory[summed_row] <= sum;
   written <= sum;
   // Whether the row that is fetched now will have its sum before the memory has it.
   forward_sum <= fetched_valid && fetched_row == row[{top}:0];
   forward_written <= summed_valid && summed_row == row[{top}:0];
   complete <= summed_valid & summed_last;
   drained <= memory[drain_row[{top}:0]];
   sums <= drained;
end
",
            last = rows - 1
        ))
    }
}
