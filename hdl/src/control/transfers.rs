//! The fields of an instruction that moves data, taken out of its eight words where the register
//! description says that they are.

use rust_hdl::prelude::*;
use systole_regs::instructions::Transfer;

use crate::fixed::Fixed;

use super::fields::bit_in_word;

/// Takes the words apart; every output is the field of the same name.
#[derive(LogicBlock, Default)]
pub struct TransferFields {
    /// Words of the instruction, lowest first.
    pub words: [Signal<In, Bits<64>>; 8],
    /// Field of the same name.
    pub flags: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub compute_limit: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub load_limit: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub store_limit: Signal<Out, Bits<8>>,
    /// Field of the same name.
    pub scratchpad_address: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub scratchpad_stride: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub row_bytes: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub host_offset: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub host_stride: Signal<Out, Bits<32>>,
    /// Field of the same name.
    pub count: Signal<Out, Bits<16>>,
    /// Field of the same name.
    pub weight_address: Signal<Out, Bits<16>>,
    flags_at: Fixed<Bits<6>>,
    compute_limit_at: Fixed<Bits<6>>,
    load_limit_at: Fixed<Bits<6>>,
    store_limit_at: Fixed<Bits<6>>,
    scratchpad_address_at: Fixed<Bits<6>>,
    scratchpad_stride_at: Fixed<Bits<6>>,
    row_bytes_at: Fixed<Bits<6>>,
    host_offset_at: Fixed<Bits<6>>,
    host_stride_at: Fixed<Bits<6>>,
    count_at: Fixed<Bits<6>>,
    weight_address_at: Fixed<Bits<6>>,
}

impl TransferFields {
    /// Where the register description has the fields.
    pub fn new() -> Self {
        let at = |name: &str, word: usize| bit_in_word(Transfer::field(name), word);
        Self {
            flags_at: at("flags", 0),
            compute_limit_at: at("compute_limit", 0),
            load_limit_at: at("load_limit", 0),
            store_limit_at: at("store_limit", 0),
            scratchpad_address_at: at("scratchpad_address", 1),
            scratchpad_stride_at: at("scratchpad_stride", 1),
            row_bytes_at: at("row_bytes", 2),
            host_offset_at: at("host_offset", 2),
            host_stride_at: at("host_stride", 3),
            count_at: at("count", 3),
            weight_address_at: at("weight_address", 3),
            ..Default::default()
        }
    }
}

impl Logic for TransferFields {
    #[hdl_gen]
    fn update(&mut self) {
        self.flags.next = self.words[0]
            .val()
            .get_bits::<8>(self.flags_at.val().index());
        self.compute_limit.next = self.words[0]
            .val()
            .get_bits::<8>(self.compute_limit_at.val().index());
        self.load_limit.next = self.words[0]
            .val()
            .get_bits::<8>(self.load_limit_at.val().index());
        self.store_limit.next = self.words[0]
            .val()
            .get_bits::<8>(self.store_limit_at.val().index());
        self.scratchpad_address.next = self.words[1]
            .val()
            .get_bits::<32>(self.scratchpad_address_at.val().index());
        self.scratchpad_stride.next = self.words[1]
            .val()
            .get_bits::<32>(self.scratchpad_stride_at.val().index());
        self.row_bytes.next = self.words[2]
            .val()
            .get_bits::<32>(self.row_bytes_at.val().index());
        self.host_offset.next = self.words[2]
            .val()
            .get_bits::<32>(self.host_offset_at.val().index());
        self.host_stride.next = self.words[3]
            .val()
            .get_bits::<32>(self.host_stride_at.val().index());
        self.count.next = self.words[3]
            .val()
            .get_bits::<16>(self.count_at.val().index());
        self.weight_address.next = self.words[3]
            .val()
            .get_bits::<16>(self.weight_address_at.val().index());
    }
}
