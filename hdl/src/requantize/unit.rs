//! Q lanes side by side, fed with Q of a row's C sums at a time.

use rust_hdl::prelude::*;

use super::lane::{self, Lane};
use crate::bits::{from_unsigned, slice};

/// Cycles from the lanes' `select` to the results.
pub const LATENCY: usize = 1 + lane::LATENCY;

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

/// Packs the lanes' results into one vector of `QW` = Q x 8 bits, without delay.
#[derive(LogicBlock)]
pub struct Pack<const Q: usize, const QW: usize> {
    /// Results of the lanes.
    pub results: [Signal<In, Bits<8>>; Q],
    /// The results side by side, lane 0 lowest.
    pub joined: Signal<Out, Bits<QW>>,
}

impl<const Q: usize, const QW: usize> Default for Pack<Q, QW> {
    fn default() -> Self {
        assert!(QW == Q * 8);
        Self {
            results: std::array::from_fn(|_| Signal::default()),
            joined: Signal::default(),
        }
    }
}

impl<const Q: usize, const QW: usize> Logic for Pack<Q, QW> {
    fn update(&mut self) {
        let joined = self
            .results
            .iter()
            .enumerate()
            .fold(0, |sum, (lane, result)| {
                sum | (result.val().to_u64() << (8 * lane))
            });
        self.joined.next = from_unsigned(joined);
    }

    fn connect(&mut self) {
        self.joined.connect();
    }

    fn hdl(&self) -> Verilog {
        let lanes: Vec<_> = (0..Q).rev().map(|lane| format!("results${lane}")).collect();
        Verilog::Custom(format!("always @(*) joined = {{{}}};\n", lanes.join(", ")))
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
    /// Q results, [`LATENCY`] cycles after `select`.
    pub results: Signal<Out, Bits<QW>>,
    group: GroupSelect<AW, QA>,
    lane: [Lane; Q],
    pack: Pack<Q, QW>,
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
            results: Signal::default(),
            group: GroupSelect::default(),
            lane: std::array::from_fn(|_| Lane::default()),
            pack: Pack::default(),
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
        for i in 0..Q {
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].sum.next = self.group.group.val().get_bits::<32>(i * 32);
            self.lane[i].channel.next = self.parameters.val().get_bits::<72>(i * 72);
            self.lane[i].double_rounding.next = self.double_rounding.val();
            self.lane[i].zero_point.next = self.zero_point.val();
            self.lane[i].minimum.next = self.minimum.val();
            self.lane[i].maximum.next = self.maximum.val();
            self.pack.results[i].next = self.lane[i].result.val();
        }
        self.results.next = self.pack.joined.val();
    }
}
