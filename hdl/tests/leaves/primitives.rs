//! Leaves that are primitives: their plain definitions. Those of technologies are compared with
//! these in the test `primitives`.

use systole_hdl::bits::from_signed;
use systole_hdl::primitive::multiplier::{LutMultiplier, Multiplier};

use crate::bench::Bench;

/// Sets the operands of a multiplier.
macro_rules! operands {
    ($a:literal, $b:literal) => {
        |leaf, random| {
            leaf.a.next = from_signed(random.signed($a));
            leaf.b.next = from_signed(random.signed($b));
        }
    };
}

/// Sets the port `clock` of a leaf.
macro_rules! clock {
    () => {
        |leaf, clock| leaf.clock.next = clock
    };
}

pub fn leaves(bench: &mut Bench) {
    bench.leaf(
        "multiply_full",
        Multiplier::<18, 18, 36>::default(),
        4000,
        clock!(),
        operands!(18, 18),
    );
    bench.leaf(
        "multiply_uneven",
        Multiplier::<9, 16, 25>::default(),
        4000,
        clock!(),
        operands!(9, 16),
    );
    bench.leaf(
        "multiply_lut_eight",
        LutMultiplier::<8, 16>::default(),
        4000,
        clock!(),
        operands!(8, 8),
    );
    bench.leaf(
        "multiply_lut_nine",
        LutMultiplier::<9, 18>::default(),
        4000,
        clock!(),
        operands!(9, 9),
    );
}
