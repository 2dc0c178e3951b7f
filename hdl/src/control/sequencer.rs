//! Sequencer: runs a model's program on the rows of a run, group by group.
//!
//! ```text
//!  run -> group (up to group_rows rows) -> fetch -> check -> dispatch --+--> END: next group, or stop
//!                                            ^                         |
//!                                            +-------------------------+
//! ```
//!
//! An instruction is checked whole before it begins: its shape (unused fields zero), its fields,
//! then the ends of all regions that it touches. So nothing is read or written outside. The next
//! instruction is fetched and checked while those before it run; it waits at dispatch until the
//! units that its limits name are idle, and its own unit too.
//!
//! What decides is in registers before it is needed: flags of the group, the units' operands
//! ([`UnitOperands`]), whether the units are free. A step is one flag or one register away, so
//! the sequencer doesn't limit the clock.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::instructions::DEPTHWISE_STEPS_MAX;
use systole_regs::{Configuration, Status};

use super::decode::Decoder;
use super::extent::{self, Extent};
use super::operands::ComputeFields;
use super::transfers::TransferFields;
use super::units::UnitOperands;

/// What the sequencer is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum SequencerState {
    /// Nothing to run.
    Idle,
    /// Begins a group: computes where the next one's rows are.
    Group,
    /// Reads an instruction.
    Fetch,
    /// Compares its fields.
    Decode,
    /// Looks at its opcode, and at what has come of the comparisons.
    Verify,
    /// Leaves out an instruction that isn't for this group.
    Skip,
    /// Ends the group.
    End,
    /// Computes the ends of its regions.
    Check,
    /// Starts it as soon as it may begin.
    Dispatch,
    /// Waits for what has begun, then reports.
    Stop,
    /// Reports.
    Finished,
}

/// The region whose end is computed; those of a computation follow each other.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Region {
    /// Weight tiles of a block of channels.
    Block,
    /// Bytes from the windows of a line to those of the next.
    Line,
    /// Bytes of the lines above the input.
    Top,
    /// Lines of the output.
    Output,
    /// Pixels of its last line.
    OutputPixels,
    /// Lines of the residual, which lies as the output does.
    Residual,
    /// Pixels of its last line.
    ResidualPixels,
    /// Lines of the input.
    Input,
    /// Bytes of its last line.
    InputBytes,
    /// Weight tiles.
    Weights,
    /// Parameter entries.
    Parameters,
    /// Weight tiles that are loaded.
    LoadedWeights,
    /// Pieces of a transfer in the scratchpad.
    Pieces,
    /// Bytes of the group's input in host memory.
    InputRows,
    /// Bytes of the group's output there.
    OutputRows,
}

