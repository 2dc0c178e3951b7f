//! One depthwise lane: a channel's weights, three multipliers, three sums; or one multiplier and one
//! sum, and weights from a memory that it shares with other lanes, where LUTs are scarce
//! ([`super::weights`]).
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
//! With one multiplier each activation belongs to one pixel. For pooling the weight is one, or the
//! sum a maximum.

use rust_hdl::prelude::*;
use systole_regs::instructions::{DEPTHWISE_STEPS_MAX, SHARED_COLUMNS, TILE_STEPS_MAX};

use crate::bits::{from_signed, slice, to_signed};
use crate::primitive;

/// Cycles from an activation to the result that it completes, which is chosen in the last of them.
pub const LATENCY: usize = 3 + primitive::LATENCY;

/// Cycles from a step to the weight, where lanes share memories.
pub const READ_LATENCY: usize = 2;

/// Cycles from weights to the first step that may be read: bytes are chosen, and written. A lane may
/// be far from the memory of its row, so that bytes are chosen there and only those travel.
pub const WEIGHT_LATENCY: usize = 2 + READ_LATENCY;

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
    /// Writes bytes of `weights` at `weight_step`, one for each multiplier.
    pub weight_valid: Signal<In, Bit>,
    /// Step of the weights that come.
    pub weight_step: Signal<In, Bits<6>>,
    /// The first of these bytes, the others are 1 and 2; below C.
    pub weight_byte: Signal<In, Bits<3>>,
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
    /// Weight of that step, where lanes share memories.
    pub factor: Signal<In, Bits<8>>,
    /// The activation, signed.
    pub activation: Signal<In, Bits<8>>,
    /// The sum of that age with the activation of [`LATENCY`] cycles ago.
    pub result: Signal<Out, Bits<24>>,
    _columns: usize,
    _memory: Vec<[i64; 3]>,
    _written: Option<(usize, [i64; 3])>,
    _operand: i64,
    _factors: [i64; 3],
    _products: [(i64, [i64; 3]); primitive::LATENCY],
    _flags: [Flags; 1 + primitive::LATENCY],
    _sums: [i64; 3],
    _shown: ([i64; 3], usize),
}

