//! Counters: of the device since its reset, and of the command that is being carried out. The
//! latter are the words of the `Statistics` block.
//!
//! What happens in a cycle is kept for a cycle before it is counted: it comes from all over the
//! chip. All counters are late by the same cycle, so they fit each other.

use rust_hdl::prelude::*;

/// All counters.
#[derive(LogicBlock, Default)]
pub struct Counters {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Clears everything.
    pub reset: Signal<In, Bit>,
    /// A command begins: clears its counters.
    pub begins: Signal<In, Bit>,
    /// A command is outstanding.
    pub outstanding: Signal<In, Bit>,
    /// A command has been completed.
    pub completed: Signal<In, Bit>,
    /// With an error.
    pub completed_error: Signal<In, Bit>,
    /// A command is being processed.
    pub processing: Signal<In, Bit>,
    /// A vector is issued to the array.
    pub vector: Signal<In, Bit>,
    /// A vector is issued to the lanes.
    pub depthwise_vector: Signal<In, Bit>,
    /// A computation waits for accumulators.
    pub waits_accumulators: Signal<In, Bit>,
    /// A computation prepares.
    pub prepares: Signal<In, Bit>,
    /// A computation is under way.
    pub computing: Signal<In, Bit>,
    /// A DMA read is under way.
    pub reading: Signal<In, Bit>,
    /// A DMA write is under way.
    pub writing: Signal<In, Bit>,
    /// The entry is fetched and looked at.
    pub waits_entry: Signal<In, Bit>,
    /// A beat of rows or image has been read.
    pub beat_read: Signal<In, Bit>,
    /// Bytes of rows that are being written.
    pub bytes_written: Signal<In, Bits<4>>,
    /// An instruction has begun or been skipped.
    pub instruction: Signal<In, Bit>,
    /// A pass has ended.
    pub group: Signal<In, Bit>,
    /// Word of the statistics block to show.
    pub word: Signal<In, Bits<3>>,
    /// The word, a cycle later.
    pub statistics: Signal<Out, Bits<64>>,
    /// Cycles of the command.
    pub command_cycles: Signal<Out, Bits<32>>,
    /// Cycles since reset.
    pub cycles: Signal<Out, Bits<64>>,
    /// Cycles with a command outstanding.
    pub busy_cycles: Signal<Out, Bits<64>>,
    /// Commands completed.
    pub commands: Signal<Out, Bits<32>>,
    /// Of these, with an error.
    pub errors: Signal<Out, Bits<32>>,
    all_cycles: DFF<Bits<64>>,
    all_busy: DFF<Bits<64>>,
    all_commands: DFF<Bits<32>>,
    all_errors: DFF<Bits<32>>,
    elapsed: DFF<Bits<32>>,
    vectors: DFF<Bits<32>>,
    depthwise_vectors: DFF<Bits<32>>,
    stall_requantize: DFF<Bits<32>>,
    stall_prepare: DFF<Bits<32>>,
    stall_drain: DFF<Bits<32>>,
    stall_dma_read: DFF<Bits<32>>,
    stall_dma_write: DFF<Bits<32>>,
    stall_control: DFF<Bits<32>>,
    dma_read_bytes: DFF<Bits<32>>,
    dma_write_bytes: DFF<Bits<32>>,
    instructions: DFF<Bits<32>>,
    groups: DFF<Bits<32>>,
    shown: DFF<Bits<64>>,
    begun: DFF<Bit>,
    was_outstanding: DFF<Bit>,
    ended: DFF<Bit>,
    ended_badly: DFF<Bit>,
    in_vector: DFF<Bit>,
    in_depthwise: DFF<Bit>,
    in_accumulators: DFF<Bit>,
    in_prepare: DFF<Bit>,
    in_drain: DFF<Bit>,
    in_read: DFF<Bit>,
    in_write: DFF<Bit>,
    in_control: DFF<Bit>,
    was_read: DFF<Bit>,
    written: DFF<Bits<4>>,
    one_instruction: DFF<Bit>,
    one_group: DFF<Bit>,
    low: Signal<Local, Bits<32>>,
    high: Signal<Local, Bits<32>>,
}