/// The sequencer.
#[derive(LogicBlock, Default)]
pub struct Sequencer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Stops everything.
    pub reset: Signal<In, Bit>,
    /// Begins a run with the operands below, which stay constant until `done`.
    pub start: Signal<In, Bit>,
    /// Rows of the run.
    pub rows: Signal<In, Bits<16>>,
    /// Host address of the first input row.
    pub input_address: Signal<In, Bits<64>>,
    /// Host address of the first output row.
    pub output_address: Signal<In, Bits<64>>,
    /// Host address of the workspace.
    pub workspace_address: Signal<In, Bits<64>>,
    /// Bytes from input row to input row.
    pub input_stride: Signal<In, Bits<32>>,
    /// Bytes from output row to output row.
    pub output_stride: Signal<In, Bits<32>>,
    /// Slot: first instruction.
    pub program_base: Signal<In, Bits<16>>,
    /// Slot: instructions.
    pub program_count: Signal<In, Bits<16>>,
    /// Slot: first parameter entry.
    pub parameter_base: Signal<In, Bits<16>>,
    /// Slot: parameter entries.
    pub parameter_count: Signal<In, Bits<16>>,
    /// Slot: first weight tile.
    pub weight_base: Signal<In, Bits<16>>,
    /// Slot: weight tiles.
    pub weight_count: Signal<In, Bits<16>>,
    /// Slot: rows of a pass.
    pub group_rows: Signal<In, Bits<16>>,
    /// Slot: host address of streamed weights.
    pub stream_address: Signal<In, Bits<64>>,
    /// A run is under way.
    pub busy: Signal<Out, Bit>,
    /// Status of the run that has ended.
    pub status: Signal<Out, Bits<8>>,
    /// Word to read from the program memory.
    pub program_word: Signal<Out, Bits<32>>,
    /// The word of two cycles ago.
    pub program_data: Signal<In, Bits<64>>,
    /// Starts the read engine with the operands below.
    pub read_start: Signal<Out, Bit>,
    /// What is read are weights.
    pub read_weights: Signal<Out, Bit>,
    /// Starts the write engine.
    pub write_start: Signal<Out, Bit>,
    /// The write engine has no time for others: a STORE starts as soon as it can.
    pub may_store: Signal<Out, Bit>,
    /// It had none in the cycle before: only now a STORE starts, whose operands are known to be wanted.
    pub takes_writer: Signal<Out, Bit>,
    /// Host address of the first piece.
    pub host_address: Signal<Out, Bits<64>>,
    /// Bytes from piece to piece.
    pub host_stride: Signal<Out, Bits<32>>,
    /// Bytes of a piece.
    pub piece_bytes: Signal<Out, Bits<32>>,
    /// Pieces.
    pub pieces: Signal<Out, Bits<16>>,
    /// Scratchpad address of the first piece.
    pub scratchpad_address: Signal<Out, Bits<32>>,
    /// Bytes from piece to piece there.
    pub scratchpad_stride: Signal<Out, Bits<32>>,
    /// The read engine is busy.
    pub read_busy: Signal<In, Bit>,
    /// Its last transfer failed.
    pub read_failed: Signal<In, Bit>,
    /// The write engine is busy.
    pub write_busy: Signal<In, Bit>,
    /// Its last transfer failed.
    pub write_failed: Signal<In, Bit>,
    /// Starts the compute unit with the operands below.
    pub compute_start: Signal<Out, Bit>,
    /// Words of the instruction.
    pub words: [Signal<Out, Bits<64>>; 8],
    /// Rows of the group.
    pub group: Signal<Out, Bits<16>>,
    /// MATRIX.
    pub is_matrix: Signal<Out, Bit>,
    /// POOL.
    pub is_pool: Signal<Out, Bit>,
    /// Column tiles of MATRIX.
    pub column_tiles: Signal<Out, Bits<16>>,
    /// Weight tiles of a block of DEPTHWISE.
    pub steps: Signal<Out, Bits<16>>,
    /// Scratchpad address of the first byte of the first window.
    pub origin: Signal<Out, Bits<32>>,
    /// Bytes from the windows of a line to those of the next.
    pub line_step: Signal<Out, Bits<32>>,
    /// Scratchpad words to skip at the end of a window row.
    pub row_skip: Signal<Out, Bits<16>>,
    /// First weight tile in the memory.
    pub first_tile: Signal<Out, Bits<16>>,
    /// First parameter entry in the memory.
    pub first_parameter: Signal<Out, Bits<32>>,
    /// First parameter entry of the residual.
    pub residual_parameter: Signal<Out, Bits<32>>,
    /// The compute unit is busy.
    pub compute_busy: Signal<In, Bit>,
    /// Its number in the program.
    pub instruction: Signal<Out, Bits<16>>,
    /// Its opcode.
    pub opcode: Signal<Out, Bits<8>>,
    /// A DMA read of the run is under way.
    pub read_active: Signal<Out, Bit>,
    /// A DMA write of the run is under way.
    pub write_active: Signal<Out, Bit>,
    /// The trace has room for what begins.
    pub trace_room: Signal<In, Bit>,
    /// The trace has nothing left to write.
    pub trace_idle: Signal<In, Bit>,
    /// Writing the trace failed.
    pub trace_failed: Signal<In, Bit>,
    /// An instruction has been carried out, skipped, or begun.
    pub instruction_done: Signal<Out, Bit>,
    /// A group has ended.
    pub group_done: Signal<Out, Bit>,
    scratchpad_bytes: Fixed<Bits<32>>,
    steps_most: Fixed<Bits<16>>,
    tile_end: Fixed<Bits<16>>,
    tile_shift: Fixed<Bits<5>>,
    block_step: Fixed<Bits<5>>,
    line_step_at: Fixed<Bits<5>>,
    top_step: Fixed<Bits<5>>,
    before_output: Fixed<Bits<5>>,
    before_residual: Fixed<Bits<5>>,
    before_input: Fixed<Bits<5>>,
    before_weights: Fixed<Bits<5>>,
    before_parameters: Fixed<Bits<5>>,
    before_last: Fixed<Bits<5>>,
    last_transfer: Fixed<Bits<5>>,
    last_compute: Fixed<Bits<5>>,
    input_rows_step: Fixed<Bits<5>>,
    last_group_step: Fixed<Bits<5>>,
    success: Fixed<Bits<8>>,
    invalid_instruction: Fixed<Bits<8>>,
    instruction_bounds: Fixed<Bits<8>>,
    program_overrun: Fixed<Bits<8>>,
    dma_read_error: Fixed<Bits<8>>,
    dma_write_error: Fixed<Bits<8>>,
    state: DFF<SequencerState>,
    step: DFF<Bits<5>>,
    region: DFF<Region>,
    program_counter: DFF<Bits<16>>,
    fetch_word: DFF<Bits<32>>,
    rows_left: DFF<Bits<16>>,
    group_size: DFF<Bits<16>>,
    in_first_group: DFF<Bit>,
    host_input: DFF<Bits<64>>,
    host_output: DFF<Bits<64>>,
    next_input: DFF<Bits<64>>,
    next_output: DFF<Bits<64>>,
    result: DFF<Bits<8>>,
    overran: DFF<Bit>,
    malformed: DFF<Bit>,
    out_of_bounds: DFF<Bit>,
    trace_error: DFF<Bit>,
    block_steps: DFF<Bits<16>>,
    block_tiles: DFF<Bits<16>>,
    line_bytes: DFF<Bits<32>>,
    top_bytes: DFF<Bits<32>>,
    reading: DFF<Bit>,
    writing: DFF<Bit>,
    read_error: DFF<Bit>,
    write_error: DFF<Bit>,
    following_rows: DFF<Bits<16>>,
    following_group: DFF<Bits<16>>,
    last_group: DFF<Bit>,
    overrun: DFF<Bit>,
    may_begin: DFF<Bit>,
    announced: DFF<Bit>,
    checked: DFF<Bit>,
    too_many: DFF<Bit>,
    extent: Extent,
    decoder: Decoder,
    operands: ComputeFields,
    transfer: TransferFields,
    unit: UnitOperands,
    skipped: Signal<Local, Bit>,
    stores: Signal<Local, Bit>,
    next_instruction: Signal<Local, Bit>,
}

