//! The submission entry that is being carried out: its words as they come from DMA, its fields,
//! and the checks that need nothing but the entry. Their results are there three cycles after its
//! last word; the queue engine looks at them later than that.

use rust_hdl::prelude::*;

use crate::fixed::Fixed;
use systole_regs::entries::{LoadEntry, RunEntry, flag, opcode};
use systole_regs::{Configuration, Field, SLOT_COUNT};

use crate::control::fields::{Shape, bit_in_word};

/// Holds and decodes an entry.
#[derive(LogicBlock, Default)]
pub struct EntryDecoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Takes a word in; after eight of them the entry is complete.
    pub shift: Signal<In, Bit>,
    /// The word, lowest first.
    pub word: Signal<In, Bits<64>>,
    /// NOP.
    pub is_nop: Signal<Out, Bit>,
    /// LOAD.
    pub is_load: Signal<Out, Bit>,
    /// RUN.
    pub is_run: Signal<Out, Bit>,
    /// UNLOAD.
    pub is_unload: Signal<Out, Bit>,
    /// Flags and reserved fields are as they must be.
    pub well_formed: Signal<Out, Bit>,
    /// The slot exists.
    pub slot_exists: Signal<Out, Bit>,
    /// Addresses and strides are multiples of 8.
    pub aligned: Signal<Out, Bit>,
    /// RUN: the number of rows is possible.
    pub rows_possible: Signal<Out, Bit>,
    /// LOAD: counts that must not be zero are not.
    pub counts_possible: Signal<Out, Bit>,
    /// LOAD: parameter region is aligned to the lanes.
    pub parameters_aligned: Signal<Out, Bit>,
    /// A statistics block is wanted.
    pub wants_statistics: Signal<Out, Bit>,
    /// Field of the same name.
    pub command_id: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub slot: Signal<Out, Bits<8>>,
    /// The run is to be traced.
    pub wants_trace: Signal<Out, Bit>,
    /// `trace_entries`.
    pub trace_entries: Signal<Out, Bits<32>>,
    /// `trace_address`.
    pub trace_address: Signal<Out, Bits<64>>,
    /// `workspace_address`.
    pub workspace_address: Signal<Out, Bits<64>>,
    /// `input_address` or `image_address`.
    pub input_address: Signal<Out, Bits<64>>,
    /// `output_address` or `stream_address`.
    pub output_address: Signal<Out, Bits<64>>,
    /// Field of the same name.
    pub statistics_address: Signal<Out, Bits<64>>,
    /// Field of the same name.
    pub rows: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub input_stride: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub output_stride: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub version: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub program_base: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub program_count: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub parameter_base: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub parameter_count: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub weight_base: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub weight_count: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub group_rows: Signal<Out, Bits<16>>,
    opcode_nop: Fixed<Bits<8>>,
    opcode_load: Fixed<Bits<8>>,
    opcode_run: Fixed<Bits<8>>,
    opcode_unload: Fixed<Bits<8>>,
    unknown_flags: Fixed<Bits<8>>,
    statistics_flag: Fixed<Bits<8>>,
    trace_flag: Fixed<Bits<8>>,
    trace_entries_at: Fixed<Bits<6>>,
    slot_count: Fixed<Bits<8>>,
    group_misaligned: Fixed<Bits<16>>,
    opcode_at: Fixed<Bits<6>>,
    flags_at: Fixed<Bits<6>>,
    command_id_at: Fixed<Bits<6>>,
    slot_at: Fixed<Bits<6>>,
    rows_at: Fixed<Bits<6>>,
    input_stride_at: Fixed<Bits<6>>,
    output_stride_at: Fixed<Bits<6>>,
    version_at: Fixed<Bits<6>>,
    program_base_at: Fixed<Bits<6>>,
    program_count_at: Fixed<Bits<6>>,
    parameter_base_at: Fixed<Bits<6>>,
    parameter_count_at: Fixed<Bits<6>>,
    weight_base_at: Fixed<Bits<6>>,
    weight_count_at: Fixed<Bits<6>>,
    group_rows_at: Fixed<Bits<6>>,
    run_mask: [Fixed<Bits<64>>; 8],
    load_mask: [Fixed<Bits<64>>; 8],
    bare_mask: [Fixed<Bits<64>>; 8],
    words: [DFF<Bits<64>>; 8],
    nop: DFF<Bit>,
    load: DFF<Bit>,
    run: DFF<Bit>,
    unload: DFF<Bit>,
    statistics: DFF<Bit>,
    trace: DFF<Bit>,
    exists: DFF<Bit>,
    some_rows: DFF<Bit>,
    some_counts: DFF<Bit>,
    whole_groups: DFF<Bit>,
    statistics_aligned: DFF<Bit>,
    addresses_aligned: DFF<Bit>,
    others_aligned: DFF<Bit>,
    whole_words: DFF<Bit>,
    flags_fault: DFF<Bit>,
    place_fault: DFF<Bit>,
    trace_fault: DFF<Bit>,
    run_fault: [DFF<Bit>; 8],
    load_fault: [DFF<Bit>; 8],
    bare_fault: [DFF<Bit>; 8],
    word_fault: [DFF<Bit>; 8],
    formed: DFF<Bit>,
    operation: Signal<Local, Bits<8>>,
    flags: Signal<Local, Bits<8>>,
    all_rows: Signal<Local, Bits<32>>,
}

