//! Sequencer: runs a model's program on the rows of a run, group by group.
//!
//! ```text
//!  run -> group (up to group_rows rows) -> fetch -> check -> execute --+--> END: next group, or done
//!                                            ^                         |
//!                                            +-------------------------+
//! ```
//!
//! An instruction is checked whole before it begins: its shape (unused fields zero), its fields,
//! then the ends of all regions that it touches. So nothing is read or written outside.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::{Configuration, Status};

use super::decode::Decoder;
use super::extent::{self, Extent};

/// What the sequencer is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum SequencerState {
    /// Nothing to run.
    Idle,
    /// Begins a group.
    Group,
    /// Reads an instruction.
    Fetch,
    /// Looks at its opcode and fields.
    Decode,
    /// Computes the ends of its regions.
    Check,
    /// Starts it.
    Dispatch,
    /// Lets the units take notice.
    Started,
    /// Waits for it.
    Execute,
    /// Moves the host addresses past the group.
    Advance,
    /// Reports.
    Finished,
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
    /// A run is under way.
    pub busy: Signal<Out, Bit>,
    /// Status of the run that has ended.
    pub status: Signal<Out, Bits<8>>,
    /// Word to read from the program memory.
    pub program_word: Signal<Out, Bits<32>>,
    /// The word of two cycles ago.
    pub program_data: Signal<In, Bits<64>>,
    /// Starts the read engine.
    pub read_start: Signal<Out, Bit>,
    /// Its operands.
    pub read_address: Signal<Out, Bits<64>>,
    /// Bytes of a row, both ways.
    pub row_bytes: Signal<Out, Bits<32>>,
    /// Rows of the group.
    pub group: Signal<Out, Bits<16>>,
    /// Scratchpad address and stride of what LOAD_ROWS and MATRIX write.
    pub target_address: Signal<Out, Bits<32>>,
    /// Stride of the same.
    pub target_stride: Signal<Out, Bits<32>>,
    /// Scratchpad address and stride of what STORE_ROWS and MATRIX read.
    pub source_address: Signal<Out, Bits<32>>,
    /// Stride of the same.
    pub source_stride: Signal<Out, Bits<32>>,
    /// The read engine is busy.
    pub read_busy: Signal<In, Bit>,
    /// Its last transfer failed.
    pub read_failed: Signal<In, Bit>,
    /// Starts the write engine.
    pub write_start: Signal<Out, Bit>,
    /// Its host address.
    pub write_address: Signal<Out, Bits<64>>,
    /// The write engine is busy.
    pub write_busy: Signal<In, Bit>,
    /// Its last transfer failed.
    pub write_failed: Signal<In, Bit>,
    /// Starts the matrix unit.
    pub matrix_start: Signal<Out, Bit>,
    /// See `instructions`.
    pub block_rows: Signal<Out, Bits<16>>,
    /// See `instructions`.
    pub column_tiles: Signal<Out, Bits<16>>,
    /// See `instructions`.
    pub input_tiles: Signal<Out, Bits<16>>,
    /// First weight tile in the memory.
    pub first_tile: Signal<Out, Bits<16>>,
    /// First parameter entry in the memory.
    pub first_parameter: Signal<Out, Bits<32>>,
    /// See `instructions`.
    pub double_rounding: Signal<Out, Bit>,
    /// See `instructions`.
    pub zero_point: Signal<Out, Bits<8>>,
    /// See `instructions`.
    pub clamp_minimum: Signal<Out, Bits<8>>,
    /// See `instructions`.
    pub clamp_maximum: Signal<Out, Bits<8>>,
    /// The matrix unit is busy.
    pub matrix_busy: Signal<In, Bit>,
    /// The matrix unit has issued its last vector.
    pub matrix_issued: Signal<In, Bit>,
    /// An instruction has ended.
    pub instruction_done: Signal<Out, Bit>,
    /// A group has ended.
    pub group_done: Signal<Out, Bit>,
    /// Waiting for a DMA read.
    pub waits_read: Signal<Out, Bit>,
    /// Waiting for a DMA write.
    pub waits_write: Signal<Out, Bit>,
    /// Waiting for the end of a matrix instruction after its last vector.
    pub waits_drain: Signal<Out, Bit>,
    /// Fetching, decoding or checking.
    pub waits_control: Signal<Out, Bit>,
    scratchpad_bytes: Fixed<Bits<32>>,
    array_rows: Fixed<Bits<16>>,
    array_columns: Fixed<Bits<16>>,
    last_check: Fixed<Bits<8>>,
    first_result: Fixed<Bits<8>>,
    last_advance: Fixed<Bits<8>>,
    success: Fixed<Bits<8>>,
    invalid_instruction: Fixed<Bits<8>>,
    instruction_bounds: Fixed<Bits<8>>,
    program_overrun: Fixed<Bits<8>>,
    dma_read_error: Fixed<Bits<8>>,
    dma_write_error: Fixed<Bits<8>>,
    state: DFF<SequencerState>,
    step: DFF<Bits<8>>,
    program_counter: DFF<Bits<16>>,
    fetch_word: DFF<Bits<32>>,
    rows_left: DFF<Bits<16>>,
    group_size: DFF<Bits<16>>,
    host_input: DFF<Bits<64>>,
    host_output: DFF<Bits<64>>,
    result: DFF<Bits<8>>,
    extent: Extent,
    next_group: Signal<Local, Bits<16>>,
    decoder: Decoder,
}