fn code(status: Status) -> Bits<8> {
    u64::from(status as u8).into()
}

impl Sequencer {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        // The step at which the end of a computation's region is there.
        let ends = |region: Region| Fixed::new((extent::LATENCY as u64 + region as u64).into());
        let fits = extent::FITS_LATENCY as u64;
        Self {
            scratchpad_bytes: Fixed::new((configuration.scratchpad_bytes as u64).into()),
            steps_most: Fixed::new((DEPTHWISE_STEPS_MAX as u64).into()),
            tile_end: Fixed::new((configuration.tile_steps() as u64 - 1).into()),
            tile_shift: Fixed::new(u64::from(configuration.tile_steps().trailing_zeros()).into()),
            block_step: ends(Region::Block),
            line_step_at: ends(Region::Line),
            top_step: ends(Region::Top),
            before_output: ends(Region::OutputPixels),
            before_residual: ends(Region::ResidualPixels),
            before_input: ends(Region::InputBytes),
            before_weights: ends(Region::Weights),
            before_parameters: ends(Region::Parameters),
            before_last: Fixed::new((fits - 1).into()),
            last_transfer: Fixed::new(fits.into()),
            last_compute: Fixed::new((fits + Region::Parameters as u64).into()),
            input_rows_step: Fixed::new((extent::LATENCY as u64).into()),
            last_group_step: Fixed::new((extent::LATENCY as u64 + 1).into()),
            success: Fixed::new(code(Status::Success)),
            invalid_instruction: Fixed::new(code(Status::InvalidInstruction)),
            instruction_bounds: Fixed::new(code(Status::InstructionBounds)),
            program_overrun: Fixed::new(code(Status::ProgramOverrun)),
            dma_read_error: Fixed::new(code(Status::DmaReadError)),
            dma_write_error: Fixed::new(code(Status::DmaWriteError)),
            decoder: Decoder::new(configuration),
            operands: ComputeFields::new(),
            transfer: TransferFields::new(),
            unit: UnitOperands::new(configuration),
            ..Default::default()
        }
    }
}

