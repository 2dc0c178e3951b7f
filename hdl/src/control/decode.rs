//! Instruction decoder: holds the instruction, takes it apart and says whether its shape and
//! fields are possible. Whether its regions are inside is the sequencer's matter.
//!
//! ```text
//!  word, shift -> 8 x 64 bits -> fields of both formats
//!                            \-> well_formed
//! ```

use rust_hdl::prelude::*;
use systole_regs::Configuration;
use systole_regs::instructions::{Compute, KERNEL_COLUMNS_MAX, Transfer, flag, opcode as code};

use crate::fixed::Fixed;

use super::fields::mask_of;
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
    /// Shape and fields are possible.
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
    end_unused: [Fixed<Bits<64>>; 8],
    load_rows_unused: [Fixed<Bits<64>>; 8],
    store_rows_unused: [Fixed<Bits<64>>; 8],
    load_weights_unused: [Fixed<Bits<64>>; 8],
    workspace_unused: [Fixed<Bits<64>>; 8],
    matrix_unused: [Fixed<Bits<64>>; 8],
    depthwise_unused: [Fixed<Bits<64>>; 8],
    pool_unused: [Fixed<Bits<64>>; 8],
    residual_unused: [Fixed<Bits<64>>; 8],
    instruction: [DFF<Bits<64>>; 8],
    unused: [Signal<Local, Bits<64>>; 8],
    is_workspace: Signal<Local, Bit>,
    phases: Signal<Local, Bits<16>>,
    thrice: Signal<Local, Bits<16>>,
}

/// Bits of a transfer that must be zero: all but those of the named fields and the opcode.
fn unused_of_transfer(used: &[&str]) -> [Fixed<Bits<64>>; 8] {
    let mut fields: Vec<_> = used.iter().map(|name| Transfer::field(name)).collect();
    fields.push(Transfer::field("opcode"));
    mask_of(&fields).map(|used| Fixed::new((!used).into()))
}