fn code(status: Status) -> Bits<8> {
    u64::from(status as u8).into()
}

impl Sequencer {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        Self {
            scratchpad_bytes: Fixed::new((configuration.scratchpad_bytes as u64).into()),
            array_rows: Fixed::new((configuration.rows as u64).into()),
            array_columns: Fixed::new((configuration.columns as u64).into()),
            last_check: Fixed::new(((extent::LATENCY + 3) as u64).into()),
            first_result: Fixed::new((extent::LATENCY as u64).into()),
            last_advance: Fixed::new(((extent::LATENCY + 1) as u64).into()),
            success: Fixed::new(code(Status::Success)),
            invalid_instruction: Fixed::new(code(Status::InvalidInstruction)),
            instruction_bounds: Fixed::new(code(Status::InstructionBounds)),
            program_overrun: Fixed::new(code(Status::ProgramOverrun)),
            dma_read_error: Fixed::new(code(Status::DmaReadError)),
            dma_write_error: Fixed::new(code(Status::DmaWriteError)),
            decoder: Decoder::new(configuration),
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
            host_input,
            host_output,
            result
        );
        self.decoder.clock.next = self.clock.val();
        self.decoder.word.next = self.program_data.val();
        self.decoder.shift.next = false;
        self.extent.clock.next = self.clock.val();

        self.busy.next = self.state.q.val() != SequencerState::Idle;
        self.status.next = self.result.q.val();
        self.program_word.next = self.fetch_word.q.val();
        self.read_start.next = false;
        self.read_address.next =
            self.host_input.q.val() + bit_cast::<64, 32>(self.decoder.offset.val());
        self.row_bytes.next = self.decoder.bytes.val();
        self.group.next = self.group_size.q.val();
        self.target_address.next = self.decoder.output_at.val();
        self.target_stride.next = self.decoder.output_step.val();
        self.source_address.next = self.decoder.input_at.val();
        self.source_stride.next = self.decoder.input_step.val();
        self.write_start.next = false;
        self.write_address.next =
            self.host_output.q.val() + bit_cast::<64, 32>(self.decoder.offset.val());
        self.matrix_start.next = false;
        self.first_tile.next = self.weight_base.val() + self.decoder.weight_at.val();
        self.first_parameter.next = bit_cast::<32, 16>(self.parameter_base.val())
            + bit_cast::<32, 16>(self.decoder.parameter_at.val());
        self.double_rounding.next = self.decoder.double_rounding.val();
        self.block_rows.next = self.decoder.block_rows.val();
        self.column_tiles.next = self.decoder.column_tiles.val();
        self.input_tiles.next = self.decoder.input_tiles.val();
        self.zero_point.next = self.decoder.zero_point.val();
        self.clamp_minimum.next = self.decoder.clamp_minimum.val();
        self.clamp_maximum.next = self.decoder.clamp_maximum.val();
        self.instruction_done.next = false;
        self.group_done.next = false;
        self.waits_read.next = false;
        self.waits_write.next = false;
        self.waits_drain.next = false;
        self.waits_control.next = false;

