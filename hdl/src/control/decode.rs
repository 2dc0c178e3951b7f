//! Instruction decoder: holds the instruction, takes it apart and says whether its shape and
//! fields are possible. Whether its regions are inside is the sequencer's matter.
//!
//! ```text
//!  word, shift -> 8 x 64 bits -> fields
//!                            \-> well_formed
//! ```

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::Configuration;
use systole_regs::instructions::{self, Instruction, opcode};

use super::fields::{Shape, bit_in_word};

/// The decoder.
#[derive(LogicBlock, Default)]
pub struct Decoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Takes a word in; after eight of them the instruction is complete.
    pub shift: Signal<In, Bit>,
    /// The word, lowest first.
    pub word: Signal<In, Bits<64>>,
    /// Opcode.
    pub operation: Signal<Out, Bits<8>>,
    /// It ends the pass.
    pub is_end: Signal<Out, Bit>,
    /// LOAD_ROWS.
    pub is_load: Signal<Out, Bit>,
    /// STORE_ROWS.
    pub is_store: Signal<Out, Bit>,
    /// MATRIX.
    pub is_matrix: Signal<Out, Bit>,
    /// Shape and fields are possible.
    pub well_formed: Signal<Out, Bit>,
    /// Two roundings.
    pub double_rounding: Signal<Out, Bit>,
    /// Field of the same name.
    pub block_rows: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub column_tiles: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub input_tiles: Signal<Out, Bits<16>>,
    /// `input_address`.
    pub input_at: Signal<Out, Bits<32>>,
    /// `output_address`.
    pub output_at: Signal<Out, Bits<32>>,
    /// `input_batch_stride`.
    pub input_step: Signal<Out, Bits<32>>,
    /// `output_batch_stride`.
    pub output_step: Signal<Out, Bits<32>>,
    /// `weight_address`.
    pub weight_at: Signal<Out, Bits<16>>,
    /// `parameter_address`.
    pub parameter_at: Signal<Out, Bits<16>>,
    /// `output_zero_point`.
    pub zero_point: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub clamp_minimum: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub clamp_maximum: Signal<Out, Bits<8>>,
    /// `row_bytes`.
    pub bytes: Signal<Out, Bits<32>>,
    /// `row_bytes` in whole beats.
    pub beats: Signal<Out, Bits<32>>,
    /// `host_offset`.
    pub offset: Signal<Out, Bits<32>>,
    vector_misaligned: Fixed<Bits<32>>,
    output_misaligned: Fixed<Bits<32>>,
    group_misaligned: Fixed<Bits<32>>,
    accumulator_rows: Fixed<Bits<16>>,
    opcode_end: Fixed<Bits<8>>,
    opcode_load_rows: Fixed<Bits<8>>,
    opcode_store_rows: Fixed<Bits<8>>,
    opcode_matrix: Fixed<Bits<8>>,
    rounding_double: Fixed<Bits<8>>,
    opcode_at: Fixed<Bits<6>>,
    rounding_at: Fixed<Bits<6>>,
    block_rows_at: Fixed<Bits<6>>,
    column_tiles_at: Fixed<Bits<6>>,
    input_address_at: Fixed<Bits<6>>,
    output_address_at: Fixed<Bits<6>>,
    input_stride_at: Fixed<Bits<6>>,
    output_stride_at: Fixed<Bits<6>>,
    weight_address_at: Fixed<Bits<6>>,
    parameter_address_at: Fixed<Bits<6>>,
    input_tiles_at: Fixed<Bits<6>>,
    zero_point_at: Fixed<Bits<6>>,
    clamp_minimum_at: Fixed<Bits<6>>,
    clamp_maximum_at: Fixed<Bits<6>>,
    row_bytes_at: Fixed<Bits<6>>,
    host_offset_at: Fixed<Bits<6>>,
    end_mask: [Fixed<Bits<64>>; 8],
    end_value: [Fixed<Bits<64>>; 8],
    load_mask: [Fixed<Bits<64>>; 8],
    load_value: [Fixed<Bits<64>>; 8],
    store_mask: [Fixed<Bits<64>>; 8],
    store_value: [Fixed<Bits<64>>; 8],
    matrix_mask: [Fixed<Bits<64>>; 8],
    matrix_value: [Fixed<Bits<64>>; 8],
    instruction: [DFF<Bits<64>>; 8],
    rounding: Signal<Local, Bits<8>>,
}

/// The fields of an instruction that may have any value at first sight, by name.
fn shape(opcode: u8, free: &[&str]) -> Shape {
    let is_matrix = opcode == opcode::MATRIX;
    let one = u8::from(is_matrix);
    let fixed = Instruction {
        opcode,
        kernel_height: one,
        kernel_width: one,
        stride_y: one,
        stride_x: one,
        input_height: one.into(),
        input_width: one.into(),
        output_height: one.into(),
        output_width: one.into(),
        ..Default::default()
    };
    let free: Vec<_> = free.iter().map(|name| Instruction::field(name)).collect();
    Shape::new(&free, &as_bytes(&fixed))
}

