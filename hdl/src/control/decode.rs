//! Instruction decoder: holds the instruction, takes it apart and says whether its shape and
//! fields are possible. Whether its regions are inside is the sequencer's matter.
//!
//! ```text
//!  word, shift -> 8 x 64 bits -> fields of both formats
//!        |  \---> opcode, flags --(with the last word)--> is_...
//!        \------> which bytes aren't zero --+--> faults -> well_formed
//!                                  fields --+
//! ```
//!
//! What the opcode says is there with the instruction; `well_formed` a cycle later, for the
//! comparisons and what follows from them don't fit into one.

use rust_hdl::prelude::*;
use systole_regs::instructions::{Compute, KERNEL_COLUMNS_MAX, Transfer, flag, opcode as code};
use systole_regs::{Configuration, Field};

use crate::fixed::Fixed;

use super::fields::{bit_in_word, mask_of};
use super::operands::ComputeFields;
use super::transfers::TransferFields;

/// The decoder.
#[derive(LogicBlock, Default)]
pub struct Decoder {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Takes a word in; after eight of them the instruction is complete.
    pub shift: Signal<In, Bit>,
    /// The word, lowest first.
    pub word: Signal<In, Bits<64>>,
    /// The words of the instruction.
    pub words: [Signal<Out, Bits<64>>; 8],
    /// It ends the pass.
    pub is_end: Signal<Out, Bit>,
    /// LOAD_ROWS.
    pub is_load_rows: Signal<Out, Bit>,
    /// STORE_ROWS.
    pub is_store_rows: Signal<Out, Bit>,
    /// LOAD_WEIGHTS.
    pub is_load_weights: Signal<Out, Bit>,
    /// It reads by DMA.
    pub is_load: Signal<Out, Bit>,
    /// It writes by DMA.
    pub is_store: Signal<Out, Bit>,
    /// MATRIX.
    pub is_matrix: Signal<Out, Bit>,
    /// DEPTHWISE.
    pub is_depthwise: Signal<Out, Bit>,
    /// POOL.
    pub is_pool: Signal<Out, Bit>,
    /// It computes.
    pub is_compute: Signal<Out, Bit>,
    /// It adds a residual.
    pub is_residual: Signal<Out, Bit>,
    /// It belongs to a run's first group only.
    pub first_group: Signal<Out, Bit>,
    /// It takes the next group's rows.
    pub next_group: Signal<Out, Bit>,
    /// Shape and fields are possible; a cycle after the instruction.
    pub well_formed: Signal<Out, Bit>,
    compute: ComputeFields,
    transfer: TransferFields,
    opcode: Fixed<Bits<8>>,
    opcode_load_rows: Fixed<Bits<8>>,
    opcode_store_rows: Fixed<Bits<8>>,
    opcode_matrix: Fixed<Bits<8>>,
    opcode_depthwise: Fixed<Bits<8>>,
    opcode_pool: Fixed<Bits<8>>,
    opcode_load_weights: Fixed<Bits<8>>,
    opcode_load_workspace: Fixed<Bits<8>>,
    opcode_store_workspace: Fixed<Bits<8>>,
    flag_first_group: Fixed<Bits<8>>,
    flag_next_group: Fixed<Bits<8>>,
    flag_residual: Fixed<Bits<8>>,
    load_flags: Fixed<Bits<8>>,
    compute_flags: Fixed<Bits<8>>,
    pool_flags: Fixed<Bits<8>>,
    group_misaligned: Fixed<Bits<16>>,
    word_misaligned: Fixed<Bits<16>>,
    window_least: Fixed<Bits<16>>,
    columns_most: Fixed<Bits<16>>,
    shares_columns: Fixed<Bit>,
    opcode_at: Fixed<Bits<6>>,
    flags_at: Fixed<Bits<6>>,
    phases_at: Fixed<Bits<6>>,
    end_unused: [Fixed<Bits<8>>; 8],
    load_rows_unused: [Fixed<Bits<8>>; 8],
    store_rows_unused: [Fixed<Bits<8>>; 8],
    load_weights_unused: [Fixed<Bits<8>>; 8],
    workspace_unused: [Fixed<Bits<8>>; 8],
    matrix_unused: [Fixed<Bits<8>>; 8],
    depthwise_unused: [Fixed<Bits<8>>; 8],
    pool_unused: [Fixed<Bits<8>>; 8],
    residual_unused: [Fixed<Bits<8>>; 8],
    row_bytes_place: Fixed<Bits<8>>,
    count_place: Fixed<Bits<8>>,
    kernel_height_place: Fixed<Bits<8>>,
    input_height_place: Fixed<Bits<8>>,
    input_row_bytes_place: Fixed<Bits<8>>,
    window_bytes_place: Fixed<Bits<8>>,
    output_height_place: Fixed<Bits<8>>,
    output_width_place: Fixed<Bits<8>>,
    channels_place: Fixed<Bits<8>>,
    input_tiles_place: Fixed<Bits<8>>,
    instruction: [DFF<Bits<64>>; 8],
    filled: [DFF<Bits<8>>; 8],
    ends: DFF<Bit>,
    load_rows: DFF<Bit>,
    store_rows: DFF<Bit>,
    load_weights: DFF<Bit>,
    load_workspace: DFF<Bit>,
    store_workspace: DFF<Bit>,
    matrix: DFF<Bit>,
    depthwise: DFF<Bit>,
    pool: DFF<Bit>,
    loads: DFF<Bit>,
    stores: DFF<Bit>,
    computes: DFF<Bit>,
    residual: DFF<Bit>,
    only_first: DFF<Bit>,
    takes_next: DFF<Bit>,
    columns_shared: DFF<Bits<16>>,
    recognized: DFF<Bit>,
    unused_fault: [DFF<Bit>; 8],
    flags_fault: DFF<Bit>,
    transfer_fault: DFF<Bit>,
    empty_fault: DFF<Bit>,
    range_fault: DFF<Bit>,
    window_fault: DFF<Bit>,
    columns_fault: DFF<Bit>,
    unused: [Signal<Local, Bits<8>>; 8],
    bytes: Signal<Local, Bits<8>>,
    next_opcode: Signal<Local, Bits<8>>,
    next_flags: Signal<Local, Bits<8>>,
    next_phases: Signal<Local, Bits<16>>,
    computes_next: Signal<Local, Bit>,
    is_workspace: Signal<Local, Bit>,
    phases: Signal<Local, Bits<16>>,
}

