//! Slot table: which regions of the on-chip memories each model occupies.
//!
//! Three cycles after a slot and new regions are given, the table says what the slot holds and
//! whether the regions fit the memories and stay clear of the other slots.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::Configuration;

/// Slots of the table.
const S: usize = systole_regs::SLOT_COUNT as usize;

/// The table.
#[derive(LogicBlock, Default)]
pub struct SlotTable {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Empties all slots.
    pub reset: Signal<In, Bit>,
    /// Slot that is asked for or changed.
    pub slot: Signal<In, Bits<8>>,
    /// Empties it.
    pub clear: Signal<In, Bit>,
    /// Fills it with what follows.
    pub fill: Signal<In, Bit>,
    /// Version of the new model.
    pub version: Signal<In, Bits<32>>,
    /// Its regions.
    pub program_base: Signal<In, Bits<16>>,
    /// Its regions.
    pub program_count: Signal<In, Bits<16>>,
    /// Its regions.
    pub parameter_base: Signal<In, Bits<16>>,
    /// Its regions.
    pub parameter_count: Signal<In, Bits<16>>,
    /// Its regions.
    pub weight_base: Signal<In, Bits<16>>,
    /// Its regions.
    pub weight_count: Signal<In, Bits<16>>,
    /// Rows of a pass.
    pub group_rows: Signal<In, Bits<16>>,
    /// Host address of its streamed weights.
    pub stream_address: Signal<In, Bits<64>>,
    /// The slot holds a model.
    pub holds_model: Signal<Out, Bit>,
    /// Its version, or zero.
    pub held_version: Signal<Out, Bits<32>>,
    /// Its program region: base in the low half, count in the high one.
    pub held_program: Signal<Out, Bits<32>>,
    /// Its parameter region.
    pub held_parameters: Signal<Out, Bits<32>>,
    /// Its weight region.
    pub held_weights: Signal<Out, Bits<32>>,
    /// Its rows of a pass.
    pub held_group_rows: Signal<Out, Bits<16>>,
    /// Host address of its streamed weights.
    pub held_stream: Signal<Out, Bits<64>>,
    /// A new region is larger than its memory.
    pub too_large: Signal<Out, Bit>,
    /// A new region overlaps that of another slot.
    pub overlaps: Signal<Out, Bit>,
    /// For the registers: whether each slot holds a model.
    pub all_valid: [Signal<Out, Bit>; S],
    /// For the registers: versions.
    pub all_versions: [Signal<Out, Bits<32>>; S],
    /// For the registers: program regions.
    pub all_programs: [Signal<Out, Bits<32>>; S],
    /// For the registers: parameter regions.
    pub all_parameters: [Signal<Out, Bits<32>>; S],
    /// For the registers: weight regions.
    pub all_weights: [Signal<Out, Bits<32>>; S],
    /// For the registers: rows of a pass.
    pub all_group_rows: [Signal<Out, Bits<32>>; S],
    program_limit: Fixed<Bits<17>>,
    parameter_limit: Fixed<Bits<17>>,
    weight_limit: Fixed<Bits<17>>,
    valid: [DFF<Bit>; S],
    versions: [DFF<Bits<32>>; S],
    programs: [DFF<Bits<32>>; S],
    parameters: [DFF<Bits<32>>; S],
    weights: [DFF<Bits<32>>; S],
    groups: [DFF<Bits<32>>; S],
    streams: [DFF<Bits<64>>; S],
    program_ends: [DFF<Bits<17>>; S],
    parameter_ends: [DFF<Bits<17>>; S],
    weight_ends: [DFF<Bits<17>>; S],
    chosen: [DFF<Bit>; S],
    program_meets: [DFF<Bit>; S],
    parameter_meets: [DFF<Bit>; S],
    weight_meets: [DFF<Bit>; S],
    program_end: DFF<Bits<17>>,
    parameter_end: DFF<Bits<17>>,
    weight_end: DFF<Bits<17>>,
    program_used: DFF<Bit>,
    parameter_used: DFF<Bit>,
    weight_used: DFF<Bit>,
    out_holds: DFF<Bit>,
    out_version: DFF<Bits<32>>,
    out_program: DFF<Bits<32>>,
    out_parameters: DFF<Bits<32>>,
    out_weights: DFF<Bits<32>>,
    out_group_rows: DFF<Bits<16>>,
    out_stream: DFF<Bits<64>>,
    out_too_large: DFF<Bit>,
    out_overlaps: DFF<Bit>,
}

