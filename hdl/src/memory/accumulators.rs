//! Accumulators: rows of C 32-bit sums, added to as partial sums leave the array, or filled by
//! the depthwise path.
//!
//! A sum is in the memory two cycles after its row came, and the same row is hit in consecutive
//! cycles, so the sum of the cycle before is forwarded.
//!
//! ```text
//!  row, first, last --+--> [memory] --> fetched --+
//!   (a cycle before   |      ^                    v
//!    the sums)        |      |    partial sums -> + --+--> sum --> [block RAM] <-- drain_row
//!                     |      |                    ^   |     |           |
//!                     |      |                    +---------+ forward   +--> sums
//!                     |      +------------------------+                 (to requantization)
//!                     +--> ... --> complete (sum of the row is in the block RAM)
//! ```
//!
//! The memory is of LUTs, as its data are added to in the next cycle. Rows are in banks of 16, what
//! one LUT memory holds; each bank has a register of its own that is zero unless its row is added
//! to, so that an OR joins them rather than a multiplexer, and a sum begins with zeros for nothing.
//!
//! Requantization reads a copy in block RAM, where reading what is being written gives anything. It
//! never does: a row's last sum is written in the cycle before `complete`, and the drain addresses
//! the row two cycles after that one at the earliest (it counts complete rows in a register, and
//! addresses from another). Sums are added to a row again after the drain has freed it, which it
//! does with its last address.

use rust_hdl::prelude::*;

use crate::bits::{concatenate, index_bits, slice, to_signed};

/// Rows of a bank of the memory that is added to.
const BANK_ROWS: usize = 16;

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
    _copy: Vec<[i32; C]>,
    _fetched: [i32; C],
    _stage: [Stage<C>; 2],
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
            _copy: vec![[0; C]; rows],
            _fetched: [0; C],
            _stage: Default::default(),
            _drained: [0; C],
        }
    }
}

impl<const C: usize, const P: usize, const AW: usize> Logic for Accumulators<C, P, AW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let [fetching, summed] = self._stage;
            let rows = self._memory.len();

            self.sums.next = concatenate(32, self._drained.map(|sum| u64::from(sum as u32)));
            self._drained = self._copy[self.drain_row.val().index() % rows];

            let base = if fetching.first {
                [0; C]
            } else if summed.valid && summed.row == fetching.row {
                summed.sum
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
            if fetching.valid {
                self._memory[fetching.row] = sum;
            }
            if summed.valid {
                self._copy[summed.row] = summed.sum;
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
        let mut columns = String::new();
        let mut drained = Vec::new();
        for column in 0..C {
            // What is added, the sum, and its copy for the drain.
            columns += &format!(
                "\
assign terms[{low}+:32] = fetched_direct ? direct_sums[{low}+:32] : {{{{{extend}{{partial_sums${column}[{sign}]}}}}, partial_sums${column}}};
systole_choose_add #(.WIDTH(32)) adder{column} (
   .choose(forward_sum), .chosen(sum[{low}+:32]), .other(fetched[{low}+:32]),
   .term(terms[{low}+:32]), .sum(added[{low}+:32])
);
wire [31:0] drained{column};
systole_block_ram #(.WIDTH(32), .DEPTH({rows}), .ADDRESS({address})) drain{column} (
   .clock(clock), .write_valid(summed_valid), .write_address(summed_row),
   .write_data(sum[{low}+:32]), .read_address(drain_row[{top}:0]), .data(drained{column})
);
",
                low = column * 32,
                extend = 32 - P,
                sign = P - 1,
                address = top + 1,
            );
            drained.push(format!("drained{column}"));
        }
        drained.reverse();
        let bank_rows = rows.min(BANK_ROWS);
        let bank_top = index_bits(bank_rows) - 1;
        let mut memories = String::new();
        let mut clocked = String::new();
        let mut fetched = Vec::new();
        for bank in 0..rows / bank_rows {
            let of_bank = |row: &str| match top - bank_top {
                0 => "1'b1".to_owned(),
                bits => format!("{row}[{top}:{}] == {bits}'d{bank}", bank_top + 1),
            };
            memories += &format!(
                "\
(* ram_style = \"distributed\", no_rw_check *)
reg [{AW}-1:0] memory{bank} [0:{last}];
reg [{AW}-1:0] fetched{bank};
",
                last = bank_rows - 1,
            );
            clocked += &format!(
                "   fetched{bank} <= adds && {read} ? memory{bank}[row[{bank_top}:0]] : {AW}'d0;\n   \
                 if (fetched_valid && {written}) memory{bank}[fetched_row[{bank_top}:0]] <= added;\n",
                read = of_bank("row"),
                written = of_bank("fetched_row"),
            );
            fetched.push(format!("fetched{bank}"));
        }
        Verilog::Custom(format!(
            "\
// What is read in the cycle in which it is written is forwarded.
{memories}reg [{AW}-1:0] sum;
reg [{top}:0] fetched_row;
reg [{top}:0] summed_row;
reg forward_sum;
reg fetched_valid, fetched_direct, fetched_last;
reg summed_valid, summed_last;

initial begin
   fetched_valid = 1'b0;
   summed_valid = 1'b0;
   forward_sum = 1'b0;
   complete = 1'b0;
end

wire adds = valid & ~first; // and so not direct
wire [{AW}-1:0] fetched = {fetched};
wire [{AW}-1:0] terms;
wire [{AW}-1:0] added;
{columns}
always @(*) sums = {{{drained}}};

always @(posedge clock) begin
   fetched_row <= row[{top}:0];
   fetched_valid <= valid | direct;
   fetched_direct <= direct;
   fetched_last <= last | direct;
   sum <= added;
   summed_row <= fetched_row;
   summed_valid <= fetched_valid;
   summed_last <= fetched_last;
   // The row that is fetched now has its sum in the next cycle, and the memory after that.
   forward_sum <= adds && fetched_valid && fetched_row == row[{top}:0];
   complete <= summed_valid & summed_last;
{clocked}end
",
            fetched = fetched.join(" | "),
            drained = drained.join(", "),
        ))
    }
}
