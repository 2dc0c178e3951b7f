//! Every hand-written leaf has two halves: Rust for native simulation and Verilog for everything
//! else. Nothing ties them together but this test: it drives the Rust half with random and
//! extreme values, then replays the same cycles on the Verilog half in Verilator.

mod array;
mod bench;
mod compute;
mod primitives;
#[path = "../support/verilator.rs"]
mod verilator;

use bench::{Bench, Random};
use systole_hdl::bits::{concatenate, from_signed, from_unsigned};
use systole_hdl::control::extent::Extent;
use systole_hdl::delay::Delay;
use systole_hdl::dma::fifo::{BeatFifo, DEPTH};
use systole_hdl::join::{Join, Resize};
use systole_hdl::link::buffer::Buffer;
use systole_hdl::memory::accumulators::Accumulators;
use systole_hdl::memory::parameters::ParameterMemory;
use systole_hdl::memory::program::ProgramMemory;
use systole_hdl::memory::scratchpad::Scratchpad;
use systole_hdl::memory::weights::WeightBank;
use systole_hdl::requantize::lane::Lane;
use systole_hdl::requantize::unit::GroupSelect;

/// Sets the port `clock` of a leaf.
macro_rules! clock {
    () => {
        |leaf, clock| leaf.clock.next = clock
    };
}

#[test]
fn both_halves_of_every_leaf_agree() {
    let mut bench = Bench::new(0x5eed);

    array::leaves(&mut bench);

    for (name, cycles) in [("delay", 3), ("delay_none", 0)] {
        bench.leaf(
            name,
            Delay::<5>::new(cycles),
            300,
            clock!(),
            |leaf, random| {
                leaf.entry.next = from_unsigned(random.any());
            },
        );
    }
    bench.leaf(
        "delay_one",
        Delay::<1>::new(1),
        300,
        clock!(),
        |leaf, random| {
            leaf.entry.next = from_unsigned(random.any());
        },
    );

    bench.leaf("lane", Lane::default(), 30_000, clock!(), |leaf, random| {
        // What is constant in an instruction changes now and then, even while results are in flight.
        if random.tick(16) {
            let (low, high) = {
                let (a, b) = (random.signed(8), random.signed(8));
                (a.min(b), a.max(b))
            };
            leaf.minimum.next = from_signed(low);
            leaf.maximum.next = from_signed(high);
            leaf.zero_point.next = from_signed(random.signed(8));
            leaf.double_rounding.next = random.often();
            leaf.second_minimum.next = from_signed(low);
            leaf.second_maximum.next = from_signed(random.signed(8).max(low));
            leaf.second_zero_point.next = from_signed(random.signed(8));
        }
        leaf.second.next = from_unsigned(u64::from(random.often()));
        leaf.sum.next = from_signed(random.signed(32));
        let multiplier = random.signed(32) as u32;
        let bias = random.signed(32) as u32;
        let shift = random.signed(8) as u8;
        leaf.channel.next = concatenate(
            8,
            bias.to_le_bytes()
                .into_iter()
                .chain(multiplier.to_le_bytes())
                .chain([shift])
                .map(u64::from),
        );
    });

    accumulators(&mut bench);
    scratchpads(&mut bench);
    weight_banks(&mut bench);

    bench.leaf(
        "parameters",
        ParameterMemory::<4, 288>::new(32),
        2000,
        clock!(),
        |leaf, random| {
            leaf.write_valid.next = random.often();
            leaf.write_beat.next = from_unsigned(random.below(64));
            leaf.write_data.next = from_unsigned(random.any());
            leaf.read_entry.next = from_unsigned(random.below(8) * 4);
        },
    );

    bench.leaf(
        "program",
        ProgramMemory::new(64),
        1000,
        clock!(),
        |leaf, random| {
            leaf.write_valid.next = random.often();
            leaf.write_word.next = from_unsigned(random.below(64));
            leaf.write_data.next = from_unsigned(random.any());
            leaf.read_word.next = from_unsigned(random.below(64));
        },
    );

    bench.leaf(
        "link_buffer",
        Buffer::default(),
        3000,
        clock!(),
        |leaf, random| {
            leaf.write_valid.next = random.often();
            // Few addresses, in both halves, so that what is read has been written.
            leaf.write_address.next = from_unsigned(random.below(16) * 131);
            leaf.write_byte.next = from_unsigned(random.any());
            leaf.read_address.next = from_unsigned(random.below(16) * 131);
        },
    );

    bench.leaf(
        "extent",
        Extent::default(),
        4000,
        clock!(),
        |leaf, random| {
            leaf.chain.next = random.tick(3);
            leaf.base.next = from_unsigned(random.extreme(32));
            leaf.count.next = from_unsigned(random.extreme(16));
            leaf.stride.next = from_unsigned(random.extreme(32));
            leaf.tiles.next = from_unsigned(random.extreme(32));
            leaf.unit.next = from_unsigned(random.extreme(16));
            leaf.limit.next = from_unsigned(random.extreme(32));
        },
    );

    let mut held = 0_usize;
    bench.leaf(
        "fifo",
        BeatFifo::default(),
        3000,
        clock!(),
        move |leaf, random| {
            let pop = held > 0 && random.often();
            let push = held < DEPTH && random.often();
            held = held + usize::from(push) - usize::from(pop);
            leaf.pop.next = pop;
            leaf.push.next = from_unsigned(u64::from(push));
            leaf.push_data.next = from_unsigned(random.any());
            leaf.push_strobe.next = from_unsigned(random.any());
            leaf.push_last.next = from_unsigned(random.any());
            leaf.reset.next = false;
        },
    );

    bench.leaf(
        "select",
        GroupSelect::<256, 128>::default(),
        300,
        clock!(),
        |leaf, random| {
            leaf.select.next = from_unsigned(random.below(2));
            leaf.sums.next = concatenate(32, random.words(8));
        },
    );
    bench.leaf(
        "join",
        Join::<4, 8, 32>::default(),
        300,
        |_, _| {},
        |leaf, random| {
            for part in &mut leaf.parts {
                part.next = from_unsigned(random.any());
            }
        },
    );
    bench.leaf(
        "resize_up",
        Resize::<16, 64>::default(),
        100,
        |_, _| {},
        |leaf, random| leaf.vector.next = from_unsigned(random.any()),
    );
    bench.leaf(
        "resize_down",
        Resize::<64, 32>::default(),
        100,
        |_, _| {},
        |leaf, random| leaf.vector.next = from_unsigned(random.any()),
    );

    primitives::leaves(&mut bench);
    compute::leaves(&mut bench);

    bench.run();
}