fn as_bytes(instruction: &Instruction) -> Vec<u8> {
    systole_regs::bytes_of(instruction).to_vec()
}

impl Decoder {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        let end = shape(opcode::END, &[]);
        let load = shape(
            opcode::LOAD_ROWS,
            &[
                "output_address",
                "output_batch_stride",
                "row_bytes",
                "host_offset",
            ],
        );
        let store = shape(
            opcode::STORE_ROWS,
            &[
                "input_address",
                "input_batch_stride",
                "row_bytes",
                "host_offset",
            ],
        );
        let matrix = shape(
            opcode::MATRIX,
            &[
                "rounding",
                "block_rows",
                "column_tiles",
                "input_address",
                "output_address",
                "input_batch_stride",
                "output_batch_stride",
                "weight_address",
                "parameter_address",
                "input_tiles",
                "output_zero_point",
                "clamp_minimum",
                "clamp_maximum",
                "pad_value",
            ],
        );
        Self {
            vector_misaligned: Fixed::new(((configuration.rows - 1) as u64).into()),
            output_misaligned: Fixed::new(
                ((configuration.columns.max(configuration.requantize_lanes) - 1) as u64).into(),
            ),
            group_misaligned: Fixed::new(((configuration.requantize_lanes - 1) as u64).into()),
            accumulator_rows: Fixed::new((configuration.accumulator_rows as u64).into()),
            opcode_end: Fixed::new(u64::from(opcode::END).into()),
            opcode_load_rows: Fixed::new(u64::from(opcode::LOAD_ROWS).into()),
            opcode_store_rows: Fixed::new(u64::from(opcode::STORE_ROWS).into()),
            opcode_matrix: Fixed::new(u64::from(opcode::MATRIX).into()),
            rounding_double: Fixed::new(u64::from(instructions::rounding::DOUBLE).into()),
            opcode_at: bit_in_word(Instruction::field("opcode"), 0),
            rounding_at: bit_in_word(Instruction::field("rounding"), 0),
            block_rows_at: bit_in_word(Instruction::field("block_rows"), 0),
            column_tiles_at: bit_in_word(Instruction::field("column_tiles"), 0),
            input_address_at: bit_in_word(Instruction::field("input_address"), 1),
            output_address_at: bit_in_word(Instruction::field("output_address"), 1),
            input_stride_at: bit_in_word(Instruction::field("input_batch_stride"), 2),
            output_stride_at: bit_in_word(Instruction::field("output_batch_stride"), 2),
            weight_address_at: bit_in_word(Instruction::field("weight_address"), 3),
            parameter_address_at: bit_in_word(Instruction::field("parameter_address"), 3),
            input_tiles_at: bit_in_word(Instruction::field("input_tiles"), 3),
            zero_point_at: bit_in_word(Instruction::field("output_zero_point"), 3),
            clamp_minimum_at: bit_in_word(Instruction::field("clamp_minimum"), 3),
            clamp_maximum_at: bit_in_word(Instruction::field("clamp_maximum"), 4),
            row_bytes_at: bit_in_word(Instruction::field("row_bytes"), 6),
            host_offset_at: bit_in_word(Instruction::field("host_offset"), 6),
            end_mask: end.mask,
            end_value: end.value,
            load_mask: load.mask,
            load_value: load.value,
            store_mask: store.mask,
            store_value: store.value,
            matrix_mask: matrix.mask,
            matrix_value: matrix.value,
            ..Default::default()
        }
    }
}

impl Logic for Decoder {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..8 {
            self.instruction[i].clock.next = self.clock.val();
            self.instruction[i].d.next = self.instruction[i].q.val();
        }
        if self.shift.val() {
            for i in 0..7 {
                self.instruction[i].d.next = self.instruction[i + 1].q.val();
            }
            self.instruction[7].d.next = self.word.val();
        }