impl SlotTable {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        Self {
            program_limit: Fixed::new((configuration.program_instructions as u64).into()),
            parameter_limit: Fixed::new((configuration.parameter_entries as u64).into()),
            weight_limit: Fixed::new((configuration.weight_tiles as u64).into()),
            ..Default::default()
        }
    }
}

impl Logic for SlotTable {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            program_end,
            parameter_end,
            weight_end,
            program_used,
            parameter_used,
            weight_used,
            out_holds,
            out_version,
            out_program,
            out_parameters,
            out_weights,
            out_group_rows,
            out_stream,
            out_too_large,
            out_overlaps
        );
        for i in 0..S {
            self.program_meets[i].clock.next = self.clock.val();
            self.program_ends[i].clock.next = self.clock.val();
            self.program_ends[i].d.next = self.program_ends[i].q.val();
            self.parameter_meets[i].clock.next = self.clock.val();
            self.parameter_ends[i].clock.next = self.clock.val();
            self.parameter_ends[i].d.next = self.parameter_ends[i].q.val();
            self.weight_meets[i].clock.next = self.clock.val();
            self.weight_ends[i].clock.next = self.clock.val();
            self.weight_ends[i].d.next = self.weight_ends[i].q.val();
            self.chosen[i].clock.next = self.clock.val();
            self.chosen[i].d.next = self.slot.val() == i.to_bits();
            self.valid[i].clock.next = self.clock.val();
            self.versions[i].clock.next = self.clock.val();
            self.programs[i].clock.next = self.clock.val();
            self.parameters[i].clock.next = self.clock.val();
            self.weights[i].clock.next = self.clock.val();
            self.groups[i].clock.next = self.clock.val();
            self.streams[i].clock.next = self.clock.val();
            self.streams[i].d.next = self.streams[i].q.val();
            self.valid[i].d.next = self.valid[i].q.val();
            self.versions[i].d.next = self.versions[i].q.val();
            self.programs[i].d.next = self.programs[i].q.val();
            self.parameters[i].d.next = self.parameters[i].q.val();
            self.weights[i].d.next = self.weights[i].q.val();
            self.groups[i].d.next = self.groups[i].q.val();
            self.all_valid[i].next = self.valid[i].q.val();
            self.all_versions[i].next = self.versions[i].q.val();
            self.all_programs[i].next = self.programs[i].q.val();
            self.all_parameters[i].next = self.parameters[i].q.val();
            self.all_weights[i].next = self.weights[i].q.val();
            self.all_group_rows[i].next = self.groups[i].q.val();
        }
        self.holds_model.next = self.out_holds.q.val();
        self.held_version.next = self.out_version.q.val();
        self.held_program.next = self.out_program.q.val();
        self.held_parameters.next = self.out_parameters.q.val();
        self.held_weights.next = self.out_weights.q.val();
        self.held_group_rows.next = self.out_group_rows.q.val();
        self.held_stream.next = self.out_stream.q.val();
        self.too_large.next = self.out_too_large.q.val();
        self.overlaps.next = self.out_overlaps.q.val();

        self.program_end.d.next = bit_cast::<17, 16>(self.program_base.val())
            + bit_cast::<17, 16>(self.program_count.val());
        self.program_used.d.next = self.program_count.val() != bits::<16>(0);
        self.parameter_end.d.next = bit_cast::<17, 16>(self.parameter_base.val())
            + bit_cast::<17, 16>(self.parameter_count.val());
        self.parameter_used.d.next = self.parameter_count.val() != bits::<16>(0);
        self.weight_end.d.next = bit_cast::<17, 16>(self.weight_base.val())
            + bit_cast::<17, 16>(self.weight_count.val());
        self.weight_used.d.next = self.weight_count.val() != bits::<16>(0);
        self.out_too_large.d.next = (self.program_end.q.val() > self.program_limit.val())
            || (self.parameter_end.q.val() > self.parameter_limit.val())
            || (self.weight_end.q.val() > self.weight_limit.val());

        self.out_holds.d.next = false;
        self.out_version.d.next = bits::<32>(0);
        self.out_program.d.next = bits::<32>(0);
        self.out_parameters.d.next = bits::<32>(0);
        self.out_weights.d.next = bits::<32>(0);
        self.out_group_rows.d.next = bits::<16>(0);
        self.out_stream.d.next = bits::<64>(0);
        self.out_overlaps.d.next = false;
        for i in 0..S {
            if self.chosen[i].q.val() {
                self.out_holds.d.next = self.valid[i].q.val();
                self.out_version.d.next = self.versions[i].q.val();
                self.out_program.d.next = self.programs[i].q.val();
                self.out_parameters.d.next = self.parameters[i].q.val();
                self.out_weights.d.next = self.weights[i].q.val();
                self.out_group_rows.d.next = self.groups[i].q.val().get_bits::<16>(0);
                self.out_stream.d.next = self.streams[i].q.val();
                if self.fill.val() {
                    self.streams[i].d.next = self.stream_address.val();
                    self.program_ends[i].d.next = self.program_end.q.val();
                    self.parameter_ends[i].d.next = self.parameter_end.q.val();
                    self.weight_ends[i].d.next = self.weight_end.q.val();
                    self.valid[i].d.next = true;
                    self.versions[i].d.next = self.version.val();
                    self.programs[i].d.next = (bit_cast::<32, 16>(self.program_count.val())
                        << bits::<5>(16))
                        | bit_cast::<32, 16>(self.program_base.val());
                    self.parameters[i].d.next = (bit_cast::<32, 16>(self.parameter_count.val())
                        << bits::<5>(16))
                        | bit_cast::<32, 16>(self.parameter_base.val());
                    self.weights[i].d.next = (bit_cast::<32, 16>(self.weight_count.val())
                        << bits::<5>(16))
                        | bit_cast::<32, 16>(self.weight_base.val());
                    self.groups[i].d.next = bit_cast::<32, 16>(self.group_rows.val());
                }
            }
            // Half-open intervals meet if each begins before the other ends; empty ones never.
            self.program_meets[i].d.next = self.valid[i].q.val()
                && !self.chosen[i].q.val()
                && self.program_used.q.val()
                && (self.programs[i].q.val().get_bits::<16>(16) != bits::<16>(0))
                && (self.program_end.q.val().get_bit(16)
                    || (self.programs[i].q.val().get_bits::<16>(0)
                        < self.program_end.q.val().get_bits::<16>(0)))
                && (bit_cast::<17, 16>(self.program_base.val()) < self.program_ends[i].q.val());
            self.parameter_meets[i].d.next = self.valid[i].q.val()
                && !self.chosen[i].q.val()
                && self.parameter_used.q.val()
                && (self.parameters[i].q.val().get_bits::<16>(16) != bits::<16>(0))
                && (self.parameter_end.q.val().get_bit(16)
                    || (self.parameters[i].q.val().get_bits::<16>(0)
                        < self.parameter_end.q.val().get_bits::<16>(0)))
                && (bit_cast::<17, 16>(self.parameter_base.val()) < self.parameter_ends[i].q.val());
            self.weight_meets[i].d.next = self.valid[i].q.val()
                && !self.chosen[i].q.val()
                && self.weight_used.q.val()
                && (self.weights[i].q.val().get_bits::<16>(16) != bits::<16>(0))
                && (self.weight_end.q.val().get_bit(16)
                    || (self.weights[i].q.val().get_bits::<16>(0)
                        < self.weight_end.q.val().get_bits::<16>(0)))
                && (bit_cast::<17, 16>(self.weight_base.val()) < self.weight_ends[i].q.val());
            if self.program_meets[i].q.val()
                || self.parameter_meets[i].q.val()
                || self.weight_meets[i].q.val()
            {
                self.out_overlaps.d.next = true;
            }
            if (self.clear.val() && self.chosen[i].q.val()) || self.reset.val() {
                self.valid[i].d.next = false;
                self.versions[i].d.next = bits::<32>(0);
                self.programs[i].d.next = bits::<32>(0);
                self.parameters[i].d.next = bits::<32>(0);
                self.weights[i].d.next = bits::<32>(0);
                self.groups[i].d.next = bits::<32>(0);
            }
        }
    }
}
