//! The accelerator: everything wired up, with an AXI4-Lite slave for BAR0, an AXI4 master for
//! DMA and a request for MSI-X messages.
//!
//! ```text
//!              +-----------+   +--------------+   +-----------+
//!  AXI4-Lite --| registers |---| queue engine |---| slots     |
//!              +-----------+   +--------------+   +-----------+
//!                                |        |
//!                          entry |        | run
//!              +-----------+     v        v       +-----------+
//!  AXI4 -------| DMA read  |--> program -> sequencer --> matrix unit
//!              | DMA write |<-- scratchpad <----------------->|
//!              +-----------+
//! ```

use rust_hdl::prelude::*;
use systole_regs::Configuration;

use crate::bar::counters::Counters;
use crate::bar::registers::Registers;
use crate::compute::ComputeUnit;
use crate::control::sequencer::Sequencer;
use crate::control::trace::Trace;
use crate::delay::Delay;
use crate::dma::{port, reader::DmaReader, writer::DmaWriter};
use crate::join::Resize;
use crate::memory::program::ProgramMemory;
use crate::memory::scratchpad::{ACCESS_LATENCY, Scratchpad};
use crate::queue::{engine::QueueEngine, entry::EntryDecoder, slots::SlotTable};

/// Slots of the table.
const S: usize = systole_regs::SLOT_COUNT as usize;

/// Cycles that a reset lasts: longer than any pipeline, so that flags in flight run out.
const RESET_CYCLES: u64 = 200;

