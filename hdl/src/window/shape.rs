//! Shape of a vector: from the position of its first lane in the window and in the image to the
//! boundaries and spans that the scratchpad's window port understands.
//!
//! ```text
//!  window row   |   s   |      s + 1      |   s + 2 ...
//!  lanes        0 . . . d . . . . . . . . d + window_bytes
//!  image bytes  x . . . . x_first . . . . x_first . . .
//! ```

use rust_hdl::prelude::*;

use crate::bits::{concatenate, slice, to_signed};
use crate::memory::scratchpad::{BOUNDARIES, LANE_BITS};

/// Cycles from a position to its shape.
pub const LATENCY: usize = 1;

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
    /// Byte of the image's row at which lane 0 lies, signed.
    pub x: Signal<In, Bits<32>>,
    /// The same for the first byte of a window row, signed.
    pub x_first: Signal<In, Bits<32>>,
    /// Row of the image in which lane 0 lies, signed.
    pub y: Signal<In, Bits<32>>,
    /// Window rows from lane 0's on, that one included.
    pub rows_left: Signal<In, Bits<8>>,
    /// Rows of the image.
    pub height: Signal<In, Bits<16>>,
    /// Bytes of a row of the image.
    pub row_bytes: Signal<In, Bits<16>>,
    /// The address, a cycle later, as what follows.
    pub window_address: Signal<Out, Bits<32>>,
    /// First lane of each following window row.
    pub boundaries: Signal<Out, Bits<24>>,
    /// First lane of each window row that is in the image.
    pub from: Signal<Out, Bits<30>>,
    /// Lane after the last that is in the image.
    pub to: Signal<Out, Bits<30>>,
}

fn lane(value: i64) -> u64 {
    value.clamp(0, BEYOND) as u64
}

impl Logic for WindowShape {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let window = slice(self.window_bytes.val(), 0, 16) as i64;
            let distance = slice(self.distance.val(), 0, 16) as i64;
            let starts: [i64; BOUNDARIES] =
                std::array::from_fn(|index| distance + index as i64 * window);
            let (x, x_first) = (to_signed(self.x.val()), to_signed(self.x_first.val()));
            let y = to_signed(self.y.val());
            let rows_left = slice(self.rows_left.val(), 0, 8) as i64;
            let height = slice(self.height.val(), 0, 16) as i64;
            let row_bytes = slice(self.row_bytes.val(), 0, 16) as i64;
            // Lane l of window row i lies at byte origin + l.
            let span = |index: usize| {
                let row = index as i64;
                let origin = if index == 0 {
                    x
                } else {
                    x_first - starts[index - 1]
                };
                let inside = row < rows_left && (0..height).contains(&(y + row));
                let from = if inside { lane(-origin) } else { BEYOND as u64 };
                (from, lane(row_bytes - origin))
            };
            self.window_address.next = self.address.val();
            self.boundaries.next = concatenate(LANE_BITS, starts.map(lane));
            self.from.next = concatenate(LANE_BITS, (0..=BOUNDARIES).map(|index| span(index).0));
            self.to.next = concatenate(LANE_BITS, (0..=BOUNDARIES).map(|index| span(index).1));
        }
    }

    fn connect(&mut self) {
        self.window_address.connect();
        self.boundaries.connect();
        self.from.connect();
        self.to.connect();
    }

    fn hdl(&self) -> Verilog {
        // 34 bits hold every sum of 32-bit positions and 18-bit lane numbers.
        let clip = |value: &str| {
            format!(
                "({value} < 34'sd0) ? {LANE_BITS}'d0 : ({value} > 34'sd{BEYOND}) ? {LANE_BITS}'d{BEYOND} : {value}[{}:0]",
                LANE_BITS - 1
            )
        };
        let mut declare = String::new();
        let mut clocked = String::new();
        for index in 0..BOUNDARIES {
            let start = if index == 0 {
                "{18'd0, distance}".to_owned()
            } else {
                format!("start{} + {{18'd0, window_bytes}}", index - 1)
            };
            declare += &format!("wire signed [33:0] start{index} = $signed({start});\n");
            clocked += &format!(
                "   boundaries[{}+:{LANE_BITS}] <= {};\n",
                index * LANE_BITS,
                clip(&format!("start{index}"))
            );
        }
        for index in 0..=BOUNDARIES {
            let origin = if index == 0 {
                "{{2{x[31]}}, x}".to_owned()
            } else {
                format!("{{{{2{{x_first[31]}}}}, x_first}} - start{}", index - 1)
            };
            declare += &format!(
                "\
wire signed [33:0] origin{index} = $signed({origin});
wire signed [33:0] before{index} = -origin{index};
wire signed [33:0] after{index} = $signed({{18'd0, row_bytes}}) - origin{index};
wire signed [33:0] row{index} = $signed({{{{2{{y[31]}}}}, y}}) + 34'sd{index};
wire inside{index} = rows_left > 8'd{index} && row{index} >= 34'sd0 && row{index} < $signed({{18'd0, height}});
"
            );
            clocked += &format!(
                "   from[{at}+:{LANE_BITS}] <= inside{index} ? ({before}) : {LANE_BITS}'d{BEYOND};\n   \
                 to[{at}+:{LANE_BITS}] <= {after};\n",
                at = index * LANE_BITS,
                before = clip(&format!("before{index}")),
                after = clip(&format!("after{index}")),
            );
        }
        Verilog::Custom(format!(
            "{declare}\nalways @(posedge clock) begin\n   window_address <= address;\n{clocked}end\n"
        ))
    }
}
