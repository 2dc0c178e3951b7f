//! Queue engine: takes entries off the submission ring, has them carried out, and answers on the
//! completion ring.
//!
//! ```text
//!  Idle -> Fetch -> Lookup -> Judge -> Check --+-> LoadProgram -> LoadParameters -> LoadWeights -> Commit --+
//!   ^                                          +-> Run ----------------------------------------------------+
//!   |                                          +-> (NOP, UNLOAD, refused) ---------------------------------+
//!   +-- Interrupt <- Complete <- Statistics <---------------------------------------------------------------+
//! ```
//!
//! The checks are in the order that the functional model documents. What fails outside a command
//! (a doorbell beyond the ring, an entry that can't be read, a completion that can't be written)
//! ends in `Fatal`, which only a reset leaves.
//!
//! A command lasts thousands of cycles, so the engine takes its time: addresses, successors of
//! indices and requests to the DMA engines are computed into registers, and `Idle` waits until
//! they have followed the indices.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::{Configuration, QUEUE_ENTRIES_MAX, Status};

use crate::dma::port;

/// What the engine is doing.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum QueueState {
    /// No command.
    Idle,
    /// Asks for the entry.
    Fetch,
    /// Waits for it.
    FetchWait,
    /// Lets the slot table answer.
    Lookup,
    /// The checks of the entry are put together.
    Judge,
    /// Checks the entry.
    Check,
    /// Copies the program.
    LoadProgram,
    /// Waits for it.
    LoadProgramWait,
    /// Copies the parameters.
    LoadParameters,
    /// Waits for them.
    LoadParametersWait,
    /// Copies the weights.
    LoadWeights,
    /// Waits for them.
    LoadWeightsWait,
    /// Fills the slot.
    Commit,
    /// Starts the sequencer.
    Run,
    /// Waits for it.
    RunWait,
    /// Writes the statistics block.
    Statistics,
    /// Waits for that.
    StatisticsWait,
    /// Lets the slot table answer again, for the version.
    Version,
    /// Writes the completion.
    Complete,
    /// Waits for that.
    CompleteWait,
    /// Requests the interrupt.
    Interrupt,
    /// The queue has failed.
    Fatal,
}

