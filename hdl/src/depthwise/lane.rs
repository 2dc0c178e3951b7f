//! One depthwise lane: a channel's weights, three multipliers, three sums.
//!
//! A value belongs to up to three pixels, with the kernel columns that are a pixel step apart: sum
//! m is that of the pixel that began m steps ago. After the last phase of a step the sums move on
//! by one, and the youngest begins anew.
//!
//! ```text
//!  activation --+--> x weight 0 --> sum 0 --shift--> sum 1 --shift--> sum 2
//!               +--> x weight 1 -----------------------^                ^
//!               +--> x weight 2 ----------------------------------------+
//! ```
//!
//! For pooling the weight is one, or the sum a maximum.

use rust_hdl::prelude::*;
use systole_regs::instructions::DEPTHWISE_STEPS_MAX;

use crate::bits::{from_signed, slice, to_signed};

/// Cycles from an activation to the result that it completes.
pub const LATENCY: usize = 3;

/// Bits of a sum.
pub const SUM_BITS: usize = 24;

/// What goes with an activation.
#[derive(Clone, Copy, Default)]
struct Flags {
    valid: bool,
    clear: bool,
    shift: bool,
    age: usize,
}

/// A lane whose array row has weights of `CW` bits.
#[derive(LogicBlock, Default)]
pub struct DepthwiseLane<const CW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Writes the first three bytes of `weights` at `weight_step`.
    pub weight_valid: Signal<In, Bit>,
    /// Step of the weights that come.
    pub weight_step: Signal<In, Bits<6>>,
    /// Weights of the lane's array row.
    pub weights: Signal<In, Bits<CW>>,
    /// Weights are one.
    pub ones: Signal<In, Bit>,
    /// The sum is a maximum.
    pub maximum: Signal<In, Bit>,
    /// An activation comes.
    pub valid: Signal<In, Bits<1>>,
    /// It begins all sums.
    pub clear: Signal<In, Bits<1>>,
    /// After it the sums grow older.
    pub shift: Signal<In, Bits<1>>,
    /// Sum to show.
    pub age: Signal<In, Bits<2>>,
    /// Step whose weights it meets.
    pub step: Signal<In, Bits<6>>,
    /// The activation, signed.
    pub activation: Signal<In, Bits<8>>,
    /// The sum of that age with the activation of [`LATENCY`] cycles ago.
    pub result: Signal<Out, Bits<24>>,
    _memory: Vec<[i64; 3]>,
    _operand: i64,
    _factors: [i64; 3],
    _products: [i64; 3],
    _flags: [Flags; 2],
    _sums: [i64; 3],
}

impl<const CW: usize> DepthwiseLane<CW> {
    /// A lane.
    pub fn new() -> Self {
        assert!(CW >= 24, "an array row has at least three weights");
        Self {
            _memory: vec![[0; 3]; DEPTHWISE_STEPS_MAX],
            ..Default::default()
        }
    }
}

/// Two's complement of 24 bits.
fn wrap(value: i64) -> i64 {
    value << (64 - SUM_BITS) >> (64 - SUM_BITS)
}

impl<const CW: usize> Logic for DepthwiseLane<CW> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let maximum = self.maximum.val();
            let initial = if maximum { -128 } else { 0 };
            let Flags {
                valid,
                clear,
                shift,
                age,
            } = self._flags[1];
            let sums: [i64; 3] = std::array::from_fn(|index| {
                let base = if clear { initial } else { self._sums[index] };
                if maximum {
                    base.max(self._products[index])
                } else {
                    wrap(base + self._products[index])
                }
            });
            self.result.next = from_signed(sums[age.min(2)]);
            if valid {
                self._sums = if shift {
                    [initial, sums[0], sums[1]]
                } else {
                    sums
                };
            }

            self._products = self._factors.map(|factor| {
                if maximum {
                    self._operand
                } else {
                    self._operand * factor
                }
            });
            self._flags[1] = self._flags[0];

            self._operand = to_signed(self.activation.val());
            self._factors = if self.ones.val() {
                [1; 3]
            } else {
                self._memory[self.step.val().index()]
            };
            self._flags[0] = Flags {
                valid: self.valid.val().get_bit(0),
                clear: self.clear.val().get_bit(0),
                shift: self.shift.val().get_bit(0),
                age: self.age.val().index(),
            };
            if self.weight_valid.val() {
                let weights = self.weights.val();
                self._memory[self.weight_step.val().index()] =
                    std::array::from_fn(|index| i64::from(slice(weights, index * 8, 8) as i8));
            }
        }
    }

    fn connect(&mut self) {
        self.result.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut declare = String::new();
        let mut clocked = String::new();
        let mut initial = String::new();
        for index in 0..3 {
            // Sums of shifted operands: multipliers of these few bits are left to the LUTs, the
            // DSPs belong to the array.
            let terms: Vec<_> = (0..8)
                .map(|bit| {
                    let sign = if bit == 7 { "-" } else { "+" };
                    format!("{sign} (factor{index}[{bit}] ? (wide <<< {bit}) : 16'sd0)")
                })
                .collect();
            declare += &format!(
                "\
reg signed [7:0] factor{index};
reg signed [15:0] product{index};
reg signed [23:0] sum{index};
wire signed [15:0] multiplied{index} = 16'sd0 {terms};
wire signed [23:0] base{index} = clear2 ? first : sum{index};
wire signed [23:0] term{index} = {{{{8{{product{index}[15]}}}}, product{index}}};
wire signed [23:0] next{index} = maximum ? (base{index} > term{index} ? base{index} : term{index}) : base{index} + term{index};
",
                terms = terms.join(" ")
            );
            clocked += &format!(
                "   factor{index} <= ones ? 8'sd1 : $signed(read[{}:{}]);\n   product{index} <= maximum ? wide : multiplied{index};\n   if (valid2) sum{index} <= shift2 ? {moved} : next{index};\n",
                index * 8 + 7,
                index * 8,
                moved = if index == 0 {
                    "first".to_owned()
                } else {
                    format!("next{}", index - 1)
                }
            );
            initial += &format!("   sum{index} = 24'sd0;\n");
        }
        Verilog::Custom(format!(
            "\
(* ram_style = \"distributed\" *)
reg [23:0] memory [0:{last}];
reg signed [7:0] operand;
reg valid1, valid2, clear1, clear2, shift1, shift2;
reg [1:0] age1, age2;
wire [23:0] read = memory[step];
wire signed [15:0] wide = {{{{8{{operand[7]}}}}, operand}};
wire signed [23:0] first = maximum ? -24'sd128 : 24'sd0;
{declare}
initial begin
   valid1 = 1'b0;
   valid2 = 1'b0;
{initial}end

always @(posedge clock) begin
   if (weight_valid) memory[weight_step] <= weights[23:0];
   operand <= activation;
   valid1 <= valid;
   clear1 <= clear;
   shift1 <= shift;
   age1 <= age;
   valid2 <= valid1;
   clear2 <= clear1;
   shift2 <= shift1;
   age2 <= age1;
{clocked}   result <= (age2 == 2'd0) ? next0 : (age2 == 2'd1) ? next1 : next2;
end
",
            last = DEPTHWISE_STEPS_MAX - 1
        ))
    }
}
