//! Leaves of the way from windows to sums and residual sums.

use systole_hdl::bits::{concatenate, from_signed, from_unsigned};
use systole_hdl::control::trace::RecordFifo;
use systole_hdl::depthwise::collect::Collect;
use systole_hdl::depthwise::lane::DepthwiseLane;
use systole_hdl::depthwise::weights::LaneWeights;
use systole_hdl::requantize::entries::ResidualEntries;
use systole_hdl::requantize::operand::OperandSum;
use systole_hdl::window::shape::WindowShape;

use crate::bench::{Bench, Random};

/// Sets the port `clock` of a leaf.
macro_rules! clock {
    () => {
        |leaf, clock| leaf.clock.next = clock
    };
}

fn flag(value: bool) -> u64 {
    u64::from(value)
}

/// A parameter entry with extreme values.
fn entry(random: &mut Random) -> rust_hdl::prelude::Bits<72> {
    let (bias, multiplier) = (random.signed(32) as u32, random.signed(32) as u32);
    concatenate(
        8,
        bias.to_le_bytes()
            .into_iter()
            .chain(multiplier.to_le_bytes())
            .chain([random.signed(8) as u8])
            .map(u64::from),
    )
}

pub fn leaves(bench: &mut Bench) {
    bench.leaf(
        "shape",
        WindowShape::default(),
        20_000,
        clock!(),
        |leaf, random| {
            // Near the image's edges most of the time, anywhere now and then.
            let near = |random: &mut Random| {
                if random.tick(4) {
                    random.signed(32)
                } else {
                    random.below(200) as i64 - 100
                }
            };
            leaf.address.next = from_unsigned(random.any());
            leaf.x_end.next = from_signed(near(random));
            leaf.y.next = from_signed(near(random));
            leaf.distance.next = from_unsigned(random.below(80));
            leaf.window_bytes.next = from_unsigned(if random.tick(8) {
                random.extreme(16)
            } else {
                random.below(40)
            });
            leaf.rows_left.next = from_unsigned(random.below(8));
            leaf.height.next = from_unsigned(random.below(100));
            leaf.row_bytes.next = from_unsigned(if random.tick(8) {
                random.extreme(16)
            } else {
                random.below(100)
            });
        },
    );

    let drive_lane = |leaf: &mut DepthwiseLane<64>, random: &mut Random| {
        if random.tick(50) {
            leaf.ones.next = random.often();
            leaf.maximum.next = random.tick(3);
        }
        leaf.weight_valid.next = random.tick(3);
        leaf.weight_step.next = from_unsigned(random.below(8));
        leaf.weight_byte.next = from_unsigned(random.below(8));
        leaf.weights.next = concatenate(8, [(); 8].map(|()| random.signed(8) as u8).map(u64::from));
        leaf.valid.next = from_unsigned(flag(random.often()));
        leaf.clear.next = from_unsigned(flag(random.tick(9)));
        leaf.shift.next = from_unsigned(flag(random.tick(3)));
        leaf.age.next = from_unsigned(random.below(3));
        leaf.step.next = from_unsigned(random.below(8));
        leaf.factor.next = from_signed(random.signed(8));
        leaf.activation.next = from_signed(random.signed(8));
    };
    bench.leaf("lanes", DepthwiseLane::new(3), 20_000, clock!(), drive_lane);
    bench.leaf(
        "single_lanes",
        DepthwiseLane::new(1),
        20_000,
        clock!(),
        drive_lane,
    );

    for (name, is_there) in [("lane_weights", true), ("no_lane_weights", false)] {
        let weights = LaneWeights::<64>::new(is_there);
        bench.leaf(name, weights, 4000, clock!(), |leaf, random| {
            leaf.valid.next = from_unsigned(flag(random.often()));
            leaf.step.next = from_unsigned(random.below(16));
            leaf.first_byte.next = from_unsigned(random.below(8));
            leaf.second_byte.next = from_unsigned(random.below(8));
            leaf.row0.next = random.any().into();
            leaf.row1.next = random.any().into();
            leaf.row2.next = random.any().into();
            leaf.row3.next = random.any().into();
            leaf.read_step.next = from_unsigned(random.below(16));
        });
    }

    let mut wait = 0_u64;
    bench.leaf(
        "collect_two",
        Collect::<{ 8 * 24 }, { 4 * 32 }>::new(),
        3000,
        clock!(),
        move |leaf, random| {
            let valid = wait == 0 && random.often();
            let rows = 1 + random.below(2);
            wait = if valid {
                rows - 1
            } else {
                wait.saturating_sub(1)
            };
            leaf.valid.next = from_unsigned(flag(valid));
            leaf.rows.next = from_unsigned(rows);
            leaf.results.next = concatenate(32, random.words(6));
            leaf.reset.next = random.tick(200);
        },
    );
    bench.leaf(
        "collect_one",
        Collect::<{ 4 * 24 }, { 4 * 32 }>::new(),
        1000,
        clock!(),
        |leaf, random| {
            leaf.valid.next = from_unsigned(flag(random.often()));
            leaf.rows.next = from_unsigned(1);
            leaf.results.next = concatenate(32, random.words(3));
            leaf.reset.next = false;
        },
    );

    bench.leaf(
        "operand",
        OperandSum::default(),
        30_000,
        clock!(),
        |leaf, random| {
            if random.tick(8) {
                leaf.first_entry.next = entry(random);
                leaf.other_entry.next = entry(random);
            }
            leaf.returning.next = from_unsigned(flag(random.often()));
            leaf.first.next = from_signed(random.signed(8));
            leaf.other.next = from_signed(random.signed(8));
        },
    );

    let mut held = 0_usize;
    bench.leaf(
        "records",
        RecordFifo::default(),
        3000,
        clock!(),
        move |leaf, random| {
            let pop = held > 0 && random.often();
            let push = held < 8 && random.often();
            held = held + usize::from(push) - usize::from(pop);
            leaf.pop.next = pop;
            leaf.push.next = push;
            leaf.select.next = from_unsigned(random.below(4));
            for word in &mut leaf.words {
                word.next = from_unsigned(random.any());
            }
            leaf.reset.next = false;
        },
    );

    fn capture<const QP: usize>(leaf: &mut ResidualEntries<QP>, random: &mut Random) {
        leaf.capture.next = from_unsigned(flag(random.often()));
        leaf.second.next = from_unsigned(flag(random.often()));
        leaf.entries.next = concatenate(8, (0..QP / 8).map(|_| random.below(256)));
    }
    bench.leaf(
        "entries_two",
        ResidualEntries::<144>::default(),
        500,
        clock!(),
        capture::<144>,
    );
    bench.leaf(
        "entries_four",
        ResidualEntries::<288>::default(),
        500,
        clock!(),
        capture::<288>,
    );
}