fn accumulators(bench: &mut Bench) {
    fn drive<const AW: usize>(
        leaf: &mut Accumulators<4, 18, AW>,
        random: &mut Random,
        rows: [u64; 3],
    ) {
        let direct = random.tick(4);
        leaf.direct.next = direct;
        leaf.valid.next = !direct && random.often();
        leaf.direct_sums.next = concatenate(32, random.words(4));
        leaf.first.next = random.tick(5);
        leaf.last.next = random.tick(5);
        // Few rows, so that the same one is hit in consecutive cycles.
        leaf.row.next = from_unsigned(rows[random.below(3) as usize]);
        leaf.drain_row.next = from_unsigned(rows[random.below(3) as usize]);
        for sum in &mut leaf.partial_sums {
            sum.next = from_signed(random.signed(18));
        }
    }
    // One bank, less than one, and several.
    bench.leaf(
        "accumulators",
        Accumulators::<4, 18, 128>::new(16),
        6000,
        clock!(),
        |leaf, random| drive(leaf, random, [0, 1, 15]),
    );
    bench.leaf(
        "accumulators_few",
        Accumulators::<4, 18, 128>::new(8),
        2000,
        clock!(),
        |leaf, random| drive(leaf, random, [0, 4, 7]),
    );
    bench.leaf(
        "accumulators_many",
        Accumulators::<4, 18, 128>::new(64),
        6000,
        clock!(),
        |leaf, random| drive(leaf, random, [3, 19, 51]),
    );
}

fn scratchpads(bench: &mut Bench) {
    fn drive<const RW: usize, const WW: usize>(leaf: &mut Scratchpad<RW, WW>, random: &mut Random) {
        leaf.window_address.next = from_unsigned(random.below(1 << 12));
        leaf.window_pad.next = from_unsigned(random.any());
        leaf.window_skip.next = from_signed(random.signed(16));
        // Boundaries grow; spans are whatever they are.
        let mut boundary = random.below(20);
        let boundaries = [(); 4].map(|()| {
            let this = boundary.min(63);
            boundary += 1 + random.below(20);
            this
        });
        leaf.window_boundaries.next = concatenate(6, boundaries);
        leaf.window_from.next = concatenate(6, [(); 5].map(|()| random.below(20)));
        leaf.window_to.next = concatenate(6, [(); 5].map(|()| random.below(64)));
        leaf.access_address.next = from_unsigned(random.below(1 << 12));
        leaf.access_write.next = random.often();
        leaf.access_bytes.next = from_unsigned(random.below(WW as u64 / 8 + 1));
        leaf.access_data.next = concatenate(32, random.words(WW / 32));
    }
    // A vector as wide as a word, one of half a word, and accesses as wide as a word.
    bench.leaf(
        "scratchpad_wide",
        Scratchpad::<128, 64>::new(512),
        4000,
        clock!(),
        drive::<128, 64>,
    );
    bench.leaf(
        "scratchpad_narrow",
        Scratchpad::<32, 64>::new(256),
        4000,
        clock!(),
        drive::<32, 64>,
    );
    bench.leaf(
        "scratchpad_broad",
        Scratchpad::<256, 128>::new(1024),
        4000,
        clock!(),
        drive::<256, 128>,
    );
}

fn weight_banks(bench: &mut Bench) {
    fn drive<const CW: usize>(leaf: &mut WeightBank<CW>, random: &mut Random) {
        leaf.write_valid.next = random.often();
        leaf.write_tile.next = from_unsigned(random.below(12));
        leaf.write_beat.next = from_unsigned(random.below(8));
        leaf.write_data.next = from_unsigned(random.any());
        leaf.read_tile.next = from_unsigned(random.below(12));
    }
    // A row of half a beat, of one beat, of two, and of groups that are half a beat.
    bench.leaf(
        "weights_half",
        WeightBank::<32>::new(1, 12, 4),
        1500,
        clock!(),
        drive::<32>,
    );
    bench.leaf(
        "weights_one",
        WeightBank::<64>::new(1, 12, 8),
        1500,
        clock!(),
        drive::<64>,
    );
    bench.leaf(
        "weights_two",
        WeightBank::<128>::new(1, 12, 16),
        1500,
        clock!(),
        drive::<128>,
    );
    bench.leaf(
        "weights_groups",
        WeightBank::<128>::new(1, 12, 4),
        1500,
        clock!(),
        drive::<128>,
    );
}
