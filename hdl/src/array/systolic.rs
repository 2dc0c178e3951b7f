//! The weight-stationary array.
//!
//! Rows 2i and 2i + 1 belong to input channels 2i and 2i + 1 and make pair i; column c belongs to
//! output channel c. A vector of R activations enters skewed, pair i after i + 1 cycles, and its
//! partial sums move down the columns. A tile of weights follows the same skew, so a new tile comes
//! with every vector.
//!
//! ```text
//!  vector ->[0]--> (0,C) -[1]-> (0,0) ... (0,G-1) -[1]-> (0,G) ...   <- weights of rows 0, 1
//!         ->[1]--> (1,C) -[1]-> (1,0) ... (1,G-1) -[1]-> (1,G) ...   <- weights of rows 2, 3
//!            ...     |            |          |             |
//!               correction       sum        sum           sum
//! ```
//!
//! Along a pair's row activations move by one group of G columns a cycle; weights of a group come as
//! much later, and outlets below let the earlier groups wait. Column C, in arrays of inner
//! products, is the correction: see [`super::element`]. It takes longer than elements that share a DSP,
//! so it has its activations a cycle before group 0.
//!
//! Timing, counted in cycles from the one in which `vector` is there: weights of pair i and group g
//! come i + g + 1 later, and partial sums are there after [`sum_latency`].

use rust_hdl::prelude::*;
use systole_regs::configuration::{ArrayKind, Configuration};

use super::element::{Element, Multiply, PairElement};
use super::outlet::Outlet;
use crate::delay::Delay;

/// Cycles from a vector to the weights of pair 0 and group 0.
pub const WEIGHTS_AFTER: usize = 1;

/// Cycles from a vector to its partial sums.
pub const fn sum_latency(configuration: &Configuration) -> usize {
    let inner_products = configuration.takes_inner_products();
    let correction = if inner_products { 1 } else { 0 };
    configuration.rows / 2
        + kind(configuration, 0).latency()
        + configuration.column_groups()
        + correction
        - 1
}

/// What the element of a column and its neighbour is; column C is the correction's.
const fn kind(configuration: &Configuration, column: usize) -> Element {
    let corrects = column == configuration.columns;
    match configuration.array {
        ArrayKind::Plain if corrects => Element::Absent,
        ArrayKind::Plain => Element::Plain,
        ArrayKind::InnerProduct { .. } if corrects => Element::Correction(Multiply::Lut),
        ArrayKind::InnerProduct {
            dsp_columns,
            shares_dsps,
            ..
        } => Element::InnerProduct(match (column < dsp_columns, shares_dsps) {
            (true, true) => Multiply::SharedDsp,
            (true, false) => Multiply::Dsp,
            (false, _) => Multiply::Lut,
        }),
    }
}

/// Cycles that the correction waits for the sums of group 0, for which it started a cycle earlier.
fn correction_waits(configuration: &Configuration) -> usize {
    let correction = kind(configuration, configuration.columns).latency();
    (kind(configuration, 0).latency() + 1).saturating_sub(correction)
}

/// Array of `R` rows and `C` columns in groups of `G`, with partial sums of `P` bits; `RW` = R x 8,
/// `CW` = C x 8.
#[derive(LogicBlock)]
pub struct SystolicArray<
    const R: usize,
    const C: usize,
    const G: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Twice as fast, rising with it: see [`PairElement`].
    pub double_clock: Signal<In, Clock>,
    /// Activations, row r from bit 8 r on.
    pub vector: Signal<In, Bits<RW>>,
    /// Weights of each row, column c from bit 8 c on.
    pub weights: [Signal<In, Bits<CW>>; R],
    /// Partial sums of the columns.
    pub partial_sums: [Signal<Out, Bits<P>>; C],
    /// Activations of pair i on their way to the correction.
    skew: Vec<Delay<16>>,
    /// Activations of pair i on their way to group g, at i x groups + g.
    step: Vec<Delay<16>>,
    /// Element of pair i and columns 2c and 2c + 1, at i x (C / 2 + 1) + c; the last is the
    /// correction's.
    element: Vec<PairElement<P>>,
    /// The correction on its way to group g.
    correction: Vec<Delay<P>>,
    outlet: [Outlet<P>; C],
}

