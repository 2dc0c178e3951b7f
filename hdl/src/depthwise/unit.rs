//! The lanes side by side, their weights on the way down, and the way to the accumulators.
//!
//! Weights of rows 2i and 2i + 1 come i cycles after those of the first pair, so the strobe that
//! writes them walks down with them; activations come for all lanes at once. Lanes with one multiplier
//! have their weights from memories that four of them share.

use rust_hdl::prelude::*;

use super::collect::Collect;
use super::lane::{self, DepthwiseLane};
use super::weights::LaneWeights;
use crate::delay::Delay;
use crate::join::Join;

/// `R` lanes with weights of `CW` bits, results of `RS` = R x 24 bits and rows of `AW` bits.
#[derive(LogicBlock)]
pub struct DepthwiseUnit<
    const R: usize,
    const CW: usize,
    const RW: usize,
    const RS: usize,
    const AW: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is on the way to the accumulators.
    pub reset: Signal<In, Bit>,
    /// Weights of rows 0 and 1 are there to be kept.
    pub weight_valid: Signal<In, Bits<1>>,
    /// Their step.
    pub weight_step: Signal<In, Bits<6>>,
    /// Byte of each row's weights that is the first one.
    pub weight_byte: Signal<In, Bits<3>>,
    /// Weights of each row.
    pub weights: [Signal<In, Bits<CW>>; R],
    /// See [`DepthwiseLane`].
    pub ones: Signal<In, Bit>,
    /// See [`DepthwiseLane`].
    pub maximum: Signal<In, Bit>,
    /// See [`DepthwiseLane`].
    pub valid: Signal<In, Bits<1>>,
    /// See [`DepthwiseLane`].
    pub clear: Signal<In, Bits<1>>,
    /// See [`DepthwiseLane`].
    pub shift: Signal<In, Bits<1>>,
    /// See [`DepthwiseLane`].
    pub age: Signal<In, Bits<2>>,
    /// See [`DepthwiseLane`]; [`lane::READ_LATENCY`] cycles before.
    pub early_step: Signal<In, Bits<6>>,
    /// The activations complete pixels.
    pub emit: Signal<In, Bits<1>>,
    /// In so many rows of accumulators.
    pub emit_rows: Signal<In, Bits<8>>,
    /// Activations, lane r from bit 8 r on.
    pub vector: Signal<In, Bits<RW>>,
    /// A row of sums follows in the next cycle.
    pub row_valid: Signal<Out, Bit>,
    /// The sums, a cycle after.
    pub sums: Signal<Out, Bits<AW>>,
    lane: [DepthwiseLane<CW>; R],
    /// Weights of four lanes each, if they share memories.
    shared_weights: Vec<LaneWeights<CW>>,
    step: Delay<6>,
    valid_pair: Vec<Delay<1>>,
    step_pair: Vec<Delay<6>>,
    byte_pair: Vec<Delay<3>>,
    emitted: Delay<1>,
    emitted_rows: Delay<8>,
    joined: Join<R, 24, RS>,
    collect: Collect<RS, AW>,
}

impl<const R: usize, const CW: usize, const RW: usize, const RS: usize, const AW: usize>
    DepthwiseUnit<R, CW, RW, RS, AW>
{
    /// Lanes without weights, with so many multipliers each.
    pub fn new(shared_columns: usize) -> Self {
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            weight_valid: Signal::default(),
            weight_step: Signal::default(),
            weight_byte: Signal::default(),
            weights: std::array::from_fn(|_| Signal::default()),
            ones: Signal::default(),
            maximum: Signal::default(),
            valid: Signal::default(),
            clear: Signal::default(),
            shift: Signal::default(),
            age: Signal::default(),
            early_step: Signal::default(),
            emit: Signal::default(),
            emit_rows: Signal::default(),
            vector: Signal::default(),
            row_valid: Signal::default(),
            sums: Signal::default(),
            lane: std::array::from_fn(|_| DepthwiseLane::new(shared_columns)),
            shared_weights: (0..R / 4)
                .map(|_| LaneWeights::new(shared_columns == 1))
                .collect(),
            step: Delay::new(lane::READ_LATENCY),
            valid_pair: (0..R / 2).map(|_| Delay::new(1)).collect(),
            step_pair: (0..R / 2).map(|_| Delay::new(1)).collect(),
            byte_pair: (0..R / 2).map(|_| Delay::new(1)).collect(),
            emitted: Delay::new(lane::LATENCY),
            emitted_rows: Delay::new(lane::LATENCY),
            joined: Join::default(),
            collect: Collect::new(),
        }
    }
}