        // Fields of the instruction.
        self.operation.next = self.instruction[0]
            .q
            .val()
            .get_bits::<8>(self.opcode_at.val().index());
        self.rounding.next = self.instruction[0]
            .q
            .val()
            .get_bits::<8>(self.rounding_at.val().index());
        self.block_rows.next = self.instruction[0]
            .q
            .val()
            .get_bits::<16>(self.block_rows_at.val().index());
        self.column_tiles.next = self.instruction[0]
            .q
            .val()
            .get_bits::<16>(self.column_tiles_at.val().index());
        self.input_at.next = self.instruction[1]
            .q
            .val()
            .get_bits::<32>(self.input_address_at.val().index());
        self.output_at.next = self.instruction[1]
            .q
            .val()
            .get_bits::<32>(self.output_address_at.val().index());
        self.input_step.next = self.instruction[2]
            .q
            .val()
            .get_bits::<32>(self.input_stride_at.val().index());
        self.output_step.next = self.instruction[2]
            .q
            .val()
            .get_bits::<32>(self.output_stride_at.val().index());
        self.weight_at.next = self.instruction[3]
            .q
            .val()
            .get_bits::<16>(self.weight_address_at.val().index());
        self.parameter_at.next = self.instruction[3]
            .q
            .val()
            .get_bits::<16>(self.parameter_address_at.val().index());
        self.input_tiles.next = self.instruction[3]
            .q
            .val()
            .get_bits::<16>(self.input_tiles_at.val().index());
        self.zero_point.next = self.instruction[3]
            .q
            .val()
            .get_bits::<8>(self.zero_point_at.val().index());
        self.clamp_minimum.next = self.instruction[3]
            .q
            .val()
            .get_bits::<8>(self.clamp_minimum_at.val().index());
        self.clamp_maximum.next = self.instruction[4]
            .q
            .val()
            .get_bits::<8>(self.clamp_maximum_at.val().index());
        self.bytes.next = self.instruction[6]
            .q
            .val()
            .get_bits::<32>(self.row_bytes_at.val().index());
        self.offset.next = self.instruction[6]
            .q
            .val()
            .get_bits::<32>(self.host_offset_at.val().index());
        self.is_load.next = self.operation.val() == self.opcode_load_rows.val();
        self.is_store.next = self.operation.val() == self.opcode_store_rows.val();
        self.is_matrix.next = self.operation.val() == self.opcode_matrix.val();

        self.is_end.next = self.operation.val() == self.opcode_end.val();
        self.double_rounding.next = self.rounding.val() == self.rounding_double.val();
        self.beats.next = self.bytes.val() >> bits::<2>(3);
        if self.bytes.val().get_bits::<3>(0) != bits::<3>(0) {
            self.beats.next = self.beats.val() + bits::<32>(1);
        }

        // The shape of the instruction: everything that its opcode doesn't use.
        self.well_formed.next = true;
        for i in 0..8 {
            if self.is_load.val() {
                if (self.instruction[i].q.val() & self.load_mask[i].val())
                    != self.load_value[i].val()
                {
                    self.well_formed.next = false;
                }
            } else if self.is_store.val() {
                if (self.instruction[i].q.val() & self.store_mask[i].val())
                    != self.store_value[i].val()
                {
                    self.well_formed.next = false;
                }
            } else if self.is_matrix.val() {
                if (self.instruction[i].q.val() & self.matrix_mask[i].val())
                    != self.matrix_value[i].val()
                {
                    self.well_formed.next = false;
                }
            } else {
                if (self.instruction[i].q.val() & self.end_mask[i].val()) != self.end_value[i].val()
                {
                    self.well_formed.next = false;
                }
            }
        }
        // Its fields.
        if self.is_load.val() {
            if (self.bytes.val() == bits::<32>(0))
                || (((self.output_at.val() | self.output_step.val() | self.offset.val())
                    & bits::<32>(7))
                    != bits::<32>(0))
            {
                self.well_formed.next = false;
            }
        }
        if self.is_store.val() {
            if (self.bytes.val() == bits::<32>(0))
                || (((self.input_at.val() | self.input_step.val() | self.offset.val())
                    & bits::<32>(7))
                    != bits::<32>(0))
            {
                self.well_formed.next = false;
            }
        }
        if self.is_matrix.val() {
            if ((self.input_at.val() | self.input_step.val()) & self.vector_misaligned.val())
                != bits::<32>(0)
            {
                self.well_formed.next = false;
            }
            if (self.output_at.val() & self.output_misaligned.val()) != bits::<32>(0) {
                self.well_formed.next = false;
            }
            if ((self.output_step.val() | bit_cast::<32, 16>(self.parameter_at.val()))
                & self.group_misaligned.val())
                != bits::<32>(0)
            {
                self.well_formed.next = false;
            }
            if (self.block_rows.val() == bits::<16>(0))
                || (self.block_rows.val() > self.accumulator_rows.val())
                || (self.column_tiles.val() == bits::<16>(0))
                || (self.input_tiles.val() == bits::<16>(0))
                || (self.rounding.val() > self.rounding_double.val())
            {
                self.well_formed.next = false;
            }
            // Signed comparison, by inverting the sign bits.
            if (self.clamp_minimum.val() ^ bits::<8>(128))
                > (self.clamp_maximum.val() ^ bits::<8>(128))
            {
                self.well_formed.next = false;
            }
        }
    }
}