        // Regions: rows of DMA; or input, output, weights and parameters of a matrix.
        self.extent.base.next = self.decoder.output_at.val();
        self.extent.count.next = self.group_size.q.val();
        self.extent.stride.next = self.decoder.output_step.val();
        self.extent.tiles.next = self.decoder.beats.val();
        self.extent.unit.next = bits::<16>(8);
        self.extent.limit.next = self.scratchpad_bytes.val();
        if self.decoder.is_store.val() {
            self.extent.base.next = self.decoder.input_at.val();
            self.extent.stride.next = self.decoder.input_step.val();
        }
        if self.decoder.is_matrix.val() {
            self.extent.tiles.next = bit_cast::<32, 16>(self.decoder.column_tiles.val());
            self.extent.unit.next = self.array_columns.val();
            if self.step.q.val() == bits::<8>(1) {
                self.extent.base.next = self.decoder.input_at.val();
                self.extent.stride.next = self.decoder.input_step.val();
                self.extent.tiles.next = bit_cast::<32, 16>(self.decoder.input_tiles.val());
                self.extent.unit.next = self.array_rows.val();
            }
            if self.step.q.val() == bits::<8>(2) {
                self.extent.base.next = bit_cast::<32, 16>(self.decoder.weight_at.val());
                self.extent.count.next = self.decoder.column_tiles.val();
                self.extent.stride.next = bit_cast::<32, 16>(self.decoder.input_tiles.val());
                self.extent.tiles.next = bit_cast::<32, 16>(self.decoder.input_tiles.val());
                self.extent.unit.next = bits::<16>(1);
                self.extent.limit.next = bit_cast::<32, 16>(self.weight_count.val());
            }
            if self.step.q.val() == bits::<8>(3) {
                self.extent.base.next = bit_cast::<32, 16>(self.decoder.parameter_at.val());
                self.extent.count.next = bits::<16>(1);
                self.extent.limit.next = bit_cast::<32, 16>(self.parameter_count.val());
            }
        }
        if self.state.q.val() == SequencerState::Advance {
            self.extent.base.next = bits::<32>(0);
            self.extent.count.next = bits::<16>(1);
            self.extent.unit.next = self.group_size.q.val();
            self.extent.tiles.next = self.input_stride.val();
            if self.step.q.val() == bits::<8>(1) {
                self.extent.tiles.next = self.output_stride.val();
            }
        }

        self.next_group.next = self.group_rows.val();
        if self.rows_left.q.val() < self.group_rows.val() {
            self.next_group.next = self.rows_left.q.val();
        }