impl Logic for Sequencer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            step,
            program_counter,
            fetch_word,
            rows_left,
            group_size,
            in_first_group,
            host_input,
            host_output,
            next_input,
            next_output,
            result,
            overran,
            malformed,
            out_of_bounds,
            trace_error,
            block_steps,
            block_tiles,
            line_bytes,
            top_bytes,
            reading,
            writing,
            read_error,
            write_error,
            region,
            following_rows,
            following_group,
            last_group,
            overrun,
            may_begin,
            announced,
            checked,
            too_many
        );
        clock!(self, clock, decoder, extent, unit);
        self.decoder.word.next = self.program_data.val();
        self.decoder.shift.next = false;
        for i in 0..8 {
            self.words[i].next = self.decoder.words[i].val();
            self.operands.words[i].next = self.decoder.words[i].val();
            self.transfer.words[i].next = self.decoder.words[i].val();
            self.unit.words[i].next = self.decoder.words[i].val();
        }

        self.busy.next = self.state.q.val() != SequencerState::Idle;
        self.status.next = self.result.q.val();
        // What went wrong first, but for transfers: they are why later instructions didn't begin.
        self.result.d.next = self.success.val();
        if self.trace_error.q.val() {
            self.result.d.next = self.dma_write_error.val();
        }
        if self.overran.q.val() {
            self.result.d.next = self.program_overrun.val();
        }
        if self.out_of_bounds.q.val() {
            self.result.d.next = self.instruction_bounds.val();
        }
        if self.malformed.q.val() {
            self.result.d.next = self.invalid_instruction.val();
        }
        if self.write_error.q.val() {
            self.result.d.next = self.dma_write_error.val();
        }
        if self.read_error.q.val() {
            self.result.d.next = self.dma_read_error.val();
        }
        self.program_word.next = self.fetch_word.q.val();
        self.read_start.next = false;
        self.write_start.next = false;
        self.compute_start.next = false;
        self.instruction_done.next = false;
        self.group_done.next = false;
        self.next_instruction.next = false;

        // Groups. The rows change only when a group begins, which takes longer than this.
        self.last_group.d.next = self.rows_left.q.val() == self.group_size.q.val();
        self.following_rows.d.next = self.rows_left.q.val() - self.group_size.q.val();
        self.following_group.d.next = self.group_rows.val();
        if self.following_rows.q.val() < self.group_rows.val() {
            self.following_group.d.next = self.following_rows.q.val();
        }
        self.overrun.d.next = self.program_counter.q.val() == self.program_count.val();
        self.skipped.next = (self.decoder.first_group.val() && !self.in_first_group.q.val())
            || (self.decoder.next_group.val() && self.last_group.q.val());

        // Operands of the units.
        self.unit.is_load_rows.next = self.decoder.is_load_rows.val();
        self.unit.is_store_rows.next = self.decoder.is_store_rows.val();
        self.unit.is_load_weights.next = self.decoder.is_load_weights.val();
        self.unit.is_depthwise.next = self.decoder.is_depthwise.val();
        self.unit.is_residual.next = self.decoder.is_residual.val();
        self.unit.next_group.next = self.decoder.next_group.val();
        self.unit.group.next = self.group_size.q.val();
        self.unit.following_group.next = self.following_group.q.val();
        self.unit.host_input.next = self.host_input.q.val();
        self.unit.next_input.next = self.next_input.q.val();
        self.unit.host_output.next = self.host_output.q.val();
        self.unit.workspace_address.next = self.workspace_address.val();
        self.unit.stream_address.next = self.stream_address.val();
        self.unit.input_stride.next = self.input_stride.val();
        self.unit.output_stride.next = self.output_stride.val();
        self.unit.weight_base.next = self.weight_base.val();
        self.unit.parameter_base.next = self.parameter_base.val();
        self.unit.top_bytes.next = self.top_bytes.q.val();
        self.pieces.next = self.unit.pieces.val();
        self.host_stride.next = self.unit.host_stride.val();
        self.host_address.next = self.unit.host_address.val();
        self.piece_bytes.next = self.unit.piece_bytes.val();
        self.scratchpad_address.next = self.transfer.scratchpad_address.val();
        self.scratchpad_stride.next = self.transfer.scratchpad_stride.val();
        self.read_weights.next = self.decoder.is_load_weights.val();
        self.group.next = self.group_size.q.val();
        self.is_matrix.next = self.decoder.is_matrix.val();
        self.is_pool.next = self.decoder.is_pool.val();
        self.column_tiles.next = self.unit.column_tiles.val();
        self.steps.next = bits::<16>(0);
        if self.decoder.is_depthwise.val() {
            self.steps.next = self.block_steps.q.val();
        }
        self.origin.next = self.unit.origin.val();
        self.line_step.next = self.line_bytes.q.val();
        self.row_skip.next = self.unit.row_skip.val();
        self.first_tile.next = self.unit.first_tile.val();
        self.first_parameter.next = self.unit.first_parameter.val();
        self.residual_parameter.next = self.unit.residual_parameter.val();

        // Regions, one a step; see `checked` below for what becomes of them.
        self.extent.chain.next = false;
        self.extent.base.next = bits::<32>(0);
        self.extent.count.next = bits::<16>(1);
        self.extent.stride.next = bits::<32>(0);
        self.extent.tiles.next = bits::<32>(0);
        self.extent.unit.next = bits::<16>(1);
        self.extent.limit.next = self.scratchpad_bytes.val();
        match self.region.q.val() {
            Region::Block => {
                self.extent.tiles.next = bit_cast::<32, 8>(self.operands.kernel_height.val());
                self.extent.unit.next = self.unit.kernel_steps.val();
                self.region.d.next = Region::Line;
            }
            Region::Line => {
                self.extent.tiles.next = bit_cast::<32, 8>(self.operands.stride_y.val());
                self.extent.unit.next = self.operands.input_row_stride.val();
                self.region.d.next = Region::Top;
            }
            Region::Top => {
                self.extent.tiles.next = bit_cast::<32, 8>(self.operands.pad_top.val());
                self.extent.unit.next = self.operands.input_row_stride.val();
                self.region.d.next = Region::Output;
            }
            Region::Output => {
                self.extent.base.next = self.operands.output_address.val();
                self.extent.count.next = self.group_size.q.val();
                self.extent.stride.next = self.operands.output_batch_stride.val();
                self.extent.tiles.next = self.unit.output_lines.val();
                self.extent.unit.next = self.operands.output_row_stride.val();
                self.region.d.next = Region::OutputPixels;
            }
            Region::OutputPixels => {
                self.extent.chain.next = true;
                self.extent.count.next = self.operands.output_width.val();
                self.extent.stride.next =
                    bit_cast::<32, 16>(self.operands.output_pixel_stride.val());
                self.extent.tiles.next = bit_cast::<32, 16>(self.operands.channels.val());
                self.region.d.next = Region::Residual;
            }
            Region::Residual => {
                self.extent.base.next = self.operands.second_address.val();
                self.extent.count.next = self.group_size.q.val();
                self.extent.stride.next = self.operands.output_batch_stride.val();
                self.extent.tiles.next = self.unit.output_lines.val();
                self.extent.unit.next = self.operands.output_row_stride.val();
                self.region.d.next = Region::ResidualPixels;
            }
            Region::ResidualPixels => {
                self.extent.chain.next = true;
                self.extent.count.next = self.operands.output_width.val();
                self.extent.stride.next =
                    bit_cast::<32, 16>(self.operands.output_pixel_stride.val());
                self.extent.tiles.next = bit_cast::<32, 16>(self.operands.channels.val());
                self.region.d.next = Region::Input;
            }
            Region::Input => {
                self.extent.base.next = self.operands.input_address.val();
                self.extent.count.next = self.group_size.q.val();
                self.extent.stride.next = self.operands.input_batch_stride.val();
                self.extent.tiles.next = self.unit.input_lines.val();
                self.extent.unit.next = self.operands.input_row_stride.val();
                self.region.d.next = Region::InputBytes;
            }
            Region::InputBytes => {
                self.extent.chain.next = true;
                self.extent.tiles.next = bit_cast::<32, 16>(self.operands.input_row_bytes.val());
                self.region.d.next = Region::Weights;
            }
            Region::Weights => {
                self.extent.base.next = bit_cast::<32, 16>(self.operands.weight_address.val());
                self.extent.tiles.next = bit_cast::<32, 16>(self.unit.weight_tiles.val());
                self.extent.unit.next = self.operands.input_tiles.val();
                if self.decoder.is_depthwise.val() {
                    self.extent.unit.next = self.block_tiles.q.val();
                }
                self.extent.limit.next = bit_cast::<32, 16>(self.weight_count.val());
                self.region.d.next = Region::Parameters;
            }
            Region::Parameters => {
                self.extent.base.next = bit_cast::<32, 16>(self.operands.parameter_address.val());
                self.extent.tiles.next = self.unit.entries.val();
                self.extent.limit.next = bit_cast::<32, 16>(self.parameter_count.val());
            }
            Region::LoadedWeights => {
                self.extent.base.next = bit_cast::<32, 16>(self.transfer.weight_address.val());
                self.extent.tiles.next = bit_cast::<32, 16>(self.transfer.count.val());
                self.extent.limit.next = bit_cast::<32, 16>(self.weight_count.val());
            }
            Region::Pieces => {
                self.extent.base.next = self.transfer.scratchpad_address.val();
                self.extent.count.next = self.unit.pieces.val();
                self.extent.stride.next = self.transfer.scratchpad_stride.val();
                self.extent.tiles.next = self.unit.beats.val();
                self.extent.unit.next = bits::<16>(8);
            }
            Region::InputRows => {
                self.extent.unit.next = self.group_size.q.val();
                self.extent.tiles.next = self.input_stride.val();
                self.region.d.next = Region::OutputRows;
            }
            _ => {
                self.extent.unit.next = self.group_size.q.val();
                self.extent.tiles.next = self.output_stride.val();
            }
        }
        // In direct mode several steps share a tile.
        self.block_tiles.d.next = self.block_steps.q.val();
        if self.operands.phases.val() == bits::<8>(0) {
            self.block_tiles.d.next =
                (self.block_steps.q.val() + self.tile_end.val()) >> self.tile_shift.val();
        }
        self.too_many.d.next = ((self.extent.finish.val() >> bits::<5>(16)) != bits::<64>(0))
            || (self.extent.finish.val().get_bits::<16>(0) > self.steps_most.val());

        // Whether the region whose `fits` comes next must be inside.
        self.checked.d.next = self.step.q.val() == self.before_last.val();
        if self.decoder.is_compute.val() {
            self.checked.d.next = (self.step.q.val() == self.before_output.val())
                || ((self.step.q.val() == self.before_residual.val())
                    && self.decoder.is_residual.val())
                || (self.step.q.val() == self.before_input.val())
                || ((self.step.q.val() == self.before_weights.val())
                    && !self.decoder.is_pool.val())
                || (self.step.q.val() == self.before_parameters.val());
        }

        // Transfers under way.
        if self.reading.q.val() && !self.read_busy.val() {
            self.reading.d.next = false;
            if self.read_failed.val() {
                self.read_error.d.next = true;
            }
        }
        if self.writing.q.val() && !self.write_busy.val() {
            self.writing.d.next = false;
            if self.write_failed.val() {
                self.write_error.d.next = true;
            }
        }
        self.read_active.next = self.reading.q.val();
        self.write_active.next = self.writing.q.val();
        self.instruction.next = self.program_counter.q.val();
        self.opcode.next = self.operands.opcode.val();
        self.may_begin.d.next = self.trace_room.val();
        if self.compute_busy.val()
            && (self.decoder.is_compute.val()
                || (self.operands.compute_limit.val() == bits::<8>(0)))
        {
            self.may_begin.d.next = false;
        }
        if self.reading.q.val()
            && (self.decoder.is_load.val() || (self.operands.load_limit.val() == bits::<8>(0)))
        {
            self.may_begin.d.next = false;
        }
        if self.writing.q.val()
            && (self.decoder.is_store.val() || (self.operands.store_limit.val() == bits::<8>(0)))
        {
            self.may_begin.d.next = false;
        }
        self.may_store.next = (self.state.q.val() == SequencerState::Dispatch)
            && self.decoder.is_store.val()
            && self.may_begin.q.val();
        self.announced.d.next = self.may_store.val();
        self.takes_writer.next = self.announced.q.val();
        // The write engine may be busy with a record of the trace, and would not take the STORE.
        self.stores.next = self.may_store.val() && self.announced.q.val() && !self.write_busy.val();

        match self.state.q.val() {
            SequencerState::Idle => {
                // Taken in each cycle, so that nothing but the state waits for `start`.
                self.rows_left.d.next = self.rows.val();
                self.group_size.d.next = self.group_rows.val();
                if self.rows.val() < self.group_rows.val() {
                    self.group_size.d.next = self.rows.val();
                }
                self.in_first_group.d.next = true;
                self.host_input.d.next = self.input_address.val();
                self.host_output.d.next = self.output_address.val();
                self.step.d.next = bits::<5>(0);
                self.region.d.next = Region::InputRows;
                if self.start.val() {
                    self.read_error.d.next = false;
                    self.write_error.d.next = false;
                    self.overran.d.next = false;
                    self.malformed.d.next = false;
                    self.out_of_bounds.d.next = false;
                    self.trace_error.d.next = false;
                    self.state.d.next = SequencerState::Group;
                }
            }
            SequencerState::Group => {
                self.step.d.next = self.step.q.val() + bits::<5>(1);
                if self.step.q.val() == self.input_rows_step.val() {
                    self.next_input.d.next = self.host_input.q.val() + self.extent.finish.val();
                }
                if self.step.q.val() == self.last_group_step.val() {
                    self.next_output.d.next = self.host_output.q.val() + self.extent.finish.val();
                    self.program_counter.d.next = bits::<16>(0);
                    self.fetch_word.d.next =
                        bit_cast::<32, 16>(self.program_base.val()) << bits::<2>(3);
                    self.step.d.next = bits::<5>(0);
                    self.state.d.next = SequencerState::Fetch;
                }
            }
            SequencerState::Fetch => {
                // After eight words this is the first of the next instruction.
                if !self.step.q.val().get_bit(3) {
                    self.fetch_word.d.next = self.fetch_word.q.val() + bits::<32>(1);
                }
                self.step.d.next = self.step.q.val() + bits::<5>(1);
                // Words come two cycles after their address and are shifted in.
                if self.step.q.val() >= bits::<5>(2) {
                    self.decoder.shift.next = true;
                }
                if self.step.q.val() == bits::<5>(9) {
                    self.step.d.next = bits::<5>(0);
                    self.state.d.next = SequencerState::Decode;
                }
                if (self.step.q.val() == bits::<5>(1)) && self.overrun.q.val() {
                    self.overran.d.next = true;
                    self.state.d.next = SequencerState::Stop;
                }
            }
            SequencerState::Decode => {
                self.region.d.next = Region::Block;
                if self.decoder.is_load.val() || self.decoder.is_store.val() {
                    self.region.d.next = Region::Pieces;
                }
                if self.decoder.is_load_weights.val() {
                    self.region.d.next = Region::LoadedWeights;
                }
                self.state.d.next = SequencerState::Verify;
            }
            SequencerState::Verify => {
                // The first region's operands are taken now: the check goes on from its step 1.
                self.step.d.next = bits::<5>(1);
                if !self.decoder.well_formed.val() {
                    self.malformed.d.next = true;
                    self.state.d.next = SequencerState::Stop;
                } else if self.decoder.is_end.val() {
                    self.state.d.next = SequencerState::End;
                } else if self.skipped.val() {
                    self.state.d.next = SequencerState::Skip;
                } else {
                    self.state.d.next = SequencerState::Check;
                }
            }
            SequencerState::Skip => {
                self.next_instruction.next = true;
            }
            SequencerState::End => {
                self.instruction_done.next = true;
                self.group_done.next = true;
                self.in_first_group.d.next = false;
                self.rows_left.d.next = self.following_rows.q.val();
                self.group_size.d.next = self.following_group.q.val();
                self.host_input.d.next = self.next_input.q.val();
                self.host_output.d.next = self.next_output.q.val();
                self.step.d.next = bits::<5>(0);
                self.region.d.next = Region::InputRows;
                self.state.d.next = SequencerState::Group;
                if self.last_group.q.val() {
                    self.state.d.next = SequencerState::Stop;
                }
            }
            SequencerState::Check => {
                self.step.d.next = self.step.q.val() + bits::<5>(1);
                if self.step.q.val() == self.block_step.val() {
                    self.block_steps.d.next = self.extent.finish.val().get_bits::<16>(0);
                }
                if self.step.q.val() == self.line_step_at.val() {
                    self.line_bytes.d.next = self.extent.finish.val().get_bits::<32>(0);
                }
                if self.step.q.val() == self.top_step.val() {
                    self.top_bytes.d.next = self.extent.finish.val().get_bits::<32>(0);
                }
                if self.decoder.is_compute.val() {
                    if self.step.q.val() == self.last_compute.val() {
                        self.state.d.next = SequencerState::Dispatch;
                    }
                } else if self.step.q.val() == self.last_transfer.val() {
                    self.state.d.next = SequencerState::Dispatch;
                }
                if self.checked.q.val() && !self.extent.fits.val() {
                    self.out_of_bounds.d.next = true;
                    self.state.d.next = SequencerState::Stop;
                }
                if self.decoder.is_depthwise.val()
                    && (self.step.q.val() == self.last_transfer.val())
                    && self.too_many.q.val()
                {
                    self.malformed.d.next = true;
                    self.state.d.next = SequencerState::Stop;
                }
            }
            SequencerState::Dispatch => {
                if self.read_error.q.val() || self.write_error.q.val() {
                    self.state.d.next = SequencerState::Stop;
                } else if self.decoder.is_store.val() {
                    if self.stores.val() {
                        self.write_start.next = true;
                        self.writing.d.next = true;
                        self.next_instruction.next = true;
                    }
                } else if self.may_begin.q.val() {
                    self.read_start.next = self.decoder.is_load.val();
                    self.compute_start.next = self.decoder.is_compute.val();
                    if self.decoder.is_load.val() {
                        self.reading.d.next = true;
                    }
                    self.next_instruction.next = true;
                }
            }
            SequencerState::Stop => {
                if !self.compute_busy.val()
                    && !self.reading.q.val()
                    && !self.writing.q.val()
                    && self.trace_idle.val()
                {
                    self.trace_error.d.next = self.trace_failed.val();
                    self.state.d.next = SequencerState::Finished;
                }
            }
            SequencerState::Finished => {
                self.state.d.next = SequencerState::Idle;
            }
            _ => {
                self.state.d.next = SequencerState::Idle;
            }
        }
        if self.next_instruction.val() {
            self.instruction_done.next = true;
            self.step.d.next = bits::<5>(0);
            self.program_counter.d.next = self.program_counter.q.val() + bits::<16>(1);
            self.state.d.next = SequencerState::Fetch;
        }
        if self.reset.val() {
            self.state.d.next = SequencerState::Idle;
            self.reading.d.next = false;
            self.writing.d.next = false;
        }
    }
}
