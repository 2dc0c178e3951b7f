//! The fields of a computing instruction, taken out of its eight words where the register
//! description says that they are.

use rust_hdl::prelude::*;
use systole_regs::instructions::Compute;

use crate::fixed::Fixed;

use super::fields::bit_in_word;

/// Takes the words apart; every output is the field of the same name.
#[derive(LogicBlock, Default)]
pub struct ComputeFields {
    /// Words of the instruction, lowest first.
    pub words: [Signal<In, Bits<64>>; 8],
    /// Field of the same name.
    pub opcode: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub flags: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub compute_limit: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub load_limit: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub store_limit: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub pad_value: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub kernel_height: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub phases: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub input_address: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub output_address: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub input_batch_stride: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub output_batch_stride: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub second_address: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub weight_address: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub parameter_address: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub input_height: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub input_row_bytes: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub input_row_stride: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub window_bytes: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub column_step: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub pad_left: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub output_height: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub output_width: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub output_row_stride: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub output_pixel_stride: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub channels: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub input_tiles: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub stride_y: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub pad_top: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub output_zero_point: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub clamp_minimum: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub clamp_maximum: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub sum_zero_point: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub sum_minimum: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub sum_maximum: Signal<Out, Bits<8>>,
    opcode_at: Fixed<Bits<6>>,
    flags_at: Fixed<Bits<6>>,
    compute_limit_at: Fixed<Bits<6>>,
    load_limit_at: Fixed<Bits<6>>,
    store_limit_at: Fixed<Bits<6>>,
    pad_value_at: Fixed<Bits<6>>,
    kernel_height_at: Fixed<Bits<6>>,
    phases_at: Fixed<Bits<6>>,
    input_address_at: Fixed<Bits<6>>,
    output_address_at: Fixed<Bits<6>>,
    input_batch_stride_at: Fixed<Bits<6>>,
    output_batch_stride_at: Fixed<Bits<6>>,
    second_address_at: Fixed<Bits<6>>,
    weight_address_at: Fixed<Bits<6>>,
    parameter_address_at: Fixed<Bits<6>>,
    input_height_at: Fixed<Bits<6>>,
    input_row_bytes_at: Fixed<Bits<6>>,
    input_row_stride_at: Fixed<Bits<6>>,
    window_bytes_at: Fixed<Bits<6>>,
    column_step_at: Fixed<Bits<6>>,
    pad_left_at: Fixed<Bits<6>>,
    output_height_at: Fixed<Bits<6>>,
    output_width_at: Fixed<Bits<6>>,
    output_row_stride_at: Fixed<Bits<6>>,
    output_pixel_stride_at: Fixed<Bits<6>>,
    channels_at: Fixed<Bits<6>>,
    input_tiles_at: Fixed<Bits<6>>,
    stride_y_at: Fixed<Bits<6>>,
    pad_top_at: Fixed<Bits<6>>,
    output_zero_point_at: Fixed<Bits<6>>,
    clamp_minimum_at: Fixed<Bits<6>>,
    clamp_maximum_at: Fixed<Bits<6>>,
    sum_zero_point_at: Fixed<Bits<6>>,
    sum_minimum_at: Fixed<Bits<6>>,
    sum_maximum_at: Fixed<Bits<6>>,
}

impl ComputeFields {
    /// Where the register description has the fields.
    pub fn new() -> Self {
        let at = |name: &str, word: usize| bit_in_word(Compute::field(name), word);
        Self {
            opcode_at: at("opcode", 0),
            flags_at: at("flags", 0),
            compute_limit_at: at("compute_limit", 0),
            load_limit_at: at("load_limit", 0),
            store_limit_at: at("store_limit", 0),
            pad_value_at: at("pad_value", 0),
            kernel_height_at: at("kernel_height", 0),
            phases_at: at("phases", 0),
            input_address_at: at("input_address", 1),
            output_address_at: at("output_address", 1),
            input_batch_stride_at: at("input_batch_stride", 2),
            output_batch_stride_at: at("output_batch_stride", 2),
            second_address_at: at("second_address", 3),
            weight_address_at: at("weight_address", 3),
            parameter_address_at: at("parameter_address", 3),
            input_height_at: at("input_height", 4),
            input_row_bytes_at: at("input_row_bytes", 4),
            input_row_stride_at: at("input_row_stride", 4),
            window_bytes_at: at("window_bytes", 4),
            column_step_at: at("column_step", 5),
            pad_left_at: at("pad_left", 5),
            output_height_at: at("output_height", 5),
            output_width_at: at("output_width", 5),
            output_row_stride_at: at("output_row_stride", 6),
            output_pixel_stride_at: at("output_pixel_stride", 6),
            channels_at: at("channels", 6),
            input_tiles_at: at("input_tiles", 6),
            stride_y_at: at("stride_y", 7),
            pad_top_at: at("pad_top", 7),
            output_zero_point_at: at("output_zero_point", 7),
            clamp_minimum_at: at("clamp_minimum", 7),
            clamp_maximum_at: at("clamp_maximum", 7),
            sum_zero_point_at: at("sum_zero_point", 7),
            sum_minimum_at: at("sum_minimum", 7),
            sum_maximum_at: at("sum_maximum", 7),
            ..Default::default()
        }
    }
}