impl<const CW: usize> DepthwiseLane<CW> {
    /// A lane with this many multipliers, 1 or [`SHARED_COLUMNS`].
    pub fn new(shared_columns: usize) -> Self {
        assert!(
            shared_columns == 1 || shared_columns == usize::from(SHARED_COLUMNS),
            "a lane has one multiplier or three"
        );
        assert!(CW >= 24, "an array row has at least three weights");
        Self {
            _columns: shared_columns,
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
            } = self._flags[primitive::LATENCY];
            let (operand, products) = self._products[primitive::LATENCY - 1];
            let sums: [i64; 3] = std::array::from_fn(|index| {
                let base = if clear { initial } else { self._sums[index] };
                if !maximum {
                    wrap(base + products[index])
                } else {
                    i64::from(base as i8).max(operand)
                }
            });
            let (shown, shown_age) = self._shown;
            self.result.next = from_signed(shown[shown_age.min(self._columns - 1)]);
            self._shown = (sums, age);
            if valid {
                self._sums = if shift {
                    [initial, sums[0], sums[1]]
                } else {
                    sums
                };
            }

            self._products.rotate_right(1);
            self._products[0] = (
                self._operand,
                self._factors.map(|factor| self._operand * factor),
            );
            self._flags.rotate_right(1);

            self._operand = to_signed(self.activation.val());
            self._factors = if self.ones.val() {
                [1; 3]
            } else if self._columns == 1 {
                [to_signed(self.factor.val()); 3]
            } else {
                self._memory[self.step.val().index()]
            };
            self._flags[0] = Flags {
                valid: self.valid.val().get_bit(0),
                clear: self.clear.val().get_bit(0),
                shift: self.shift.val().get_bit(0),
                age: self.age.val().index(),
            };
            if let Some((step, weights)) = self._written.take() {
                self._memory[step] = weights;
            }
            if self.weight_valid.val() {
                let weights = self.weights.val();
                let first = self.weight_byte.val().index() % (CW / 8);
                self._written = Some((
                    self.weight_step.val().index(),
                    [first, 1, 2].map(|byte| i64::from(slice(weights, byte * 8, 8) as i8)),
                ));
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
        for index in 0..self._columns {
            declare += &format!(
                "\
reg signed [7:0] factor{index};
wire signed [15:0] product{index};
systole_multiply_lut_8x8 multiplier{index} (.clock(clock), .a(operand), .b(factor{index}), .product(product{index}));
reg signed [23:0] sum{index};
reg signed [23:0] shown{index};
wire [23:0] added{index};
systole_choose_add #(.WIDTH(24)) adder{index} (
   .choose(clears[4]), .chosen(24'd0), .other(sum{index}),
   .term({{{{8{{product{index}[15]}}}}, product{index}}}), .sum(added{index})
);
// Of a maximum the upper bits are all signs. The first operand is never less than the least value.
wire keeps{index} = !clears[4] && ($signed(sum{index}[7:0]) > operand4);
wire signed [7:0] greater{index} = keeps{index} ? $signed(sum{index}[7:0]) : operand4;
wire signed [23:0] next{index} = maximum ? $signed({{{{16{{greater{index}[7]}}}}, greater{index}}}) : $signed(added{index});
"
            );
            clocked += &format!(
                "   factor{index} <= ones ? 8'sd1 : $signed({weight});\n   if (valids[4]) sum{index} <= shifts[4] ? {moved} : next{index};\n   shown{index} <= next{index};\n",
                weight = match self._columns {
                    1 => "factor".to_owned(),
                    _ => format!("read[{}:{}]", index * 8 + 7, index * 8),
                },
                moved = if index == 0 {
                    "first".to_owned()
                } else {
                    format!("next{}", index - 1)
                }
            );
            initial += &format!("   sum{index} = 24'sd0;\n");
        }
        let shared = CW.min(TILE_STEPS_MAX * 8);
        let memory = format!(
            "\
(* ram_style = \"distributed\" *)
reg [{top}:0] memory [0:{last}];
reg written;
reg [5:0] written_step;
reg [{top}:0] written_weights;
wire [{top}:0] read = memory[step];
wire [{shared}-1:0] first_weights = weights[{shared}-1:0];
wire [7:0] first_weight = first_weights[{{weight_byte[{byte_top}:0], 3'd0}} +: 8];
initial written = 1'b0;

always @(posedge clock) begin
   written <= weight_valid;
   written_step <= weight_step;
   written_weights <= {{weights[23:8], first_weight}};
   if (written) memory[written_step] <= written_weights;
end
",
            top = self._columns * 8 - 1,
            byte_top = (shared / 8).trailing_zeros() - 1,
            last = DEPTHWISE_STEPS_MAX - 1,
        );
        Verilog::Custom(format!(
            "\
{memory}reg signed [7:0] operand, operand2, operand3, operand4;
reg [4:1] valids, clears, shifts;
reg [1:0] age1, age2, age3, age4, age5;
wire signed [23:0] first = maximum ? -24'sd128 : 24'sd0;
{declare}
initial begin
   valids = 4'd0;
{initial}end

always @(posedge clock) begin
   operand <= activation;
   operand2 <= operand;
   operand3 <= operand2;
   operand4 <= operand3;
   valids <= {{valids[3:1], valid}};
   clears <= {{clears[3:1], clear}};
   shifts <= {{shifts[3:1], shift}};
   age1 <= age;
   age2 <= age1;
   age3 <= age2;
   age4 <= age3;
   age5 <= age4;
{clocked}   result <= {result};
end
",
            memory = match self._columns {
                1 => "",
                _ => &memory,
            },
            result = match self._columns {
                1 => "shown0",
                _ => "(age5 == 2'd0) ? shown0 : (age5 == 2'd1) ? shown1 : shown2",
            },
        ))
    }
}