/// Of each byte of a word, whether the mask covers it; fields are whole bytes.
fn bytes_of(mask: u64) -> u64 {
    (0..8).fold(0, |bytes, byte| {
        bytes | (u64::from(mask >> (8 * byte) & 0xff != 0) << byte)
    })
}

/// Bytes of a transfer that must be zero: all but those of the named fields and the opcode.
fn unused_of_transfer(used: &[&str]) -> [Fixed<Bits<8>>; 8] {
    let mut fields: Vec<_> = used.iter().map(|name| Transfer::field(name)).collect();
    fields.push(Transfer::field("opcode"));
    mask_of(&fields).map(|used| Fixed::new(bytes_of(!used).into()))
}

/// Bytes of a computation that must be zero: those of the named fields.
fn unused_of_compute(unused: &[&str]) -> [Fixed<Bits<8>>; 8] {
    let fields: Vec<_> = unused.iter().map(|name| Compute::field(name)).collect();
    mask_of(&fields).map(|unused| Fixed::new(bytes_of(unused).into()))
}

/// Bytes of a field in the word in which the kernel looks for it.
fn place(field: Field, word: usize) -> Fixed<Bits<8>> {
    bit_in_word(field, word);
    Fixed::new(bytes_of(mask_of(&[field])[word]).into())
}

