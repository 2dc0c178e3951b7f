//! Collect: turns a vector of R results into rows of C sums for the accumulators, a row a cycle.
//!
//! ```text
//!  R results --> [ held ] --> C sums of the first row, then of the second
//! ```

use rust_hdl::prelude::*;

use super::lane::SUM_BITS;
use crate::bits::{concatenate, slice};

/// For results of `RS` = R x 24 bits and rows of `AW` = C x 32 bits.
#[derive(LogicBlock, Default)]
pub struct Collect<const RS: usize, const AW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets everything.
    pub reset: Signal<In, Bit>,
    /// Results come.
    pub valid: Signal<In, Bits<1>>,
    /// In how many rows, 1 or 2; the next results come no sooner than as many cycles later.
    pub rows: Signal<In, Bits<8>>,
    /// The results.
    pub results: Signal<In, Bits<RS>>,
    /// A row follows in the next cycle.
    pub row_valid: Signal<Out, Bit>,
    /// Its sums, a cycle after.
    pub sums: Signal<Out, Bits<AW>>,
    _held: Vec<u64>,
    _pending: usize,
    _second: bool,
}

impl<const RS: usize, const AW: usize> Collect<RS, AW> {
    const COLUMNS: usize = AW / 32;
    const LANES: usize = RS / SUM_BITS;

    /// A block that holds nothing.
    pub fn new() -> Self {
        assert!(
            Self::LANES == Self::COLUMNS || Self::LANES == 2 * Self::COLUMNS,
            "the array has as many rows as columns, or twice as many"
        );
        Self {
            _held: vec![0; Self::LANES],
            ..Default::default()
        }
    }
}

impl<const RS: usize, const AW: usize> Logic for Collect<RS, AW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let first = if self._second { Self::COLUMNS } else { 0 };
            let extended = |value: u64| value | if value >> 23 == 1 { 0xff00_0000 } else { 0 };
            let row: Vec<u64> = (0..Self::COLUMNS)
                .map(|column| extended(self._held[(first + column) % Self::LANES]))
                .collect();
            self.sums.next = concatenate(32, row);
            let pending = self._pending;
            self._second = pending == 2;
            self._pending = pending.saturating_sub(1);
            if self.valid.val().get_bit(0) {
                let results = self.results.val();
                self._held = (0..Self::LANES)
                    .map(|lane| slice(results, lane * SUM_BITS, SUM_BITS))
                    .collect();
                self._pending = (self.rows.val().index() & 3).min(2);
                self._second = false;
            }
            if self.reset.val() {
                self._pending = 0;
            }
        }
        self.row_valid.next = self._pending != 0;
    }

    fn connect(&mut self) {
        self.row_valid.connect();
        self.sums.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut rows = String::new();
        for column in 0..Self::COLUMNS {
            let other = (Self::COLUMNS + column) % Self::LANES;
            rows += &format!(
                "   sums[{}+:32] <= second ? {{{{8{{held[{}]}}}}, held[{}+:24]}} : {{{{8{{held[{}]}}}}, held[{}+:24]}};\n",
                column * 32,
                other * 24 + 23,
                other * 24,
                column * 24 + 23,
                column * 24,
            );
        }
        Verilog::Custom(format!(
            "\
reg [{RS}-1:0] held;
reg [1:0] pending;
reg second;

initial begin
   pending = 2'd0;
   second = 1'b0;
   row_valid = 1'b0;
end

always @(posedge clock) begin
{rows}   second <= pending == 2'd2;
   if (pending != 2'd0) pending <= pending - 2'd1;
   row_valid <= pending > 2'd1;
   if (valid) begin
      held <= results;
      pending <= (rows[1:0] == 2'd3) ? 2'd2 : rows[1:0];
      second <= 1'b0;
      row_valid <= rows[1:0] != 2'd0;
   end
   if (reset) begin
      pending <= 2'd0;
      row_valid <= 1'b0;
   end
end
"
        ))
    }
}