impl Logic for ComputeFields {
    #[hdl_gen]
    fn update(&mut self) {
        self.opcode.next = self.words[0]
            .val()
            .get_bits::<8>(self.opcode_at.val().index());
        self.flags.next = self.words[0]
            .val()
            .get_bits::<8>(self.flags_at.val().index());
        self.compute_limit.next = self.words[0]
            .val()
            .get_bits::<8>(self.compute_limit_at.val().index());
        self.load_limit.next = self.words[0]
            .val()
            .get_bits::<8>(self.load_limit_at.val().index());
        self.store_limit.next = self.words[0]
            .val()
            .get_bits::<8>(self.store_limit_at.val().index());
        self.pad_value.next = self.words[0]
            .val()
            .get_bits::<8>(self.pad_value_at.val().index());
        self.kernel_height.next = self.words[0]
            .val()
            .get_bits::<8>(self.kernel_height_at.val().index());
        self.phases.next = self.words[0]
            .val()
            .get_bits::<8>(self.phases_at.val().index());
        self.input_address.next = self.words[1]
            .val()
            .get_bits::<32>(self.input_address_at.val().index());
        self.output_address.next = self.words[1]
            .val()
            .get_bits::<32>(self.output_address_at.val().index());
        self.input_batch_stride.next = self.words[2]
            .val()
            .get_bits::<32>(self.input_batch_stride_at.val().index());
        self.output_batch_stride.next = self.words[2]
            .val()
            .get_bits::<32>(self.output_batch_stride_at.val().index());
        self.second_address.next = self.words[3]
            .val()
            .get_bits::<32>(self.second_address_at.val().index());
        self.weight_address.next = self.words[3]
            .val()
            .get_bits::<16>(self.weight_address_at.val().index());
        self.parameter_address.next = self.words[3]
            .val()
            .get_bits::<16>(self.parameter_address_at.val().index());
        self.input_height.next = self.words[4]
            .val()
            .get_bits::<16>(self.input_height_at.val().index());
        self.input_row_bytes.next = self.words[4]
            .val()
            .get_bits::<16>(self.input_row_bytes_at.val().index());
        self.input_row_stride.next = self.words[4]
            .val()
            .get_bits::<16>(self.input_row_stride_at.val().index());
        self.window_bytes.next = self.words[4]
            .val()
            .get_bits::<16>(self.window_bytes_at.val().index());
        self.column_step.next = self.words[5]
            .val()
            .get_bits::<16>(self.column_step_at.val().index());
        self.pad_left.next = self.words[5]
            .val()
            .get_bits::<16>(self.pad_left_at.val().index());
        self.output_height.next = self.words[5]
            .val()
            .get_bits::<16>(self.output_height_at.val().index());
        self.output_width.next = self.words[5]
            .val()
            .get_bits::<16>(self.output_width_at.val().index());
        self.output_row_stride.next = self.words[6]
            .val()
            .get_bits::<16>(self.output_row_stride_at.val().index());
        self.output_pixel_stride.next = self.words[6]
            .val()
            .get_bits::<16>(self.output_pixel_stride_at.val().index());
        self.channels.next = self.words[6]
            .val()
            .get_bits::<16>(self.channels_at.val().index());
        self.input_tiles.next = self.words[6]
            .val()
            .get_bits::<16>(self.input_tiles_at.val().index());
        self.stride_y.next = self.words[7]
            .val()
            .get_bits::<8>(self.stride_y_at.val().index());
        self.pad_top.next = self.words[7]
            .val()
            .get_bits::<8>(self.pad_top_at.val().index());
        self.output_zero_point.next = self.words[7]
            .val()
            .get_bits::<8>(self.output_zero_point_at.val().index());
        self.clamp_minimum.next = self.words[7]
            .val()
            .get_bits::<8>(self.clamp_minimum_at.val().index());
        self.clamp_maximum.next = self.words[7]
            .val()
            .get_bits::<8>(self.clamp_maximum_at.val().index());
        self.sum_zero_point.next = self.words[7]
            .val()
            .get_bits::<8>(self.sum_zero_point_at.val().index());
        self.sum_minimum.next = self.words[7]
            .val()
            .get_bits::<8>(self.sum_minimum_at.val().index());
        self.sum_maximum.next = self.words[7]
            .val()
            .get_bits::<8>(self.sum_maximum_at.val().index());
    }
}
