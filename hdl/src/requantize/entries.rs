//! Parameter entries of a residual sum, held while the instruction runs: F, S and T of
//! `systole_regs::instructions::Compute`.

use rust_hdl::prelude::*;

use crate::bits::{concatenate, slice};
use crate::memory::parameters::ENTRY_BITS;

/// Groups of parameter entries that hold the three.
pub const fn groups(lanes: usize) -> usize {
    3_usize.div_ceil(lanes)
}

/// Takes them out of groups of entries of `QP` bits.
#[derive(LogicBlock, Default)]
pub struct ResidualEntries<const QP: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Takes what `entries` shows.
    pub capture: Signal<In, Bits<1>>,
    /// It is the second group.
    pub second: Signal<In, Bits<1>>,
    /// A group of entries.
    pub entries: Signal<In, Bits<QP>>,
    /// Entry F.
    pub first_entry: Signal<Out, Bits<72>>,
    /// Entry S.
    pub other_entry: Signal<Out, Bits<72>>,
    /// Entry T.
    pub sum_entry: Signal<Out, Bits<72>>,
}

impl<const QP: usize> ResidualEntries<QP> {
    const LANES: usize = QP / ENTRY_BITS;

    /// For each entry, the group in which it comes and its place in the group.
    fn places() -> [(bool, usize); 3] {
        std::array::from_fn(|entry| (entry / Self::LANES == 1, entry % Self::LANES))
    }
}

impl<const QP: usize> Logic for ResidualEntries<QP> {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.capture.val().get_bit(0) {
            let entries = self.entries.val();
            let second = self.second.val().get_bit(0);
            let targets = [
                &mut self.first_entry,
                &mut self.other_entry,
                &mut self.sum_entry,
            ];
            for (target, (late, place)) in targets.into_iter().zip(Self::places()) {
                if late == second {
                    let bytes = (0..9).map(|byte| slice(entries, place * ENTRY_BITS + byte * 8, 8));
                    target.next = concatenate(8, bytes);
                }
            }
        }
    }

    fn connect(&mut self) {
        self.first_entry.connect();
        self.other_entry.connect();
        self.sum_entry.connect();
    }

    fn hdl(&self) -> Verilog {
        let names = ["first_entry", "other_entry", "sum_entry"];
        let clocked: String = names
            .into_iter()
            .zip(Self::places())
            .map(|(name, (late, place))| {
                format!(
                    "   if (capture && second == 1'b{}) {name} <= entries[{}+:{ENTRY_BITS}];\n",
                    u8::from(late),
                    place * ENTRY_BITS
                )
            })
            .collect();
        Verilog::Custom(format!("always @(posedge clock) begin\n{clocked}end\n"))
    }
}