/// The queue engine.
#[derive(LogicBlock, Default)]
pub struct QueueEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Stops everything.
    pub reset: Signal<In, Bit>,
    /// CONTROL.ENABLE.
    pub enable: Signal<In, Bit>,
    /// Base of the submission ring.
    pub submission_base: Signal<In, Bits<64>>,
    /// Its entries.
    pub submission_entries: Signal<In, Bits<32>>,
    /// Base of the completion ring.
    pub completion_base: Signal<In, Bits<64>>,
    /// Its entries.
    pub completion_entries: Signal<In, Bits<32>>,
    /// The submission tail doorbell is rung with `doorbell`.
    pub ring_submission: Signal<In, Bit>,
    /// The completion head doorbell is rung with `doorbell`.
    pub ring_completion: Signal<In, Bit>,
    /// Value of the doorbell.
    pub doorbell: Signal<In, Bits<32>>,
    /// Interrupts are requested.
    pub interrupt_enable: Signal<In, Bit>,
    /// Next entry to fetch.
    pub submission_head: Signal<Out, Bits<16>>,
    /// Next completion to write.
    pub completion_tail: Signal<Out, Bits<16>>,
    /// The queue has failed.
    pub fatal: Signal<Out, Bit>,
    /// Why.
    pub fatal_code: Signal<Out, Bits<8>>,
    /// A command is being processed.
    pub processing: Signal<Out, Bit>,
    /// A command is outstanding, from the doorbell to the acknowledged completion.
    pub outstanding: Signal<Out, Bit>,
    /// A command begins: clears its counters.
    pub begins: Signal<Out, Bit>,
    /// A command has been completed.
    pub completed: Signal<Out, Bit>,
    /// It had a status other than Success.
    pub completed_error: Signal<Out, Bit>,
    /// Starts the read engine.
    pub read_start: Signal<Out, Bit>,
    /// Its operands.
    pub read_address: Signal<Out, Bits<64>>,
    /// Its operands.
    pub read_row_bytes: Signal<Out, Bits<32>>,
    /// Its operands.
    pub read_rows: Signal<Out, Bits<16>>,
    /// Its operands.
    pub read_stride: Signal<Out, Bits<32>>,
    /// Its operands.
    pub read_destination: Signal<Out, Bits<32>>,
    /// Its operands.
    pub read_port: Signal<Out, Bits<3>>,
    /// The engine, not the sequencer, uses the read engine.
    pub read_owner: Signal<Out, Bit>,
    /// The read engine is busy.
    pub read_busy: Signal<In, Bit>,
    /// Its last transfer failed.
    pub read_failed: Signal<In, Bit>,
    /// Starts the write engine.
    pub write_start: Signal<Out, Bit>,
    /// Its operands.
    pub write_address: Signal<Out, Bits<64>>,
    /// Its operands.
    pub write_row_bytes: Signal<Out, Bits<32>>,
    /// Its operands.
    pub write_port: Signal<Out, Bits<3>>,
    /// The engine, not the sequencer, uses the write engine.
    pub write_owner: Signal<Out, Bit>,
    /// The write engine is busy.
    pub write_busy: Signal<In, Bit>,
    /// Its last transfer failed.
    pub write_failed: Signal<In, Bit>,
    /// Empties the slot of the entry.
    pub slot_clear: Signal<Out, Bit>,
    /// Fills it.
    pub slot_fill: Signal<Out, Bit>,
    /// The slot holds a model.
    pub slot_holds_model: Signal<In, Bit>,
    /// Version of the slot.
    pub slot_version: Signal<In, Bits<32>>,
    /// A region is too large.
    pub slot_too_large: Signal<In, Bit>,
    /// A region overlaps.
    pub slot_overlaps: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub is_nop: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub is_load: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub is_run: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub is_unload: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub well_formed: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub slot_exists: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub aligned: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub rows_possible: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub counts_possible: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub parameters_aligned: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub wants_statistics: Signal<In, Bit>,
    /// See `EntryDecoder`.
    pub command_id: Signal<In, Bits<16>>,
    /// See `EntryDecoder`.
    pub slot: Signal<In, Bits<8>>,
    /// See `EntryDecoder`.
    pub image_address: Signal<In, Bits<64>>,
    /// See `EntryDecoder`.
    pub statistics_address: Signal<In, Bits<64>>,
    /// See `EntryDecoder`.
    pub program_base: Signal<In, Bits<16>>,
    /// See `EntryDecoder`.
    pub program_count: Signal<In, Bits<16>>,
    /// See `EntryDecoder`.
    pub parameter_base: Signal<In, Bits<16>>,
    /// See `EntryDecoder`.
    pub parameter_count: Signal<In, Bits<16>>,
    /// See `EntryDecoder`.
    pub weight_count: Signal<In, Bits<16>>,
    /// Starts the sequencer.
    pub run_start: Signal<Out, Bit>,
    /// It is busy.
    pub run_busy: Signal<In, Bit>,
    /// How its run ended.
    pub run_status: Signal<In, Bits<8>>,
    /// Cycles of the command so far.
    pub command_cycles: Signal<In, Bits<32>>,
    /// Low word of the completion.
    pub completion_low: Signal<Out, Bits<64>>,
    /// High word of the completion.
    pub completion_high: Signal<Out, Bits<64>>,
    /// The entry is fetched or checked.
    pub waits_entry: Signal<Out, Bit>,
    /// An MSI-X message is requested.
    pub interrupt_valid: Signal<Out, Bit>,
    /// The request is taken.
    pub interrupt_ready: Signal<In, Bit>,
    entries_limit: Fixed<Bits<32>>,
    tile_bytes: Fixed<Bits<32>>,
    port_entry: Fixed<Bits<3>>,
    port_program: Fixed<Bits<3>>,
    port_parameters: Fixed<Bits<3>>,
    port_weights: Fixed<Bits<3>>,
    port_completion: Fixed<Bits<3>>,
    port_statistics: Fixed<Bits<3>>,
    success: Fixed<Bits<8>>,
    invalid_opcode: Fixed<Bits<8>>,
    invalid_field: Fixed<Bits<8>>,
    invalid_slot: Fixed<Bits<8>>,
    slot_empty: Fixed<Bits<8>>,
    invalid_rows: Fixed<Bits<8>>,
    misaligned: Fixed<Bits<8>>,
    region_too_large: Fixed<Bits<8>>,
    region_overlap: Fixed<Bits<8>>,
    dma_read_error: Fixed<Bits<8>>,
    dma_write_error: Fixed<Bits<8>>,
    invalid_doorbell: Fixed<Bits<8>>,
    invalid_queue: Fixed<Bits<8>>,
    state: DFF<QueueState>,
    enabled: DFF<Bit>,
    head: DFF<Bits<16>>,
    tail: DFF<Bits<16>>,
    completion_at: DFF<Bits<16>>,
    completion_head: DFF<Bits<16>>,
    phase: DFF<Bit>,
    step: DFF<Bits<2>>,
    status: DFF<Bits<8>>,
    outcome: DFF<Bits<8>>,
    load_failed: DFF<Bit>,
    statistics_failed: DFF<Bit>,
    verdict: DFF<Bits<8>>,
    accepts: DFF<Bit>,
    accepted: DFF<Bit>,
    fatal_status: DFF<Bits<8>>,
    doomed: DFF<Bit>,
    section: DFF<Bits<64>>,
    seen: DFF<Bit>,
    rings_possible: DFF<Bit>,
    head_after: DFF<Bits<16>>,
    next_head: DFF<Bits<16>>,
    completion_after: DFF<Bits<16>>,
    next_completion: DFF<Bits<16>>,
    completion_wraps: DFF<Bit>,
    free_place: DFF<Bit>,
    submission_at: DFF<Bits<64>>,
    answer_at: DFF<Bits<64>>,
    reads: DFF<Bit>,
    request_bytes: DFF<Bits<32>>,
    request_rows: DFF<Bits<16>>,
    request_stride: DFF<Bits<32>>,
    request_destination: DFF<Bits<32>>,
    request_port: DFF<Bits<3>>,
    writes: DFF<Bit>,
    answers: DFF<Bit>,
    lends: DFF<Bit>,
    clears: DFF<Bit>,
    has_work: Signal<Local, Bit>,
    phase_bit: Signal<Local, Bits<64>>,
}

