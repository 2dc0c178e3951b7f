//! The processing element: one multiplier, two weights, one step of a partial sum.
//!
//! ```text
//!            weight    partial_sum_in
//!              |             |
//!  load ---> shadow          |
//!  swap ---> active          |
//!              |             v
//!  activation -+-> * ------> + -> partial_sum
//! ```
//!
//! The shadow weight is loaded while the active one multiplies, so a new tile costs no cycle: the
//! element whose row receives the first vector of a tile swaps in the same cycle.
//!
//! The element is replaceable: whatever has these ports and adds the product of the activation
//! that entered three cycles ago works in the array.

use rust_hdl::prelude::*;

use crate::bits::{from_signed, to_signed};

/// One element with a partial sum of `P` bits.
#[derive(LogicBlock, Default)]
pub struct Element<const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Weight for the shadow register, signed.
    pub weight: Signal<In, Bits<8>>,
    /// Takes `weight` into the shadow register.
    pub load: Signal<In, Bit>,
    /// Makes the shadow weight the active one, for the activation of the same cycle on.
    pub swap: Signal<In, Bit>,
    /// Activation, signed.
    pub activation: Signal<In, Bits<8>>,
    /// Partial sum of the element above, for the activation that entered two cycles ago.
    pub partial_sum_in: Signal<In, Bits<P>>,
    /// Partial sum with this element's product: activation to sum takes three cycles.
    pub partial_sum: Signal<Out, Bits<P>>,
    _shadow: i64,
    _active: i64,
    _operand: i64,
    _product: i64,
}

impl<const P: usize> Logic for Element<P> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let sum = to_signed(self.partial_sum_in.val()) + self._product;
            self.partial_sum.next = from_signed(sum);
            self._product = self._operand * self._active;
            self._operand = to_signed(self.activation.val());
            if self.swap.val() {
                self._active = self._shadow;
            }
            if self.load.val() {
                self._shadow = to_signed(self.weight.val());
            }
        }
    }

    fn connect(&mut self) {
        self.partial_sum.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "\
reg signed [7:0] shadow;
reg signed [7:0] active;
reg signed [7:0] operand;
reg signed [15:0] product;

initial begin
   shadow = 8'd0;
   active = 8'd0;
   operand = 8'd0;
   product = 16'd0;
   partial_sum = {P}'d0;
end

always @(posedge clock) begin
   if (load) shadow <= weight;
   if (swap) active <= shadow;
   operand <= activation;
   product <= operand * active;
   partial_sum <= partial_sum_in + {{{{{extension}{{product[15]}}}}, product}};
end
",
            extension = P - 16
        ))
    }
}
