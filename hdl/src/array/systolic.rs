//! The weight-stationary array.
//!
//! Row r belongs to input channel r, column c to output channel c. A vector of R activations
//! enters skewed, row r after r cycles, is broadcast along its row, and its partial sums move
//! down the columns. A tile of weights follows the same skew, so a new tile may come with every
//! vector, or stay for many.
//!
//! ```text
//!  vector ->[delay 1]-> (0,0) (0,1) ... (0,C-1)   <- weights of row 0
//!         ->[delay 2]-> (1,0) (1,1) ... (1,C-1)   <- weights of row 1
//!               ...       |     |          |
//!         ->[delay R]-> (R-1,0)  ...   (R-1,C-1)
//!                         v     v          v
//!                           partial sums
//! ```
//!
//! Timing, counted in cycles from the one in which `vector` is there: `load` comes with it,
//! `weights[r]` r cycles later, and partial sums are there after R + 3 ([`sum_latency`]).

use rust_hdl::prelude::*;

use super::element::Element;
use crate::delay::Delay;

/// Cycles from a vector to its partial sums.
pub const fn sum_latency(rows: usize) -> usize {
    rows + 3
}

/// Array of `R` x `C` = `RC` elements with partial sums of `P` bits; `RW` = R x 8, `CW` = C x 8.
#[derive(LogicBlock)]
pub struct SystolicArray<
    const R: usize,
    const C: usize,
    const RC: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Activations, row r from bit 8 r on.
    pub vector: Signal<In, Bits<RW>>,
    /// Weights of each row, column c from bit 8 c on.
    pub weights: [Signal<In, Bits<CW>>; R],
    /// A new tile comes with the vector that is now at `vector`.
    pub load: Signal<In, Bits<1>>,
    /// Partial sums of the columns.
    pub partial_sums: [Signal<Out, Bits<P>>; C],
    skew: [Delay<8>; R],
    load_row: [Delay<1>; R],
    swap_row: [Delay<1>; R],
    element: [Element<P>; RC],
}

impl<
    const R: usize,
    const C: usize,
    const RC: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> SystolicArray<R, C, RC, RW, CW, P>
{
    /// An array; the constants must fit each other.
    pub fn new() -> Self {
        assert!(RC == R * C && RW == R * 8 && CW == C * 8 && P >= 17);
        Self {
            clock: Signal::default(),
            vector: Signal::default(),
            weights: std::array::from_fn(|_| Signal::default()),
            load: Signal::default(),
            partial_sums: std::array::from_fn(|_| Signal::default()),
            skew: std::array::from_fn(|row| Delay::new(row + 1)),
            load_row: std::array::from_fn(|_| Delay::new(1)),
            swap_row: std::array::from_fn(|_| Delay::new(1)),
            element: std::array::from_fn(|_| Element::default()),
        }
    }
}

impl<
    const R: usize,
    const C: usize,
    const RC: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> Default for SystolicArray<R, C, RC, RW, CW, P>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<
    const R: usize,
    const C: usize,
    const RC: usize,
    const RW: usize,
    const CW: usize,
    const P: usize,
> Logic for SystolicArray<R, C, RC, RW, CW, P>
{
    #[hdl_gen]
    fn update(&mut self) {
        // The load flag walks down with the tile; each row swaps a cycle after it has loaded.
        self.load_row[0].entry.next = self.load.val();
        for i in 1..R {
            self.load_row[i].entry.next = self.load_row[i - 1].delayed.val();
        }
        for i in 0..R {
            self.skew[i].clock.next = self.clock.val();
            self.skew[i].entry.next = self.vector.val().get_bits::<8>(i * 8);
            self.load_row[i].clock.next = self.clock.val();
            self.swap_row[i].clock.next = self.clock.val();
            self.swap_row[i].entry.next = self.load_row[i].entry.val();
        }
        // A constant in an index must be a loop variable for the emitter.
        for n in C..(C + 1) {
            for i in 0..R {
                for j in 0..C {
                    self.element[i * n + j].clock.next = self.clock.val();
                    self.element[i * n + j].activation.next = self.skew[i].delayed.val();
                    self.element[i * n + j].weight.next =
                        self.weights[i].val().get_bits::<8>(j * 8);
                    self.element[i * n + j].load.next =
                        self.load_row[i].entry.val() == bits::<1>(1);
                    self.element[i * n + j].swap.next =
                        self.swap_row[i].delayed.val() == bits::<1>(1);
                }
            }
            for j in 0..C {
                self.element[j].partial_sum_in.next = bits::<P>(0);
            }
            for i in 1..R {
                for j in 0..C {
                    self.element[i * n + j].partial_sum_in.next =
                        self.element[(i - 1) * n + j].partial_sum.val();
                }
            }
            for m in (R - 1)..R {
                for j in 0..C {
                    self.partial_sums[j].next = self.element[m * n + j].partial_sum.val();
                }
            }
        }
    }
}