impl Decoder {
    /// For an accelerator of these dimensions.
    pub fn new(configuration: &Configuration) -> Self {
        let byte = |value: u8| Fixed::new(u64::from(value).into());
        let half = |value: usize| Fixed::new((value as u64).into());
        let limits = ["compute_limit", "load_limit", "store_limit"];
        let with_limits = |fields: &[&'static str]| -> Vec<&'static str> {
            limits.iter().chain(fields).copied().collect()
        };
        let moved = [
            "scratchpad_address",
            "scratchpad_stride",
            "row_bytes",
            "host_offset",
        ];
        let rows = with_limits(&moved);
        let load_rows: Vec<_> = rows.iter().copied().chain(["flags"]).collect();
        let workspace: Vec<_> = rows
            .iter()
            .copied()
            .chain(["host_stride", "count"])
            .collect();
        let weights = with_limits(&["host_offset", "count", "weight_address"]);
        Self {
            compute: ComputeFields::new(),
            transfer: TransferFields::new(),
            opcode_load_rows: byte(code::LOAD_ROWS),
            opcode_store_rows: byte(code::STORE_ROWS),
            opcode_matrix: byte(code::MATRIX),
            opcode_depthwise: byte(code::DEPTHWISE),
            opcode_pool: byte(code::POOL),
            opcode_load_weights: byte(code::LOAD_WEIGHTS),
            opcode_load_workspace: byte(code::LOAD_WORKSPACE),
            opcode_store_workspace: byte(code::STORE_WORKSPACE),
            opcode: byte(code::END),
            flag_first_group: byte(flag::FIRST_GROUP),
            flag_next_group: byte(flag::NEXT_GROUP),
            flag_residual: byte(flag::RESIDUAL),
            load_flags: byte(!(flag::FIRST_GROUP | flag::NEXT_GROUP)),
            compute_flags: byte(!(flag::DOUBLE_ROUNDING | flag::RESIDUAL)),
            pool_flags: byte(!(flag::DOUBLE_ROUNDING | flag::RESIDUAL | flag::MAXIMUM)),
            group_misaligned: half(configuration.requantize_lanes - 1),
            word_misaligned: half(configuration.scratchpad_word_bytes() - 1),
            window_least: half(configuration.rows / 4),
            columns_most: half(KERNEL_COLUMNS_MAX.into()),
            shares_columns: Fixed::new(configuration.shared_columns > 1),
            opcode_at: bit_in_word(Compute::field("opcode"), 0),
            flags_at: bit_in_word(Compute::field("flags"), 0),
            phases_at: bit_in_word(Compute::field("phases"), 0),
            row_bytes_place: place(Transfer::field("row_bytes"), 2),
            count_place: place(Transfer::field("count"), 3),
            kernel_height_place: place(Compute::field("kernel_height"), 0),
            input_height_place: place(Compute::field("input_height"), 4),
            input_row_bytes_place: place(Compute::field("input_row_bytes"), 4),
            window_bytes_place: place(Compute::field("window_bytes"), 4),
            output_height_place: place(Compute::field("output_height"), 5),
            output_width_place: place(Compute::field("output_width"), 5),
            channels_place: place(Compute::field("channels"), 6),
            input_tiles_place: place(Compute::field("input_tiles"), 6),
            end_unused: unused_of_transfer(&[]),
            load_rows_unused: unused_of_transfer(&load_rows),
            store_rows_unused: unused_of_transfer(&rows),
            load_weights_unused: unused_of_transfer(&weights),
            workspace_unused: unused_of_transfer(&workspace),
            matrix_unused: unused_of_compute(&["phases"]),
            depthwise_unused: unused_of_compute(&[]),
            pool_unused: unused_of_compute(&["phases", "weight_address"]),
            residual_unused: unused_of_compute(&[
                "second_address",
                "sum_zero_point",
                "sum_minimum",
                "sum_maximum",
            ]),
            ..Default::default()
        }
    }
}

impl Logic for Decoder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            ends,
            load_rows,
            store_rows,
            load_weights,
            load_workspace,
            store_workspace,
            matrix,
            depthwise,
            pool,
            loads,
            stores,
            computes,
            residual,
            only_first,
            takes_next,
            columns_shared,
            recognized,
            flags_fault,
            transfer_fault,
            empty_fault,
            range_fault,
            window_fault,
            columns_fault
        );
        for i in 0..8 {
            self.instruction[i].clock.next = self.clock.val();
            self.instruction[i].d.next = self.instruction[i].q.val();
            self.filled[i].clock.next = self.clock.val();
            self.filled[i].d.next = self.filled[i].q.val();
            self.unused_fault[i].clock.next = self.clock.val();
            self.words[i].next = self.instruction[i].q.val();
            self.compute.words[i].next = self.instruction[i].q.val();
            self.transfer.words[i].next = self.instruction[i].q.val();
        }
        self.is_end.next = self.ends.q.val();
        self.is_load_rows.next = self.load_rows.q.val();
        self.is_store_rows.next = self.store_rows.q.val();
        self.is_load_weights.next = self.load_weights.q.val();
        self.is_matrix.next = self.matrix.q.val();
        self.is_depthwise.next = self.depthwise.q.val();
        self.is_pool.next = self.pool.q.val();
        self.is_load.next = self.loads.q.val();
        self.is_store.next = self.stores.q.val();
        self.is_compute.next = self.computes.q.val();
        self.is_residual.next = self.residual.q.val();
        self.first_group.next = self.only_first.q.val();
        self.next_group.next = self.takes_next.q.val();
        self.is_workspace.next = self.load_workspace.q.val() || self.store_workspace.q.val();

        // Which bytes of the word aren't zero.
        self.bytes.next = bits::<8>(0);
        if self.word.val().get_bits::<8>(0) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(1);
        }
        if self.word.val().get_bits::<8>(8) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(2);
        }
        if self.word.val().get_bits::<8>(16) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(4);
        }
        if self.word.val().get_bits::<8>(24) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(8);
        }
        if self.word.val().get_bits::<8>(32) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(16);
        }
        if self.word.val().get_bits::<8>(40) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(32);
        }
        if self.word.val().get_bits::<8>(48) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(64);
        }
        if self.word.val().get_bits::<8>(56) != bits::<8>(0) {
            self.bytes.next = self.bytes.val() | bits::<8>(128);
        }
        // The word that is the first after this shift, and what its opcode and flags say.
        self.next_opcode.next = self.instruction[1]
            .q
            .val()
            .get_bits::<8>(self.opcode_at.val().index());
        self.next_flags.next = self.instruction[1]
            .q
            .val()
            .get_bits::<8>(self.flags_at.val().index());
        self.next_phases.next = bit_cast::<16, 8>(
            self.instruction[1]
                .q
                .val()
                .get_bits::<8>(self.phases_at.val().index()),
        );
        self.computes_next.next = (self.next_opcode.val() == self.opcode_matrix.val())
            || (self.next_opcode.val() == self.opcode_depthwise.val())
            || (self.next_opcode.val() == self.opcode_pool.val());
        if self.shift.val() {
            for i in 0..7 {
                self.instruction[i].d.next = self.instruction[i + 1].q.val();
                self.filled[i].d.next = self.filled[i + 1].q.val();
            }
            self.instruction[7].d.next = self.word.val();
            self.filled[7].d.next = self.bytes.val();
            self.ends.d.next = self.next_opcode.val() == self.opcode.val();
            self.load_rows.d.next = self.next_opcode.val() == self.opcode_load_rows.val();
            self.store_rows.d.next = self.next_opcode.val() == self.opcode_store_rows.val();
            self.load_weights.d.next = self.next_opcode.val() == self.opcode_load_weights.val();
            self.load_workspace.d.next = self.next_opcode.val() == self.opcode_load_workspace.val();
            self.store_workspace.d.next =
                self.next_opcode.val() == self.opcode_store_workspace.val();
            self.matrix.d.next = self.next_opcode.val() == self.opcode_matrix.val();
            self.depthwise.d.next = self.next_opcode.val() == self.opcode_depthwise.val();
            self.pool.d.next = self.next_opcode.val() == self.opcode_pool.val();
            self.loads.d.next = (self.next_opcode.val() == self.opcode_load_rows.val())
                || (self.next_opcode.val() == self.opcode_load_weights.val())
                || (self.next_opcode.val() == self.opcode_load_workspace.val());
            self.stores.d.next = (self.next_opcode.val() == self.opcode_store_rows.val())
                || (self.next_opcode.val() == self.opcode_store_workspace.val());
            self.computes.d.next = self.computes_next.val();
            self.residual.d.next = self.computes_next.val()
                && ((self.next_flags.val() & self.flag_residual.val()) != bits::<8>(0));
            self.only_first.d.next = (self.next_opcode.val() == self.opcode_load_rows.val())
                && ((self.next_flags.val() & self.flag_first_group.val()) != bits::<8>(0));
            self.takes_next.d.next = (self.next_opcode.val() == self.opcode_load_rows.val())
                && ((self.next_flags.val() & self.flag_next_group.val()) != bits::<8>(0));
            self.columns_shared.d.next = self.next_phases.val();
            if self.shares_columns.val() {
                self.columns_shared.d.next =
                    self.next_phases.val() + self.next_phases.val() + self.next_phases.val();
            }
        }

        // The shape of the instruction: everything that its opcode doesn't use.
        for i in 0..8 {
            self.unused[i].next = bits::<8>(0);
            if self.ends.q.val() {
                self.unused[i].next = self.unused[i].val() | self.end_unused[i].val();
            }
            if self.load_rows.q.val() {
                self.unused[i].next = self.unused[i].val() | self.load_rows_unused[i].val();
            }
            if self.store_rows.q.val() {
                self.unused[i].next = self.unused[i].val() | self.store_rows_unused[i].val();
            }
            if self.load_weights.q.val() {
                self.unused[i].next = self.unused[i].val() | self.load_weights_unused[i].val();
            }
            if self.is_workspace.val() {
                self.unused[i].next = self.unused[i].val() | self.workspace_unused[i].val();
            }
            if self.matrix.q.val() {
                self.unused[i].next = self.unused[i].val() | self.matrix_unused[i].val();
            }
            if self.depthwise.q.val() {
                self.unused[i].next = self.unused[i].val() | self.depthwise_unused[i].val();
            }
            if self.pool.q.val() {
                self.unused[i].next = self.unused[i].val() | self.pool_unused[i].val();
            }
            if self.computes.q.val() && !self.residual.q.val() {
                self.unused[i].next = self.unused[i].val() | self.residual_unused[i].val();
            }
            self.unused_fault[i].d.next =
                (self.filled[i].q.val() & self.unused[i].val()) != bits::<8>(0);
        }
        self.recognized.d.next =
            self.ends.q.val() || self.loads.q.val() || self.stores.q.val() || self.computes.q.val();

        // Flags.
        self.flags_fault.d.next = false;
        if self.load_rows.q.val() {
            self.flags_fault.d.next = ((self.compute.flags.val() & self.load_flags.val())
                != bits::<8>(0))
                || (self.only_first.q.val() && self.takes_next.q.val());
        }
        if self.matrix.q.val() || self.depthwise.q.val() {
            self.flags_fault.d.next =
                (self.compute.flags.val() & self.compute_flags.val()) != bits::<8>(0);
        }
        if self.pool.q.val() {
            self.flags_fault.d.next =
                (self.compute.flags.val() & self.pool_flags.val()) != bits::<8>(0);
        }

        // Fields of transfers,
        self.transfer_fault.d.next =
            ((self.load_rows.q.val() || self.store_rows.q.val() || self.is_workspace.val())
                && ((self.filled[2].q.val() & self.row_bytes_place.val()) == bits::<8>(0)))
                || ((self.load_weights.q.val() || self.is_workspace.val())
                    && ((self.filled[3].q.val() & self.count_place.val()) == bits::<8>(0)))
                || ((self.loads.q.val() || self.stores.q.val())
                    && (((self.transfer.host_offset.val() | self.transfer.host_stride.val())
                        & bits::<32>(7))
                        != bits::<32>(0)));
        // of computations,
        self.empty_fault.d.next = self.computes.q.val()
            && (((self.filled[0].q.val() & self.kernel_height_place.val()) == bits::<8>(0))
                || ((self.filled[4].q.val() & self.input_height_place.val()) == bits::<8>(0))
                || ((self.filled[4].q.val() & self.input_row_bytes_place.val()) == bits::<8>(0))
                || ((self.filled[4].q.val() & self.window_bytes_place.val()) == bits::<8>(0))
                || ((self.filled[5].q.val() & self.output_height_place.val()) == bits::<8>(0))
                || ((self.filled[5].q.val() & self.output_width_place.val()) == bits::<8>(0))
                || ((self.filled[6].q.val() & self.channels_place.val()) == bits::<8>(0))
                || ((self.filled[6].q.val() & self.input_tiles_place.val()) == bits::<8>(0)));
        // Signed comparisons, by inverting the sign bits.
        self.range_fault.d.next = self.computes.q.val()
            && (((self.compute.clamp_minimum.val() ^ bits::<8>(128))
                > (self.compute.clamp_maximum.val() ^ bits::<8>(128)))
                || ((self.compute.sum_minimum.val() ^ bits::<8>(128))
                    > (self.compute.sum_maximum.val() ^ bits::<8>(128)))
                || ((self.compute.parameter_address.val() & self.group_misaligned.val())
                    != bits::<16>(0)));
        self.window_fault.d.next = self.matrix.q.val()
            && (self.compute.kernel_height.val() != bits::<8>(1))
            && ((self.compute.window_bytes.val() < self.window_least.val())
                || (((self.compute.input_row_stride.val() - self.compute.window_bytes.val())
                    & self.word_misaligned.val())
                    != bits::<16>(0)));
        // of shared mode.
        self.phases.next = bit_cast::<16, 8>(self.compute.phases.val());
        self.columns_fault.d.next = ((self.depthwise.q.val() || self.pool.q.val())
            && (self.compute.input_tiles.val() > self.columns_most.val()))
            || (self.depthwise.q.val()
                && (self.phases.val() != bits::<16>(0))
                && ((self.phases.val() > self.compute.input_tiles.val())
                    || (self.compute.input_tiles.val() > self.columns_shared.q.val())
                    || (self.compute.column_step.val() != bits::<16>(0))));

        self.well_formed.next = self.recognized.q.val()
            && !self.flags_fault.q.val()
            && !self.transfer_fault.q.val()
            && !self.empty_fault.q.val()
            && !self.range_fault.q.val()
            && !self.window_fault.q.val()
            && !self.columns_fault.q.val();
        for i in 0..8 {
            if self.unused_fault[i].q.val() {
                self.well_formed.next = false;
            }
        }
    }
}