/// The accelerator; the constants are those of [`ComputeUnit`] and `WW`, the bits of an
/// access to the scratchpad: Q or 8 bytes, whichever is more.
#[derive(LogicBlock)]
pub struct Accelerator<
    const R: usize,
    const C: usize,
    const G: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const RS: usize,
    const WW: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Twice as fast, rising with the clock, where
    /// [`takes_double_clock`](crate::primitive::takes_double_clock) says so; else it may rest.
    pub double_clock: Signal<In, Clock>,
    /// Power-on and function-level reset: resets the bus side too.
    pub reset: Signal<In, Bit>,
    /// AXI4-Lite slave, write address.
    pub s_aw_valid: Signal<In, Bit>,
    /// Byte offset in BAR0.
    pub s_aw_address: Signal<In, Bits<16>>,
    /// Taken.
    pub s_aw_ready: Signal<Out, Bit>,
    /// AXI4-Lite slave, write data.
    pub s_w_valid: Signal<In, Bit>,
    /// Value.
    pub s_w_data: Signal<In, Bits<32>>,
    /// Byte strobes.
    pub s_w_strobe: Signal<In, Bits<4>>,
    /// Taken.
    pub s_w_ready: Signal<Out, Bit>,
    /// AXI4-Lite slave, write response (always OKAY).
    pub s_b_valid: Signal<Out, Bit>,
    /// Taken.
    pub s_b_ready: Signal<In, Bit>,
    /// AXI4-Lite slave, read address.
    pub s_ar_valid: Signal<In, Bit>,
    /// Byte offset in BAR0.
    pub s_ar_address: Signal<In, Bits<16>>,
    /// Taken.
    pub s_ar_ready: Signal<Out, Bit>,
    /// AXI4-Lite slave, read data (always OKAY).
    pub s_r_valid: Signal<Out, Bit>,
    /// Value.
    pub s_r_data: Signal<Out, Bits<32>>,
    /// Taken.
    pub s_r_ready: Signal<In, Bit>,
    /// AXI4 master, read address. Incrementing bursts of 8-byte beats, one id.
    pub m_ar_valid: Signal<Out, Bit>,
    /// Byte address.
    pub m_ar_address: Signal<Out, Bits<64>>,
    /// Beats minus 1.
    pub m_ar_length: Signal<Out, Bits<8>>,
    /// Taken.
    pub m_ar_ready: Signal<In, Bit>,
    /// AXI4 master, read data.
    pub m_r_valid: Signal<In, Bit>,
    /// Beat.
    pub m_r_data: Signal<In, Bits<64>>,
    /// Response.
    pub m_r_response: Signal<In, Bits<2>>,
    /// Last of its burst.
    pub m_r_last: Signal<In, Bit>,
    /// Always ready.
    pub m_r_ready: Signal<Out, Bit>,
    /// AXI4 master, write address.
    pub m_aw_valid: Signal<Out, Bit>,
    /// Byte address.
    pub m_aw_address: Signal<Out, Bits<64>>,
    /// Beats minus 1.
    pub m_aw_length: Signal<Out, Bits<8>>,
    /// Taken.
    pub m_aw_ready: Signal<In, Bit>,
    /// AXI4 master, write data.
    pub m_w_valid: Signal<Out, Bit>,
    /// Beat.
    pub m_w_data: Signal<Out, Bits<64>>,
    /// Byte strobes.
    pub m_w_strobe: Signal<Out, Bits<8>>,
    /// Last of its burst.
    pub m_w_last: Signal<Out, Bit>,
    /// Taken.
    pub m_w_ready: Signal<In, Bit>,
    /// AXI4 master, write response.
    pub m_b_valid: Signal<In, Bit>,
    /// Response.
    pub m_b_response: Signal<In, Bits<2>>,
    /// Always ready.
    pub m_b_ready: Signal<Out, Bit>,
    /// An MSI-X message is requested.
    pub interrupt_valid: Signal<Out, Bit>,
    /// Its vector.
    pub interrupt_vector: Signal<Out, Bits<11>>,
    /// The request is taken.
    pub interrupt_ready: Signal<In, Bit>,
    /// A command is outstanding, a bus access under way, or a reset: the clock is needed.
    pub active: Signal<Out, Bit>,
    port_entry: Constant<Bits<3>>,
    port_program: Constant<Bits<3>>,
    port_parameters: Constant<Bits<3>>,
    port_weights: Constant<Bits<3>>,
    port_scratchpad: Constant<Bits<3>>,
    port_statistics: Constant<Bits<3>>,
    port_trace: Constant<Bits<3>>,
    trace_bytes: Constant<Bits<32>>,
    last_reset_cycle: Constant<Bits<8>>,
    last_tile_beat: Constant<Bits<16>>,
    registers: Registers,
    counters: Counters,
    queue: QueueEngine,
    entry: EntryDecoder,
    slots: SlotTable,
    sequencer: Sequencer,
    trace: Trace,
    reader: DmaReader,
    writer: DmaWriter,
    program_memory: ProgramMemory,
    scratchpad: Scratchpad<RW, WW>,
    widen: Resize<QW, WW>,
    from_memory: Resize<64, WW>,
    narrow: Resize<WW, QW>,
    compute: ComputeUnit<R, C, G, Q, RW, CW, QW, P, AW, QA, QP, RS>,
    reset_count: DFF<Bits<8>>,
    released: DFF<Bit>,
    reset_pending: DFF<Bit>,
    tile: DFF<Bits<16>>,
    tile_beat: DFF<Bits<16>>,
    beat: DFF<Bits<64>>,
    beat_word: DFF<Bits<32>>,
    is_entry_beat: DFF<Bit>,
    is_program_beat: DFF<Bit>,
    is_parameter_beat: DFF<Bit>,
    is_weight_beat: DFF<Bit>,
    loads_rows: DFF<Bit>,
    stores_rows: DFF<Bit>,
    source_word: DFF<Bits<3>>,
    source_pending: DFF<Bits<64>>,
    source_other: DFF<Bits<64>>,
    source_last: Delay<64>,
    writes_scratchpad: Signal<Local, Bit>,
    reads_scratchpad: Signal<Local, Bit>,
    clear: Signal<Local, Bit>,
    abort: Signal<Local, Bit>,
}

impl<
    const R: usize,
    const C: usize,
    const G: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const RS: usize,
    const WW: usize,
