//! Shape of a vector: from the position of its first lane in the window and in the image to the
//! boundaries and spans that the scratchpad's window port understands.
//!
//! ```text
//!  window row   |   s   |      s + 1      |   s + 2 ...
//!  lanes        0 . . . d . . . . . . . . d + window_bytes
//!  image bytes  . . x_end . . . . . . . x_end . . . . . .
//! ```
//!
//! Every window row ends at the same byte of its image row, so lane l of the window row that ends
//! before lane e lies at byte `x_end - e + l`.

use std::collections::VecDeque;

use rust_hdl::prelude::*;

use crate::bits::{concatenate, slice, to_signed};
use crate::delay::delayed;
use crate::memory::scratchpad::{BOUNDARIES, LANE_BITS};

/// Cycles from a position to its shape.
pub const LATENCY: usize = 3;

/// A lane number that is beyond every lane.
const BEYOND: i64 = (1 << LANE_BITS) - 1;

/// Computes the shape of a vector a cycle.
#[derive(LogicBlock, Default)]
pub struct WindowShape {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Scratchpad address of lane 0.
    pub address: Signal<In, Bits<32>>,
    /// Lanes up to the next window row.
    pub distance: Signal<In, Bits<16>>,
    /// Bytes of a window row.
    pub window_bytes: Signal<In, Bits<16>>,
    /// Byte of the image's row after the end of a window row, signed.
    pub x_end: Signal<In, Bits<32>>,
    /// Row of the image in which lane 0 lies, signed.
    pub y: Signal<In, Bits<32>>,
    /// Window rows from lane 0's on, that one included.
    pub rows_left: Signal<In, Bits<8>>,
    /// Rows of the image.
    pub height: Signal<In, Bits<16>>,
    /// Bytes of a row of the image.
    pub row_bytes: Signal<In, Bits<16>>,
    /// The address, [`LATENCY`] cycles later, as what follows.
    pub window_address: Signal<Out, Bits<32>>,
    /// First lane of each following window row.
    pub boundaries: Signal<Out, Bits<24>>,
    /// First lane of each window row that is in the image.
    pub from: Signal<Out, Bits<30>>,
    /// Lane after the last that is in the image.
    pub to: Signal<Out, Bits<30>>,
    _shapes: VecDeque<Shape>,
}

/// What leaves.
#[derive(Clone, Copy, Default)]
struct Shape {
    address: Bits<32>,
    boundaries: Bits<24>,
    from: Bits<30>,
    to: Bits<30>,
}

fn lane(value: i64) -> u64 {
    value.clamp(0, BEYOND) as u64
}

impl WindowShape {
    fn shape(&self) -> Shape {
        let window = slice(self.window_bytes.val(), 0, 16) as i64;
        let distance = slice(self.distance.val(), 0, 16) as i64;
        let ends: [i64; BOUNDARIES + 1] =
            std::array::from_fn(|index| distance + index as i64 * window);
        let (x_end, y) = (to_signed(self.x_end.val()), to_signed(self.y.val()));
        let rows_left = slice(self.rows_left.val(), 0, 8) as i64;
        let height = slice(self.height.val(), 0, 16) as i64;
        let row_bytes = slice(self.row_bytes.val(), 0, 16) as i64;
        let from = |index: usize| {
            let row = index as i64;
            if row < rows_left && (0..height).contains(&(y + row)) {
                lane(ends[index] - x_end)
            } else {
                BEYOND as u64
            }
        };
        let to = |index: usize| lane(ends[index] + row_bytes - x_end);
        Shape {
            address: self.address.val(),
            boundaries: concatenate(LANE_BITS, ends[..BOUNDARIES].iter().map(|&end| lane(end))),
            from: concatenate(LANE_BITS, (0..=BOUNDARIES).map(from)),
            to: concatenate(LANE_BITS, (0..=BOUNDARIES).map(to)),
        }
    }
}

impl Logic for WindowShape {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            // What no position has led to has no lane in the image.
            let nothing = Shape {
                from: concatenate(LANE_BITS, [BEYOND as u64; BOUNDARIES + 1]),
                ..Shape::default()
            };
            let shape = self.shape();
            let shape = delayed(&mut self._shapes, LATENCY - 1, nothing, shape);
            self.window_address.next = shape.address;
            self.boundaries.next = shape.boundaries;
            self.from.next = shape.from;
            self.to.next = shape.to;
        }
    }

    fn connect(&mut self) {
        self.window_address.connect();
        self.boundaries.connect();
        self.from.connect();
        self.to.connect();
    }

    fn hdl(&self) -> Verilog {
        // 34 bits hold every sum of 32-bit positions and 19-bit lane numbers.
        let clip = |value: &str| {
            format!(
                "{value}[33] ? {LANE_BITS}'d0 : (|{value}[32:{LANE_BITS}]) ? {LANE_BITS}'d{BEYOND} : {value}[{}:0]",
                LANE_BITS - 1
            )
        };
        let mut declare = String::new();
        let mut clocked = String::new();
        for index in 0..=BOUNDARIES {
            let at = index * LANE_BITS;
            declare += &format!(
                "\
reg signed [33:0] end1_{index}, before2_{index}, after2_{index}, row1_{index};
reg [{top}:0] boundary2_{index};
reg left1_{index}, inside2_{index};
",
                top = LANE_BITS - 1
            );
            clocked += &format!(
                "   end1_{index} <= $signed({{18'd0, distance}}) + {multiple};\n   \
                 row1_{index} <= $signed({{{{2{{y[31]}}}}, y}}) + 34'sd{index};\n   \
                 left1_{index} <= rows_left > 8'd{index};\n   \
                 before2_{index} <= end1_{index} - x_end1;\n   \
                 after2_{index} <= end1_{index} + rest1;\n   \
                 boundary2_{index} <= {boundary};\n   \
                 inside2_{index} <= left1_{index} && !row1_{index}[33] && row1_{index} < $signed({{18'd0, height1}});\n   \
                 from[{at}+:{LANE_BITS}] <= inside2_{index} ? ({before}) : {LANE_BITS}'d{BEYOND};\n   \
                 to[{at}+:{LANE_BITS}] <= {after};\n",
                multiple = [
                    "34'sd0",
                    "window",
                    "twice",
                    "(window + twice)",
                    "(twice + twice)"
                ][index],
                boundary = clip(&format!("end1_{index}")),
                before = clip(&format!("before2_{index}")),
                after = clip(&format!("after2_{index}")),
            );
            if index < BOUNDARIES {
                clocked += &format!("   boundaries[{at}+:{LANE_BITS}] <= boundary2_{index};\n");
            }
        }
        Verilog::Custom(format!(
            "\
wire signed [33:0] window = $signed({{18'd0, window_bytes}});
wire signed [33:0] twice = $signed({{17'd0, window_bytes, 1'b0}});
reg signed [33:0] x_end1, rest1;
reg [15:0] height1;
reg [31:0] address1, address2;
{declare}
always @(posedge clock) begin
   x_end1 <= $signed({{{{2{{x_end[31]}}}}, x_end}});
   rest1 <= $signed({{18'd0, row_bytes}}) - $signed({{{{2{{x_end[31]}}}}, x_end}});
   height1 <= height;
   address1 <= address;
   address2 <= address1;
   window_address <= address2;
{clocked}end
"
        ))
    }
}