fn code(status: Status) -> Bits<8> {
    u64::from(status as u8).into()
}

impl QueueEngine {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        Self {
            entries_limit: Fixed::new(u64::from(QUEUE_ENTRIES_MAX).into()),
            tile_bytes: Fixed::new((configuration.tile_bytes() as u64).into()),
            port_entry: Fixed::new(port::ENTRY.into()),
            port_program: Fixed::new(port::PROGRAM.into()),
            port_parameters: Fixed::new(port::PARAMETERS.into()),
            port_weights: Fixed::new(port::WEIGHTS.into()),
            port_completion: Fixed::new(port::COMPLETION.into()),
            port_statistics: Fixed::new(port::STATISTICS.into()),
            success: Fixed::new(code(Status::Success)),
            invalid_opcode: Fixed::new(code(Status::InvalidOpcode)),
            invalid_field: Fixed::new(code(Status::InvalidField)),
            invalid_slot: Fixed::new(code(Status::InvalidSlot)),
            slot_empty: Fixed::new(code(Status::SlotEmpty)),
            invalid_rows: Fixed::new(code(Status::InvalidRows)),
            misaligned: Fixed::new(code(Status::Misaligned)),
            region_too_large: Fixed::new(code(Status::RegionTooLarge)),
            region_overlap: Fixed::new(code(Status::RegionOverlap)),
            dma_read_error: Fixed::new(code(Status::DmaReadError)),
            dma_write_error: Fixed::new(code(Status::DmaWriteError)),
            invalid_doorbell: Fixed::new(code(Status::InvalidDoorbell)),
            invalid_queue: Fixed::new(code(Status::InvalidQueue)),
            ..Default::default()
        }
    }
}