> Accelerator<R, C, G, Q, RW, CW, QW, P, AW, QA, QP, RS, WW>
{
    /// An accelerator of these dimensions, whose Verilog has this hash.
    pub fn new(configuration: &Configuration, build_hash: u64) -> Self {
        Self {
            clock: Default::default(),
            double_clock: Default::default(),
            reset: Default::default(),
            s_aw_valid: Default::default(),
            s_aw_address: Default::default(),
            s_aw_ready: Default::default(),
            s_w_valid: Default::default(),
            s_w_data: Default::default(),
            s_w_strobe: Default::default(),
            s_w_ready: Default::default(),
            s_b_valid: Default::default(),
            s_b_ready: Default::default(),
            s_ar_valid: Default::default(),
            s_ar_address: Default::default(),
            s_ar_ready: Default::default(),
            s_r_valid: Default::default(),
            s_r_data: Default::default(),
            s_r_ready: Default::default(),
            m_ar_valid: Default::default(),
            m_ar_address: Default::default(),
            m_ar_length: Default::default(),
            m_ar_ready: Default::default(),
            m_r_valid: Default::default(),
            m_r_data: Default::default(),
            m_r_response: Default::default(),
            m_r_last: Default::default(),
            m_r_ready: Default::default(),
            m_aw_valid: Default::default(),
            m_aw_address: Default::default(),
            m_aw_length: Default::default(),
            m_aw_ready: Default::default(),
            m_w_valid: Default::default(),
            m_w_data: Default::default(),
            m_w_strobe: Default::default(),
            m_w_last: Default::default(),
            m_w_ready: Default::default(),
            m_b_valid: Default::default(),
            m_b_response: Default::default(),
            m_b_ready: Default::default(),
            interrupt_valid: Default::default(),
            interrupt_vector: Default::default(),
            interrupt_ready: Default::default(),
            active: Default::default(),
            port_entry: Constant::new(port::ENTRY.into()),
            port_program: Constant::new(port::PROGRAM.into()),
            port_parameters: Constant::new(port::PARAMETERS.into()),
            port_weights: Constant::new(port::WEIGHTS.into()),
            port_scratchpad: Constant::new(port::SCRATCHPAD.into()),
            port_statistics: Constant::new(port::STATISTICS.into()),
            port_trace: Constant::new(port::TRACE.into()),
            trace_bytes: Constant::new(
                (size_of::<systole_regs::entries::TraceRecord>() as u64).into(),
            ),
            last_reset_cycle: Constant::new((RESET_CYCLES - 1).into()),
            last_tile_beat: Constant::new(((configuration.tile_bytes() / 8) as u64 - 1).into()),
            registers: Registers::new(configuration, build_hash),
            counters: Counters::default(),
            queue: QueueEngine::new(configuration),
            entry: EntryDecoder::new(configuration),
            slots: SlotTable::new(configuration),
            sequencer: Sequencer::new(configuration),
            trace: Trace::new(),
            reader: DmaReader::new(),
            writer: DmaWriter::new(),
            program_memory: ProgramMemory::new(configuration.program_instructions * 8),
            scratchpad: Scratchpad::new(configuration.scratchpad_bytes),
            widen: Resize::default(),
            from_memory: Resize::default(),
            narrow: Resize::default(),
            compute: ComputeUnit::new(configuration),
            reset_count: Default::default(),
            released: Default::default(),
            reset_pending: Default::default(),
            tile: Default::default(),
            tile_beat: Default::default(),
            beat: Default::default(),
            beat_word: Default::default(),
            is_entry_beat: Default::default(),
            is_program_beat: Default::default(),
            is_parameter_beat: Default::default(),
            is_weight_beat: Default::default(),
            loads_rows: Default::default(),
            stores_rows: Default::default(),
            source_word: Default::default(),
            source_pending: Default::default(),
            source_other: Default::default(),
            source_last: Delay::new(ACCESS_LATENCY - 3),
            writes_scratchpad: Default::default(),
            reads_scratchpad: Default::default(),
            clear: Default::default(),
            abort: Default::default(),
        }
    }
}

impl<
    const R: usize,
    const C: usize,
    const G: usize,
    const Q: usize,
    const RW: usize,
    const CW: usize,
    const QW: usize,
    const P: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const RS: usize,
    const WW: usize,
