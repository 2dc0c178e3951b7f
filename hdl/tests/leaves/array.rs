//! Leaves of the array.

use systole_hdl::array::element::{Element, Multiply, PairElement};
use systole_hdl::array::outlet::Outlet;
use systole_hdl::bits::{concatenate, from_signed};

use crate::bench::{Bench, Random};

/// Sets the port `clock` of a leaf.
macro_rules! clock {
    () => {
        |leaf, clock| leaf.clock.next = clock
    };
}

pub fn leaves(bench: &mut Bench) {
    let kinds = [
        ("plain", Element::Plain),
        ("product_dsp", Element::InnerProduct(Multiply::Dsp)),
        ("product_shared", Element::InnerProduct(Multiply::SharedDsp)),
        ("product_lut", Element::InnerProduct(Multiply::Lut)),
        ("correction_dsp", Element::Correction(Multiply::Dsp)),
        ("correction_lut", Element::Correction(Multiply::Lut)),
        ("absent", Element::Absent),
    ];
    for (name, kind) in kinds {
        bench.leaf(
            &format!("element_{name}"),
            PairElement::<20>::new(kind),
            4000,
            clock!(),
            |leaf, random| {
                let byte = |random: &mut Random| (random.signed(8) as u64) & 0xff;
                let bytes = |random: &mut Random| concatenate(8, [byte(random), byte(random)]);
                leaf.activations.next = bytes(random);
                leaf.even_weights.next = bytes(random);
                leaf.odd_weights.next = bytes(random);
                leaf.left_sum_in.next = from_signed(random.signed(20));
                leaf.right_sum_in.next = from_signed(random.signed(20));
            },
        );
    }
    for (name, corrects, waits) in [
        ("wire", false, 0),
        ("late", false, 2),
        ("corrects", true, 0),
        ("corrects_late", true, 3),
    ] {
        bench.leaf(
            &format!("outlet_{name}"),
            Outlet::<20>::new(corrects, waits),
            500,
            clock!(),
            |leaf, random| {
                leaf.sum.next = from_signed(random.signed(20));
                leaf.correction.next = from_signed(random.signed(20));
            },
        );
    }
}
