//! What the units are given, computed from the words of an instruction ahead of its start.
//!
//! The words stay from the end of the fetch until the instruction begins, which takes longer than
//! anything here. So every sum has a cycle of its own and ends in a register; what follows from
//! another register here is valid a cycle after it.

use rust_hdl::prelude::*;
use systole_regs::Configuration;

use super::operands::ComputeFields;
use super::transfers::TransferFields;
use crate::fixed::Fixed;
use crate::requantize::entries;

/// Operands of the units and of the checks.
#[derive(LogicBlock, Default)]
pub struct UnitOperands {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Words of the instruction.
    pub words: [Signal<In, Bits<64>>; 8],
    /// See [`super::decode::Decoder`].
    pub is_load_rows: Signal<In, Bit>,
    /// See there.
    pub is_store_rows: Signal<In, Bit>,
    /// See there.
    pub is_load_weights: Signal<In, Bit>,
    /// See there.
    pub is_depthwise: Signal<In, Bit>,
    /// See there.
    pub is_residual: Signal<In, Bit>,
    /// See there.
    pub next_group: Signal<In, Bit>,
    /// Rows of the group.
    pub group: Signal<In, Bits<16>>,
    /// Rows of the group that follows.
    pub following_group: Signal<In, Bits<16>>,
    /// Host address of the group's input.
    pub host_input: Signal<In, Bits<64>>,
    /// That of the group that follows.
    pub next_input: Signal<In, Bits<64>>,
    /// Host address of the group's output.
    pub host_output: Signal<In, Bits<64>>,
    /// Host address of the workspace.
    pub workspace_address: Signal<In, Bits<64>>,
    /// Host address of streamed weights.
    pub stream_address: Signal<In, Bits<64>>,
    /// Bytes from input row to input row.
    pub input_stride: Signal<In, Bits<32>>,
    /// Bytes from output row to output row.
    pub output_stride: Signal<In, Bits<32>>,
    /// First weight tile of the model.
    pub weight_base: Signal<In, Bits<16>>,
    /// First parameter entry of the model.
    pub parameter_base: Signal<In, Bits<16>>,
    /// Bytes of the lines above the input that the first window begins at.
    pub top_bytes: Signal<In, Bits<32>>,
    /// Pieces of a transfer.
    pub pieces: Signal<Out, Bits<16>>,
    /// Host address of the first piece, a cycle after what it is computed from.
    pub host_address: Signal<Out, Bits<64>>,
    /// Bytes from piece to piece.
    pub host_stride: Signal<Out, Bits<32>>,
    /// Bytes of a piece.
    pub piece_bytes: Signal<Out, Bits<32>>,
    /// Words of 8 bytes of a row of a transfer.
    pub beats: Signal<Out, Bits<32>>,
    /// Column tiles of MATRIX.
    pub column_tiles: Signal<Out, Bits<16>>,
    /// Column tiles, or DEPTHWISE's blocks of channels; a cycle later.
    pub weight_tiles: Signal<Out, Bits<16>>,
    /// Parameter entries of the instruction, a cycle later.
    pub entries: Signal<Out, Bits<32>>,
    /// Weight tiles of a kernel row.
    pub kernel_steps: Signal<Out, Bits<16>>,
    /// Lines of the output but one.
    pub output_lines: Signal<Out, Bits<32>>,
    /// Lines of the input but one.
    pub input_lines: Signal<Out, Bits<32>>,
    /// Scratchpad address of the first byte of the first window, a cycle later.
    pub origin: Signal<Out, Bits<32>>,
    /// Scratchpad words to skip at the end of a window row.
    pub row_skip: Signal<Out, Bits<16>>,
    /// First weight tile in the memory.
    pub first_tile: Signal<Out, Bits<16>>,
    /// First parameter entry in the memory.
    pub first_parameter: Signal<Out, Bits<32>>,
    /// First parameter entry of the residual, a cycle later.
    pub residual_parameter: Signal<Out, Bits<32>>,
    tile_shift: Fixed<Bits<5>>,
    word_shift: Fixed<Bits<4>>,
    column_shift: Fixed<Bits<4>>,
    column_rest: Fixed<Bits<16>>,
    row_shift: Fixed<Bits<4>>,
    row_rest: Fixed<Bits<16>>,
    lane_rest: Fixed<Bits<32>>,
    lane_mask: Fixed<Bits<32>>,
    residual_entries: Fixed<Bits<32>>,
    count: DFF<Bits<16>>,
    host_base: DFF<Bits<64>>,
    host_first: DFF<Bits<64>>,
    stride: DFF<Bits<32>>,
    bytes: DFF<Bits<32>>,
    row_beats: DFF<Bits<32>>,
    columns: DFF<Bits<16>>,
    blocks: DFF<Bits<16>>,
    tiles: DFF<Bits<16>>,
    channel_entries: DFF<Bits<32>>,
    all_entries: DFF<Bits<32>>,
    row_steps: DFF<Bits<16>>,
    lines_out: DFF<Bits<32>>,
    lines_in: DFF<Bits<32>>,
    line_start: DFF<Bits<32>>,
    first_byte: DFF<Bits<32>>,
    skip: DFF<Bits<16>>,
    tile: DFF<Bits<16>>,
    entry: DFF<Bits<32>>,
    residual: DFF<Bits<32>>,
    operands: ComputeFields,
    transfer: TransferFields,
    skip_words: Signal<Local, Bits<32>>,
    beats_then: Signal<Local, Bits<32>>,
}