/// Everything that is not reserved may have any value here; the reserved rest must be zero.
fn shape(fields: &[Field], chosen: impl Fn(&str) -> bool) -> Shape {
    let free: Vec<_> = fields
        .iter()
        .copied()
        .filter(|field| chosen(field.name))
        .collect();
    Shape::new(&free, &[0; 64])
}

impl EntryDecoder {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        // The kernel takes these from the same words whatever the opcode is.
        assert_eq!(RunEntry::field("input_address").word(), 1);
        assert_eq!(LoadEntry::field("image_address").word(), 1);
        assert_eq!(RunEntry::field("output_address").word(), 2);
        assert_eq!(LoadEntry::field("stream_address").word(), 2);
        assert_eq!(RunEntry::field("workspace_address").word(), 6);
        assert_eq!(RunEntry::field("trace_address").word(), 7);
        assert_eq!(RunEntry::field("statistics_address").word(), 3);
        assert_eq!(LoadEntry::field("statistics_address").word(), 3);
        let not_reserved = |name: &str| !name.starts_with("reserved");
        let run = shape(RunEntry::FIELDS, not_reserved);
        let load = shape(LoadEntry::FIELDS, not_reserved);
        let bare = shape(RunEntry::FIELDS, |name| {
            [
                "opcode",
                "flags",
                "command_id",
                "slot",
                "statistics_address",
            ]
            .contains(&name)
        });
        Self {
            opcode_nop: Fixed::new(u64::from(opcode::NOP).into()),
            opcode_load: Fixed::new(u64::from(opcode::LOAD).into()),
            opcode_run: Fixed::new(u64::from(opcode::RUN).into()),
            opcode_unload: Fixed::new(u64::from(opcode::UNLOAD).into()),
            unknown_flags: Fixed::new(u64::from(!flag::ALL).into()),
            trace_flag: Fixed::new(u64::from(flag::TRACE).into()),
            trace_entries_at: bit_in_word(RunEntry::field("trace_entries"), 5),
            statistics_flag: Fixed::new(u64::from(flag::STATISTICS).into()),
            slot_count: Fixed::new(u64::from(SLOT_COUNT).into()),
            group_misaligned: Fixed::new(((configuration.requantize_lanes - 1) as u64).into()),
            opcode_at: bit_in_word(RunEntry::field("opcode"), 0),
            flags_at: bit_in_word(RunEntry::field("flags"), 0),
            command_id_at: bit_in_word(RunEntry::field("command_id"), 0),
            slot_at: bit_in_word(RunEntry::field("slot"), 0),
            rows_at: bit_in_word(RunEntry::field("rows"), 4),
            input_stride_at: bit_in_word(RunEntry::field("input_stride"), 4),
            output_stride_at: bit_in_word(RunEntry::field("output_stride"), 5),
            version_at: bit_in_word(LoadEntry::field("version"), 4),
            program_base_at: bit_in_word(LoadEntry::field("program_base"), 4),
            program_count_at: bit_in_word(LoadEntry::field("program_count"), 4),
            parameter_base_at: bit_in_word(LoadEntry::field("parameter_base"), 5),
            parameter_count_at: bit_in_word(LoadEntry::field("parameter_count"), 5),
            weight_base_at: bit_in_word(LoadEntry::field("weight_base"), 5),
            weight_count_at: bit_in_word(LoadEntry::field("weight_count"), 5),
            group_rows_at: bit_in_word(LoadEntry::field("group_rows"), 6),
            run_mask: run.mask,
            load_mask: load.mask,
            bare_mask: bare.mask,
            ..Default::default()
        }
    }
}