impl<const R: usize, const CW: usize, const RW: usize, const RS: usize, const AW: usize> Logic
    for DepthwiseUnit<R, CW, RW, RS, AW>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.valid_pair[0].entry.next = self.weight_valid.val();
        self.step_pair[0].entry.next = self.weight_step.val();
        self.byte_pair[0].entry.next = self.weight_byte.val();
        for i in 1..(R / 2) {
            self.valid_pair[i].entry.next = self.valid_pair[i - 1].delayed.val();
            self.step_pair[i].entry.next = self.step_pair[i - 1].delayed.val();
            self.byte_pair[i].entry.next = self.byte_pair[i - 1].delayed.val();
        }
        for i in 0..(R / 2) {
            self.valid_pair[i].clock.next = self.clock.val();
            self.step_pair[i].clock.next = self.clock.val();
            self.byte_pair[i].clock.next = self.clock.val();
            for k in 0..2 {
                self.lane[i * 2 + k].weight_valid.next =
                    self.valid_pair[i].entry.val() == bits::<1>(1);
                self.lane[i * 2 + k].weight_step.next = self.step_pair[i].entry.val();
                self.lane[i * 2 + k].weight_byte.next = self.byte_pair[i].entry.val();
            }
        }
        for i in 0..(R / 4) {
            self.shared_weights[i].clock.next = self.clock.val();
            self.shared_weights[i].valid.next = self.valid_pair[i * 2 + 1].entry.val();
            self.shared_weights[i].step.next = self.step_pair[i * 2 + 1].entry.val();
            self.shared_weights[i].first_byte.next = self.byte_pair[i * 2].entry.val();
            self.shared_weights[i].second_byte.next = self.byte_pair[i * 2 + 1].entry.val();
            self.shared_weights[i].read_step.next = self.early_step.val();
            self.shared_weights[i].row0.next = self.weights[i * 4].val();
            self.shared_weights[i].row1.next = self.weights[i * 4 + 1].val();
            self.shared_weights[i].row2.next = self.weights[i * 4 + 2].val();
            self.shared_weights[i].row3.next = self.weights[i * 4 + 3].val();
            for k in 0..4 {
                self.lane[i * 4 + k].factor.next =
                    self.shared_weights[i].factors.val().get_bits::<8>(k * 8);
            }
        }
        self.step.clock.next = self.clock.val();
        self.step.entry.next = self.early_step.val();
        for i in 0..R {
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].weights.next = self.weights[i].val();
            self.lane[i].ones.next = self.ones.val();
            self.lane[i].maximum.next = self.maximum.val();
            self.lane[i].valid.next = self.valid.val();
            self.lane[i].clear.next = self.clear.val();
            self.lane[i].shift.next = self.shift.val();
            self.lane[i].age.next = self.age.val();
            self.lane[i].step.next = self.step.delayed.val();
            self.lane[i].activation.next = self.vector.val().get_bits::<8>(i * 8);
            self.joined.parts[i].next = self.lane[i].result.val();
        }
        clock!(self, clock, emitted, emitted_rows, collect);
        self.emitted.entry.next = self.emit.val();
        self.emitted_rows.entry.next = self.emit_rows.val();
        self.collect.reset.next = self.reset.val();
        self.collect.valid.next = self.emitted.delayed.val();
        self.collect.rows.next = self.emitted_rows.delayed.val();
        self.collect.results.next = self.joined.joined.val();
        self.row_valid.next = self.collect.row_valid.val();
        self.sums.next = self.collect.sums.val();
    }
}