impl Logic for QueueEngine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            enabled,
            head,
            tail,
            completion_at,
            completion_head,
            phase,
            step,
            status,
            outcome,
            load_failed,
            statistics_failed,
            verdict,
            accepts,
            accepted,
            fatal_status,
            doomed,
            section,
            seen,
            rings_possible,
            head_after,
            next_head,
            completion_after,
            next_completion,
            completion_wraps,
            free_place,
            submission_at,
            answer_at,
            reads,
            request_bytes,
            request_rows,
            request_stride,
            request_destination,
            request_port,
            writes,
            answers,
            lends,
            clears
        );
        self.submission_head.next = self.head.q.val();
        self.completion_tail.next = self.completion_at.q.val();
        self.fatal.next = self.state.q.val() == QueueState::Fatal;
        self.fatal_code.next = self.fatal_status.q.val();
        self.begins.next = self.state.q.val() == QueueState::Fetch;
        self.completed.next = false;
        self.completed_error.next = self.status.q.val() != self.success.val();
        self.reads.d.next = false;
        self.read_start.next = self.reads.q.val();
        self.read_address.next = self.section.q.val();
        self.read_row_bytes.next = self.request_bytes.q.val();
        self.read_rows.next = self.request_rows.q.val();
        self.read_stride.next = self.request_stride.q.val();
        self.read_destination.next = self.request_destination.q.val();
        self.read_port.next = self.request_port.q.val();
        self.read_owner.next = !self.lends.q.val();
        self.writes.d.next = false;
        self.write_start.next = self.writes.q.val();
        self.write_address.next = self.statistics_address.val();
        self.write_row_bytes.next = bits::<32>(64);
        self.write_port.next = self.port_statistics.val();
        if self.answers.q.val() {
            self.write_address.next = self.answer_at.q.val();
            self.write_row_bytes.next = bits::<32>(16);
            self.write_port.next = self.port_completion.val();
        }
        self.write_owner.next = !self.lends.q.val();
        self.lends.d.next =
            (self.state.q.val() == QueueState::Run) || (self.state.q.val() == QueueState::RunWait);
        self.clears.d.next = false;
        self.slot_clear.next = self.clears.q.val();
        self.slot_fill.next = false;
        self.run_start.next = false;
        self.waits_entry.next = false;
        self.interrupt_valid.next = false;

        // Successors of the indices, and their entries: two cycles after the indices, three until it
        // is known whether there is a free place for a completion.
        self.head_after.d.next = self.head.q.val() + bits::<16>(1);
        self.next_head.d.next = self.head_after.q.val();
        if self.head_after.q.val() == self.submission_entries.val().get_bits::<16>(0) {
            self.next_head.d.next = bits::<16>(0);
        }
        self.completion_after.d.next = self.completion_at.q.val() + bits::<16>(1);
        self.next_completion.d.next = self.completion_after.q.val();
        self.completion_wraps.d.next = false;
        if self.completion_after.q.val() == self.completion_entries.val().get_bits::<16>(0) {
            self.next_completion.d.next = bits::<16>(0);
            self.completion_wraps.d.next = true;
        }
        self.free_place.d.next = self.next_completion.q.val() != self.completion_head.q.val();
        self.submission_at.d.next =
            self.submission_base.val() + (bit_cast::<64, 16>(self.head.q.val()) << bits::<3>(6));
        self.answer_at.d.next = self.completion_base.val()
            + (bit_cast::<64, 16>(self.completion_at.q.val()) << bits::<3>(4));
        self.has_work.next = self.enable.val()
            && self.enabled.q.val()
            && (self.step.q.val() == bits::<2>(3))
            && self.free_place.q.val()
            && (self.head.q.val() != self.tail.q.val());
        // The rings have been left alone for a cycle before the answer is used.
        self.seen.d.next = self.enable.val();
        self.rings_possible.d.next = (self.submission_entries.val() >= bits::<32>(2))
            && (self.submission_entries.val() <= self.entries_limit.val())
            && (self.completion_entries.val() >= bits::<32>(2))
            && (self.completion_entries.val() <= self.entries_limit.val())
            && (self.submission_base.val().get_bits::<6>(0) == bits::<6>(0))
            && (self.completion_base.val().get_bits::<4>(0) == bits::<4>(0));
        self.processing.next =
            (self.state.q.val() != QueueState::Idle) && (self.state.q.val() != QueueState::Fatal);
        self.outstanding.next = self.processing.val()
            || ((self.state.q.val() == QueueState::Idle)
                && self.enabled.q.val()
                && (self.head.q.val() != self.tail.q.val()));

        // The completion entry, as `CompletionEntry` lays it out.
        self.completion_low.next = (bit_cast::<64, 32>(self.command_cycles.val()) << bits::<6>(32))
            | bit_cast::<64, 32>(self.slot_version.val());
        self.phase_bit.next = bits::<64>(0);
        if self.phase.q.val() {
            self.phase_bit.next = bits::<64>(1);
        }
        self.completion_high.next = bit_cast::<64, 16>(self.command_id.val())
            | (bit_cast::<64, 16>(self.head.q.val()) << bits::<6>(16))
            | (bit_cast::<64, 8>(self.status.q.val()) << bits::<6>(32))
            | (bit_cast::<64, 8>(self.slot.val()) << bits::<6>(40))
            | (self.phase_bit.val() << bits::<6>(48));

        // The status of the command, a cycle after what it is made of.
        self.status.d.next = self.outcome.q.val();
        if self.statistics_failed.q.val() && (self.outcome.q.val() == self.success.val()) {
            self.status.d.next = self.dma_write_error.val();
        }
        if self.load_failed.q.val() {
            self.status.d.next = self.dma_read_error.val();
        }

        // What becomes of the entry, a cycle after all that it depends on.
        self.accepts.d.next = false;
        if !self.is_nop.val() && !self.is_load.val() && !self.is_run.val() && !self.is_unload.val()
        {
            self.verdict.d.next = self.invalid_opcode.val();
        } else if !self.well_formed.val() {
            self.verdict.d.next = self.invalid_field.val();
        } else if !self.is_nop.val() && !self.slot_exists.val() {
            self.verdict.d.next = self.invalid_slot.val();
        } else if self.is_run.val() && !self.slot_holds_model.val() {
            self.verdict.d.next = self.slot_empty.val();
        } else if self.is_run.val() && !self.rows_possible.val() {
            self.verdict.d.next = self.invalid_rows.val();
        } else if !self.aligned.val() {
            self.verdict.d.next = self.misaligned.val();
        } else if self.is_load.val() && !self.counts_possible.val() {
            self.verdict.d.next = self.invalid_field.val();
        } else if self.is_load.val() && !self.parameters_aligned.val() {
            self.verdict.d.next = self.misaligned.val();
        } else if self.is_load.val() && self.slot_too_large.val() {
            self.verdict.d.next = self.region_too_large.val();
        } else if self.is_load.val() && self.slot_overlaps.val() {
            self.verdict.d.next = self.region_overlap.val();
        } else {
            self.verdict.d.next = self.success.val();
            self.accepts.d.next = true;
        }

        match self.state.q.val() {
            QueueState::Idle => {
                if !self.enable.val() {
                    self.enabled.d.next = false;
                }
                if self.step.q.val() != bits::<2>(3) {
                    self.step.d.next = self.step.q.val() + bits::<2>(1);
                }
                if self.doomed.q.val() {
                    // A bad doorbell: the command before it has been finished first.
                    self.fatal_status.d.next = self.invalid_doorbell.val();
                    self.state.d.next = QueueState::Fatal;
                } else if self.enable.val() && self.seen.q.val() && !self.enabled.q.val() {
                    self.enabled.d.next = true;
                    self.step.d.next = bits::<2>(0);
                    self.head.d.next = bits::<16>(0);
                    self.tail.d.next = bits::<16>(0);
                    self.completion_at.d.next = bits::<16>(0);
                    self.completion_head.d.next = bits::<16>(0);
                    self.phase.d.next = true;
                    if !self.rings_possible.q.val() {
                        self.fatal_status.d.next = self.invalid_queue.val();
                        self.state.d.next = QueueState::Fatal;
                    }
                } else if self.has_work.val() {
                    self.state.d.next = QueueState::Fetch;
                }
            }
            QueueState::Fetch => {
                self.waits_entry.next = true;
                self.reads.d.next = true;
                self.section.d.next = self.submission_at.q.val();
                self.request_bytes.d.next = bits::<32>(64);
                self.request_rows.d.next = bits::<16>(1);
                self.request_stride.d.next = bits::<32>(0);
                self.request_destination.d.next = bits::<32>(0);
                self.request_port.d.next = self.port_entry.val();
                self.state.d.next = QueueState::FetchWait;
            }
            QueueState::FetchWait => {
                self.waits_entry.next = true;
                self.step.d.next = bits::<2>(0);
                if !self.reads.q.val() && !self.read_busy.val() {
                    self.head.d.next = self.next_head.q.val();
                    self.state.d.next = QueueState::Lookup;
                    if self.read_failed.val() {
                        self.fatal_status.d.next = self.dma_read_error.val();
                        self.state.d.next = QueueState::Fatal;
                    }
                }
            }
            QueueState::Lookup => {
                self.waits_entry.next = true;
                self.step.d.next = self.step.q.val() + bits::<2>(1);
                if self.step.q.val() == bits::<2>(3) {
                    self.state.d.next = QueueState::Judge;
                }
            }
            QueueState::Judge => {
                self.waits_entry.next = true;
                self.state.d.next = QueueState::Check;
            }
            QueueState::Check => {
                self.waits_entry.next = true;
                self.accepted.d.next = false;
                self.answers.d.next = false;
                self.section.d.next = self.image_address.val();
                self.state.d.next = QueueState::Version;
                self.outcome.d.next = self.verdict.q.val();
                self.load_failed.d.next = false;
                self.statistics_failed.d.next = false;
                if self.accepts.q.val() {
                    self.accepted.d.next = true;
                    self.state.d.next = QueueState::Statistics;
                    if self.is_load.val() {
                        self.clears.d.next = true;
                        self.state.d.next = QueueState::LoadProgram;
                    }
                    if self.is_unload.val() {
                        self.clears.d.next = true;
                    }
                    if self.is_run.val() {
                        self.state.d.next = QueueState::Run;
                    }
                }
            }
            QueueState::LoadProgram => {
                self.reads.d.next = true;
                self.request_bytes.d.next =
                    bit_cast::<32, 16>(self.program_count.val()) << bits::<3>(6);
                self.request_destination.d.next =
                    bit_cast::<32, 16>(self.program_base.val()) << bits::<3>(6);
                self.request_port.d.next = self.port_program.val();
                self.state.d.next = QueueState::LoadProgramWait;
            }
            QueueState::LoadProgramWait => {
                if !self.reads.q.val() && !self.read_busy.val() {
                    self.section.d.next =
                        self.section.q.val() + bit_cast::<64, 32>(self.request_bytes.q.val());
                    self.state.d.next = QueueState::LoadParameters;
                    if self.parameter_count.val() == bits::<16>(0) {
                        self.state.d.next = QueueState::LoadWeights;
                        if self.weight_count.val() == bits::<16>(0) {
                            self.state.d.next = QueueState::Commit;
                        }
                    }
                    if self.read_failed.val() {
                        self.load_failed.d.next = true;
                        self.state.d.next = QueueState::Statistics;
                    }
                }
            }
            QueueState::LoadParameters => {
                self.reads.d.next = true;
                self.request_bytes.d.next =
                    bit_cast::<32, 16>(self.parameter_count.val()) << bits::<3>(4);
                self.request_destination.d.next =
                    bit_cast::<32, 16>(self.parameter_base.val()) << bits::<3>(4);
                self.request_port.d.next = self.port_parameters.val();
                self.state.d.next = QueueState::LoadParametersWait;
            }
            QueueState::LoadParametersWait => {
                if !self.reads.q.val() && !self.read_busy.val() {
                    self.section.d.next =
                        self.section.q.val() + bit_cast::<64, 32>(self.request_bytes.q.val());
                    self.state.d.next = QueueState::LoadWeights;
                    if self.weight_count.val() == bits::<16>(0) {
                        self.state.d.next = QueueState::Commit;
                    }
                    if self.read_failed.val() {
                        self.load_failed.d.next = true;
                        self.state.d.next = QueueState::Statistics;
                    }
                }
            }
            QueueState::LoadWeights => {
                // The weight memory counts tiles and beats by itself.
                self.reads.d.next = true;
                self.request_bytes.d.next = self.tile_bytes.val();
                self.request_rows.d.next = self.weight_count.val();
                self.request_stride.d.next = self.tile_bytes.val();
                self.request_destination.d.next = bits::<32>(0);
                self.request_port.d.next = self.port_weights.val();
                self.state.d.next = QueueState::LoadWeightsWait;
            }
            QueueState::LoadWeightsWait => {
                if !self.reads.q.val() && !self.read_busy.val() {
                    self.state.d.next = QueueState::Commit;
                    if self.read_failed.val() {
                        self.load_failed.d.next = true;
                        self.state.d.next = QueueState::Statistics;
                    }
                }
            }
            QueueState::Commit => {
                self.slot_fill.next = true;
                self.state.d.next = QueueState::Statistics;
            }
            QueueState::Run => {
                self.run_start.next = true;
                self.state.d.next = QueueState::RunWait;
            }
            QueueState::RunWait => {
                if !self.run_busy.val() {
                    self.outcome.d.next = self.run_status.val();
                    self.state.d.next = QueueState::Statistics;
                }
            }
            QueueState::Statistics => {
                self.state.d.next = QueueState::Version;
                if self.wants_statistics.val() {
                    self.writes.d.next = true;
                    self.state.d.next = QueueState::StatisticsWait;
                }
            }
            QueueState::StatisticsWait => {
                if !self.writes.q.val() && !self.write_busy.val() {
                    self.state.d.next = QueueState::Version;
                    self.statistics_failed.d.next = self.write_failed.val();
                }
            }
            QueueState::Version => {
                self.answers.d.next = true;
                self.step.d.next = self.step.q.val() + bits::<2>(1);
                if self.step.q.val() == bits::<2>(1) {
                    self.state.d.next = QueueState::Complete;
                }
            }
            QueueState::Complete => {
                self.writes.d.next = true;
                self.state.d.next = QueueState::CompleteWait;
            }
            QueueState::CompleteWait => {
                self.step.d.next = bits::<2>(0);
                if !self.writes.q.val() && !self.write_busy.val() {
                    self.completion_at.d.next = self.next_completion.q.val();
                    if self.completion_wraps.q.val() {
                        self.phase.d.next = !self.phase.q.val();
                    }
                    self.completed.next = true;
                    self.state.d.next = QueueState::Idle;
                    if self.interrupt_enable.val() {
                        self.state.d.next = QueueState::Interrupt;
                    }
                    if self.write_failed.val() {
                        self.completed.next = false;
                        self.fatal_status.d.next = self.dma_write_error.val();
                        self.state.d.next = QueueState::Fatal;
                    }
                }
            }
            QueueState::Interrupt => {
                self.interrupt_valid.next = true;
                if self.interrupt_ready.val() {
                    self.state.d.next = QueueState::Idle;
                }
            }
            QueueState::Fatal => {
                self.enabled.d.next = self.enable.val();
            }
            _ => {
                self.state.d.next = QueueState::Idle;
            }
        }

        if self.enabled.q.val() && self.enable.val() && (self.state.q.val() != QueueState::Fatal) {
            if self.ring_submission.val() {
                self.tail.d.next = self.doorbell.val().get_bits::<16>(0);
                if self.doorbell.val() >= self.submission_entries.val() {
                    self.tail.d.next = self.tail.q.val();
                    self.doomed.d.next = true;
                }
            }
            if self.ring_completion.val() {
                self.completion_head.d.next = self.doorbell.val().get_bits::<16>(0);
                if self.doorbell.val() >= self.completion_entries.val() {
                    self.completion_head.d.next = self.completion_head.q.val();
                    self.doomed.d.next = true;
                }
            }
        }
        if self.reset.val() {
            self.state.d.next = QueueState::Idle;
            self.step.d.next = bits::<2>(0);
            self.reads.d.next = false;
            self.writes.d.next = false;
            self.clears.d.next = false;
            self.seen.d.next = false;
            self.enabled.d.next = false;
            self.head.d.next = bits::<16>(0);
            self.tail.d.next = bits::<16>(0);
            self.completion_at.d.next = bits::<16>(0);
            self.completion_head.d.next = bits::<16>(0);
            self.fatal_status.d.next = bits::<8>(0);
            self.doomed.d.next = false;
        }
    }
}