impl UnitOperands {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        let log = |value: usize| u64::from(value.trailing_zeros());
        let lanes = configuration.requantize_lanes;
        Self {
            tile_shift: Fixed::new(log(configuration.tile_bytes()).into()),
            word_shift: Fixed::new(log(configuration.scratchpad_word_bytes()).into()),
            column_shift: Fixed::new(log(configuration.columns).into()),
            column_rest: Fixed::new((configuration.columns as u64 - 1).into()),
            row_shift: Fixed::new(log(configuration.rows).into()),
            row_rest: Fixed::new((configuration.rows as u64 - 1).into()),
            lane_rest: Fixed::new((lanes as u64 - 1).into()),
            lane_mask: Fixed::new((u64::from(u32::MAX) & !(lanes as u64 - 1)).into()),
            residual_entries: Fixed::new(((entries::groups(lanes) * lanes) as u64).into()),
            operands: ComputeFields::new(),
            transfer: TransferFields::new(),
            ..Default::default()
        }
    }
}

impl Logic for UnitOperands {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            count,
            host_base,
            host_first,
            stride,
            bytes,
            row_beats,
            columns,
            blocks,
            tiles,
            channel_entries,
            all_entries,
            row_steps,
            lines_out,
            lines_in,
            line_start,
            first_byte,
            skip,
            tile,
            entry,
            residual
        );
        for i in 0..8 {
            self.operands.words[i].next = self.words[i].val();
            self.transfer.words[i].next = self.words[i].val();
        }
        self.pieces.next = self.count.q.val();
        self.host_address.next = self.host_first.q.val();
        self.host_stride.next = self.stride.q.val();
        self.piece_bytes.next = self.bytes.q.val();
        self.beats.next = self.row_beats.q.val();
        self.column_tiles.next = self.columns.q.val();
        self.weight_tiles.next = self.tiles.q.val();
        self.entries.next = self.all_entries.q.val();
        self.kernel_steps.next = self.row_steps.q.val();
        self.output_lines.next = self.lines_out.q.val();
        self.input_lines.next = self.lines_in.q.val();
        self.origin.next = self.first_byte.q.val();
        self.row_skip.next = self.skip.q.val();
        self.first_tile.next = self.tile.q.val();
        self.first_parameter.next = self.entry.q.val();
        self.residual_parameter.next = self.residual.q.val();

        // Transfers.
        self.count.d.next = self.transfer.count.val();
        self.stride.d.next = self.transfer.host_stride.val();
        self.host_base.d.next = self.workspace_address.val();
        self.bytes.d.next = self.transfer.row_bytes.val();
        if self.is_load_rows.val() {
            self.count.d.next = self.group.val();
            self.stride.d.next = self.input_stride.val();
            self.host_base.d.next = self.host_input.val();
            if self.next_group.val() {
                self.count.d.next = self.following_group.val();
                self.host_base.d.next = self.next_input.val();
            }
        }
        if self.is_store_rows.val() {
            self.count.d.next = self.group.val();
            self.stride.d.next = self.output_stride.val();
            self.host_base.d.next = self.host_output.val();
        }
        if self.is_load_weights.val() {
            self.count.d.next = bits::<16>(1);
            self.stride.d.next = bits::<32>(0);
            self.host_base.d.next = self.stream_address.val();
            self.bytes.d.next =
                bit_cast::<32, 16>(self.transfer.count.val()) << self.tile_shift.val();
        }
        self.host_first.d.next =
            self.host_base.q.val() + bit_cast::<64, 32>(self.transfer.host_offset.val());
        self.beats_then.next = self.transfer.row_bytes.val() >> bits::<2>(3);
        if self.transfer.row_bytes.val().get_bits::<3>(0) != bits::<3>(0) {
            self.beats_then.next = self.beats_then.val() + bits::<32>(1);
        }
        self.row_beats.d.next = self.beats_then.val();

        // Computations.
        self.columns.d.next =
            (self.operands.channels.val() + self.column_rest.val()) >> self.column_shift.val();
        self.blocks.d.next =
            (self.operands.channels.val() + self.row_rest.val()) >> self.row_shift.val();
        self.tiles.d.next = self.columns.q.val();
        if self.is_depthwise.val() {
            self.tiles.d.next = self.blocks.q.val();
        }
        self.channel_entries.d.next = (bit_cast::<32, 16>(self.operands.channels.val())
            + self.lane_rest.val())
            & self.lane_mask.val();
        self.all_entries.d.next = self.channel_entries.q.val();
        if self.is_residual.val() {
            self.all_entries.d.next = self.channel_entries.q.val() + self.residual_entries.val();
        }
        self.row_steps.d.next = bit_cast::<16, 8>(self.operands.phases.val());
        if self.operands.phases.val() == bits::<8>(0) {
            self.row_steps.d.next = self.operands.input_tiles.val();
        }
        self.lines_out.d.next =
            bit_cast::<32, 16>(self.operands.output_height.val()) - bits::<32>(1);
        self.lines_in.d.next = bit_cast::<32, 16>(self.operands.input_height.val()) - bits::<32>(1);
        self.line_start.d.next =
            self.operands.input_address.val() - bit_cast::<32, 16>(self.operands.pad_left.val());
        self.first_byte.d.next = self.line_start.q.val() - self.top_bytes.val();
        self.skip_words.next = (bit_cast::<32, 16>(self.operands.input_row_stride.val())
            - bit_cast::<32, 16>(self.operands.window_bytes.val()))
            >> self.word_shift.val();
        self.skip.d.next = self.skip_words.val().get_bits::<16>(0);
        self.tile.d.next = self.weight_base.val() + self.operands.weight_address.val();
        if self.is_load_weights.val() {
            self.tile.d.next = self.weight_base.val() + self.transfer.weight_address.val();
        }
        self.entry.d.next = bit_cast::<32, 16>(self.parameter_base.val())
            + bit_cast::<32, 16>(self.operands.parameter_address.val());
        self.residual.d.next = self.entry.q.val() + self.channel_entries.q.val();
    }
}