/// Bits of a computation that must be zero: those of the named fields.
fn unused_of_compute(unused: &[&str]) -> [Fixed<Bits<64>>; 8] {
    let fields: Vec<_> = unused.iter().map(|name| Compute::field(name)).collect();
    mask_of(&fields).map(|unused| Fixed::new(unused.into()))
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
        let place = [
            "scratchpad_address",
            "scratchpad_stride",
            "row_bytes",
            "host_offset",
        ];
        let rows = with_limits(&place);
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
        for i in 0..8 {
            self.instruction[i].clock.next = self.clock.val();
            self.instruction[i].d.next = self.instruction[i].q.val();
            self.words[i].next = self.instruction[i].q.val();
            self.compute.words[i].next = self.instruction[i].q.val();
            self.transfer.words[i].next = self.instruction[i].q.val();
        }
        if self.shift.val() {
            for i in 0..7 {
                self.instruction[i].d.next = self.instruction[i + 1].q.val();
            }
            self.instruction[7].d.next = self.word.val();
        }

        self.is_end.next = self.compute.opcode.val() == self.opcode.val();
        self.is_load_rows.next = self.compute.opcode.val() == self.opcode_load_rows.val();
        self.is_store_rows.next = self.compute.opcode.val() == self.opcode_store_rows.val();
        self.is_load_weights.next = self.compute.opcode.val() == self.opcode_load_weights.val();
        self.is_matrix.next = self.compute.opcode.val() == self.opcode_matrix.val();
        self.is_depthwise.next = self.compute.opcode.val() == self.opcode_depthwise.val();
        self.is_pool.next = self.compute.opcode.val() == self.opcode_pool.val();
        self.is_load.next = self.is_load_rows.val()
            || self.is_load_weights.val()
            || (self.compute.opcode.val() == self.opcode_load_workspace.val());
        self.is_store.next = self.is_store_rows.val()
            || (self.compute.opcode.val() == self.opcode_store_workspace.val());
        self.is_compute.next =
            self.is_matrix.val() || self.is_depthwise.val() || self.is_pool.val();
        self.is_workspace.next = (self.compute.opcode.val() == self.opcode_load_workspace.val())
            || (self.compute.opcode.val() == self.opcode_store_workspace.val());
        self.is_residual.next = self.is_compute.val()
            && ((self.compute.flags.val() & self.flag_residual.val()) != bits::<8>(0));
        self.first_group.next = self.is_load_rows.val()
            && ((self.compute.flags.val() & self.flag_first_group.val()) != bits::<8>(0));
        self.next_group.next = self.is_load_rows.val()
            && ((self.compute.flags.val() & self.flag_next_group.val()) != bits::<8>(0));

        // The shape of the instruction: everything that its opcode doesn't use.
        for i in 0..8 {
            self.unused[i].next = self.end_unused[i].val();
            if self.is_load_rows.val() {
                self.unused[i].next = self.load_rows_unused[i].val();
            }
            if self.is_store_rows.val() {
                self.unused[i].next = self.store_rows_unused[i].val();
            }
            if self.is_load_weights.val() {
                self.unused[i].next = self.load_weights_unused[i].val();
            }
            if self.is_workspace.val() {
                self.unused[i].next = self.workspace_unused[i].val();
            }
            if self.is_matrix.val() {
                self.unused[i].next = self.matrix_unused[i].val();
            }
            if self.is_depthwise.val() {
                self.unused[i].next = self.depthwise_unused[i].val();
            }
            if self.is_pool.val() {
                self.unused[i].next = self.pool_unused[i].val();
            }
            if self.is_compute.val() && !self.is_residual.val() {
                self.unused[i].next = self.unused[i].val() | self.residual_unused[i].val();
            }
        }
        self.well_formed.next =
            self.is_end.val() || self.is_load.val() || self.is_store.val() || self.is_compute.val();
        for i in 0..8 {
            if (self.instruction[i].q.val() & self.unused[i].val()) != bits::<64>(0) {
                self.well_formed.next = false;
            }
        }

        // Its fields: of transfers,
        if self.is_load_rows.val() || self.is_store_rows.val() || self.is_workspace.val() {
            if self.transfer.row_bytes.val() == bits::<32>(0) {
                self.well_formed.next = false;
            }
        }
        if self.is_load_rows.val() {
            if ((self.compute.flags.val() & self.load_flags.val()) != bits::<8>(0))
                || (self.first_group.val() && self.next_group.val())
            {
                self.well_formed.next = false;
            }
        }
        if self.is_load_weights.val() || self.is_workspace.val() {
            if self.transfer.count.val() == bits::<16>(0) {
                self.well_formed.next = false;
            }
        }
        if self.is_load.val() || self.is_store.val() {
            if ((self.transfer.host_offset.val() | self.transfer.host_stride.val()) & bits::<32>(7))
                != bits::<32>(0)
            {
                self.well_formed.next = false;
            }
        }
        // of computations,
        self.phases.next = bit_cast::<16, 8>(self.compute.phases.val());
        self.thrice.next = self.phases.val() + self.phases.val() + self.phases.val();
        if self.is_compute.val() {
            if (self.compute.kernel_height.val() == bits::<8>(0))
                || (self.compute.input_height.val() == bits::<16>(0))
                || (self.compute.input_row_bytes.val() == bits::<16>(0))
                || (self.compute.window_bytes.val() == bits::<16>(0))
                || (self.compute.output_height.val() == bits::<16>(0))
                || (self.compute.output_width.val() == bits::<16>(0))
                || (self.compute.channels.val() == bits::<16>(0))
                || (self.compute.input_tiles.val() == bits::<16>(0))
                || ((self.compute.parameter_address.val() & self.group_misaligned.val())
                    != bits::<16>(0))
            {
                self.well_formed.next = false;
            }
            // Signed comparisons, by inverting the sign bits.
            if ((self.compute.clamp_minimum.val() ^ bits::<8>(128))
                > (self.compute.clamp_maximum.val() ^ bits::<8>(128)))
                || ((self.compute.sum_minimum.val() ^ bits::<8>(128))
                    > (self.compute.sum_maximum.val() ^ bits::<8>(128)))
            {
                self.well_formed.next = false;
            }
        }
        if self.is_matrix.val() || self.is_depthwise.val() {
            if (self.compute.flags.val() & self.compute_flags.val()) != bits::<8>(0) {
                self.well_formed.next = false;
            }
        }
        if self.is_pool.val() {
            if (self.compute.flags.val() & self.pool_flags.val()) != bits::<8>(0) {
                self.well_formed.next = false;
            }
        }
        if self.is_matrix.val() && (self.compute.kernel_height.val() != bits::<8>(1)) {
            if (self.compute.window_bytes.val() < self.window_least.val())
                || (((self.compute.input_row_stride.val() - self.compute.window_bytes.val())
                    & self.word_misaligned.val())
                    != bits::<16>(0))
            {
                self.well_formed.next = false;
            }
        }
        if self.is_depthwise.val() || self.is_pool.val() {
            if self.compute.input_tiles.val() > self.columns_most.val() {
                self.well_formed.next = false;
            }
        }
        // of shared mode.
        if self.is_depthwise.val() && (self.phases.val() != bits::<16>(0)) {
            if (self.phases.val() > self.compute.input_tiles.val())
                || (self.compute.input_tiles.val() > self.thrice.val())
                || (self.compute.column_step.val() != bits::<16>(0))
            {
                self.well_formed.next = false;
            }
        }
    }
}
