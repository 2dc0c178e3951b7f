//! Q lanes side by side, fed with Q of a row's C sums at a time; with a residual, the results come
//! back as sums of a second pass.
//!
//! ```text
//!  sums --select--> [ lanes ] --> results
//!                     ^   |
//!                     |   +--> operands --+
//!                     +-------------------+ <-- other
//! ```

use rust_hdl::prelude::*;

use super::entries::ResidualEntries;
use super::lane::{self, Lane};
use super::operand::{self, OperandSum};
use crate::bits::slice;
use crate::join::Join;

/// Cycles from the lanes' `select` to the results.
pub const LATENCY: usize = 1 + lane::LATENCY;

/// Cycles from the `select` of results to their re-entry as residual sums: the second operand
/// comes a cycle after the results.
pub const REENTRY: usize = LATENCY + 1 + operand::LATENCY;

/// Cycles from `select` to the results of the second pass.
pub const RESIDUAL_LATENCY: usize = REENTRY + lane::LATENCY;

/// Chooses a group of Q sums out of a row: `AW` = C x 32 bits in, `QA` = Q x 32 bits out.
#[derive(LogicBlock, Default)]
pub struct GroupSelect<const AW: usize, const QA: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Sums of a row.
    pub sums: Signal<In, Bits<AW>>,
    /// Which group.
    pub select: Signal<In, Bits<8>>,
    /// The group, a cycle later.
    pub group: Signal<Out, Bits<QA>>,
}

impl<const AW: usize, const QA: usize> Logic for GroupSelect<AW, QA> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let group = self.select.val().index() % (AW / QA);
            let sums = self.sums.val();
            let parts = (0..QA / 32).map(|lane| slice(sums, group * QA + lane * 32, 32));
            self.group.next = crate::bits::concatenate(32, parts);
        }
    }

    fn connect(&mut self) {
        self.group.connect();
    }

    fn hdl(&self) -> Verilog {
        let groups = AW / QA;
        let chosen = if groups == 1 {
            "sums".to_owned()
        } else {
            let top = crate::bits::index_bits(groups) - 1;
            format!("sums[select[{top}:0] * {QA} +: {QA}]")
        };
        Verilog::Custom(format!("always @(posedge clock) group <= {chosen};\n"))
    }
}

/// The requantization unit: `Q` lanes; `AW` = C x 32, `QA` = Q x 32, `QP` = Q x 72, `QW` = Q x 8.
#[derive(LogicBlock)]
pub struct RequantizeUnit<
    const Q: usize,
    const AW: usize,
    const QA: usize,
    const QP: usize,
    const QW: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Sums of a row.
    pub sums: Signal<In, Bits<AW>>,
    /// Which Q of them.
    pub select: Signal<In, Bits<8>>,
    /// Parameters of their channels, a cycle after `select`.
    pub parameters: Signal<In, Bits<QP>>,
    /// See [`Lane`].
    pub double_rounding: Signal<In, Bit>,
    /// See [`Lane`].
    pub zero_point: Signal<In, Bits<8>>,
    /// See [`Lane`].
    pub minimum: Signal<In, Bits<8>>,
    /// See [`Lane`].
    pub maximum: Signal<In, Bits<8>>,
    /// See [`Lane`].
    pub second_zero_point: Signal<In, Bits<8>>,
    /// See [`Lane`].
    pub second_minimum: Signal<In, Bits<8>>,
    /// See [`Lane`].
    pub second_maximum: Signal<In, Bits<8>>,
    /// Residual sums enter in place of sums, [`REENTRY`] cycles after the `select` of their results.
    pub reentry: Signal<In, Bits<1>>,
    /// Results are there that a residual is added to.
    pub returning: Signal<In, Bits<1>>,
    /// What is added to the results, a cycle after them.
    pub other: Signal<In, Bits<QW>>,
    /// Takes `parameters` as entries of residual sums.
    pub capture: Signal<In, Bits<1>>,
    /// As the second group of them.
    pub capture_second: Signal<In, Bits<1>>,
    /// Q results, [`LATENCY`] cycles after `select`, or [`RESIDUAL_LATENCY`].
    pub results: Signal<Out, Bits<QW>>,
    group: GroupSelect<AW, QA>,
    entries: ResidualEntries<QP>,
    operand: [OperandSum; Q],
    lane: [Lane; Q],
    joined: Join<Q, 8, QW>,
}

impl<const Q: usize, const AW: usize, const QA: usize, const QP: usize, const QW: usize> Default
    for RequantizeUnit<Q, AW, QA, QP, QW>
{
    fn default() -> Self {
        assert!(QA == Q * 32 && QP == Q * 72 && QW == Q * 8 && AW.is_multiple_of(QA));
        Self {
            clock: Signal::default(),
            sums: Signal::default(),
            select: Signal::default(),
            parameters: Signal::default(),
            double_rounding: Signal::default(),
            zero_point: Signal::default(),
            minimum: Signal::default(),
            maximum: Signal::default(),
            second_zero_point: Signal::default(),
            second_minimum: Signal::default(),
            second_maximum: Signal::default(),
            reentry: Signal::default(),
            returning: Signal::default(),
            other: Signal::default(),
            capture: Signal::default(),
            capture_second: Signal::default(),
            results: Signal::default(),
            group: GroupSelect::default(),
            entries: ResidualEntries::default(),
            operand: std::array::from_fn(|_| OperandSum::default()),
            lane: std::array::from_fn(|_| Lane::default()),
            joined: Join::default(),
        }
    }
}

impl<const Q: usize, const AW: usize, const QA: usize, const QP: usize, const QW: usize> Logic
    for RequantizeUnit<Q, AW, QA, QP, QW>
{
    #[hdl_gen]
    fn update(&mut self) {
        self.group.clock.next = self.clock.val();
        self.group.sums.next = self.sums.val();
        self.group.select.next = self.select.val();
        self.entries.clock.next = self.clock.val();
        self.entries.capture.next = self.capture.val();
        self.entries.second.next = self.capture_second.val();
        self.entries.entries.next = self.parameters.val();
        for i in 0..Q {
            self.operand[i].clock.next = self.clock.val();
            self.operand[i].returning.next = self.returning.val();
            self.operand[i].first.next = self.lane[i].result.val();
            self.operand[i].other.next = self.other.val().get_bits::<8>(i * 8);
            self.operand[i].first_entry.next = self.entries.first_entry.val();
            self.operand[i].other_entry.next = self.entries.other_entry.val();
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].sum.next = self.group.group.val().get_bits::<32>(i * 32);
            self.lane[i].channel.next = self.parameters.val().get_bits::<72>(i * 72);
            self.lane[i].second.next = self.reentry.val();
            if self.reentry.val() == bits::<1>(1) {
                self.lane[i].sum.next = self.operand[i].sum.val();
                self.lane[i].channel.next = self.entries.sum_entry.val();
            }
            self.lane[i].double_rounding.next = self.double_rounding.val();
            self.lane[i].zero_point.next = self.zero_point.val();
            self.lane[i].minimum.next = self.minimum.val();
            self.lane[i].maximum.next = self.maximum.val();
            self.lane[i].second_zero_point.next = self.second_zero_point.val();
            self.lane[i].second_minimum.next = self.second_minimum.val();
            self.lane[i].second_maximum.next = self.second_maximum.val();
            self.joined.parts[i].next = self.lane[i].result.val();
        }
        self.results.next = self.joined.joined.val();
    }
}