> Logic for Accelerator<R, C, G, Q, RW, CW, QW, P, AW, QA, QP, RS, WW>
{
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            reset_count,
            released,
            reset_pending,
            tile,
            tile_beat,
            beat,
            beat_word,
            is_entry_beat,
            is_program_beat,
            is_parameter_beat,
            is_weight_beat,
            loads_rows,
            stores_rows,
            source_word,
            source_pending,
            source_other
        );
        clock!(
            self,
            clock,
            registers,
            counters,
            queue,
            entry,
            slots,
            sequencer,
            trace,
            reader,
            writer,
            program_memory,
            scratchpad,
            compute
        );
        self.compute.double_clock.next = self.double_clock.val();

        // Reset: asked for by software, it waits for the bus; then everything is held in reset
        // until the pipelines have run empty.
        self.abort.next = self.reset_pending.q.val();
        self.clear.next = !self.released.q.val();
        if self.clear.val() {
            self.reset_count.d.next = self.reset_count.q.val() + bits::<8>(1);
            if self.reset_count.q.val() == self.last_reset_cycle.val() {
                self.released.d.next = true;
            }
        }
        if self.reset_pending.q.val() && !self.reader.busy.val() && !self.writer.busy.val() {
            self.reset_pending.d.next = false;
            self.reset_count.d.next = bits::<8>(0);
            self.released.d.next = false;
        }
        if self.registers.reset_request.val() {
            self.reset_pending.d.next = true;
        }
        if self.reset.val() {
            self.reset_pending.d.next = false;
            self.reset_count.d.next = bits::<8>(0);
            self.released.d.next = false;
        }
        self.registers.bus_reset.next = self.reset.val();
        self.registers.reset.next = self.clear.val();
        self.registers.resetting.next = self.clear.val() || self.reset_pending.q.val();
        self.counters.reset.next = self.clear.val();
        self.queue.reset.next = self.clear.val();
        self.slots.reset.next = self.clear.val();
        self.sequencer.reset.next = self.clear.val();
        self.trace.reset.next = self.clear.val();
        self.reader.reset.next = self.clear.val();
        self.reader.abort.next = self.abort.val();
        self.writer.reset.next = self.clear.val();
        self.writer.abort.next = self.abort.val();
        self.compute.reset.next = self.clear.val();
        self.active.next = self.clear.val()
            || self.reset_pending.q.val()
            || self.queue.outstanding.val()
            || self.reader.busy.val()
            || self.writer.busy.val();

        // BAR0.
        self.registers.aw_valid.next = self.s_aw_valid.val();
        self.registers.aw_address.next = self.s_aw_address.val();
        self.s_aw_ready.next = self.registers.aw_ready.val();
        self.registers.w_valid.next = self.s_w_valid.val();
        self.registers.w_data.next = self.s_w_data.val();
        self.registers.w_strobe.next = self.s_w_strobe.val();
        self.s_w_ready.next = self.registers.w_ready.val();
        self.s_b_valid.next = self.registers.b_valid.val();
        self.registers.b_ready.next = self.s_b_ready.val();
        self.registers.ar_valid.next = self.s_ar_valid.val();
        self.registers.ar_address.next = self.s_ar_address.val();
        self.s_ar_ready.next = self.registers.ar_ready.val();
        self.s_r_valid.next = self.registers.r_valid.val();
        self.s_r_data.next = self.registers.r_data.val();
        self.registers.r_ready.next = self.s_r_ready.val();
        self.registers.submission_head.next = self.queue.submission_head.val();
        self.registers.completion_tail.next = self.queue.completion_tail.val();
        self.registers.fatal.next = self.queue.fatal.val();
        self.registers.fatal_code.next = self.queue.fatal_code.val();
        self.registers.processing.next = self.queue.processing.val();
        self.registers.cycles.next = self.counters.cycles.val();
        self.registers.busy_cycles.next = self.counters.busy_cycles.val();
        self.registers.commands.next = self.counters.commands.val();
        self.registers.errors.next = self.counters.errors.val();
        for i in 0..S {
            self.registers.slot_valid[i].next = self.slots.all_valid[i].val();
            self.registers.slot_versions[i].next = self.slots.all_versions[i].val();
            self.registers.slot_programs[i].next = self.slots.all_programs[i].val();
            self.registers.slot_parameters[i].next = self.slots.all_parameters[i].val();
            self.registers.slot_weights[i].next = self.slots.all_weights[i].val();
            self.registers.slot_group_rows[i].next = self.slots.all_group_rows[i].val();
        }

        // Queue engine.
        self.queue.enable.next = self.registers.enable.val();
        self.queue.submission_base.next = self.registers.submission_base.val();
        self.queue.submission_entries.next = self.registers.submission_entries.val();
        self.queue.completion_base.next = self.registers.completion_base.val();
        self.queue.completion_entries.next = self.registers.completion_entries.val();
        self.queue.ring_submission.next = self.registers.ring_submission.val();
        self.queue.ring_completion.next = self.registers.ring_completion.val();
        self.queue.doorbell.next = self.registers.doorbell.val();
        self.queue.interrupt_enable.next = self.registers.interrupt_enable.val();
        self.queue.read_busy.next = self.reader.busy.val();
        self.queue.read_failed.next = self.reader.failed.val();
        self.queue.write_busy.next = self.writer.busy.val();
        self.queue.write_failed.next = self.writer.failed.val();
        self.queue.slot_holds_model.next = self.slots.holds_model.val();
        self.queue.slot_version.next = self.slots.held_version.val();
        self.queue.slot_too_large.next = self.slots.too_large.val();
        self.queue.slot_overlaps.next = self.slots.overlaps.val();
        self.queue.is_nop.next = self.entry.is_nop.val();
        self.queue.is_load.next = self.entry.is_load.val();
        self.queue.is_run.next = self.entry.is_run.val();
        self.queue.is_unload.next = self.entry.is_unload.val();
        self.queue.well_formed.next = self.entry.well_formed.val();
        self.queue.slot_exists.next = self.entry.slot_exists.val();
        self.queue.aligned.next = self.entry.aligned.val();
        self.queue.rows_possible.next = self.entry.rows_possible.val();
        self.queue.counts_possible.next = self.entry.counts_possible.val();
        self.queue.parameters_aligned.next = self.entry.parameters_aligned.val();
        self.queue.wants_statistics.next = self.entry.wants_statistics.val();
        self.queue.command_id.next = self.entry.command_id.val();
        self.queue.slot.next = self.entry.slot.val();
        self.queue.image_address.next = self.entry.input_address.val();
        self.queue.statistics_address.next = self.entry.statistics_address.val();
        self.queue.program_base.next = self.entry.program_base.val();
        self.queue.program_count.next = self.entry.program_count.val();
        self.queue.parameter_base.next = self.entry.parameter_base.val();
        self.queue.parameter_count.next = self.entry.parameter_count.val();
        self.queue.weight_count.next = self.entry.weight_count.val();
        self.queue.run_busy.next = self.sequencer.busy.val();
        self.queue.run_status.next = self.sequencer.status.val();
        self.queue.command_cycles.next = self.counters.command_cycles.val();
        self.queue.interrupt_ready.next = self.interrupt_ready.val();
        self.interrupt_valid.next = self.queue.interrupt_valid.val();
        self.interrupt_vector.next = self.registers.interrupt_vector.val();

        // Slots.
        self.slots.slot.next = self.entry.slot.val();
        self.slots.clear.next = self.queue.slot_clear.val();
        self.slots.fill.next = self.queue.slot_fill.val();
        self.slots.version.next = self.entry.version.val();
        self.slots.program_base.next = self.entry.program_base.val();
        self.slots.program_count.next = self.entry.program_count.val();
        self.slots.parameter_base.next = self.entry.parameter_base.val();
        self.slots.parameter_count.next = self.entry.parameter_count.val();
        self.slots.weight_base.next = self.entry.weight_base.val();
        self.slots.weight_count.next = self.entry.weight_count.val();
        self.slots.group_rows.next = self.entry.group_rows.val();
        self.slots.stream_address.next = self.entry.output_address.val();

        // Sequencer.
        self.sequencer.start.next = self.queue.run_start.val();
        self.sequencer.rows.next = self.entry.rows.val();
        self.sequencer.input_address.next = self.entry.input_address.val();
        self.sequencer.output_address.next = self.entry.output_address.val();
        self.sequencer.input_stride.next = self.entry.input_stride.val();
        self.sequencer.output_stride.next = self.entry.output_stride.val();
        self.sequencer.program_base.next = self.slots.held_program.val().get_bits::<16>(0);
        self.sequencer.program_count.next = self.slots.held_program.val().get_bits::<16>(16);
        self.sequencer.parameter_base.next = self.slots.held_parameters.val().get_bits::<16>(0);
        self.sequencer.parameter_count.next = self.slots.held_parameters.val().get_bits::<16>(16);
        self.sequencer.weight_base.next = self.slots.held_weights.val().get_bits::<16>(0);
        self.sequencer.weight_count.next = self.slots.held_weights.val().get_bits::<16>(16);
        self.sequencer.group_rows.next = self.slots.held_group_rows.val();
        self.sequencer.stream_address.next = self.slots.held_stream.val();
        self.sequencer.workspace_address.next = self.entry.workspace_address.val();
        self.sequencer.program_data.next = self.program_memory.read_data.val();
        self.sequencer.read_busy.next = self.reader.busy.val();
        self.sequencer.read_failed.next = self.reader.failed.val();
        self.sequencer.write_busy.next = self.writer.busy.val();
        self.sequencer.write_failed.next = self.writer.failed.val();
        self.sequencer.compute_busy.next = self.compute.busy.val();
        self.program_memory.read_word.next = self.sequencer.program_word.val();
        self.sequencer.trace_room.next = self.trace.room.val();
        self.sequencer.trace_idle.next = self.trace.idle.val();
        self.sequencer.trace_failed.next = self.trace.failed.val();

        // Trace.
        self.trace.enable.next = self.entry.wants_trace.val();
        self.trace.begins.next = self.queue.run_start.val();
        self.trace.base.next = self.entry.trace_address.val();
        self.trace.limit.next = self.entry.trace_entries.val();
        self.trace.cycle.next = self.counters.command_cycles.val();
        self.trace.group_done.next = self.sequencer.group_done.val();
        self.trace.instruction.next = self.sequencer.instruction.val();
        self.trace.opcode.next = self.sequencer.opcode.val();
        self.trace.start[0].next = self.sequencer.compute_start.val();
        self.trace.start[1].next = self.sequencer.read_start.val();
        self.trace.start[2].next = self.sequencer.write_start.val();
        self.trace.busy[0].next = self.compute.busy.val();
        self.trace.busy[1].next = self.sequencer.read_active.val();
        self.trace.busy[2].next = self.sequencer.write_active.val();
        self.trace.vector.next =
            self.compute.vector_valid.val() || self.compute.depthwise_valid.val();
        self.trace.stalled.next = self.compute.stalled.val();
        self.trace.preparing.next = self.compute.preparing.val();
        self.trace.write_ready.next = !self.writer.busy.val()
            && !self.sequencer.may_store.val()
            && !self.sequencer.takes_writer.val();
        self.trace.write_busy.next = self.writer.busy.val();
        self.trace.write_failed.next = self.writer.failed.val();
        self.trace.select.next = self.source_word.q.val().get_bits::<2>(0);

        // Read engine: the queue engine's, or the sequencer's during a run.
        self.reader.start.next = self.sequencer.read_start.val();
        self.reader.address.next = self.sequencer.host_address.val();
        self.reader.row_bytes.next = self.sequencer.piece_bytes.val();
        self.reader.rows.next = self.sequencer.pieces.val();
        self.reader.stride.next = self.sequencer.host_stride.val();
        self.reader.destination.next = self.sequencer.scratchpad_address.val();
        self.reader.destination_stride.next = self.sequencer.scratchpad_stride.val();
        self.reader.port.next = self.port_scratchpad.val();
        if self.sequencer.read_weights.val() {
            self.reader.port.next = self.port_weights.val();
        }
        if self.queue.read_owner.val() {
            self.reader.start.next = self.queue.read_start.val();
            self.reader.address.next = self.queue.read_address.val();
            self.reader.row_bytes.next = self.queue.read_row_bytes.val();
            self.reader.rows.next = self.queue.read_rows.val();
            self.reader.stride.next = self.queue.read_stride.val();
            self.reader.destination.next = self.queue.read_destination.val();
            self.reader.destination_stride.next = bits::<32>(0);
            self.reader.port.next = self.queue.read_port.val();
        }
        self.m_ar_valid.next = self.reader.ar_valid.val();
        self.m_ar_address.next = self.reader.ar_address.val();
        self.m_ar_length.next = self.reader.ar_length.val();
        self.reader.ar_ready.next = self.m_ar_ready.val();
        self.reader.r_valid.next = self.m_r_valid.val();
        self.reader.r_data.next = self.m_r_data.val();
        self.reader.r_response.next = self.m_r_response.val();
        self.reader.r_last.next = self.m_r_last.val();
        self.m_r_ready.next = self.reader.r_ready.val();

        // What has been read goes where the request said. All but the scratchpad take each beat, so
        // it travels to them through registers that wait for nothing.
        self.beat.d.next = self.reader.data.val();
        self.beat_word.d.next = self.reader.data_address.val() >> bits::<2>(3);
        self.is_entry_beat.d.next =
            self.reader.data_valid.val() && (self.reader.data_port.val() == self.port_entry.val());
        self.is_program_beat.d.next = self.reader.data_valid.val()
            && (self.reader.data_port.val() == self.port_program.val());
        self.is_parameter_beat.d.next = self.reader.data_valid.val()
            && (self.reader.data_port.val() == self.port_parameters.val());
        self.is_weight_beat.d.next = self.reader.data_valid.val()
            && (self.reader.data_port.val() == self.port_weights.val());
        self.entry.word.next = self.beat.q.val();
        self.entry.shift.next = self.is_entry_beat.q.val();
        self.program_memory.write_data.next = self.beat.q.val();
        self.program_memory.write_word.next = self.beat_word.q.val();
        self.program_memory.write_valid.next = self.is_program_beat.q.val();
        self.compute.beat.next = self.beat.q.val();
        self.compute.parameter_beat.next = self.beat_word.q.val();
        self.compute.parameter_valid.next = self.is_parameter_beat.q.val();
        self.compute.weight_tile.next = self.tile.q.val();
        self.compute.weight_beat.next = self.tile_beat.q.val();
        self.compute.weight_valid.next = self.is_weight_beat.q.val();
        if self.is_weight_beat.q.val() {
            self.tile_beat.d.next = self.tile_beat.q.val() + bits::<16>(1);
            if self.tile_beat.q.val() == self.last_tile_beat.val() {
                self.tile_beat.d.next = bits::<16>(0);
                self.tile.d.next = self.tile.q.val() + bits::<16>(1);
            }
        }
        // Taken in each cycle, as by the engine itself.
        if !self.reader.busy.val() {
            self.tile_beat.d.next = bits::<16>(0);
            self.tile.d.next = self.sequencer.first_tile.val();
            if self.queue.read_owner.val() {
                self.tile.d.next = self.entry.weight_base.val();
            }
        }

        // Write engine: a record of the trace's unless a STORE or the queue engine may want it, which
        // is known a cycle before one starts.
        self.writer.start.next = self.trace.write_start.val() || self.sequencer.write_start.val();
        self.writer.address.next = self.trace.write_address.val();
        self.writer.row_bytes.next = self.trace_bytes.val();
        self.writer.rows.next = bits::<16>(1);
        self.writer.stride.next = bits::<32>(0);
        self.writer.source.next = bits::<32>(0);
        self.writer.source_stride.next = bits::<32>(0);
        self.writer.port.next = self.port_trace.val();
        if self.sequencer.takes_writer.val() {
            self.writer.address.next = self.sequencer.host_address.val();
            self.writer.row_bytes.next = self.sequencer.piece_bytes.val();
            self.writer.rows.next = self.sequencer.pieces.val();
            self.writer.stride.next = self.sequencer.host_stride.val();
            self.writer.source.next = self.sequencer.scratchpad_address.val();
            self.writer.source_stride.next = self.sequencer.scratchpad_stride.val();
            self.writer.port.next = self.port_scratchpad.val();
        }
        if self.queue.write_owner.val() {
            self.writer.start.next = self.queue.write_start.val();
            self.writer.address.next = self.queue.write_address.val();
            self.writer.row_bytes.next = self.queue.write_row_bytes.val();
            self.writer.rows.next = bits::<16>(1);
            self.writer.stride.next = bits::<32>(0);
            self.writer.source.next = bits::<32>(0);
            self.writer.source_stride.next = bits::<32>(0);
            self.writer.port.next = self.queue.write_port.val();
        }
        self.m_aw_valid.next = self.writer.aw_valid.val();
        self.m_aw_address.next = self.writer.aw_address.val();
        self.m_aw_length.next = self.writer.aw_length.val();
        self.writer.aw_ready.next = self.m_aw_ready.val();
        self.m_w_valid.next = self.writer.w_valid.val();
        self.m_w_data.next = self.writer.w_data.val();
        self.m_w_strobe.next = self.writer.w_strobe.val();
        self.m_w_last.next = self.writer.w_last.val();
        self.writer.w_ready.next = self.m_w_ready.val();
        self.writer.b_valid.next = self.m_b_valid.val();
        self.writer.b_response.next = self.m_b_response.val();
        self.m_b_ready.next = true;

        // Sources of writes; those that come sooner than the scratchpad wait.
        self.source_word.d.next = self.writer.source_address.val().get_bits::<3>(3);
        self.counters.word.next = self.source_word.q.val();
        self.source_pending.d.next = self.queue.completion_low.val();
        if self.source_word.q.val().get_bit(0) {
            self.source_pending.d.next = self.queue.completion_high.val();
        }
        self.source_other.d.next = self.source_pending.q.val();
        if self.writer.source_port.val() == self.port_trace.val() {
            self.source_other.d.next = self.trace.word.val();
        }
        if self.writer.source_port.val() == self.port_statistics.val() {
            self.source_other.d.next = self.counters.statistics.val();
        }
        self.source_last.clock.next = self.clock.val();
        self.source_last.entry.next = self.source_other.q.val();
        self.writer.source_data.next = self.source_last.delayed.val();
        if self.stores_rows.q.val() {
            self.writer.source_data.next = self.scratchpad.access_read.val().get_bits::<64>(0);
        }

        // Compute unit.
        self.compute.start.next = self.sequencer.compute_start.val();
        for i in 0..8 {
            self.compute.words[i].next = self.sequencer.words[i].val();
        }
        self.compute.rows.next = self.sequencer.group.val();
        self.compute.is_matrix.next = self.sequencer.is_matrix.val();
        self.compute.is_pool.next = self.sequencer.is_pool.val();
        self.compute.column_tiles.next = self.sequencer.column_tiles.val();
        self.compute.steps.next = self.sequencer.steps.val();
        self.compute.origin.next = self.sequencer.origin.val();
        self.compute.line_step.next = self.sequencer.line_step.val();
        self.compute.row_skip.next = self.sequencer.row_skip.val();
        self.compute.first_tile.next = self.sequencer.first_tile.val();
        self.compute.first_parameter.next = self.sequencer.first_parameter.val();
        self.compute.residual_parameter.next = self.sequencer.residual_parameter.val();
        self.compute.vector.next = self.scratchpad.vector.val();
        self.narrow.vector.next = self.scratchpad.access_read.val();
        self.compute.other.next = self.narrow.resized.val();
        self.scratchpad.window_address.next = self.compute.window_address.val();
        self.scratchpad.window_boundaries.next = self.compute.window_boundaries.val();
        self.scratchpad.window_skip.next = self.compute.window_skip.val();
        self.scratchpad.window_from.next = self.compute.window_from.val();
        self.scratchpad.window_to.next = self.compute.window_to.val();
        self.scratchpad.window_pad.next = self.compute.window_pad.val();

        // The scratchpad's access port: results and operands can't wait; DMA can. What is written to
        // the host goes first: it waits for the bus now and then, so what is read has its turn.
        self.widen.vector.next = self.compute.result.val();
        self.from_memory.vector.next = self.reader.data.val();
        self.loads_rows.d.next = self.reader.data_port.val() == self.port_scratchpad.val();
        self.stores_rows.d.next = self.writer.source_port.val() == self.port_scratchpad.val();
        self.writes_scratchpad.next = self.reader.data_valid.val() && self.loads_rows.q.val();
        self.reads_scratchpad.next = self.writer.source_valid.val() && self.stores_rows.q.val();
        self.reader.data_ready.next = true;
        self.writer.source_ready.next = true;
        self.scratchpad.access_address.next = self.writer.source_address.val();
        self.scratchpad.access_write.next = false;
        self.scratchpad.access_bytes.next = bits::<8>(8);
        self.scratchpad.access_data.next = self.from_memory.resized.val();
        if self.compute.result_valid.val() {
            self.scratchpad.access_address.next = self.compute.result_address.val();
            self.scratchpad.access_write.next = true;
            self.scratchpad.access_bytes.next = self.compute.result_bytes.val();
            self.scratchpad.access_data.next = self.widen.resized.val();
        } else if self.compute.other_valid.val() {
            self.scratchpad.access_address.next = self.compute.other_address.val();
        } else if self.writes_scratchpad.val() && !self.reads_scratchpad.val() {
            self.scratchpad.access_address.next = self.reader.data_address.val();
            self.scratchpad.access_write.next = true;
        }
        if self.compute.access_taken.val() && self.stores_rows.q.val() {
            self.writer.source_ready.next = false;
        }
        if self.compute.access_taken.val() || self.reads_scratchpad.val() {
            if self.loads_rows.q.val() {
                self.reader.data_ready.next = false;
            }
        }

        // Counters.
        self.counters.begins.next = self.queue.begins.val();
        self.counters.outstanding.next = self.queue.outstanding.val();
        self.counters.completed.next = self.queue.completed.val();
        self.counters.completed_error.next = self.queue.completed_error.val();
        self.counters.processing.next = self.queue.processing.val();
        self.counters.vector.next = self.compute.vector_valid.val();
        self.counters.depthwise_vector.next = self.compute.depthwise_valid.val();
        self.counters.waits_accumulators.next = self.compute.stalled.val();
        self.counters.prepares.next = self.compute.preparing.val();
        self.counters.computing.next = self.compute.busy.val();
        self.counters.reading.next = self.reader.busy.val();
        self.counters.writing.next = self.writer.busy.val();
        self.counters.waits_entry.next = self.queue.waits_entry.val();
        self.counters.beat_read.next = self.reader.data_valid.val()
            && self.reader.data_ready.val()
            && (self.reader.data_port.val() != self.port_entry.val());
        self.counters.bytes_written.next = bits::<4>(0);
        if self.stores_rows.q.val() {
            self.counters.bytes_written.next = self.writer.beat_bytes.val();
        }
        self.counters.instruction.next = self.sequencer.instruction_done.val();
        self.counters.group.next = self.sequencer.group_done.val();
    }
}
