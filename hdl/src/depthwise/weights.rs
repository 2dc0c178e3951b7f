//! Weights of four lanes in one block RAM, where LUTs are scarce.
//!
//! All lanes read the same step, so their weights can lie side by side in a memory. Weights of the
//! second pair of rows come a cycle after those of the first, which wait for them. Bytes are chosen
//! before anything else: what comes is a whole row of the array, from memories far away.
//!
//! ```text
//!  weights of rows 0, 1 --> choose --> wait --> +--------+
//!  weights of rows 2, 3 --> choose -----------> | memory | --> factors of lanes 0 to 3
//!                                    read_step->+--------+
//! ```

use rust_hdl::prelude::*;
use systole_regs::instructions::{DEPTHWISE_STEPS_MAX, TILE_STEPS_MAX};

use super::lane::READ_LATENCY;
use crate::bits::{concatenate, slice};

/// Rows whose weights share a memory.
const ROWS: usize = 4;

/// Weights of four lanes, whose array rows have weights of `CW` bits; or nothing, where lanes have
/// memories of their own.
#[derive(LogicBlock, Default)]
pub struct LaneWeights<const CW: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Weights of the second pair are there to be kept; those of the first were a cycle ago.
    pub valid: Signal<In, Bits<1>>,
    /// Their step.
    pub step: Signal<In, Bits<6>>,
    /// Byte of the first pair's weights, with them.
    pub first_byte: Signal<In, Bits<3>>,
    /// Byte of the second pair's weights.
    pub second_byte: Signal<In, Bits<3>>,
    /// Weights of the first pair's even row.
    pub row0: Signal<In, Bits<CW>>,
    /// Of its odd row.
    pub row1: Signal<In, Bits<CW>>,
    /// Weights of the second pair's even row.
    pub row2: Signal<In, Bits<CW>>,
    /// Of its odd row.
    pub row3: Signal<In, Bits<CW>>,
    /// Step to read.
    pub read_step: Signal<In, Bits<6>>,
    /// The weights of that step, [`READ_LATENCY`] cycles later, lane r from bit 8 r on.
    pub factors: Signal<Out, Bits<32>>,
    _is_there: bool,
    _memory: Vec<u64>,
    _waiting: [u64; 2],
    _written: Option<(usize, u64)>,
    _read: [u64; READ_LATENCY],
}

impl<const CW: usize> LaneWeights<CW> {
    /// A memory, or nothing.
    pub fn new(is_there: bool) -> Self {
        Self {
            _is_there: is_there,
            _memory: vec![0; DEPTHWISE_STEPS_MAX],
            ..Default::default()
        }
    }

    /// Bytes of two rows.
    fn chosen(rows: [Bits<CW>; 2], byte: Bits<3>) -> [u64; 2] {
        let byte = byte.index() % (CW / 8);
        rows.map(|row| slice(row, byte * 8, 8))
    }
}

impl<const CW: usize> Logic for LaneWeights<CW> {
    fn update(&mut self) {
        if self._is_there && self.clock.pos_edge() {
            self.factors.next = self._read[READ_LATENCY - 2].into();
            self._read.rotate_right(1);
            self._read[0] = self._memory[self.read_step.val().index()];
            if let Some((step, bytes)) = self._written.take() {
                self._memory[step] = bytes;
            }
            if self.valid.val().get_bit(0) {
                let second = [self.row2.val(), self.row3.val()];
                let second = Self::chosen(second, self.second_byte.val());
                let bytes: Bits<32> = concatenate(8, self._waiting.into_iter().chain(second));
                self._written = Some((self.step.val().index(), slice(bytes, 0, 32)));
            }
            let first = [self.row0.val(), self.row1.val()];
            self._waiting = Self::chosen(first, self.first_byte.val());
        }
    }

    fn connect(&mut self) {
        self.factors.connect();
    }

    fn hdl(&self) -> Verilog {
        if !self._is_there {
            return Verilog::Custom("initial factors = 32'd0;\n".into());
        }
        let choices = CW.min(TILE_STEPS_MAX * 8);
        let top = (choices / 8).trailing_zeros() - 1;
        let mut choose = String::new();
        for row in 0..ROWS {
            let byte = if row < 2 { "first_byte" } else { "second_byte" };
            choose += &format!(
                "wire [{last}:0] choices{row} = row{row}[{last}:0];\n\
                 wire [7:0] chosen{row} = choices{row}[{{{byte}[{top}:0], 3'd0}} +: 8];\n",
                last = choices - 1,
            );
        }
        Verilog::Custom(format!(
            "\
{choose}reg [15:0] waiting;
reg [31:0] bytes;
reg written;
reg [5:0] written_step;
wire [31:0] read;
systole_block_ram #(.WIDTH(32), .DEPTH({depth}), .ADDRESS(6)) memory (
   .clock(clock), .write_valid(written), .write_address(written_step), .write_data(bytes),
   .read_address(read_step), .data(read)
);
always @(*) factors = read;

initial written = 1'b0;

always @(posedge clock) begin
   waiting <= {{chosen1, chosen0}};
   bytes <= {{chosen3, chosen2, waiting}};
   written <= valid;
   written_step <= step;
end
",
            depth = DEPTHWISE_STEPS_MAX,
        ))
    }
}