impl Logic for Counters {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            all_cycles,
            all_busy,
            all_commands,
            all_errors,
            elapsed,
            vectors,
            depthwise_vectors,
            stall_requantize,
            stall_prepare,
            stall_drain,
            stall_dma_read,
            stall_dma_write,
            stall_control,
            dma_read_bytes,
            dma_write_bytes,
            instructions,
            groups,
            shown,
            begun,
            was_outstanding,
            ended,
            ended_badly,
            in_vector,
            in_depthwise,
            in_accumulators,
            in_prepare,
            in_drain,
            in_read,
            in_write,
            in_control,
            was_read,
            written,
            one_instruction,
            one_group
        );
        self.statistics.next = self.shown.q.val();
        self.command_cycles.next = self.elapsed.q.val();
        self.cycles.next = self.all_cycles.q.val();
        self.busy_cycles.next = self.all_busy.q.val();
        self.commands.next = self.all_commands.q.val();
        self.errors.next = self.all_errors.q.val();

        self.begun.d.next = self.begins.val();
        self.was_outstanding.d.next = self.outstanding.val();
        self.ended.d.next = self.completed.val();
        self.ended_badly.d.next = self.completed.val() && self.completed_error.val();
        self.was_read.d.next = self.beat_read.val();
        self.written.d.next = self.bytes_written.val();
        self.one_instruction.d.next = self.instruction.val();
        self.one_group.d.next = self.group.val();
        // Each cycle of a command has one cause.
        self.in_vector.d.next = false;
        self.in_depthwise.d.next = false;
        self.in_accumulators.d.next = false;
        self.in_prepare.d.next = false;
        self.in_drain.d.next = false;
        self.in_read.d.next = false;
        self.in_write.d.next = false;
        self.in_control.d.next = false;
        if self.vector.val() {
            self.in_vector.d.next = true;
        } else if self.depthwise_vector.val() {
            self.in_depthwise.d.next = true;
        } else if self.waits_accumulators.val() {
            self.in_accumulators.d.next = true;
        } else if self.prepares.val() {
            self.in_prepare.d.next = true;
        } else if self.computing.val() {
            self.in_drain.d.next = true;
        } else if self.reading.val() && !self.waits_entry.val() {
            self.in_read.d.next = true;
        } else if self.writing.val() {
            self.in_write.d.next = true;
        } else if self.processing.val() {
            self.in_control.d.next = true;
        }

        self.all_cycles.d.next = self.all_cycles.q.val() + bits::<64>(1);
        if self.was_outstanding.q.val() {
            self.all_busy.d.next = self.all_busy.q.val() + bits::<64>(1);
        }
        if self.ended.q.val() {
            self.all_commands.d.next = self.all_commands.q.val() + bits::<32>(1);
        }
        if self.ended_badly.q.val() {
            self.all_errors.d.next = self.all_errors.q.val() + bits::<32>(1);
        }
        self.elapsed.d.next = self.elapsed.q.val() + bits::<32>(1);
        if self.in_vector.q.val() {
            self.vectors.d.next = self.vectors.q.val() + bits::<32>(1);
        }
        if self.in_depthwise.q.val() {
            self.depthwise_vectors.d.next = self.depthwise_vectors.q.val() + bits::<32>(1);
        }
        if self.in_accumulators.q.val() {
            self.stall_requantize.d.next = self.stall_requantize.q.val() + bits::<32>(1);
        }
        if self.in_prepare.q.val() {
            self.stall_prepare.d.next = self.stall_prepare.q.val() + bits::<32>(1);
        }
        if self.in_drain.q.val() {
            self.stall_drain.d.next = self.stall_drain.q.val() + bits::<32>(1);
        }
        if self.in_read.q.val() {
            self.stall_dma_read.d.next = self.stall_dma_read.q.val() + bits::<32>(1);
        }
        if self.in_write.q.val() {
            self.stall_dma_write.d.next = self.stall_dma_write.q.val() + bits::<32>(1);
        }
        if self.in_control.q.val() {
            self.stall_control.d.next = self.stall_control.q.val() + bits::<32>(1);
        }
        if self.was_read.q.val() {
            self.dma_read_bytes.d.next = self.dma_read_bytes.q.val() + bits::<32>(8);
        }
        self.dma_write_bytes.d.next =
            self.dma_write_bytes.q.val() + bit_cast::<32, 4>(self.written.q.val());
        if self.one_instruction.q.val() {
            self.instructions.d.next = self.instructions.q.val() + bits::<32>(1);
        }
        if self.one_group.q.val() {
            self.groups.d.next = self.groups.q.val() + bits::<32>(1);
        }

        // In the order of `Statistics`.
        self.low.next = bits::<32>(0);
        self.high.next = bits::<32>(0);
        if self.word.val() == bits::<3>(0) {
            self.low.next = self.elapsed.q.val();
            self.high.next = self.vectors.q.val();
        }
        if self.word.val() == bits::<3>(1) {
            self.low.next = self.depthwise_vectors.q.val();
            self.high.next = self.stall_requantize.q.val();
        }
        if self.word.val() == bits::<3>(2) {
            self.low.next = self.stall_prepare.q.val();
            self.high.next = self.stall_drain.q.val();
        }
        if self.word.val() == bits::<3>(3) {
            self.low.next = self.stall_dma_read.q.val();
            self.high.next = self.stall_dma_write.q.val();
        }
        if self.word.val() == bits::<3>(4) {
            self.low.next = self.stall_control.q.val();
            self.high.next = self.dma_read_bytes.q.val();
        }
        if self.word.val() == bits::<3>(5) {
            self.low.next = self.dma_write_bytes.q.val();
            self.high.next = self.instructions.q.val();
        }
        if self.word.val() == bits::<3>(6) {
            self.low.next = self.groups.q.val();
        }
        self.shown.d.next = (bit_cast::<64, 32>(self.high.val()) << bits::<6>(32))
            | bit_cast::<64, 32>(self.low.val());

        if self.begun.q.val() || self.reset.val() {
            self.elapsed.d.next = bits::<32>(1);
            self.vectors.d.next = bits::<32>(0);
            self.depthwise_vectors.d.next = bits::<32>(0);
            self.stall_requantize.d.next = bits::<32>(0);
            self.stall_prepare.d.next = bits::<32>(0);
            self.stall_drain.d.next = bits::<32>(0);
            self.stall_dma_read.d.next = bits::<32>(0);
            self.stall_dma_write.d.next = bits::<32>(0);
            self.stall_control.d.next = bits::<32>(0);
            self.dma_read_bytes.d.next = bits::<32>(0);
            self.dma_write_bytes.d.next = bits::<32>(0);
            self.instructions.d.next = bits::<32>(0);
            self.groups.d.next = bits::<32>(0);
        }
        if self.reset.val() {
            self.all_cycles.d.next = bits::<64>(0);
            self.all_busy.d.next = bits::<64>(0);
            self.all_commands.d.next = bits::<32>(0);
            self.all_errors.d.next = bits::<32>(0);
        }
    }
}