impl Logic for EntryDecoder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            nop,
            load,
            run,
            unload,
            statistics,
            trace,
            exists,
            some_rows,
            some_counts,
            whole_groups,
            statistics_aligned,
            addresses_aligned,
            others_aligned,
            whole_words,
            flags_fault,
            place_fault,
            trace_fault,
            formed
        );
        for i in 0..8 {
            self.run_fault[i].clock.next = self.clock.val();
            self.load_fault[i].clock.next = self.clock.val();
            self.bare_fault[i].clock.next = self.clock.val();
            self.word_fault[i].clock.next = self.clock.val();
            self.words[i].clock.next = self.clock.val();
            self.words[i].d.next = self.words[i].q.val();
        }
        if self.shift.val() {
            for i in 0..7 {
                self.words[i].d.next = self.words[i + 1].q.val();
            }
            self.words[7].d.next = self.word.val();
        }

        self.operation.next = self.words[0]
            .q
            .val()
            .get_bits::<8>(self.opcode_at.val().index());
        self.flags.next = self.words[0]
            .q
            .val()
            .get_bits::<8>(self.flags_at.val().index());
        self.command_id.next = self.words[0]
            .q
            .val()
            .get_bits::<16>(self.command_id_at.val().index());
        self.slot.next = self.words[0]
            .q
            .val()
            .get_bits::<8>(self.slot_at.val().index());
        self.input_address.next = self.words[1].q.val();
        self.output_address.next = self.words[2].q.val();
        self.statistics_address.next = self.words[3].q.val();
        self.workspace_address.next = self.words[6].q.val();
        self.trace_address.next = self.words[7].q.val();
        self.trace_entries.next = self.words[5]
            .q
            .val()
            .get_bits::<32>(self.trace_entries_at.val().index());
        self.all_rows.next = self.words[4]
            .q
            .val()
            .get_bits::<32>(self.rows_at.val().index());
        self.rows.next = self.all_rows.val().get_bits::<16>(0);
        self.input_stride.next = self.words[4]
            .q
            .val()
            .get_bits::<32>(self.input_stride_at.val().index());
        self.output_stride.next = self.words[5]
            .q
            .val()
            .get_bits::<32>(self.output_stride_at.val().index());
        self.version.next = self.words[4]
            .q
            .val()
            .get_bits::<32>(self.version_at.val().index());
        self.program_base.next = self.words[4]
            .q
            .val()
            .get_bits::<16>(self.program_base_at.val().index());
        self.program_count.next = self.words[4]
            .q
            .val()
            .get_bits::<16>(self.program_count_at.val().index());
        self.parameter_base.next = self.words[5]
            .q
            .val()
            .get_bits::<16>(self.parameter_base_at.val().index());
        self.parameter_count.next = self.words[5]
            .q
            .val()
            .get_bits::<16>(self.parameter_count_at.val().index());
        self.weight_base.next = self.words[5]
            .q
            .val()
            .get_bits::<16>(self.weight_base_at.val().index());
        self.weight_count.next = self.words[5]
            .q
            .val()
            .get_bits::<16>(self.weight_count_at.val().index());
        self.group_rows.next = self.words[6]
            .q
            .val()
            .get_bits::<16>(self.group_rows_at.val().index());

        // What each field says by itself.
        self.nop.d.next = self.operation.val() == self.opcode_nop.val();
        self.load.d.next = self.operation.val() == self.opcode_load.val();
        self.run.d.next = self.operation.val() == self.opcode_run.val();
        self.unload.d.next = self.operation.val() == self.opcode_unload.val();
        self.statistics.d.next = (self.flags.val() & self.statistics_flag.val()) != bits::<8>(0);
        self.trace.d.next = (self.flags.val() & self.trace_flag.val()) != bits::<8>(0);
        self.exists.d.next = self.slot.val() < self.slot_count.val();
        self.some_rows.d.next = (self.all_rows.val() != bits::<32>(0))
            && (self.all_rows.val().get_bits::<16>(16) == bits::<16>(0));
        self.some_counts.d.next =
            (self.program_count.val() != bits::<16>(0)) && (self.group_rows.val() != bits::<16>(0));
        self.whole_groups.d.next = ((self.parameter_base.val() | self.parameter_count.val())
            & self.group_misaligned.val())
            == bits::<16>(0);
        self.statistics_aligned.d.next =
            self.statistics_address.val().get_bits::<3>(0) == bits::<3>(0);
        self.addresses_aligned.d.next = (self.input_address.val().get_bits::<3>(0) == bits::<3>(0))
            && (self.output_address.val().get_bits::<3>(0) == bits::<3>(0));
        self.others_aligned.d.next = (self.workspace_address.val().get_bits::<3>(0)
            == bits::<3>(0))
            && (self.trace_address.val().get_bits::<3>(0) == bits::<3>(0))
            && (self.input_stride.val().get_bits::<3>(0) == bits::<3>(0))
            && (self.output_stride.val().get_bits::<3>(0) == bits::<3>(0));
        self.flags_fault.d.next = (self.flags.val() & self.unknown_flags.val()) != bits::<8>(0);
        self.place_fault.d.next = ((self.flags.val() & self.statistics_flag.val()) == bits::<8>(0))
            && (self.statistics_address.val() != bits::<64>(0));
        self.trace_fault.d.next = (self.trace_address.val() != bits::<64>(0))
            || (self.trace_entries.val() != bits::<32>(0));
        for i in 0..8 {
            self.run_fault[i].d.next =
                (self.words[i].q.val() & self.run_mask[i].val()) != bits::<64>(0);
            self.load_fault[i].d.next =
                (self.words[i].q.val() & self.load_mask[i].val()) != bits::<64>(0);
            self.bare_fault[i].d.next =
                (self.words[i].q.val() & self.bare_mask[i].val()) != bits::<64>(0);
        }

        // What that means for the opcode.
        for i in 0..8 {
            self.word_fault[i].d.next = self.bare_fault[i].q.val();
            if self.run.q.val() {
                self.word_fault[i].d.next = self.run_fault[i].q.val();
            }
            if self.load.q.val() {
                self.word_fault[i].d.next = self.load_fault[i].q.val();
            }
        }
        self.whole_words.d.next = self.statistics_aligned.q.val()
            && (self.addresses_aligned.q.val() || !(self.run.q.val() || self.load.q.val()))
            && (self.others_aligned.q.val() || !self.run.q.val());
        self.formed.d.next = !self.flags_fault.q.val()
            && !self.place_fault.q.val()
            && (self.run.q.val() || !self.trace.q.val())
            && (!self.run.q.val() || self.trace.q.val() || !self.trace_fault.q.val());
        for i in 0..8 {
            if self.word_fault[i].q.val() {
                self.formed.d.next = false;
            }
        }

        self.is_nop.next = self.nop.q.val();
        self.is_load.next = self.load.q.val();
        self.is_run.next = self.run.q.val();
        self.is_unload.next = self.unload.q.val();
        self.wants_statistics.next = self.statistics.q.val();
        self.wants_trace.next = self.run.q.val() && self.trace.q.val();
        self.slot_exists.next = self.exists.q.val();
        self.rows_possible.next = self.some_rows.q.val();
        self.counts_possible.next = self.some_counts.q.val();
        self.parameters_aligned.next = self.whole_groups.q.val();
        self.aligned.next = self.whole_words.q.val();
        self.well_formed.next = self.formed.q.val();
    }
}