        match self.state.q.val() {
            SequencerState::Idle => {
                if self.start.val() {
                    self.rows_left.d.next = self.rows.val();
                    self.host_input.d.next = self.input_address.val();
                    self.host_output.d.next = self.output_address.val();
                    self.state.d.next = SequencerState::Group;
                }
            }
            SequencerState::Group => {
                self.waits_control.next = true;
                self.group_size.d.next = self.next_group.val();
                self.program_counter.d.next = bits::<16>(0);
                self.fetch_word.d.next =
                    bit_cast::<32, 16>(self.program_base.val()) << bits::<2>(3);
                self.step.d.next = bits::<8>(0);
                self.state.d.next = SequencerState::Fetch;
            }
            SequencerState::Fetch => {
                self.waits_control.next = true;
                self.fetch_word.d.next = self.fetch_word.q.val() + bits::<32>(1);
                self.step.d.next = self.step.q.val() + bits::<8>(1);
                // Words come two cycles after their address and are shifted in.
                if self.step.q.val() >= bits::<8>(2) {
                    self.decoder.shift.next = true;
                }
                if self.step.q.val() == bits::<8>(9) {
                    self.state.d.next = SequencerState::Decode;
                }
                if self.program_counter.q.val() == self.program_count.val() {
                    self.result.d.next = self.program_overrun.val();
                    self.state.d.next = SequencerState::Finished;
                }
            }
            SequencerState::Decode => {
                self.waits_control.next = true;
                self.step.d.next = bits::<8>(0);
                if !self.decoder.well_formed.val() {
                    self.result.d.next = self.invalid_instruction.val();
                    self.state.d.next = SequencerState::Finished;
                } else if self.decoder.is_end.val() {
                    self.instruction_done.next = true;
                    self.group_done.next = true;
                    self.state.d.next = SequencerState::Advance;
                } else {
                    self.state.d.next = SequencerState::Check;
                }
            }
            SequencerState::Check => {
                self.waits_control.next = true;
                self.step.d.next = self.step.q.val() + bits::<8>(1);
                if self.step.q.val() == self.last_check.val() {
                    self.state.d.next = SequencerState::Dispatch;
                }
                if (self.step.q.val() >= self.first_result.val()) && !self.extent.fits.val() {
                    self.result.d.next = self.instruction_bounds.val();
                    self.state.d.next = SequencerState::Finished;
                }
            }
            SequencerState::Dispatch => {
                self.waits_control.next = true;
                self.read_start.next = self.decoder.is_load.val();
                self.write_start.next = self.decoder.is_store.val();
                self.matrix_start.next = self.decoder.is_matrix.val();
                self.state.d.next = SequencerState::Started;
            }
            SequencerState::Started => {
                self.waits_control.next = true;
                self.state.d.next = SequencerState::Execute;
            }
            SequencerState::Execute => {
                self.waits_read.next = self.decoder.is_load.val();
                self.waits_write.next = self.decoder.is_store.val();
                self.waits_drain.next = self.decoder.is_matrix.val() && self.matrix_issued.val();
                if !self.read_busy.val() && !self.write_busy.val() && !self.matrix_busy.val() {
                    self.instruction_done.next = true;
                    self.step.d.next = bits::<8>(0);
                    self.program_counter.d.next = self.program_counter.q.val() + bits::<16>(1);
                    self.fetch_word.d.next = (bit_cast::<32, 16>(self.program_base.val())
                        + bit_cast::<32, 16>(self.program_counter.q.val())
                        + bits::<32>(1))
                        << bits::<2>(3);
                    self.state.d.next = SequencerState::Fetch;
                    if self.decoder.is_load.val() && self.read_failed.val() {
                        self.instruction_done.next = false;
                        self.result.d.next = self.dma_read_error.val();
                        self.state.d.next = SequencerState::Finished;
                    }
                    if self.decoder.is_store.val() && self.write_failed.val() {
                        self.instruction_done.next = false;
                        self.result.d.next = self.dma_write_error.val();
                        self.state.d.next = SequencerState::Finished;
                    }
                }
            }
            SequencerState::Advance => {
                self.waits_control.next = true;
                self.step.d.next = self.step.q.val() + bits::<8>(1);
                if self.step.q.val() == self.first_result.val() {
                    self.host_input.d.next = self.host_input.q.val() + self.extent.finish.val();
                    self.rows_left.d.next = self.rows_left.q.val() - self.group_size.q.val();
                }
                if self.step.q.val() == self.last_advance.val() {
                    self.host_output.d.next = self.host_output.q.val() + self.extent.finish.val();
                    self.state.d.next = SequencerState::Group;
                    if self.rows_left.q.val() == bits::<16>(0) {
                        self.result.d.next = self.success.val();
                        self.state.d.next = SequencerState::Finished;
                    }
                }
            }
            SequencerState::Finished => {
                self.state.d.next = SequencerState::Idle;
            }
            _ => {
                self.state.d.next = SequencerState::Idle;
            }
        }
        if self.reset.val() {
            self.state.d.next = SequencerState::Idle;
        }
    }
}