impl<
    const R: usize,
    const C: usize,
    const G: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> SystolicArray<R, C, G, RW, CW, P>
{
    /// The array of a configuration, which the constants must repeat.
    pub fn new(configuration: &Configuration) -> Self {
        let groups = configuration.column_groups();
        assert!((R, C) == (configuration.rows, configuration.columns));
        assert!(
            R.is_multiple_of(2) && G.is_multiple_of(2),
            "elements are pairs"
        );
        assert!(G * groups == C && RW == R * 8 && CW == C * 8);
        assert_eq!(P, configuration.partial_sum_bits());
        let inner_products = configuration.takes_inner_products();
        assert!(
            (0..C).all(|c| kind(configuration, c).latency() == kind(configuration, 0).latency()),
            "columns that share DSPs are faster than those that multiply in LUTs"
        );
        Self {
            clock: Signal::default(),
            double_clock: Signal::default(),
            vector: Signal::default(),
            weights: std::array::from_fn(|_| Signal::default()),
            partial_sums: std::array::from_fn(|_| Signal::default()),
            skew: (0..R / 2).map(Delay::new).collect(),
            step: (0..R / 2 * groups).map(|_| Delay::new(1)).collect(),
            element: (0..R / 2 * (C / 2 + 1))
                .map(|index| PairElement::new(kind(configuration, index % (C / 2 + 1) * 2)))
                .collect(),
            correction: (0..groups)
                .map(|group| match group {
                    0 => Delay::new(correction_waits(configuration)),
                    _ => Delay::new(1),
                })
                .collect(),
            outlet: std::array::from_fn(|column| {
                Outlet::new(inner_products, groups - 1 - column / G)
            }),
        }
    }
}

impl<
    const R: usize,
    const C: usize,
    const G: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> Logic for SystolicArray<R, C, G, RW, CW, P>
{
    #[hdl_gen]
    fn update(&mut self) {
        // A constant in an index must be a loop variable for the emitter: n elements of a pair of
        // rows, s groups, w elements or columns in each.
        for s in (C / G)..(C / G + 1) {
            for i in 0..(R / 2) {
                self.skew[i].clock.next = self.clock.val();
                self.skew[i].entry.next = self.vector.val().get_bits::<16>(i * 16);
                self.step[i * s].clock.next = self.clock.val();
                self.step[i * s].entry.next = self.skew[i].delayed.val();
                for g in 1..(C / G) {
                    self.step[i * s + g].clock.next = self.clock.val();
                    self.step[i * s + g].entry.next = self.step[i * s + g - 1].delayed.val();
                }
            }
            for n in (C / 2 + 1)..(C / 2 + 2) {
                for w in (G / 2)..(G / 2 + 1) {
                    for i in 0..(R / 2) {
                        for g in 0..(C / G) {
                            for k in 0..(G / 2) {
                                self.element[i * n + g * w + k].activations.next =
                                    self.step[i * s + g].delayed.val();
                                self.element[i * n + g * w + k].even_weights.next =
                                    self.weights[i * 2].val().get_bits::<16>((g * w + k) * 16);
                                self.element[i * n + g * w + k].odd_weights.next = self.weights
                                    [i * 2 + 1]
                                    .val()
                                    .get_bits::<16>((g * w + k) * 16);
                            }
                        }
                    }
                }
                // The correction's column comes before group 0.
                for i in 0..(R / 2) {
                    for j in (C / 2)..(C / 2 + 1) {
                        self.element[i * n + j].activations.next = self.skew[i].delayed.val();
                        self.element[i * n + j].even_weights.next = bits::<16>(0);
                        self.element[i * n + j].odd_weights.next = bits::<16>(0);
                    }
                    for j in 0..(C / 2 + 1) {
                        self.element[i * n + j].clock.next = self.clock.val();
                        self.element[i * n + j].double_clock.next = self.double_clock.val();
                    }
                }
                for j in 0..(C / 2 + 1) {
                    self.element[j].left_sum_in.next = bits::<P>(0);
                    self.element[j].right_sum_in.next = bits::<P>(0);
                }
                for i in 1..(R / 2) {
                    for j in 0..(C / 2 + 1) {
                        self.element[i * n + j].left_sum_in.next =
                            self.element[(i - 1) * n + j].left_sum.val();
                        self.element[i * n + j].right_sum_in.next =
                            self.element[(i - 1) * n + j].right_sum.val();
                    }
                }
                for m in (R / 2 - 1)..(R / 2) {
                    for j in (C / 2)..(C / 2 + 1) {
                        self.correction[0].entry.next = self.element[m * n + j].left_sum.val();
                    }
                    for j in 0..(C / 2) {
                        self.outlet[j * 2].sum.next = self.element[m * n + j].left_sum.val();
                        self.outlet[j * 2 + 1].sum.next = self.element[m * n + j].right_sum.val();
                    }
                }
            }
            for w in G..(G + 1) {
                for g in 0..(C / G) {
                    for k in 0..G {
                        self.outlet[g * w + k].correction.next = self.correction[g].delayed.val();
                    }
                }
            }
        }
        for g in 0..(C / G) {
            self.correction[g].clock.next = self.clock.val();
        }
        for g in 1..(C / G) {
            self.correction[g].entry.next = self.correction[g - 1].delayed.val();
        }
        for j in 0..C {
            self.outlet[j].clock.next = self.clock.val();
            self.partial_sums[j].next = self.outlet[j].partial_sum.val();
        }
    }
}
